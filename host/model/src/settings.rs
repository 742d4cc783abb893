//! `--option NAME=VALUE`: checked against what the engine declares, defaults filled in.

use crate::connection::did_you_mean;
use crate::engine::{Description, Setting, SettingKind};

/// Why an option cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SettingError {
    #[error("the {engine} engine has no option `{name}`{nearest}")]
    Unknown { engine: String, name: String, nearest: String },
    #[error("the option `{0}` is given twice")]
    Twice(String),
    #[error("the option `{name}` takes {takes}, not {value:?}")]
    Value { name: String, takes: String, value: String },
}

/// The settings as a plugin gets them, in the order in which it declares them.
///
/// # Errors
/// [`SettingError`].
pub fn resolve(engine: &Description, given: &[(String, String)]) -> Result<Vec<(String, String)>, SettingError> {
    for (at, (name, _)) in given.iter().enumerate() {
        if given[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(SettingError::Twice(name.clone()));
        }
        if !engine.settings.iter().any(|setting| setting.name == *name) {
            let nearest = did_you_mean(name, engine.settings.iter().map(|setting| setting.name.as_str()));
            return Err(SettingError::Unknown { engine: engine.name.clone(), name: name.clone(), nearest });
        }
    }
    let mut out = Vec::new();
    for setting in &engine.settings {
        let given = given.iter().find(|(name, _)| *name == setting.name).map(|(_, value)| value);
        let Some(given) = given.or(setting.default.as_ref()) else { continue };
        let bad = |takes| SettingError::Value { name: setting.name.clone(), takes, value: given.clone() };
        let value = value(setting, given).map_err(bad)?;
        out.push((setting.name.clone(), value));
    }
    Ok(out)
}

/// A value as its setting has it, or what the setting takes.
///
/// # Errors
/// The end of the sentence "it takes ...".
pub fn value(setting: &Setting, value: &str) -> Result<String, String> {
    Ok(match &setting.kind {
        SettingKind::Text | SettingKind::Path => value.to_owned(),
        SettingKind::Number => value.parse::<u64>().map_err(|_| "a whole number".to_owned())?.to_string(),
        SettingKind::Toggle => match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "true".to_owned(),
            "false" | "no" | "off" | "0" => "false".to_owned(),
            _ => return Err("true or false".to_owned()),
        },
        SettingKind::Choice(words) if words.iter().any(|word| word == value) => value.to_owned(),
        SettingKind::Choice(words) => return Err(format!("one of {}", words.join(", "))),
    })
}
