//! How accounts are dumped, by the client, and put back.
//!
//! mysqldump could not dump accounts before version 9, and writes them in an order that its own client may stop at (a default role before the
//! role). So the server is asked for the statements itself, SHOW CREATE USER and SHOW GRANTS, for one account after the other,
//! roles first. It prints them without semicolons, one a line; that is the format. The passwords in it are hashes, as hexadecimal
//! digits (print_identified_with_as_hex), since some have bytes of all kinds.

use planb_mysql_family::names::{ACCOUNT, Touch, touched};
use planb_mysql_family::{SqlFilter, SqlInspector, backup::ACCOUNTS, connect, restore};
use planb_sdk::{
    Artifact, BackupPlan, Failure, Filter, Inspection, Inspector, Lines, Mode, Objects, Request, RestorePlan,
    RestoreRequest,
};

use crate::MySql;

/// Statements that ask for statements.
const LIST: &str = "list.sql";
const FILE: &str = "accounts.sql";
/// The last line, as dumps of mysqldump have it.
const END: &str = "-- Dump completed";
/// Accounts that each server makes for itself (MySQL manual, 8.2.9 "Reserved Accounts").
const RESERVED: &str = "'mysql.sys', 'mysql.session', 'mysql.infoschema'";

fn list() -> String {
    // Roles came with version 8, and hexadecimal hashes with 8.0.17.
    let each = |what: &str| {
        format!(
            "SELECT CONCAT('{what} ', QUOTE(User), '@', QUOTE(Host), ';') FROM mysql.user WHERE User NOT IN ({RESERVED}) \
             ORDER BY /*!80000 NOT EXISTS (SELECT 1 FROM mysql.role_edges WHERE FROM_USER = User AND FROM_HOST = Host), */ User, Host;\n"
        )
    };
    format!(
        "SET SESSION sql_mode = '';\n\
         SELECT 'SET SESSION sql_mode = '''';';\n\
         SELECT '/*!80017 SET SESSION print_identified_with_as_hex = ON */;';\n\
         SELECT 'SELECT ''-- Accounts of MySQL: a statement on each line, without its semicolon'';';\n\
         {}{}SELECT 'SELECT ''{END}'';';\n",
        each("SHOW CREATE USER"),
        each("SHOW GRANTS FOR"),
    )
}

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    let artifact = Artifact::new("accounts.sql", "application/sql", ACCOUNTS);
    let show = connect::rows::<MySql>(request)?.stdin_from(LIST);
    let plan = match request.mode {
        Mode::File => BackupPlan::from_file(show.stdout_to(FILE), FILE, artifact),
        _ => BackupPlan::stdout(show, artifact),
    };
    Ok(plan.prepare(connect::rows::<MySql>(request)?.stdin(list()).stdout_to(LIST)))
}

pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    restore::needs_accounts(request)?;
    Ok(restore::load::<MySql>(&request.request, None)?.warning(
        "accounts that are there already stay as they are, with their passwords, and get the rights of the backup; rights on a table or routine \
         need it to be there, so restore the databases first",
    ))
}

/// The inspector for dumps of either kind.
#[derive(Debug)]
pub enum AnyInspector {
    /// Of mysqldump.
    Sql(Box<SqlInspector>),
    /// Of accounts.
    Accounts(Accounts),
}

/// What a dump of accounts held.
#[derive(Debug, Default)]
pub struct Accounts {
    lines: Lines,
    objects: Objects,
    ended: bool,
}

impl Inspector for AnyInspector {
    fn new(request: &Request, artifact: &Artifact) -> Self {
        if artifact.format == ACCOUNTS {
            Self::Accounts(Accounts::default())
        } else {
            Self::Sql(Box::new(SqlInspector::new(request, artifact)))
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        match self {
            Self::Sql(sql) => sql.feed(chunk),
            Self::Accounts(Accounts { lines, objects, ended }) => lines.feed(chunk, |line| {
                *ended = line == END.as_bytes();
                if let Touch::Makes(ACCOUNT, name) = touched(line) {
                    objects.made(ACCOUNT, &name.name);
                }
            }),
        }
    }

    fn finish(self) -> Inspection {
        match self {
            Self::Sql(sql) => sql.finish(),
            Self::Accounts(accounts) => {
                let complete = accounts.ended && accounts.lines.rest().is_empty();
                let (objects, mut findings) = accounts.objects.finish();
                if !complete {
                    findings.push(format!("the dump does not end with its end mark ({END}): it was cut short"));
                }
                Inspection { complete, objects, findings }
            }
        }
    }
}

/// The filter for dumps of either kind.
#[derive(Debug)]
pub enum AnyFilter {
    /// Of mysqldump.
    Sql(Box<SqlFilter>),
    /// Of accounts, which get their semicolons, and leave accounts alone that are there.
    Accounts {
        /// A line that has not ended.
        held: Vec<u8>,
        /// The last line was the end mark.
        ended: bool,
    },
}

/// A longer line is no account's.
const LONGEST: usize = 1 << 20;

impl Filter for AnyFilter {
    fn new(request: &RestoreRequest) -> Self {
        if request.artifact.format == ACCOUNTS {
            Self::Accounts { held: Vec::new(), ended: false }
        } else {
            Self::Sql(Box::new(SqlFilter::new(request)))
        }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Sql(sql) => sql.push(chunk),
            Self::Accounts { held, ended } => {
                let mut out = Vec::with_capacity(chunk.len() * 2);
                for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
                    held.extend_from_slice(piece);
                    if held.ends_with(b"\n") {
                        *ended = held.as_slice() == [END.as_bytes(), b"\n"].concat();
                        statement(held, &mut out)?;
                        held.clear();
                    } else if held.len() > LONGEST {
                        return Err(strange());
                    }
                }
                Ok(out)
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Sql(sql) => sql.finish(),
            Self::Accounts { held, ended } if ended && held.is_empty() => Ok(held),
            Self::Accounts { .. } => Err(Failure::damaged("the dump ends in the middle")
                .hint("planb verify says whether the stored backup is whole")),
        }
    }
}

