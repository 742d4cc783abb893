//! Questions about a live server, all put by the client from a script on its stdin.
//!
//! Names of the request stand in the scripts as hexadecimal digits, and come back as such, so that no name, whatever it
//! holds, can look like something else.

use planb_sdk::{Answer, Failure, Query, QueryPlan, Request, Scope};

use crate::family::Family;
use crate::quote::{identifier_sql, qualified_sql};
use crate::settings;
use crate::{connect, quote};

const PING: &str = "SELECT 1;\n";
const VERSION: &str = "SELECT VERSION();\n";
/// The statements that count, made by a first script for a second.
const COUNT: &str = "count.sql";
/// Tables whose rows are the dump's. Those of some engines are elsewhere, and are dumped without them (check_if_ignore_table in
/// client/mysqldump.cc, and mariadb-dump's --no-data-med).
const COUNTED: &str = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(ENGINE, '') NOT IN \
                       ('MRG_MYISAM', 'MRG_ISAM', 'FEDERATED', 'CONNECT', 'OQGRAPH', 'SPIDER', 'VP')";

/// No rows, in a statement that is printed.
const UNCOUNTED: &str = "'''-'''";

/// Where a server keeps what is in a database: the columns of the database and of the name, the table, and the kind as an expression.
const HOLDS: [(&str, &str, &str, &str); 4] = [
    (
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "TABLES",
        "IF(TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED'), 'table', LOWER(TABLE_TYPE))",
    ),
    ("ROUTINE_SCHEMA", "ROUTINE_NAME", "ROUTINES", "REPLACE(LOWER(ROUTINE_TYPE), ' ', '-')"),
    ("TRIGGER_SCHEMA", "TRIGGER_NAME", "TRIGGERS", "'trigger'"),
    ("EVENT_SCHEMA", "EVENT_NAME", "EVENTS", "'event'"),
];

/// The plan for any question.
pub fn plan<F: Family>(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let ask = |script: String| Ok::<_, Failure>(QueryPlan::new(connect::rows::<F>(request)?.stdin(script)));
    let plan = match query {
        Query::Ping => ask(PING.to_owned())?,
        Query::Version => ask(VERSION.to_owned())?,
        Query::Databases => ask(format!(
            "SELECT HEX(CONVERT(SCHEMA_NAME USING utf8mb4)) FROM information_schema.SCHEMATA WHERE {} ORDER BY SCHEMA_NAME;\n",
            users::<F>("SCHEMA_NAME")
        ))?,
        Query::Size(scope) => ask(format!(
            "SELECT COALESCE(SUM(DATA_LENGTH), 0) FROM information_schema.TABLES WHERE {};\n",
            within::<F>(request, scope, "TABLE_SCHEMA")?
        ))?,
        Query::State(scope) => ask(state::<F>(request, scope)?)?,
        Query::Inventory(scope) => {
            let list = connect::rows::<F>(request)?.stdin(inventory::<F>(request, scope)?).stdout_to(COUNT);
            QueryPlan::new(connect::rows::<F>(request)?.stdin_from(COUNT)).prepare(list)
        }
    };
    Ok(plan.file([connect::login(request)]))
}

/// Reads what the client printed.
pub fn read<F: Family>(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    Answer::from_lines(F::CLIENT, query, stdout)
}

/// A condition: the database is one of a user's.
fn users<F: Family>(column: &str) -> String {
    let names: Vec<_> = F::SYSTEM.iter().map(|name| format!("'{name}'")).collect();
    format!("{column} NOT IN ({})", names.join(", "))
}

/// A condition: the database is in this scope.
fn within<F: Family>(request: &Request, scope: &Scope, column: &str) -> Result<String, Failure> {
    let databases = settings::databases(request)?;
    match scope {
        Scope::Database(name) => {
            quote::identifier(name)?;
            Ok(format!("{column} = {}", quote::string(name)))
        }
        Scope::All if databases.is_empty() => Ok(users::<F>(column)),
        Scope::All => {
            let names: Vec<_> = databases.iter().map(|name| quote::string(name)).collect();
            Ok(format!("{column} IN ({})", names.join(", ")))
        }
        Scope::Globals => Err(Failure::unsupported("accounts are not counted, and each server has some")),
    }
}

