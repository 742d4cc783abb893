//! The plugin host: the only place of Plan B that names Wasmtime.
//!
//! [`PluginHost::load`] turns the path of a `.wasm` file into a checked [`Plugin`]; [`Plugin::session`] makes a fresh
//! instance of it, with which an operation plans, inspects and explains. A plugin can compute and nothing else: it has
//! no files, no network, no clock, no processes, and a budget for each call ([`Limits`]).
//!
//! Which version of the contract a plugin speaks is read from its own type; `contract` has one adapter per
//! version behind one trait, [`Session`].

mod cache;
mod check;
mod checked;
mod contract;
mod error;
mod find;
mod limits;
mod load;
mod sandbox;
mod structure;
mod trust;

pub use cache::CompileCache;
pub use check::check_commands;
pub use contract::{OFFERED, Session};
pub use error::{CallError, PluginError};
pub use find::{PluginFolders, find};
pub use limits::{Limits, Shape};
pub use load::{Import, Plugin, PluginHost};
pub use trust::{Grants, TrustError};
