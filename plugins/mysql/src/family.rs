//! What is MySQL's own: its options and its TLS.

use planb_mysql_family::{Family, connect};
use planb_sdk::{BackupPlan, Command, Failure, Request, RestorePlan, RestoreRequest, Version};

use crate::{MySql, accounts, describe};

/// From here on mysqldump knows column statistics, and would ask older servers for them.
const COLUMN_STATISTICS: Version = Version::new(8, 0, 0);
/// From here on it has `--source-data` in the place of `--master-data`.
const SOURCE_DATA: Version = Version::new(8, 0, 26);

const OPTIONS: &[(&str, &str)] = &[
    ("ssl-mode", "--ssl-mode"),
    ("ssl-cipher", "--ssl-cipher"),
    ("tls-version", "--tls-version"),
    ("tls-ciphersuites", "--tls-ciphersuites"),
    ("tls-sni-servername", "--tls-sni-servername"),
    ("default-auth", "--default-auth"),
    ("compression-algorithms", "--compression-algorithms"),
    ("zstd-compression-level", "--zstd-compression-level"),
    ("server-public-key-path", "--server-public-key-path"),
];

impl Family for MySql {
    const NAME: &'static str = "MySQL";
    const OTHER: (&'static str, &'static str) = ("MariaDB", "mariadb");
    const MARIADB: bool = false;
    const DUMP: &'static str = "mysqldump";
    const CLIENT: &'static str = "mysql";
    const INSTALL: &'static str = describe::CLIENT;
    const SYSTEM: &'static [&'static str] = &["information_schema", "mysql", "ndbinfo", "performance_schema", "sys"];
    const NOISE: Option<&'static str> = None;

    fn secure(command: Command, request: &Request) -> Result<Command, Failure> {
        let key = connect::toggle(request, "get-server-public-key")?.unwrap_or_default();
        let cleartext = connect::toggle(request, "enable-cleartext-plugin")?.unwrap_or_default();
        let command = connect::options(command, request, connect::PATHS);
        Ok(connect::options(command, request, OPTIONS)
            .flag_if(key, "--get-server-public-key")
            .flag_if(cleartext, "--enable-cleartext-plugin"))
    }

    fn client(command: Command) -> Command {
        command
    }

    fn dump(command: Command, request: &Request) -> Result<Command, Failure> {
        let at_least = |version| request.tool_version(Self::DUMP).is_none_or(|found| found >= version);
        let command = command.flag(match request.text("gtid-purged").unwrap_or("off") {
            "off" => "--set-gtid-purged=OFF",
            "commented" => "--set-gtid-purged=COMMENTED",
            "auto" => "--set-gtid-purged=AUTO",
            "on" => "--set-gtid-purged=ON",
            other => {
                return Err(Failure::settings(format!("gtid-purged cannot be {other:?}"))
                    .hint("say --option gtid-purged=off, commented, auto or on"));
            }
        });
        let position = if at_least(SOURCE_DATA) { "--source-data=2" } else { "--master-data=2" };
        Ok(command
            .flag_if(at_least(COLUMN_STATISTICS), "--skip-column-statistics")
            .flag_if(request.toggle("binlog-position")?, position))
    }

    fn accounts(request: &Request) -> Result<BackupPlan, Failure> {
        accounts::backup(request)
    }

    fn restore_accounts(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        accounts::restore(request)
    }
}

#[cfg(test)]
mod tests {
    use planb_mysql_family::{backup, restore};
    use planb_sdk::{Artifact, Mode, Object, Scope, TargetState};

    use super::*;
    use crate::testing::{rendered, rendered_restore, request};

    #[test]
    fn one_database() {
        assert_eq!(
            rendered(&request()),
            "stdout mysqldump LOGIN USUAL --single-transaction --routines --events --triggers --hex-blob --no-tablespaces \
             --set-gtid-purged=OFF --skip-column-statistics shop [extra] -> sql .sql\n"
        );
        let mut old = request()
            .with_setting("binlog-position", "true")
            .with_setting("lock", "all-tables")
            .with_setting("gtid-purged", "auto");
        old.tools[0].version = Some("5.7.44".to_owned());
        assert_eq!(
            rendered(&old),
            "stdout mysqldump LOGIN USUAL --lock-all-tables --routines --events --triggers --hex-blob --no-tablespaces \
             --set-gtid-purged=AUTO --master-data=2 shop [extra] -> sql .sql\n"
        );
        let rows = request()
            .with_setting("data-only", "true")
            .with_setting("hex-blob", "false")
            .with_setting("tablespaces", "true");
        assert_eq!(
            rendered(&rows),
            "stdout mysqldump LOGIN USUAL --single-transaction --skip-triggers --no-create-info --set-gtid-purged=OFF \
             --skip-column-statistics shop [extra] -> data .sql\n"
        );
    }

    #[test]
    fn all() {
        let all = request().scope(Scope::All).mode(Mode::File);
        assert!(
            rendered(&all)
                .ends_with("--all-databases --flush-privileges [extra] --result-file={work}/dump.sql -> server .sql\n")
        );
        let own = all.with_setting("system-tables", "false");
        assert!(rendered(&own).contains("--all-databases --ignore-table=mysql.columns_priv "));
    }

