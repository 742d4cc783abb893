//! Which object a statement makes or fills.

/// What a statement of a dump does to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// Makes an object of this kind.
    Makes(&'static str, Name),
    /// Gives this table rows.
    Fills(Name),
    /// What follows is about this database.
    Uses(String),
    /// Makes this database.
    MakesDatabase(String),
    /// Drops this database.
    DropsDatabase(String),
    /// Anything else.
    Other,
}

/// A name as a statement has it, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The database, where the statement says it.
    pub database: Option<String>,
    /// The name itself.
    pub name: String,
}

/// The kind of an account.
pub const ACCOUNT: &str = "account";
/// The kind of a role.
pub const ROLE: &str = "role";
/// What mariadb-dump makes for the time of a restore.
const HELPER_ROLE: &str = "mariadb_dump_import_role";

/// Reads the beginning of a statement as the dump tools write it, cleaned by [`Scanner`](crate::scan::Scanner).
pub fn touched(statement: &[u8]) -> Touch {
    let mut words = Words(statement);
    let first = words.next();
    if first.is("CREATE") {
        return created(words).unwrap_or(Touch::Other);
    }
    let touch = if first.is("INSERT") || first.is("REPLACE") {
        words.skip(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"]);
        if words.next().is("INTO") { words.name().map(Touch::Fills) } else { None }
    } else if first.is("USE") {
        words.name().map(|name| Touch::Uses(name.name))
    } else if first.is("DROP") {
        let kind = words.next();
        words.skip(&["IF", "EXISTS"]);
        let database = kind.is("DATABASE") || kind.is("SCHEMA");
        database.then(|| words.name()).flatten().map(|name| Touch::DropsDatabase(name.name))
    } else {
        None
    };
    touch.unwrap_or(Touch::Other)
}

/// Reads on behind CREATE.
fn created(mut words: Words<'_>) -> Option<Touch> {
    loop {
        let word = words.next();
        let kind = match word.upper().as_str() {
            "OR" | "REPLACE" | "AGGREGATE" | "TEMPORARY" => continue,
            "ALGORITHM" => {
                words.skip(&["="]);
                words.next();
                continue;
            }
            "DEFINER" => {
                words.skip(&["="]);
                words.account();
                continue;
            }
            "SQL" => {
                words.next();
                words.next();
                continue;
            }
            "TABLE" => "table",
            "VIEW" => "view",
            "SEQUENCE" => "sequence",
            "PROCEDURE" => "procedure",
            "FUNCTION" => "function",
            "TRIGGER" => "trigger",
            "EVENT" => "event",
            "PACKAGE" if words.ahead().is("BODY") => {
                words.next();
                "package-body"
            }
            "PACKAGE" => "package",
            "USER" => ACCOUNT,
            "ROLE" => ROLE,
            "DATABASE" | "SCHEMA" => "database",
            _ => return None,
        };
        words.skip(&["IF", "NOT", "EXISTS"]);
        return match kind {
            "database" => words.name().map(|name| Touch::MakesDatabase(name.name)),
            ACCOUNT | ROLE => {
                let name = words.account()?;
                (name != HELPER_ROLE).then_some(Touch::Makes(kind, Name { database: None, name }))
            }
            _ => words.name().map(|name| Touch::Makes(kind, name)),
        };
    }
}

/// A word, a quoted text without its quotes, or a single other character.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Plain(String),
    Quoted(String),
    End,
}

impl Word {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Plain(plain) if plain.eq_ignore_ascii_case(word))
    }

    fn upper(&self) -> String {
        if let Self::Plain(plain) = self { plain.to_ascii_uppercase() } else { String::new() }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Plain(text) | Self::Quoted(text) => Some(text),
            Self::End => None,
        }
    }
}

