//! Unpacking a tar of a backup's files. A store is not trusted, and neither is what a tar from it names.

use std::io::{self, Read, Write as _};

use planb_model::manifest::is_plain_relative;
use planb_tool::Folder;

use crate::decode::{Plain, uncarry};
use crate::error::RunError;
use crate::progress::Progress;
use crate::pump::CHUNK;

/// The longest path of Linux (PATH_MAX), with its end.
const LONGEST: u64 = 4096;

/// Unpacks a tar of plain files into `root`. Everything else in it is refused: links, devices, paths that leave it.
pub(crate) fn untar(plain: Plain, root: &Folder, progress: &Progress) -> Result<(), RunError> {
    let id = plain.id().to_owned();
    unpack(plain, &id, root, progress)?.finish()
}

/// Gives the reader back, behind the tar's end.
fn unpack<R: Read>(from: R, id: &str, root: &Folder, progress: &Progress) -> Result<R, RunError> {
    let wrap = wrap(id);
    let mut buffer = vec![0; CHUNK];
    each_file(from, id, |path, from| {
        let mut file = root.new_file(path)?;
        loop {
            let n = from.read(&mut buffer).map_err(&wrap)?;
            if n == 0 {
                return Ok(());
            }
            progress.add_plain(n);
            file.write_all(&buffer[..n]).map_err(RunError::Work)?;
        }
    })
}

/// Hands over each file of a tar, in its order, with its path; gives the reader back, behind the tar's end.
///
/// What planb packs is plain files, with GNU's entry for a long name before those that need one. Everything else is refused, and
/// so is a name that is longer than any path: it would be read into memory.
pub(crate) fn each_file<R: Read>(
    from: R,
    id: &str,
    mut each: impl FnMut(&str, &mut dyn Read) -> Result<(), RunError>,
) -> Result<R, RunError> {
    let damaged = |what: String| RunError::Damaged { id: id.to_owned(), what };
    let wrap = wrap(id);
    let mut archive = tar::Archive::new(from);
    let mut long: Option<Vec<u8>> = None;
    for entry in archive.entries().map_err(&wrap)?.raw(true) {
        let mut entry = entry.map_err(&wrap)?;
        if entry.header().entry_type() == tar::EntryType::GNULongName && long.is_none() {
            let mut name = Vec::new();
            (&mut entry).take(LONGEST + 1).read_to_end(&mut name).map_err(&wrap)?;
            if name.len() as u64 > LONGEST {
                return Err(damaged("its tar holds a name that is longer than any path".to_owned()));
            }
            if name.last() == Some(&0) {
                name.pop();
            }
            long = Some(name);
            continue;
        }
        let path = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let path = String::from_utf8(path).map_err(|_| damaged("a name in its tar is not UTF-8".to_owned()))?;
        match entry.header().entry_type() {
            tar::EntryType::Regular if is_plain_relative(&path) => {}
            _ => return Err(damaged(format!("its tar holds {path:?}, which is no plain file below it"))),
        }
        each(&path, &mut entry)?;
    }
    match long {
        None => Ok(archive.into_inner()),
        Some(_) => Err(damaged("its tar ends behind a name".to_owned())),
    }
}

