//! `planb:engine@0.1` to the host's types: what a plugin answers.

use planb_model::engine as e;
use planb_model::plan as p;

use super::v0_1::bindings::planb::engine::types as t;

fn all<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(Into::into).collect()
}

impl From<t::Mode> for e::Mode {
    fn from(value: t::Mode) -> Self {
        match value {
            t::Mode::Stream => Self::Stream,
            t::Mode::File => Self::File,
            t::Mode::Directory => Self::Directory,
            t::Mode::Tar => Self::Tar,
        }
    }
}

impl From<t::ScopeKind> for e::ScopeKind {
    fn from(value: t::ScopeKind) -> Self {
        match value {
            t::ScopeKind::Database => Self::Database,
            t::ScopeKind::All => Self::All,
            t::ScopeKind::Globals => Self::Globals,
        }
    }
}

impl From<t::Purpose> for e::Purpose {
    fn from(value: t::Purpose) -> Self {
        match value {
            t::Purpose::Backup => Self::Backup,
            t::Purpose::Restore => Self::Restore,
            t::Purpose::Query => Self::Query,
            t::Purpose::Scratch => Self::Scratch,
        }
    }
}

impl From<t::Blame> for e::Blame {
    fn from(value: t::Blame) -> Self {
        match value {
            t::Blame::Settings => Self::Settings,
            t::Blame::Tool => Self::Tool,
            t::Blame::Database => Self::Database,
            t::Blame::Plugin => Self::Plugin,
        }
    }
}

impl From<t::FailureCode> for e::FailureCode {
    fn from(value: t::FailureCode) -> Self {
        match value {
            t::FailureCode::Failed => Self::Failed,
            t::FailureCode::Unsupported => Self::Unsupported,
            t::FailureCode::InvalidRequest => Self::InvalidRequest,
            t::FailureCode::Unreachable => Self::Unreachable,
            t::FailureCode::AccessDenied => Self::AccessDenied,
            t::FailureCode::MissingDatabase => Self::MissingDatabase,
            t::FailureCode::ToolUnfit => Self::ToolUnfit,
            t::FailureCode::Damaged => Self::Damaged,
        }
    }
}

impl From<t::TargetState> for e::TargetState {
    fn from(value: t::TargetState) -> Self {
        match value {
            t::TargetState::Missing => Self::Missing,
            t::TargetState::Empty => Self::Empty,
            t::TargetState::Occupied => Self::Occupied,
            t::TargetState::Unknown => Self::Unknown,
        }
    }
}

impl From<t::Scope> for e::Scope {
    fn from(value: t::Scope) -> Self {
        match value {
            t::Scope::Database(name) => Self::Database(name),
            t::Scope::All => Self::All,
            t::Scope::Globals => Self::Globals,
        }
    }
}

impl From<t::Encoding> for p::Encoding {
    fn from(value: t::Encoding) -> Self {
        match value {
            t::Encoding::Raw => Self::Raw,
            t::Encoding::Percent => Self::Percent,
            t::Encoding::Json => Self::Json,
            t::Encoding::Backslash(t::Backslash { special, forbidden }) => Self::Backslash { special, forbidden },
            t::Encoding::Doubled(special) => Self::Doubled(special),
        }
    }
}

impl From<t::ArgPiece> for p::ArgPiece {
    fn from(value: t::ArgPiece) -> Self {
        match value {
            t::ArgPiece::Text(text) => Self::Text(text),
            t::ArgPiece::Path(path) => Self::Path(path),
        }
    }
}

impl From<t::Arg> for p::Arg {
    fn from(value: t::Arg) -> Self {
        match value {
            t::Arg::Literal(text) => Self::Literal(text),
            t::Arg::Option(t::OptionArg { name, value }) => Self::Option { name, value: all(value) },
            t::Arg::Pair(t::OptionArg { name, value }) => Self::Pair { name, value: all(value) },
            t::Arg::Value(value) => Self::Value(all(value)),
            t::Arg::Script(text) => Self::Script(text),
            t::Arg::Extra => Self::Extra,
        }
    }
}

impl From<t::PrivatePiece> for p::PrivatePiece {
    fn from(value: t::PrivatePiece) -> Self {
        match value {
            t::PrivatePiece::Text(text) => Self::Text(text),
            t::PrivatePiece::Path(path) => Self::Path(path),
            t::PrivatePiece::Secret(secret) => {
                Self::Secret(p::SecretRef { name: secret.name, encoding: secret.encoding.into() })
            }
        }
    }
}

impl From<t::Source> for p::Source {
    fn from(value: t::Source) -> Self {
        match value {
            t::Source::Stdout(source) => {
                Self::Stdout { command: source.command.into(), trim: source.trim.map(Into::into) }
            }
            t::Source::File(output) => Self::File { command: output.command.into(), path: output.path },
            t::Source::Tree(output) => Self::Tree { command: output.command.into(), path: output.path },
            t::Source::Served(command) => Self::Served(command.into()),
        }
    }
}

impl From<t::Sink> for p::Sink {
    fn from(value: t::Sink) -> Self {
        match value {
            t::Sink::Stdin(command) => Self::Stdin(command.into()),
            t::Sink::File(input) => Self::File { command: input.command.into(), path: input.path },
            t::Sink::Tree(input) => Self::Tree { command: input.command.into(), path: input.path },
            t::Sink::Served(command) => Self::Served(command.into()),
        }
    }
}

impl From<t::Kind> for e::SettingKind {
    fn from(value: t::Kind) -> Self {
        match value {
            t::Kind::Text => Self::Text,
            t::Kind::Number => Self::Number,
            t::Kind::Toggle => Self::Toggle,
            t::Kind::Choice(words) => Self::Choice(words),
            t::Kind::Path => Self::Path,
        }
    }
}

