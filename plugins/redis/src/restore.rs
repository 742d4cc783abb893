//! How an RDB is put back: replayed into a running server, or put into the folder of one that is stopped.

use planb_sdk::{ArgPiece, Command, Failure, Request, RestorePlan, RestoreRequest, Scope, TargetState, path};

use crate::facts::Facts;
use crate::layout::Fork;
use crate::{connect, inspect, query};

const FILE: &str = "dump.rdb";
/// Seconds without an answer once everything was sent. The tool's own 30 are too few for the last of many gigabytes.
const PATIENCE: &str = "600";

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    if request.artifact.format != "rdb" {
        return Err(request.unknown_format());
    }
    if request.request.scope == Scope::Globals {
        return Err(Failure::unsupported("an RDB holds no users: they are in the server's configuration"));
    }
    match request.request.text("data-dir") {
        Some(folder) => into_folder(request, folder),
        None => into_server(request),
    }
}

/// `redis-cli --pipe` sends what it reads and ends with 1 where any command was answered by an error, of which it prints each.
fn pipe(request: &Request) -> Result<Command, Failure> {
    Ok(connect::cli(request)?.flag("--pipe").flag("--pipe-timeout").flag(PATIENCE))
}

fn into_server(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    request.refuse_occupied()?;
    let inner = &request.request;
    if inner.server_version.is_none() {
        return Err(Failure::unreachable("there is no server to replay the backup into")
            .hint("start it, or name the folder of the stopped server: --option data-dir=/var/lib/redis"));
    }
    let target = inner.server_version.as_deref().map(Facts::parse).unwrap_or_default();
    if let Some(version) = request.source_version.as_deref().map(Facts::parse).and_then(|source| source.writes()) {
        target.takes(Fork::Redis, version)?;
    }
    replayable(request)?;
    let numbers = request.objects.iter().filter(|object| object.kind == "database");
    let highest = numbers.filter_map(|object| object.name.strip_prefix("db")?.parse::<u64>().ok()).max().unwrap_or(0);

    let mut plan = RestorePlan::stdin(pipe(inner)?.extra()).filtered();
    if highest > 0 {
        target.has_database(highest)?;
        plan = plan.prepare(pipe(inner)?.stdin(format!("SELECT {highest}\r\n")));
    }
    if request.replace && request.target != TargetState::Empty {
        let flush =
            if query::has_functions(target.version) { "FLUSHALL\r\nFUNCTION FLUSH\r\n" } else { "FLUSHALL\r\n" };
        plan = plan.prepare(pipe(inner)?.stdin(flush)).warning(
            "everything on the server is deleted before the backup is replayed, and nothing brings it back if that fails: \
             check the backup first with --verify-first",
        );
    }
    if request.target == TargetState::Unknown && !request.replace {
        plan = plan.warning("whether the server holds data could not be told: keys that exist already are an error");
    }
    plan = plan.warning(
        "the backup is replayed key by key: others see the server half full meanwhile, and after an error it stays so",
    );
    if target.evicts {
        plan = plan.warning(
            "the server drops keys without a word when its memory is full (maxmemory, maxmemory-policy): compare the number of keys \
             afterwards",
        );
    }
    if target.cluster {
        plan = plan.warning("this is a node of a cluster: it takes only keys of its own slots, others are an error");
    }
    Ok(connect::warnings(inner)?.into_iter().fold(plan, RestorePlan::warning))
}

/// What the filter would refuse on its way is refused here, before anything is deleted.
fn replayable(request: &RestoreRequest) -> Result<(), Failure> {
    let with_data = !request.request.toggle("without-module-data")?;
    for object in &request.objects {
        let (what, hint) = match object.kind.as_str() {
            inspect::MODULE_DATA if with_data => (
                format!("data of the module {}, which cannot be replayed", object.name),
                "leave it out with --option without-module-data=true (a search index then has to be made again), or ",
            ),
            inspect::LARGE_VALUE => (format!("the key {}, which is too large to be replayed", object.name), ""),
            inspect::UNKNOWN => (format!("what cannot be replayed: {}", object.name), "use a newer plugin, or "),
            _ => continue,
        };
        return Err(Failure::unsupported(format!("the backup holds {what}")).hint(format!(
            "{hint}put the backup into the folder of a stopped server: --option data-dir=/var/lib/redis"
        )));
    }
    Ok(())
}

