//! What an engine says of itself and what it is asked: the host's own form of the contract's types.
//!
//! Each version of the contract (`wit/`) is translated into these by its adapter in `planb-plugin`; nothing else of
//! the host knows which version a plugin was written against.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose fault a failure is. Shown in every error, and kept in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// What the user asked for or configured.
    Settings,
    /// The native program, or its absence.
    Tool,
    /// The database server.
    Database,
    /// The object store.
    Storage,
    /// The engine plugin.
    Plugin,
    /// Plan B itself.
    #[serde(rename = "planb")]
    PlanB,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "settings",
            Self::Tool => "tool",
            Self::Database => "database",
            Self::Storage => "storage",
            Self::Plugin => "plugin",
            Self::PlanB => "planb",
        })
    }
}

/// What went wrong, where the host decides by it. The contract documents each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub enum FailureCode {
    Failed,
    Unsupported,
    InvalidRequest,
    Unreachable,
    AccessDenied,
    MissingDatabase,
    ToolUnfit,
    Damaged,
}

/// A plugin's own judgement of a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For the host's decisions.
    pub code: FailureCode,
    /// Whose fault it is.
    pub blame: Blame,
    /// One sentence: what failed.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The same again may succeed.
    pub retryable: bool,
}

/// How a dump is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// From the tool's stdout straight to the store.
    Stream,
    /// Into a file of the work directory first.
    File,
    /// Many files, each an object of its own.
    Directory,
    /// Many files as one tar object.
    Tar,
}

impl Mode {
    /// The word used on the command line and in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::File => "file",
            Self::Directory => "directory",
            Self::Tar => "tar",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What of a server is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One database by its exact name; the path for a file-based engine.
    Database(String),
    /// Everything in one dump.
    All,
    /// Roles, accounts, tablespaces.
    Globals,
}

/// The kinds of [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the cases of Scope")]
pub enum ScopeKind {
    Database,
    All,
    Globals,
}

impl ScopeKind {
    /// The word used in reports and manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::All => "all",
            Self::Globals => "globals",
        }
    }
}

impl Scope {
    /// Its kind.
    pub fn kind(&self) -> ScopeKind {
        match self {
            Self::Database(_) => ScopeKind::Database,
            Self::All => ScopeKind::All,
            Self::Globals => ScopeKind::Globals,
        }
    }

    /// The database's name, or the word for the other scopes: what reports and manifests call `database`.
    pub fn label(&self) -> &str {
        match self {
            Self::Database(name) => name,
            Self::All => "all",
            Self::Globals => "globals",
        }
    }

    /// The reverse of [`Self::kind`] and [`Self::label`].
    pub fn from_parts(kind: ScopeKind, label: &str) -> Self {
        match kind {
            ScopeKind::Database => Self::Database(label.to_owned()),
            ScopeKind::All => Self::All,
            ScopeKind::Globals => Self::Globals,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What a tool may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Purpose {
    Backup,
    Restore,
    Query,
    Scratch,
}

/// A native program that a plugin declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolSpec {
    /// Names it in plans and grants.
    pub id: String,
    /// File names it goes by, best first.
    pub programs: Vec<String>,
    /// Arguments that print its version; empty: not asked.
    pub version_args: Vec<String>,
    /// Exit codes with which they do; empty: 0.
    pub version_ok: Vec<u8>,
    /// Semver requirement on that version.
    pub version_req: Option<String>,
    /// What it is for.
    pub used_for: Vec<Purpose>,
    /// What to install where it is missing.
    pub install_hint: Option<String>,
}

/// The type of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum SettingKind {
    Text,
    Number,
    Toggle,
    Choice(Vec<String>),
    Path,
}

/// One `--option NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Setting {
    pub name: String,
    pub kind: SettingKind,
    pub default: Option<String>,
    pub summary: String,
}

/// A secret beside `password`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct NamedSecret {
    pub name: String,
    pub summary: String,
}

/// What an engine says of itself. The contract documents each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "documented in the contract")]
pub struct Description {
    pub key: String,
    pub name: String,
    pub aliases: Vec<String>,
    pub version: String,
    pub schemes: Vec<String>,
    pub default_port: Option<u16>,
    pub default_user: Option<String>,
    pub file_based: bool,
    pub tools: Vec<ToolSpec>,
    pub env: Vec<String>,
    pub inherit: Vec<String>,
    pub params: Vec<Setting>,
    pub secrets: Vec<NamedSecret>,
    pub settings: Vec<Setting>,
    pub modes: Vec<Mode>,
    pub scopes: Vec<ScopeKind>,
    pub native_compression: bool,
    pub stream_conflicts: Vec<String>,
    pub plans_by_inventory: bool,
    pub restores_offline: bool,
}