impl From<t::Answer> for e::Answer {
    fn from(value: t::Answer) -> Self {
        match value {
            t::Answer::Alive => Self::Alive,
            t::Answer::Version(version) => Self::Version(version),
            t::Answer::Databases(names) => Self::Databases(names),
            t::Answer::Size(bytes) => Self::Size(bytes),
            t::Answer::State(state) => Self::State(state.into()),
            t::Answer::Inventory(objects) => Self::Inventory(all(objects)),
        }
    }
}

impl From<t::EnvVar> for p::EnvVar {
    fn from(value: t::EnvVar) -> Self {
        Self { name: value.name, value: all(value.value) }
    }
}

impl From<t::PrivateFile> for p::PrivateFile {
    fn from(value: t::PrivateFile) -> Self {
        Self { path: value.path, content: all(value.content) }
    }
}

impl From<t::Command> for p::Command {
    fn from(value: t::Command) -> Self {
        Self {
            tool: value.tool,
            args: all(value.args),
            env: all(value.env),
            stdin: value.stdin.map(all),
            stdin_from: value.stdin_from,
            stdout_to: value.stdout_to,
            ok: value.ok,
        }
    }
}

impl From<t::Trim> for p::Trim {
    fn from(value: t::Trim) -> Self {
        Self { head_line: value.head_line, tail_bytes: value.tail_bytes }
    }
}

impl From<t::Artifact> for e::Artifact {
    fn from(value: t::Artifact) -> Self {
        Self {
            extension: value.extension,
            media_type: value.media_type,
            compressed: value.compressed,
            format: value.format,
        }
    }
}

impl From<t::Connection> for e::Connection {
    fn from(value: t::Connection) -> Self {
        Self {
            scheme: value.scheme,
            host: value.host,
            port: value.port,
            others: value.others.into_iter().map(|other| (other.host, other.port)).collect(),
            socket: value.socket,
            user: value.user,
            secrets: value.secrets,
            params: value.params,
        }
    }
}

impl From<t::BackupPlan> for p::BackupPlan {
    fn from(value: t::BackupPlan) -> Self {
        Self {
            files: all(value.files),
            prepare: all(value.prepare),
            source: value.source.into(),
            cleanup: all(value.cleanup),
            artifact: value.artifact.into(),
            warnings: value.warnings,
        }
    }
}

impl From<t::RestorePlan> for p::RestorePlan {
    fn from(value: t::RestorePlan) -> Self {
        Self {
            files: all(value.files),
            prepare: all(value.prepare),
            sink: value.sink.into(),
            finish: all(value.finish),
            cleanup: all(value.cleanup),
            filter: value.filter,
            warnings: value.warnings,
        }
    }
}

impl From<t::QueryPlan> for p::QueryPlan {
    fn from(value: t::QueryPlan) -> Self {
        Self { files: all(value.files), prepare: all(value.prepare), command: value.command.into() }
    }
}

impl From<t::ScratchPlan> for p::ScratchPlan {
    fn from(value: t::ScratchPlan) -> Self {
        Self {
            files: all(value.files),
            prepare: all(value.prepare),
            server: value.server.map(Into::into),
            ready: all(value.ready),
            connection: value.connection.into(),
            scope: value.scope.into(),
            settings: value.settings.into_iter().map(|setting| (setting.name, all(setting.value))).collect(),
            restore_stopped: value.restore_stopped,
        }
    }
}

impl From<t::SeedPlan> for p::SeedPlan {
    fn from(value: t::SeedPlan) -> Self {
        Self { files: all(value.files), commands: all(value.commands), holds: all(value.holds) }
    }
}

impl From<t::Object> for e::Object {
    fn from(value: t::Object) -> Self {
        Self { kind: value.kind, name: value.name, rows: value.rows }
    }
}

impl From<t::Inspection> for e::Inspection {
    fn from(value: t::Inspection) -> Self {
        Self { complete: value.complete, objects: all(value.objects), findings: value.findings }
    }
}

impl From<t::Failure> for e::Failure {
    fn from(value: t::Failure) -> Self {
        Self {
            code: value.code.into(),
            blame: value.blame.into(),
            message: value.message,
            hint: value.hint,
            retryable: value.retryable,
        }
    }
}

impl From<t::Tool> for e::ToolSpec {
    fn from(value: t::Tool) -> Self {
        Self {
            id: value.id,
            programs: value.programs,
            version_args: value.version_args,
            version_ok: value.version_ok,
            version_req: value.version_req,
            used_for: all(value.used_for),
            install_hint: value.install_hint,
        }
    }
}

impl From<t::Setting> for e::Setting {
    fn from(value: t::Setting) -> Self {
        Self { name: value.name, kind: value.kind.into(), default: value.default, summary: value.summary }
    }
}

impl From<t::NamedSecret> for e::NamedSecret {
    fn from(value: t::NamedSecret) -> Self {
        Self { name: value.name, summary: value.summary }
    }
}

impl From<t::Description> for e::Description {
    fn from(value: t::Description) -> Self {
        Self {
            key: value.key,
            name: value.name,
            aliases: value.aliases,
            version: value.version,
            schemes: value.schemes,
            default_port: value.default_port,
            default_user: value.default_user,
            file_based: value.file_based,
            tools: all(value.tools),
            env: value.env,
            inherit: value.inherit,
            params: all(value.params),
            secrets: all(value.secrets),
            settings: all(value.settings),
            modes: all(value.modes),
            scopes: all(value.scopes),
            native_compression: value.native_compression,
            stream_conflicts: value.stream_conflicts,
            plans_by_inventory: value.plans_by_inventory,
            restores_offline: value.restores_offline,
        }
    }
}