/// Whether a user made anything here, if only an empty table. A server is occupied by any database, if only an empty one.
fn state<F: Family>(request: &Request, scope: &Scope) -> Result<String, Failure> {
    let exists = |table: &str, column: &str| {
        let within = within::<F>(request, scope, column)?;
        Ok::<_, Failure>(format!("EXISTS (SELECT 1 FROM information_schema.{table} WHERE {within})"))
    };
    let there = exists("SCHEMATA", "SCHEMA_NAME")?;
    if *scope == Scope::All {
        return Ok(format!("SELECT IF({there}, 'occupied', 'empty');\n"));
    }
    let some = HOLDS.iter().map(|(schema, _, table, _)| exists(table, schema)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("SELECT IF({}, 'occupied', IF({there}, 'empty', 'missing'));\n", some.join(" OR ")))
}

/// A script that prints a script: it counts all tables in one snapshot, and names the rest. The names are those of an inspection.
fn inventory<F: Family>(request: &Request, scope: &Scope) -> Result<String, Failure> {
    let several = *scope == Scope::All;
    let unlimited = if F::MARIADB { "max_statement_time" } else { "max_execution_time" };
    let mut script = format!(
        "SELECT 'SET SESSION {unlimited} = 0;';\n\
         SELECT 'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;';\n\
         SELECT 'START TRANSACTION WITH CONSISTENT SNAPSHOT;';\n"
    );
    let mut print = |kind: &str, name: &str, rows: &str, table: &str, within: &str| {
        script.push_str(&format!(
            "SELECT CONCAT('SELECT ''', {kind}, ''', ''', HEX(CONVERT({name} USING utf8mb4)), ''', ', {rows}, ';') \
             FROM information_schema.{table} WHERE {within} ORDER BY 1;\n"
        ));
    };
    if several {
        let within = within::<F>(request, scope, "SCHEMA_NAME")?;
        print("'database'", "SCHEMA_NAME", UNCOUNTED, "SCHEMATA", &within);
    }
    for (schema, name, table, kind) in HOLDS {
        let within = within::<F>(request, scope, schema)?;
        let shown = if several { qualified_sql(schema, name) } else { name.to_owned() };
        if table == "TABLES" {
            let count = format!("'COUNT(*) FROM ', {}, '.', {}", identifier_sql(schema), identifier_sql(name));
            print(kind, &shown, &count, table, &format!("{within} AND {COUNTED}"));
            let others = format!("{within} AND NOT ({COUNTED}) AND TABLE_TYPE NOT LIKE 'TEMPORARY%'");
            print(kind, &shown, UNCOUNTED, table, &others);
        } else {
            print(kind, &shown, UNCOUNTED, table, &within);
        }
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Maria, request};

    #[test]
    fn no_name_stands_in_a_script() {
        let nasty = "a'\"`\\b";
        let request = request(nasty).with_setting("databases", nasty);
        for scope in [Scope::Database(nasty.to_owned()), Scope::All] {
            for query in [Query::Size(scope.clone()), Query::State(scope.clone()), Query::Inventory(scope.clone())] {
                let text = plan::<Maria>(&request, &query).unwrap().to_string();
                assert!(text.contains("_utf8mb4 0x612722605c62") && !text.contains("a'"), "{text}");
            }
        }
        assert!(plan::<Maria>(&request, &Query::State(Scope::Globals)).is_err());
    }

    #[test]
    fn a_question() {
        let request = request("shop").password();
        assert_eq!(
            plan::<Maria>(&request, &Query::Ping).unwrap().to_string(),
            "file {work}/client.cnf: [client]\\npassword=\"{secret password}\"\\n\n\
             ask mariadb --defaults-file={work}/client.cnf --protocol=tcp --host=db --user=app --connect-timeout=10 \
             --default-character-set=utf8mb4 --max-allowed-packet=1073741824 --batch --binary-mode --comments --local-infile=0 \
             --skip-reconnect --skip-column-names --raw << SELECT 1;\\n\n"
        );
    }
}
