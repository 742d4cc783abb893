//! From the tools a plugin declares to programs on this machine: found once, asked for their version, then fixed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use planb_model::engine::{FoundTool, Purpose, ToolSpec};
use planb_model::redact::strip_control;
use rustix::fs::{Access, access};

use crate::error::ToolError;
use crate::launch::Launcher;
use crate::seal::Seal;

/// Where programs are looked for.
#[derive(Debug, Clone, Default)]
pub struct ToolSearch {
    /// `--tool-path ID=PATH`: this program and no other.
    pub explicit: BTreeMap<String, PathBuf>,
    /// Folders, first one first.
    pub folders: Vec<PathBuf>,
}

/// A tool that was found.
#[derive(Debug, Clone)]
pub struct ResolvedTool {
    /// Its id in the plugin.
    pub id: String,
    /// Absolute. A link is kept as it is: wrappers look at the name they are called by.
    pub path: PathBuf,
    /// What it printed as its version.
    pub version: Option<String>,
    /// The first line that it printed then.
    pub banner: Option<String>,
    /// Which file the path led to then.
    pub seal: Seal,
}

/// The tools of one plugin on this machine.
#[derive(Debug, Clone, Default)]
pub struct Toolbox {
    found: Vec<Arc<ResolvedTool>>,
    /// Here, but not to be run: a plugin may plan with them and learns by its plan's refusal that it lacks the grant.
    ungranted: Vec<FoundTool>,
    missing: Vec<ToolSpec>,
    /// Here, but of no use: why, for the plan that wants one.
    unfit: Vec<(String, Arc<ToolError>)>,
    searched: String,
}

const PROBE_TIME: Duration = Duration::from_secs(20);

impl Toolbox {
    /// Finds the tools that are for `purposes`, and asks those that are `granted` for their versions.
    ///
    /// A tool that is not there, or whose version does not suit, is remembered and only an error when a plan uses it.
    ///
    /// # Errors
    /// [`ToolError`] where a tool was named and is none.
    pub async fn resolve(
        specs: &[ToolSpec],
        purposes: &[Purpose],
        granted: impl Fn(&ToolSpec) -> bool,
        search: &ToolSearch,
        launcher: &Launcher,
    ) -> Result<Self, ToolError> {
        if let Some(id) = search.explicit.keys().find(|id| !specs.iter().any(|spec| spec.id == **id)) {
            let known: Vec<_> = specs.iter().map(|spec| spec.id.as_str()).collect();
            return Err(ToolError::BadPath {
                id: id.clone(),
                path: search.explicit[id].clone(),
                why: format!("this plugin uses no such tool, but {}", known.join(", ")),
            });
        }
        let searched: Vec<_> = search.folders.iter().map(|folder| folder.display().to_string()).collect();
        let mut toolbox = Self { searched: searched.join(":"), ..Self::default() };
        for spec in specs {
            if !spec.used_for.iter().any(|purpose| purposes.contains(purpose)) {
                continue;
            }
            match locate(spec, search)? {
                // Asking for the version is running it.
                Some(_) if !granted(spec) => {
                    toolbox.ungranted.push(FoundTool { id: spec.id.clone(), version: None, banner: None });
                }
                Some(path) => match probe(spec, path, launcher).await {
                    Ok(tool) => toolbox.found.push(Arc::new(tool)),
                    Err(ToolError::Cancelled) => return Err(ToolError::Cancelled),
                    // Only an error where a plan uses it.
                    Err(error) => toolbox.unfit.push((spec.id.clone(), Arc::new(error))),
                },
                None => toolbox.missing.push(spec.clone()),
            }
        }
        Ok(toolbox)
    }

    /// A tool by its id.
    ///
    /// # Errors
    /// [`ToolError::Missing`], with what to install.
    pub fn get(&self, id: &str) -> Result<Arc<ResolvedTool>, ToolError> {
        if let Some(tool) = self.found.iter().find(|tool| tool.id == id) {
            return Ok(Arc::clone(tool));
        }
        if let Some((_, error)) = self.unfit.iter().find(|(unfit, _)| unfit == id) {
            return Err(ToolError::Unfit(Arc::clone(error)));
        }
        let spec = self.missing.iter().find(|spec| spec.id == id);
        Err(ToolError::Missing {
            id: id.to_owned(),
            programs: spec.map_or_else(|| id.to_owned(), |spec| spec.programs.join(", ")),
            searched: self.searched.clone(),
            install_hint: spec.and_then(|spec| spec.install_hint.clone()),
        })
    }

    /// What a plugin is told of them.
    pub fn for_request(&self) -> Vec<FoundTool> {
        // A plugin learns by its plan's refusal what is wrong with one that is unfit.
        let unfit = self.unfit.iter().map(|(id, _)| FoundTool { id: id.clone(), version: None, banner: None });
        let found = self.found.iter().map(|tool| FoundTool {
            id: tool.id.clone(),
            version: tool.version.clone(),
            banner: tool.banner.clone(),
        });
        found.chain(self.ungranted.iter().cloned()).chain(unfit).collect()
    }

    /// All that were found.
    pub fn found(&self) -> impl Iterator<Item = &ResolvedTool> {
        self.found.iter().map(AsRef::as_ref)
    }
}

