//! From a file to a checked plugin: size, kind, compile or cache, preflight, description.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use planb_model::engine::Description;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Config, Engine, OptLevel, Strategy};

use crate::cache::CompileCache;
use crate::check::check_description;
use crate::checked::Checked;
use crate::contract::{self, Adapter, Contract, Session};
use crate::error::PluginError;
use crate::limits::{Limits, Shape};
use crate::sandbox::{self, Power};
use crate::structure::{self, Structure, Unfit};

/// The engine of the process and what all plugins share. There is one: stores of several engines do not mix.
pub struct PluginHost {
    engine: Engine,
    cache: Option<CompileCache>,
    limits: Arc<Limits>,
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost").field("cache", &self.cache).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An interface that a plugin imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// With its version: `wasi:io/streams@0.2.6`.
    pub interface: String,
    /// Linked because the plugin asks for it, with nothing behind it.
    pub void: bool,
}

/// A plugin that was loaded and checked, ready to make sessions.
pub struct Plugin {
    path: PathBuf,
    sha256: String,
    bytes: u64,
    contract: String,
    imports: Vec<Import>,
    description: Arc<Description>,
    adapter: Box<dyn Adapter>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("path", &self.path).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl PluginHost {
    /// Sets Wasmtime up.
    ///
    /// # Errors
    /// [`PluginError::Sandbox`] where this machine cannot run it.
    pub fn new(limits: Limits, cache: Option<CompileCache>) -> Result<Self, PluginError> {
        let mut config = Config::new();
        config
            .strategy(Strategy::Cranelift)
            .cranelift_opt_level(OptLevel::Speed)
            .wasm_component_model(true)
            // No component-model async, no threads, no 64-bit memories: less to attack, and no engine needs them.
            .concurrency_support(false)
            .wasm_memory64(false)
            // Fuel and not epochs: the same plugin then stops at the same place on every machine.
            .consume_fuel(true);
        let engine = Engine::new(&config)
            .map_err(|error| PluginError::Sandbox { plugin: PathBuf::new(), detail: format!("{error:#}") })?;
        Ok(Self { engine, cache, limits: Arc::new(limits) })
    }

    /// Loads the plugin in this file. It is read once: what is checked is what is run.
    ///
    /// # Errors
    /// [`PluginError`], whatever the file holds.
    pub async fn load(&self, path: &Path) -> Result<Plugin, PluginError> {
        let bytes = read(path, self.limits.file_bytes)?;
        is_component(path, &bytes)?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let size = bytes.len() as u64;
        let component = self.compile(path, bytes, &sha256).await?;
        let (contract, imports) = preflight(path, &self.engine, &component)?;
        let void = imports.iter().any(|import| import.void);
        let linker = sandbox::linker(&self.engine, void)
            .map_err(|error| PluginError::Sandbox { plugin: path.to_path_buf(), detail: format!("{error:#}") })?;
        let adapter = contract.adapter(path, &component, &linker, Arc::clone(&self.limits))?;
        let description = adapter.session().await?.describe().await?;
        check_description(&description)
            .map_err(|detail| PluginError::Description { plugin: path.to_path_buf(), detail })?;
        let description = Arc::new(description);
        let contract = contract.version.to_owned();
        Ok(Plugin { path: path.to_path_buf(), sha256, bytes: size, contract, imports, description, adapter })
    }

    async fn compile(&self, path: &Path, bytes: Vec<u8>, sha256: &str) -> Result<Component, PluginError> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.get(&self.engine, sha256)) {
            return Ok(component);
        }
        // Compiling cannot be interrupted; where it takes too long its thread is left behind and planb ends.
        let (engine, shape) = (self.engine.clone(), self.limits.shape.clone());
        let work = tokio::task::spawn_blocking(move || compile(&engine, &bytes, &shape));
        let seconds = self.limits.compile_time;
        let plugin = || path.to_path_buf();
        let compiled = match tokio::time::timeout(seconds, work).await {
            Ok(Ok(Ok(component))) => component,
            Ok(Ok(Err(Unfit::Broken(detail)))) => return Err(PluginError::Invalid { plugin: plugin(), detail }),
            Ok(Ok(Err(Unfit::TooMuch(detail)))) => return Err(PluginError::TooMuch { plugin: plugin(), detail }),
            Ok(Err(panic)) => return Err(PluginError::Invalid { plugin: plugin(), detail: panic.to_string() }),
            Err(_) => return Err(PluginError::CompileTime { plugin: plugin(), seconds: seconds.as_secs() }),
        };
        if let Some(cache) = &self.cache {
            cache.put(&self.engine, sha256, &compiled);
        }
        Ok(compiled)
    }
}

