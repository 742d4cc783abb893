//! `cargo xtask bench`: planb beside what one would do without it, in the same run.
//!
//! Machines are noisy: each pair is measured in turn, A B A B A B, and the medians are shown with their range. The
//! tables go to `docs/benchmarks.md` by hand, with the date and the machine that are printed above them.

mod ceiling;
mod measure;
mod postgres;

pub(crate) use ceiling::ceiling;
pub(crate) use postgres::postgres;

use std::path::PathBuf;

use crate::build;
use crate::sh::{Done, cargo, cmd, read, run, target};
use measure::{Row, Timed, header, measure};

/// How often each side of a pair is measured.
const TIMES: usize = 3;

/// How long planb takes to start: a plugin is loaded, checked and asked what it is.
pub(crate) fn start() -> Done {
    let planb = build::all()?;
    let plugin = target().join("plugins/postgres.wasm");
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    let inspect = |cache: &std::path::Path| {
        let mut command = cmd(&planb);
        command
            .args(["plugin", "inspect"])
            .arg(&plugin)
            .env("XDG_CACHE_HOME", cache)
            .stdout(std::process::Stdio::null());
        measure(command)
    };
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for n in 0..10 {
        let fresh: PathBuf = cache.path().join(n.to_string());
        cold.push(inspect(&fresh)?);
        warm.push(inspect(&fresh)?);
    }
    machine();
    println!("{}", header("`planb plugin inspect postgres`"));
    println!("{}", Row::new("cold: compiled anew", &cold));
    println!("{}", Row::new("warm: from the compile cache", &warm));
    Ok(())
}

/// How fast the inspectors read.
pub(crate) fn inspectors(mib: u64) -> Done {
    build::all()?;
    run(cargo().args(["build", "--release", "--package", "planb-bench-inspectors"]))?;
    machine();
    run(cmd(target().join("release/planb-bench-inspectors")).arg(target().join("plugins")).arg(mib.to_string()))
}

/// What was measured on, for the head of a table.
fn machine() {
    let line = |program: &str, args: &[&str]| {
        read(cmd(program).args(args)).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches([' ', '\t', ':']);
    println!("\n{}, {processors} x {model}, {}\n", line("date", &["-u", "+%Y-%m-%d"]), line("uname", &["-sr"]));
}

/// Measures two commands in turn.
fn pair(mut a: impl FnMut() -> Done<Timed>, mut b: impl FnMut() -> Done<Timed>) -> Done<(Vec<Timed>, Vec<Timed>)> {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        of_a.push(a()?);
        of_b.push(b()?);
    }
    Ok((of_a, of_b))
}