impl Description {
    /// Whether users may call the engine by this name.
    pub fn answers_to(&self, name: &str) -> bool {
        self.key == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// Tools by their ids, with their programs where those are called otherwise: a grant is for what is run.
    pub fn tools_with_programs<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> String {
        let shown = |id: &str| match self.tools.iter().find(|tool| tool.id == id) {
            Some(tool) if tool.programs.iter().any(|program| program != id) => {
                format!("{id} (which runs {})", tool.programs.join(" or "))
            }
            _ => id.to_owned(),
        };
        ids.into_iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// A host and its port.
pub type Endpoint = (String, Option<u16>);

/// Where the server is, without any secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub struct Connection {
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    /// The further hosts of a URL that names several.
    pub others: Vec<Endpoint>,
    pub socket: Option<String>,
    pub user: Option<String>,
    /// Names only.
    pub secrets: Vec<String>,
    pub params: Vec<(String, String)>,
}

impl Connection {
    /// Where it leads, for people and manifests: `host:port`, or the path of a socket.
    pub fn place(&self) -> Option<String> {
        if let Some(socket) = &self.socket {
            return Some(match self.port {
                Some(port) => format!("{socket}:{port}"),
                None => socket.clone(),
            });
        }
        let one = |host: &str, port: Option<u16>| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
        };
        let first = one(self.host.as_deref()?, self.port);
        let others = self.others.iter().map(|(host, port)| one(host, *port));
        Some([first].into_iter().chain(others).collect::<Vec<_>>().join(","))
    }
}

/// A tool that was found for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub struct FoundTool {
    pub id: String,
    pub version: Option<String>,
    pub banner: Option<String>,
}

/// What the plugin is asked to plan for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub struct Request {
    pub connection: Connection,
    pub scope: Scope,
    pub mode: Mode,
    pub native_compression: bool,
    pub settings: Vec<(String, String)>,
    pub extra_args: Vec<String>,
    pub tools: Vec<FoundTool>,
    pub server_version: Option<String>,
    pub objects: Option<Vec<Object>>,
    pub serve_at: Option<String>,
}

/// What a dump is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Without a leading dot: `sql`, `dump`, `rdb`.
    pub extension: String,
    /// Its MIME type.
    pub media_type: String,
    /// The bytes are compressed by the tool already.
    pub compressed: bool,
    /// The engine's own name of the format: `plain`, `custom`.
    pub format: String,
}

/// What is at the place to restore into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub enum TargetState {
    Missing,
    Empty,
    Occupied,
    Unknown,
}

/// What the plugin is asked to plan a restore for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub struct RestoreRequest {
    pub request: Request,
    pub artifact: Artifact,
    pub source_scope: Scope,
    pub source_version: Option<String>,
    pub objects: Vec<Object>,
    pub files: Vec<String>,
    pub target: TargetState,
    pub replace: bool,
}

/// A question about a live server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub enum Query {
    Ping,
    Version,
    Databases,
    Size(Scope),
    State(Scope),
    Inventory(Scope),
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the contract")]
pub enum Answer {
    Alive,
    Version(String),
    Databases(Vec<String>),
    Size(u64),
    State(TargetState),
    Inventory(Vec<Object>),
}

/// One table, collection, keyspace, ... in a dump or a live database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Object {
    /// The engine's word: table, sequence, collection, role.
    pub kind: String,
    /// Qualified as the engine's users write it.
    pub name: String,
    /// Rows seen in the dump, where the format shows them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
}

/// What a plugin saw in the bytes of a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inspection {
    /// The engine's own end mark was there.
    pub complete: bool,
    /// What the dump holds.
    pub objects: Vec<Object>,
    /// What was odd, as sentences.
    #[serde(default)]
    pub findings: Vec<String>,
}

impl Inspection {
    /// All rows that were counted.
    pub fn rows(&self) -> u64 {
        rows(&self.objects)
    }
}

/// The rows of objects together: those of the kind that has most, since objects of different kinds (the databases, types and
/// prefixes of a key-value store) are views of the same rows. What a plugin counts may be more than there are numbers.
pub fn rows(objects: &[Object]) -> u64 {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for object in objects {
        let rows = kinds.entry(&object.kind).or_default();
        *rows = rows.saturating_add(object.rows.unwrap_or_default());
    }
    kinds.into_values().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_all_numbers_stay_numbers() {
        let object = |rows| Object { kind: "table".to_owned(), name: "x".to_owned(), rows };
        let seen = |rows: &[Option<u64>]| Inspection {
            objects: rows.iter().copied().map(object).collect(),
            ..Inspection::default()
        };
        assert_eq!(seen(&[Some(2), None, Some(3)]).rows(), 5);
        assert_eq!(seen(&[Some(u64::MAX), Some(u64::MAX)]).rows(), u64::MAX);
    }
}
