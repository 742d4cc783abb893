//! How the RDB of a server is taken: as a replica takes it, by SYNC.

use planb_sdk::{Artifact, BackupPlan, Failure, Mode, Request, Scope, Trim, path};

use crate::connect;
use crate::facts::{Facts, Sync};

const FILE: &str = "dump.rdb";
/// RDB_EOF_MARK_SIZE in src/rdb.h. Where the server says no length before, a mark ends the transfer, and `--rdb -` writes it out too.
const MARK: u32 = 40;

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    if request.scope == Scope::Globals {
        return Err(Failure::unsupported("users of Redis are in its configuration, not in its data")
            .hint("keep the configuration and the ACL file beside the backups"));
    }
    let cli = connect::cli(request)?;
    let artifact = Artifact::new("rdb", "application/octet-stream", "rdb");
    let facts = request.server_version.as_deref().map(Facts::parse).unwrap_or_default();
    let plan = match request.mode {
        // Into a file the tool writes no mark, and a mark that it could not take off again is seen by the inspector.
        Mode::File => BackupPlan::from_file(cli.pair("--rdb", path(FILE)).extra(), FILE, artifact),
        Mode::Directory | Mode::Tar => {
            return Err(Failure::unsupported("an RDB is one file").hint("leave out --mode"));
        }
        Mode::Stream => {
            let cli = cli.flag("--rdb").flag("-").extra();
            if request.server_version.is_some() && facts.sync == Sync::Diskless {
                BackupPlan::trimmed_stdout(cli, Trim { head_line: None, tail_bytes: MARK }, artifact)
            } else {
                // Without it, or with a mark that the inspector knows and that harms nobody.
                BackupPlan::stdout(cli, artifact)
            }
        }
    };
    let mut warnings = connect::warnings(request)?;
    if facts.cluster {
        warnings.push(
            "this is one node of a cluster: the backup holds its slots only, so every master needs a backup of its own"
                .to_owned(),
        );
    }
    if facts.replica {
        warnings.push(
            "this is a replica: the backup holds what has reached it, which may be less than its master has".to_owned(),
        );
    }
    Ok(warnings.into_iter().fold(plan, BackupPlan::warning))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Source, testing};

    use super::*;

    fn request() -> Request {
        testing::request("")
            .scope(Scope::All)
            .port(6380)
            .password()
            .tool("redis-cli", "7.0.15")
            .server_is("Redis 7.0.15")
    }

    fn secure() -> Request {
        request()
    }

    fn rendered(request: &Request) -> String {
        match plan(request) {
            Ok(plan) => match plan.source {
                Source::Stdout(source) => {
                    format!("{} trim={}", source.command, source.trim.map_or(0, |trim| trim.tail_bytes))
                }
                Source::File(output) => format!("{} file={}", output.command, output.path),
                other => format!("{other:?}"),
            },
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn streams_and_files() {
        let start = "REDISCLI_AUTH={secret password} redis-cli -h db -p 6380 --user app --rdb";
        assert_eq!(rendered(&request()), format!("{start} - [extra] trim=40"));
        assert_eq!(rendered(&request().mode(Mode::File)), format!("{start} {{work}}/dump.rdb [extra] file=dump.rdb"));
        for server in ["Redis 6.0.16 (sync to disk)", "Valkey 8.1.1 (cluster, sync unknown)"] {
            assert_eq!(rendered(&request().server_is(server)), format!("{start} - [extra] trim=0"));
        }
        let mut unknown = request();
        unknown.server_version = None;
        assert_eq!(rendered(&unknown), format!("{start} - [extra] trim=0"));
    }

    #[test]
    fn sockets_and_tls() {
        let mut request = request();
        request.connection.socket = Some("/run/redis.sock".to_owned());
        request.connection.user = None;
        request.connection.secrets.clear();
        assert_eq!(rendered(&request), "redis-cli -s /run/redis.sock --rdb - [extra] trim=40");
        let mut request = secure();
        request.tools.clear();
        request = request.tool("redis-cli", "8.1.1");
        request.connection.scheme = Some("rediss".to_owned());
        request =
            request.with_param("cacert", "/ca.pem").with_param("sni", "db.example").with_param("insecure", "true");
        assert_eq!(
            rendered(&request),
            "REDISCLI_AUTH={secret password} redis-cli -h db -p 6380 -t 10 --user app --tls --cacert /ca.pem --sni db.example \
             --insecure --rdb - [extra] trim=40"
        );
        assert!(plan(&request).unwrap().warnings.concat().contains("not checked"));
        request.connection.scheme = Some("redis".to_owned());
        assert_eq!(rendered(&request), "the parameter cacert is for TLS, and this connection has none");
        request.connection.scheme = Some("valkeys".to_owned());
        request.connection.params = vec![("cert".to_owned(), "relative".to_owned())];
        assert!(rendered(&request).contains("not an absolute path"));
    }

    #[test]
    fn what_is_said() {
        let plan = plan(&request().server_is("Redis 7.0.15 (cluster, replica)").scope(Scope::Database("3".to_owned())));
        let warnings = plan.unwrap().warnings;
        assert_eq!(warnings.len(), 3);
        assert!(warnings.concat().contains("slots only") && warnings.concat().contains("\"3\""));
    }
}
