//! Stores of every kind that `rclone` knows, through its program: one process for each operation.
//!
//! This crate starts no processes. Whoever opens such a store brings a [`Rclone`], which does.
//!
//! **An object is visible only when it is whole.** `rclone rcat` takes the end of its input for the end of the object,
//! also where that end is a broken-off pipe, and on disks, over SFTP and the like it writes under the final name from
//! the first byte on. Therefore:
//! - where the remote can move within itself, an object is written below `.planb-tmp/`, looked at, and moved; a process
//!   that dies leaves nothing but that, which the next writer removes after a day. Other remotes (S3 and its kin) show
//!   an object only when its upload was ended;
//! - what is not to be ended is killed *before* its input is closed, never the other way round;
//! - what fits into one write is announced with its size, and rclone refuses less.
//!
//! A planb that is killed leaves on a remote that cannot move an object that no manifest names, as elsewhere too.
//!
//! There are no conditional writes: two writers of one key overwrite each other, and replacing an object (a lease) is
//! a removal and a move.

mod call;
mod fault;
mod read;
mod remote;
mod service;
mod write;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use opendal::Operator;
use tokio::io::{AsyncRead, AsyncWrite};

pub use remote::{Remote, RemoteError};

/// Starts `rclone`.
pub trait Rclone: fmt::Debug + Send + Sync + 'static {
    /// Starts it with these arguments, the subcommand first. Its stdout is always piped; without `stdin` its input is
    /// empty.
    ///
    /// # Errors
    /// What keeps it from starting, such as that it is not installed.
    fn start(&self, args: &[String], stdin: bool) -> io::Result<Started>;
}

/// A running `rclone`, and its pipes.
#[expect(missing_debug_implementations, reason = "nothing but handles")]
pub struct Started {
    /// Before the pipes: what is dropped in this order is ended before its input is.
    pub process: Box<dyn Process>,
    /// Where an object goes in.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Sync + Unpin>>,
    /// Where an object or a list comes out.
    pub stdout: Box<dyn AsyncRead + Send + Sync + Unpin>,
}

/// The process of a running `rclone`. The pipes are with whoever started it: nothing here closes them.
pub trait Process: Send + Sync {
    /// Kills it, now and for sure, and returns without waiting. One that has ended already is left alone.
    fn kill(&self);

    /// Asks it to end, so that it can take back what it has uploaded; kills it if it does not in a few seconds.
    /// May be called after the end.
    fn stop(&mut self) -> BoxFuture<'_, Ended>;

    /// Waits for its end. May be given up and called again, also after the end.
    fn wait(&mut self) -> BoxFuture<'_, Ended>;
}

/// How `rclone` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// None: a signal ended it.
    pub code: Option<i32>,
    /// The tail of its stderr, without secrets.
    pub stderr: String,
}

/// What an rclone store consists of.
#[derive(Debug, Clone)]
pub struct RcloneSettings {
    /// The remote and the path in it.
    pub remote: Remote,
    /// The file with the remotes; none for rclone's own.
    pub config: Option<PathBuf>,
    /// The user's additional arguments, for every call.
    pub extra_args: Vec<String>,
}

/// The store as an operator. Nothing is started yet.
///
/// # Errors
/// None that depends on the settings; the type is OpenDAL's.
pub fn operator(rclone: Arc<dyn Rclone>, settings: &RcloneSettings) -> opendal::Result<Operator> {
    Operator::new(service::Builder::new(rclone, settings))
}
