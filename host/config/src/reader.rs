//! From a table of the file to checked values: every key by what it takes, every mistake with its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use planb_model::connection::did_you_mean;
use planb_model::retention::Period;
use planb_model::secret::Secret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::env::Env;
use crate::keys::{Key, spellings};
use crate::kind::Kind;
use crate::origin::{Lines, Origin, Position, Problem};
use crate::secret::from_file;
use crate::value::{HookCommand, Settings, Value, holds_secret};

/// Reads one file.
pub(crate) struct Reader<'a> {
    pub(crate) lines: Lines<'a>,
    pub(crate) env: &'a dyn Env,
    /// Where relative paths begin.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) problems: Vec<Problem>,
    /// Secrets that stand in the file themselves.
    pub(crate) literals: Vec<(Position, String)>,
}

impl Reader<'_> {
    pub(crate) fn position<T>(&self, of: &Spanned<T>) -> Position {
        self.lines.at(of.span().start)
    }

    pub(crate) fn problem(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(Problem::new(Origin::File(at), message));
    }

    pub(crate) fn problem_with_hint(&mut self, at: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(Origin::File(at), message).with_hint(hint));
    }

    /// A path that stands in the file.
    pub(crate) fn path(&self, text: &str) -> String {
        match &self.folder {
            Some(folder) if Path::new(text).is_relative() => folder.join(text).to_string_lossy().into_owned(),
            _ => text.to_owned(),
        }
    }

    /// Reads a table by its keys. `what` is how the table is called: `jobs.orders`.
    pub(crate) fn table(
        &mut self,
        what: &str,
        keys: &'static [Key],
        table: &DeTable<'_>,
        origin: fn(Position) -> Origin,
    ) -> Settings {
        let mut settings = Settings::default();
        for key in keys.iter().filter(|key| key.kind.is_secret()) {
            match self.secret(what, key.name, key.kind, table) {
                Some((value, at)) => settings.set(key.name, value, origin(at)),
                None if table.keys().any(|name| bare(name.get_ref()) == key.name) => settings.set_wrong(key.name),
                None => {}
            }
        }
        for (name, value) in table {
            let text = name.get_ref().as_ref();
            let known = keys.iter().find(|key| key.name == text);
            match known {
                Some(key) if key.kind.is_secret() => {}
                Some(key) => {
                    let at = self.position(name);
                    match self.value(&format!("{what}.{text}"), key.kind, value, origin) {
                        Ok(Some(value)) => settings.set(key.name, value, origin(at)),
                        Ok(None) => settings.set_wrong(key.name),
                        Err(takes) => {
                            settings.set_wrong(key.name);
                            let at = self.position(value);
                            self.problem(at, format!("`{text}` takes {takes}, not {}", shown(value.get_ref())));
                        }
                    }
                }
                None if spellings(keys).iter().any(|known| known == text) => {}
                None => {
                    let known = spellings(keys);
                    let nearest = did_you_mean(text, known.iter().map(String::as_str));
                    let at = self.position(name);
                    self.problem(at, format!("`[{what}]` has no key `{text}`{nearest}"));
                }
            }
        }
        settings
    }

    /// A value by what its key takes. None where it was wrong inside, which is already said.
    fn value(
        &mut self,
        what: &str,
        kind: Kind,
        value: &Spanned<DeValue<'_>>,
        origin: fn(Position) -> Origin,
    ) -> Result<Option<Value>, String> {
        let inner = value.get_ref();
        Ok(Some(match (kind, inner) {
            (Kind::Count(..), DeValue::Integer(number)) => {
                kind.count(integer(number.as_str(), number.radix()).ok_or_else(|| kind.takes())?)?
            }
            (Kind::Toggle, DeValue::Boolean(on)) => Value::Toggle(*on),
            (Kind::Path, DeValue::String(text)) if !text.is_empty() => Value::Text(self.path(text)),
            (Kind::Texts | Kind::Recipients, DeValue::Array(_)) => Value::Texts(texts(kind, value.get_ref())?),
            (Kind::Command, DeValue::Array(_)) => Value::Command(HookCommand::Argv(texts(kind, value.get_ref())?)),
            (Kind::Map | Kind::Paths, DeValue::Table(table)) => {
                return Ok(self.map(kind, table).map(Value::Map));
            }
            (Kind::Periods, DeValue::Table(table)) => return Ok(self.periods(table)),
            (Kind::Secrets, DeValue::Table(table)) => return Ok(Some(Value::Secrets(self.secrets(what, table)))),
            (Kind::Table(keys), DeValue::Table(table)) => Value::Table(self.table(what, keys, table, origin)),
            // Words and digits in quotes are a mistake for these; in a variable they are all there is.
            (Kind::Count(..) | Kind::Toggle, _) => return Err(kind.takes()),
            (_, DeValue::String(text)) => kind.read(text)?,
            _ => return Err(kind.takes()),
        }))
    }

    fn map(&mut self, kind: Kind, table: &DeTable<'_>) -> Option<BTreeMap<String, String>> {
        let mut map = BTreeMap::new();
        let mut well = true;
        for (name, value) in table {
            let text = match value.get_ref() {
                DeValue::String(text) if matches!(kind, Kind::Paths) => self.path(text),
                DeValue::String(text) => text.as_ref().to_owned(),
                // `schema-only = true` and `jobs = 4` are what people write.
                DeValue::Boolean(on) if matches!(kind, Kind::Map) => on.to_string(),
                DeValue::Integer(number) if matches!(kind, Kind::Map) => {
                    integer(number.as_str(), number.radix()).map_or_else(|| number.to_string(), |n| n.to_string())
                }
                other => {
                    let at = self.position(value);
                    self.problem(at, format!("`{}` takes a text, not {}", name.get_ref(), shown(other)));
                    well = false;
                    continue;
                }
            };
            map.insert(name.get_ref().as_ref().to_owned(), text);
        }
        well.then_some(map)
    }

    fn periods(&mut self, table: &DeTable<'_>) -> Option<Value> {
        let mut map = BTreeMap::new();
        let mut well = true;
        for (name, value) in table {
            let format = name.get_ref().as_ref();
            let read = match value.get_ref() {
                DeValue::String(hold) => Period::new(format, hold).map_err(|error| error.to_string()),
                other => Err(format!("`{format}` takes a time with its unit, not {}", shown(other))),
            };
            match read {
                Ok(period) => drop(map.insert(format.to_owned(), period.hold_text())),
                Err(message) => {
                    let at = self.position(value);
                    self.problem(at, message);
                    well = false;
                }
            }
        }
        well.then_some(Value::Map(map))
    }

    /// The secrets of a table by their names: each key, without `_file` or `_env` behind it.
    fn secrets(&mut self, what: &str, table: &DeTable<'_>) -> BTreeMap<String, Secret> {
        let mut names: Vec<&str> = table.keys().map(|name| bare(name.get_ref())).collect();
        names.sort_unstable();
        names.dedup();
        let mut secrets = BTreeMap::new();
        for name in names {
            if let Some((Value::Secret(secret), _)) = self.secret(what, name, Kind::Secret, table) {
                secrets.insert(name.to_owned(), secret);
            }
        }
        secrets
    }

    /// A secret by one of its three spellings.
    pub(crate) fn secret(
        &mut self,
        what: &str,
        name: &str,
        kind: Kind,
        table: &DeTable<'_>,
    ) -> Option<(Value, Position)> {
        let (file, variable) = (format!("{name}_file"), format!("{name}_env"));
        let mut found = None;
        for spelling in [name, &file, &variable] {
            let Some((key, value)) = table.get_key_value(spelling) else { continue };
            let at = self.position(key);
            if found.is_some() {
                let message = format!("`{what}` gives `{name}` in more than one way");
                self.problem_with_hint(at, message, format!("only one of {name}, {file} and {variable}"));
                continue;
            }
            let DeValue::String(text) = value.get_ref() else {
                let at = self.position(value);
                // Never the value: someone may have put a number there that is a secret.
                self.problem(at, format!("`{spelling}` takes a text, not {}", sort(value.get_ref())));
                continue;
            };
            let secret = if text.is_empty() {
                Err(format!("`{spelling}` is empty"))
            } else if spelling == file {
                let path = self.path(text);
                from_file(Path::new(&path)).map_err(|why| format!("`{spelling}`: {why}"))
            } else if spelling == variable {
                let missing = format!("`{spelling}`: the variable {text} is not set");
                self.env.get(text).map(Secret::new).ok_or(missing)
            } else {
                if !matches!(kind, Kind::Url) || holds_secret(text) {
                    self.literals.push((at.clone(), name.to_owned()));
                }
                Ok(Secret::new(text.as_ref().to_owned()))
            };
            match secret {
                Ok(secret) if matches!(kind, Kind::Url) => found = Some((Value::Url(secret), at)),
                Ok(secret) => found = Some((Value::Secret(secret), at)),
                Err(message) => self.problem(at, message),
            }
        }
        found
    }
}

