//! Proof: that a plugin keeps the contract, and that what it backs up comes back.
//!
//! A [`Lab`] is a plugin with its tools on this machine. It starts [`Scratch`] servers from the plugin's own plan,
//! [`Drill`] restores a backup into one and compares, and [`test_plugin`] puts the plugin through the conformance suite.
//! Nothing here knows any engine.

mod blame;
mod cuts;
mod drill;
mod hostile;
mod lab;
mod plans;
mod report;
mod round_trip;
mod scratch;
mod suite;
mod watch;

pub use drill::Drill;
pub use lab::{Lab, LabSpec, Place};
pub use plans::request as probe;
pub use report::{Check, Outcome, SuiteReport};
pub use scratch::Scratch;
pub use suite::{Live, test_plugin};
