//! A family for tests.

use planb_sdk::{BackupPlan, Command, Failure, FoundTool, Request, RestorePlan, RestoreRequest, testing};

use crate::Family;

/// Like MariaDB, without what is its own.
pub(crate) struct Maria;

impl Family for Maria {
    const NAME: &'static str = "MariaDB";
    const OTHER: (&'static str, &'static str) = ("MySQL", "mysql");
    const MARIADB: bool = true;
    const DUMP: &'static str = "mariadb-dump";
    const CLIENT: &'static str = "mariadb";
    const INSTALL: &'static str = "mariadb-client";
    const SYSTEM: &'static [&'static str] = &["mysql", "sys"];
    const NOISE: Option<&'static str> = Some("noise");

    fn secure(command: Command, _: &Request) -> Result<Command, Failure> {
        Ok(command)
    }
    fn client(command: Command) -> Command {
        command
    }
    fn dump(command: Command, _: &Request) -> Result<Command, Failure> {
        Ok(command)
    }
    fn accounts(_: &Request) -> Result<BackupPlan, Failure> {
        Err(Failure::unsupported("no"))
    }
    fn restore_accounts(_: &RestoreRequest) -> Result<RestorePlan, Failure> {
        Err(Failure::unsupported("no"))
    }
}

/// A request with the client.
pub(crate) fn request(database: &str) -> Request {
    let mut request = testing::request(database);
    let client =
        FoundTool { id: "mariadb".to_owned(), version: None, banner: Some("mariadb from 11.8.6-MariaDB".to_owned()) };
    request.tools.push(client);
    request
}