fn locate(spec: &ToolSpec, search: &ToolSearch) -> Result<Option<PathBuf>, ToolError> {
    if let Some(path) = search.explicit.get(&spec.id) {
        let why = |why: String| ToolError::BadPath { id: spec.id.clone(), path: path.clone(), why };
        let path = std::path::absolute(path).map_err(|error| why(error.to_string()))?;
        if !path.exists() {
            return Err(why("there is no such file".to_owned()));
        }
        if !is_program(&path) {
            return Err(why("it is not a program that may be executed".to_owned()));
        }
        return Ok(Some(path));
    }
    for program in &spec.programs {
        for folder in search.folders.iter().filter(|folder| folder.is_absolute()) {
            let path = folder.join(program);
            if is_program(&path) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

async fn probe(spec: &ToolSpec, path: PathBuf, launcher: &Launcher) -> Result<ResolvedTool, ToolError> {
    // Before it is asked: the file that answers is the file that is known.
    let seal = Seal::of(&path).map_err(|source| ToolError::Start { id: spec.id.clone(), source })?;
    if spec.version_args.is_empty() {
        return Ok(ResolvedTool { id: spec.id.clone(), path, version: None, banner: None, seal });
    }
    let fail = |path: &Path, detail: String| ToolError::Probe { id: spec.id.clone(), path: path.to_path_buf(), detail };
    let (exit, stdout) = launcher.probe(&spec.id, &path, seal, &spec.version_args, PROBE_TIME).await?;
    let ok = |code| {
        if spec.version_ok.is_empty() { code == 0 } else { spec.version_ok.iter().any(|ok| i32::from(*ok) == code) }
    };
    if !exit.code.is_some_and(ok) {
        return Err(fail(&path, format!("{}: {}", exit.describe(), exit.last_line())));
    }
    let text = String::from_utf8_lossy(&stdout);
    let version = first_version(&text).or_else(|| first_version(&exit.stderr));
    let Some(version) = version else {
        return Err(fail(&path, format!("it printed {:?}", text.chars().take(80).collect::<String>())));
    };
    if let Some(needs) = &spec.version_req
        && let (Ok(req), Some(semver)) = (semver::VersionReq::parse(needs), to_semver(&version))
        && !req.matches(&semver)
    {
        return Err(ToolError::Version {
            id: spec.id.clone(),
            path,
            version,
            needs: needs.clone(),
            install_hint: spec.install_hint.clone(),
        });
    }
    let banner = text.lines().chain(exit.stderr.lines()).find(|line| !line.trim().is_empty());
    let banner = banner.map(|line| strip_control(line).chars().take(200).collect());
    Ok(ResolvedTool { id: spec.id.clone(), path, version: Some(version), banner, seal })
}

/// The first number with a dot in it, or a whole number standing alone: `pg_dump (PostgreSQL) 17.2` and `sqlite 3.40.1 2022`.
/// The clients of MySQL up to 5.7 and of MariaDB name their own version first (`Ver 10.19 Distrib 10.11.6-MariaDB`).
fn first_version(text: &str) -> Option<String> {
    let text = text.split_once("Distrib ").map_or(text, |(_, distribution)| distribution);
    let words = || text.split(|c: char| c.is_whitespace() || "(),;".contains(c));
    let clean = |word: &str| {
        let word = word.trim_start_matches(['v', 'V']);
        let end = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
        word[..end].trim_end_matches('.').to_owned()
    };
    let is_number = |word: &String| word.starts_with(|c: char| c.is_ascii_digit());
    words().map(clean).find(|word| is_number(word) && word.contains('.')).or_else(|| words().map(clean).find(is_number))
}

/// Semver wants three numbers; tools print one to four.
fn to_semver(version: &str) -> Option<semver::Version> {
    let mut numbers = version.split('.').map(|n| n.parse::<u64>().ok());
    let mut next = || numbers.next().unwrap_or(Some(0));
    Some(semver::Version::new(next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (text, version) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            ("pg_dump (PostgreSQL) 19beta1", "19"),
            ("3.40.1 2022-12-28 14:03:47 df5c253c0b3dd24916e4ec7cf77d3db5294cc9fd45ae7b9c5e82ad8197f38a24", "3.40.1"),
            ("mariadb-dump from 11.8.6-MariaDB, client 10.19 for debian-linux-gnu", "11.8.6"),
            ("mysqldump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)", "10.11.19"),
            ("mysqldump  Ver 9.7.4 for Linux on x86_64 ((Debian))", "9.7.4"),
            ("redis-cli 7.0.15", "7.0.15"),
            ("mongodump version: 100.9.4", "100.9.4"),
            ("etcdctl version: v3.5.16", "3.5.16"),
        ] {
            assert_eq!(first_version(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(first_version("no number here"), None);
    }

    #[test]
    fn short_versions_are_filled_up() {
        assert_eq!(to_semver("15.18"), Some(semver::Version::new(15, 18, 0)));
        assert_eq!(to_semver("19"), Some(semver::Version::new(19, 0, 0)));
        assert_eq!(to_semver("10.11.19.4"), Some(semver::Version::new(10, 11, 19)));
    }
}
