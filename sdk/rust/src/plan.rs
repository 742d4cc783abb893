//! Builders of whole plans.

use crate::{
    Artifact, BackupPlan, Command, Input, Output, PrivateFile, QueryPlan, RestorePlan, Sink, Source, StdoutSource, Trim,
};

impl Artifact {
    /// An uncompressed artifact; the extension comes without its dot.
    pub fn new(extension: impl Into<String>, media_type: impl Into<String>, format: impl Into<String>) -> Self {
        Self { extension: extension.into(), media_type: media_type.into(), compressed: false, format: format.into() }
    }

    /// Says whether the bytes are compressed already, so that the host adds no compression of its own.
    #[must_use]
    pub fn compressed(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }
}

impl BackupPlan {
    /// The dump is what the command writes to its stdout.
    pub fn stdout(command: Command, artifact: Artifact) -> Self {
        Self::of(Source::Stdout(StdoutSource { command, trim: None }), artifact)
    }

    /// The same, without the tool's own noise at the ends.
    pub fn trimmed_stdout(command: Command, trim: Trim, artifact: Artifact) -> Self {
        Self::of(Source::Stdout(StdoutSource { command, trim: Some(trim) }), artifact)
    }

    /// The dump is a file that the command leaves at this path below the work directory.
    pub fn from_file(command: Command, path: impl Into<String>, artifact: Artifact) -> Self {
        Self::of(Source::File(Output { command, path: path.into() }), artifact)
    }

    /// The dump is a directory that the command leaves at this path below the work directory.
    pub fn from_tree(command: Command, path: impl Into<String>, artifact: Artifact) -> Self {
        Self::of(Source::Tree(Output { command, path: path.into() }), artifact)
    }

    fn of(source: Source, artifact: Artifact) -> Self {
        Self { files: Vec::new(), prepare: Vec::new(), source, cleanup: Vec::new(), artifact, warnings: Vec::new() }
    }

    /// Adds private files, written before the first command.
    #[must_use]
    pub fn file(mut self, files: impl IntoIterator<Item = PrivateFile>) -> Self {
        self.files.extend(files);
        self
    }

    /// Adds a command that runs before the source.
    #[must_use]
    pub fn prepare(mut self, command: Command) -> Self {
        self.prepare.push(command);
        self
    }

    /// Adds a command that runs after everything else, whatever happened.
    #[must_use]
    pub fn cleanup(mut self, command: Command) -> Self {
        self.cleanup.push(command);
        self
    }

    /// Adds a sentence for the user and the manifest.
    #[must_use]
    pub fn warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

impl RestorePlan {
    /// The command reads the dump from its stdin.
    pub fn stdin(command: Command) -> Self {
        Self::of(Sink::Stdin(command))
    }

    /// The command finds the dump as a file at this path below the work directory.
    pub fn from_file(command: Command, path: impl Into<String>) -> Self {
        Self::of(Sink::File(Input { command, path: path.into() }))
    }

    /// The command finds the dump as a directory at this path below the work directory.
    pub fn from_tree(command: Command, path: impl Into<String>) -> Self {
        Self::of(Sink::Tree(Input { command, path: path.into() }))
    }

    fn of(sink: Sink) -> Self {
        Self {
            files: Vec::new(),
            prepare: Vec::new(),
            sink,
            finish: Vec::new(),
            cleanup: Vec::new(),
            filter: false,
            warnings: Vec::new(),
        }
    }

    /// Adds private files, written before the first command.
    #[must_use]
    pub fn file(mut self, files: impl IntoIterator<Item = PrivateFile>) -> Self {
        self.files.extend(files);
        self
    }

    /// Adds a command that runs before the dump is taken in.
    #[must_use]
    pub fn prepare(mut self, command: Command) -> Self {
        self.prepare.push(command);
        self
    }

    /// Adds a command that runs once the dump was taken in.
    #[must_use]
    pub fn finish(mut self, command: Command) -> Self {
        self.finish.push(command);
        self
    }

    /// Adds a command that runs after everything else, whatever happened.
    #[must_use]
    pub fn cleanup(mut self, command: Command) -> Self {
        self.cleanup.push(command);
        self
    }

    /// Runs the dump through this plugin's filter on its way.
    #[must_use]
    pub fn filtered(mut self) -> Self {
        self.filter = true;
        self
    }

    /// Adds a sentence for the user.
    #[must_use]
    pub fn warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

impl QueryPlan {
    /// One command, whose stdout holds the answer.
    pub fn new(command: Command) -> Self {
        Self { files: Vec::new(), prepare: Vec::new(), command }
    }

    /// Adds a command that runs before it.
    #[must_use]
    pub fn prepare(mut self, command: Command) -> Self {
        self.prepare.push(command);
        self
    }

    /// Adds private files, written before the command.
    #[must_use]
    pub fn file(mut self, files: impl IntoIterator<Item = PrivateFile>) -> Self {
        self.files.extend(files);
        self
    }
}

/// So that one file can be given where several may.
impl IntoIterator for PrivateFile {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}
