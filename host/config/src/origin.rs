//! Where a value came from, and what is wrong with it.

use std::fmt;
use std::sync::Arc;

/// A place in a file. Lines and columns begin with 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where a resolved value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A key in the table of its own job, store or target.
    File(Position),
    /// A key in `[defaults]`.
    Defaults(Position),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(String),
    /// Nobody said anything.
    BuiltIn,
}

impl Origin {
    /// The place in the file, where it is one.
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::File(position) | Self::Defaults(position) => Some(position),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(position) => position.fmt(f),
            Self::Defaults(position) => write!(f, "{position} [defaults]"),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("default"),
        }
    }
}

/// One thing that is wrong with the settings, or odd. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Problem {
    /// Where: a place in the file, or a variable.
    pub at: Origin,
    /// What.
    pub message: String,
    /// What to do, where that is more than to correct it.
    pub hint: Option<String>,
}

impl Problem {
    /// One without a hint.
    pub fn new(at: Origin, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The file as a whole has no place in it.
        match self.at.position() {
            Some(Position { file, line: 0, .. }) => write!(f, "{file}: ")?,
            Some(position) => write!(f, "{position}: ")?,
            None if self.at == Origin::BuiltIn => {}
            None => write!(f, "{}: ", self.at)?,
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Finds lines and columns in a text.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    file: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(file: &str, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), text, starts }
    }

    /// The place of a byte; of one in the middle of a character, that character's.
    pub(crate) fn at(&self, byte: usize) -> Position {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let before = &self.text[self.starts[line - 1]..byte];
        Position { file: Arc::clone(&self.file), line, column: before.chars().count() + 1 }
    }

    /// The file as a whole.
    pub(crate) fn whole(&self) -> Position {
        Position { file: Arc::clone(&self.file), line: 0, column: 0 }
    }
}