    #[test]
    fn of_another_family() {
        let mut foreign = request();
        foreign.tools[0].banner =
            Some("mysqldump from 11.8.6-MariaDB, client 10.19 for debian-linux-gnu (x86_64)".to_owned());
        assert_eq!(
            rendered(&foreign),
            "FailureCode::ToolUnfit: the program for mysqldump is MariaDB's, and this engine is for MySQL"
        );
        assert_eq!(
            rendered(&request().server_is("10.11.19-MariaDB-0+deb12u1")),
            "FailureCode::ToolUnfit: the server is MariaDB, and this engine is for MySQL"
        );
    }

    #[test]
    fn encryption() {
        let mut request = request()
            .with_param("ssl-mode", "VERIFY_CA")
            .with_param("ssl-ca", "/ca.pem")
            .with_param("get-server-public-key", "");
        (request.connection.host, request.connection.socket) = (None, Some("/run/s.sock".to_owned()));
        let plan = backup::plan::<MySql>(&request).unwrap().to_string();
        assert!(
            plan.contains("--protocol=socket --socket=/run/s.sock --user=app --ssl-ca=/ca.pem --ssl-mode=VERIFY_CA --get-server-public-key "),
            "{plan}"
        );
    }

    fn sql() -> Artifact {
        Artifact::new("sql", "application/sql", "sql")
    }

    const MARK: &str = "`planb: this restore has not ended`";

    #[test]
    fn into_an_empty_database() {
        let text = rendered_restore(&request().restore(sql(), TargetState::Empty));
        assert!(text.starts_with("filtered stdin mysql LOGIN USUAL --database=shop [extra]\nwarning "), "{text}");
    }

    #[test]
    fn into_a_new_one() {
        let request = request().scope(Scope::Database("a`b".to_owned())).with_setting("charset", "utf8mb4");
        let text = rendered_restore(&request.clone().restore(sql(), TargetState::Missing));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            format!(
                "prepare mysql LOGIN USUAL << CREATE DATABASE `a``b` CHARACTER SET utf8mb4;\\nCREATE TABLE `a``b`.{MARK} (a INT);\\n"
            )
        );
        assert_eq!(lines[1], "filtered stdin mysql LOGIN USUAL --database=a`b [extra]");
        assert_eq!(lines[2], format!("finish mysql LOGIN USUAL << DROP TABLE `a``b`.{MARK};\\n"));
        assert!(lines[3].starts_with("cleanup mysql LOGIN USUAL --skip-column-names --raw << SELECT CONCAT('DROP DATABASE ', _utf8mb4 0x6061606062"));
        assert!(lines[3].ends_with(" > {work}/cleaned.sql"));
        assert_eq!(lines[4], "cleanup mysql LOGIN USUAL < {work}/cleaned.sql");
        let bad = request.with_setting("collation", "x; DROP").restore(sql(), TargetState::Missing);
        assert!(restore::plan::<MySql>(&bad).is_err());
    }

    #[test]
    fn in_place_of_another_only_when_told() {
        let mut request = request().restore(sql(), TargetState::Occupied);
        assert!(restore::plan::<MySql>(&request).unwrap_err().hint.unwrap().contains("--replace"));
        request.replace = true;
        let text = rendered_restore(&request);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("SELECT CONCAT('DROP DATABASE ', ") && lines[0].ends_with(" > {work}/made.sql"));
        assert_eq!(lines[1], "prepare mysql LOGIN USUAL < {work}/made.sql");
        assert!(lines[2].contains(MARK) && lines[3].starts_with("filtered stdin"));
    }

    #[test]
    fn rows_alone_go_into_tables() {
        let data = || request().restore(Artifact::new("sql", "application/sql", "data"), TargetState::Occupied);
        for target in [TargetState::Missing, TargetState::Empty, TargetState::Occupied] {
            let mut request = data();
            request.target = target;
            assert!(restore::plan::<MySql>(&request).is_err());
        }
        let mut request = data();
        request.replace = true;
        request.objects = vec![Object::new("table", "a").rows(1), Object::new("view", "v")];
        let text = rendered_restore(&request);
        assert!(text.starts_with("prepare mysql LOGIN USUAL << SET SESSION foreign_key_checks = 0;\\nTRUNCATE TABLE `shop`.`a`;\\n\nfiltered"), "{text}");
    }

    #[test]
    fn a_whole_server() {
        let mut all = request().scope(Scope::All).server_is("9.7.4").restore(sql(), TargetState::Occupied);
        all.replace = true;
        all.objects = vec![Object::new("database", "shop")];
        all.artifact.format = "server".to_owned();
        let text = rendered_restore(&all);
        assert!(text.starts_with("prepare mysql LOGIN USUAL << DROP DATABASE IF EXISTS `shop`;\\n\nfiltered stdin mysql LOGIN USUAL [extra]\n"), "{text}");
        assert!(text.contains("accounts, are left out"));
        all.request = all.request.with_setting("restore-system-tables", "true");
        assert!(rendered_restore(&all).contains("accounts of the server are replaced"));
        all.source_version = Some("8.4.1".to_owned());
        assert!(restore::plan::<MySql>(&all).unwrap_err().message.contains("does not fit"));
        let mut one = request().restore(sql(), TargetState::Empty);
        one.source_scope = Scope::All;
        assert!(restore::plan::<MySql>(&one).is_err());
    }
}
