//! The JSON Schema of planb.toml, for editors: made from the same keys as the reader.

use serde_json::{Map, Value, json};

use crate::keys::{DRILL, HOOKS, JOB, Key, NOTIFY, RETENTION, SERVE, STORE, TOP};
use crate::kind::Kind;

/// The JSON Schema, as it is published in `docs/planb.schema.json`. Draft 7: the newest that editors of TOML know.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for (name, meaning) in TOP {
        let what = match *name {
            "stores" => named("store", meaning),
            "jobs" => named("job", meaning),
            "notify" => named("target", meaning),
            "defaults" => refer("job", meaning),
            _ => refer("serve", meaning),
        };
        properties.insert((*name).to_owned(), what);
    }
    let mut store = object(STORE, "A place for backups.");
    store["required"] = json!(["url"]);
    let mut target = object(NOTIFY, "A target that is told. Its further keys depend on its type.");
    target["required"] = json!(["type"]);
    target["additionalProperties"] = json!(true);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "planb.toml",
        "description": "Settings of Plan B.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "definitions": {
            "store": store,
            "job": object(JOB, "What is backed up, from where, where to and when."),
            "target": target,
            "serve": object(SERVE, "What `planb serve` itself needs."),
            "retention": object(RETENTION, "Rules of retention."),
            "hooks": object(HOOKS, "Commands around a run."),
            "drill": object(DRILL, "Restores that prove backups."),
        },
    })
}

/// Tables by names that the user chooses.
fn named(definition: &str, meaning: &str) -> Value {
    json!({
        "description": meaning,
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" },
        "additionalProperties": { "$ref": format!("#/definitions/{definition}") },
    })
}

fn refer(definition: &str, meaning: &str) -> Value {
    json!({ "description": meaning, "allOf": [{ "$ref": format!("#/definitions/{definition}") }] })
}

fn object(keys: &[Key], meaning: &str) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut text = key.meaning.to_owned();
        if !key.of.is_empty() {
            let of: Vec<_> = key.of.iter().map(|kind| format!("{kind}:")).collect();
            text.push_str(&format!(" For stores of the kind {}.", of.join(", ")));
        }
        if !key.default.is_empty() {
            text.push_str(&format!(" Without it: {}.", key.default));
        }
        if key.kind.is_secret() {
            let file = json!({ "type": "string", "minLength": 1, "description": format!("A file with it: {text}") });
            let variable =
                json!({ "type": "string", "minLength": 1, "description": format!("A variable with it: {text}") });
            properties.insert(format!("{}_file", key.name), file);
            properties.insert(format!("{}_env", key.name), variable);
        }
        let mut schema = kind(key);
        schema["description"] = Value::String(text);
        properties.insert(key.name.to_owned(), schema);
    }
    json!({ "description": meaning, "type": "object", "additionalProperties": false, "properties": properties })
}

fn kind(key: &Key) -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
    let text_table = || json!({ "type": "object", "additionalProperties": { "type": "string" } });
    match key.kind {
        Kind::Text
        | Kind::Path
        | Kind::Secret
        | Kind::Url
        | Kind::Name
        | Kind::Schedule
        | Kind::Timezone
        | Kind::Address => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Toggle => json!({ "type": "boolean" }),
        Kind::Count(least, u64::MAX) => json!({ "type": "integer", "minimum": least }),
        Kind::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Duration => json!({ "type": "string", "pattern": "^\\s*(0|.*[0-9].*[A-Za-z])\\s*$" }),
        Kind::Size(..) => json!({ "type": "string", "pattern": "^\\s*[0-9]+\\s*([KkMmGgTtPp][Ii]?)?[Bb]\\s*$" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Texts => texts(),
        Kind::Map => json!({ "type": "object", "additionalProperties": { "type": ["string", "boolean", "integer"] } }),
        Kind::Paths | Kind::Secrets => text_table(),
        Kind::Periods => json!({ "anyOf": [{ "const": "nectgmbh" }, text_table()] }),
        Kind::Command => {
            let argv = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, argv] })
        }
        Kind::Compression => {
            json!({ "type": "string", "pattern": "^(zstd(:([1-9]|1[0-9]|2[0-2]))?|gzip(:[1-9])?|none|native)$" })
        }
        Kind::Recipients => json!({ "type": "array", "items": { "type": "string", "pattern": "^age1" } }),
        Kind::Table(_) => json!({ "allOf": [{ "$ref": format!("#/definitions/{}", key.name) }] }),
    }
}
