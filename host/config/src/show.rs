//! Settings as `planb config show` lists them: each with its value, without secrets, and where it came from.

use crate::keys::Key;
use crate::kind::Kind;
use crate::origin::Origin;
use crate::value::{Settings, Value};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its whole name: `jobs.orders.compress`.
    pub path: String,
    /// Its value as it stands in a file; `***` for a secret. Of a default, in words.
    pub value: String,
    /// Who said so.
    pub origin: Origin,
}

/// The settings of a table in the order of its keys; with what holds where nothing is said.
pub(crate) fn list(path: &str, settings: &Settings, keys: &'static [Key]) -> Vec<Shown> {
    let mut shown = Vec::new();
    for key in keys {
        let path = format!("{path}.{}", key.name);
        match (settings.get(key.name), key.kind) {
            (Some(located), Kind::Table(keys)) => {
                if let Value::Table(inner) = &located.value {
                    shown.extend(list(&path, inner, keys));
                }
            }
            (Some(located), _) => {
                shown.push(Shown { path, value: located.value.to_string(), origin: located.origin.clone() });
            }
            (None, _) if key.default.is_empty() || !key.of.is_empty() => {}
            (None, _) => shown.push(Shown { path, value: key.default.to_owned(), origin: Origin::BuiltIn }),
        }
    }
    shown
}
