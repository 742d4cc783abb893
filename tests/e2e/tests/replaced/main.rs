//! The systems that planb replaces, by their own examples: their environment as it stands, with planb in the place of
//! their image, real servers and real stores. What is looked at is what their users look at: objects, callbacks,
//! messages, exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/web.rs"]
mod web;

mod common;
mod dbstash;
mod mariadb;
mod runner;
mod startree;
