//! Commands, private files and secrets: what a plan is made of.

use std::fmt;

use crate::{Arg, ArgPiece, Backslash, Command, Encoding, EnvVar, OptionArg, PrivateFile, PrivatePiece, Secret};

/// A file or directory below the private work directory. See [`path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkPath(String);

/// A path below the private work directory, `""` for the directory itself. The host makes it absolute.
pub fn path(path: impl Into<String>) -> WorkPath {
    WorkPath(path.into())
}

impl From<&str> for ArgPiece {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for ArgPiece {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&String> for ArgPiece {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<WorkPath> for ArgPiece {
    fn from(path: WorkPath) -> Self {
        Self::Path(path.0)
    }
}
impl From<&str> for PrivatePiece {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for PrivatePiece {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<WorkPath> for PrivatePiece {
    fn from(path: WorkPath) -> Self {
        Self::Path(path.0)
    }
}
impl From<Secret> for PrivatePiece {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl Command {
    /// A run of the tool that [`Description::tool`](crate::Description::tool) declared under this id.
    pub fn tool(id: impl Into<String>) -> Self {
        Self {
            tool: id.into(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: None,
            stdin_from: None,
            stdout_to: None,
            ok: Vec::new(),
        }
    }

    /// An argument that the engine's author wrote, never built from a request.
    #[must_use]
    pub fn flag(mut self, literal: &'static str) -> Self {
        self.args.push(Arg::Literal(literal.to_owned()));
        self
    }

    /// The same, where a toggle is on.
    #[must_use]
    pub fn flag_if(self, on: bool, literal: &'static str) -> Self {
        if on { self.flag(literal) } else { self }
    }

    /// `name=value` as one item. `name` comes without its `=`; the value may come from the request.
    #[must_use]
    pub fn option(self, name: &'static str, value: impl Into<ArgPiece>) -> Self {
        self.option_of(name, vec![value.into()])
    }

    /// The same, where there is a value.
    #[must_use]
    pub fn option_if(self, name: &'static str, value: Option<impl Into<ArgPiece>>) -> Self {
        match value {
            Some(value) => self.option(name, value),
            None => self,
        }
    }

    /// `name=value` whose value is made of several pieces.
    #[must_use]
    pub fn option_of(mut self, name: &'static str, value: Vec<ArgPiece>) -> Self {
        self.args.push(Arg::Option(OptionArg { name: format!("{name}="), value }));
        self
    }

    /// `name value` as two items, for tools that know no `=`. The host refuses a value that starts with `-`.
    #[must_use]
    pub fn pair(mut self, name: &'static str, value: impl Into<ArgPiece>) -> Self {
        self.args.push(Arg::Pair(OptionArg { name: name.to_owned(), value: vec![value.into()] }));
        self
    }

    /// A positional argument. The host refuses one that is empty or starts with `-`.
    #[must_use]
    pub fn value(self, value: impl Into<ArgPiece>) -> Self {
        self.value_of(vec![value.into()])
    }

    /// A positional argument made of several pieces.
    #[must_use]
    pub fn value_of(mut self, pieces: Vec<ArgPiece>) -> Self {
        self.args.push(Arg::Value(pieces));
        self
    }

    /// A statement that the author wrote around values quoted with [`quote`](crate::quote).
    #[must_use]
    pub fn script(mut self, script: impl Into<String>) -> Self {
        self.args.push(Arg::Script(script.into()));
        self
    }

    /// Here the user's own extra arguments go.
    #[must_use]
    pub fn extra(mut self) -> Self {
        self.args.push(Arg::Extra);
        self
    }

    /// An environment variable. The name must be declared with [`Description::env`](crate::Description::env).
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<PrivatePiece>) -> Self {
        self.env.push(EnvVar { name: name.into(), value: vec![value.into()] });
        self
    }

    /// What the tool reads from its stdin; calls add up.
    #[must_use]
    pub fn stdin(mut self, piece: impl Into<PrivatePiece>) -> Self {
        self.stdin.get_or_insert_default().push(piece.into());
        self
    }

    /// Reads its stdin from a file at this path below the work directory.
    #[must_use]
    pub fn stdin_from(mut self, path: impl Into<String>) -> Self {
        self.stdin_from = Some(path.into());
        self
    }

