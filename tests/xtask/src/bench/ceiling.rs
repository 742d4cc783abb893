//! The host's own ceiling: a tool that only writes bytes, into a folder.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bench::measure::{Row, Timed, header, measure};
use crate::bench::{machine, pair};
use crate::build;
use crate::sh::{Done, cargo, run, target};

/// The file that is written again and again: large enough to leave no cache warm by chance, small enough for memory.
const PIECE: u64 = 256 << 20;

pub(crate) fn ceiling(mib: u64) -> Done {
    let planb = build::all()?;
    run(cargo().args([
        "build",
        "--profile",
        "plugin",
        "--target",
        "wasm32-wasip2",
        "--package",
        "planb-bench-firehose",
    ]))?;
    let plugin = target().join("wasm32-wasip2/plugin/planb_bench_firehose.wasm");
    let folder = tempfile::tempdir_in(target()).map_err(|error| error.to_string())?;
    let file = folder.path().join("bytes");
    rows(&file).map_err(|error| error.to_string())?;
    let times = (mib << 20) / PIECE;
    let planb_with = |compress: &str, times: u64, more: &[&str]| -> Done<Timed> {
        let store = folder.path().join("store");
        let mut command = Command::new(&planb);
        command
            .args(["run", "--plugin"])
            .arg(&plugin)
            .args(["--allow-tool", "cat", "--compress", compress, "--option", &format!("times={times}"), "--db"])
            .arg(&file)
            .arg("--to")
            .arg(&store)
            .args(more)
            .env("LOG_LEVEL", "error")
            .stdout(Stdio::null());
        let timed = measure(command);
        let _ = std::fs::remove_dir_all(&store);
        timed
    };
    let planb_run = |compress: &str, times: u64| planb_with(compress, times, &[]);
    let shell = |pipe: &str| -> Done<Timed> {
        let artifact = folder.path().join("artifact");
        let mut command = Command::new("bash");
        let files = vec![file.display().to_string(); usize::try_from(times).unwrap_or(1)].join(" ");
        command.arg("-c").arg(format!(
            "set -o pipefail; cat {files} | {}",
            pipe.replace("ARTIFACT", &artifact.display().to_string())
        ));
        command.stdout(Stdio::null());
        let timed = measure(command);
        let _ = std::fs::remove_file(&artifact);
        timed
    };
    let bytes = times * PIECE;
    let (none, tee) = pair(|| planb_run("none", times), || shell("tee ARTIFACT | openssl dgst -sha256"))?;
    let (zstd, zstd_shell) =
        pair(|| planb_run("zstd", times), || shell("tee >(openssl dgst -sha256 >&2) | zstd -q -3 -T0 -o ARTIFACT -f"))?;
    let (seeing, blind) = pair(|| planb_run("zstd", 8), || planb_with("zstd", 8, &["--option", "inspect=false"]))?;
    let small = PIECE * 4;
    let (none_small, zstd_small) = pair(|| planb_run("none", 4), || planb_run("zstd", 4))?;
    machine();
    println!("{}", header(&format!("{} GiB of text rows into a folder", bytes >> 30)));
    println!("{}", Row::new("planb, none (digest and inspection)", &none).of_bytes(bytes));
    println!("{}", Row::new("`tool \\| tee artifact \\| openssl dgst -sha256`", &tee).of_bytes(bytes));
    println!("{}", Row::new("planb, zstd (digests and inspection)", &zstd).of_bytes(bytes));
    println!("{}", Row::new("`tool \\| tee >(openssl dgst) \\| zstd -3 -T0`", &zstd_shell).of_bytes(bytes));
    println!("{}", Row::new("planb, zstd, 2 GiB", &seeing).of_bytes(PIECE * 8));
    println!("{}", Row::new("planb, zstd, 2 GiB, the inspector looks at nothing", &blind).of_bytes(PIECE * 8));
    println!("{}", Row::new("planb, none, 1 GiB", &none_small).of_bytes(small));
    println!("{}", Row::new("planb, zstd, 1 GiB", &zstd_small).of_bytes(small));
    Ok(())
}

/// Rows as a dump of an application's tables has them: compressible to about a quarter. The same on every machine.
pub(crate) fn rows(file: &Path) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64: no randomness is wanted, only variety.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words: Vec<String> = (0..20_000).map(|_| format!("{:x}", next() >> 24)).collect();
    let (mut written, mut id) = (0u64, 0u64);
    let mut line = String::new();
    while written < PIECE {
        line.clear();
        let n = next();
        let word = |at: u64| &words[usize::try_from(at % 20_000).unwrap_or(0)];
        line.push_str(&format!(
            "{id}\t{} {}\t2026-0{}-1{} 12:00:0{}\t{}\t{}.{}\n",
            word(n),
            word(n >> 16),
            n % 9 + 1,
            n % 10,
            n % 10,
            word(n >> 32),
            n % 1000,
            n % 100
        ));
        let room = usize::try_from(PIECE - written).unwrap_or(usize::MAX).min(line.len());
        out.write_all(&line.as_bytes()[..room])?;
        written += room as u64;
        id += 1;
    }
    out.flush()
}
