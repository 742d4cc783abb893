//! rclone's remotes: read from its file and its variables, and made into stores of planb where planb knows the kind.
//! Everything else goes through the rclone program, under the name that it has there.

mod conf;
mod import;
mod obscure;
mod remote;
mod translate;

pub use conf::{RcloneConf, RcloneError};
pub use import::import_rclone;
pub use obscure::{obscure, reveal};
pub(crate) use remote::Remote;
pub(crate) use translate::{Translated, translate, with_scheme};
