//! What the tools' last words mean: socat's messages, and the server's own errors, which the scripts pass on.

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    // `2026/11/21 12:00:28 socat[1] E connect(...): Connection refused`
    let words = Words::new(stderr, &[" E "], &[]);
    reply(&words).or_else(|| client(&words)).or_else(|| words.common(tool)).unwrap_or_else(|| words.failure(tool, code))
}

/// An answer that is an error, for which socat does not care.
pub(crate) fn answer(stdout: &str) -> Option<Failure> {
    if stdout.trim().is_empty() {
        return Some(Failure::unreachable("the server ended the connection without an answer").hint(
            "a server that wants TLS does that to others (memcacheds:// in the URL), and one that wants a certificate to those \
                 without (cert= and key=); else it may be none of memcached",
        ));
    }
    reply(&Words::new(stdout, &[], &[]))
}

fn reply(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    let any = |texts: &[&str]| words.any(texts);
    let failure = if any(&["unauthenticated", "authentication failure"]) {
        Failure::access_denied(format!("the server wants user and password, which this engine cannot give: {last}"))
            .hint("let it listen without them for this machine, over TLS or a socket")
    } else if any(&["BUSY"]) {
        Failure::database(format!("somebody else is listing the keys just now: {last}")).hint("try again").retryable()
    } else if any(&["metadump not allowed"]) {
        Failure::access_denied(format!("the server lists its keys to nobody: {last}")).hint("start it without -X")
    } else if any(&["lru crawler disabled", "lru crawler not"]) {
        Failure::settings(format!("the server's crawler, which lists its keys, is off: {last}"))
            .hint("switch it on: lru_crawler enable, or start it without -o no_lru_crawler")
    } else if any(&["flush_all not allowed"]) {
        Failure::access_denied(format!("the server does not let itself be emptied: {last}"))
            .hint("start it without -F, or restart it, which empties it too")
    } else if any(&["object too large for cache"]) {
        Failure::settings(format!("the server takes no items of that size: {last}"))
            .hint("start it with a larger -I, at least that of the server that was backed up")
    } else if any(&["out of memory"]) {
        Failure::database(format!("the server's memory is full: {last}")).hint("start it with a larger -m")
    } else if any(&["evicted "]) {
        Failure::database(format!("the server has too little memory for the backup: while it was put back, it {last}"))
            .hint("start it with a larger -m: what was put back first is gone again")
    } else if any(&["NS"]) && words.last().starts_with("NS") {
        Failure::database("an item of the backup was on the server already: somebody uses it")
            .hint("restore into a cache that nobody uses yet, or add --replace")
    } else if any(&["the list of keys has no end", "the server ended the connection"]) {
        Failure::unreachable(format!("the connection was lost: {last}")).hint("look into the server's log")
    } else if words.last().starts_with("ERROR") || any(&["BADCLASS", "CLIENT_ERROR", "SERVER_ERROR"]) {
        Failure::database(format!("the server does not know a command: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("memcached 1.6.18 and newer are known to do; older ones lack `lru_crawler metadump hash` or the meta commands")
    } else {
        return None;
    };
    Some(failure)
}

fn client(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    if words.any(&["SSL", "certificate", "OPENSSL"]) {
        let hint = "check the certificates in the URL's query: ?cacert=/path/to/ca.pem, and cert= and key= where the server wants yours";
        return Some(Failure::settings(format!("the TLS connection could not be made: {last}")).hint(hint));
    }
    if words.all(&["connect(", "No such file or directory"]) {
        return Some(
            Failure::unreachable(format!("there is no such socket: {last}"))
                .hint("check the path, and that the server runs"),
        );
    }
    words.any(&["Connection reset by peer", "Broken pipe"]).then(|| {
        Failure::unreachable(format!("the server ended the connection: {last}"))
            .hint("a server that wants TLS does that to others (memcacheds:// in the URL); else look into its log")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, ToolUnfit, Unreachable};
        for (tool, stderr, code) in [
            (
                "socat",
                "2026/11/21 12:00:28 socat[12406] E connect(5, AF=2 127.0.0.1:1, 16): Connection refused\n",
                Unreachable,
            ),
            (
                "socat",
                "2026/11/21 12:00:28 socat[1] E getaddrinfo(\"nosuch.invalid\", \"NULL\", {1,0,1,6}, {}): Name or service not known\n",
                Unreachable,
            ),
            ("socat", "x socat[1] E connect(, AF=1 \"/nosuch\", 9): No such file or directory\n", Unreachable),
            (
                "socat",
                "x socat[1] E SSL_connect(): error:0A000086:SSL routines::certificate verify failed\n",
                InvalidRequest,
            ),
            ("awk", "BUSY currently processing crawler request\n", Failed),
            ("awk", "ERROR\n", ToolUnfit),
            ("awk", "CLIENT_ERROR unauthenticated\n", AccessDenied),
            ("awk", "SERVER_ERROR object too large for cache\n", InvalidRequest),
            ("awk", "NS \n", Failed),
            ("awk", "evicted 12 items\n", Failed),
            ("awk", "the list of keys has no end\n", Unreachable),
        ] {
            let failure = explain(tool, Some(1), stderr);
            assert_eq!(failure.code, code, "{stderr}: {failure:?}");
            assert!(failure.hint.is_some(), "{stderr}");
        }
        assert!(explain("awk", Some(1), "BUSY currently processing crawler request").retryable);
        assert_eq!(answer("").map(|failure| failure.code), Some(Unreachable));
    }
}
