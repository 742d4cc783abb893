//! Native tools: the only place of Plan B that starts processes.
//!
//! A [`Toolbox`] resolves the tools that a plugin declares to absolute paths. A [`WorkDir`] is the private folder of
//! one run: the tools' home, their temporary files, the files with secrets. A [`Launcher`] renders a planned command
//! into it and starts it as a [`Child`], in a cleared environment and a process group of its own, with its stderr kept
//! within bounds, and makes sure that nothing of it is left when the run is over.

mod account;
mod child;
mod error;
mod launch;
pub mod shim;
mod stderr;
mod toolbox;
mod tree;
mod work;

pub use account::Account;
pub use child::{Child, Exit};
pub use error::{TimedOut, ToolError};
pub use launch::{Captured, Launcher, Stdin, Stdout};
pub use toolbox::{ResolvedTool, ToolSearch, Toolbox};
pub use work::WorkDir;