/// A list of texts.
fn texts(kind: Kind, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let DeValue::Array(array) = value else { return Err(kind.takes()) };
    let mut texts: Vec<String> = Vec::new();
    for item in array {
        match item.get_ref() {
            DeValue::String(text) if matches!(kind, Kind::Recipients) && !text.starts_with("age1") => {
                return Err(format!("{}, not {text:?} among them", kind.takes()));
            }
            // An argument may be empty, a name may not.
            DeValue::String(text) if !text.is_empty() || matches!(kind, Kind::Command) => {
                texts.push(text.as_ref().to_owned());
            }
            _ => return Err(kind.takes()),
        }
    }
    if matches!(kind, Kind::Command) && texts.first().is_none_or(String::is_empty) {
        return Err(kind.takes());
    }
    Ok(texts)
}

/// The name of a secret, however it is spelt.
pub(crate) fn bare(name: &str) -> &str {
    name.strip_suffix("_file").or_else(|| name.strip_suffix("_env")).unwrap_or(name)
}

/// A whole number, as TOML writes it. None below 0.
pub(crate) fn integer(digits: &str, radix: u32) -> Option<u64> {
    u64::from_str_radix(digits.trim_start_matches('+'), radix).ok()
}

/// What stands in the file, for a message.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(on) => on.to_string(),
        other => sort(other).to_owned(),
    }
}

fn sort(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
