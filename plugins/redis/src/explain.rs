//! What the tool's last words mean: error replies of the server (src/server.c, src/networking.c, src/cluster.c of Redis 8.0 and
//! Valkey 9.1) and what redis-cli itself says.

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    if tool == "test" && code == Some(1) {
        return Failure::settings("the folder of --option data-dir is not there, or holds data already")
            .hint("it may hold no appendonlydir and no appendonly.aof, which the server would read instead; a dump.rdb in it is \
                   only replaced with --replace");
    }
    // What --rdb tells of its progress; "REPLCONF capa error" is none, as old servers do not know it.
    let words = Words::new(
        stderr,
        &[],
        &["sending REPLCONF", "REPLCONF ", "SYNC sent to", "Transfer finished", "All data transferred", "Last reply"],
    );
    reply(&words).or_else(|| client(&words)).or_else(|| words.common(tool)).unwrap_or_else(|| words.failure(tool, code))
}

/// An answer that is an error. Without options that older versions lack, redis-cli prints it on stdout and ends with 0.
pub(crate) fn answer(stdout: &str) -> Option<Failure> {
    reply(&Words::new(stdout, &[], &[]))
}

fn reply(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    let any = |texts: &[&str]| words.any(texts);
    let failure = if any(&["without any password configured"]) {
        Failure::access_denied(format!("a password was given, and the server has none for its user `default`: {last}"))
            .hint("leave the password out, or name the user that it belongs to: redis://USER@host")
    } else if any(&["WRONGPASS", "NOAUTH", "AUTH failed", "invalid password", "ERR Client sent AUTH"]) {
        Failure::access_denied(format!("the server refused user or password: {last}")).hint(
            "check DB_PASSWORD, DB_PASSWORD_FILE or --password-file, and the user in the URL (none means `default`)",
        )
    } else if any(&["NOPERM"]) {
        Failure::access_denied(format!("the user lacks a right: {last}")).hint(
            "a backup needs +sync +psync +replconf +ping +info +config|get, a restore ~* +restore +select +eval +scan +type +flushall \
             +function too: ACL SETUSER NAME ...",
        )
    } else if any(&["DENIED"]) {
        Failure::access_denied(format!("the server takes no connections from other machines: {last}"))
            .hint("give it a password (requirepass), or connect over 127.0.0.1 or its socket")
    } else if any(&["NOMASTERLINK", "Can't SYNC while not connected"]) {
        Failure::database(format!("this is a replica without a connection to its master: {last}"))
            .hint("mend the replication, or back up the master")
            .retryable()
    } else if any(&[
        "unknown command 'SYNC'",
        "unknown command `SYNC`",
        "unknown command 'sync'",
        "unknown command `sync`",
    ]) {
        Failure::new(
            FailureCode::Unsupported,
            planb_sdk::Blame::Database,
            format!("the server gives nobody its RDB: {last}"),
        )
        .hint("managed services turn SYNC off: use the snapshots of the service")
    } else if any(&["LOADING"]) {
        Failure::unreachable(format!("the server is still loading its data: {last}")).hint("try again once it has")
    } else if any(&["BUSY Redis is busy", "BUSY Valkey is busy", "BUSY "]) && !any(&["BUSYKEY", "BUSYGROUP"]) {
        Failure::unreachable(format!("the server is busy with a script: {last}")).hint("try again, or SCRIPT KILL it")
    } else if any(&["MISCONF"]) {
        Failure::database(format!("the server cannot save to its disk and takes no changes: {last}"))
            .hint("look into its log; free space, or CONFIG SET stop-writes-on-bgsave-error no")
    } else if any(&["READONLY"]) {
        Failure::settings(format!("a replica takes no changes: {last}")).hint("restore into its master")
    } else if any(&["OOM command not allowed"]) {
        Failure::database(format!("the server's memory is full: {last}"))
            .hint("raise maxmemory (CONFIG SET maxmemory), or restore into a larger server")
    } else if any(&["NOREPLICAS"]) {
        Failure::database(format!("the server wants more replicas before it takes changes: {last}"))
            .hint("see its min-replicas-to-write")
    } else if any(&["MOVED ", "CROSSSLOT", "CLUSTERDOWN", "ASK ", "SELECT is not allowed in cluster mode"]) {
        Failure::settings(format!("this node of a cluster does not have the keys' slots: {last}")).hint(
            "restore each backup into a master with the same slots as the node that was backed up, or into a server that is no cluster",
        )
    } else if any(&["DUMP payload version or checksum are wrong"]) {
        Failure::tool(
            "the server cannot take values of this version of the RDB format: it is older than the one that was \
                       backed up, or of another kind",
        )
        .code(FailureCode::ToolUnfit)
        .hint("restore into a server of the kind and version that was backed up, or a newer one")
    } else if any(&["Bad data format"]) {
        Failure::database(format!("the server cannot read a value: {last}")).hint(
            "where the backup holds values of modules (planb show), the server needs the same modules; an older server \
                   does not know newer types",
        )
    } else if any(&["BUSYKEY", "Library '"]) {
        Failure::settings(format!("a key or function of the backup exists on the server: {last}"))
            .hint("restore into an empty server, or add --replace")
    } else if any(&["DB index is out of range", "invalid DB index"]) {
        Failure::settings(format!("the backup has more databases than the server: {last}"))
            .hint("set `databases` in the server's configuration as high as at the source, and start it again")
    } else if any(&["max number of clients reached"]) {
        Failure::unreachable(format!("the server takes no more connections: {last}"))
            .hint("try again, or raise maxclients")
    } else if any(&["invalid bulk length"]) {
        Failure::settings(format!("a value is larger than the server takes: {last}"))
            .hint("raise it: CONFIG SET proto-max-bulk-len 1gb")
    } else if any(&["ERR unknown command"]) {
        Failure::new(
            FailureCode::Unsupported,
            planb_sdk::Blame::Database,
            format!("the server does not know a command: {last}"),
        )
        .hint("it is older than version 5, a service that allows only some commands, or only similar to Redis")
    } else {
        return None;
    };
    Some(failure)
}

