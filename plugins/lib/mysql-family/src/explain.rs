//! What the tools' last words mean.
//!
//! An error has a number, which is the same in both families and in all languages of a server's messages: `ERROR 1045 (28000): ...` of the client,
//! `Got error: 1045: ...`, `Error 2013: ...` and `Couldn't execute '...': ... (1146)` of the dump tool (share/messages_to_clients.txt,
//! include/errmsg.h, client/mysqldump.cc).

use planb_sdk::{Failure, FailureCode, explain::Words};

use crate::family::Family;

/// Explains the end of one of the family's tools.
pub fn explain<F: Family>(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let words =
        Words::new(stderr, &["ERROR ", "rror: ", "Error ", "[ERROR] ", "Couldn't "], &["WARNING:", "mysql: [Warning]"]);
    let name = F::NAME;
    let last = last(stderr);
    match number(stderr) {
        Some(number) => by_number::<F>(number, tool, &last)
            .unwrap_or_else(|| Failure::database(format!("{tool} failed with error {number}: {last}"))),
        // Told of tablespaces without a number.
        None if words.said("you need (at least one of)") => by_right::<F>(1227, &last),
        None if words.said("Couldn't find table") => Failure::settings(format!("a table is not there: {last}"))
            .hint("check --option tables; names of tables may differ in small and large letters"),
        None if words.said("Binlogging on server not active") => Failure::settings("the server writes no binary log, so there is no position in it")
            .hint("leave out --option binlog-position"),
        None if words.said("unknown option") || words.said("unknown variable") => {
            Failure::settings(format!("{tool} does not know an argument: {last}"))
                .code(FailureCode::ToolUnfit)
                .hint(format!("check the extra arguments after --, the parameters of the URL, and that the tool is {name}'s and not too old"))
        }
        None if words.said("socket file path is too long") => Failure::settings(last)
            .hint("a socket's path has at most 107 bytes: say --work-dir with a shorter path"),
        None => words.common(tool).unwrap_or_else(|| words.failure(tool, code)),
    }
}

/// The number of the last error.
fn number(stderr: &str) -> Option<u32> {
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        (end == 4).then(|| text.get(..end)?.parse().ok()).flatten()
    };
    stderr.lines().rev().find_map(|line| {
        let marked = ["ERROR ", "Got error: ", ": Error: ", ": Error "]
            .iter()
            .find_map(|mark| line.split_once(mark).and_then(|(_, rest)| digits(rest)));
        // `Couldn't execute 'SHOW FUNCTION STATUS ...': Access denied (1044)`
        let behind = line
            .strip_suffix(')')
            .and_then(|line| line.rsplit_once('('))
            .filter(|(before, _)| before.contains("ouldn't execute"));
        marked.or_else(|| behind.and_then(|(_, number)| digits(number)))
    })
}

/// The last line that tells of an error, without the tool's name before it.
fn last<'a>(stderr: &'a str) -> String {
    let lines = || {
        stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.contains("[Warning]") && !line.starts_with("WARNING:"))
    };
    let marks = ["ERROR", "rror:", "Error ", "ouldn't"];
    let line = lines().rfind(|line| marks.iter().any(|mark| line.contains(mark))).or_else(|| lines().next_back());
    let line = line.unwrap_or("it said nothing");
    // `ERROR 1146 (42S02) at line 5: Table ...`, `mysqldump: Got error: 1045: Access denied ...`: numbers are for this module.
    let behind = |line: &'a str, mark: &str| {
        let (_, rest) = line.split_once(mark)?;
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = if rest.starts_with(" (") { rest.split_once(": ").map_or(rest, |(_, rest)| rest) } else { rest };
        Some(rest.trim_start_matches([':', ' ']))
    };
    let told = ["ERROR ", "Got error: "].iter().find_map(|mark| behind(line, mark)).unwrap_or(line);
    told.chars().take(300).collect()
}

