//! Builders of what an engine says of itself.

use crate::{Description, Kind, Mode, NamedSecret, Purpose, ScopeKind, Setting, Tool};

impl Description {
    /// An engine by its short key, its name for people, and the plugin's own version.
    pub fn new(key: impl Into<String>, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            name: name.into(),
            aliases: Vec::new(),
            version: version.into(),
            schemes: Vec::new(),
            default_port: None,
            default_user: None,
            file_based: false,
            tools: Vec::new(),
            env: Vec::new(),
            inherit: Vec::new(),
            params: Vec::new(),
            secrets: Vec::new(),
            settings: Vec::new(),
            modes: Vec::new(),
            scopes: Vec::new(),
            native_compression: false,
            stream_conflicts: Vec::new(),
            plans_by_inventory: false,
            restores_offline: false,
        }
    }

    /// Another name that users may call it by.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// A URL scheme of its connections.
    #[must_use]
    pub fn scheme(mut self, scheme: impl Into<String>) -> Self {
        self.schemes.push(scheme.into());
        self
    }

    /// The port where none is given.
    #[must_use]
    pub fn default_port(mut self, port: u16) -> Self {
        self.default_port = Some(port);
        self
    }

    /// The user where none is given.
    #[must_use]
    pub fn default_user(mut self, user: impl Into<String>) -> Self {
        self.default_user = Some(user.into());
        self
    }

    /// The database is a file.
    #[must_use]
    pub fn file_based(mut self) -> Self {
        self.file_based = true;
        self
    }

    /// A tool that plans may run.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Environment names that plans may set.
    #[must_use]
    pub fn env<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.env.extend(names.into_iter().map(Into::into));
        self
    }

    /// Variables of the host's own environment that its tools get: JAVA_HOME.
    #[must_use]
    pub fn inherit<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.inherit.extend(names.into_iter().map(Into::into));
        self
    }

    /// Parameters that a URL's query may hold, of any text.
    #[must_use]
    pub fn params<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.params.extend(names.into_iter().map(|name| Setting::text(name, "")));
        self
    }

    /// Parameters that a URL's query may hold and that are files or folders, which the host makes absolute.
    #[must_use]
    pub fn path_params<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.params.extend(names.into_iter().map(|name| Setting::path(name, "")));
        self
    }

    /// A parameter that a URL's query may hold.
    #[must_use]
    pub fn param(mut self, param: Setting) -> Self {
        self.params.push(param);
        self
    }

    /// Its backup plans need to know what the server holds.
    #[must_use]
    pub fn plans_by_inventory(mut self) -> Self {
        self.plans_by_inventory = true;
        self
    }

    /// It may restore into the files of a server that is not running.
    #[must_use]
    pub fn restores_offline(mut self) -> Self {
        self.restores_offline = true;
        self
    }

    /// A secret beside the password.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, summary: impl Into<String>) -> Self {
        self.secrets.push(NamedSecret { name: name.into(), summary: summary.into() });
        self
    }

    /// A setting that the user may give.
    #[must_use]
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// A mode; the first is the default.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.modes.push(mode);
        self
    }

    /// A scope that it can back up.
    #[must_use]
    pub fn scope(mut self, scope: ScopeKind) -> Self {
        self.scopes.push(scope);
        self
    }

    /// Its dump tool can compress.
    #[must_use]
    pub fn native_compression(mut self) -> Self {
        self.native_compression = true;
        self
    }

    /// Flags of the dump tool that defeat stream mode.
    #[must_use]
    pub fn stream_conflicts<N: Into<String>>(mut self, flags: impl IntoIterator<Item = N>) -> Self {
        self.stream_conflicts.extend(flags.into_iter().map(Into::into));
        self
    }
}

impl Tool {
    /// A tool whose program has the tool's id as its name.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            programs: vec![id.clone()],
            id,
            version_args: Vec::new(),
            version_ok: Vec::new(),
            version_req: None,
            used_for: Vec::new(),
            install_hint: None,
        }
    }

    /// The program's names, best first, where they differ from the id.
    #[must_use]
    pub fn programs<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.programs = names.into_iter().map(Into::into).collect();
        self
    }

    /// The argument that makes it print its version, and the versions that will do, as a semver requirement.
    #[must_use]
    pub fn version(mut self, arg: &'static str, requirement: impl Into<String>) -> Self {
        self.version_args = vec![arg.to_owned()];
        self.version_req = Some(requirement.into());
        self
    }

    /// An exit code with which it prints its version. Once this was called, 0 does only where it was named too.
    #[must_use]
    pub fn version_ok(mut self, code: u8) -> Self {
        self.version_ok.push(code);
        self
    }

    /// What it is needed for; calls add up.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.used_for.push(purpose);
        self
    }

    /// What to install where it is missing, in one line.
    #[must_use]
    pub fn install(mut self, hint: impl Into<String>) -> Self {
        self.install_hint = Some(hint.into());
        self
    }
}

impl Setting {
    fn new(name: &str, kind: Kind, summary: &str) -> Self {
        Self { name: name.to_owned(), kind, default: None, summary: summary.to_owned() }
    }

    /// Free text.
    pub fn text(name: &str, summary: &str) -> Self {
        Self::new(name, Kind::Text, summary)
    }

    /// A file or folder of the user's, which the host makes absolute.
    pub fn path(name: &str, summary: &str) -> Self {
        Self::new(name, Kind::Path, summary)
    }

    /// A whole number.
    pub fn number(name: &str, summary: &str) -> Self {
        Self::new(name, Kind::Number, summary)
    }

    /// `true` or `false`.
    pub fn toggle(name: &str, default: bool, summary: &str) -> Self {
        Self::new(name, Kind::Toggle, summary).default(if default { "true" } else { "false" })
    }

    /// One of some words.
    pub fn choice(name: &str, words: &[&str], summary: &str) -> Self {
        Self::new(name, Kind::Choice(words.iter().map(|&word| word.to_owned()).collect()), summary)
    }

    /// The value where the user gives none.
    #[must_use]
    pub fn default(mut self, value: &str) -> Self {
        self.default = Some(value.to_owned());
        self
    }
}
