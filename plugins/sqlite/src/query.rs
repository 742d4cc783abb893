//! Questions about a database file. Names come back as hexadecimal digits, so that no name can look like another row.

use planb_sdk::{Failure, Query, QueryPlan, Request, Scope};

use crate::describe::INSTALL;
use crate::plan::{self, Open};

/// Writes a script that counts each table, and runs it, in one read transaction. Tables of virtual tables (`fts_data`)
/// are counted as the tables that they are; what a virtual table itself would answer is up to its extension.
const INVENTORY: &str = r#"
BEGIN;
.output inventory.sql
SELECT 'SELECT ''' || CASE WHEN type = 'view' THEN 'view' WHEN sql LIKE 'CREATE VIRTUAL TABLE%' THEN 'virtual-table' ELSE 'table' END
  || ''', ''' || hex(name) || ''', '
  || CASE WHEN type = 'view' OR sql LIKE 'CREATE VIRTUAL TABLE%' THEN '''-'';' ELSE 'count(*) FROM "' || replace(name, '"', '""') || '";' END
FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY type, name;
.output stdout
.read inventory.sql
COMMIT;
"#;

const STATE: &str = r"SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\') THEN 'occupied' ELSE 'empty' END";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("sqlite3", INSTALL)?;
    let open = |file: &str| plan::timeout(plan::sqlite().value(plan::uri(file, Open::Existing)?), request);
    let command = match query {
        Query::Ping => open(request.database()?)?.script("SELECT count(*) >= 0 FROM sqlite_master"),
        // The library in the program is all the server there is; no file is needed to ask it.
        Query::Version => plan::sqlite().flag(":memory:").script("SELECT sqlite_version()"),
        Query::Size(Scope::Database(file)) => {
            open(file)?.script("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        }
        // What SQLite made for itself (statistics, sequences) is no data of the user's.
        Query::State(Scope::Database(file)) => open(file)?.script(STATE),
        // A script with dot-commands among statements has to come from stdin, and so has the timeout.
        Query::Inventory(Scope::Database(file)) => {
            let milliseconds = request.number("busy-timeout")?.unwrap_or(10_000);
            plan::sqlite()
                .value(plan::uri(file, Open::Existing)?)
                .stdin(format!(".timeout {milliseconds}\n"))
                .stdin(INVENTORY)
        }
        Query::Databases | Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported("a SQLite database is one file: there is no server that knows of others")
                .hint("name the file: --db sqlite:///path/to/file.db"));
        }
    };
    Ok(QueryPlan::new(command))
}
