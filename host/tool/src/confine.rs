//! Where a tool may write: by the kernel's own bounds (Landlock), where it has them.
//!
//! A tool reads and executes what its user may, since nobody knows which libraries, configurations and certificates it needs. It
//! *writes* only below its run's work directory, and to what the operation is known to need beside it ([`crate::Bounds`]).
//! docs/confinement.md says it at length.
//!
//! The bounds are set by the shim ([`crate::shim`]): a thread sets them for itself, and they hold for all that comes of it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Once, OnceLock};

/// Whether tools are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confine {
    /// They write below the run's work directory and to what the caller names.
    #[default]
    WorkDir,
    /// They write wherever their user may.
    Off,
}

impl FromStr for Confine {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "on" => Ok(Self::WorkDir),
            "off" => Ok(Self::Off),
            _ => Err(format!("{word:?} is neither on nor off")),
        }
    }
}

/// What this kernel does of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confinement {
    /// All that [`Confine::WorkDir`] says.
    Full,
    /// Most of it; what not.
    Partial(String),
    /// Nothing; why.
    None(String),
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("tools write to their work directory only"),
            Self::Partial(but) => write!(f, "tools write to their work directory only, but {but}"),
            Self::None(why) => write!(f, "tools are not confined to their work directory: {why}"),
        }
    }
}

/// What this kernel does of [`Confine::WorkDir`].
pub fn confinement() -> &'static Confinement {
    static FOUND: OnceLock<Confinement> = OnceLock::new();
    FOUND.get_or_init(walls::found)
}

/// Says it in the log, once.
pub(crate) fn announce() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| match confinement() {
        // As it should be.
        Confinement::Full => tracing::debug!("{}", Confinement::Full),
        less => tracing::info!("{less}"),
    });
}

/// What every tool may write to, beside its work directory.
///
/// POSIX semaphores and shared memory are files of /dev/shm to the kernel, and an interface to programs: without it cqlsh
/// (Python's multiprocessing) and PostgreSQL do not work as they do elsewhere. /dev/tty is not here: a tool that asks a person for
/// a password would wait for ever, and one that types into the terminal is out of its bounds.
#[cfg(target_os = "linux")]
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/shm"];

#[cfg(target_os = "linux")]
pub(crate) mod walls {
    use std::io;
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr as _,
        RulesetCreated, RulesetCreatedAttr as _,
    };

    use super::{Confinement, DEVICES};

    /// The first that lets files be renamed from one folder to another, which servers do all the time.
    const OLDEST: ABI = ABI::V2;
    const TRUNCATE: ABI = ABI::V3;
    /// What is asked for. Scopes, the network and unix sockets came with others and are not.
    const WANTED: ABI = ABI::V5;

    fn knows(abi: ABI) -> bool {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ruleset.handle_access(AccessFs::from_write(abi)).is_ok()
    }

    pub(super) fn found() -> Confinement {
        if knows(WANTED) {
            Confinement::Full
        } else if knows(TRUNCATE) {
            Confinement::Partial("this kernel does not keep them from devices' ioctls (Linux 6.10 does)".to_owned())
        } else if knows(OLDEST) {
            Confinement::Partial(
                "this kernel does not keep them from emptying other files (Linux 6.2 does) nor from devices' ioctls (Linux 6.10 does)"
                    .to_owned(),
            )
        } else if knows(ABI::V1) {
            Confinement::None(
                "this kernel's Landlock is too old to let servers rename files from folder to folder (Linux 5.19 does)"
                    .to_owned(),
            )
        } else {
            Confinement::None(
                "this kernel has no Landlock, or it is not switched on (Linux 5.19 or newer, `landlock` among its security modules)"
                    .to_owned(),
            )
        }
    }

    /// What holds a process back. None: this kernel could only do harm, or nothing.
    pub(crate) struct Walls(Option<RulesetCreated>);

    impl Walls {
        /// Around these.
        pub(crate) fn around(writable: &[PathBuf]) -> Result<Self, String> {
            if !knows(OLDEST) {
                return Ok(Self(None));
            }
            let all = AccessFs::from_write(WANTED);
            // A device that root makes below its work directory leads out of it again.
            let granted = all & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
            let on_files = granted & AccessFs::from_file(WANTED);
            let wrong = |error: landlock::RulesetError| error.to_string();
            let mut rules = Ruleset::default().handle_access(all).and_then(Ruleset::create).map_err(wrong)?;
            for path in DEVICES.iter().map(Path::new).chain(writable.iter().map(PathBuf::as_path)) {
                // What may not even be looked at cannot be written to either.
                let Some((fd, folder)) = nearest(path) else { continue };
                let access = if folder { granted } else { on_files };
                rules = rules.add_rule(PathBeneath::new(fd, access)).map_err(wrong)?;
            }
            Ok(Self(Some(rules)))
        }

        /// Keeps this thread, and all that comes of it, from writing anywhere else, as far as the kernel can.
        pub(crate) fn raise(self) -> Result<(), String> {
            self.0.map_or(Ok(()), |rules| rules.restrict_self().map(drop).map_err(|error| error.to_string()))
        }
    }

    /// What is there of a path: itself, or the nearest folder above it. And whether that is a folder.
    fn nearest(path: &Path) -> Option<(PathFd, bool)> {
        let mut path = path.to_path_buf();
        // As many as the kernel follows of links, and more folders than a path can have.
        for _ in 0..4096 {
            match PathFd::new(&path) {
                Ok(fd) => return Some((fd, path.is_dir())),
                Err(PathFdError::OpenCall { source, .. })
                    if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    // A link that leads to what is not there yet: what is made is made there.
                    let above = path.parent()?.to_path_buf();
                    path = std::fs::read_link(&path).map_or(above.clone(), |led| above.join(led));
                }
                Err(_) => return None,
            }
        }
        None
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) mod walls {
    use super::Confinement;

    pub(super) fn found() -> Confinement {
        Confinement::None("only Linux can do that".to_owned())
    }

    /// Nothing.
    pub(crate) struct Walls;

    impl Walls {
        pub(crate) fn around(_writable: &[std::path::PathBuf]) -> Result<Self, String> {
            Ok(Self)
        }

        pub(crate) fn raise(self) -> Result<(), String> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!("off".parse(), Ok(Confine::Off));
        assert_eq!("on".parse(), Ok(Confine::default()));
        assert!("Off ".parse::<Confine>().is_err());
    }
}
