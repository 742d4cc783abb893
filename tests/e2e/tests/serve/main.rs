//! `planb serve`: two databases, two stores, schedules of seconds, and everything that can come between.
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

mod alerts;
mod asked;
mod ends;
mod everything;
mod failures;
mod served;
mod settings;
