//! Requests, chunks and readable plans for an engine's unit tests.
//!
//! ```
//! use planb_sdk::{Mode, testing};
//!
//! let request = testing::request("orders").password().tool("toydump", "2.1").with_setting("jobs", "4").mode(Mode::Tar);
//! assert_eq!(request.database(), Ok("orders"));
//! ```

use std::fmt;

use crate::{
    Artifact, BackupPlan, Command, Connection, Failure, Filter, FoundTool, Inspection, Inspector, Mode, PrivateFile,
    QueryPlan, Request, RestorePlan, RestoreRequest, Scope, Sink, Source, TargetState, Version,
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

/// Holds an inspector against a dump that is one stream: it has to find the whole of it complete, and what is left after a cut at any byte
/// incomplete, with a finding that says why. Only white space at the end of a dump may be missing unseen.
///
/// # Panics
/// Where it does not.
#[track_caller]
pub fn inspect_cut_anywhere<I: Inspector>(request: &Request, artifact: &Artifact, dump: &[u8]) {
    const CHUNK: usize = 64 << 10;
    let whole = inspect::<I>(request, artifact, dump, CHUNK);
    assert!(whole.complete, "the whole dump is complete: {:?}", whole.findings);
    for end in 0..dump.trim_ascii_end().len() {
        let cut = inspect::<I>(request, artifact, dump.get(..end).unwrap_or_default(), CHUNK);
        assert!(!cut.complete, "cut at {end} of {} it is not complete", dump.len());
        assert!(!cut.findings.is_empty(), "cut at {end} there is a finding");
    }
}

/// What a filter makes of a dump that comes in chunks of this size.
pub fn filter<F: Filter>(request: &RestoreRequest, dump: &[u8], chunk: usize) -> Result<Vec<u8>, Failure> {
    let mut filter = F::new(request);
    let mut out = Vec::new();
    for chunk in dump.chunks(chunk.max(1)) {
        out.extend(filter.push(chunk.to_vec())?);
    }
    out.extend(filter.finish()?);
    Ok(out)
}

impl Source {
    /// The command that makes the dump.
    pub fn command(&self) -> &Command {
        match self {
            Self::Stdout(source) => &source.command,
            Self::File(output) | Self::Tree(output) => &output.command,
            Self::Served(command) => command,
        }
    }
}

impl Sink {
    /// The command that takes the dump in.
    pub fn command(&self) -> &Command {
        match self {
            Self::File(input) | Self::Tree(input) => &input.command,
            Self::Stdin(command) | Self::Served(command) => command,
        }
    }
}

/// For comparing plans in tests: a line for each file, command and warning, in the order of the run.
///
/// ```
/// use planb_sdk::{Artifact, BackupPlan, Command, PrivateFile, Secret};
///
/// let plan = BackupPlan::stdout(Command::tool("toydump"), Artifact::new("sql", "application/sql", "plain"))
///     .file(PrivateFile::new("login").text("password=").secret(Secret::raw("password")).text("\n"))
///     .warning("it is only a toy");
/// assert_eq!(
///     plan.to_string(),
///     "file {work}/login: password={secret password}\\n\nstdout toydump -> plain .sql\nwarning it is only a toy\n"
/// );
/// ```
impl fmt::Display for BackupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        files(f, &self.files)?;
        commands(f, "prepare", &self.prepare)?;
        let (kind, path) = match &self.source {
            Source::Stdout(_) => ("stdout", None),
            Source::File(output) => ("file", Some(&output.path)),
            Source::Tree(output) => ("tree", Some(&output.path)),
            Source::Served(_) => ("served", None),
        };
        write!(f, "{kind}{} {}", at(path), one_line(self.source.command()))?;
        if let Source::Stdout(source) = &self.source
            && let Some(trim) = &source.trim
        {
            write!(f, " [trim {:?} {}]", trim.head_line.as_deref().unwrap_or_default(), trim.tail_bytes)?;
        }
        let Artifact { extension, compressed, format, .. } = &self.artifact;
        writeln!(f, " -> {format} .{extension}{}", if *compressed { " compressed" } else { "" })?;
        commands(f, "cleanup", &self.cleanup)?;
        warnings(f, &self.warnings)
    }
}

