//! Questions about a live server, all put by `cockroach sql`.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope, Version, unhex};

use crate::{connect, sql};

const COUNTS: &str = "inventory.sql";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let ask = |script: String| Ok::<_, Failure>(QueryPlan::new(connect::sql(request, "")?.stdin(script)));
    let plan = match query {
        Query::Ping => ask(sql::ping())?,
        Query::Version => ask(sql::version())?,
        Query::Databases => ask(sql::databases())?,
        Query::State(Scope::Database(name)) => ask(sql::state(sql::checked("the database's name", name)?))?,
        Query::Inventory(Scope::Database(name)) => {
            let name = sql::checked("the database's name", name)?;
            // The state's question fails where the database does not exist, which a connection to it may not.
            let exists = connect::sql(request, "")?.stdin(sql::state(name));
            let script = connect::sql(request, name)?.stdin(sql::count_script()).stdout_to(COUNTS);
            let count = connect::sql(request, name)?.stdin_from(COUNTS);
            QueryPlan::new(count).prepare(exists).prepare(script)
        }
        Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported(format!("CockroachDB does not answer {}", query.name())));
        }
    };
    Ok(plan.file(connect::passfile(request)))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    if *query == Query::Version {
        let version = sql::lines(&text).find_map(version);
        return version.map(Answer::Version).ok_or_else(|| Answer::unexpected("cockroach", query));
    }
    let clean: String = sql::lines(&text).map(|line| format!("{line}\n")).collect();
    Answer::from_lines("cockroach", query, clean.as_bytes())
}

/// `v23.1.11` in `CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built ...)`.
fn version(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().filter_map(|word| word.strip_prefix('v'));
    words
        .find(|word| Version::parse(word).is_some() && word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// One line of an inventory, or of the list in a backup.
pub(crate) fn object(line: &str) -> Option<Object> {
    let mut fields = line.split('|');
    let (kind, name, rows) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Object::new(kind, unhex(name)?).rows(rows.parse().ok()))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("shop").tool("cockroach", "23.1.11");
        let ask = |query| plan(&request, &query).unwrap();
        assert!(ask(Query::Ping).command.to_string().ends_with("<< SELECT '1' AS planb;\n"));
        let inventory = ask(Query::Inventory(Scope::Database("shop".to_owned())));
        assert!(inventory.prepare[1].to_string().ends_with("> {work}/inventory.sql"));
        assert!(inventory.command.to_string().ends_with("< {work}/inventory.sql"));
        let state = ask(Query::State(Scope::Database("a\"b".to_owned()))).command.to_string();
        assert!(state.contains("FROM \"a\"\"b\".information_schema.tables"), "{state}");
        assert!(plan(&request, &Query::Inventory(Scope::Database("a\n\\! id".to_owned()))).is_err());
        assert!(plan(&request, &Query::Size(Scope::All)).is_err());
    }

    #[test]
    fn answers() {
        let version = "planb\nCockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)\n";
        assert_eq!(read(&Query::Version, version.as_bytes()), Ok(Answer::Version("23.1.11".to_owned())));
        let counts = "planb\ntable|7075626c69632e61|3\nplanb\ntable|7075626c69632e62|0\n";
        let objects = vec![Object::new("table", "public.a").rows(3), Object::new("table", "public.b").rows(0)];
        assert_eq!(read(&Query::Inventory(Scope::All), counts.as_bytes()), Ok(Answer::Inventory(objects)));
        assert_eq!(
            read(&Query::State(Scope::All), b"planb\nempty\n"),
            Ok(Answer::State(planb_sdk::TargetState::Empty))
        );
        assert_eq!(read(&Query::Ping, b"planb\n1\n"), Ok(Answer::Alive));
        assert_eq!(object("view|61|-"), Some(Object::new("view", "a")));
    }
}
