//! Questions about a live server, all put by `curl`.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope, TargetState, quote};
use serde_json::{Deserializer, Value};

use crate::describe::CURL;
use crate::http::Requests;
use crate::inspect::INDEX;
use crate::names;

/// Stands before the version of an OpenSearch, whose numbers are its own.
pub(crate) const OPENSEARCH: &str = "opensearch ";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("curl", CURL)?;
    let requests = Requests::new(request, "ask.conf");
    let list = |scope: &Scope| -> Result<String, Failure> {
        let of = match scope {
            Scope::Database(name) => {
                names::index(name)?;
                format!("/{}", quote::percent(name, ""))
            }
            Scope::All | Scope::Globals => String::new(),
        };
        Ok(format!("_cat/indices{of}?format=json&bytes=b&h=index,docs.count,pri.store.size&expand_wildcards=all"))
    };
    let requests = match query {
        Query::Ping | Query::Version => requests.add("GET", "")?,
        Query::Databases => requests.add("GET", &list(&Scope::All)?)?,
        Query::Size(scope) | Query::State(scope) => requests.add("GET", &list(scope)?)?,
        Query::Inventory(scope) => {
            // Documents are counted from the last refresh on.
            let refresh = match scope {
                Scope::Database(name) => format!("{}/_refresh", quote::percent(name, "")),
                Scope::All | Scope::Globals => "_refresh".to_owned(),
            };
            requests.add("POST", &refresh)?.or_fail().add("GET", &list(scope)?)?
        }
    };
    let (file, curl) = requests.or_fail().build();
    Ok(QueryPlan::new(curl).file(file))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let answers: Vec<Value> = Deserializer::from_slice(stdout).into_iter().map_while(Result::ok).collect();
    let unexpected = || Answer::unexpected("curl", query);
    let last = answers.last().ok_or_else(unexpected)?;
    let indices = || last.as_array().map(|rows| rows.iter().filter(|row| is_users(row)).collect::<Vec<_>>());
    let number = |row: &Value, field: &str| row[field].as_str().and_then(|text| text.parse::<u64>().ok());
    let answer = match query {
        Query::Ping => last["version"]["number"].is_string().then_some(Answer::Alive),
        Query::Version => last["version"]["number"].as_str().map(|number| {
            let opensearch = last["version"]["distribution"] == "opensearch";
            Answer::Version(format!("{}{number}", if opensearch { OPENSEARCH } else { "" }))
        }),
        Query::Databases => indices().map(|rows| {
            // The indices of a data stream are backed up with it.
            let names = rows.iter().filter_map(|row| row["index"].as_str()).filter(|name| !name.starts_with('.'));
            let mut names: Vec<String> = names.map(str::to_owned).collect();
            names.sort();
            Answer::Databases(names)
        }),
        Query::Size(_) => {
            indices().map(|rows| Answer::Size(rows.iter().filter_map(|row| number(row, "pri.store.size")).sum()))
        }
        // An index is in the way of a restore even if it is empty.
        Query::State(_) => indices()
            .map(|rows| Answer::State(if rows.is_empty() { TargetState::Empty } else { TargetState::Occupied })),
        Query::Inventory(_) => indices().map(|rows| {
            let object =
                |row: &&Value| Some(Object::new(INDEX, row["index"].as_str()?).rows(number(row, "docs.count")));
            let mut objects: Vec<Object> = rows.iter().filter_map(object).collect();
            objects.sort_by(|a, b| a.name.cmp(&b.name));
            Answer::Inventory(objects)
        }),
    };
    answer.ok_or_else(unexpected)
}

/// What the server and its tools keep for themselves begins with a dot; so do the indices of data streams.
fn is_users(row: &Value) -> bool {
    row["index"].as_str().is_some_and(|name| !name.starts_with('.') || name.starts_with(".ds-"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;
    use crate::testing::text;

    #[test]
    fn questions() {
        let request = testing::request("movies").tool("curl", "8.5.0");
        let urls = |query| {
            let file = plan(&request, &query).unwrap().files.remove(0);
            text(&file)
                .lines()
                .filter_map(|line| line.strip_prefix("url = \"http://db:9200/"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(urls(Query::Ping), "\"");
        let inventory = urls(Query::Inventory(Scope::Database("é".to_owned())));
        assert!(inventory.starts_with("%C3%A9/_refresh\" _cat/indices/%C3%A9?format=json"), "{inventory}");
        assert!(urls(Query::State(Scope::All)).starts_with("_cat/indices?format=json"));
        assert!(plan(&request, &Query::Size(Scope::Database("A".to_owned()))).is_err());
    }

    #[test]
    fn answers() {
        let answer = |query: Query, text: &str| read(&query, text.as_bytes()).map_err(|failure| failure.message);
        let root = r#"{"name":"n","version":{"number":"8.11.1"}}"#;
        assert_eq!(answer(Query::Ping, root), Ok(Answer::Alive));
        assert_eq!(answer(Query::Version, root), Ok(Answer::Version("8.11.1".to_owned())));
        // Seen with a server that speaks as OpenSearch does.
        let opensearch = r#"{"version":{"distribution":"opensearch","number":"3.8.0"}}"#;
        assert_eq!(answer(Query::Version, opensearch), Ok(Answer::Version("opensearch 3.8.0".to_owned())));
        let rows = r#"[{"index":"movies","docs.count":"3","pri.store.size":"217"},{"index":".kibana","docs.count":"1","pri.store.size":"9"},
            {"index":".ds-logs-1","docs.count":"2","pri.store.size":"3"},{"index":"closed","docs.count":null,"pri.store.size":null}]"#;
        assert_eq!(
            answer(Query::Databases, rows),
            Ok(Answer::Databases(vec!["closed".to_owned(), "movies".to_owned()]))
        );
        assert_eq!(answer(Query::Size(Scope::All), rows), Ok(Answer::Size(220)));
        assert_eq!(answer(Query::State(Scope::All), rows), Ok(Answer::State(TargetState::Occupied)));
        assert_eq!(answer(Query::State(Scope::All), "[]"), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(
            answer(Query::Inventory(Scope::All), &format!("{{\"_shards\":{{}}}}\n{rows}")),
            Ok(Answer::Inventory(vec![
                Object::new(INDEX, ".ds-logs-1").rows(2),
                Object::new(INDEX, "closed"),
                Object::new(INDEX, "movies").rows(3),
            ]))
        );
        assert!(answer(Query::Ping, "").is_err() && answer(Query::Version, "<html>").is_err());
    }
}
