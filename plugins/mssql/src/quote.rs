//! Names and strings of Transact-SQL, and names of files that are made of them.
//!
//! sqlcmd splits a script into batches at lines that hold `GO`, and has commands of its own at the beginning of lines, inside
//! strings too (sqlcmd utility, "sqlcmd commands"). So nothing with a line break or another control character stands in a script.

use planb_sdk::{Failure, Request, Scope};

/// `N'it''s'`
pub(crate) fn string(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

/// `"a""b"`: an identifier, whatever it holds (Transact-SQL reference, SET QUOTED_IDENTIFIER, which `sqlcmd -I` sets).
pub(crate) fn name(name: &str) -> String {
    planb_sdk::quote::sql_identifier(name)
}

/// The inside of a string that holds an identifier.
pub(crate) fn name_in_string(of: &str) -> String {
    name(of).replace('\'', "''")
}

/// The request's database, which sqlcmd can be told. A name has up to 128 UTF-16 units (sysname).
pub(crate) fn database(request: &Request) -> Result<&str, Failure> {
    let name = request.database()?;
    checked_database(name)?;
    Ok(name)
}

pub(crate) fn of_scope(scope: &Scope) -> Result<&str, Failure> {
    match scope {
        Scope::Database(name) => checked_database(name).map(|()| name.as_str()),
        Scope::All | Scope::Globals => Err(Failure::unsupported("SQL Server answers for one database at a time")),
    }
}

fn checked_database(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.encode_utf16().count() > 128 {
        return Err(Failure::missing_database("a database's name has 1 to 128 characters")
            .hint("write --db mssql://user@host/database"));
    }
    plain("the database's name", name)
}

/// Fails for what cannot stand in a script.
pub(crate) fn plain(what: &str, text: &str) -> Result<(), Failure> {
    match text.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        None => Ok(()),
        Some(character) => Err(Failure::settings(format!("{what} holds {character:?}, which sqlcmd cannot be told"))),
    }
}

/// The stem of a file's name for a database: what is plain of its name, and a number that tells it from others.
pub(crate) fn stem(database: &str) -> String {
    // FNV-1a, 64 bits (draft-eastlake-fnv): the same name gives the same file, so a leftover is found again.
    let hash = database
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let plain: String = database.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).take(64).collect();
    format!("planb-{plain}-{hash:016x}")
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing::request;

    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(string("it's"), "N'it''s'");
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
        assert_eq!(name_in_string("o'b\""), "\"o''b\"\"\"");
        for bad in ["", "a\nGO\nDROP", "a\r", "a\0", "a\u{85}", "a\u{2028}b", &"x".repeat(129)] {
            assert!(database(&request(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(database(&request("my 'db' ] \"é")), Ok("my 'db' ] \"é"));
    }

    #[test]
    fn names_of_files() {
        assert_eq!(stem("orders"), "planb-orders-00125d9250be8b4c");
        assert_ne!(stem("a/b"), stem("a.b"));
        assert!(stem("../../é\"x").starts_with("planb-x-"));
    }
}
