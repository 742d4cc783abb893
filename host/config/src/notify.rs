//! `[notify.NAME]`: a target's table as it stands in the file, with the places of its keys. What the keys mean is
//! host/notify's to say.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Number, Value as Json};
use toml::de::{DeTable, DeValue};

use crate::origin::{Origin, Problem};
use crate::reader::{Reader, integer};
use crate::show::Shown;
use crate::value::Secrecy;

/// A target that is told.
#[derive(Clone)]
pub struct NotifyConfig {
    /// Its name.
    pub name: String,
    /// Its `type`.
    pub kind: String,
    /// All its keys, `type` among them. May hold secrets as they stand in the file, so it prints without values.
    pub table: Map<String, Json>,
    /// Whether only its owner can read the file: else no secret may stand in it.
    pub private: bool,
    /// Where the table begins.
    pub origin: Origin,
    pub(crate) origins: BTreeMap<String, Origin>,
}

/// The keys whose values are secrets: an address may have a token in it.
const SECRET: [&str; 4] = ["url", "token", "password", "secret"];

impl NotifyConfig {
    /// Reads a table.
    pub(crate) fn read(name: &str, at: Origin, table: &DeTable<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let kind = table.get("type").map(|value| (reader.position(value), value.get_ref()));
        let kind = match kind {
            Some((_, DeValue::String(text))) if !text.is_empty() => text.as_ref().to_owned(),
            Some((position, _)) => {
                reader.problem(position, "`type` takes a text that is not empty");
                return None;
            }
            None => {
                let message = format!("`[notify.{name}]` has no `type`");
                let hint = "type = \"slack\", \"discord\", \"webhook\", \"callback\", \"email\", \"ntfy\" or \"ping\"";
                reader.problems.push(Problem::new(at, message).with_hint(hint));
                return None;
            }
        };
        let mut origins = BTreeMap::new();
        let mut json = json_table(table);
        for (key, value) in table {
            let position = reader.position(key);
            let key = key.get_ref().as_ref();
            if let (true, DeValue::String(path)) = (key.ends_with("_file"), value.get_ref()) {
                json.insert(key.to_owned(), Json::String(reader.path(path)));
            }
            // The address of a callback is no secret: its secret is a key of its own.
            let secret = SECRET.contains(&key) && !(key == "url" && kind == "callback");
            if secret && matches!(value.get_ref(), DeValue::String(_)) {
                reader.literals.push((position.clone(), key.to_owned()));
            }
            if let ("headers", DeValue::Table(headers)) = (key, value.get_ref()) {
                let secret = headers.keys().find(|header| tells(header.get_ref()));
                reader.literals.extend(secret.map(|header| (reader.position(header), header.get_ref().to_string())));
            }
            origins.insert(key.to_owned(), Origin::File(position));
        }
        Some(Self { name: name.to_owned(), kind, table: json, private: true, origin: at, origins })
    }

    /// A target that the environment describes.
    pub(crate) fn made(name: &str, kind: &str, mut table: Map<String, Json>, origin: Origin) -> Self {
        table.insert("type".to_owned(), Json::from(kind));
        Self { name: name.to_owned(), kind: kind.to_owned(), table, private: true, origin, origins: BTreeMap::new() }
    }

    /// Where a key stands; the table itself for one that does not.
    pub fn origin_of(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&self.origin)
    }

    pub(crate) fn to_toml(&self, secrecy: Secrecy) -> toml::Table {
        let shown = |(key, value): (&String, &Json)| match secrecy {
            Secrecy::Redacted if is_hidden(key) => (key.clone(), toml::Value::String("***".to_owned())),
            _ => (key.clone(), toml(value)),
        };
        self.table.iter().map(shown).collect()
    }

    /// Each setting with its value and origin, for `planb config show`.
    pub fn shown(&self) -> Vec<Shown> {
        self.table
            .iter()
            .map(|(key, value)| Shown {
                path: format!("notify.{}.{key}", self.name),
                value: if is_hidden(key) { "\"***\"".to_owned() } else { value.to_string() },
                origin: self.origin_of(key).clone(),
            })
            .collect()
    }
}

/// Whether a header is one that lets in.
fn tells(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["auth", "token", "key", "secret", "cookie"].iter().any(|word| header.contains(word))
}

fn is_hidden(key: &str) -> bool {
    SECRET.contains(&key) || key == "headers"
}

impl PartialEq for NotifyConfig {
    /// Two are equal if they say the same, wherever it was said.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.table == other.table
    }
}

impl fmt::Debug for NotifyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotifyConfig({}, {}, {:?})", self.name, self.kind, self.table.keys().collect::<Vec<_>>())
    }
}

fn json_table(table: &DeTable<'_>) -> Map<String, Json> {
    table.iter().map(|(key, value)| (key.get_ref().as_ref().to_owned(), json(value.get_ref()))).collect()
}

fn json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => Json::String(text.as_ref().to_owned()),
        DeValue::Integer(number) => {
            let signed = || i64::from_str_radix(number.as_str(), number.radix()).ok();
            let whole =
                integer(number.as_str(), number.radix()).map(Number::from).or_else(|| signed().map(Number::from));
            whole.map_or_else(|| Json::String(number.to_string()), Json::Number)
        }
        DeValue::Float(number) => {
            let float = number.as_str().parse().ok().and_then(Number::from_f64);
            float.map_or_else(|| Json::String(number.to_string()), Json::Number)
        }
        DeValue::Boolean(on) => Json::Bool(*on),
        DeValue::Datetime(at) => Json::String(at.to_string()),
        DeValue::Array(list) => list.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => Json::Object(json_table(table)),
    }
}

fn toml(value: &Json) -> toml::Value {
    match value {
        Json::Null => toml::Value::String(String::new()),
        Json::Bool(on) => toml::Value::Boolean(*on),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => toml::Value::Integer(whole),
            (None, Some(float)) => toml::Value::Float(float),
            (None, None) => toml::Value::String(number.to_string()),
        },
        Json::String(text) => toml::Value::String(text.clone()),
        Json::Array(list) => toml::Value::Array(list.iter().map(toml).collect()),
        Json::Object(table) => {
            toml::Value::Table(table.iter().map(|(key, value)| (key.clone(), toml(value))).collect())
        }
    }
}
