//! Questions about a live cluster, all put by cqlsh. Rows come back as JSON, one a line, between the lines of a table.
//!
//! Rows of tables are not counted: `count(*)` reads a whole table through one node and times out on a large one.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope};

use crate::connect;

/// Keyspaces of Cassandra's own (SchemaConstants.java), and of DataStax Enterprise.
const SYSTEM: [&str; 8] = [
    "system",
    "system_auth",
    "system_distributed",
    "system_schema",
    "system_traces",
    "system_views",
    "system_virtual_schema",
    "system_metrics",
];

/// What an inventory asks for, and what it calls it.
const OBJECTS: [(&str, &str, &str); 5] = [
    ("table_name", "tables", "table"),
    ("view_name", "views", "materialized-view"),
    ("type_name", "types", "type"),
    ("function_name", "functions", "function"),
    ("aggregate_name", "aggregates", "aggregate"),
];

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let statements = match query {
        Query::Ping => "SELECT JSON key FROM system.local".to_owned(),
        Query::Version => "SELECT JSON release_version FROM system.local".to_owned(),
        Query::Databases => "SELECT JSON keyspace_name FROM system_schema.keyspaces".to_owned(),
        Query::Inventory(Scope::Database(_)) => {
            let keyspace = connect::keyspace(request)?;
            let ask = |(column, table, _): (&str, &str, &str)| {
                format!(" SELECT JSON {column} FROM system_schema.{table} WHERE keyspace_name = '{keyspace}';")
            };
            // USE fails where there is no such keyspace; the others would just find nothing.
            format!("USE \"{keyspace}\";{}", OBJECTS.map(ask).concat())
        }
        Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported(format!("this engine cannot answer {}", query.name())));
        }
    };
    Ok(QueryPlan::new(connect::statement(request, statements)?).file(connect::cqlsh_files(request)?))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    let rows = || text.lines().filter_map(row);
    let named = |column: &str| rows().filter(|(name, _)| *name == column).map(|(_, value)| value).collect::<Vec<_>>();
    let answer = match query {
        Query::Ping => named("key").first().map(|_| Answer::Alive),
        Query::Version => named("release_version").first().map(|version| Answer::Version((*version).to_owned())),
        Query::Databases => {
            let user = |name: &&str| !SYSTEM.contains(name) && !name.starts_with("dse_");
            let mut names: Vec<_> = named("keyspace_name").into_iter().filter(user).map(str::to_owned).collect();
            names.sort();
            Some(Answer::Databases(names))
        }
        Query::Inventory(Scope::Database(keyspace)) => {
            let mut objects = Vec::new();
            for (column, _, kind) in OBJECTS {
                objects.extend(named(column).into_iter().map(|name| Object::new(kind, format!("{keyspace}.{name}"))));
            }
            objects.dedup();
            Some(Answer::Inventory(objects))
        }
        _ => None,
    };
    answer.ok_or_else(|| Answer::unexpected("cqlsh", query))
}

/// ` {"table_name": "movies"}`. The names of all these things are letters, digits and underscores.
fn row(line: &str) -> Option<(&str, &str)> {
    let inside = line.trim().strip_prefix("{\"")?.strip_suffix("\"}")?;
    inside.split_once("\": \"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn questions() {
        let command = |query| plan(&request("demo").password(), &query).unwrap().command.to_string();
        assert!(command(Query::Version).ends_with("-e <SELECT JSON release_version FROM system.local> db 9042"));
        assert!(command(Query::Inventory(Scope::Database("demo".to_owned()))).contains(
            "-e <USE \"demo\"; SELECT JSON table_name FROM system_schema.tables WHERE keyspace_name = 'demo'; SELECT"
        ));
        assert!(plan(&request("demo").password(), &Query::Size(Scope::All)).is_err());
        assert!(plan(&request("d'; x").password(), &Query::Inventory(Scope::Database("d'; x".to_owned()))).is_err());
    }

    /// The form of "SELECT JSON" in Cassandra's documentation (cql/json), printed as cqlsh prints tables.
    #[test]
    fn answers() {
        let answer = |query, text: &str| read(&query, text.as_bytes());
        let table = |rows: &[&str]| format!("\n [json]\n------\n{}\n\n({} rows)\n", rows.join("\n"), rows.len());
        assert_eq!(answer(Query::Ping, &table(&[" {\"key\": \"local\"}"])), Ok(Answer::Alive));
        assert!(answer(Query::Ping, "").is_err());
        assert_eq!(
            answer(Query::Version, &table(&[" {\"release_version\": \"4.1.3\"}"])),
            Ok(Answer::Version("4.1.3".to_owned()))
        );
        assert_eq!(
            answer(Query::Databases, &table(&["{\"keyspace_name\": \"system\"}", "   {\"keyspace_name\": \"demo\"}"])),
            Ok(Answer::Databases(vec!["demo".to_owned()]))
        );
        let text = table(&["{\"table_name\": \"actors\"}", "{\"table_name\": \"movies\"}"])
            + &table(&["{\"view_name\": \"v\"}"]);
        assert_eq!(
            answer(Query::Inventory(Scope::Database("demo".to_owned())), &text),
            Ok(Answer::Inventory(vec![
                Object::new("table", "demo.actors"),
                Object::new("table", "demo.movies"),
                Object::new("materialized-view", "demo.v"),
            ]))
        );
        assert_eq!(
            answer(Query::Inventory(Scope::Database("demo".to_owned())), &table(&[])),
            Ok(Answer::Inventory(vec![]))
        );
    }
}
