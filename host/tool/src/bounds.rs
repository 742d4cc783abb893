//! What an operation's tools write to beside its work directory, from what the engine and the user say.
//!
//! In four ways the files outside become known: an option of the user's names a folder (`--option data-dir=...`); the engine's databases
//! are files; Java has its temporary files in /tmp whatever it is told; a program works on the files of a server of this machine,
//! wherever that server's configuration says they are, and then nothing can be known. Whom planb does not know gets the first two only:
//! a plugin that is not its own could otherwise name what it likes.

use std::path::{Path, PathBuf};

use planb_model::engine::{Connection, Description, Scope, SettingKind};

/// What tools write to beside their work directory. See [`crate::Launcher::with_confine`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Files, and folders with all below them. What is not there yet stands for the nearest folder that is.
    pub writable: Vec<PathBuf>,
    /// Programs that are known to work on a server's own files are left alone.
    pub servers_own: bool,
    /// And so are those that are a server themselves, where no other is named.
    pub no_server: bool,
}

/// Work on the files of a server of this machine, wherever its own configuration says they are.
const SERVERS_OWN: [&str; 3] = ["neo4j-admin", "slapadd", "slapcat"];
/// Open the database's files themselves, or start a server process that does, where they are given no address.
const EMBEDDED: [&str; 6] = ["expdp", "gbak", "impdp", "isql", "isql-fb", "sqlplus"];
/// What says that an engine's tools run on Java.
const JAVA: &str = "JAVA_HOME";

impl Bounds {
    /// Those of an operation. `settings` are the resolved ones, with their defaults. `trusted`: the plugin is one of planb's own, and
    /// what it says by itself counts too.
    pub fn of(engine: &Description, connection: &Connection, settings: &[(String, String)], trusted: bool) -> Self {
        let mut writable = Vec::new();
        for (name, value) in settings {
            let Some(setting) = engine.settings.iter().find(|setting| setting.name == *name) else { continue };
            // Of a text too: a folder as the server sees it, which is this machine's where no other is named.
            let folder = matches!(setting.kind, SettingKind::Path | SettingKind::Text) && value.starts_with('/');
            let own = setting.default.as_ref() == Some(value);
            // What nobody named is not made, so it does not stand for a folder above it.
            if folder && (!own || (trusted && Path::new(value).exists())) {
                writable.push(PathBuf::from(value));
            }
        }
        if trusted && engine.inherit.iter().any(|name| name == JAVA) {
            writable.push("/tmp".into());
        }
        let no_server = trusted && connection.host.is_none() && connection.socket.is_none();
        Self { writable, servers_own: trusted, no_server }
    }

    /// What more a scope brings: where a database is a file, its folder, and that of the file which a link leads to, since journals lie
    /// beside it even while it is only read.
    pub fn of_scope(engine: &Description, scope: &Scope) -> Vec<PathBuf> {
        match scope {
            Scope::Database(file) if engine.file_based => folders_of(Path::new(file)),
            _ => Vec::new(),
        }
    }

    /// Whether a program is left unconfined.
    pub(crate) fn spare(&self, program: &Path) -> bool {
        let is_of = |names: &[&str]| program.file_name().is_some_and(|file| names.iter().any(|name| file == *name));
        (self.servers_own && is_of(&SERVERS_OWN)) || (self.no_server && is_of(&EMBEDDED))
    }
}

