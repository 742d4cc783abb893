//! What a plugin may use up, and the limiter that tells what it wanted when it wanted too much.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Budgets. The defaults are many times what the engines of this repository need.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest `.wasm` file, checked before it is compiled. A Rust plugin has under 1 MiB, one with a language runtime inside about 20.
    pub file_bytes: u64,
    /// Time to compile it.
    pub compile_time: Duration,
    /// Linear memory of one instance.
    pub memory_bytes: usize,
    /// Fuel for one call; about one unit per WebAssembly instruction, so this is some seconds of computing.
    pub call_fuel: u64,
    /// Additional fuel for each byte that an inspector or a filter is fed.
    pub fuel_per_byte: u64,
    /// Wall-clock time for one call, against calls that wait instead of computing.
    pub call_time: Duration,
    /// Bytes that one call may pass to the host as strings and lists.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            compile_time: Duration::from_mins(2),
            memory_bytes: 256 << 20,
            call_fuel: 5_000_000_000,
            fuel_per_byte: 2_000,
            call_time: Duration::from_secs(30),
            answer_bytes: 64 << 20,
        }
    }
}

/// Grants memory up to the limit and remembers the request that went over it.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    pub(crate) refused: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { memory_bytes: limits.memory_bytes, refused: None }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.memory_bytes {
            self.refused = Some(desired);
            return Ok(false);
        }
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }

    // A component of the toolchains in use has up to ten core instances (main module, adapter, shims) and 1 memory.
    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }
}
