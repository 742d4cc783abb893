//! Requests and readable plans for tests.

use planb_mysql_family::{backup, restore};
use planb_sdk::{FoundTool, Request, RestoreRequest, testing};

use crate::MySql;

/// Everything given, tools of version 9.7.
pub(crate) fn request() -> Request {
    let tool = |id: &str| FoundTool {
        id: id.to_owned(),
        version: Some("9.7.4".to_owned()),
        banner: Some(format!("{id}  Ver 9.7.4 for Linux on x86_64 ((Debian))")),
    };
    let mut request = testing::request("shop").password().port(3306);
    request.tools = ["mysqldump", "mysql", "mysqld"].map(tool).to_vec();
    request
}

/// A backup plan without what all have.
pub(crate) fn rendered(request: &Request) -> String {
    match backup::plan::<MySql>(request) {
        Ok(plan) => short(&plan.to_string()),
        Err(failure) => format!("{:?}: {}", failure.code, failure.message),
    }
}

/// A restore plan without what all have.
pub(crate) fn rendered_restore(request: &RestoreRequest) -> String {
    short(&restore::plan::<MySql>(request).unwrap().to_string())
}

fn short(plan: &str) -> String {
    let (file, plan) = plan.split_once('\n').unwrap();
    assert_eq!(file, "file {work}/client.cnf: [client]\\npassword=\"{secret password}\"\\n");
    plan.replace("--defaults-file={work}/client.cnf --protocol=tcp --host=db --port=3306 --user=app", "LOGIN")
        .replace(
            "--connect-timeout=10 --default-character-set=utf8mb4 --max-allowed-packet=1073741824 --batch --binary-mode --comments \
             --local-infile=0 --skip-reconnect",
            "USUAL",
        )
        .replace("--default-character-set=utf8mb4 --max-allowed-packet=1073741824", "USUAL")
}