    /// Keeps its stdout in a file at this path below the work directory.
    #[must_use]
    pub fn stdout_to(mut self, path: impl Into<String>) -> Self {
        self.stdout_to = Some(path.into());
        self
    }

    /// An exit code that means success. Once this was called, 0 does only where it was named too.
    #[must_use]
    pub fn ok(mut self, code: u8) -> Self {
        self.ok.push(code);
        self
    }
}

/// For comparing plans in tests: `PGPASSFILE={work}/pgpass pg_dump --host=db [extra]`. Not for a shell.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for EnvVar { name, value } in &self.env {
            write!(f, "{name}={} ", private(value))?;
        }
        f.write_str(&self.tool)?;
        for arg in &self.args {
            match arg {
                Arg::Literal(text) => write!(f, " {text}")?,
                Arg::Option(option) => write!(f, " {}{}", option.name, pieces(&option.value))?,
                Arg::Pair(option) => write!(f, " {} {}", option.name, pieces(&option.value))?,
                Arg::Value(value) => write!(f, " {}", pieces(value))?,
                Arg::Script(script) => write!(f, " <{script}>")?,
                Arg::Extra => f.write_str(" [extra]")?,
            }
        }
        if let Some(stdin) = &self.stdin {
            write!(f, " << {}", private(stdin))?;
        }
        if let Some(path) = &self.stdin_from {
            write!(f, " < {{work}}/{path}")?;
        }
        if let Some(path) = &self.stdout_to {
            write!(f, " > {{work}}/{path}")?;
        }
        Ok(())
    }
}

fn pieces(value: &[ArgPiece]) -> String {
    let piece = |piece: &ArgPiece| match piece {
        ArgPiece::Text(text) => text.clone(),
        ArgPiece::Path(path) => format!("{{work}}/{path}"),
    };
    value.iter().map(piece).collect()
}

pub(crate) fn private(value: &[PrivatePiece]) -> String {
    let piece = |piece: &PrivatePiece| match piece {
        PrivatePiece::Text(text) => text.clone(),
        PrivatePiece::Path(path) => format!("{{work}}/{path}"),
        PrivatePiece::Secret(secret) => format!("{{secret {}}}", secret.name),
    };
    value.iter().map(piece).collect()
}

impl PrivateFile {
    /// A file of mode 0600 at this path below the work directory.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), content: Vec::new() }
    }

    /// Adds text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.content.push(PrivatePiece::Text(text.into()));
        self
    }

    /// Adds the absolute path of something below the work directory.
    #[must_use]
    pub fn path(mut self, path: WorkPath) -> Self {
        self.content.push(path.into());
        self
    }

    /// Adds a secret, escaped as it says.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.content.push(secret.into());
        self
    }
}

impl Secret {
    /// The secret as it is: for a file that holds nothing else.
    pub fn raw(name: impl Into<String>) -> Self {
        Self { name: name.into(), encoding: Encoding::Raw }
    }

    /// For a file that is read line by line: as it is, and one with a line break is refused.
    pub fn line(name: impl Into<String>) -> Self {
        Self::backslash(name, "", "\n\r")
    }

    /// For the inside of double quotes in a configuration file where a backslash escapes (MySQL option files, `curl -K`);
    /// one with a line break is refused.
    pub fn quoted(name: impl Into<String>) -> Self {
        Self::backslash(name, "\\\"", "\n\r")
    }

    /// Percent-encoded, for a component of a URL.
    pub fn percent(name: impl Into<String>) -> Self {
        Self { name: name.into(), encoding: Encoding::Percent }
    }

    /// For the inside of a JSON string or of a double-quoted YAML string.
    pub fn json(name: impl Into<String>) -> Self {
        Self { name: name.into(), encoding: Encoding::Json }
    }

    /// A backslash before each character of `special`; a secret with one of `forbidden` is refused by name.
    pub fn backslash(name: impl Into<String>, special: &str, forbidden: &str) -> Self {
        let encoding = Encoding::Backslash(Backslash { special: special.to_owned(), forbidden: forbidden.to_owned() });
        Self { name: name.into(), encoding }
    }

    /// Each character of `special` written twice: `'` inside a quoted SQL string.
    pub fn doubled(name: impl Into<String>, special: &str) -> Self {
        Self { name: name.into(), encoding: Encoding::Doubled(special.to_owned()) }
    }
}
