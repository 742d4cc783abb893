//! Builders of throw-away servers and of what is put into them.

use crate::{ArgPiece, Command, Connection, Object, PrivateFile, Scope, ScratchPlan, ScratchSetting, SeedPlan};

impl ScratchPlan {
    /// A server that this command runs.
    pub fn server(command: Command, connection: Connection, scope: Scope) -> Self {
        Self { server: Some(command), ..Self::embedded(connection, scope) }
    }

    /// An engine that needs no server: a database is made by writing to it.
    pub fn embedded(connection: Connection, scope: Scope) -> Self {
        Self {
            files: Vec::new(),
            prepare: Vec::new(),
            server: None,
            ready: Vec::new(),
            connection,
            scope,
            settings: Vec::new(),
            restore_stopped: false,
        }
    }

    /// Adds private files, written before the first command.
    #[must_use]
    pub fn file(mut self, files: impl IntoIterator<Item = PrivateFile>) -> Self {
        self.files.extend(files);
        self
    }

    /// Adds a command that runs before the server.
    #[must_use]
    pub fn prepare(mut self, command: Command) -> Self {
        self.prepare.push(command);
        self
    }

    /// Adds a command that runs once the server answers.
    #[must_use]
    pub fn ready(mut self, command: Command) -> Self {
        self.ready.push(command);
        self
    }

    /// Adds a setting that requests to this server carry.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<ArgPiece>) -> Self {
        self.settings.push(ScratchSetting { name: name.to_owned(), value: vec![value.into()] });
        self
    }

    /// A restore goes into the files of the server while it is not running.
    #[must_use]
    pub fn restore_stopped(mut self) -> Self {
        self.restore_stopped = true;
        self
    }
}

impl SeedPlan {
    /// What the database holds after it.
    pub fn new(holds: impl IntoIterator<Item = Object>) -> Self {
        Self { files: Vec::new(), commands: Vec::new(), holds: holds.into_iter().collect() }
    }

    /// Adds private files, written before the first command.
    #[must_use]
    pub fn file(mut self, files: impl IntoIterator<Item = PrivateFile>) -> Self {
        self.files.extend(files);
        self
    }

    /// Adds a command.
    #[must_use]
    pub fn command(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }
}

impl Connection {
    /// A server on a port of this machine.
    pub fn loopback(port: u16) -> Self {
        Self { host: Some("127.0.0.1".to_owned()), port: Some(port), ..Self::empty() }
    }

    /// A server on a unix socket at this path below the work directory.
    pub fn at_socket(path: impl Into<String>) -> Self {
        Self { socket: Some(path.into()), ..Self::empty() }
    }

    /// As this user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// With a secret that is set.
    #[must_use]
    pub fn with_secret(mut self, name: impl Into<String>) -> Self {
        self.secrets.push(name.into());
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn with_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }
}
