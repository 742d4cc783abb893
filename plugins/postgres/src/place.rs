//! How a database that was built beside takes its place, or the place of another.
//!
//! A database cannot be filled and renamed in one transaction, so a restore goes in steps, and may be ended between any two of
//! them, by a signal or with the connection. At every moment either the old database or the new one is whole and goes by
//! its name: both change their names in one transaction, and what is dropped is only ever what is not in use.
//!
//! What belongs to a database and is not in it (its owner, encoding and locale, rights, settings, comment) is in no dump that
//! is taken without `--create`. It is read from the old one's rows of the catalogue, and given to the new one.

use planb_sdk::{Command, Failure, Request, quote};

use crate::connect;

/// The first version whose server knows DROP DATABASE ... WITH (FORCE).
const FORCE: u32 = 13;
/// The first whose databases have a locale provider.
const LOCALE_PROVIDER: u32 = 15;
const TEMPLATE: &str = "template0";

/// At the start of each script: whatever the server, the database or the role have set, it is read in one way, and waits for
/// what it has to wait for.
const PREAMBLE: &str = "\
SET search_path = pg_catalog;
SET standard_conforming_strings = on;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
";

/// A database and its stand-ins.
pub(crate) struct Place<'a> {
    request: &'a Request,
    name: &'a str,
    /// The name of the new one while it is built.
    pub(crate) new: String,
    /// The name of the old one once it was replaced.
    old: String,
}

impl<'a> Place<'a> {
    pub(crate) fn of(request: &'a Request, name: &'a str) -> Self {
        Self { request, name, new: beside(name, ".planb-new"), old: beside(name, ".planb-old") }
    }

    /// Makes the new database where there is none of the name.
    pub(crate) fn prepare_missing(&self) -> Result<Vec<Command>, Failure> {
        let mut create = format!("CREATE DATABASE {} TEMPLATE {}", identifier(&self.new), identifier(self.template()));
        if let Some(encoding) = self.request.text("encoding") {
            create.extend([" ENCODING ", &literal(encoding)]);
        }
        if let Some(locale) = self.request.text("locale") {
            create.push_str(&self.locale(locale));
        }
        if let Some(owner) = self.request.text("owner") {
            create.extend([" OWNER ", &identifier(owner)]);
        }
        Ok(vec![self.drop_new()?, self.statement(create)?])
    }

    /// Makes the new database as the old one is.
    ///
    /// What a user lacks the right for has to show here, and not after hours of loading: so the rights and settings are given to the
    /// new database once and taken back. They come for good only at the end, as the load would be subject to them.
    pub(crate) fn prepare_replace(&self) -> Result<Vec<Command>, Failure> {
        let (name, old) = (literal(self.name), literal(&self.old));
        let create = self.create_like();
        let keep = self.keep();
        // A leftover of this name was replaced before: the database that took its place is there.
        let script = format!(
            r#"{PREAMBLE}
SELECT format('DO %L', format('BEGIN RAISE EXCEPTION USING MESSAGE = %L; END', held)) FROM (
  SELECT format('database "%s" cannot be replaced: the logical replication slot "%s" reads from it', database, slot_name)
  FROM pg_replication_slots WHERE database = {name}
  UNION ALL
  SELECT format('database "%s" cannot be replaced: the subscription "%s" is in it', datname, subname)
  FROM pg_database d JOIN pg_subscription s ON subdbid = d.oid WHERE datname = {name}
  UNION ALL
  SELECT format('database "%s" cannot be replaced: the prepared transaction "%s" is in it', database, gid)
  FROM pg_prepared_xacts WHERE database = {name}
) AS found (held) LIMIT 1
\gexec
SELECT format('DROP DATABASE %I', datname) FROM pg_database
WHERE datname = {old} AND EXISTS (SELECT FROM pg_database WHERE datname = {name})
\gexec
{create}\gexec
BEGIN;
{keep}ROLLBACK;
"#
        );
        Ok(vec![self.drop_new()?, self.script(script)?])
    }

    /// Puts the new database in the place of nothing.
    pub(crate) fn finish_missing(&self) -> Result<Vec<Command>, Failure> {
        let rename = format!("ALTER DATABASE {} RENAME TO {}", identifier(&self.new), identifier(self.name));
        Ok(vec![self.statement(rename)?])
    }

