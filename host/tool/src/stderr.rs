//! A tool's stderr: read to its end so that the tool never blocks on it, logged line by line, and kept only as a tail.

use std::collections::VecDeque;
use std::io::Read;

use planb_model::redact::Redactor;

/// How much of the end is kept.
const TAIL: usize = 64 << 10;
/// A longer line is cut in the log.
const LOGGED_LINE: usize = 2 << 10;
/// Lines that reach the log; a flood does not.
const LOGGED_LINES: usize = 1_000;

/// Reads until the last writer is gone; gives the redacted, cleaned tail.
pub(crate) fn drain(mut from: impl Read, tool: &str, redactor: &Redactor) -> String {
    let mut tail: VecDeque<u8> = VecDeque::with_capacity(TAIL);
    let mut line = Vec::new();
    let mut logged = 0;
    let mut buffer = vec![0; 8 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for byte in &buffer[..n] {
            if *byte == b'\n' {
                log(tool, &line, &mut logged, redactor);
                line.clear();
            } else if line.len() < LOGGED_LINE {
                line.push(*byte);
            }
        }
        let keep = &buffer[..n];
        let over = (tail.len() + keep.len()).saturating_sub(TAIL);
        tail.drain(..over.min(tail.len()));
        tail.extend(keep);
    }
    log(tool, &line, &mut logged, redactor);
    let (a, b) = tail.as_slices();
    let text = [a, b].concat();
    redactor.clean(&String::from_utf8_lossy(&text))
}

fn log(tool: &str, line: &[u8], logged: &mut usize, redactor: &Redactor) {
    if line.is_empty() || *logged > LOGGED_LINES {
        return;
    }
    *logged += 1;
    if *logged > LOGGED_LINES {
        tracing::debug!(tool, "more lines on stderr are not logged");
    } else {
        tracing::debug!(tool, line = redactor.clean(&String::from_utf8_lossy(line)), "stderr");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planb_model::secret::Secret;

    #[test]
    fn the_end_is_kept_and_clean() {
        let mut text = "x".repeat(3 * TAIL).into_bytes();
        text.extend_from_slice(b"\npassword \x1b[31mhunter22 is wrong\n");
        let redactor = Redactor::new(&[Secret::new("hunter22".to_owned())]);
        let tail = drain(text.as_slice(), "t", &redactor);
        assert!(tail.len() <= TAIL && tail.ends_with("\npassword [31m*** is wrong\n"), "{}", &tail[tail.len() - 50..]);
    }
}
