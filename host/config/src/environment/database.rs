//! Which database: `DB_*`, and what StarTree's job says instead.

use std::collections::BTreeMap;

use super::Variables;
use crate::kind::Kind;
use crate::origin::{Origin, Problem};
use crate::value::{Settings, Value};

/// A parameter of a connection and its value.
type Param = (&'static str, &'static str);

/// How each engine is told to encrypt the connection, and to do so where the server offers it: `SSL_MODE` knows no
/// engine. The engines by every name that their plugins answer to, and by the schemes of their URLs.
const TLS: [(&[&str], Param, Option<Param>); 6] = [
    (&["pg", "postgres", "postgresql", "pgsql"], ("sslmode", "require"), Some(("sslmode", "prefer"))),
    (&["cockroach", "cockroachdb", "crdb"], ("sslmode", "require"), None),
    (&["mysql", "percona"], ("ssl-mode", "REQUIRED"), Some(("ssl-mode", "PREFERRED"))),
    (&["mariadb", "mariadb-ha", "maria", "arango", "arangodb", "cassandra"], ("ssl", "true"), None),
    (&["mongo", "mongodb", "mongod", "elasticsearch", "es", "elastic", "opensearch"], ("tls", "true"), None),
    (&["clickhouse"], ("secure", "true"), None),
];
/// Those that have it as an option and not in their URL.
const TLS_OPTION: [&str; 2] = ["redis", "valkey"];
/// Those whose URLs with this scheme are encrypted anyway.
const ENCRYPTED: [&str; 3] = ["rediss", "valkeys", "mongodb+srv"];

impl Variables<'_> {
    /// Which database it is, and as whom.
    pub(super) fn database(&mut self) {
        self.take("plugin", &["DB_ENGINE", "DB_TYPE"]);
        if let Some((url, origin)) = self.secret("DB_URI") {
            self.settings.set("db", Value::Url(url), origin);
        }
        self.take("host", &["DB_HOST"]);
        self.take("user", &["DB_USER", "DB_USERNAME"]);
        self.take("database", &["DB_NAME"]);
        // Kubernetes sets DB_PORT in every pod beside a Service called `db`, to `tcp://10.0.0.1:5432`.
        match self.first(&["DB_PORT"]) {
            Some((_, text)) if text.starts_with("tcp://") => {
                self.warn("DB_PORT", "left alone: Kubernetes set it for a Service called `db`");
            }
            _ => self.take("port", &["DB_PORT"]),
        }
        if let Some((password, origin)) = self.secret("DB_PASSWORD") {
            self.settings.set("password", Value::Secret(password), origin);
        }
        self.take("all_databases", &["BACKUP_ALL_DATABASES", "BACKUP_ALL_DBS"]);
        self.startree();
        if self.settings.toggle("all_databases") == Some(true) {
            self.settings.remove("database");
        }
        let mut params = BTreeMap::new();
        let mut from = None;
        if let (Some(source), false) = (self.env.get("DB_AUTH_SOURCE"), self.settings.has("db")) {
            // Other engines have no such parameter, and their containers got it for nothing.
            if self.engine().is_none_or(|engine| engine.starts_with("mongo")) {
                params.insert("authSource".to_owned(), source);
                from = Some(Origin::Environment("DB_AUTH_SOURCE".to_owned()));
            }
        }
        if let Some((name, value)) = self.tls() {
            params.insert(name.to_owned(), value.to_owned());
            from = Some(Origin::Environment("SSL_MODE".to_owned()));
        }
        if let Some(origin) = from {
            self.settings.set("params", Value::Map(params), origin);
        }
    }

    /// What the engine is called, where that can be known.
    fn engine(&self) -> Option<String> {
        let named = self.settings.text("plugin").map(|name| {
            let file = name.rsplit('/').next().unwrap_or(&name).to_owned();
            file.strip_suffix(".wasm").map_or(file.clone(), str::to_owned)
        });
        let scheme = || Some(self.settings.secret("db")?.expose().split_once(':')?.0.to_owned());
        named.or_else(scheme).map(|name| name.to_ascii_lowercase())
    }

    fn tls(&mut self) -> Option<Param> {
        let text = self.env.get("SSL_MODE")?;
        let Ok(Value::Toggle(on)) = Kind::Toggle.read(&text) else {
            self.problem("SSL_MODE", format!("it takes true or false, not {text:?}"));
            return None;
        };
        let engine = self.engine().unwrap_or_default();
        if TLS_OPTION.contains(&engine.as_str()) {
            if on {
                let options = BTreeMap::from([("tls".to_owned(), "true".to_owned())]);
                self.settings.set("options", Value::Map(options), Origin::Environment("SSL_MODE".to_owned()));
            }
            return None;
        }
        let found = TLS.iter().find(|(names, ..)| names.contains(&engine.as_str()));
        match found {
            Some((_, wanted, _)) if on => Some(*wanted),
            Some((.., offered)) => *offered,
            None if !on || ENCRYPTED.contains(&engine.as_str()) => None,
            // To go on would be to send the password over a connection that was to be encrypted.
            None => {
                let what = if engine.is_empty() {
                    "an engine that is not named".to_owned()
                } else {
                    format!("the engine {engine}")
                };
                let problem = Problem::new(
                    Origin::Environment("SSL_MODE".to_owned()),
                    format!("planb does not know how {what} is told to encrypt its connection"),
                );
                self.problems.push(problem.with_hint("set DB_ENGINE, or give a DB_URI that says so in its query"));
                None
            }
        }
    }

    /// StarTree's job: the whole MariaDB behind a Service, as root.
    fn startree(&mut self) {
        const SERVICE: &str = "MARIADB_HA_SERVICE_NAME";
        let Some(service) = self.env.get(SERVICE) else { return };
        if self.settings.has("host") || self.settings.has("db") {
            return;
        }
        let text = |text: &str| Value::Text(text.to_owned());
        let unless = |settings: &mut Settings, key: &'static str, value: Value| {
            if !settings.has(key) {
                settings.set(key, value, Origin::Environment(SERVICE.to_owned()));
            }
        };
        unless(&mut self.settings, "host", Value::Text(service));
        unless(&mut self.settings, "plugin", text("mariadb"));
        unless(&mut self.settings, "user", text("root"));
        unless(&mut self.settings, "name", text("mariadb-ha-backup/{db}-{date}-{time}"));
        if !self.settings.has("database") {
            unless(&mut self.settings, "all_databases", Value::Toggle(true));
        }
        if !self.settings.has("password")
            && let Some(secret) = self.env.get("MARIADB_HA_SECRET_NAME")
        {
            let namespace = self.env.get("CELL_DEFAULT_NAMESPACE").unwrap_or_else(|| "its namespace".to_owned());
            let message =
                format!("the password is in the Secret {secret} of {namespace}, and planb asks no Kubernetes API");
            let problem = Problem::new(Origin::Environment("MARIADB_HA_SECRET_NAME".to_owned()), message);
            self.problems.push(problem.with_hint(format!(
                "hand it over in the CronJob: DB_PASSWORD with valueFrom.secretKeyRef {{name: {secret}, key: root-password}}"
            )));
        }
    }
}
