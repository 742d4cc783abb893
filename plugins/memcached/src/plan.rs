//! The plans: conversations with the server, and what is made of its answers.

use planb_sdk::{
    Answer, Artifact, BackupPlan, Failure, FailureCode, Mode, Object, Query, QueryPlan, Request, RestorePlan,
    RestoreRequest, Scope, TargetState,
};

use crate::{connect, explain, groups, scripts};

const STATS: &str = "stats";
const LISTING: &str = "keys";
const GETS: &str = "gets";
const ANSWERS: &str = "answers";
const FLUSHED: &str = "flushed";

const LIST: &str = "lru_crawler metadump hash\r\n";

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    if request.scope == Scope::Globals {
        return Err(Failure::unsupported("memcached has nothing but its items"));
    }
    if request.mode != Mode::Stream {
        return Err(Failure::unsupported("memcached has one stream of items").hint("leave out --mode"));
    }
    let artifact = Artifact::new("memcached", "application/octet-stream", "meta");
    let plan = BackupPlan::stdout(connect::talk(request)?.stdin_from(GETS), artifact)
        .prepare(connect::talk(request)?.stdin(LIST).stdout_to(LISTING))
        .prepare(scripts::gets(request, LISTING)?.stdout_to(GETS))
        .warning("a cache is not a snapshot: items that come, change or go while it is read are in the backup or not, as it happens");
    Ok(connect::warnings(request)?.into_iter().fold(plan, BackupPlan::warning))
}

pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    if request.artifact.format != "meta" {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    let inner = &request.request;
    let mut plan = RestorePlan::stdin(connect::talk(inner)?.stdout_to(ANSWERS)).filtered();
    if request.replace && request.target != TargetState::Empty {
        plan = plan
            .prepare(connect::talk(inner)?.stdin("flush_all\r\n").stdout_to(FLUSHED))
            .prepare(scripts::flushed(inner, FLUSHED)?)
            .warning("everything in the cache is dropped before the backup is put back (flush_all)");
    }
    plan = plan.finish(scripts::judge(inner, ANSWERS)?).warning(
        "items are put back one by one: others see the cache half full meanwhile, and after an error it stays so",
    );
    Ok(connect::warnings(inner)?.into_iter().fold(plan, RestorePlan::warning))
}

pub(crate) fn query(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    match query {
        Query::Ping | Query::Version => Ok(QueryPlan::new(connect::talk(request)?.stdin("version\r\n"))),
        Query::Size(_) => Ok(QueryPlan::new(connect::talk(request)?.stdin("stats\r\n"))),
        // The server's own number of items counts those that have expired or were flushed and are not swept up yet.
        Query::State(_) | Query::Inventory(_) => {
            // Apart: a list is refused where anything was sent before it in one go.
            let stats = connect::talk(request)?.stdin("stats\r\n").stdout_to(STATS);
            let list = connect::talk(request)?.stdin(LIST).stdout_to(LISTING);
            Ok(QueryPlan::new(scripts::count(request, STATS, LISTING)?).prepare(stats).prepare(list))
        }
        Query::Databases => Err(Failure::unsupported("memcached has no databases").hint("leave out --database")),
    }
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    let unexpected = || explain::answer(&text).unwrap_or_else(|| Answer::unexpected("socat", query));
    // In answer to a question that every memcached knows.
    let other = || {
        let said: String = text.lines().next().unwrap_or_default().chars().take(80).collect();
        let failure = Failure::settings(format!("what answers is no memcached: it said {said:?}"));
        explain::answer(&text).filter(|failure| failure.code != FailureCode::ToolUnfit).unwrap_or(failure)
    };
    let version = || text.lines().find_map(|line| line.trim().strip_prefix("VERSION "));
    match query {
        Query::Ping => version().map(|_| Answer::Alive).ok_or_else(other),
        Query::Version => version().map(|version| Answer::Version(version.to_owned())).ok_or_else(other),
        Query::Size(_) => {
            let bytes = text.lines().find_map(|line| line.strip_prefix("STAT bytes ")?.trim().parse().ok());
            bytes.map(Answer::Size).ok_or_else(unexpected)
        }
        Query::State(_) => {
            let some = text.starts_with("all ");
            Ok(Answer::State(if some { TargetState::Occupied } else { TargetState::Empty }))
        }
        Query::Inventory(_) => {
            let mut objects = text.lines().map(counted).collect::<Option<Vec<_>>>().ok_or_else(unexpected)?;
            objects.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
            Ok(Answer::Inventory(objects))
        }
        Query::Databases => Err(unexpected()),
    }
}