fn into_folder(request: &RestoreRequest, folder: &str) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    if inner.server_version.is_some() {
        return Err(Failure::settings("the server at the URL is running, and would overwrite the file when it stops")
            .hint("stop it first, or leave out --option data-dir to replay the backup into it"));
    }
    if !folder.starts_with('/') {
        return Err(Failure::settings(format!("data-dir={folder} is not an absolute path")));
    }
    for tool in ["test", "install", "mv"] {
        inner.need_tool(tool, "coreutils")?;
    }
    let folder = folder.trim_end_matches('/');
    let within = |name: &str| vec![ArgPiece::Text(format!("{folder}/{name}"))];
    // Refused by `test`: a folder that is not there, and one that holds data. A server with an append-only file reads that, and
    // never dump.rdb, so it may not be there even where the RDB may go.
    let mut check = Command::tool("test").flag("-d").value_of(within(""));
    for name in ["appendonlydir", "appendonly.aof"] {
        check = check.flag("-a").flag("!").flag("-e").value_of(within(name));
    }
    if !request.replace {
        check = check.flag("-a").flag("!").flag("-e").value_of(within(FILE));
    }
    // Into its place in one step, once all of it is there.
    let copy =
        Command::tool("install").flag("-m").flag("640").value(path(FILE)).value_of(within(".dump.rdb.planb-new"));
    let rename = Command::tool("mv").flag("-f").value_of(within(".dump.rdb.planb-new")).value_of(within(FILE));
    Ok(RestorePlan::from_file(copy, FILE)
        .filtered()
        .prepare(check)
        .finish(rename)
        .warning(format!(
            "{folder}/{FILE} belongs to the user that runs Plan B: give it to the server's user before the server starts \
             (chown redis:redis {folder}/{FILE})"
        ))
        .warning(
            "start the server with `appendonly no` and the same `dbfilename` and `dir`, and switch the append-only file on \
             afterwards (CONFIG SET appendonly yes): a server that starts with it reads no RDB",
        ))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Object, Sink, testing};

    use super::*;

    fn request(target: TargetState) -> RestoreRequest {
        let request = testing::request("").scope(Scope::All).password().server_is("Redis 7.0.15");
        let request =
            ["redis-cli", "test", "install", "mv"].iter().fold(request, |request, tool| request.tool(tool, "7.0.15"));
        request.restore(Artifact::new("rdb", "application/octet-stream", "rdb"), target)
    }

    fn rendered(request: &RestoreRequest) -> String {
        let plan = match plan(request) {
            Ok(plan) => plan,
            Err(failure) => return format!("{:?}: {}", failure.code, failure.message),
        };
        let (name, sink) = match &plan.sink {
            Sink::Stdin(command) => ("stdin", command),
            Sink::File(input) => ("file", &input.command),
            other => panic!("{other:?}"),
        };
        let short = |command: &Command| {
            let text = command.to_string();
            text.replace("REDISCLI_AUTH={secret password} redis-cli -h db --user app", "cli").replace("\r\n", ";")
        };
        let mut lines: Vec<String> = plan.prepare.iter().map(|command| format!("prepare {}", short(command))).collect();
        lines.push(format!("{name} {} filter={}", short(sink), plan.filter));
        lines.extend(plan.finish.iter().map(|command| format!("finish {}", short(command))));
        lines.join("\n")
    }

    #[test]
    fn into_a_server() {
        const PIPE: &str = "cli --pipe --pipe-timeout 600";
        assert_eq!(rendered(&request(TargetState::Empty)), format!("stdin {PIPE} [extra] filter=true"));
        let mut other = request(TargetState::Occupied);
        assert!(rendered(&other).contains("holds data"));
        other.replace = true;
        other.objects = vec![Object::new("database", "db0").rows(3), Object::new("database", "db12").rows(1)];
        assert_eq!(
            rendered(&other),
            format!(
                "prepare {PIPE} << SELECT 12;\nprepare {PIPE} << FLUSHALL;FUNCTION FLUSH;\nstdin {PIPE} [extra] filter=true"
            )
        );
        assert!(plan(&other).unwrap().warnings.concat().contains("--verify-first"));
        other.request.server_version = Some("Redis 6.2.7 (evicts)".to_owned());
        other.source_version = Some("Redis 6.2.7".to_owned());
        assert!(rendered(&other).contains("<< FLUSHALL;\n"));
        assert!(plan(&other).unwrap().warnings.concat().contains("drops keys"));
    }

    #[test]
    fn what_cannot_be_replayed_is_refused_before_anything_goes() {
        for (kind, name) in [("module-data", "ft_index0"), ("large-value", "db0/huge"), ("unknown-code", "code 29")] {
            let mut request = request(TargetState::Occupied);
            request.replace = true;
            request.objects = vec![Object::new(kind, name)];
            assert!(
                rendered(&request).starts_with("FailureCode::Unsupported: the backup holds "),
                "{}",
                rendered(&request)
            );
        }
        let mut without = request(TargetState::Empty);
        without.objects = vec![Object::new("module-data", "ft_index0")];
        without.request = without.request.with_setting("without-module-data", "true");
        assert!(rendered(&without).starts_with("stdin"));
        let mut newer = request(TargetState::Empty);
        newer.source_version = Some("Redis 8.0.2".to_owned());
        assert!(rendered(&newer).starts_with("FailureCode::ToolUnfit: Redis 7.0.15 cannot take"));
        let mut fewer = request(TargetState::Empty);
        fewer.request.server_version = Some("Redis 7.0.15 (2 databases)".to_owned());
        fewer.objects = vec![Object::new("database", "db2").rows(1)];
        assert!(rendered(&fewer).contains("has keys in database 2"));
        let mut stopped = request(TargetState::Unknown);
        stopped.request.server_version = None;
        assert!(rendered(&stopped).contains("there is no server"));
    }

    #[test]
    fn into_a_folder() {
        let mut request = request(TargetState::Unknown);
        request.request = request.request.with_setting("data-dir", "/var/lib/redis/");
        assert!(rendered(&request).contains("is running"));
        request.request.server_version = None;
        assert_eq!(
            rendered(&request),
            "prepare test -d /var/lib/redis/ -a ! -e /var/lib/redis/appendonlydir -a ! -e /var/lib/redis/appendonly.aof -a ! -e \
             /var/lib/redis/dump.rdb\n\
             file install -m 640 {work}/dump.rdb /var/lib/redis/.dump.rdb.planb-new filter=true\n\
             finish mv -f /var/lib/redis/.dump.rdb.planb-new /var/lib/redis/dump.rdb"
        );
        request.replace = true;
        assert!(!rendered(&request).contains("! -e /var/lib/redis/dump.rdb"));
        request.request = request.request.with_setting("data-dir", "relative");
        assert!(rendered(&request).contains("not an absolute path"));
    }
}
