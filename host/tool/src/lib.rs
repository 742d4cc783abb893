//! Native tools: the only place of Plan B that starts processes.
//!
//! A [`Toolbox`] resolves the tools that a plugin declares to absolute paths. A [`WorkDir`] is the private folder of
//! one run: the tools' home, their temporary files, the files with secrets. A [`Launcher`] renders a planned command
//! into it and starts it as a [`Child`], in a cleared environment and a process group of its own, with its stderr kept
//! within bounds and its writes within its [`Confine`]ment, and makes sure that nothing of it is left when the run is over.
//!
//! What is no tool of a plugin has its own ways in: [`run_hook`] for the user's own commands, [`spawn_helper`] for a program that
//! planb itself talks to.

mod account;
mod bounds;
mod child;
mod confine;
mod error;
mod folder;
mod helper;
mod hook;
mod launch;
mod limits;
mod order;
mod seal;
pub mod shim;
mod spawn;
mod stderr;
mod text;
mod toolbox;
mod tree;
mod work;

pub use account::Account;
pub use bounds::Bounds;
pub use child::{Child, Exit};
pub use confine::{Confine, Confinement, confinement};
pub use error::{TimedOut, ToolError};
pub use folder::{Folder, Found};
pub use helper::{Helper, HelperProcess, spawn_helper};
pub use hook::{Hook, HookCommand, HookEnd, HookOutcome, run_hook};
pub use launch::{Captured, Launcher, Stdin, Stdout};
pub use limits::Limits;
pub use seal::Seal;
pub use toolbox::{ResolvedTool, ToolSearch, Toolbox};
pub use work::WorkDir;
