//! What rclone's exit codes and last words mean to a store.

use opendal::{Error, ErrorKind};

use super::Ended;

/// rclone's documented exit codes, as far as they tell something.
const USAGE: i32 = 2;
const NO_FOLDER: i32 = 3;
const NO_OBJECT: i32 = 4;
const TEMPORARY: i32 = 5;

/// What the services behind rclone say, in small letters, and what it is. The first that fits.
const WORDS: &[(ErrorKind, &[&str])] = &[
    (
        ErrorKind::ConfigInvalid,
        &[
            "didn't find section",
            "couldn't find section",
            "failed to load config",
            "couldn't decrypt configuration",
            "failed to create file system",
            // Older rclone has no code for a wrong argument, nor for `deletefile` of what is not there.
            "error: unknown",
        ],
    ),
    (
        ErrorKind::PermissionDenied,
        &[
            "accessdenied",
            "access denied",
            "permission denied",
            "forbidden",
            "unauthorized",
            "invalidaccesskeyid",
            "signaturedoesnotmatch",
            "unable to authenticate",
            "invalid_grant",
            "read-only file system",
        ],
    ),
    (ErrorKind::NotFound, &["is a directory or doesn't exist", "directory not found", "object not found"]),
];

/// What says that there was no connection.
const UNREACHABLE: &[&str] =
    &["dial tcp", "no such host", "connection refused", "connection reset", "i/o timeout", "connect: "];

/// Whether it says that there is no such thing.
pub(super) fn is_missing(ended: &Ended) -> bool {
    match ended.code {
        Some(0) => false,
        Some(NO_FOLDER | NO_OBJECT) => true,
        _ => kind(ended) == ErrorKind::NotFound,
    }
}

fn kind(ended: &Ended) -> ErrorKind {
    let lower = ended.stderr.to_lowercase();
    match ended.code {
        Some(USAGE) => ErrorKind::ConfigInvalid,
        Some(NO_FOLDER | NO_OBJECT) => ErrorKind::NotFound,
        None => ErrorKind::Unexpected,
        _ => {
            let fits = |words: &&(ErrorKind, &[&str])| words.1.iter().any(|word| lower.contains(word));
            WORDS.iter().find(fits).map_or(ErrorKind::Unexpected, |(kind, _)| *kind)
        }
    }
}

/// The error of an rclone that ended badly.
pub(super) fn fault(command: &'static str, ended: &Ended) -> Error {
    let said = last_words(&ended.stderr);
    let lower = said.to_lowercase();
    let unreachable = UNREACHABLE.iter().any(|word| lower.contains(word));
    let reach = if unreachable { "no connection: " } else { "" };
    let message = match ended.code {
        Some(code) => format!("{reach}{said} (rclone {command} ended with exit code {code})"),
        None => format!("rclone {command} was killed: {said}"),
    };
    let error = Error::new(kind(ended), message);
    // Older rclone has no code for the latter.
    if ended.code == Some(TEMPORARY) || unreachable { error.set_temporary() } else { error }
}

/// The error of an rclone that did not start.
pub(super) fn not_started(error: &std::io::Error) -> Error {
    let hint = if error.kind() == std::io::ErrorKind::NotFound { "; is it installed?" } else { "" };
    Error::new(ErrorKind::ConfigInvalid, format!("rclone cannot be started: {error}{hint}"))
}

/// The error of a pipe to or from a running rclone.
pub(super) fn pipe(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the pipe to rclone: {error}"))
}

/// The line that says what went wrong, without its time and level.
fn last_words(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    // Behind a wrong option comes the whole help.
    let line = lines().find_map(|line| line.strip_prefix("Error: ")).or_else(|| lines().next_back());
    let Some(mut line) = line else { return "it said nothing".to_owned() };
    let time = |line: &str| {
        line.len() > 20
            && line.is_char_boundary(20)
            && line[..20].bytes().all(|b| b.is_ascii_digit() || b"/: ".contains(&b))
    };
    if time(line) {
        line = line[20..].trim_start();
    }
    for level in ["CRITICAL", "ERROR", "NOTICE", "Fatal error"] {
        if let Some(rest) = line.strip_prefix(level).and_then(|rest| rest.trim_start().strip_prefix(':')) {
            line = rest.trim_start();
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: impl Into<Option<i32>>, stderr: &str) -> Ended {
        Ended { code: code.into(), stderr: stderr.to_owned() }
    }

    #[test]
    fn codes_and_words_have_kinds() {
        for (code, stderr, kind) in [
            (3, "2026/11/21 13:43:26 NOTICE: Failed to lsjson: directory not found", ErrorKind::NotFound),
            (4, "", ErrorKind::NotFound),
            (1, "Failed to deletefile: r:x is a directory or doesn't exist", ErrorKind::NotFound),
            (2, "Error: unknown flag: --x\nUsage:\n  rclone ...", ErrorKind::ConfigInvalid),
            (1, "CRITICAL: Failed to create file system for \"r:\": didn't find section", ErrorKind::ConfigInvalid),
            (1, "AccessDenied: Access Denied\n\tstatus code: 403", ErrorKind::PermissionDenied),
            (1, "open /x: permission denied", ErrorKind::PermissionDenied),
            (5, "503 slow down", ErrorKind::Unexpected),
            (1, "something else", ErrorKind::Unexpected),
        ] {
            let error = fault("cat", &ended(code, stderr));
            assert_eq!((error.kind(), error.is_temporary()), (kind, code == 5), "{stderr}");
        }
        assert!(is_missing(&ended(1, "r:x is a directory or doesn't exist")));
        assert!(!is_missing(&ended(0, "directory not found")) && !is_missing(&ended(None, "")));
    }

    #[test]
    fn the_message_is_what_a_person_needs() {
        let message = |code: Option<i32>, stderr: &str| fault("rcat", &ended(code, stderr)).message().to_owned();
        assert_eq!(
            message(
                Some(1),
                "2026/11/21 13:43:26 ERROR : a\n2026/11/21 13:43:26 NOTICE: Failed to rcat: disk quota exceeded\n"
            ),
            "Failed to rcat: disk quota exceeded (rclone rcat ended with exit code 1)"
        );
        assert_eq!(
            message(Some(2), "Error: unknown flag: --x\nUsage:\n"),
            "unknown flag: --x (rclone rcat ended with exit code 2)"
        );
        assert_eq!(message(None, ""), "rclone rcat was killed: it said nothing");
        assert!(message(Some(1), "dial tcp: lookup h: no such host").starts_with("no connection: dial tcp"));
        // Letters of several bytes where a time could stand.
        assert!(message(Some(1), "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ").contains('Ä'));
    }
}
