//! A tool that floods its stderr, in a process of its own, so that its memory can be measured.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]
#![cfg(target_os = "linux")]

mod bench;

use std::time::Duration;

use bench::{LIMITS, SECRET, bench, sh};
use planb_tool::Captured;

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_of_stderr_takes_no_memory() {
    let b = bench().await;
    let limits = Captured { time: Some(Duration::from_mins(10)), ..LIMITS };
    let before = peak();
    for (what, flood) in [
        ("short lines", format!("yes 'a line of a flood with {SECRET} in it' | head -c 1073741824 >&2")),
        ("no line at all", "head -c 1073741824 /dev/zero >&2".to_owned()),
    ] {
        let script = format!("{flood}; printf '\\nthe end of {SECRET}\\n' >&2; exit 7");
        let (exit, _) = b.launcher.run(&b.toolbox, &sh(&script), limits).await.unwrap();
        assert_eq!((exit.code, exit.last_line()), (Some(7), "the end of ***"), "{what}");
        assert!(exit.stderr.len() <= 64 << 10 && !exit.stderr.contains("5ecret"), "{what}");
    }
    let grown = peak() - before;
    assert!(grown < 16 << 10, "{grown} KiB");
}
