//! Questions about a live server, put by `cypher-shell`, and reading its plain format: a line of column names, and then a line for each
//! row, with `, ` between values and strings in double quotes with backslashes before quotes and backslashes.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope, TargetState};

use crate::tools;

const INVENTORY: &str = "\
MATCH (n) UNWIND labels(n) AS name RETURN 'label' AS kind, name, count(*) AS rows ORDER BY name;
MATCH ()-[r]->() RETURN 'relationship-type' AS kind, type(r) AS name, count(*) AS rows ORDER BY name;
";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    if request.connection.host.is_none() {
        return Err(tools::no_server());
    }
    let (database, statement) = match query {
        // Not in the database itself: it may be stopped.
        Query::Ping | Query::Databases => ("system", "SHOW DATABASES YIELD name RETURN name;\n"),
        Query::Version => {
            ("system", "CALL dbms.components() YIELD versions UNWIND versions AS version RETURN version;\n")
        }
        Query::State(Scope::Database(_)) => (tools::database(request)?, "MATCH (n) RETURN count(n) AS nodes;\n"),
        Query::Inventory(Scope::Database(_)) => (tools::database(request)?, INVENTORY),
        Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported(format!("Neo4j does not answer {}", query.name())));
        }
    };
    Ok(QueryPlan::new(tools::shell(request, database)?.stdin(statement)))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    let rows = rows(&text);
    let first = |row: &Vec<String>| row.first().cloned();
    let answer = match query {
        Query::Ping => (!rows.is_empty()).then_some(Answer::Alive),
        Query::Version => rows
            .iter()
            .filter_map(first)
            .find(|value| value.starts_with(|c: char| c.is_ascii_digit()))
            .map(Answer::Version),
        Query::Databases => {
            let mut names: Vec<_> =
                rows.iter().filter_map(first).filter(|name| name != "name" && name != "system").collect();
            // A cluster names a database once for each of its servers.
            names.sort();
            names.dedup();
            Some(Answer::Databases(names))
        }
        Query::State(_) => rows
            .iter()
            .filter_map(first)
            .find_map(|count| count.parse::<u64>().ok())
            .map(|count| Answer::State(if count == 0 { TargetState::Empty } else { TargetState::Occupied })),
        Query::Inventory(_) => {
            let objects = rows.iter().filter_map(|row| match row.as_slice() {
                [kind, name, rows] => rows.parse::<u64>().ok().map(|rows| Object::new(kind, name).rows(rows)),
                _ => None,
            });
            Some(Answer::Inventory(objects.collect()))
        }
        Query::Size(_) => None,
    };
    answer.ok_or_else(|| Answer::unexpected("cypher-shell", query))
}

/// The rows of plain output, those of column names too. A string may hold line breaks.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut value) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    let mut any = false;
    for c in text.chars() {
        if escaped {
            value.push(match c {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
            escaped = false;
        } else if quoted {
            match c {
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => value.push(c),
            }
        } else {
            match c {
                '"' => {
                    quoted = true;
                    any = true;
                }
                ',' => {
                    row.push(std::mem::take(&mut value));
                    any = true;
                }
                '\n' => {
                    if any || !value.is_empty() {
                        row.push(std::mem::take(&mut value));
                        rows.push(std::mem::take(&mut row));
                    }
                    any = false;
                }
                ' ' if value.is_empty() => {}
                '\r' => {}
                _ => value.push(c),
            }
        }
    }
    if any || !value.is_empty() {
        row.push(value);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Connection, FailureCode, testing};

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("shop").tool("cypher-shell", "5.12.0");
        let ask = |query| plan(&request, &query).map(|plan| plan.command.to_string());
        assert!(ask(Query::Ping).unwrap().contains(" --database=system "));
        assert!(ask(Query::Inventory(Scope::Database("shop".into()))).unwrap().contains(" --database=shop "));
        let offline = Request { connection: Connection::empty(), ..request.clone() };
        assert_eq!(plan(&offline, &Query::Version).unwrap_err().code, FailureCode::Unsupported);
    }

    #[test]
    fn answers() {
        assert_eq!(read(&Query::Version, b"version\n\"5.12.0\"\n"), Ok(Answer::Version("5.12.0".to_owned())));
        assert_eq!(
            read(&Query::Databases, b"name\n\"neo4j\"\n\"system\"\n\"neo4j\"\n"),
            Ok(Answer::Databases(vec!["neo4j".to_owned()]))
        );
        assert_eq!(read(&Query::State(Scope::All), b"nodes\n0\n"), Ok(Answer::State(TargetState::Empty)));
        let inventory = b"kind, name, rows\n\"label\", \"Mov\\\"ie, \\\\x\ny\", 3\nkind, name, rows\n\"relationship-type\", \"ACTED_IN\", 2\n";
        let objects =
            vec![Object::new("label", "Mov\"ie, \\x\ny").rows(3), Object::new("relationship-type", "ACTED_IN").rows(2)];
        assert_eq!(read(&Query::Inventory(Scope::All), inventory), Ok(Answer::Inventory(objects)));
        assert!(read(&Query::Version, b"").is_err());
    }
}
