//! Names and strings inside statements, whatever the server's sql_mode makes of quotes and backslashes.

use planb_sdk::Failure;

/// The longest name that a server takes, in characters (MySQL manual, 11.2.1 "Identifier Length Limits").
const LONGEST: usize = 64;

/// A name in backticks: `` a`b `` becomes `` `a``b` ``. Refused where no server would take it.
pub fn identifier(name: &str) -> Result<String, Failure> {
    if name.is_empty() || name.chars().count() > LONGEST || name.contains('\0') {
        let shown: String = name.chars().take(LONGEST).collect();
        return Err(Failure::settings(format!("{shown:?} cannot be the name of a database or table"))
            .hint("names have 1 to 64 characters, and no NUL"));
    }
    Ok(format!("`{}`", name.replace('`', "``")))
}

/// A string as hexadecimal digits, in which nothing has to be quoted: `_utf8mb4 0x61`.
pub fn string(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("_utf8mb4 0x{digits}")
}

/// The name of an object of one of several databases: `shop.movies`. A part that itself holds a dot or a backtick is quoted.
pub fn qualified(database: &str, name: &str) -> String {
    let part = |part: &str| {
        if part.contains(['.', '`']) { format!("`{}`", part.replace('`', "``")) } else { part.to_owned() }
    };
    format!("{}.{}", part(database), part(name))
}

/// The same as an expression of SQL over two columns.
pub(crate) fn qualified_sql(database: &str, name: &str) -> String {
    let part = |part: &str| {
        format!("IF(LOCATE('.', {part}) OR LOCATE('`', {part}), CONCAT('`', REPLACE({part}, '`', '``'), '`'), {part})")
    };
    format!("CONCAT({}, '.', {})", part(database), part(name))
}

/// A column that holds a name, in backticks, as an expression of SQL.
pub(crate) fn identifier_sql(column: &str) -> String {
    format!("CONCAT('`', REPLACE({column}, '`', '``'), '`')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(identifier("a`b").unwrap(), "`a``b`");
        assert!(identifier("").is_err() && identifier("a\0").is_err() && identifier(&"é".repeat(65)).is_err());
        assert!(identifier(&"é".repeat(64)).is_ok());
        assert_eq!(string("it's"), "_utf8mb4 0x69742773");
        assert_eq!(string(""), "''");
        assert_eq!(qualified("shop", "movies"), "shop.movies");
        assert_eq!(qualified("a.b", "c`d"), "`a.b`.`c``d`");
    }
}
