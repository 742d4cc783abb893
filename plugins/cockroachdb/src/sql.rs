//! Quoting, the statements, and reading what they print.
//!
//! `cockroach sql --format=tsv` prints a line of column names before each result. All statements here that print give one column
//! named `planb`, whose values hold only letters, digits, `|`, `-` and `.`, so no line is ever quoted. Names are in
//! hexadecimal digits.

use planb_sdk::{Failure, quote};

/// The column's name: a line to pass over.
const HEADER: &str = "planb";

/// The path of the backup in the transfer database.
pub(crate) const FOLDER: &str = "backup";

/// Schemas that are the server's own.
const SYSTEM: &str = "('pg_catalog', 'information_schema', 'crdb_internal', 'pg_extension')";

/// Refuses what no statement can hold: a line of its own could be a command of the client (`\!`).
///
/// The longest name is far beyond any that is used; it stands in every statement, and its digits do.
pub(crate) fn checked<'a>(what: &str, name: &'a str) -> Result<&'a str, Failure> {
    const LONGEST: usize = 4096;
    if name.len() > LONGEST {
        return Err(Failure::settings(format!("{what} is longer than {LONGEST} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Failure::settings(format!("{what} holds a control character")));
    }
    Ok(name)
}

/// The database that holds the files while they are on their way.
pub(crate) fn transfer(database: &str) -> String {
    let hex: String = database.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("planb_transfer_{hex}")
}

/// Where in it: `userfile://database.schema.prefix/path`, with the files in the tables `prefix_upload_files` and
/// `prefix_upload_payload` (cockroach userfile upload, "File destination").
pub(crate) fn place(database: &str) -> String {
    format!("userfile://{}.public.files", transfer(database))
}

/// Makes the transfer database, without what an earlier run left there.
pub(crate) fn make_transfer(database: &str) -> String {
    let transfer = transfer(database);
    format!("DROP DATABASE IF EXISTS {transfer} CASCADE;\nCREATE DATABASE {transfer};\n")
}

pub(crate) fn drop_transfer(database: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} CASCADE;\n", transfer(database))
}

pub(crate) fn backup(database: &str) -> String {
    format!("BACKUP DATABASE {} INTO '{}/{FOLDER}';\n", quote::sql_identifier(database), place(database))
}

/// Restores the backup of `source`, which lies in the transfer database of `target`, under the name `name`.
pub(crate) fn restore(source: &str, target: &str, name: &str, options: &[&str]) -> String {
    let mut with: Vec<String> = Vec::new();
    if source != name {
        with.push(format!("new_db_name = {}", quote::sql_string(name)));
    }
    with.extend(options.iter().map(|&option| option.to_owned()));
    let with = if with.is_empty() { String::new() } else { format!(" WITH {}", with.join(", ")) };
    format!("RESTORE DATABASE {} FROM LATEST IN '{}/{FOLDER}'{with};\n", quote::sql_identifier(source), place(target))
}

/// An expression for a text in hexadecimal digits.
fn hex(expression: &str) -> String {
    format!("encode(convert_to({expression}, 'UTF8'), 'hex')")
}

/// The files of the backup with their sizes, and how many they are. It is the query by which `cockroach userfile get` itself finds
/// a file's size.
pub(crate) fn list_files(database: &str) -> String {
    let transfer = transfer(database);
    let name = hex("f.filename");
    format!(
        "SELECT 'file|' || {name} || '|' || coalesce(sum_int(length(p.payload)), 0)::STRING AS {HEADER} \
         FROM {transfer}.public.files_upload_files AS f LEFT OUTER JOIN {transfer}.public.files_upload_payload AS p ON p.file_id = f.file_id \
         GROUP BY f.filename ORDER BY f.filename;\n\
         SELECT 'end||' || count(*)::STRING AS {HEADER} FROM {transfer}.public.files_upload_files;\n"
    )
}

/// What the backup says of its tables, and what of those is no table: SHOW BACKUP makes no difference.
pub(crate) fn list_objects(database: &str) -> String {
    let name = hex("parent_schema_name || '.' || object_name");
    format!(
        "SELECT 'table|' || {name} || '|' || coalesce(rows, 0)::STRING AS {HEADER} FROM [SHOW BACKUP FROM LATEST IN '{}/{FOLDER}'] \
         WHERE object_type = 'table' AND database_name = {};\n{}SELECT 'end||0' AS {HEADER};\n",
        place(database),
        quote::sql_string(database),
        others()
    )
}

/// Views and sequences of the current database.
fn others() -> String {
    let name = hex("n.nspname || '.' || c.relname");
    format!(
        "SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view' ELSE 'sequence' END || '|' || {name} || '|-' AS {HEADER} \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('v', 'm', 'S') AND n.nspname NOT IN {SYSTEM} AND n.nspname NOT LIKE 'pg_temp%' ORDER BY 1;\n"
    )
}

/// Prints a script that counts each table of the current database, and names its views and sequences. A table is named by its number
/// (`[104 AS t]`, "Table expressions"), so that no name has to be quoted on its way through the client. The header line of
/// the script is a comment.
pub(crate) fn count_script() -> String {
    let name = hex("n.nspname || '.' || c.relname");
    format!(
        "SELECT 'SELECT ''' || CASE c.relkind WHEN 'r' THEN 'table' WHEN 'm' THEN 'materialized-view' WHEN 'v' THEN 'view' ELSE 'sequence' END \
         || '|' || {name} || CASE WHEN c.relkind IN ('r', 'm') \
         THEN '|'' || count(*)::STRING AS {HEADER} FROM [' || c.oid::INT8::STRING || ' AS t];' ELSE '|-'' AS {HEADER};' END AS \"--\" \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'm', 'v', 'S') AND n.nspname NOT IN {SYSTEM} AND n.nspname NOT LIKE 'pg_temp%' \
         ORDER BY n.nspname, c.relname;\n"
    )
}

/// What stands before an identifier's own tables: `"db".`.
pub(crate) fn within(database: &str) -> String {
    format!("{}.", quote::sql_identifier(database))
}

/// Whether a database has tables. One that does not exist is an error that says so.
pub(crate) fn state(database: &str) -> String {
    format!(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM {}information_schema.tables WHERE table_schema NOT IN {SYSTEM}) \
         THEN 'occupied' ELSE 'empty' END AS {HEADER};\n",
        within(database)
    )
}

