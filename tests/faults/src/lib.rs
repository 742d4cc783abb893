//! What the tests of faults share: databases, `planb` as a person runs it, ways to break it, and what has to hold
//! afterwards whatever happened.
//!
//! The tests are in `tests/`, one file for each kind of fault. `docs/reliability.md` says which promise each one holds.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "test support: it starts programs itself, and fails a test by panicking"
)]

pub mod bucket;
pub mod cases;
pub mod forge;
pub mod moment;
pub mod place;
pub mod s3;
pub mod shop;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod trace;
