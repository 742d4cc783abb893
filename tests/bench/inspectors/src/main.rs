//! Feeds each engine's inspector, in WebAssembly, a long dump in the chunks that the host uses, and prints a table.
//! `planb-bench-inspectors FOLDER [MIB]`: the folder holds the plugins.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod samples;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use planb_model::engine::{FoundTool, Mode, Scope};
use planb_plugin::{Limits, PluginHost, Session};
use samples::Sample;

/// What the host reads at once.
const CHUNK: usize = 256 << 10;
const TIMES: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let folder = PathBuf::from(args.next().unwrap_or_default());
    let mib = args.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(1024);
    println!("| inspector, in WebAssembly, one core | bytes | median (range) | rate | rows seen |");
    println!("|---|---|---|---|---|");
    for sample in samples::all() {
        match measured(&folder, &sample, mib << 20).await {
            Ok(line) => println!("{line}"),
            Err(why) => {
                eprintln!("{}: {why}", sample.what);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

async fn measured(folder: &Path, sample: &Sample, bytes: usize) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let host = PluginHost::new(Limits::default(), None).map_err(|error| text(&error))?;
    let path = folder.join(format!("{}.wasm", sample.plugin));
    let plugin = host.load(&path).await.map_err(|error| text(&error))?;
    let d = plugin.description();
    let tool = |id: &String| FoundTool { id: id.clone(), version: None, banner: None };
    let tools: Vec<_> = d.tools.iter().map(|t| tool(&t.id)).collect();
    let scope = if d.scopes.contains(&planb_model::engine::ScopeKind::Database) {
        Scope::Database(if d.file_based { "/bench.db" } else { "bench" }.to_owned())
    } else {
        Scope::All
    };
    let mut request = planb_proof::probe(d, &tools, scope, Mode::Stream);
    for (name, value) in sample.settings {
        request.settings.retain(|(known, _)| known != name);
        request.settings.push(((*name).to_owned(), (*value).to_owned()));
    }
    let mut walls = Vec::new();
    let (mut rows, mut fed) = (0, 0);
    for _ in 0..TIMES {
        let mut session: Box<dyn Session> = plugin.session().await.map_err(|error| text(&error))?;
        let plan = session.plan_backup(&request).await.map_err(|error| text(&error))?;
        session.inspect(&request, &plan.artifact).await.map_err(|error| text(&error))?;
        session.inspect_open("").await.map_err(|error| text(&error))?;
        fed = 0;
        let begun = Instant::now();
        for piece in std::iter::once(&sample.head)
            .chain(std::iter::repeat_n(&sample.body, bytes / sample.body.len()))
            .chain([&sample.tail])
        {
            for chunk in piece.chunks(CHUNK) {
                fed += chunk.len();
                session.inspect_feed(chunk).await.map_err(|error| text(&error))?;
            }
        }
        let inspection = session.inspect_finish().await.map_err(|error| text(&error))?;
        walls.push(begun.elapsed().as_secs_f64());
        if !inspection.complete {
            return Err(format!("it finds the sample incomplete: {}", inspection.findings.join("; ")));
        }
        rows = inspection.rows();
    }
    walls.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    let rate = fed as f64 / walls[TIMES / 2] / 1e6;
    Ok(format!(
        "| {} | {} MB | {:.2} s ({:.2} s to {:.2} s) | {rate:.0} MB/s | {rows} |",
        sample.what,
        fed / 1_000_000,
        walls[TIMES / 2],
        walls[0],
        walls[TIMES - 1]
    ))
}
