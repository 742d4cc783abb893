//! What an archive may not hold on its way back.
//!
//! `tar` writes where the names in an archive lead, so one that somebody changed could put files elsewhere, or a link through which the
//! server would then write. A snapshot is made of plain files and folders below one folder, and nothing else is let through.

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::repository::BACKUP;
use crate::tar::{Entry, Event, Kind, Tar};

/// The filter for archives: it changes nothing.
#[derive(Debug, Default)]
pub struct FilesOnly(Tar);

impl Filter for FilesOnly {
    fn new(_: &RestoreRequest) -> Self {
        Self::default()
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.0.feed(&chunk, |event| match event {
            Event::Entry(entry) if !allowed(entry) => {
                let path: String = entry.path.chars().take(80).filter(|c| !c.is_control()).collect();
                Err(Failure::damaged(format!("the archive holds {path:?}, so it is not restored"))
                    .hint("an archive of a snapshot never does: find out who changed it"))
            }
            _ => Ok(()),
        })?;
        Ok(chunk)
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self.0.wrong() {
            Some(why) => Err(Failure::damaged(format!("the archive is not whole: {why}"))),
            None => Ok(Vec::new()),
        }
    }
}

fn allowed(entry: &Entry) -> bool {
    let plain = |step: &str| !step.is_empty() && step != "." && step != "..";
    let mut steps = entry.path.trim_end_matches('/').split('/');
    steps.next() == Some(BACKUP) && steps.all(plain) && !matches!(entry.kind, Kind::Other(_))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, TargetState, testing};

    use super::*;
    use crate::testing::archive;

    fn filtered(members: &[(&str, u8, &str)], size: usize) -> Result<usize, String> {
        let restore = testing::request("movies")
            .restore(Artifact::new("tar", "application/x-tar", "snapshot-tar"), TargetState::Missing);
        testing::filter::<FilesOnly>(&restore, &archive(members), size)
            .map(|out| out.len())
            .map_err(|failure| failure.message)
    }

    #[test]
    fn plain_files_go_through() {
        let members =
            [("planb-backup/", b'5', ""), ("planb-backup/indices/", b'5', ""), ("planb-backup/index-0", b'0', "{}")];
        for size in [1, 100, 4096] {
            assert_eq!(filtered(&members, size), Ok(10240));
        }
    }

    #[test]
    fn everything_else_does_not() {
        for member in [
            ("/etc/passwd", b'0'),
            ("planb-backup/../x", b'0'),
            ("planb-backup//x", b'0'),
            ("other/x", b'0'),
            ("planb-backup/link", b'2'),
            ("planb-backup/link", b'1'),
            ("planb-backup/device", b'3'),
            ("planb-backup/pax", b'x'),
            ("", b'0'),
        ] {
            assert!(filtered(&[(member.0, member.1, "x")], 64).unwrap_err().contains("not restored"), "{}", member.0);
        }
        let whole = archive(&[("planb-backup/", b'5', "")]);
        let restore = testing::request("movies")
            .restore(Artifact::new("tar", "application/x-tar", "snapshot-tar"), TargetState::Missing);
        assert!(testing::filter::<FilesOnly>(&restore, &whole[..whole.len() - 1], 64).is_err());
    }
}