pub(crate) fn ping() -> String {
    format!("SELECT '1' AS {HEADER};\n")
}

/// `CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built ...)`.
pub(crate) fn version() -> String {
    format!("SELECT version() AS {HEADER};\n")
}

pub(crate) fn databases() -> String {
    format!(
        "SELECT {} AS {HEADER} FROM pg_catalog.pg_database WHERE datname <> 'system' AND datname NOT LIKE 'planb\\_transfer\\_%' ORDER BY datname;\n",
        hex("datname")
    )
}

/// The lines of the results, without the headers between them.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty() && *line != HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        assert_eq!(place("a\"b"), "userfile://planb_transfer_612262.public.files");
        assert_eq!(
            backup("a\"b"),
            "BACKUP DATABASE \"a\"\"b\" INTO 'userfile://planb_transfer_612262.public.files/backup';\n"
        );
        assert_eq!(
            restore("shop", "it's", "it's", &["skip_localities_check"]),
            "RESTORE DATABASE \"shop\" FROM LATEST IN 'userfile://planb_transfer_69742773.public.files/backup' \
             WITH new_db_name = 'it''s', skip_localities_check;\n"
        );
        assert!(restore("a", "a", "a", &[]).ends_with("/backup';\n"));
        assert!(checked("the name", "a\n\\! id").is_err() && checked("the name", "it's").is_ok());
    }

    #[test]
    fn headers_are_passed_over() {
        assert_eq!(lines("planb\na|1\nplanb\n\nb|2\r\n").collect::<Vec<_>>(), ["a|1", "b|2"]);
    }
}
