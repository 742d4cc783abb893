//! The statements of a schema, as `DESCRIBE KEYSPACE ... WITH INTERNALS` prints them.
//!
//! What is a comment, a string or a name is what cqlsh takes for one (JUNK, quotedStringLiteral, pgStringLiteral and
//! quotedName in cqlshlib/cql3handling.py): cqlsh reads the schema again at a restore, and has statements of its own
//! that touch files (COPY, SOURCE, CAPTURE) or log in elsewhere (LOGIN). A schema makes and alters, and does nothing else.

/// What a statement makes: its kind in words of this engine, and its name, the keyspace left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) kind: &'static str,
    pub(crate) keyspace: Option<String>,
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// Not quoted.
    Word(String),
    /// In double quotes.
    Name(String),
    Other(u8),
}

/// More tokens of a statement than these say nothing of interest here.
const HEAD: usize = 12;

/// What a schema makes. The message of an error ends the sentence "the schema cannot be restored: ...".
pub(crate) fn read(text: &[u8]) -> Result<Vec<Made>, String> {
    let mut made = Vec::new();
    let mut head = Vec::new();
    let mut rest = text;
    while let Some((token, after)) = next(rest)? {
        rest = after;
        if token == Token::Other(b';') {
            if !head.is_empty() {
                made.extend(statement(&head)?);
            }
            head.clear();
        } else if head.len() < HEAD {
            head.push(token);
        }
    }
    if head.is_empty() { Ok(made) } else { Err("its last statement is not ended".to_owned()) }
}

/// The next token and what follows it.
fn next(text: &[u8]) -> Result<Option<(Token, &[u8])>, String> {
    let mut rest = text;
    loop {
        let Some((&first, after)) = rest.split_first() else { return Ok(None) };
        if first.is_ascii_whitespace() || first == 0x0b {
            rest = after;
        } else if rest.starts_with(b"--") || rest.starts_with(b"//") {
            rest = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(&[][..], |end| &rest[end..]);
        } else if rest.starts_with(b"/*") {
            let end = find(rest, b"*/", 2).ok_or("a comment in it is not ended")?;
            rest = &rest[end..];
        } else {
            break;
        }
    }
    if rest.starts_with(b"$$") {
        let end = find(rest, b"$$", 2).ok_or("a function in it is not ended")?;
        return Ok(Some((Token::Other(b'$'), &rest[end..])));
    }
    let first = rest.first().copied().unwrap_or_default();
    if first == b'\'' || first == b'"' {
        // A doubled quote stands for itself.
        let mut inside = Vec::new();
        let mut at = 1;
        loop {
            let byte = *rest.get(at).ok_or("a string in it is not ended")?;
            at += 1;
            if byte == first {
                if rest.get(at) != Some(&first) {
                    break;
                }
                at += 1;
            }
            inside.push(byte);
        }
        let name = || Token::Name(String::from_utf8_lossy(&inside).into_owned());
        return Ok(Some((if first == b'"' { name() } else { Token::Other(b'\'') }, &rest[at..])));
    }
    let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').unwrap_or(rest.len());
    if length == 0 {
        return Ok(Some((Token::Other(first), &rest[1..])));
    }
    let (word, after) = rest.split_at(length);
    Ok(Some((Token::Word(String::from_utf8_lossy(word).into_owned()), after)))
}

/// The end of the first `what` from `from` on.
fn find(text: &[u8], what: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| from + at + what.len())
}

/// `CREATE [OR REPLACE] [CUSTOM] KIND [IF NOT EXISTS] [keyspace.]name ...` or `ALTER TABLE ...`
fn statement(head: &[Token]) -> Result<Option<Made>, String> {
    let word = |at: usize| match head.get(at) {
        Some(Token::Word(word)) => word.to_ascii_uppercase(),
        _ => String::new(),
    };
    match word(0).as_str() {
        "ALTER" if matches!(word(1).as_str(), "TABLE" | "TYPE" | "KEYSPACE") => return Ok(None),
        "CREATE" => {}
        _ => return Err(format!("it holds a statement that makes nothing ({})", shown(head))),
    }
    let mut at = 1;
    while matches!(word(at).as_str(), "OR" | "REPLACE" | "CUSTOM") {
        at += 1;
    }
    let kind = match word(at).as_str() {
        "KEYSPACE" => "keyspace",
        "TABLE" | "COLUMNFAMILY" => "table",
        "MATERIALIZED" => {
            at += 1;
            "materialized-view"
        }
        "TYPE" => "type",
        "FUNCTION" => "function",
        "AGGREGATE" => "aggregate",
        "INDEX" => "index",
        "TRIGGER" => "trigger",
        _ => return Err(format!("it makes something that no keyspace holds ({})", shown(head))),
    };
    at += 1;
    if word(at) == "IF" {
        at += 3;
    }
    let name = |at: usize| match head.get(at) {
        Some(Token::Name(name)) => Some(name.clone()),
        // What is not quoted is folded to small letters.
        Some(Token::Word(word)) => Some(word.to_ascii_lowercase()),
        _ => None,
    };
    let first = name(at).ok_or_else(|| format!("a statement in it has no name ({})", shown(head)))?;
    let (keyspace, name) = match (head.get(at + 1), name(at + 2)) {
        (Some(Token::Other(b'.')), Some(second)) => (Some(first), second),
        _ => (None, first),
    };
    Ok(Some(Made { kind, keyspace, name }))
}