/// Compiles what is not too much of it, in a few threads that have more stack than the deepest of it needs.
fn compile(engine: &Engine, bytes: &[u8], shape: &Shape) -> Result<Component, Unfit> {
    const STACK: usize = 64 << 20;
    let structure = structure::look(bytes, shape)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(threads(&structure)).stack_size(STACK).build();
    let threads = threads.map_err(|error| Unfit::Broken(error.to_string()))?;
    threads.install(|| Component::from_binary(engine, bytes)).map_err(|error| Unfit::Broken(format!("{error:#}")))
}

/// Each thread holds one function at a time, and a function takes a thousand times its own size while it is compiled.
fn threads(structure: &Structure) -> usize {
    const MOST: usize = 4;
    const ROOM: u64 = 512 << 20;
    let large = ROOM / (structure.largest_function.max(1) << 10);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    usize::try_from(large).unwrap_or(MOST).clamp(1, MOST).min(cores)
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, PluginError> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let fail = |source| PluginError::Read { plugin: path.to_path_buf(), source };
    // Who opens a pipe waits for whoever writes to it.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(fail(std::io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        let size = std::fs::metadata(path).map_or(bytes.len() as u64, |meta| meta.len());
        return Err(PluginError::TooLarge { plugin: path.to_path_buf(), bytes: size, limit });
    }
    Ok(bytes)
}

/// The first eight bytes of a binary say what it is (component-model `Binary.md`: layer 1 is a component).
fn is_component(path: &Path, bytes: &[u8]) -> Result<(), PluginError> {
    let what = match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => {
            "a core WebAssembly module (build it for wasm32-wasip2, or wrap it with `wasm-tools component new`)"
        }
        [0, b'a', b's', b'm', ..] => "WebAssembly of an unknown kind",
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "a native program",
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            "WebAssembly text (turn it into a binary with `wasm-tools parse`)"
        }
        _ => "no WebAssembly at all",
    };
    Err(PluginError::NotAComponent { plugin: path.to_path_buf(), what })
}

/// Looks at what a component wants and offers, before anything of it runs.
fn preflight(
    path: &Path,
    engine: &Engine,
    component: &Component,
) -> Result<(&'static Contract, Vec<Import>), PluginError> {
    let plugin = || path.to_path_buf();
    let ty = component.component_type();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let ours = exports.iter().find_map(|name| name.strip_prefix("planb:engine/engine@"));
    let Some(version) = ours else {
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(PluginError::OtherWorld { plugin: plugin(), exports });
    };
    let contract = contract::for_version(version).map_err(|newer| PluginError::ContractVersion {
        plugin: plugin(),
        needs: version.to_owned(),
        offers: contract::OFFERED.join(", "),
        newer,
    })?;
    let mut imports = Vec::new();
    for (name, item) in ty.imports(engine) {
        let interface = name.split('@').next().unwrap_or(name);
        let void = match sandbox::power(interface) {
            Some(Power::Plain) => false,
            Some(Power::Void) => true,
            Some(Power::Forbidden(power)) => {
                return Err(PluginError::ForbiddenImport { plugin: plugin(), interface: name.to_owned(), power });
            }
            None => return Err(PluginError::UnknownImport { plugin: plugin(), interface: name.to_owned() }),
        };
        // An instance of types alone is a name, not something that the plugin could call.
        if let ComponentItem::ComponentInstance(instance) = &item.ty
            && instance.exports(engine).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
        {
            continue;
        }
        imports.push(Import { interface: name.to_owned(), void });
    }
    Ok((contract, imports))
}

impl Plugin {
    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, in hex: what grants and manifests name it by.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The version of the contract that it was written for.
    pub fn contract(&self) -> &str {
        &self.contract
    }

    /// What it imports.
    pub fn imports(&self) -> &[Import] {
        &self.imports
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// A fresh instance, which remembers nothing, and whose answers keep to the rules or are errors.
    ///
    /// # Errors
    /// [`PluginError`] where it cannot be started within its limits.
    pub async fn session(&self) -> Result<Box<dyn Session>, PluginError> {
        let inner = self.adapter.session().await?;
        Ok(Box::new(Checked { inner, path: self.path.clone(), description: Arc::clone(&self.description) }))
    }

    /// One whose answers nobody has looked at: for who reports what is wrong with them. Nothing of them may be run or shown.
    ///
    /// # Errors
    /// [`PluginError`] where it cannot be started within its limits.
    pub async fn bare_session(&self) -> Result<Box<dyn Session>, PluginError> {
        self.adapter.session().await
    }

    /// The error for a plan that breaks a rule.
    pub fn bad_plan(&self, detail: String) -> PluginError {
        PluginError::Plan { plugin: self.path.clone(), detail }
    }
}

/// How long a start-up may take at most: used where a caller has no better idea.
pub(crate) const START: Duration = Duration::from_secs(30);
