//! How a user names a backup: an id, a unique prefix of one, `latest`, or `at:<RFC 3339>`.

use std::str::FromStr;

use jiff::Timestamp;

use crate::manifest::Manifest;

/// What stands for BACKUP on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// An id or the beginning of one, in small letters.
    Id(String),
    /// The newest.
    Latest,
    /// The newest that was started at or before this time.
    At(Timestamp),
}

/// Why no backup, or not one backup, is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SelectError {
    #[error("{0:?} names no backup: use an id, a prefix of one, `latest`, or `at:2026-02-07T02:00:00Z`")]
    Malformed(String),
    #[error("there is no backup here")]
    Empty,
    #[error("no backup has an id that starts with {0:?}")]
    NoSuchId(String),
    #[error("there is no backup at or before {0}")]
    NoneBefore(Timestamp),
    #[error("{prefix:?} is the beginning of {count} ids: {ids}")]
    AmbiguousId { prefix: String, count: usize, ids: String },
    #[error("there are backups of several databases here ({databases}), so `{selector}` does not say which")]
    AmbiguousDatabase { selector: String, databases: String },
    #[error(
        "there are backups of {database} from several servers here ({servers}), so `{selector}` does not say which"
    )]
    AmbiguousServer { selector: String, database: String, servers: String },
}

impl FromStr for Selector {
    type Err = SelectError;

    fn from_str(text: &str) -> Result<Self, SelectError> {
        let malformed = || SelectError::Malformed(text.to_owned());
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Some(time) = text.strip_prefix("at:") {
            return time.parse().map(Self::At).map_err(|_| malformed());
        }
        let id = text.to_ascii_lowercase();
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            return Err(malformed());
        }
        Ok(Self::Id(id))
    }
}

impl Selector {
    /// The one backup that is meant.
    ///
    /// `latest` and `at:` do not guess between databases: where there are several, the caller narrows the list first.
    ///
    /// # Errors
    /// [`SelectError`] where it is none or more than one.
    pub fn pick<'a>(&self, manifests: &'a [Manifest]) -> Result<&'a Manifest, SelectError> {
        match self {
            Self::Id(prefix) => {
                let mut found: Vec<_> = manifests.iter().filter(|m| m.id.starts_with(prefix.as_str())).collect();
                // Copies of one backup are one.
                found.dedup_by(|a, b| a.id == b.id && a.stored_sha256 == b.stored_sha256);
                match found.as_slice() {
                    [] => Err(SelectError::NoSuchId(prefix.clone())),
                    [one] => Ok(one),
                    many => Err(SelectError::AmbiguousId {
                        prefix: prefix.clone(),
                        count: many.len(),
                        ids: many.iter().take(5).map(|m| m.id.as_str()).collect::<Vec<_>>().join(", "),
                    }),
                }
            }
            Self::Latest => {
                one_database("latest", manifests)?;
                manifests.iter().max_by_key(|m| m.created_at).ok_or(SelectError::Empty)
            }
            Self::At(time) => {
                one_database("at:", manifests)?;
                let before = manifests.iter().filter(|m| m.created_at <= *time);
                before.max_by_key(|m| m.created_at).ok_or(SelectError::NoneBefore(*time))
            }
        }
    }
}

fn one_database(selector: &str, manifests: &[Manifest]) -> Result<(), SelectError> {
    let mut names: Vec<_> = manifests.iter().map(|m| (m.engine.as_str(), m.database.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > 1 {
        let shown: Vec<_> = names.iter().take(6).map(|(_, database)| *database).collect();
        let more = if names.len() > shown.len() { ", ..." } else { "" };
        return Err(SelectError::AmbiguousDatabase {
            selector: selector.to_owned(),
            databases: format!("{}{more}", shown.join(", ")),
        });
    }
    let mut servers: Vec<_> = manifests.iter().filter_map(|m| m.server.as_deref()).collect();
    servers.sort_unstable();
    servers.dedup();
    if servers.len() > 1 {
        return Err(SelectError::AmbiguousServer {
            selector: selector.to_owned(),
            database: manifests.first().map(|m| m.database.clone()).unwrap_or_default(),
            servers: servers.into_iter().take(6).collect::<Vec<_>>().join(", "),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn backup(id: &str, database: &str, at: &str) -> Manifest {
        Manifest { id: id.into(), database: database.into(), created_at: at.parse().unwrap(), ..Manifest::example() }
    }

    fn pick<'a>(text: &str, all: &'a [Manifest]) -> Result<&'a str, SelectError> {
        text.parse::<Selector>()?.pick(all).map(|m| m.id.as_str())
    }

    #[test]
    fn each_way_of_naming_one() {
        let all = [
            backup("aa11", "orders", "2026-02-01T00:00:00Z"),
            backup("aa22", "orders", "2026-02-02T00:00:00Z"),
            backup("bb33", "orders", "2026-02-03T00:00:00Z"),
        ];
        assert_eq!(pick("latest", &all), Ok("bb33"));
        assert_eq!(pick("AA2", &all), Ok("aa22"));
        assert_eq!(pick("at:2026-02-02T12:00:00Z", &all), Ok("aa22"));
        assert_eq!(pick("at:2026-02-01T00:00:00Z", &all), Ok("aa11"));
        assert!(matches!(pick("aa", &all), Err(SelectError::AmbiguousId { count: 2, .. })));
        assert!(matches!(pick("cc", &all), Err(SelectError::NoSuchId(_))));
        assert!(matches!(pick("at:2026-01-31T00:00:00Z", &all), Err(SelectError::NoneBefore(_))));
        assert!(matches!(pick("nonsense!", &all), Err(SelectError::Malformed(_))));
        assert_eq!(pick("latest", &[]), Err(SelectError::Empty));
    }

    #[test]
    fn latest_does_not_guess_between_servers() {
        let mut all = [backup("aa", "orders", "2026-02-01T00:00:00Z"), backup("bb", "orders", "2026-02-02T00:00:00Z")];
        all[1].server = Some("staging:5432".to_owned());
        assert!(matches!(pick("latest", &all), Err(SelectError::AmbiguousServer { .. })));
        all[1].server = None;
        assert_eq!(pick("latest", &all), Ok("bb"));
    }

    #[test]
    fn latest_does_not_guess_between_databases() {
        let all = [backup("aa", "orders", "2026-02-01T00:00:00Z"), backup("bb", "users", "2026-02-02T00:00:00Z")];
        assert!(matches!(pick("latest", &all), Err(SelectError::AmbiguousDatabase { .. })));
        assert_eq!(pick("bb", &all), Ok("bb"));
    }
}