    /// Puts the new database in the place of the old one.
    pub(crate) fn finish_replace(&self) -> Result<Vec<Command>, Failure> {
        let (name, new, old) = (identifier(self.name), identifier(&self.new), identifier(&self.old));
        let (name_text, new_text, old_text) = (literal(self.name), literal(&self.new), literal(&self.old));
        let keep = self.keep();
        // A session that was let in before the door was shut may show a moment later; the pause lets it. Sessions without
        // a role are the server's own, and give way by themselves.
        let swap = format!(
            r"{PREAMBLE}
ALTER DATABASE {new} WITH ALLOW_CONNECTIONS false;
SELECT pg_sleep(0.2);
SELECT 'SELECT pg_sleep(0.1) FROM (SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity '
  || format('WHERE datname IN (%L, %L) AND usesysid IS NOT NULL AND pid <> pg_backend_pid()) AS sessions WHERE ended > 0', {name_text}, {new_text})
FROM generate_series(1, 300)
\gexec
BEGIN;
{keep}ALTER DATABASE {name} RENAME TO {old};
ALTER DATABASE {new} RENAME TO {name};
ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true;
SELECT format('ALTER DATABASE %I WITH IS_TEMPLATE false', datname) FROM pg_database WHERE datname = {old_text} AND datistemplate
\gexec
COMMIT;
"
        );
        Ok(vec![
            self.statement(format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))?,
            self.script(swap)?,
            self.statement(format!("DROP DATABASE {old}{}", self.force()))?,
        ])
    }

    pub(crate) fn cleanup_missing(&self) -> Result<Vec<Command>, Failure> {
        Ok(vec![self.drop_new()?])
    }

    /// Opens the old database again where it is still in its place, and removes what is in the place of neither.
    ///
    /// The server may still be at work for a psql that was ended: then the first statement fails, or sees what is about to change, so
    /// it is said twice.
    pub(crate) fn cleanup_replace(&self) -> Result<Vec<Command>, Failure> {
        let (name, new, old) = (literal(self.name), literal(&self.new), literal(&self.old));
        let open = format!(
            r"SELECT format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true', datname) FROM pg_database WHERE datname = {name} AND NOT datallowconn
\gexec
"
        );
        let force = self.force();
        let script = format!(
            r"\set ON_ERROR_STOP off
{PREAMBLE}
{open}SELECT pg_sleep(0.5) FROM pg_database WHERE datname = {new};
\set ON_ERROR_STOP on
{open}SELECT format('DROP DATABASE %I{force}', datname) FROM pg_database
WHERE datname = {old} AND EXISTS (SELECT FROM pg_database WHERE datname = {name})
\gexec
"
        );
        Ok(vec![self.script(script)?, self.drop_new()?])
    }

    fn drop_new(&self) -> Result<Command, Failure> {
        self.statement(format!("DROP DATABASE IF EXISTS {}{}", identifier(&self.new), self.force()))
    }

    /// A query that writes the CREATE DATABASE for the new database by the old one's row.
    ///
    /// The columns of the locale differ by version (daticulocale in 15 and 16, datlocale from 17), so they are looked up by name. A
    /// template of the user's brings its own encoding and locale, which a CREATE DATABASE could not change anyway. The
    /// tablespace is named only where it is not the template's: naming it takes a right, even on the default one.
    fn create_like(&self) -> String {
        let (name, new, template) = (literal(self.name), literal(&self.new), literal(self.template()));
        let owner = self.request.text("owner").map_or_else(|| "pg_get_userbyid(d.datdba)".to_owned(), literal);
        let own_locale = self.template() == TEMPLATE;
        let encoding = match self.request.text("encoding") {
            Some(encoding) => literal(&format!(" ENCODING {}", literal(encoding))),
            None if own_locale => "format(' ENCODING %L', pg_encoding_to_char(d.encoding))".to_owned(),
            None => "''".to_owned(),
        };
        let locale = match self.request.text("locale") {
            Some(locale) => literal(&self.locale(locale)),
            None if own_locale => r"format(' LC_COLLATE %L LC_CTYPE %L', d.datcollate, d.datctype),
  CASE facts ->> 'datlocprovider'
    WHEN 'c' THEN ' LOCALE_PROVIDER libc'
    WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(facts ->> 'datlocale', facts ->> 'daticulocale'))
    WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', facts ->> 'datlocale')
  END,
  ' ICU_RULES ' || quote_literal(facts ->> 'daticurules')"
                .to_owned(),
            None => "''".to_owned(),
        };
        format!(
            r"SELECT concat(
  format('CREATE DATABASE %I TEMPLATE %I OWNER %I', {new}, {template}, {owner}),
  {encoding},
  {locale},
  (SELECT format(' TABLESPACE %I', spcname) FROM pg_tablespace s JOIN pg_database t ON t.datname = {template}
   WHERE s.oid = d.dattablespace AND t.dattablespace <> d.dattablespace)
)
FROM pg_database d, to_jsonb(d) AS facts WHERE d.datname = {name}
"
        )
    }

    /// Gives the new database what belongs to the old one: its rights, settings, comment, labels, limit of connections.
    ///
    /// The values of settings that are lists of names are stored quoted, and would become one name if they were quoted again: they
    /// are taken apart, as pg_dump does (src/bin/pg_dump/dumputils.c, makeAlterConfigCommand and variable_is_guc_list_quote).
    /// Rights that somebody granted who is not the owner come back as granted by the owner.
    fn keep(&self) -> String {
        let (name, new) = (literal(self.name), literal(&self.new));
        format!(
            r#"SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', n.datname, pg_get_userbyid(n.datdba))
FROM pg_database d, pg_database n WHERE d.datname = {name} AND n.datname = {new} AND d.datacl IS NOT NULL
\gexec
SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, n.datname,
  CASE grantee WHEN 0 THEN 'PUBLIC' WHEN d.datdba THEN quote_ident(pg_get_userbyid(n.datdba)) ELSE quote_ident(pg_get_userbyid(grantee)) END)
  || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_database d, pg_database n, aclexplode(d.datacl) WHERE d.datname = {name} AND n.datname = {new}
\gexec
SELECT CASE setrole WHEN 0 THEN '' ELSE format('ALTER ROLE %I IN ', pg_get_userbyid(setrole)) END
  || format(CASE setrole WHEN 0 THEN 'ALTER DATABASE %I SET %I TO %s' ELSE 'DATABASE %I SET %I TO %s' END, {new}, parameter,
    CASE WHEN lower(parameter) IN ('local_preload_libraries', 'search_path', 'session_preload_libraries', 'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
      THEN coalesce((SELECT string_agg(quote_literal(coalesce(replace(item[1], '""', '"'), item[2])), ', ')
        FROM regexp_matches(value, '"((?:[^"]|"")*)"|([^",[:space:]]+)', 'g') AS item), quote_literal(''))
      ELSE quote_literal(value) END)
FROM pg_database d JOIN pg_db_role_setting ON setdatabase = d.oid, unnest(setconfig) AS setting,
  LATERAL (SELECT split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)) AS pair (parameter, value)
WHERE d.datname = {name}
\gexec
SELECT format('COMMENT ON DATABASE %I IS %L', {new}, shobj_description(oid, 'pg_database'))
FROM pg_database WHERE datname = {name} AND shobj_description(oid, 'pg_database') IS NOT NULL
\gexec
SELECT format('SECURITY LABEL FOR %I ON DATABASE %I IS %L', provider, {new}, label)
FROM pg_database d JOIN pg_shseclabel ON objoid = d.oid AND classoid = 'pg_database'::regclass WHERE datname = {name}
\gexec
SELECT format('ALTER DATABASE %I WITH CONNECTION LIMIT %s IS_TEMPLATE %s', {new}, greatest(datconnlimit, -1), datistemplate::text)
FROM pg_database WHERE datname = {name}
\gexec
"#
        )
    }

    fn template(&self) -> &str {
        self.request.text("template").unwrap_or(TEMPLATE)
    }

    /// The locale that the user asks for, which is one of the operating system's.
    fn locale(&self, locale: &str) -> String {
        let locale = literal(locale);
        let knows_providers = self.request.server().is_some_and(|server| server.major >= LOCALE_PROVIDER);
        let provider = if knows_providers { " LOCALE_PROVIDER libc" } else { "" };
        format!("{provider} LC_COLLATE {locale} LC_CTYPE {locale}")
    }

    fn force(&self) -> &'static str {
        if self.request.server().is_none_or(|server| server.major >= FORCE) { " WITH (FORCE)" } else { "" }
    }

    /// One statement outside any transaction.
    fn statement(&self, statement: String) -> Result<Command, Failure> {
        Ok(self.psql()?.flag("--command").script(statement))
    }

    /// Statements, and queries that write some.
    fn script(&self, script: String) -> Result<Command, Failure> {
        Ok(self.psql()?.stdin(script))
    }

    /// `psql` on another database of the server. The names in the scripts go to it byte for byte, as those in the connection do.
    fn psql(&self) -> Result<Command, Failure> {
        let mut psql = connect::psql(self.request, connect::maintenance_beside(self.request, self.name))?;
        psql.env.retain(|var| var.name != "PGCLIENTENCODING");
        Ok(psql)
    }
}

