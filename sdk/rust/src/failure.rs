//! Failures: what failed, whose fault it is, what to do next.

use crate::{Blame, Failure, FailureCode};

impl Failure {
    /// A failure with its code and whose fault it is. One sentence, without a full stop.
    pub fn new(code: FailureCode, blame: Blame, message: impl Into<String>) -> Self {
        Self { code, blame, message: message.into(), hint: None, retryable: false }
    }

    /// A setting, or a combination of some, is not possible.
    pub fn settings(message: impl Into<String>) -> Self {
        Self::new(FailureCode::InvalidRequest, Blame::Settings, message)
    }

    /// The engine cannot do this.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Unsupported, Blame::Settings, message)
    }

    /// A tool failed, or does not suit.
    pub fn tool(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, Blame::Tool, message)
    }

    /// The database failed.
    pub fn database(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, Blame::Database, message)
    }

    /// The plugin itself failed: a mistake in it.
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, Blame::Plugin, message)
    }

    /// Nothing answers at the address. The same again may succeed.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Unreachable, Blame::Database, message).retryable()
    }

    /// The server answered and refused user, password or right.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(FailureCode::AccessDenied, Blame::Settings, message)
    }

    /// There is no such database.
    pub fn missing_database(message: impl Into<String>) -> Self {
        Self::new(FailureCode::MissingDatabase, Blame::Settings, message)
    }

    /// The dump is not what this engine wrote.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Damaged, Blame::Database, message)
    }

    /// What is left to say of a tool that failed in a way the engine does not know: its last line.
    pub fn of_tool(tool: &str, code: Option<i32>, stderr: &str) -> Self {
        let how =
            code.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("ended with exit code {code}"));
        let killed = Self::tool(format!("{tool} {how} and said nothing"));
        match last_line(stderr) {
            None if code.is_none() => killed.hint("if nobody stopped it, look for the kernel's OOM killer (dmesg)"),
            None => killed,
            Some(line) => Self::tool(format!("{tool} {how}: {line}")),
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Gives it another code.
    #[must_use]
    pub fn code(mut self, code: FailureCode) -> Self {
        self.code = code;
        self
    }

    /// The same again may succeed.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

/// The last line that says anything, cut to a length that fits into a message.
fn last_line(stderr: &str) -> Option<String> {
    stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).map(cut)
}

/// At most 300 characters, the last of which then tells that there were more.
pub(crate) fn cut(line: &str) -> String {
    const LONGEST: usize = 300;
    if line.chars().nth(LONGEST).is_none() {
        return line.to_owned();
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words() {
        assert_eq!(Failure::of_tool("t", Some(3), "a\nb: no\n\n").message, "t ended with exit code 3: b: no");
        assert_eq!(Failure::of_tool("t", None, " ").message, "t was ended by a signal and said nothing");
        assert!(Failure::of_tool("t", None, &"é".repeat(9000)).message.len() < 700);
    }
}
