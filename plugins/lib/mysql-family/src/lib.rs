//! What the MySQL and the MariaDB engine of Plan B have in common.
//!
//! The two grew from one tree. Their dumps, their clients' way with input and their numbers of errors are still the same, and
//! stand here. What differs (options, TLS, accounts, system databases, which objects there are) each engine says by its [`Family`].
//!
//! | module | what it knows |
//! |---|---|
//! | `family` | where the two part, and whose tool or server one has met |
//! | `connect` | how a connection becomes options and a private option file |
//! | `quote` | names and strings inside statements |
//! | `settings` | the settings that both have |
//! | `backup`, `restore`, `query`, `scratch` | the plans |
//! | `scan` | where statements, strings, comments and rows begin and end in a dump |
//! | `names` | which object a statement makes or fills |
//! | `inspect` | what a dump held |
//! | `filter` | what is left out of a dump, or refused, on its way back |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]
#![deny(missing_docs)]

pub mod backup;
pub mod connect;
pub mod explain;
mod family;
mod filter;
mod inspect;
pub mod names;
pub mod query;
pub mod quote;
pub mod restore;
pub mod scan;
pub mod scratch;
pub mod settings;
#[cfg(test)]
mod testing;

pub use family::{Family, fits_server, is_mariadb, needs};
pub use filter::SqlFilter;
pub use inspect::SqlInspector;
