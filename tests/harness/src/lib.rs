//! Real servers and stores for the tests of Plan B, and the `planb` binary to run against them.
//!
//! What a machine lacks is installed on first use ([`provision`]); what cannot be had is skipped by name
//! ([`skip!`](crate::skip!)), or fails the test where `PLANB_REQUIRE_ALL=1` is set. Every server listens on loopback or
//! on a socket in a private folder, and is gone when its guard is dropped or its test is killed.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    reason = "test support: it starts programs itself, and fails a test by panicking"
)]

mod faulty;
mod http;
pub mod pattern;
pub mod planb;
pub mod postgres;
pub mod provision;
pub mod proxy;
pub mod s3_call;
pub mod skip;
pub mod stores;
pub mod strict_s3;

pub use faulty::faulty_engine;
pub use planb::{Output, Planb, Running};
pub use skip::Skip;

use std::net::TcpListener;
use std::path::PathBuf;

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    std::fs::canonicalize(root).expect("the workspace is where it was built")
}

/// A loopback port that nothing listens on now.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    listener.local_addr().expect("a bound address").port()
}
