//! Quoting, and the statements that are run.
//!
//! ClickHouse unescapes a backslash in strings and in identifiers in backquotes (documentation, "Syntax").

use planb_sdk::Object;

/// A string: `it's` becomes `'it\'s'`.
pub(crate) fn string(text: &str) -> String {
    quoted(text, '\'')
}

/// An identifier: `` a`b `` becomes `` `a\`b` ``.
pub(crate) fn identifier(name: &str) -> String {
    quoted(name, '`')
}

fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            '\\' => out.push_str("\\\\"),
            c => {
                if c == quote {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out.push(quote);
    out
}

/// What stands in double quotes or backquotes, or a bare word: a name in a statement of `system.tables`, as a regular expression
/// inside a string.
macro_rules! name {
    () => {
        r"(?:`(?:[^`\\\\]|\\\\.)*`|[A-Za-z0-9_]+)"
    };
}

/// The condition under which a row of `system.tables` is a table of the user: the rows of a materialized view lie in an inner
/// table, which comes with the view.
const OURS: &str = "NOT is_temporary AND name NOT LIKE '.inner.%' AND name NOT LIKE '.inner\\_id.%'";

/// What kind of an object it is.
const KIND: &str = "multiIf(engine = 'MaterializedView', 'materialized-view', engine LIKE '%View', 'view', \
    create_table_query LIKE 'CREATE DICTIONARY%', 'dictionary', 'table')";

/// Whether it has rows of its own. Others show those of another table, another server or a file, or none.
const ROWS: &str = concat!(
    "(engine LIKE '%MergeTree' OR engine IN ('Log', 'TinyLog', 'StripeLog', 'Memory', 'Join', 'EmbeddedRocksDB') \
     OR (engine = 'MaterializedView' AND NOT match(create_table_query, '^CREATE MATERIALIZED VIEW ",
    name!(),
    r"\\.",
    name!(),
    " (?:[^(]* )?TO ')))"
);

/// How many materialized views stand between it and a table: a view can only be made after what it reads.
fn level(database: &str) -> String {
    let readers = |of: &str| {
        format!("SELECT arrayJoin(dependencies_table) FROM system.tables WHERE database = {database} AND {of}")
    };
    let first = readers("engine = 'MaterializedView'");
    let second = readers(&format!("engine = 'MaterializedView' AND name IN ({first})"));
    let third = readers(&format!("engine = 'MaterializedView' AND name IN ({second})"));
    format!("(name IN ({first})) + (name IN ({second})) + (name IN ({third}))")
}

/// Prints a script that counts each table. Tables come first, then the others in the order in which they can be made.
pub(crate) fn inventory(database: &str) -> String {
    let name = string(database);
    let level = level(&name);
    // The quoting is that of `identifier`.
    let quoted = r"concat('`', replaceAll(replaceAll(replaceAll(name, '\\', '\\\\'), '`', '\\`'), '\n', '\\n'), '`')";
    format!(
        "SELECT 'SELECT 1 FORMAT Null;' FORMAT TSVRaw;\n\
         SELECT concat('SELECT ''', kind, ''', ''', hex(name), ''', ', if(filled, concat('count() FROM ', {quoted}), '''-'''), ' FORMAT TSVRaw;') \
         FROM (SELECT name, {KIND} AS kind, {ROWS} AS filled, {level} AS level, metadata_modification_time AS made \
         FROM system.tables WHERE database = {name} AND {OURS}) \
         ORDER BY kind != 'table', kind != 'dictionary', level, made, name FORMAT TSVRaw;\n"
    )
}

/// Prints the statements that empty a database, those first that read others.
pub(crate) fn drop_all(database: &str, wait: bool) -> String {
    let name = string(database);
    let level = level(&name);
    let quoted = r"concat('`', replaceAll(replaceAll(replaceAll(name, '\\', '\\\\'), '`', '\\`'), '\n', '\\n'), '`')";
    // Newer servers drop later and at leisure, and a replicated table cannot be made again before.
    let wait = if wait { " SYNC" } else { "" };
    format!(
        "SELECT 'SELECT 1 FORMAT Null;' FORMAT TSVRaw;\n\
         SELECT concat(if(kind = 'dictionary', 'DROP DICTIONARY ', 'DROP TABLE '), {quoted}, '{wait};') \
         FROM (SELECT name, {KIND} AS kind, {level} AS level, metadata_modification_time AS made \
         FROM system.tables WHERE database = {name} AND {OURS}) \
         ORDER BY kind = 'table', kind = 'dictionary', level DESC, made DESC, name FORMAT TSVRaw;\n"
    )
}

/// Prints an object's CREATE statement on a line of its own, without the name of its database: it is restored into any.
pub(crate) fn create(database: &str, object: &str, into: Option<&str>) -> String {
    let pattern = concat!(r"'^(CREATE (?:(?:MATERIALIZED|LIVE|WINDOW) )?(?:TABLE|VIEW|DICTIONARY)) ", name!(), r"\\.'");
    let into = into.map(|file| format!(" INTO OUTFILE {}", string(file))).unwrap_or_default();
    format!(
        "SELECT concat(replaceRegexpOne(create_table_query, {pattern}, '\\\\1 '), ';') FROM system.tables \
         WHERE database = {} AND name = {}{into} FORMAT TSVRaw;\n",
        string(database),
        string(object)
    )
}

/// Prints a table's rows, and the `;` that ends them.
pub(crate) fn rows(object: &str) -> String {
    format!("SELECT * FROM {} FORMAT Values;\n{}", identifier(object), bytes(";\n"))
}

/// Prints a text without a line break after it, which no text format does: a fixed string has no frame in RowBinary.
pub(crate) fn bytes(text: &str) -> String {
    format!("SELECT toFixedString({}, {}) FORMAT RowBinary;\n", string(text), text.len())
}

/// Prints a line.
pub(crate) fn line(text: &str) -> String {
    format!("SELECT {} FORMAT TSVRaw;\n", string(text))
}

/// The statement in a dump that a table is empty. An INSERT without rows is an error for newer clients.
pub(crate) fn no_rows(object: &str) -> String {
    format!("SELECT 'planb: no rows', {};", string(object))
}

/// The last statement of a dump of so many objects.
pub(crate) fn end(objects: usize) -> String {
    format!("SELECT 'planb: end of the dump', {objects};")
}

/// The names of a dump's files for one object: its statement and its rows.
pub(crate) fn files(at: usize, object: &Object) -> (String, String) {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let slug: String = object.name.chars().take(60).map(plain).collect();
    let stem = format!("{:05}-{slug}", at + 1);
    (format!("{stem}.sql"), format!("{stem}.values"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(string("it's\\\n"), "'it\\'s\\\\\\n'");
        assert_eq!(identifier("a`b'\\"), "`a\\`b'\\\\`");
        assert_eq!(bytes(";\n"), "SELECT toFixedString(';\\n', 2) FORMAT RowBinary;\n");
    }

    #[test]
    fn names_of_files() {
        let object = Object::new("table", "Übergröße/../`x");
        assert_eq!(
            files(6, &object),
            ("00007--bergr--e-----x.sql".to_owned(), "00007--bergr--e-----x.values".to_owned())
        );
    }
}
