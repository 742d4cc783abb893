//! Values and rules of Plan B, without input or output.
//!
//! Everything here can be tested without a file, a process or a network: what an engine says of itself and plans
//! ([`engine`], [`plan`]), how a plan's arguments become a command line ([`argv`]), what a secret is and how it
//! is kept out of sight ([`secret`], [`redact`]), how connections and names are written ([`connection`], [`name`]), and
//! what a committed backup is ([`manifest`]).

pub mod argv;
pub mod compression;
pub mod connection;
pub mod drill;
pub mod engine;
pub mod hold;
pub mod lease;
pub mod manifest;
pub mod name;
pub mod plan;
pub mod redact;
pub mod removal;
pub mod retention;
pub mod schedule;
pub mod secret;
pub mod select;
pub mod settings;

pub use engine::Blame;

/// The target of the spans that are made for traces, and for nothing else: the log leaves them out. They hold no text of errors
/// and no secrets.
pub const TRACE: &str = "planb_span";