fn folders_of(file: &Path) -> Vec<PathBuf> {
    let led = std::fs::canonicalize(file).ok();
    let folders = [Some(file), led.as_deref()].into_iter().flatten().filter_map(Path::parent);
    // None makes the folder, so one that is not there does not stand for one above it.
    let mut folders: Vec<_> = folders.filter(|folder| folder.is_dir()).map(Path::to_path_buf).collect();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use planb_model::engine::Setting;

    fn engine(settings: &[(&str, SettingKind, Option<&str>)]) -> Description {
        let settings = settings.iter().map(|(name, kind, default)| Setting {
            name: (*name).to_owned(),
            kind: kind.clone(),
            default: default.map(str::to_owned),
            summary: String::new(),
        });
        Description {
            key: String::new(),
            name: String::new(),
            aliases: vec![],
            version: String::new(),
            schemes: vec![],
            default_port: None,
            default_user: None,
            file_based: false,
            tools: vec![],
            env: vec![],
            inherit: vec![],
            params: vec![],
            secrets: vec![],
            settings: settings.collect(),
            modes: vec![],
            scopes: vec![],
            native_compression: false,
            stream_conflicts: vec![],
            plans_by_inventory: false,
            restores_offline: false,
        }
    }

    fn given(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn folders_that_the_user_names() {
        let engine = engine(&[
            ("data-dir", SettingKind::Path, None),
            ("server-dir", SettingKind::Text, Some("/usr")),
            ("import-dir", SettingKind::Path, Some("/no/such/folder")),
            ("tables", SettingKind::Text, None),
            ("jobs", SettingKind::Number, None),
        ]);
        let settings = given(&[
            ("data-dir", "/new/data"),
            ("server-dir", "/usr"),
            ("import-dir", "/no/such/folder"),
            ("tables", "a,b"),
            ("jobs", "4"),
            ("unknown", "/x"),
        ]);
        let host = Connection { host: Some("db".to_owned()), ..Connection::default() };
        let ours = Bounds::of(&engine, &host, &settings, true);
        assert_eq!(ours.writable, [Path::new("/new/data"), Path::new("/usr")]);
        // What a plugin that nobody knows says by itself does not count.
        let theirs = Bounds::of(&engine, &host, &settings, false);
        assert_eq!(theirs, Bounds { writable: vec!["/new/data".into()], ..Bounds::default() });
        let other = Bounds::of(&engine, &host, &given(&[("import-dir", "/no/other")]), false);
        assert_eq!(other.writable, [Path::new("/no/other")]);
    }

    #[test]
    fn java_writes_to_tmp() {
        let mut engine = engine(&[]);
        engine.inherit = vec!["NEO4J_HOME".to_owned(), JAVA.to_owned()];
        let host = Connection::default();
        assert_eq!(Bounds::of(&engine, &host, &[], true).writable, [Path::new("/tmp")]);
        assert!(Bounds::of(&engine, &host, &[], false).writable.is_empty());
    }

    #[test]
    fn programs_that_nothing_is_known_of_beforehand() {
        let engine = engine(&[]);
        let here = Connection::default();
        let socket = Connection { socket: Some("/run/x".to_owned()), ..Connection::default() };
        let (gbak, slapcat) = (Path::new("/usr/bin/gbak"), Path::new("/usr/sbin/slapcat"));
        let spared = |connection, trusted, program| Bounds::of(&engine, connection, &[], trusted).spare(program);
        assert!(spared(&here, true, gbak) && !spared(&socket, true, gbak) && !spared(&here, false, gbak));
        assert!(spared(&here, true, slapcat) && spared(&socket, true, slapcat) && !spared(&here, false, slapcat));
        assert!(!spared(&here, true, Path::new("/usr/bin/pg_dump")) && !spared(&here, true, Path::new("/slapcat/x")));
        assert!(!Bounds::default().spare(slapcat));
    }

    #[test]
    fn a_database_that_is_a_link_has_two_folders() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("there")).unwrap();
        std::fs::write(base.join("there/real.db"), "").unwrap();
        std::os::unix::fs::symlink("there/real.db", base.join("link.db")).unwrap();
        let files = Description { file_based: true, ..engine(&[]) };
        let of = |name: &str| Bounds::of_scope(&files, &Scope::Database(base.join(name).display().to_string()));
        assert_eq!(of("link.db"), [base.clone(), base.join("there")]);
        assert_eq!(of("there/real.db"), [base.join("there")]);
        assert_eq!(of("new.db"), std::slice::from_ref(&base));
        assert!(of("missing/new.db").is_empty());
        assert!(Bounds::of_scope(&engine(&[]), &Scope::Database("/usr/x".to_owned())).is_empty());
        assert!(Bounds::of_scope(&files, &Scope::All).is_empty());
    }
}
