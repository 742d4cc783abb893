//! Questions about a live cluster, put to its REST API by curl (Couchbase documentation, "Getting Bucket Information",
//! "Getting Cluster Information").

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope, TargetState};
use serde_json::Value;

use crate::connect::{self, curl, curl_config};
use crate::restore::resource;

const BUCKETS: &str = "/pools/default/buckets";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let path = match query {
        Query::Ping => "/pools/default".to_owned(),
        Query::Version => "/pools".to_owned(),
        Query::Databases => BUCKETS.to_owned(),
        Query::Size(scope) | Query::State(scope) | Query::Inventory(scope) => {
            connect::bucket(scope)?.map_or_else(|| BUCKETS.to_owned(), resource)
        }
    };
    Ok(QueryPlan::new(curl(request, &path)?).file(curl_config(request)?))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let unexpected = || Answer::unexpected("curl", query);
    let value: Value = serde_json::from_slice(stdout).map_err(|_| unexpected())?;
    // One bucket, or a list of them.
    let buckets = || match &value {
        Value::Array(buckets) => Some(buckets.iter().collect::<Vec<_>>()),
        Value::Object(bucket) if bucket.contains_key("basicStats") => Some(vec![&value]),
        _ => None,
    };
    let sum = |name: &str| buckets()?.into_iter().map(|bucket| whole(&bucket["basicStats"][name])).sum::<Option<u64>>();
    let answer = match query {
        Query::Ping => value.is_object().then_some(Answer::Alive),
        Query::Version => value["implementationVersion"].as_str().map(|version| Answer::Version(version.to_owned())),
        Query::Databases => {
            buckets().and_then(|buckets| buckets.into_iter().map(name).collect::<Option<_>>()).map(Answer::Databases)
        }
        Query::Size(_) => sum("dataUsed").map(Answer::Size),
        Query::State(scope) => sum("itemCount").map(|items| {
            let none = items == 0
                && (matches!(scope, Scope::Database(_)) || buckets().is_some_and(|buckets| buckets.is_empty()));
            Answer::State(if none { TargetState::Empty } else { TargetState::Occupied })
        }),
        Query::Inventory(_) => buckets()
            .and_then(|buckets| {
                let object = |bucket: &Value| {
                    Some(Object::new("bucket", name(bucket)?).rows(whole(&bucket["basicStats"]["itemCount"])?))
                };
                buckets.into_iter().map(object).collect::<Option<_>>()
            })
            .map(Answer::Inventory),
    };
    answer.ok_or_else(unexpected)
}

fn name(bucket: &Value) -> Option<String> {
    bucket["name"].as_str().map(str::to_owned)
}

/// A number that may be written with a fraction (`diskUsed` is).
fn whole(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of bytes or documents, checked to be no less than 0"
    )]
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::tests::request;

    /// Shortened from the examples of "Getting Bucket Information" and "Retrieving Cluster Information".
    const BUCKET: &str = r#"{"name":"travel-sample","nodeLocator":"vbucket","bucketType":"membase","basicStats":{"quotaPercentUsed":33.9,
        "opsPerSec":0,"diskFetches":0,"itemCount":63182,"diskUsed":98571218,"dataUsed":74124288,"memUsed":71176272}}"#;
    const POOLS: &str = r#"{"isAdminCreds":true,"settings":{},"uuid":"x","implementationVersion":"7.6.2-3721-enterprise","componentsVersion":{}}"#;

    #[test]
    fn questions() {
        let command = |query| plan(&request("x"), &query).unwrap().command.to_string();
        assert!(command(Query::Version).ends_with("http://db:8091/pools"));
        assert!(command(Query::State(Scope::Database("a%b".to_owned()))).ends_with("/pools/default/buckets/a%25b"));
        assert!(command(Query::Inventory(Scope::All)).ends_with("/pools/default/buckets"));
        assert!(plan(&request("x"), &Query::State(Scope::Database("../x".to_owned()))).is_err());
    }

    #[test]
    fn answers() {
        let answer = |query, text: &str| read(&query, text.as_bytes());
        let one = || Scope::Database("travel-sample".to_owned());
        assert_eq!(answer(Query::Ping, "{}"), Ok(Answer::Alive));
        assert!(answer(Query::Ping, "").is_err());
        assert_eq!(answer(Query::Version, POOLS), Ok(Answer::Version("7.6.2-3721-enterprise".to_owned())));
        assert_eq!(
            answer(Query::Databases, &format!("[{BUCKET}]")),
            Ok(Answer::Databases(vec!["travel-sample".to_owned()]))
        );
        assert_eq!(answer(Query::Size(one()), BUCKET), Ok(Answer::Size(74_124_288)));
        assert_eq!(answer(Query::State(one()), BUCKET), Ok(Answer::State(TargetState::Occupied)));
        let empty = BUCKET.replace("63182", "0");
        assert_eq!(answer(Query::State(one()), &empty), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(answer(Query::State(Scope::All), &format!("[{empty}]")), Ok(Answer::State(TargetState::Occupied)));
        assert_eq!(answer(Query::State(Scope::All), "[]"), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(
            answer(Query::Inventory(one()), BUCKET),
            Ok(Answer::Inventory(vec![Object::new("bucket", "travel-sample").rows(63182)]))
        );
        assert!(answer(Query::Inventory(one()), "{\"errors\":1}").is_err());
    }
}