/// `all - 6`, `prefix movies: 3`, `prefix - 1`
fn counted(line: &str) -> Option<Object> {
    let mut words = line.split(' ');
    let (kind, name, items) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    match (kind, name.strip_suffix(':')) {
        ("all", _) => Some(groups::all(items)),
        ("prefix", Some(prefix)) => Some(groups::with_prefix(Some(&groups::unescape(prefix)?), items)),
        ("prefix", None) => Some(groups::with_prefix(None, items)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Command, testing};

    use super::*;

    fn request() -> Request {
        let mut request = testing::request("").scope(Scope::All).tool("socat", "1.7.4").tool("awk", "1.3.4");
        request.connection.user = None;
        request
    }

    fn short(command: &Command) -> String {
        let text = command.to_string().replace("socat -t 604800 - TCP:db:11211,connect-timeout=10", "talk");
        let text = text.replace("\r\n", ";");
        match (text.find('<'), text.find('>')) {
            // A script is long.
            (Some(start), _) if text.starts_with("LC_ALL=C awk <\n") => {
                let end = text.rfind(" < {work}").unwrap();
                format!("{}script>{}", &text[..=start], &text[end..])
            }
            _ => text,
        }
    }

    #[test]
    fn a_backup() {
        let plan = backup(&request()).unwrap();
        let prepared: Vec<String> = plan.prepare.iter().map(short).collect();
        assert_eq!(
            prepared,
            ["talk << lru_crawler metadump hash; > {work}/keys", "LC_ALL=C awk <script> < {work}/keys > {work}/gets"]
        );
        let planb_sdk::Source::Stdout(source) = plan.source else { panic!() };
        assert_eq!(short(&source.command), "talk < {work}/gets");
        assert!(backup(&request().mode(Mode::Tar)).is_err());
    }

    #[test]
    fn a_restore() {
        let artifact = Artifact::new("memcached", "application/octet-stream", "meta");
        let mut asked = request().restore(artifact, TargetState::Occupied);
        assert!(restore(&asked).is_err());
        asked.replace = true;
        let plan = restore(&asked).unwrap();
        let prepared: Vec<String> = plan.prepare.iter().map(short).collect();
        assert_eq!(prepared, ["talk << flush_all; > {work}/flushed", "LC_ALL=C awk <script> < {work}/flushed"]);
        let planb_sdk::Sink::Stdin(sink) = &plan.sink else { panic!() };
        assert_eq!(short(sink), "talk > {work}/answers");
        assert_eq!(plan.finish.iter().map(short).collect::<Vec<_>>(), ["LC_ALL=C awk <script> < {work}/answers"]);
        assert!(plan.filter);
        asked.target = TargetState::Empty;
        assert!(restore(&asked).unwrap().prepare.is_empty());
    }

    #[test]
    fn answers() {
        let read = |query, text: &str| read(&query, text.as_bytes());
        assert_eq!(read(Query::Version, "VERSION 1.6.18\r\n"), Ok(Answer::Version("1.6.18".to_owned())));
        assert_eq!(read(Query::Ping, "VERSION 1.6.18\r\n"), Ok(Answer::Alive));
        assert_eq!(read(Query::Size(Scope::All), "STAT bytes 9\r\nEND\r\n"), Ok(Answer::Size(9)));
        assert_eq!(
            read(Query::Inventory(Scope::All), "all - 6\nprefix movies: 3\nprefix caf%C3%A9: 2\nprefix - 1\n"),
            Ok(Answer::Inventory(vec![
                groups::all(6),
                groups::with_prefix(None, 1),
                groups::with_prefix(Some("caf\u{e9}".as_bytes()), 2),
                groups::with_prefix(Some(b"movies"), 3),
            ]))
        );
        assert_eq!(read(Query::State(Scope::All), ""), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(read(Query::State(Scope::All), "all - 1\n"), Ok(Answer::State(TargetState::Occupied)));
        assert!(
            read(Query::Ping, "CLIENT_ERROR unauthenticated\r\n").unwrap_err().message.contains("user and password")
        );
    }
}