/// Makes a statement of a line.
fn statement(line: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
    let text = line.trim_ascii_end();
    if text.is_empty() || text.starts_with(b"-- ") {
        return Ok(());
    }
    if let Some(rest) = text.strip_prefix(b"CREATE USER ") {
        out.extend([b"CREATE USER IF NOT EXISTS ", rest].concat());
    } else if text.starts_with(b"GRANT ") || text.starts_with(b"REVOKE ") {
        out.extend_from_slice(text);
    } else {
        return Err(strange());
    }
    out.extend_from_slice(b";\n");
    Ok(())
}

fn strange() -> Failure {
    Failure::damaged(
        "the dump of accounts holds a line that makes no account and grants nothing, so it is not restored",
    )
    .hint("find out who changed it")
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, Scope, TargetState, testing};

    use super::*;
    use crate::testing::{rendered, request};

    const DUMP: &str = "\
-- Accounts of MySQL: a statement on each line, without its semicolon
CREATE USER `r1`@`%` IDENTIFIED WITH 'caching_sha2_password' REQUIRE NONE PASSWORD EXPIRE ACCOUNT LOCK
CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x24412430 DEFAULT ROLE `r1`@`%`
GRANT USAGE ON *.* TO `app`@`%`
REVOKE INSERT ON `x`.* FROM `app`@`%`
-- Dump completed
";

    fn artifact() -> Artifact {
        Artifact::new("accounts.sql", "application/sql", ACCOUNTS)
    }

    #[test]
    fn the_plan() {
        let globals = request().scope(Scope::Globals);
        let text = rendered(&globals);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("prepare mysql LOGIN USUAL --skip-column-names --raw << SET SESSION sql_mode = '';")
        );
        assert!(lines[0].ends_with(" > {work}/list.sql"));
        assert_eq!(
            lines[1],
            "stdout mysql LOGIN USUAL --skip-column-names --raw < {work}/list.sql -> accounts .accounts.sql"
        );
        assert!(rendered(&globals.mode(Mode::File)).contains("file {work}/accounts.sql mysql "));
    }

    #[test]
    fn what_it_held() {
        let request = request().scope(Scope::Globals);
        for size in [1, 7, 1 << 16] {
            let inspection = testing::inspect::<AnyInspector>(&request, &artifact(), DUMP.as_bytes(), size);
            assert_eq!(inspection.objects, ["app@%", "r1@%"].map(|name| Object::new("account", name)));
            assert!(inspection.complete && inspection.findings.is_empty());
        }
        testing::inspect_cut_anywhere::<AnyInspector>(&request, &artifact(), DUMP.as_bytes());
    }

    #[test]
    fn back_again() {
        let restore = request().scope(Scope::Globals).restore(artifact(), TargetState::Unknown);
        let filter = |dump: &str, size| testing::filter::<AnyFilter>(&restore, dump.as_bytes(), size);
        for size in [1, 7, 1 << 16] {
            assert_eq!(
                String::from_utf8(filter(DUMP, size).unwrap()).unwrap(),
                "CREATE USER IF NOT EXISTS `r1`@`%` IDENTIFIED WITH 'caching_sha2_password' REQUIRE NONE PASSWORD EXPIRE ACCOUNT LOCK;\n\
                 CREATE USER IF NOT EXISTS `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x24412430 DEFAULT ROLE `r1`@`%`;\n\
                 GRANT USAGE ON *.* TO `app`@`%`;\nREVOKE INSERT ON `x`.* FROM `app`@`%`;\n"
            );
            assert!(filter(&DUMP.replace("-- Dump completed\n", ""), size).is_err());
            assert!(filter(&DUMP.replace("REVOKE", "DROP"), size).is_err());
        }
    }
}
