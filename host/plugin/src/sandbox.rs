//! The world a plugin runs in: WASI's command-line and stream interfaces with nothing behind them.
//!
//! A Rust plugin imports `wasi:cli` and `wasi:io` because its standard library does. The runtimes of other
//! languages (CPython, SpiderMonkey) import files, clocks and random numbers too; these are linked for such a plugin
//! only, and are void: no directories, a clock that stands at zero, a generator that always gives the same numbers.
//! The same request then gives the same plan there too. Sockets and HTTP are never linked.

use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::{Deterministic, WasiRandom};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::limits::{Limiter, Limits};

/// A plugin's last words on stderr (a Rust panic's message) are kept up to this many bytes.
const STDERR_BYTES: usize = 16 << 10;

/// What a store holds.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) stderr: MemoryOutputPipe,
}

impl State {
    pub(crate) fn new(limits: &Limits) -> Self {
        let stderr = MemoryOutputPipe::new(STDERR_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(1024);
        let wasi = WasiCtx::builder()
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .wall_clock(Stopped)
            .monotonic_clock(Stopped)
            .secure_random(Deterministic::new(vec![0x5a]))
            .insecure_random(Deterministic::new(vec![0x5a]))
            .insecure_random_seed(0)
            .max_random_size(1 << 20)
            .build();
        Self { wasi, table, limiter: Limiter::new(limits), stderr }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl wasmtime_wasi_io::IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// A clock that stands at zero.
struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// What may be linked, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// Always there; does nothing.
    Plain,
    /// Linked for a plugin that asks, with nothing behind it.
    Void,
    /// Never linked: what it would let a plugin do.
    Forbidden(&'static str),
}

/// Classifies an imported interface by its name without the version. None: unknown.
pub(crate) fn power(interface: &str) -> Option<Power> {
    let (package, _) = interface.split_once('/')?;
    match package {
        // Of the contract it is the interface of types: names, without a function.
        "wasi:cli" | "wasi:io" | "planb:engine" => Some(Power::Plain),
        "wasi:filesystem" | "wasi:clocks" | "wasi:random" => Some(Power::Void),
        "wasi:sockets" => Some(Power::Forbidden("open network connections")),
        "wasi:http" => Some(Power::Forbidden("send and receive HTTP")),
        "wasi:keyvalue" | "wasi:blobstore" | "wasi:messaging" | "wasi:config" => {
            Some(Power::Forbidden("reach services outside its sandbox"))
        }
        _ => None,
    }
}

/// A linker with the plain interfaces, and the void ones where asked for.
pub(crate) fn linker(engine: &Engine, void: bool) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::<State>::new(engine);
    let l = &mut linker;
    wasmtime_wasi_io::add_to_linker_async(l)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    if void {
        clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
        clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
        filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
        filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
        random::random::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
        random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
        random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
    }
    Ok(linker)
}
