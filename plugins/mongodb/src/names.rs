//! What a database may be called, and what a namespace is.

use planb_sdk::Failure;

/// Refuses a name that no database has. (MongoDB manual, "Naming Restrictions"; the tools refuse the same characters.)
pub(crate) fn database(name: &str) -> Result<(), Failure> {
    const LONGEST: usize = 63;
    let bad = |c: char| "/\\. \"$\0".contains(c);
    let why = if name.is_empty() {
        "the database has no name".to_owned()
    } else if name.len() > LONGEST {
        format!("the database's name has {} bytes, and MongoDB takes {LONGEST}", name.len())
    } else if let Some(c) = name.chars().find(|&c| bad(c)) {
        format!("a database of MongoDB has no {c:?} in its name")
    } else {
        return Ok(());
    };
    Err(Failure::settings(why).hint("planb databases lists those that exist"))
}

/// A pattern of mongorestore for all collections of a database. `*` is a wildcard unless it is escaped.
pub(crate) fn everything_of(database: &str) -> String {
    format!("{}.*", database.replace('*', "\\*"))
}

/// What a namespace of a dump is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Collection,
    View,
    /// Its documents are those of the collection that the server keeps its measurements in.
    Timeseries,
    Users,
    Roles,
    Oplog,
    /// What the server keeps for itself.
    Internal,
}

impl Kind {
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Collection => Some("collection"),
            Self::View => Some("view"),
            Self::Timeseries => Some("timeseries"),
            Self::Users => Some("users"),
            Self::Roles => Some("roles"),
            Self::Oplog => Some("oplog"),
            Self::Internal => None,
        }
    }

    /// Whether its documents are rows that an inventory counts too.
    pub(crate) fn counted(self) -> bool {
        !matches!(self, Self::View | Self::Timeseries)
    }
}

/// Measurements lie in a collection of this name.
const BUCKETS: &str = "system.buckets.";

/// The kind of a namespace by its names, and its name for people. `kind` is what the dump says of it otherwise.
pub(crate) fn classify<'a>(database: &str, collection: &'a str, kind: Kind) -> (Kind, &'a str) {
    // With --dumpDbUsersAndRoles those of one database stand beside its collections.
    let system = collection.strip_prefix("$admin.").or((database == "admin").then_some(collection));
    match (database, collection) {
        ("", "oplog") => (Kind::Oplog, collection),
        _ if system == Some("system.users") => (Kind::Users, "system.users"),
        _ if system == Some("system.roles") => (Kind::Roles, "system.roles"),
        _ if system.is_some_and(|name| name.starts_with("system.")) => (Kind::Internal, collection),
        _ => match collection.strip_prefix(BUCKETS) {
            Some(name) => (Kind::Timeseries, name),
            None => (kind, collection),
        },
    }
}

/// The name by which a tool's file knows a collection: percent-encoded (EscapeCollectionName of the tools).
pub(crate) fn unescape(file: &str) -> String {
    let mut bytes = Vec::with_capacity(file.len());
    let mut rest = file;
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        match escaped.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = escaped.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = escaped;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases() {
        assert!(database("orders-2_*x").is_ok() && database("é").is_ok());
        for name in ["", "a.b", "a/b", "a b", "a\"b", "a$b", "a\0b", "a\\b", &"x".repeat(64)] {
            assert!(database(name).is_err(), "{name}");
        }
        assert_eq!(everything_of("a*b"), "a\\*b.*");
    }

    #[test]
    fn namespaces() {
        let of = |database, collection| classify(database, collection, Kind::Collection);
        assert_eq!(of("orders", "movies"), (Kind::Collection, "movies"));
        assert_eq!(of("orders", "system.js"), (Kind::Collection, "system.js"));
        assert_eq!(of("orders", "system.buckets.weather"), (Kind::Timeseries, "weather"));
        assert_eq!(of("orders", "$admin.system.users"), (Kind::Users, "system.users"));
        assert_eq!(of("admin", "system.roles"), (Kind::Roles, "system.roles"));
        assert_eq!(of("admin", "system.version").0, Kind::Internal);
        assert_eq!(of("orders", "$admin.system.version").0, Kind::Internal);
        assert_eq!(of("", "oplog").0, Kind::Oplog);
        assert_eq!(classify("orders", "v", Kind::View), (Kind::View, "v"));
    }

    #[test]
    fn file_names() {
        assert_eq!(unescape("caf%C3%A9s%2Fx"), "cafés/x");
        assert_eq!(unescape("50%"), "50%");
        assert_eq!(unescape("%zz%4"), "%zz%4");
    }
}
