//! The names of backups: a template with tokens, filled in to a key that every store takes.

use std::str::FromStr;

use jiff::Zoned;

/// Longest name of a backup, in bytes: file systems take 255 a part, and extensions and volumes come behind it.
const LONGEST: usize = 180;

/// A template such as `{db}-{date}-{time}`. A `/` makes folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Db,
    Engine,
    Date,
    Time,
    Ts,
    Timestamp,
    Uuid,
}

const TOKENS: [(&str, Token); 7] = [
    ("db", Token::Db),
    ("engine", Token::Engine),
    ("date", Token::Date),
    ("time", Token::Time),
    ("ts", Token::Ts),
    ("timestamp", Token::Timestamp),
    ("uuid", Token::Uuid),
];

/// Why a template is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NameError {
    #[error(
        "the name template {0:?} has an unknown token {{{1}}}; known are {{db}} {{engine}} {{date}} {{time}} {{ts}} {{timestamp}} {{uuid}}"
    )]
    UnknownToken(String, String),
    #[error("the name template {0:?} has a brace without its partner")]
    Brace(String),
    #[error("the name template {0:?} has to be a relative path without empty parts or `..`")]
    Path(String),
    #[error("the name template {0:?} gives a name of more than {LONGEST} bytes")]
    TooLong(String),
}

/// What fills a template.
#[derive(Debug, Clone)]
pub struct NameValues<'a> {
    /// The database's name, or a path of which the last part's stem is taken.
    pub database: &'a str,
    /// The engine's key.
    pub engine: &'a str,
    /// The start of the run in the zone of `TZ`.
    pub at: &'a Zoned,
    /// The backup's id, whose first 8 letters `{uuid}` takes.
    pub id: &'a str,
}

impl Default for NameTemplate {
    fn default() -> Self {
        Self(vec![
            Piece::Token(Token::Db),
            Piece::Text("-".to_owned()),
            Piece::Token(Token::Date),
            Piece::Text("-".to_owned()),
            Piece::Token(Token::Time),
        ])
    }
}

impl FromStr for NameTemplate {
    type Err = NameError;

    fn from_str(template: &str) -> Result<Self, NameError> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some(open) = rest.find(['{', '}']) {
            if rest.as_bytes()[open] == b'}' {
                return Err(NameError::Brace(template.to_owned()));
            }
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            }
            let close = rest[open..].find('}').ok_or_else(|| NameError::Brace(template.to_owned()))? + open;
            let word = &rest[open + 1..close];
            let token = TOKENS.iter().find(|(name, _)| *name == word);
            let (_, token) = token.ok_or_else(|| NameError::UnknownToken(template.to_owned(), word.to_owned()))?;
            pieces.push(Piece::Token(*token));
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let text_ok = |text: &str| text.chars().all(|c| !c.is_control() && c != '\\');
        let parts_ok = template.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !parts_ok || !text_ok(template) {
            return Err(NameError::Path(template.to_owned()));
        }
        Ok(Self(pieces))
    }
}

impl NameTemplate {
    /// The name, safe as a key in every store: no part of it is empty, `.` or `..`.
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn fill(&self, values: &NameValues<'_>) -> Result<String, NameError> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Token(Token::Db) => out.push_str(&safe(values.database)),
                Piece::Token(Token::Engine) => out.push_str(values.engine),
                Piece::Token(Token::Date) => out.push_str(&values.at.strftime("%Y-%m-%d").to_string()),
                Piece::Token(Token::Time) => out.push_str(&values.at.strftime("%H%M%S").to_string()),
                Piece::Token(Token::Ts) => out.push_str(&values.at.timestamp().as_second().to_string()),
                Piece::Token(Token::Timestamp) => out.push_str(&values.at.strftime("%Y%m%dT%H%M%S%z").to_string()),
                Piece::Token(Token::Uuid) => out.push_str(values.id.get(..8).unwrap_or(values.id)),
            }
        }
        if out.len() > LONGEST {
            return Err(NameError::TooLong(out.chars().take(60).collect()));
        }
        Ok(out)
    }
}

/// A database's name as a part of a key. Letters and digits of every script stay; what some store or shell
/// gives a meaning becomes `_`. Two names may become the same: a run that finds its key taken adds its id.
pub fn safe(database: &str) -> String {
    const LONGEST_PART: usize = 80;
    // A path (a file-based engine) is known by its file's name.
    let name = if database.starts_with('/') {
        let file = database.rsplit('/').find(|part| !part.is_empty()).unwrap_or("");
        file.rsplit_once('.').map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem })
    } else {
        database
    };
    let mut out = String::new();
    for c in name.chars() {
        let c = if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        if out.len() + c.len_utf8() > LONGEST_PART {
            break;
        }
        out.push(c);
    }
    // A name that is all dots, or starts with one, would be hidden or walk up.
    let trimmed = out.trim_start_matches('.');
    if trimmed.is_empty() { "database".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn at() -> Zoned {
        "2026-02-07T02:00:00+00:00[UTC]".parse().unwrap()
    }

    fn fill(template: &str, database: &str) -> Result<String, NameError> {
        let template: NameTemplate = template.parse()?;
        template.fill(&NameValues { database, engine: "pg", at: &at(), id: "0123456789abcdef" })
    }

    #[test]
    fn every_token_has_its_value() {
        assert_eq!(
            fill("{engine}/{db}-{date}-{time}-{ts}-{timestamp}-{uuid}", "myapp").unwrap(),
            "pg/myapp-2026-02-07-020000-1770429600-20260207T020000+0000-01234567"
        );
        let default = NameTemplate::default().fill(&NameValues { database: "a b", engine: "pg", at: &at(), id: "x" });
        assert_eq!(default.unwrap(), "a_b-2026-02-07-020000");
    }

    #[test]
    fn a_file_is_known_by_its_name() {
        assert_eq!(safe("/var/lib/app/orders.db"), "orders");
        assert_eq!(safe("/var/lib/.hidden"), "hidden");
        assert_eq!(safe("../../etc"), "_.._etc");
    }

    #[test]
    fn bad_templates_are_refused() {
        for template in ["", "{nope}", "{db", "db}", "/abs", "a//b", "../{db}", "a/./b", "a\\b", "{db}\n"] {
            assert!(template.parse::<NameTemplate>().is_err(), "{template:?}");
        }
    }

    proptest! {
        #[test]
        fn any_database_name_gives_a_plain_part(name in "\\PC*|.*") {
            let part = safe(&name);
            prop_assert!(!part.is_empty() && !part.starts_with('.') && part.len() <= 80);
            prop_assert!(part.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)));
        }

        #[test]
        fn any_template_is_refused_or_gives_a_relative_key(template in "[a-z{}./]{0,20}|(\\{db\\}|\\{ts\\}|/|-|x){1,6}") {
            if let Ok(key) = fill(&template, "../x") {
                prop_assert!(key.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            }
        }
    }
}
