//! What the tests of hostile plugins share.
//!
//! A hostile plugin is one of three things: bytes that are no component or a monstrous one ([`binary`]); a component of the contract's
//! types around instructions in text ([`Guest`]); or the engine in `engine/`, told what to do ([`Place::engine`]). Each is handed to the real
//! `planb` in a [`Place`] of its own, under a [`watch`](Watched) that bounds its time and its memory, and the outcome is counted in [`Cases`].
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "test support fails a test by panicking"
)]

pub mod binary;
mod cases;
mod guest;
mod place;
mod watch;

pub use cases::Cases;
pub use guest::{Guest, Image, cat, description, unsupported};
pub use place::{Place, plant};
pub use watch::{MEMORY, Watched, watched};
