//! Questions about a live server. `curl` ends with 0 whatever the server says; the status stands on the last line, so that the
//! server's own words can be told.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope, TargetState};
use serde_json::Value;

use crate::describe::CURL;
use crate::inspect::{DESIGN, DOCUMENTS};
use crate::{connect, explain};

/// The design documents. Whatever the range, `total_rows` counts all documents of the database.
const DESIGNS: &str = "/_all_docs?startkey=%22_design/%22&endkey=%22_design0%22";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("curl", CURL)?;
    let url = match query {
        Query::Ping => format!("{}/_session", connect::server(&request.connection)?),
        Query::Version => format!("{}/", connect::server(&request.connection)?),
        Query::Databases => format!("{}/_all_dbs", connect::server(&request.connection)?),
        Query::Size(Scope::Database(_)) | Query::State(Scope::Database(_)) => connect::database(request)?,
        Query::Inventory(Scope::Database(_)) => format!("{}{DESIGNS}", connect::database(request)?),
        Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported("databases of CouchDB are backed up one by one")
                .hint("name one, or say --database '*' for each of them"));
        }
    };
    let curl = connect::curl(request)?;
    let curl = if request.toggle("system-databases")? {
        curl.pair("--write-out", "\\n%{http_code} all")
    } else {
        curl.pair("--write-out", "\\n%{http_code} user")
    };
    Ok(QueryPlan::new(curl.pair("--url", url)).file(connect::login(&request.connection)?))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    let unexpected = || Answer::unexpected("curl", query);
    let (body, last) = text.rsplit_once('\n').ok_or_else(unexpected)?;
    let (status, which) = last.split_once(' ').ok_or_else(unexpected)?;
    let status: u16 = status.parse().map_err(|_| unexpected())?;
    if status == 404 && matches!(query, Query::State(_)) {
        return Ok(Answer::State(TargetState::Missing));
    }
    if !(200..300).contains(&status) {
        return Err(explain::status(status, body));
    }
    let not_couch = || {
        Failure::settings("what answers there is no CouchDB").hint(
            "check host, port and the prefix of the URL; CouchDB listens on 5984, and on 6984 with TLS (couchdbs://)",
        )
    };
    let value: Value = serde_json::from_str(body).map_err(|_| not_couch())?;
    match query {
        Query::Ping if value["ok"] == true => Ok(Answer::Alive),
        Query::Version => match value["version"].as_str() {
            Some(version) if value.get("couchdb").is_some() || value.get("express-pouchdb").is_some() => {
                Ok(Answer::Version(version.to_owned()))
            }
            _ => Err(not_couch()),
        },
        Query::Databases => {
            let names = value.as_array().ok_or_else(not_couch)?.iter().filter_map(Value::as_str);
            let names = names.filter(|name| which == "all" || !name.starts_with('_'));
            Ok(Answer::Databases(names.map(str::to_owned).collect()))
        }
        Query::Size(_) => {
            // From CouchDB 2 on: the documents as JSON. Before: the file.
            let size =
                [&value["sizes"]["external"], &value["sizes"]["active"], &value["data_size"], &value["disk_size"]];
            let size = size.iter().find_map(|size| size.as_u64());
            size.map(Answer::Size)
                .ok_or_else(|| Failure::unsupported("the server does not tell the size of a database"))
        }
        Query::State(_) => match value["doc_count"].as_u64() {
            Some(0) => Ok(Answer::State(TargetState::Empty)),
            Some(_) => Ok(Answer::State(TargetState::Occupied)),
            None => Err(not_couch()),
        },
        Query::Inventory(_) => inventory(&value).map(Answer::Inventory).ok_or_else(not_couch),
        Query::Ping => Err(not_couch()),
    }
}

fn inventory(value: &Value) -> Option<Vec<Object>> {
    let designs = value["rows"].as_array()?.iter().map(|row| row["id"].as_str()).collect::<Option<Vec<_>>>()?;
    let documents = value["total_rows"].as_u64()?.saturating_sub(designs.len() as u64);
    let mut objects: Vec<_> = designs.into_iter().map(|name| Object::new(DESIGN, name)).collect();
    if documents > 0 {
        objects.push(Object::new(DOCUMENTS, DOCUMENTS).rows(documents));
    }
    Some(objects)
}

#[cfg(test)]
mod tests {
    use planb_sdk::{FailureCode, testing};

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("a+b").password().tool("curl", "7.88.1");
        let plan = |query| plan(&request, &query).map(|plan| plan.command.to_string());
        let database = Scope::Database("a+b".to_owned());
        assert!(plan(Query::Ping).unwrap().ends_with("--write-out \\n%{http_code} user --url http://db:5984/_session"));
        assert!(plan(Query::State(database.clone())).unwrap().ends_with(" --url http://db:5984/a%2Bb"));
        assert!(
            plan(Query::Inventory(database))
                .unwrap()
                .ends_with("/a%2Bb/_all_docs?startkey=%22_design/%22&endkey=%22_design0%22")
        );
        assert!(plan(Query::Inventory(Scope::All)).is_err());
    }

    #[test]
    fn answers() {
        let read = |query: Query, text: &str| read(&query, text.as_bytes());
        let database = || Scope::Database("x".to_owned());
        assert_eq!(read(Query::Ping, "{\"ok\":true,\"userCtx\":{}}\n\n200 user"), Ok(Answer::Alive));
        assert_eq!(
            read(Query::Version, "{\"couchdb\":\"Welcome\",\"version\":\"3.3.3\"}\n\n200 user"),
            Ok(Answer::Version("3.3.3".to_owned()))
        );
        let names = |which| read(Query::Databases, &format!("[\"_users\",\"a/b\"]\n\n200 {which}"));
        assert_eq!(names("user"), Ok(Answer::Databases(vec!["a/b".to_owned()])));
        assert_eq!(names("all"), Ok(Answer::Databases(vec!["_users".to_owned(), "a/b".to_owned()])));
        let info =
            "{\"db_name\":\"x\",\"sizes\":{\"file\":33,\"external\":22,\"active\":11},\"doc_count\":2}\n\n200 user";
        assert_eq!(read(Query::Size(database()), info), Ok(Answer::Size(22)));
        assert_eq!(read(Query::State(database()), info), Ok(Answer::State(TargetState::Occupied)));
        let missing = "{\"error\":\"not_found\",\"reason\":\"Database does not exist.\"}\n\n404 user";
        assert_eq!(read(Query::State(database()), missing), Ok(Answer::State(TargetState::Missing)));
        assert_eq!(read(Query::Inventory(database()), missing).unwrap_err().code, FailureCode::MissingDatabase);
        let rows = "{\"total_rows\":7,\"offset\":0,\"rows\":[{\"id\":\"_design/d\",\"key\":\"_design/d\",\"value\":{}}]}\n200 user";
        assert_eq!(
            read(Query::Inventory(database()), rows),
            Ok(Answer::Inventory(vec![Object::new(DESIGN, "_design/d"), Object::new(DOCUMENTS, DOCUMENTS).rows(6)]))
        );
        assert!(read(Query::Version, "<html>\n200 user").unwrap_err().message.contains("no CouchDB"));
        assert!(read(Query::Version, "").is_err());
    }
}