/// What redis-cli says of itself and of its connection.
fn client(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    let any = |texts: &[&str]| words.any(texts);
    let failure = if any(&[
        "SSL_connect",
        "SSL_",
        "certificate",
        "Invalid CA Certificate",
        "Failed to load",
        "Failed to set SNI",
    ]) {
        Failure::settings(format!("the TLS connection could not be made: {last}"))
            .hint("check the certificates in the URL's query: ?cacert=/path/to/ca.pem, and cert= and key= where the server wants yours")
    } else if any(&["--tls"]) {
        Failure::tool(format!("this redis-cli was built without TLS: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("point --tool-path redis-cli= at one that has it")
    } else if any(&["Could not connect to"]) && any(&["No such file or directory"]) {
        Failure::unreachable(format!("there is no such socket: {last}"))
            .hint("check the path, and that the server runs")
    } else if any(&["bulk length while SYNCing", "Error reading RDB payload", "I/O Error reading RDB payload"]) {
        Failure::database(format!("the server gave up sending its RDB: {last}"))
            .hint("look into its log: its child ran out of memory (vm.overcommit_memory=1), the transfer took longer than \
                   repl-timeout (try --mode file), or, from Valkey 9 on, a hash has fields that expire on their own, which it \
                   gives to no tool (`Can't store key in RDB version 11`: copy its dump.rdb instead)")
            .retryable()
    } else if any(&["Fail to fsync '-'", "ftruncate failed"]) {
        Failure::tool(format!("this redis-cli cannot write an RDB to a pipe: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("add --mode file, or use another version")
    } else if any(&["Error writing data to file", "Error opening"]) {
        Failure::tool(format!("the RDB could not be written: {last}"))
            .hint("free space in Plan B's work directory, or leave out --mode file")
    } else if any(&[
        "Server closed the connection",
        "Connection reset by peer",
        "Error reading replies from server",
        "Error writing to the server",
        "Server I/O Error",
        "I/O error",
        "Broken pipe",
    ]) {
        Failure::unreachable(format!("the server ended the connection: {last}"))
            .hint("a server that wants TLS does that to others (rediss:// in the URL), and to those without a certificate (cert= and key=); \
                   else look into its log")
    } else if any(&["No replies for"]) {
        Failure::unreachable(format!("the server does not answer any more: {last}")).hint("look into its log")
    } else {
        return None;
    };
    Some(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_cli_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, ToolUnfit, Unreachable, Unsupported};
        for (stderr, code) in [
            ("AUTH failed: WRONGPASS invalid username-password pair or user is disabled.\n", AccessDenied),
            (
                "sending REPLCONF capa eof\nREPLCONF capa error: NOAUTH Authentication required.\n\
                 SYNC with master failed: -NOAUTH Authentication required.\n",
                AccessDenied,
            ),
            ("SYNC with primary failed: -NOPERM User x has no permissions to run the 'sync' command\n", AccessDenied),
            ("Could not connect to Redis at 127.0.0.1:1: Connection refused\n", Unreachable),
            ("Could not connect to Valkey at nosuch.invalid:6379: Name or service not known\n", Unreachable),
            ("Could not connect to Redis at /nosuch: No such file or directory\n", Unreachable),
            ("SYNC with master failed: -NOMASTERLINK Can't SYNC while not connected with my master\n", Failed),
            ("SYNC with master failed: -ERR unknown command 'SYNC', with args beginning with: \n", Unsupported),
            (
                "ERR DUMP payload version or checksum are wrong\nERR DUMP payload version or checksum are wrong\n",
                ToolUnfit,
            ),
            ("ERR Bad data format\n", Failed),
            ("BUSYKEY Target key name already exists.\n", InvalidRequest),
            ("ERR DB index is out of range\n", InvalidRequest),
            ("READONLY You can't write against a read only replica.\n", InvalidRequest),
            ("MOVED 12182 127.0.0.1:7002\n", InvalidRequest),
            ("LOADING Redis is loading the dataset in memory\n", Unreachable),
            ("Could not connect to Redis at db:6380: SSL_connect failed: certificate verify failed\n", InvalidRequest),
            ("Unrecognized option or bad number of args for: '--tls'\n", ToolUnfit),
            ("SYNC sent to master, writing bytes\nI/O Error reading RDB payload from socket\n", Failed),
            ("Fail to fsync '-': Invalid argument\n", ToolUnfit),
            ("what", Failed),
        ] {
            let failure = explain("redis-cli", Some(1), stderr);
            assert_eq!(failure.code, code, "{stderr}: {failure:?}");
            assert!(failure.hint.is_some() || stderr == "what", "{stderr}");
        }
        assert_eq!(explain("test", Some(1), "").code, InvalidRequest);
        assert_eq!(answer("NOAUTH Authentication required.\n\n").map(|failure| failure.code), Some(AccessDenied));
        assert_eq!(answer("PONG\n"), None);
    }
}
