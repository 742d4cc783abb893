//! Errors of the plugin host.
//!
//! Policy: a [`PluginError`] is the plugin's (or its file's) fault and ends the operation with exit code 4; it always
//! names the plugin's file. What a plugin *answers* when it cannot do something is no error of the host but a
//! [`Failure`], which carries its own blame. Wasmtime's own texts are kept as details, never as the message.

use std::path::PathBuf;

use planb_model::engine::Failure;

/// Why a plugin was refused or stopped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PluginError {
    #[error("there is no plugin {name:?}{nearest}; looked for {name}.wasm in {searched}")]
    NotFound { name: String, nearest: String, searched: String },
    #[error("plugin {plugin}: the file cannot be read: {source}")]
    Read { plugin: PathBuf, source: std::io::Error },
    #[error("plugin {plugin}: the file has {bytes} bytes; a plugin may have {limit}")]
    TooLarge { plugin: PathBuf, bytes: u64, limit: u64 },
    #[error("plugin {plugin}: this is {what}, and not a WebAssembly component")]
    NotAComponent { plugin: PathBuf, what: &'static str },
    #[error("plugin {plugin}: this is not a valid component: {detail}")]
    Invalid { plugin: PathBuf, detail: String },
    #[error("plugin {plugin}: it has too much to be compiled: {detail}")]
    TooMuch { plugin: PathBuf, detail: String },
    #[error("plugin {plugin}: compiling it took longer than {seconds} s")]
    CompileTime { plugin: PathBuf, seconds: u64 },
    #[error(
        "plugin {plugin}: this component is not a Plan B engine: it exports {exports}, and not planb:engine/engine"
    )]
    OtherWorld { plugin: PathBuf, exports: String },
    #[error("plugin {plugin}: it is written for planb:engine {needs}; this planb offers {offers}")]
    ContractVersion { plugin: PathBuf, needs: String, offers: String, newer: bool },
    #[error("plugin {plugin}: it asks for {interface}, which would let it {power}; no engine plugin gets that")]
    ForbiddenImport { plugin: PathBuf, interface: String, power: &'static str },
    #[error("plugin {plugin}: it needs {interface}, which this planb does not know")]
    UnknownImport { plugin: PathBuf, interface: String },
    #[error("plugin {plugin}: its functions have other types than planb:engine {contract} says: {detail}")]
    WrongShape { plugin: PathBuf, contract: String, detail: String },
    #[error("plugin {plugin}: `{call}` used more than its budget of computing ({fuel} units of fuel)")]
    Fuel { plugin: PathBuf, call: &'static str, fuel: u64 },
    #[error("plugin {plugin}: `{call}` took longer than {seconds} s")]
    Time { plugin: PathBuf, call: &'static str, seconds: u64 },
    #[error("plugin {plugin}: `{call}` asked for {asked} MiB of memory; the limit is {limit} MiB")]
    Memory { plugin: PathBuf, call: &'static str, asked: u64, limit: u64 },
    #[error("plugin {plugin}: `{call}` failed inside the plugin: {detail}")]
    Trap { plugin: PathBuf, call: &'static str, detail: String },
    #[error("plugin {plugin}: what it says of itself is not possible: {detail}")]
    Description { plugin: PathBuf, detail: String },
    #[error("plugin {plugin}: its plan is not possible: {detail}")]
    Plan { plugin: PathBuf, detail: String },
    #[error("plugin {plugin}: what it answers to `{call}` is not possible: {detail}")]
    Answer { plugin: PathBuf, call: &'static str, detail: String },
    #[error("plugin {plugin}: the sandbox cannot be set up: {detail}")]
    Sandbox { plugin: PathBuf, detail: String },
}

/// What a call into a plugin can end with beside its result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The plugin broke a rule or itself.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The plugin says that it cannot be done, and why.
    #[error(transparent)]
    Failure(#[from] Failure),
}
