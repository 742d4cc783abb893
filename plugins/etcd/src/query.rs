//! Questions about a live cluster.
//!
//! Keys are asked for as the protobuf message of the API (RangeResponse in api/etcdserverpb/rpc.proto), which is the one form
//! of etcdctl that no key, whatever bytes it holds, can look wrong in.

use std::collections::BTreeMap;

use planb_sdk::{Answer, Command, Failure, Query, QueryPlan, Request, Scope, TargetState};

use crate::connect;
use crate::describe::CLIENT;
use crate::inspect::proto;
use crate::keys::Prefixes;

/// All keys but those that begin with a NUL, which no command line can hold.
const FIRST_KEY: &str = "\u{1}";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("etcdctl", CLIENT)?;
    let keys = |command: Command| {
        command.flag("get").flag(FIRST_KEY).flag("--from-key").flag("--keys-only").flag("--write-out=protobuf")
    };
    let command = match query {
        Query::Ping => keys(connect::etcdctl(&request.connection)?).flag("--limit=1"),
        Query::Version | Query::Size(Scope::All) => {
            connect::one_member(&request.connection)?.flag("endpoint").flag("status").flag("--write-out=json")
        }
        // What counts is the new data directory, which the tool looks at itself; the cluster at the URL is not touched.
        Query::State(Scope::All) => Command::tool("etcdctl").flag("version"),
        Query::Inventory(Scope::All) => keys(connect::patient(request)?),
        Query::Databases => return Err(Failure::unsupported("etcd has one keyspace and no databases")),
        Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported("etcd has one keyspace and no databases")
                .hint("leave the database out: etcd://host:2379"));
        }
    };
    Ok(QueryPlan::new(command))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = || String::from_utf8_lossy(stdout);
    let answer = match query {
        Query::Ping => Some(Answer::Alive),
        Query::Version => after(&text(), "\"version\":\"")
            .map(|rest| Answer::Version(rest.chars().take_while(|c| *c != '"').collect())),
        Query::Size(_) => after(&text(), "\"dbSize\":").and_then(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().map(Answer::Size)
        }),
        Query::State(_) => Some(Answer::State(TargetState::Unknown)),
        Query::Inventory(_) => inventory(stdout).map(Answer::Inventory),
        Query::Databases => None,
    };
    answer.ok_or_else(|| Answer::unexpected("etcdctl", query))
}

fn after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    text.split_once(marker).map(|(_, rest)| rest)
}

/// RangeResponse: kvs = 2, more = 3, count = 4. KeyValue: key = 1.
fn inventory(message: &[u8]) -> Option<Vec<planb_sdk::Object>> {
    let mut prefixes = Prefixes::default();
    let mut counts = BTreeMap::new();
    for field in proto::fields(message) {
        if let (2, proto::Value::Bytes(pair)) = field? {
            let key = proto::fields(pair).find_map(|field| match field {
                Some((1, proto::Value::Bytes(key))) => Some(key),
                _ => None,
            });
            *counts.entry(prefixes.of(key?)).or_insert(0) += 1;
        }
    }
    Some(prefixes.objects(&counts))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, testing};

    use super::*;

    #[test]
    fn questions() {
        let mut request = testing::request("").scope(Scope::All).tool("etcdctl", "3.4.23");
        request.connection.user = None;
        let plan = |query| plan(&request, &query).map(|plan| plan.command.to_string());
        assert_eq!(
            plan(Query::Ping).unwrap(),
            "etcdctl --endpoints=http://db:2379 --dial-timeout=5s --command-timeout=5s get \u{1} --from-key --keys-only \
             --write-out=protobuf --limit=1"
        );
        assert!(plan(Query::Databases).is_err());
        assert!(plan(Query::Size(Scope::Globals)).is_err());
    }

    #[test]
    fn answers() {
        let status = br#"[{"Endpoint":"http://h:1","Status":{"header":{"revision":11},"version":"3.4.23","dbSize":24576,"leader":3}}]"#;
        assert_eq!(read(&Query::Version, status), Ok(Answer::Version("3.4.23".to_owned())));
        assert_eq!(read(&Query::Size(Scope::All), status), Ok(Answer::Size(24576)));
        assert!(read(&Query::Version, b"[]").is_err());
        // What etcdctl 3.4 printed for two keys, /actors/1 and plain.
        let message =
            b"\x0a\x18\x08\x87\xd5\xed\xba\x8f\xd5\x9d\xc1\x04\x10\xc0\xc0\xca\xaf\xc1\xba\x96\x89\x2e\x18\x0b\x20\x02\
            \x12\x11\x0a\x09/actors/1\x10\x03\x18\x03\x20\x01\x12\x0d\x0a\x05plain\x10\x08\x18\x08\x20\x01\x20\x02";
        let objects =
            vec![Object::new("prefix", "(keys without a slash)").rows(1), Object::new("prefix", "/actors/").rows(1)];
        assert_eq!(read(&Query::Inventory(Scope::All), message), Ok(Answer::Inventory(objects)));
        assert!(read(&Query::Inventory(Scope::All), b"\x12\x7f").is_err());
        assert_eq!(read(&Query::Inventory(Scope::All), b""), Ok(Answer::Inventory(Vec::new())));
    }
}
