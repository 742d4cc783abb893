//! Reading requests.

use std::fmt;

use crate::{Connection, Failure, FailureCode, Query, Request, RestoreRequest, Scope, TargetState};

impl Request {
    /// The value of a setting: the user's, or the declared default.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a setting that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.setting(name).filter(|value| !value.is_empty())
    }

    /// The parts of a setting that is a list with commas, without the space around them and without empty ones.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let parts = self.setting(name).unwrap_or_default().split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// The first line that a found tool printed of itself.
    pub fn banner(&self, id: &str) -> Option<&str> {
        self.tools.iter().find(|tool| tool.id == id)?.banner.as_deref()
    }

    /// Whether a toggle is on. One that is not set is off.
    pub fn toggle(&self, name: &str) -> Result<bool, Failure> {
        match self.setting(name) {
            None | Some("false" | "no" | "off" | "0" | "") => Ok(false),
            Some("true" | "yes" | "on" | "1") => Ok(true),
            Some(other) => Err(Failure::settings(format!("setting {name} is a toggle and cannot be {other:?}"))
                .hint(format!("say --option {name}=true or {name}=false"))),
        }
    }

    /// The value of a setting that is a whole number.
    pub fn number(&self, name: &str) -> Result<Option<u32>, Failure> {
        let parse = |value: &str| {
            value
                .parse()
                .map_err(|_| Failure::settings(format!("setting {name} has to be a whole number, not {value:?}")))
        };
        self.setting(name).filter(|value| !value.is_empty()).map(parse).transpose()
    }

    /// The value of a parameter of the URL's query.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.connection.param(name)
    }

    /// Whether a secret is set.
    pub fn has_secret(&self, name: &str) -> bool {
        self.connection.secrets.iter().any(|secret| secret == name)
    }

    /// The name of the database that is meant, or a failure where the scope is another.
    pub fn database(&self) -> Result<&str, Failure> {
        match &self.scope {
            Scope::Database(name) => Ok(name),
            Scope::All => Err(Failure::unsupported("this needs one database, not a whole server")),
            Scope::Globals => Err(Failure::unsupported("this needs one database, not what belongs to the server")),
        }
    }

    /// Whether the host found a tool.
    pub fn has_tool(&self, id: &str) -> bool {
        self.tools.iter().any(|tool| tool.id == id)
    }

    /// The version that a found tool printed.
    pub fn tool_version(&self, id: &str) -> Option<Version> {
        self.tools.iter().find(|tool| tool.id == id)?.version.as_deref().and_then(Version::parse)
    }

    /// A failure where the host did not find a tool.
    pub fn need_tool(&self, id: &str, install_hint: &str) -> Result<(), Failure> {
        if self.has_tool(id) {
            return Ok(());
        }
        let failure = Failure::tool(format!("{id} is not installed")).code(FailureCode::ToolUnfit);
        Err(failure.hint(format!("install {install_hint}, or point --tool-path {id}=/path/to/{id} at it")))
    }

    /// The server's version, where the host asked for it.
    pub fn server(&self) -> Option<Version> {
        self.server_version.as_deref().and_then(Version::parse)
    }
}

impl RestoreRequest {
    /// A failure where the target holds data and the user did not say that it may go.
    pub fn refuse_occupied(&self) -> Result<(), Failure> {
        if self.target != TargetState::Occupied || self.replace {
            return Ok(());
        }
        let what = match &self.request.scope {
            Scope::Database(name) => name.as_str(),
            Scope::All | Scope::Globals => "the server",
        };
        Err(Failure::settings(format!("{what} holds data"))
            .hint("add --replace to have it replaced, or restore into a new database"))
    }

    /// The failure for a backup whose format this engine does not write.
    pub fn unknown_format(&self) -> Failure {
        Failure::damaged(format!("the backup's format is {:?}, which this engine does not write", self.artifact.format))
    }
}

impl Connection {
    /// A connection of which nothing is known yet.
    pub fn empty() -> Self {
        Self {
            scheme: None,
            host: None,
            port: None,
            others: Vec::new(),
            socket: None,
            user: None,
            secrets: Vec::new(),
            params: Vec::new(),
        }
    }

    /// The value of a parameter of the URL's query.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Query {
    /// The query's name in the contract, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Version => "version",
            Self::Databases => "databases",
            Self::Size(_) => "size",
            Self::State(_) => "state",
            Self::Inventory(_) => "inventory",
        }
    }
}

/// The leading numbers of a version, as tools and servers print it. `17beta1` is 17.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number, 0 where there is none.
    pub minor: u32,
    /// The third number, 0 where there is none.
    pub patch: u32,
}

impl Version {
    /// A version of three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The first version number in a text; none where it holds no digit.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let mut rest = text.get(start..)?;
        let mut numbers = [0; 3];
        for number in &mut numbers {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            *number = digits.parse().ok()?;
            rest = match after.strip_prefix('.') {
                Some(after) if after.starts_with(|c: char| c.is_ascii_digit()) => after,
                _ => break,
            };
        }
        let [major, minor, patch] = numbers;
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 {
            write!(f, ".{}", self.patch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_tools_print_them() {
        let parse = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(parse("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)").as_deref(), Some("15.20"));
        assert_eq!(parse("17beta1").as_deref(), Some("17.0"));
        assert_eq!(parse("3.40.1 2022-12-28").as_deref(), Some("3.40.1"));
        assert_eq!(parse("18.").as_deref(), Some("18.0"));
        assert_eq!(parse("none"), None);
        assert_eq!(parse("99999999999999999999"), None);
    }
}