#[derive(Clone)]
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn next(&mut self) -> Word {
        let text = self.0.trim_ascii_start();
        let Some(&first) = text.first() else {
            self.0 = text;
            return Word::End;
        };
        if matches!(first, b'`' | b'"' | b'\'') {
            return self.quoted(text, first);
        }
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte) || *byte >= 0x80;
        let end = text.iter().position(|byte| !letter(byte)).unwrap_or(text.len()).max(1);
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        Word::Plain(String::from_utf8_lossy(word).into_owned())
    }

    /// A quoted text; its quotes are doubled inside.
    fn quoted(&mut self, text: &'a [u8], quote: u8) -> Word {
        let mut name = Vec::new();
        let mut bytes = text.iter().copied().enumerate().skip(1);
        while let Some((at, byte)) = bytes.next() {
            if byte != quote {
                name.push(byte);
            } else if text.get(at + 1) == Some(&quote) {
                name.push(quote);
                bytes.next();
            } else {
                self.0 = text.get(at + 1..).unwrap_or_default();
                return Word::Quoted(String::from_utf8_lossy(&name).into_owned());
            }
        }
        self.0 = &[];
        Word::End
    }

    fn ahead(&self) -> Word {
        self.clone().next()
    }

    /// Passes over any of these words, in any order.
    fn skip(&mut self, words: &[&str]) {
        while words.iter().any(|word| self.ahead().is(word)) {
            self.next();
        }
    }

    /// `name` or `database.name`.
    fn name(&mut self) -> Option<Name> {
        let name = self.next().text()?;
        if !self.ahead().is(".") {
            return Some(Name { database: None, name });
        }
        self.next();
        Some(Name { database: Some(name), name: self.next().text()? })
    }

    /// `user@host`, or the name of a role.
    fn account(&mut self) -> Option<String> {
        let user = self.next().text()?;
        if !self.ahead().is("@") {
            return Some(user);
        }
        self.next();
        Some(format!("{user}@{}", self.next().text().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_dumps() {
        let name = |name: &str| Name { database: None, name: name.to_owned() };
        let makes = |kind, text: &str| Touch::Makes(kind, name(text));
        for (statement, touch) in [
            ("CREATE TABLE `movies` ( `id` int", makes("table", "movies")),
            ("CREATE TABLE IF NOT EXISTS `odd ``\"'\\;name` (", makes("table", "odd `\"'\\;name")),
            ("CREATE VIEW `v0` AS SELECT 1", makes("view", "v0")),
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v0` AS",
                makes("view", "v0"),
            ),
            ("CREATE DEFINER=`ro ot`@`%` TRIGGER `t1` BEFORE INSERT", makes("trigger", "t1")),
            ("CREATE DEFINER=`root`@`localhost` TRIGGER t1 BEFORE INSERT ON movies", makes("trigger", "t1")),
            ("CREATE DEFINER=`r` PROCEDURE `p1`(IN x INT)", makes("procedure", "p1")),
            ("CREATE DEFINER=\"root\"@\"localhost\" PACKAGE BODY \"pk1\" AS", makes("package-body", "pk1")),
            ("CREATE DEFINER=\"root\"@\"localhost\" PACKAGE \"pk1\" AS", makes("package", "pk1")),
            ("CREATE DEFINER=`root`@`localhost` AGGREGATE FUNCTION `f1`(x INT)", makes("function", "f1")),
            ("CREATE DEFINER=`root`@`localhost` EVENT `e1` ON SCHEDULE", makes("event", "e1")),
            ("CREATE SEQUENCE `s1` start with 100", makes("sequence", "s1")),
            ("CREATE USER IF NOT EXISTS `app`@`%` IDENTIFIED", makes("account", "app@%")),
            ("CREATE ROLE 'r1'", makes("role", "r1")),
            ("CREATE ROLE IF NOT EXISTS mariadb_dump_import_role", Touch::Other),
            (
                "CREATE DATABASE IF NOT EXISTS `shop` DEFAULT CHARACTER SET utf8mb4",
                Touch::MakesDatabase("shop".to_owned()),
            ),
            ("DROP DATABASE IF EXISTS `shop`", Touch::DropsDatabase("shop".to_owned())),
            ("DROP TABLE IF EXISTS `shop`", Touch::Other),
            ("USE `shop`", Touch::Uses("shop".to_owned())),
            ("INSERT INTO `movies` VALUES (1", Touch::Fills(name("movies"))),
            ("INSERT IGNORE INTO `movies` (`a`) VALUES (1", Touch::Fills(name("movies"))),
            ("REPLACE INTO `movies` VALUES (1", Touch::Fills(name("movies"))),
            (
                "INSERT INTO `a`.`b` VALUES (1",
                Touch::Fills(Name { database: Some("a".to_owned()), name: "b".to_owned() }),
            ),
            ("CREATE", Touch::Other),
            ("CREATE INDEX i ON t", Touch::Other),
            ("SET NAMES utf8mb4", Touch::Other),
            ("CREATE TABLE `never closed", Touch::Other),
            ("", Touch::Other),
        ] {
            assert_eq!(touched(statement.as_bytes()), touch, "{statement}");
        }
    }
}
