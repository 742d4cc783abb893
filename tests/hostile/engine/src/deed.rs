//! What a plugin can do with the instructions alone, in any of its calls.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use crate::order;

/// Does what it was told to do in this call.
pub(crate) fn at(call: &str) {
    for order in order::of(call) {
        does(&order.what);
    }
}

#[expect(clippy::disallowed_methods, reason = "a plugin's own exit")]
fn does(what: &str) {
    match what {
        "loop" => {
            let mut n = 0_u64;
            while black_box(n) != u64::MAX {
                n = n.wrapping_add(2);
            }
        }
        "memory" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "recursion" => {
            black_box(deeper(black_box(1)));
        }
        "unreachable" => std::process::abort(),
        "panic" => {
            // With what would clear a screen and write a line of its own below it.
            assert!(black_box(false), "\u{1b}[2J\u{1b}[Hall is well\r\n{}", "x".repeat(1 << 20));
        }
        "exit" => std::process::exit(0),
        "stdout" => {
            let line = [b'x'; 4096];
            loop {
                let _ = std::io::stdout().write_all(&line);
            }
        }
        "stderr" => {
            let line = [b'x'; 4096];
            loop {
                let _ = std::io::stderr().write_all(&line);
            }
        }
        // A call that waits instead of computing.
        "sleep" => std::thread::sleep(Duration::from_hours(1)),
        _ => {}
    }
}

#[expect(unconditional_recursion, reason = "what it is for")]
fn deeper(n: u64) -> u64 {
    black_box([n; 64]).iter().sum::<u64>() + deeper(black_box(n + 1))
}
