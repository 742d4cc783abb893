//! `cargo xtask`: everything that a person or a CI does with this repository, with all of its set-up.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a build tool talks to its terminal")]
#![allow(clippy::disallowed_methods, reason = "a build tool starts compilers and servers")]

mod bench;
mod build;
mod demo;
mod sh;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, demo, test and measure Plan B. Each command sets up what it needs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Cli {
    /// Build the plugins (target/plugins), then planb with their digests pinned (target/release/planb)
    Build,
    /// Back up, list, verify, restore and compare a small SQLite database, showing each command
    Demo,
    /// Set up real servers and stores, and run all tests
    Test {
        /// Only what needs no server
        #[arg(long)]
        fast: bool,
        /// Given to the test runner
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// What CI runs: formatting, lints, documentation, dependencies, tests
    Ci,
    /// Measure planb beside what one would do without it, and print the tables of docs/benchmarks.md
    #[command(subcommand)]
    Bench(Bench),
    /// Write docs/manifest.schema.json anew
    Schema,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// A real PostgreSQL to S3 and back, beside pg_dump | zstd | rclone
    Postgres {
        /// Size of the database in MiB
        #[arg(long, default_value_t = 2048)]
        mib: u64,
    },
    /// What the host itself can do: a tool that only writes bytes
    Ceiling {
        /// How much it writes, in MiB
        #[arg(long, default_value_t = 8192)]
        mib: u64,
    },
    /// How fast the engines' inspectors read
    Inspectors {
        /// How much each is fed, in MiB
        #[arg(long, default_value_t = 1024)]
        mib: u64,
    },
    /// How long planb takes to start
    Start,
    /// All of them
    All,
}

fn main() -> ExitCode {
    let done = match Cli::parse() {
        Cli::Build => build::all().map(drop),
        Cli::Demo => demo::run(),
        Cli::Test { fast, runner } => test::run(fast, &runner),
        Cli::Ci => test::ci(),
        Cli::Bench(Bench::Postgres { mib }) => bench::postgres(mib),
        Cli::Bench(Bench::Ceiling { mib }) => bench::ceiling(mib),
        Cli::Bench(Bench::Inspectors { mib }) => bench::inspectors(mib),
        Cli::Bench(Bench::Start) => bench::start(),
        Cli::Bench(Bench::All) => bench::start()
            .and_then(|()| bench::inspectors(1024))
            .and_then(|()| bench::ceiling(8192))
            .and_then(|()| bench::postgres(2048)),
        Cli::Schema => build::schema(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
