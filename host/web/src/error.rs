//! Why the server does not start. Once it runs, nothing that a client does ends it.

use std::io;
use std::net::SocketAddr;

/// See the cases.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is taken, or may not be taken by this user. The user's settings are at fault.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A token that can be guessed. The user's settings are at fault.
    #[error("the token for triggers has fewer than {SHORTEST_TOKEN} characters or other than visible ASCII ones")]
    Token,
}

/// A token has at least so many characters.
pub const SHORTEST_TOKEN: usize = 16;