/// For comparing plans in tests: a line for each file, command and warning, in the order of the run.
impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        files(f, &self.files)?;
        commands(f, "prepare", &self.prepare)?;
        let (kind, path) = match &self.sink {
            Sink::Stdin(_) => ("stdin", None),
            Sink::File(input) => ("file", Some(&input.path)),
            Sink::Tree(input) => ("tree", Some(&input.path)),
            Sink::Served(_) => ("served", None),
        };
        let filtered = if self.filter { "filtered " } else { "" };
        writeln!(f, "{filtered}{kind}{} {}", at(path), one_line(self.sink.command()))?;
        commands(f, "finish", &self.finish)?;
        commands(f, "cleanup", &self.cleanup)?;
        warnings(f, &self.warnings)
    }
}

/// For comparing plans in tests: a line for each file and command, in the order of the run.
impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        files(f, &self.files)?;
        commands(f, "prepare", &self.prepare)?;
        writeln!(f, "ask {}", one_line(&self.command))
    }
}

fn at(path: Option<&String>) -> String {
    path.map_or_else(String::new, |path| format!(" {{work}}/{path}"))
}

fn one_line(what: &impl ToString) -> String {
    what.to_string().replace('\n', "\\n")
}

fn files(f: &mut fmt::Formatter<'_>, files: &[PrivateFile]) -> fmt::Result {
    files.iter().try_for_each(|PrivateFile { path, content }| {
        writeln!(f, "file {{work}}/{path}: {}", one_line(&crate::command::private(content)))
    })
}

fn commands(f: &mut fmt::Formatter<'_>, when: &str, commands: &[Command]) -> fmt::Result {
    commands.iter().try_for_each(|command| writeln!(f, "{when} {}", one_line(command)))
}

fn warnings(f: &mut fmt::Formatter<'_>, warnings: &[String]) -> fmt::Result {
    warnings.iter().try_for_each(|warning| writeln!(f, "warning {warning}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoFilter, NoInspector, Secret, Trim, path};

    #[test]
    fn plans_are_readable() {
        let artifact = || Artifact::new("bin", "application/octet-stream", "raw").compressed(true);
        let trim = Trim { head_line: Some("noise".to_owned()), tail_bytes: 40 };
        let plan = BackupPlan::trimmed_stdout(Command::tool("dump").env("A", "b"), trim, artifact())
            .prepare(Command::tool("first").stdin("two\nlines"))
            .cleanup(Command::tool("last"));
        assert_eq!(
            plan.to_string(),
            "prepare first << two\\nlines\nstdout A=b dump [trim \"noise\" 40] -> raw .bin compressed\ncleanup last\n"
        );
        let plan = BackupPlan::from_tree(Command::tool("dump"), "out", artifact().compressed(false));
        assert_eq!(plan.to_string(), "tree {work}/out dump -> raw .bin\n");
        assert_eq!(plan.source.command().tool, "dump");
        let plan = RestorePlan::from_file(Command::tool("load").value(path("in")), "in")
            .file(PrivateFile::new("key").secret(Secret::raw("password")))
            .finish(Command::tool("swap"))
            .filtered()
            .warning("w");
        assert_eq!(
            plan.to_string(),
            "file {work}/key: {secret password}\nfiltered file {work}/in load {work}/in\nfinish swap\nwarning w\n"
        );
        assert_eq!(plan.sink.command().tool, "load");
        assert_eq!(QueryPlan::new(Command::tool("ask")).to_string(), "ask ask\n");
    }

    #[test]
    fn a_filter_that_changes_nothing() {
        let restore = request("x").restore(Artifact::new("bin", "x/x", "raw"), TargetState::Empty);
        assert_eq!(filter::<NoFilter>(&restore, b"abc", 2), Ok(b"abc".to_vec()));
    }

    #[test]
    #[should_panic(expected = "cut at 1 of 3 it is not complete")]
    fn an_inspector_that_sees_no_cut() {
        inspect_cut_anywhere::<NoInspector>(&request("x"), &Artifact::new("bin", "x/x", "raw"), b"ab\n");
    }
}
