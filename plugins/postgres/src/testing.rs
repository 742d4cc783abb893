//! Requests for tests.

use planb_sdk::{Artifact, Connection, FoundTool, Mode, Request, RestoreRequest, Scope, TargetState};

/// Everything given, tools of version 15.
pub(crate) fn request(database: &str) -> Request {
    let tool = |id: &str| FoundTool { id: id.to_owned(), version: Some("15.20".to_owned()), banner: None };
    Request {
        connection: Connection {
            host: Some("db".to_owned()),
            port: Some(5432),
            user: Some("app".to_owned()),
            secrets: vec!["password".to_owned()],
            ..Connection::empty()
        },
        scope: Scope::Database(database.to_owned()),
        mode: Mode::Stream,
        native_compression: false,
        settings: vec![("single-transaction".to_owned(), "true".to_owned())],
        extra_args: Vec::new(),
        tools: ["pg_dump", "pg_dumpall", "pg_restore", "psql"].map(tool).to_vec(),
        server_version: Some("15.20".to_owned()),
        objects: None,
        serve_at: None,
    }
}

/// A plain dump of a database of the same name.
pub(crate) fn restore_request(database: &str, target: TargetState) -> RestoreRequest {
    RestoreRequest {
        request: request(database),
        artifact: Artifact::new("sql", "application/sql", "plain"),
        source_scope: Scope::Database(database.to_owned()),
        source_version: Some("15.20".to_owned()),
        objects: Vec::new(),
        files: Vec::new(),
        target,
        replace: false,
    }
}