fn identifier(name: &str) -> String {
    quote::sql_identifier(name)
}

/// A string that means the same whatever standard_conforming_strings is.
fn literal(value: &str) -> String {
    let quoted = quote::sql_string(value);
    if quoted.contains('\\') { format!("E{}", quoted.replace('\\', "\\\\")) } else { quoted }
}

/// A name for a database that stands in for another. The server cuts names at 63 bytes; of a name that has to be cut, a number
/// keeps it apart from others that begin alike (FNV-1a, 32 bits).
fn beside(name: &str, suffix: &str) -> String {
    const LONGEST: usize = 63;
    if name.len() + suffix.len() <= LONGEST {
        return format!("{name}{suffix}");
    }
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let number = format!("~{hash:08x}");
    let room = LONGEST - suffix.len() - number.len();
    format!("{}{number}{suffix}", name.get(..name.floor_char_boundary(room)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn long_names_are_cut_between_characters_and_kept_apart() {
        assert_eq!(beside("orders", ".planb-new"), "orders.planb-new");
        let long = beside(&"é".repeat(31), ".planb-new");
        assert!(long.starts_with(&"é".repeat(22)) && long.ends_with(".planb-new") && long.len() <= 63, "{long}");
        assert_ne!(long, beside(&format!("{}x", "é".repeat(30)), ".planb-new"));
    }

    #[test]
    fn strings_mean_one_thing() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }

    #[test]
    fn names_stand_in_quotes_everywhere() {
        let request = request("x");
        let place = Place::of(&request, "a'b\"c");
        for command in [
            place.prepare_missing(),
            place.prepare_replace(),
            place.finish_missing(),
            place.finish_replace(),
            place.cleanup_missing(),
            place.cleanup_replace(),
        ]
        .into_iter()
        .flat_map(Result::unwrap)
        {
            let text = command.to_string();
            assert!(!text.contains("a'b\"c") && (text.contains("a''b\"c") || text.contains("a'b\"\"c")), "{text}");
        }
    }

    #[test]
    fn what_the_user_says_comes_before_what_was() {
        let mut request = request("x");
        let created = |request: &Request| Place::of(request, "x").create_like();
        let text = created(&request);
        for from_the_row in ["pg_get_userbyid(d.datdba)", "d.encoding", "d.datcollate", "datlocprovider"] {
            assert!(text.contains(from_the_row), "{text}");
        }
        request = request.with_setting("owner", "o'x").with_setting("encoding", "LATIN1").with_setting("locale", "C");
        let text = created(&request);
        assert!(
            text.contains(
                ", 'o''x'),\n  ' ENCODING ''LATIN1''',\n  ' LOCALE_PROVIDER libc LC_COLLATE ''C'' LC_CTYPE ''C''',"
            ),
            "{text}"
        );
        let template = created(&crate::testing::request("x").with_setting("template", "mine"));
        assert!(!template.contains("ENCODING") && !template.contains("LC_COLLATE"), "{template}");
        request.server_version = Some("14.2".to_owned());
        assert!(!created(&request).contains("LOCALE_PROVIDER"));
    }
}
