//! What is MariaDB's own: its options, its TLS, its accounts.

use planb_mysql_family::{Family, backup, connect, restore};
use planb_sdk::{Artifact, BackupPlan, Command, Failure, Mode, Request, RestorePlan, RestoreRequest, Scope, path};

use crate::{MariaDb, describe};

const FILE: &str = "accounts.sql";

const OPTIONS: &[(&str, &str)] = &[
    ("ssl-cipher", "--ssl-cipher"),
    ("ssl-fp", "--ssl-fp"),
    ("ssl-fplist", "--ssl-fplist"),
    ("tls-version", "--tls-version"),
    ("default-auth", "--default-auth"),
];

impl Family for MariaDb {
    const NAME: &'static str = "MariaDB";
    const OTHER: (&'static str, &'static str) = ("MySQL", "mysql");
    const MARIADB: bool = true;
    const DUMP: &'static str = "mariadb-dump";
    const CLIENT: &'static str = "mariadb";
    const INSTALL: &'static str = describe::CLIENT;
    const SYSTEM: &'static [&'static str] = &["information_schema", "mysql", "performance_schema", "sys"];
    // MDEV-21178: written by the versions since May 2024, and an error to every older client.
    const NOISE: Option<&'static str> = Some("/*M!999999\\- enable the sandbox mode */");

    fn secure(command: Command, request: &Request) -> Result<Command, Failure> {
        let command = match connect::toggle(request, "ssl")? {
            None => command,
            Some(true) => command.flag("--ssl"),
            Some(false) => command.flag("--skip-ssl"),
        };
        let command = match connect::toggle(request, "ssl-verify-server-cert")? {
            None => command,
            Some(true) => command.flag("--ssl-verify-server-cert"),
            Some(false) => command.flag("--skip-ssl-verify-server-cert"),
        };
        let compress = connect::toggle(request, "compress")?.unwrap_or_default();
        let command = connect::options(command, request, connect::PATHS);
        Ok(connect::options(command, request, OPTIONS).flag_if(compress, "--compress"))
    }

    /// Of a statement that fails it would print all: a megabyte of rows, the hash of a password.
    fn client(command: Command) -> Command {
        command.flag("--loose-skip-print-query-on-error")
    }

    fn dump(mut command: Command, request: &Request) -> Result<Command, Failure> {
        let database = match &request.scope {
            Scope::Database(name) => Some(name.as_str()),
            Scope::All | Scope::Globals => None,
        };
        for name in request.list("ignore-table-data") {
            command = command.option("--ignore-table-data", backup::with_database(name, database)?);
        }
        command = command.flag_if(request.toggle("history")?, "--dump-history");
        if request.toggle("binlog-position")? {
            command = command.flag("--master-data=2").flag("--gtid");
        }
        Ok(command)
    }

    /// `--insert-ignore` makes statements that leave accounts alone that are there already.
    fn accounts(request: &Request) -> Result<BackupPlan, Failure> {
        let dump = connect::dump::<Self>(request)?.flag("--system=users").flag("--insert-ignore").extra();
        let artifact = Artifact::new("accounts.sql", "application/sql", backup::ACCOUNTS);
        match request.mode {
            Mode::File => Ok(BackupPlan::from_file(dump.option("--result-file", path(FILE)), FILE, artifact)),
            _ => Ok(backup::stream::<Self>(dump, artifact)),
        }
    }

    fn restore_accounts(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        restore::needs_accounts(request)?;
        Ok(restore::load::<Self>(&request.request, None)?.warning(
            "accounts that are there already stay, and get the rights and the passwords of the backup; rights on a table or routine \
             need it to be there, so restore the databases first",
        ))
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{FailureCode, FoundTool, TargetState, testing};

    use super::*;

    fn request() -> Request {
        let tool = |id: &str, banner: &str| FoundTool {
            id: id.to_owned(),
            version: Some("11.8.6".to_owned()),
            banner: Some(banner.to_owned()),
        };
        let mut request = testing::request("shop").password().port(3306);
        request.tools = vec![
            tool("mariadb-dump", "mariadb-dump from 11.8.6-MariaDB, client 10.19 for debian-linux-gnu (x86_64)"),
            tool(
                "mariadb",
                "mariadb from 11.8.6-MariaDB, client 15.2 for debian-linux-gnu (x86_64) using  EditLine wrapper",
            ),
        ];
        request
    }

    fn rendered(request: &Request) -> String {
        match backup::plan::<MariaDb>(request) {
            Ok(plan) => {
                let plan = plan.to_string();
                let (file, plan) = plan.split_once('\n').unwrap();
                assert_eq!(file, "file {work}/client.cnf: [client]\\npassword=\"{secret password}\"\\n");
                plan.replace(
                    "--defaults-file={work}/client.cnf --protocol=tcp --host=db --port=3306 --user=app",
                    "LOGIN",
                )
                .replace("--default-character-set=utf8mb4 --max-allowed-packet=1073741824", "USUAL")
            }
            Err(failure) => format!("{:?}: {}", failure.code, failure.message),
        }
    }

    const TRIM: &str = r#" [trim "/*M!999999\\- enable the sandbox mode */" 0]"#;

    #[test]
    fn one_database() {
        assert_eq!(
            rendered(&request()),
            format!(
                "stdout mariadb-dump LOGIN USUAL --single-transaction --routines --events --triggers --hex-blob --no-tablespaces \
                 shop [extra]{TRIM} -> sql .sql\n"
            )
        );
        let file = request().mode(Mode::File).with_setting("tables", "a, b").with_setting("ignore-table", "c,shop.d");
        assert_eq!(
            rendered(&file),
            "file {work}/dump.sql mariadb-dump LOGIN USUAL --single-transaction --routines --events --triggers --hex-blob \
             --no-tablespaces --ignore-table=shop.c --ignore-table=shop.d shop a b [extra] --result-file={work}/dump.sql -> sql .sql\n"
        );
    }

    #[test]
    fn all_as_startree_takes_it() {
        let all = request()
            .scope(Scope::All)
            .with_setting("add-locks", "false")
            .with_setting("ignore-table", "mysql.global_priv");
        assert_eq!(
            rendered(&all),
            format!(
                "stdout mariadb-dump LOGIN USUAL --single-transaction --routines --events --triggers --hex-blob --skip-add-locks \
                 --no-tablespaces --ignore-table=mysql.global_priv --all-databases --flush-privileges [extra]{TRIM} -> server .sql\n"
            )
        );
        let some = request().scope(Scope::All).with_setting("databases", "shop,x");
        assert!(rendered(&some).contains("--databases shop x [extra]"));
        let own = request().scope(Scope::All).with_setting("system-tables", "false");
        assert!(rendered(&own).contains("--all-databases --ignore-database=mysql [extra]"));
    }

    #[test]
    fn what_cannot_be() {
        let set = |name: &str, value: &str| rendered(&request().with_setting(name, value));
        assert!(set("databases", "a").contains("for a backup of all"));
        assert!(set("lock", "what").contains("no lock"));
        assert!(
            rendered(&request().with_setting("schema-only", "true").with_setting("data-only", "true"))
                .contains("nothing to dump")
        );
        let mut compact = request();
        compact.extra_args = vec!["--compact".to_owned()];
        assert!(rendered(&compact).contains("no end mark"));
        assert!(rendered(&request().scope(Scope::All).with_setting("ignore-table", "t")).contains("which database"));
    }

    #[test]
    fn of_another_family() {
        let mut foreign = request();
        foreign.tools[0].banner = Some("mysqldump  Ver 9.7.4 for Linux on x86_64 ((Debian))".to_owned());
        assert_eq!(
            rendered(&foreign),
            "FailureCode::ToolUnfit: the program for mariadb-dump is MySQL's, and this engine is for MariaDB"
        );
        assert_eq!(
            rendered(&request().server_is("9.7.4-2")),
            "FailureCode::ToolUnfit: the server is MySQL, and this engine is for MariaDB"
        );
        assert!(rendered(&request().server_is("10.11.19-MariaDB-0+deb12u1")).starts_with("stdout"));
        assert!(
            rendered(&request().server_is("12.0.2-MariaDB"))
                .contains("warning mariadb-dump 11.8.6 is older than the server")
        );
    }

    #[test]
    fn accounts() {
        assert_eq!(
            rendered(&request().scope(Scope::Globals)),
            format!(
                "stdout mariadb-dump LOGIN USUAL --system=users --insert-ignore [extra]{TRIM} -> accounts .accounts.sql\n"
            )
        );
        let artifact = Artifact::new("accounts.sql", "application/sql", "accounts");
        let restore = request().scope(Scope::Globals).restore(artifact, TargetState::Unknown);
        let plan = restore::plan::<MariaDb>(&restore).unwrap().to_string();
        assert!(
            plan.contains("filtered stdin mariadb ") && plan.contains("--skip-reconnect [extra]\nwarning "),
            "{plan}"
        );
    }

    #[test]
    fn encryption() {
        let secure = |pairs: &[(&str, &str)]| {
            let request = pairs.iter().fold(request(), |request, (name, value)| request.with_param(name, value));
            MariaDb::secure(Command::tool("t"), &request).map(|command| command.to_string())
        };
        assert_eq!(secure(&[]).unwrap(), "t");
        assert_eq!(
            secure(&[("ssl", "true"), ("ssl-verify-server-cert", "false"), ("ssl-ca", "/ca.pem"), ("ssl-fp", "ab:cd")])
                .unwrap(),
            "t --ssl --skip-ssl-verify-server-cert --ssl-ca=/ca.pem --ssl-fp=ab:cd"
        );
        assert_eq!(secure(&[("ssl", "off"), ("compress", "1")]).unwrap(), "t --skip-ssl --compress");
        assert_eq!(secure(&[("ssl", "maybe")]).unwrap_err().code, FailureCode::InvalidRequest);
    }
}