fn shown(head: &[Token]) -> String {
    let words = head.iter().take(3).map(|token| match token {
        Token::Word(text) | Token::Name(text) => text.chars().take(40).collect(),
        Token::Other(byte) => char::from(*byte).to_string(),
    });
    words.collect::<Vec<String>>().join(" ")
}

/// The objects of a schema of this keyspace that hold data or shape it, and an error where it is of another.
pub(crate) fn of_keyspace(text: &[u8], keyspace: &str) -> Result<Vec<Made>, String> {
    let made = read(text)?;
    let home = made.iter().filter(|made| made.kind == "keyspace").map(|made| made.name.as_str()).collect::<Vec<_>>();
    if home != [keyspace] {
        return Err(format!("it does not make the keyspace {keyspace}"));
    }
    if let Some(other) = made.iter().find(|made| made.keyspace.as_deref().is_some_and(|of| of != keyspace)) {
        return Err(format!("it makes {} in another keyspace", other.name));
    }
    Ok(made)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// After the example of "DESCRIBE" in Cassandra's documentation (cql/cql_singlefile, managing/tools/cqlsh) and of
    /// test/unit/.../DescribeStatementTest.java for WITH INTERNALS.
    pub(crate) const SCHEMA: &str = "
CREATE KEYSPACE demo WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'}  AND durable_writes = true;

CREATE TYPE demo.address (
    street text,
    \"it;s\" frozen<map<text, text>>
);

CREATE TABLE demo.movies (
    id int PRIMARY KEY,
    title text,
    year int
) WITH ID = 5a1c395e-b41f-11e5-9f22-ba0be0483c18
    AND comment = 'it''s; a \"film\" -- /* no comment'
    AND compaction = {'class': 'org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy', 'max_threshold': '32'};

ALTER TABLE demo.movies DROP length USING TIMESTAMP 1589286942065000;
ALTER TABLE demo.movies ADD length int;

CREATE TABLE demo.\"Actors\" (
    id int PRIMARY KEY,
    name text
) WITH ID = 6a1c395e-b41f-11e5-9f22-ba0be0483c18;
/* a comment; with a semicolon */
CREATE INDEX by_name ON demo.\"Actors\" (name);
CREATE CUSTOM INDEX IF NOT EXISTS by_year ON demo.movies (year) USING 'StorageAttachedIndex';

CREATE OR REPLACE FUNCTION demo.twice(input int)
    RETURNS NULL ON NULL INPUT
    RETURNS int
    LANGUAGE java
    AS $$return input * 2; // '$$;

CREATE MATERIALIZED VIEW demo.by_title AS
    SELECT * FROM demo.movies WHERE title IS NOT NULL AND id IS NOT NULL
    PRIMARY KEY (title, id)
 WITH ID = 7a1c395e-b41f-11e5-9f22-ba0be0483c18;
";

    #[test]
    fn what_a_schema_makes() {
        let made = of_keyspace(SCHEMA.as_bytes(), "demo").unwrap();
        let made: Vec<_> = made.iter().map(|made| format!("{} {}", made.kind, made.name)).collect();
        assert_eq!(
            made,
            [
                "keyspace demo",
                "type address",
                "table movies",
                "table Actors",
                "index by_name",
                "index by_year",
                "function twice",
                "materialized-view by_title"
            ]
        );
    }

    #[test]
    fn what_is_refused() {
        let refused = |text: &str| read(text.as_bytes()).unwrap_err();
        for text in [
            "COPY demo.movies TO '/etc/cron.d/x';",
            "SOURCE '/etc/passwd'\n;",
            "CREATE TABLE a.b (c int);\n-- x\nCAPTURE '/x';",
            "LOGIN root 'x';",
            "DROP KEYSPACE system_auth;",
            "INSERT INTO a.b (c) VALUES (1);",
            "BEGIN BATCH APPLY BATCH;",
            "ALTER ROLE cassandra WITH PASSWORD = 'x';",
            "CREATE ROLE x;",
            "CREATE USER x;",
            "Traceback (most recent call last):;",
        ] {
            assert!(!refused(text).is_empty(), "{text}");
        }
        for text in
            ["CREATE TABLE a.b (c int)", "CREATE TABLE a.b ('", "/* x", "CREATE FUNCTION a.b $$ x", "CREATE TABLE;"]
        {
            assert!(!refused(text).is_empty(), "{text}");
        }
        assert!(of_keyspace(SCHEMA.as_bytes(), "other").unwrap_err().contains("keyspace other"));
        let two = format!("{SCHEMA}CREATE TABLE system_auth.x (a int PRIMARY KEY);");
        assert!(of_keyspace(two.as_bytes(), "demo").unwrap_err().contains("another keyspace"));
        for end in 0..SCHEMA.trim_end().len() - 1 {
            if let Ok(made) = of_keyspace(&SCHEMA.as_bytes()[..end], "demo") {
                assert!(SCHEMA[..end].trim_end().ends_with(['/', ';']), "cut at {end}: {made:?}");
            }
        }
    }
}
