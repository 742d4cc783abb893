//! What a plugin may use up, and the limiter that tells what it wanted when it wanted too much.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Budgets. The defaults are many times what the engines of this repository need.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest `.wasm` file, checked before it is compiled. A Rust plugin has under 1 MiB, one with a language runtime inside about 20.
    pub file_bytes: u64,
    /// How much may be in it, counted before it is compiled.
    pub shape: Shape,
    /// Time to compile it.
    pub compile_time: Duration,
    /// Linear memory and tables of one instance, all of them together.
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
            shape: Shape::default(),
            compile_time: Duration::from_mins(2),
            memory_bytes: 256 << 20,
            call_fuel: 5_000_000_000,
            fuel_per_byte: 2_000,
            call_time: Duration::from_secs(30),
            answer_bytes: 64 << 20,
        }
    }
}

/// How much may be in a component. What a compiler needs of memory hangs on this and not on the file's size: a kilobyte can hold
/// a million instantiations, and each of a million empty functions costs some kilobytes.
///
/// The comments name what the most demanding components in use have: CPython (componentize-py), SpiderMonkey (ComponentizeJS).
#[derive(Debug, Clone)]
pub struct Shape {
    /// Components and types of components inside each other. In use: 3.
    pub depth: usize,
    /// Components inside it. In use: 2.
    pub components: usize,
    /// Core modules inside it. In use: 38.
    pub modules: usize,
    /// What instantiating it comes to: its types, imports, aliases, functions (ten times) and instances, those of a component inside
    /// it as often as it is instantiated. In use: 4,000.
    pub parts: u64,
    /// Bytes of everything that is neither code nor data: types, imports, names of exports. In use: 310,000.
    pub definition_bytes: u64,
    /// Functions of all core modules, and what is compiled like one: types of functions, imports, and what has an initial value
    /// (globals, segments of data and of elements, elements that are expressions). In use: 23,000.
    pub functions: u64,
    /// Code of all core modules. In use: 9 MiB.
    pub code_bytes: u64,
    /// Code of the largest function. In use: 417 KiB.
    pub function_bytes: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            depth: 10,
            components: 100,
            modules: 100,
            parts: 50_000,
            definition_bytes: 1 << 20,
            functions: 50_000,
            code_bytes: 32 << 20,
            function_bytes: 512 << 10,
        }
    }
}

/// What an entry of a table costs, at most.
const TABLE_ENTRY: usize = 16;

/// Grants memory up to the limit and remembers the request that went over it.
///
/// There is one budget for all memories and tables of a store. What was granted is never given back: the growth that fails
/// after it was granted cannot be told from one that was never asked for.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    granted: usize,
    /// What all of it together would have come to.
    pub(crate) refused: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { memory_bytes: limits.memory_bytes, granted: 0, refused: None }
    }

    fn grant(&mut self, more: usize) -> bool {
        let all = self.granted.saturating_add(more);
        if all > self.memory_bytes {
            self.refused = Some(all);
            return false;
        }
        self.granted = all;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grant(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000 && self.grant(desired.saturating_sub(current).saturating_mul(TABLE_ENTRY)))
    }

    // A component of the toolchains in use has up to fifteen core instances (main module, libraries, adapter, shims) and 1 memory.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 1000, ..Limits::default() });
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert!(limiter.memory_growing(400, 500, None).unwrap());
        // Another one.
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert!(limiter.table_growing(0, 6, None).unwrap());
        assert_eq!(limiter.refused, None);
        assert!(!limiter.table_growing(6, 7, None).unwrap());
        assert!(!limiter.memory_growing(400, 405, None).unwrap());
        assert_eq!(limiter.refused, Some(1001));
        assert!(limiter.memory_growing(400, 404, None).unwrap());
    }

    #[test]
    fn a_request_beyond_all_numbers_is_refused() {
        let mut limiter = Limiter::new(&Limits::default());
        assert!(limiter.memory_growing(0, 1, None).unwrap());
        assert!(!limiter.memory_growing(1, usize::MAX, None).unwrap());
        assert!(!limiter.table_growing(0, usize::MAX, None).unwrap());
    }
}