fn by_number<F: Family>(number: u32, tool: &str, last: &str) -> Option<Failure> {
    let name = F::NAME;
    let failure = match number {
        1045 | 1698 | 1524 | 2012 | 3118 | 1820 | 1862 | 3955 | 4151 => {
            let failure = Failure::access_denied(format!("{name} refused user or password: {last}"));
            match number {
                1820 | 1862 => failure.hint("the password has expired: change it with ALTER USER"),
                3118 | 4151 => failure.hint("the account is locked: ALTER USER ... ACCOUNT UNLOCK"),
                1698 => failure.hint("this account comes in by the operating system's user over the socket: use another account, or run as that user with the socket in the URL"),
                _ => failure.hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file; an account is for a host too ('app'@'localhost'), and may want TLS"),
            }
        }
        1130 | 1129 => Failure::access_denied(format!("{name} lets nobody in from here: {last}"))
            .hint(if number == 1129 { "FLUSH HOSTS, or mysqladmin flush-hosts, on the server lets this machine in again" } else { "make an account for this machine: CREATE USER 'app'@'HOST'" }),
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 | 1419 | 1470 | 3750 | 1290 | 1836 | 1449 | 1356 => return Some(by_right::<F>(number, last)),
        1049 => Failure::missing_database(last).hint("check the name; planb databases lists those that exist"),
        2002 | 2003 | 2004 | 2005 | 2009 => Failure::unreachable(format!("{name} does not answer: {last}"))
            .hint("check host and port, or the path of the socket's file, that the server runs, and that nothing blocks the way to it"),
        2006 | 2013 | 2055 | 1053 | 1152 | 1158..=1161 | 1927 | 1317 => Failure::unreachable(format!("the connection to {name} was lost: {last}"))
            .hint("look into the server's log for why it ended the connection; net_write_timeout or a firewall that ends quiet connections may be the reason"),
        1040 | 1203 | 1226 => Failure::unreachable(format!("{name} takes no connection now: {last}")).hint("try again when fewer are connected"),
        2026 | 1043 | 3159 | 2061 => Failure::settings(format!("the encrypted connection could not be made: {last}")).hint(if F::MARIADB {
            "check ssl, ssl-ca and ssl-verify-server-cert in the URL's query; the client of 11.4 and newer wants a server with TLS, unless ssl=false or ssl-verify-server-cert=false says otherwise"
        } else if number == 2061 {
            "without TLS the password needs the server's public key: get-server-public-key=true in the URL's query, or ssl-mode=REQUIRED"
        } else {
            "check ssl-mode, ssl-ca, ssl-cert and ssl-key in the URL's query"
        }),
        2059 | 1251 | 2049 | 1275 => {
            let failure = Failure::tool(format!("the account's way to log in is not known to {tool}: {last}"))
                .code(FailureCode::ToolUnfit);
            let (other, engine) = F::OTHER;
            failure.hint(format!(
                "use a client of the server's own version, or give the account another plugin; is the server {other}? Then --plugin {engine}"
            ))
        }
        1109 | 1193 | 1231 => Failure::tool(format!("{tool} and the server do not fit: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint(format!("use {tool} of the server's own version: --tool-path {tool}=/path/to/{tool}")),
        1146 | 1305 | 1932 if tool == F::CLIENT => Failure::database(format!("a table or routine is not there: {last}"))
            .hint("accounts have rights on tables and routines that have to be there first: restore the databases, and then the accounts"),
        1115 | 1273 | 1286 | 1305 | 1128 => Failure::database(format!("the server does not know what the dump uses: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore into a server of the same kind and of the version that was dumped or newer, with the same storage engines and plugins"),
        1146 | 1412 | 1932 => Failure::database(format!("a table is not there, or was changed meanwhile: {last}"))
            .hint("something made or dropped tables during the backup; try again when it is quieter, or leave the table out: --option ignore-table=")
            .retryable(),
        1205 | 1213 | 1637 => Failure::database(last).hint("something else held the tables; try again when it is quieter").retryable(),
        1381 => Failure::settings(format!("the server writes no binary log, so there is no position in it: {last}"))
            .hint("leave out --option binlog-position"),
        4137 => Failure::settings(format!("tables with a history cannot be emptied: {last}"))
            .hint("restore a whole backup, or empty them by hand and load the rows with the client"),
        1153 | 2020 => Failure::database(format!("a row is larger than the server takes: {last}"))
            .hint("raise max_allowed_packet on the server: SET GLOBAL max_allowed_packet = 1073741824"),
        1021 | 1030 | 1114 | 3 | 1041 => Failure::database(format!("the server is out of disk or memory: {last}"))
            .hint("look into the server's log, and free space where its data lies"),
        1050 | 1007 | 1304 | 1359 | 1537 | 1062 => Failure::settings(format!("the target is not empty: {last}"))
            .hint("restore into a database that does not exist yet, or add --replace"),
        1064 => Failure::damaged(format!("the server does not understand a statement: {last}"))
            .hint("is the dump of the same kind of server, and of no newer one? planb verify says whether the stored backup is whole"),
        3546 | 3545 | 1840 => Failure::database(format!("the dump brings GTIDs that the server has already: {last}"))
            .hint("take backups with --option gtid-purged=off (the default), or RESET BINARY LOGS AND GTIDS on the server first"),
        2068 | 4166 | 1148 => Failure::damaged(format!("the dump reads a file of this machine, so it is not restored: {last}"))
            .hint("a dump never does: find out who changed it"),
        3523 | 1396 => Failure::database(format!("an account or role could not be made: {last}"))
            .hint("roles go in before those who have them; restore the databases first, and then the accounts"),
        _ => return None,
    };
    Some(failure)
}

/// Rights that a user lacks, and what a server forbids.
fn by_right<F: Family>(number: u32, last: &str) -> Failure {
    let name = F::NAME;
    let lacks = || Failure::access_denied(format!("the user lacks a right: {last}"));
    match number {
        1227 if last.contains("DEFINER") || last.contains("SUPER") || last.contains("SET USER") || last.contains("SET_USER") => lacks().hint(
            if F::MARIADB {
                "the dump makes objects of other users (DEFINER): GRANT SET USER ON *.* to the user, or add --option no-definer=true"
            } else {
                "the dump makes objects of other users (DEFINER): GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.* (SET_USER_ID before 8.2) to the user, or add --option no-definer=true"
            },
        ),
        1227 if last.contains("RELOAD") => lacks()
            .hint("GRANT RELOAD ON *.* to the user, or leave out --option lock=all-tables and binlog-position"),
        1227 if last.contains("PROCESS") => lacks().hint("GRANT PROCESS ON *.* to the user, or leave out --option tablespaces"),
        1419 => lacks().hint("with binary logging on, a server lets only SUPER make functions: SET GLOBAL log_bin_trust_function_creators = 1 for the time of the restore"),
        1290 | 1836 | 3750 => {
            let failure = Failure::database(format!("{name} is set so that it does not take this: {last}"));
            match number {
                3750 => failure.hint("the dump has tables without a primary key: SET GLOBAL sql_require_primary_key = OFF for the time of the restore"),
                _ => failure.hint("is it a replica, or read_only? Restore into the server that takes writes"),
            }
        }
        1449 | 1356 => Failure::database(format!("a view or routine does not work on the server either: {last}"))
            .hint("its definer or a table of it is gone: mend or drop it, or leave it out with --option ignore-table=database.view"),
        1142 if ["'user'", "`user`", "role_edges"].iter().any(|table| last.contains(table)) => {
            lacks().hint("a backup of accounts needs GRANT SELECT ON mysql.*; a restore CREATE USER, and each right that it gives, WITH GRANT OPTION")
        }
        _ => lacks().hint(if F::MARIADB {
            "a backup needs GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES on the database, and SELECT ON mysql.proc for routines; a restore ALL on it"
        } else {
            "a backup needs GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES on the database, and SHOW_ROUTINE ON *.* for routines; a restore ALL on it"
        }),
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;
    use crate::testing::Maria;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (tool, stderr, code, blame, message) in [
            (
                "mariadb",
                "ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: YES)",
                AccessDenied,
                Blame::Settings,
                "Access denied for user 'root'@'localhost' (using password: YES)",
            ),
            (
                "mariadb-dump",
                "mysqldump: Got error: 1045: Access denied for user 'root'@'localhost' (using password: YES) when trying to connect",
                AccessDenied,
                Blame::Settings,
                "MariaDB refused user or password: Access denied for user",
            ),
            (
                "mariadb-dump",
                "mariadb-dump: Got error: 1045: \"Access denied for user 'root'@'localhost' (using password: YES)\" when trying to connect",
                AccessDenied,
                Blame::Settings,
                "refused user or password: \"Access denied",
            ),
            (
                "mariadb",
                "ERROR 2003 (HY000): Can't connect to MySQL server on '127.0.0.1:1' (111)",
                Unreachable,
                Blame::Database,
                "does not answer: Can't connect",
            ),
            (
                "mariadb-dump",
                "mariadb-dump: Got error: 2002: \"Can't connect to server on '127.0.0.1' (115)\" when trying to connect",
                Unreachable,
                Blame::Database,
                "does not answer",
            ),
            (
                "mariadb",
                "ERROR 2005 (HY000): Unknown MySQL server host 'no.such.invalid' (-2)",
                Unreachable,
                Blame::Database,
                "Unknown MySQL server host",
            ),
            (
                "mariadb",
                "WARNING: option --ssl-verify-server-cert is disabled, because of an insecure passwordless login.\nERROR 2013 (HY000): Lost connection to server at 'handshake: reading initial communication packet', system error: 110",
                Unreachable,
                Blame::Database,
                "was lost: Lost connection",
            ),
            (
                "mariadb-dump",
                "mysqldump: Error 2013: Lost connection to MySQL server during query when dumping table `a` at row: 3",
                Unreachable,
                Blame::Database,
                "was lost",
            ),
            (
                "mariadb-dump",
                "mysqldump: Got error: 1049: Unknown database 'nodb' when selecting the database",
                MissingDatabase,
                Blame::Settings,
                "Unknown database 'nodb'",
            ),
            ("mariadb-dump", "mysqldump: Couldn't find table: \"notable\"", InvalidRequest, Blame::Settings, "notable"),
            ("mariadb-dump", "mysqldump: [ERROR] unknown option '--nosuch'.", ToolUnfit, Blame::Settings, "--nosuch"),
            (
                "mariadb-dump",
                "mysqldump: Couldn't execute 'SELECT COLUMN_NAME ...': Unknown table 'COLUMN_STATISTICS' in information_schema (1109)",
                ToolUnfit,
                Blame::Tool,
                "do not fit",
            ),
            (
                "mariadb-dump",
                "mysqldump: Error: 'Access denied; you need (at least one of) the PROCESS privilege(s) for this operation' when trying to dump tablespaces",
                AccessDenied,
                Blame::Settings,
                "PROCESS",
            ),
            (
                "mariadb",
                "ERROR 1227 (42000) at line 98: Access denied; you need (at least one of) the SUPER or SET_USER_ID privilege(s) for this operation",
                AccessDenied,
                Blame::Settings,
                "lacks a right: Access denied; you need",
            ),
            (
                "mariadb",
                "ERROR 1146 (42S02) at line 5: Table 'shop.movies' doesn't exist",
                Failed,
                Blame::Database,
                "is not there: Table 'shop.movies'",
            ),
            (
                "mariadb",
                "ERROR 3546 (HY000) at line 24: @@GLOBAL.GTID_PURGED cannot be changed: the added gtid set must not overlap with @@GLOBAL.GTID_EXECUTED",
                Failed,
                Blame::Database,
                "GTIDs",
            ),
            (
                "mariadb",
                "ERROR 1064 (42000) at line 1: You have an error in your SQL syntax",
                Damaged,
                Blame::Database,
                "does not understand",
            ),
            (
                "mariadb",
                "ERROR 1273 (HY000) at line 25: Unknown collation: 'utf8mb4_0900_ai_ci'",
                ToolUnfit,
                Blame::Database,
                "utf8mb4_0900_ai_ci",
            ),
            (
                "mariadb",
                "ERROR 4166 (HY000) at line 1: The used command is not allowed because the MariaDB server or client has disabled the local infile capability",
                Damaged,
                Blame::Database,
                "reads a file",
            ),
            ("mariadb", "ERROR 9999 (HY000): what", Failed, Blame::Database, "error 9999: what"),
            (
                "mariadbd",
                "[ERROR] The socket file path is too long (> 107)",
                InvalidRequest,
                Blame::Settings,
                "too long",
            ),
            ("mariadb", "", Failed, Blame::Tool, "said nothing"),
        ] {
            let failure = explain::<Maria>(tool, Some(1), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.message.contains(message), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
    }
}
