//! Where a snapshot lies, for the nodes and for this machine.
//!
//! A server writes a snapshot into a repository; one of the type `fs` is a folder below `path.repo` that every node can write to. Where
//! this machine sees that folder too, a snapshot can be taken away as files. Each backup makes a repository of its own there, and
//! each restore, so that nothing of anybody's is in it.

use planb_sdk::{Failure, Request};
use serde_json::{Value, json};

/// The settings that say where the folder is.
pub(crate) const HERE: &str = "repository-path";
pub(crate) const THERE: &str = "node-path";

/// The name of a repository, and of its folder, while a backup is made.
pub(crate) const BACKUP: &str = "planb-backup";
/// The same while a restore runs.
pub(crate) const RESTORE: &str = "planb-restore";
/// What tar makes of the first to get the second.
pub(crate) const RENAME: &str = "--transform=s,^planb-backup,planb-restore,";
/// The name of the one snapshot in it.
pub(crate) const SNAPSHOT: &str = "planb";

/// The folder as this machine sees it.
pub(crate) fn here(request: &Request) -> Result<&str, Failure> {
    request.text(HERE).ok_or_else(|| {
        Failure::settings(
            "a snapshot is made in a folder that the nodes and this machine both see, and it is not known which",
        )
        .hint("say --option repository-path=/mnt/snapshots, a folder below path.repo of every node")
    })
}

/// What registers a repository of this name.
pub(crate) fn definition(request: &Request, name: &str) -> Result<Value, Failure> {
    let folder = request.text(THERE).map_or_else(|| here(request), Ok)?.trim_end_matches('/');
    // What is compressed cannot be looked into, and what is not is small.
    Ok(json!({"type": "fs", "settings": {"location": format!("{folder}/{name}"), "compress": "false"}}))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn folders() {
        let request = testing::request("movies");
        assert!(definition(&request, BACKUP).is_err());
        let request = request.with_setting(HERE, "/mnt/snap/");
        assert_eq!(definition(&request, BACKUP).unwrap()["settings"]["location"], "/mnt/snap/planb-backup");
        let request = request.with_setting(THERE, "/data");
        assert_eq!(definition(&request, RESTORE).unwrap()["settings"]["location"], "/data/planb-restore");
        assert_eq!(here(&request), Ok("/mnt/snap/"));
        assert!(RENAME.contains(BACKUP) && RENAME.contains(RESTORE));
    }
}
