//! The host's types to `planb:engine@0.1`: what a plugin is asked.

use planb_model::engine as e;

use super::v0_1::bindings::planb::engine::types as t;

impl From<e::Mode> for t::Mode {
    fn from(value: e::Mode) -> Self {
        match value {
            e::Mode::Stream => Self::Stream,
            e::Mode::File => Self::File,
            e::Mode::Directory => Self::Directory,
            e::Mode::Tar => Self::Tar,
        }
    }
}

impl From<e::TargetState> for t::TargetState {
    fn from(value: e::TargetState) -> Self {
        match value {
            e::TargetState::Missing => Self::Missing,
            e::TargetState::Empty => Self::Empty,
            e::TargetState::Occupied => Self::Occupied,
            e::TargetState::Unknown => Self::Unknown,
        }
    }
}

impl From<&e::Scope> for t::Scope {
    fn from(value: &e::Scope) -> Self {
        match value {
            e::Scope::Database(name) => Self::Database(name.clone()),
            e::Scope::All => Self::All,
            e::Scope::Globals => Self::Globals,
        }
    }
}

impl From<&e::Connection> for t::Connection {
    fn from(value: &e::Connection) -> Self {
        let e::Connection { scheme, host, port, others, socket, user, secrets, params } = value.clone();
        let others = others.into_iter().map(|(host, port)| t::Endpoint { host, port }).collect();
        Self { scheme, host, port, others, socket, user, secrets, params }
    }
}

impl From<&e::FoundTool> for t::FoundTool {
    fn from(value: &e::FoundTool) -> Self {
        Self { id: value.id.clone(), version: value.version.clone(), banner: value.banner.clone() }
    }
}

impl From<&e::Object> for t::Object {
    fn from(value: &e::Object) -> Self {
        Self { kind: value.kind.clone(), name: value.name.clone(), rows: value.rows }
    }
}

impl From<&e::Request> for t::Request {
    fn from(value: &e::Request) -> Self {
        Self {
            connection: (&value.connection).into(),
            scope: (&value.scope).into(),
            mode: value.mode.into(),
            native_compression: value.native_compression,
            settings: value.settings.clone(),
            extra_args: value.extra_args.clone(),
            tools: value.tools.iter().map(Into::into).collect(),
            server_version: value.server_version.clone(),
            objects: value.objects.as_ref().map(|objects| objects.iter().map(Into::into).collect()),
            serve_at: value.serve_at.clone(),
        }
    }
}

impl From<&e::Artifact> for t::Artifact {
    fn from(value: &e::Artifact) -> Self {
        let e::Artifact { extension, media_type, compressed, format } = value.clone();
        Self { extension, media_type, compressed, format }
    }
}

impl From<&e::RestoreRequest> for t::RestoreRequest {
    fn from(value: &e::RestoreRequest) -> Self {
        Self {
            request: (&value.request).into(),
            artifact: (&value.artifact).into(),
            source_scope: (&value.source_scope).into(),
            source_version: value.source_version.clone(),
            objects: value.objects.iter().map(Into::into).collect(),
            files: value.files.clone(),
            target: value.target.into(),
            replace: value.replace,
        }
    }
}

impl From<&e::Query> for t::Query {
    fn from(value: &e::Query) -> Self {
        match value {
            e::Query::Ping => Self::Ping,
            e::Query::Version => Self::Version,
            e::Query::Databases => Self::Databases,
            e::Query::Size(scope) => Self::Size(scope.into()),
            e::Query::State(scope) => Self::State(scope.into()),
            e::Query::Inventory(scope) => Self::Inventory(scope.into()),
        }
    }
}