/// What went wrong inside the tar's reader, or with the tar.
fn wrap(id: &str) -> impl Fn(io::Error) -> RunError {
    move |error| {
        uncarry(error).unwrap_or_else(|error| RunError::Damaged {
            id: id.to_owned(),
            what: format!("its tar cannot be unpacked: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use planb_tool::WorkDir;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use std::path::Path;

    /// Names that lead elsewhere, or are none, beside good ones.
    fn names() -> impl Strategy<Value = Vec<u8>> {
        const ODD: [&str; 14] = [
            "a",
            "a/b",
            "a/b/c.dat",
            "..",
            "../x",
            "/etc/planb-was-here",
            "a/../../x",
            "./a",
            "a//b",
            "a/",
            "",
            ".",
            "a\\..\\x",
            "con",
        ];
        prop_oneof![
            3 => select(&ODD[..]).prop_map(|name| name.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 0..120),
            1 => "[a-z/.]{0,160}".prop_map(String::into_bytes),
        ]
    }

    /// An entry as only somebody evil writes it.
    fn entry() -> impl Strategy<Value = Vec<u8>> {
        let kinds = select(&b"000000123456LKgxSVMN\0 "[..]);
        (
            names(),
            names(),
            kinds,
            vec(any::<u8>(), 0..700),
            prop_oneof![4 => Just(None), 1 => any::<u64>().prop_map(Some)],
        )
            .prop_map(|(name, link, kind, content, size)| {
                let mut header = tar::Header::new_gnu();
                header.set_mode(0o7777);
                header.set_size(size.unwrap_or(content.len() as u64));
                let bytes = header.as_mut_bytes();
                bytes[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
                bytes[157..157 + link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
                bytes[156] = kind;
                header.set_cksum();
                let mut entry = header.as_bytes().to_vec();
                entry.extend(&content);
                entry.resize(entry.len().next_multiple_of(512), 0);
                entry
            })
    }

    /// What is below a folder: files, and whatever is neither file nor folder.
    fn below(folder: &Path, odd: &mut Vec<String>) -> Vec<String> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            if kind.is_dir() {
                files.extend(below(&path, odd));
            } else if kind.is_file() {
                files.push(path.display().to_string());
            } else {
                odd.push(path.display().to_string());
            }
        }
        files
    }

    #[test]
    fn long_names_come_back_and_endless_ones_do_not() {
        let base = tempfile::tempdir().unwrap();
        let work = WorkDir::create(base.path()).unwrap();
        let path = format!("{}/x.dat", vec!["folder"; 60].join("/"));
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o600);
        builder.append_data(&mut header, &path, &b"abc"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        unpack(&bytes[..], "x", &work.folder(None).unwrap(), &Progress::default()).unwrap();
        assert_eq!(std::fs::read(work.path().join(&path)).unwrap(), b"abc");

        // A gigabyte of name.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(1 << 30);
        header.set_cksum();
        let endless = (&header.as_bytes()[..]).chain(io::repeat(b'a').take(1 << 30));
        let refused = unpack(endless, "x", &work.folder(None).unwrap(), &Progress::default()).map(drop).unwrap_err();
        assert!(refused.to_string().contains("longer than any path"), "{refused}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever a tar holds and however it was damaged: it is unpacked or refused, and nothing comes to be but files below
        /// the folder.
        #[test]
        fn nothing_leaves_the_folder(
            entries in vec(entry(), 0..6),
            damage in vec((any::<Index>(), any::<u8>()), 0..3),
            end in prop_oneof![2 => Just(None), 1 => any::<Index>().prop_map(Some)],
        ) {
            let base = tempfile::tempdir().unwrap();
            let work = WorkDir::create(base.path()).unwrap();
            let mut before = Vec::new();
            let mut odd = Vec::new();
            before.extend(below(base.path(), &mut odd));
            let mut bytes = entries.concat();
            bytes.extend([0; 1024]);
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(end) = end {
                bytes.truncate(end.index(bytes.len()));
            }
            let folder = work.folder(None).unwrap();
            let done = unpack(&bytes[..], "x", &folder, &Progress::default());
            let own = work.path().display().to_string();
            for file in below(base.path(), &mut odd) {
                prop_assert!(before.contains(&file) || file.starts_with(&own), "{file}");
            }
            prop_assert!(odd.is_empty(), "{odd:?}");
            prop_assert!(!Path::new("/etc/planb-was-here").exists());
            if let Err(error) = done {
                let refused = matches!(error, RunError::Damaged { .. } | RunError::Tool(_) | RunError::Work(_));
                prop_assert!(refused, "{error:?}");
            }
        }
    }
}
