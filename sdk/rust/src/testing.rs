//! Requests and chunks for an engine's unit tests.
//!
//! ```
//! use planb_sdk::{Mode, testing};
//!
//! let request = testing::request("orders").password().tool("toydump", "2.1").with_setting("jobs", "4").mode(Mode::Tar);
//! assert_eq!(request.database(), Ok("orders"));
//! ```

use crate::{
    Artifact, Connection, FoundTool, Inspection, Inspector, Mode, Request, RestoreRequest, Scope, TargetState, Version,
};

/// A request for a database of the server `db`, as the user `app`, in stream mode, without any tool.
pub fn request(database: &str) -> Request {
    Request {
        connection: Connection { host: Some("db".to_owned()), user: Some("app".to_owned()), ..Connection::empty() },
        scope: Scope::Database(database.to_owned()),
        mode: Mode::Stream,
        native_compression: false,
        settings: Vec::new(),
        extra_args: Vec::new(),
        tools: Vec::new(),
        server_version: None,
        objects: None,
        serve_at: None,
    }
}

impl Request {
    /// With a password.
    #[must_use]
    pub fn password(mut self) -> Self {
        self.connection.secrets.push("password".to_owned());
        self
    }

    /// To this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.connection.port = Some(port);
        self
    }

    /// With a tool that was found. Its banner is its name and version.
    #[must_use]
    pub fn tool(mut self, id: &str, version: &str) -> Self {
        debug_assert!(Version::parse(version).is_some(), "{version} is no version");
        self.tools.push(FoundTool {
            id: id.to_owned(),
            version: Some(version.to_owned()),
            banner: Some(format!("{id} {version}")),
        });
        self
    }

    /// With a setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a parameter of the URL's query.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.connection.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// In this mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Of this scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// To a server of this version.
    #[must_use]
    pub fn server_is(mut self, version: &str) -> Self {
        self.server_version = Some(version.to_owned());
        self
    }

    /// The restore of such an artifact of the same scope into this.
    #[must_use]
    pub fn restore(self, artifact: Artifact, target: TargetState) -> RestoreRequest {
        RestoreRequest {
            source_scope: self.scope.clone(),
            source_version: self.server_version.clone(),
            objects: Vec::new(),
            files: Vec::new(),
            request: self,
            artifact,
            target,
            replace: false,
        }
    }
}

/// What an inspector says of a dump that is one stream, fed in chunks of this size.
pub fn inspect<I: Inspector>(request: &Request, artifact: &Artifact, dump: &[u8], chunk: usize) -> Inspection {
    inspect_files::<I>(request, artifact, &[("", dump)], chunk)
}

/// What an inspector says of a dump of several files, fed in chunks of this size.
pub fn inspect_files<I: Inspector>(
    request: &Request,
    artifact: &Artifact,
    files: &[(&str, &[u8])],
    chunk: usize,
) -> Inspection {
    let mut inspector = I::new(request, artifact);
    for (path, bytes) in files {
        inspector.open(path);
        bytes.chunks(chunk.max(1)).for_each(|chunk| inspector.feed(chunk));
    }
    inspector.finish()
}
