//! Names of schemas, directories and files, and what a parameter file of Data Pump can hold.
//!
//! In a parameter file a `#` begins a comment, and a name that is not plain capitals needs both kinds of quotes
//! (Oracle Database Utilities, "PARFILE", "TABLES": `TABLES='"Emp"'`).

use planb_sdk::{Failure, Request, Scope};

/// Whether a name needs no quotes, and is the same in capitals.
fn plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_$".contains(c))
}

/// Fails for what is no name of a schema: an identifier has 1 to 128 bytes and holds no double quote (SQL Language Reference,
/// "Database Object Naming Rules"). A single quote and a line break could not stand in a parameter file.
pub(crate) fn schema(name: &str) -> Result<&str, Failure> {
    let fine = (1..=128).contains(&name.len())
        && !name.chars().any(|c| c.is_control() || "\"'\\".contains(c) || matches!(c, '\u{2028}' | '\u{2029}'));
    if fine {
        return Ok(name);
    }
    Err(Failure::missing_database(format!("{name:?} cannot be a schema")).hint(
        "write --db oracle://user@host/SCHEMA?service=NAME; names are in capitals unless they were made in quotes",
    ))
}

/// The schema of a request; none: all of the database.
pub(crate) fn of_scope(scope: &Scope) -> Result<Option<&str>, Failure> {
    match scope {
        Scope::Database(name) => schema(name).map(Some),
        Scope::All => Ok(None),
        Scope::Globals => Err(Failure::unsupported("Data Pump has no dump of users alone")),
    }
}

/// A schema in a parameter file.
pub(crate) fn in_parfile(name: &str) -> String {
    if plain(name) { name.to_owned() } else { format!("'\"{name}\"'") }
}

/// The directory object, in capitals as the server keeps it.
pub(crate) fn directory(request: &Request) -> Result<String, Failure> {
    let name = request.text("directory").unwrap_or("DATA_PUMP_DIR").to_ascii_uppercase();
    if plain(&name) && name.len() <= 128 {
        return Ok(name);
    }
    Err(Failure::settings(format!("{name:?} is no plain name of a directory object"))
        .hint("make one: CREATE DIRECTORY planb_dir AS '/backup'; GRANT READ, WRITE ON DIRECTORY planb_dir TO ..."))
}

pub(crate) fn directory_path(request: &Request) -> Result<&str, Failure> {
    request.text("directory-path").ok_or_else(|| {
        Failure::settings("the folder of the directory object is missing: the server writes the dump to its own file system").hint(
            "say --option directory-path=/path/to/it as it is seen from here (SELECT directory_path FROM all_directories tells the server's)",
        )
    })
}

/// What the files of a scope's dump begin with: what is plain of its name, and a number that tells it from others.
pub(crate) fn stem(schema: Option<&str>) -> String {
    let name = schema.unwrap_or("*");
    // FNV-1a, 64 bits (draft-eastlake-fnv): the same name gives the same files, so leftovers are found again.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    format!("planb_{plain}_{hash:016x}")
}

/// Items of `exclude` and `include`: a type of object, and a clause in double quotes behind a colon where there is one.
pub(crate) fn filters<'a>(what: &str, list: &'a str) -> Result<Vec<&'a str>, Failure> {
    let mut quoted = false;
    let separator = move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    let items: Vec<_> = list.split(separator).map(str::trim).filter(|item| !item.is_empty()).collect();
    match items.iter().find(|item| !filter(item)) {
        None => Ok(items),
        Some(item) => Err(Failure::settings(format!("{what} {item:?} is not possible"))
            .hint("write a type, or a type with a clause in double quotes: STATISTICS, TABLE:\"IN ('A','B')\"")),
    }
}

fn filter(item: &str) -> bool {
    let (kind, clause) = item.split_once(':').map_or((item, None), |(kind, clause)| (kind, Some(clause)));
    let kind_fine = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphabetic() || "_/".contains(c));
    let clause_fine = clause.is_none_or(|clause| {
        let inside = clause.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inside.is_some_and(|inside| !inside.contains('"') && !inside.chars().any(char::is_control))
    });
    kind_fine && clause_fine
}

/// `OLD:NEW` pairs.
pub(crate) fn remaps(request: &Request) -> Result<Vec<&str>, Failure> {
    let name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_$".contains(c));
    let pairs = request.list("remap-tablespace");
    match pairs.iter().find(|pair| !pair.split_once(':').is_some_and(|(old, new)| name(old) && name(new))) {
        None => Ok(pairs),
        Some(pair) => Err(Failure::settings(format!("remap-tablespace {pair:?} is not OLD:NEW"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas() {
        assert_eq!(in_parfile("HR_1$"), "HR_1$");
        assert_eq!(in_parfile("C##APP"), "'\"C##APP\"'");
        assert_eq!(in_parfile("Mixed Case"), "'\"Mixed Case\"'");
        for bad in ["", "a\"b", "a'b", "a\nb", "a\\", &"X".repeat(129)] {
            assert!(schema(bad).is_err(), "{bad:?}");
        }
        assert_eq!(stem(Some("HR")), "planb_HR_09276607b5bba19f");
        assert_ne!(stem(Some("A B")), stem(Some("AB")));
        assert!(stem(None).starts_with("planb__"));
    }

    #[test]
    fn filters_stay_on_their_line() {
        let list = "STATISTICS, TABLE:\"IN ('A,B','C')\" ,SCHEMA_EXPORT/TABLE/INDEX,";
        assert_eq!(
            filters("exclude", list).unwrap(),
            ["STATISTICS", "TABLE:\"IN ('A,B','C')\"", "SCHEMA_EXPORT/TABLE/INDEX"]
        );
        for bad in ["A B", "TABLE:x", "TABLE:\"a\" full=y", "TABLE:\"a\nfull=y\"", "x=y", "#", "TABLE:\"", "a\nb"] {
            assert!(filters("exclude", bad).is_err(), "{bad:?}");
        }
    }
}
