//! What a plugin plans: tools to run, private files to write, where the dump comes from and goes to.
//!
//! All of it is data. `planb-tool` is the only place that acts on it. The contract (`wit/`) documents each type.
#![expect(missing_docs, reason = "documented in the contract, whose types these are")]

use crate::engine::{Artifact, Connection, Object, Scope};

/// How a secret is escaped for the place where it stands. See [`crate::secret::Secret::encode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    Raw,
    Percent,
    Json,
    Backslash { special: String, forbidden: String },
    Doubled(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    pub name: String,
    pub encoding: Encoding,
}

/// A piece of an argument. It has no case for a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgPiece {
    Text(String),
    Path(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    Literal(String),
    Option { name: String, value: Vec<ArgPiece> },
    Pair { name: String, value: Vec<ArgPiece> },
    Value(Vec<ArgPiece>),
    Script(String),
    Extra,
}

/// A piece of something that only the child process can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivatePiece {
    Text(String),
    Path(String),
    Secret(SecretRef),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    pub name: String,
    pub value: Vec<PrivatePiece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateFile {
    pub path: String,
    pub content: Vec<PrivatePiece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub tool: String,
    pub args: Vec<Arg>,
    pub env: Vec<EnvVar>,
    pub stdin: Option<Vec<PrivatePiece>>,
    pub stdin_from: Option<String>,
    pub stdout_to: Option<String>,
    pub ok: Vec<u8>,
}

impl Command {
    /// Whether this exit code means success.
    pub fn accepts(&self, code: i32) -> bool {
        if self.ok.is_empty() { code == 0 } else { self.ok.iter().any(|ok| i32::from(*ok) == code) }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trim {
    pub head_line: Option<String>,
    pub tail_bytes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Stdout { command: Command, trim: Option<Trim> },
    File { command: Command, path: String },
    Tree { command: Command, path: String },
    Served(Command),
}

impl Source {
    /// The command that makes the dump.
    pub fn command(&self) -> &Command {
        match self {
            Self::Stdout { command, .. }
            | Self::File { command, .. }
            | Self::Tree { command, .. }
            | Self::Served(command) => command,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    Stdin(Command),
    File { command: Command, path: String },
    Tree { command: Command, path: String },
    Served(Command),
}

impl Sink {
    /// The command that takes the dump in.
    pub fn command(&self) -> &Command {
        match self {
            Self::Stdin(command) | Self::File { command, .. } | Self::Tree { command, .. } | Self::Served(command) => {
                command
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    pub files: Vec<PrivateFile>,
    pub prepare: Vec<Command>,
    pub source: Source,
    pub cleanup: Vec<Command>,
    pub artifact: Artifact,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    pub files: Vec<PrivateFile>,
    pub prepare: Vec<Command>,
    pub sink: Sink,
    pub finish: Vec<Command>,
    pub cleanup: Vec<Command>,
    pub filter: bool,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPlan {
    pub files: Vec<PrivateFile>,
    pub prepare: Vec<Command>,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScratchPlan {
    pub files: Vec<PrivateFile>,
    pub prepare: Vec<Command>,
    pub server: Option<Command>,
    pub ready: Vec<Command>,
    pub connection: Connection,
    pub scope: Scope,
    pub settings: Vec<(String, Vec<ArgPiece>)>,
    pub restore_stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedPlan {
    pub files: Vec<PrivateFile>,
    pub commands: Vec<Command>,
    pub holds: Vec<Object>,
}
