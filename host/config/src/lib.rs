//! Settings of Plan B: planb.toml, the environment of the systems that it replaces, and rclone.conf.
//!
//! [`Config`] is a planb.toml, resolved: each job with its defaults, its stores and its secrets. [`EnvJob`] is the one job
//! that the environment describes. Both end in the same [`JobConfig`], and each value knows where it came from
//! ([`Origin`]). What is wrong is a [`Problem`] with its place; all of them come at once.
//!
//! One table has all keys ([`keys`]), one all variables ([`variables`]): the reader, the JSON Schema and the tables of the
//! documentation are made from them.
//!
//! Nothing here reads the process's environment: whoever calls gives an [`Env`]. Files of secrets are read.

mod config;
#[cfg(test)]
mod docs;
mod env;
mod environment;
mod job;
pub mod keys;
mod kind;
mod notify;
mod origin;
mod rclone;
mod reader;
mod retention;
mod schema;
mod secret;
mod serve;
mod show;
mod store;
pub mod units;
mod value;
pub mod variables;

pub use config::{Config, Place, Search, search};
pub use env::{Env, FixedEnv};
pub use environment::{EnvJob, Operation};
pub use job::{DrillConfig, HooksConfig, JobConfig};
pub use keys::Key;
pub use kind::Kind;
pub use notify::NotifyConfig;
pub use origin::{Origin, Position, Problem};
pub use rclone::{RcloneConf, RcloneError, import_rclone, obscure, reveal};
pub use schema::json_schema;
pub use secret::from_file as secret_from_file;
pub use serve::{ServeConfig, state_dir};
pub use show::Shown;
pub use store::StoreConfig;
pub use value::{HookCommand, Secrecy};
