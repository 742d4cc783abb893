//! Jobs: what planb.toml or the environment describes, from its settings to what is done and told about it.
//!
//! - [`settings`] finds and reads the settings.
//! - [`arguments`] turns a job into the arguments of `planb run`, so that there is one way to say what a run is.
//! - [`execute`] runs a job once: hooks, backups, retention, drill.
//! - [`tell`] says it to people and programs.
//! - [`worker`] is what `planb serve` lets do the work, and [`board`] what its status page shows.

pub(crate) mod arguments;
pub(crate) mod board;
pub(crate) mod execute;
pub(crate) mod settings;
pub(crate) mod tell;
pub(crate) mod worker;

pub(crate) use settings::Jobs;
