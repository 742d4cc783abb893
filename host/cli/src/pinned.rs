//! The plugins that were built together with this binary (see `build.rs`).

include!(concat!(env!("OUT_DIR"), "/pinned.rs"));

/// Their digests.
pub(crate) fn digests() -> impl Iterator<Item = String> {
    PINNED.iter().map(|(_, digest)| (*digest).to_owned())
}

/// Whether a plugin is one of them.
pub(crate) fn is_pinned(sha256: &str) -> bool {
    PINNED.iter().any(|(_, digest)| *digest == sha256)
}
