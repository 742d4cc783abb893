//! A tool's stderr: read to its end so that the tool never blocks on it, logged line by line, and kept only as a tail.

use std::io::Read;

use planb_model::redact::Redactor;

use crate::text::{Lines, Tail};

/// Lines that reach the log; a flood does not.
const LOGGED_LINES: usize = 1_000;

/// Reads until the last writer is gone; gives the redacted, cleaned tail.
pub(crate) fn drain(mut from: impl Read, tool: &str, redactor: &Redactor) -> String {
    let (mut tail, mut lines) = (Tail::default(), Lines::default());
    let mut logged = 0;
    let mut buffer = vec![0; 64 << 10];
    let mut log = |line: &str| {
        logged += 1;
        match logged {
            ..=LOGGED_LINES => tracing::debug!(tool, line, "stderr"),
            _ if logged == LOGGED_LINES + 1 => tracing::debug!(tool, "more lines on stderr are not logged"),
            _ => {}
        }
        logged > LOGGED_LINES
    };
    let mut enough = false;
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => &buffer[..n],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if !enough {
            lines.push(bytes, redactor, &mut |line| enough |= log(line));
        }
        tail.push(bytes);
    }
    if !enough {
        lines.end(redactor, &mut |line| enough |= log(line));
    }
    tail.into_text(redactor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use planb_model::secret::Secret;

    #[test]
    fn the_end_is_kept_and_clean() {
        let mut text = "x".repeat(3 * Tail::BYTES).into_bytes();
        text.extend_from_slice(b"\npassword \x1b[31mhunter22 is wrong\n");
        let redactor = Redactor::new(&[Secret::new("hunter22".to_owned())]);
        let tail = drain(text.as_slice(), "t", &redactor);
        assert!(
            tail.len() <= Tail::BYTES && tail.ends_with("\npassword [31m*** is wrong\n"),
            "{}",
            &tail[tail.len() - 50..]
        );
    }
}
