//! From flags and environment to the settings of one command, resolved once. Flags beat environment.

mod stores;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use planb_model::connection::Target;
use planb_model::engine::{Connection, Description, Purpose, Scope, ScopeKind, Setting, SettingKind};
use planb_model::secret::{Secret, Secrets};
use planb_pipeline::{Identities, OperationSpec, Timeouts};
use planb_plugin::{CompileCache, Grants, Limits, Plugin, PluginFolders, PluginHost, find};
use planb_tool::{Confine, ToolSearch};

pub(crate) use stores::{configured_url, store_from, store_urls, stores_to};

use crate::args::{DbArgs, Global, KeyArgs};
use crate::exit::Exit;
use crate::jobs::Jobs;
use crate::logging::hide;
use crate::pinned;
use crate::report::Report;

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the command line's settings by environment belong here")]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable says no.
pub(crate) fn env_is_false(name: &str) -> Result<bool, Report> {
    match env(name).as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("true" | "1" | "yes" | "on") => Ok(false),
        Some("false" | "0" | "no" | "off") => Ok(true),
        Some(other) => Err(Report::usage(format!("{name} is true or false, not {other:?}"))),
    }
}

/// A variable that is a number.
pub(crate) fn env_number(name: &str) -> Result<Option<u32>, Report> {
    let parse =
        |text: String| text.parse().map_err(|_| Report::usage(format!("{name} is {text:?}, which is no number")));
    env(name).map(parse).transpose()
}

/// The names of all variables that are set.
pub(crate) fn env_names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

pub(crate) fn env_os(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// A secret by its variable, or by the file that `NAME_FILE` names. A file that cannot be read is an error, never
/// an empty password.
pub(crate) fn secret_env(name: &str) -> Result<Option<Secret>, Report> {
    let secret = match env(&format!("{name}_FILE")) {
        Some(path) => Some(secret_file(Path::new(&path), &format!("{name}_FILE"))?),
        None => env(name).map(Secret::new),
    };
    if let Some(secret) = &secret {
        hide(secret);
    }
    Ok(secret)
}

/// The content of a file without its last newline.
pub(crate) fn secret_file(path: &Path, what: &str) -> Result<Secret, Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Report::usage(format!("{what}: {} cannot be read: {error}", path.display())))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let secret = Secret::new(text.strip_suffix('\r').unwrap_or(text).to_owned());
    hide(&secret);
    Ok(secret)
}

fn home() -> Option<PathBuf> {
    env("HOME").map(PathBuf::from)
}

fn user_folder(variable: &str, fallback: &str) -> Option<PathBuf> {
    let base = env(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(base.or_else(|| home().map(|home| home.join(fallback)))?.join("planb"))
}

/// Where `planb plugin add` keeps plugins and grants.
pub(crate) fn data_folder() -> Option<PathBuf> {
    user_folder("XDG_DATA_HOME", ".local/share")
}

/// Where `planb serve` keeps its state where nobody says otherwise.
pub(crate) fn state_folder() -> Option<PathBuf> {
    user_folder("XDG_STATE_HOME", ".local/state")
}

/// The file of grants.
pub(crate) fn grants_file() -> Option<PathBuf> {
    user_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("grants.json"))
}

/// Where plugins are looked for by name.
pub(crate) fn plugin_folders(global: &Global) -> PluginFolders {
    let mut folders = global.plugin_dirs.clone();
    if let Some(path) = env("PLANB_PLUGIN_PATH") {
        folders.extend(std::env::split_paths(&path).filter(|path| !path.as_os_str().is_empty()));
    }
    folders.extend(data_folder().map(|folder| folder.join("plugins")));
    if let Ok(exe) = std::env::current_exe()
        && let Some(beside) = exe.parent()
    {
        folders.push(beside.join("plugins"));
        if let Some(above) = beside.parent() {
            folders.push(above.join("plugins"));
            folders.push(above.join("lib/planb/plugins"));
        }
    }
    folders.push("/usr/local/lib/planb/plugins".into());
    folders.push("/usr/lib/planb/plugins".into());
    folders.retain(|folder| folder.is_dir());
    let mut seen: Vec<PathBuf> = Vec::new();
    folders.retain(|folder| {
        let new = !seen.contains(folder);
        seen.push(folder.clone());
        new
    });
    PluginFolders(folders)
}

/// The plugin host with the compile cache of this user.
pub(crate) fn plugin_host() -> Result<PluginHost, Report> {
    let cache = user_folder("XDG_CACHE_HOME", ".cache").and_then(|folder| CompileCache::open(&folder.join("compiled")));
    Ok(PluginHost::new(Limits::default(), cache)?)
}

/// The plugin of a name or a file.
pub(crate) async fn plugin(global: &Global, name: &str) -> Result<Plugin, Report> {
    let folders = plugin_folders(global);
    let host = plugin_host()?;
    let found = match find(name, &folders) {
        Ok(path) => path,
        Err(error) => {
            // `--plugin pg` for postgres.wasm: the names are the plugins' own.
            return match by_answer(&host, &folders, name, |d| d.answers_to(name)).await? {
                Some(plugin) => Ok(plugin),
                None => Err(error.into()),
            };
        }
    };
    Ok(host.load(&found).await?)
}

/// The first plugin in the folders that says yes; `like`: what it may be called. Where none does, and one could not be loaded, that is the error.
pub(crate) async fn by_answer(
    host: &PluginHost,
    folders: &PluginFolders,
    like: &str,
    yes: impl Fn(&Description) -> bool,
) -> Result<Option<Plugin>, Report> {
    // Those that were built with this planb come first: any other can say what it likes.
    let (mut broken, mut other) = (None, None);
    let mut paths = folders.all();
    // The first time a plugin is seen it is compiled: those that are called like what is looked for come first.
    let begins = |path: &PathBuf| {
        like.get(..2).is_some_and(|two| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(two)))
    };
    paths.sort_by_key(|path| !begins(path));
    for path in paths {
        match host.load(&path).await {
            Ok(plugin) if yes(plugin.description()) => {
                if pinned::is_pinned(plugin.sha256()) {
                    return Ok(Some(plugin));
                }
                other.get_or_insert(plugin);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "passed over");
                broken.get_or_insert(error);
            }
        }
    }
    match (other, broken) {
        (None, Some(error)) => Err(error.into()),
        (other, _) => Ok(other),
    }
}

/// The plugin for an engine's key, as a manifest has it.
pub(crate) async fn plugin_for_engine(global: &Global, engine: &str) -> Result<Option<Plugin>, Report> {
    let host = plugin_host()?;
    by_answer(&host, &plugin_folders(global), engine, |d| d.answers_to(engine)).await
}

/// A database and how it is reached, with its plugin.
pub(crate) struct Database {
    pub(crate) plugin: Plugin,
    pub(crate) connection: Connection,
    pub(crate) database: Option<String>,
    pub(crate) secrets: Arc<Secrets>,
}

impl Database {
    /// From what was typed and set. `engine`: the one to use where neither a plugin nor a scheme tells it.
    pub(crate) async fn resolve(global: &Global, args: &DbArgs, engine: Option<&str>) -> Result<Self, Report> {
        // What the environment says of a database, in whatever words.
        let set = if args.alone { None } else { Jobs::environment()?.map(|(_, found)| found.job) };
        let set = set.as_ref();
        let mut target = match &args.db {
            Some(url) => {
                let target = Target::parse(url)?;
                if let Some(password) = &target.password {
                    hide(password);
                    return Err(Report::usage("a password in --db can be read by everyone on this machine (ps)")
                        .with_hint("take it out of the URL and put it into DB_PASSWORD, a file (--password-file), or type it (--ask-password)"));
                }
                target
            }
            // The same in the environment, or in a private file, only its owner can read.
            None => match args.url.as_ref().or_else(|| set?.db.as_ref()) {
                Some(url) => Target::parse(url.expose())?,
                None => Target::default(),
            },
        };
        if let Some(password) = &target.password {
            hide(password);
        }
        // What is typed beats the environment: a URL's scheme beats DB_ENGINE.
        let typed = args.alone || args.db.is_some() && target.scheme.is_some();
        let named = args.plugin.clone().or_else(|| if typed { None } else { set?.plugin.clone() });
        let plugin = match (&named, &target.scheme, engine) {
            (Some(name), _, _) => plugin(global, name).await?,
            (None, None, None) => {
                let jobs = Jobs::file(global).and_then(|path| Jobs::read(&path).ok());
                let jobs: Vec<String> = jobs.map(|jobs| jobs.jobs.into_keys().collect()).unwrap_or_default();
                let mut hint = "for example --plugin postgres --db postgresql://app@db.example/orders; planb plugin list shows the engines".to_owned();
                if !jobs.is_empty() {
                    hint = format!("planb run --job NAME runs one of planb.toml: {}; or {hint}", jobs.join(", "));
                }
                return Err(Report::usage("which engine? Neither --plugin nor a URL's scheme tells it").with_hint(hint));
            }
            (None, Some(scheme), _) => {
                let host = plugin_host()?;
                let folders = plugin_folders(global);
                // Whose own scheme it is comes before who takes it too (`mysql:`, which MariaDB's engine knows as well).
                let own = by_answer(&host, &folders, scheme, |d| d.schemes.first() == Some(scheme)).await;
                let found = match own {
                    Ok(Some(plugin)) => Some(plugin),
                    _ => by_answer(&host, &folders, scheme, |d| d.schemes.contains(scheme)).await?,
                };
                found.ok_or_else(|| {
                    Report::usage(format!("no plugin here knows databases of the kind `{scheme}:`"))
                        .with_hint("planb plugin list shows the engines; --plugin names one")
                })?
            }
            (None, None, Some(engine)) => plugin_for_engine(global, engine).await?.ok_or_else(|| {
                Report::usage(format!("no plugin here is for the engine `{engine}`"))
                    .with_hint("name one with --plugin")
            })?,
        };
        let description = plugin.description();
        // A URL's parts beat those in the environment, and flags beat both.
        let part = |flag: &Option<String>, url: &Option<String>, set: Option<String>| {
            flag.clone().or(if url.is_some() { None } else { set })
        };
        let host = set.and_then(|job| job.host.clone());
        if let Some(host) = part(&args.host, &target.host.clone().or(target.socket.clone()), host) {
            (target.host, target.socket) = (Some(host), None);
        }
        target.port = args.port.or(target.port).or_else(|| set?.port);
        if let Some(user) = part(&args.user, &target.user, set.and_then(|job| job.user.clone())) {
            target.user = Some(user);
        }
        if let Some(name) = &part(&args.database, &target.database, set.and_then(|job| job.database.clone())) {
            // The place of a name in a URL is behind the slash; see Target::resolve.
            let behind = target.scheme.is_some() && !description.file_based;
            target.database = Some(if behind { format!("/{name}") } else { name.clone() });
        }
        let set_params = set.into_iter().flat_map(|job| &job.params);
        for (name, value) in args.params.iter().map(|(name, value)| (name, value)).chain(set_params) {
            // What a typed URL says beats what is set.
            if args.db.is_some() && target.params.iter().any(|(known, _)| known == name) {
                continue;
            }
            target.params.retain(|(known, _)| known != name);
            target.params.push((name.clone(), value.clone()));
        }
        target.secrets.extend(args.secrets.iter().cloned());
        // Flags beat environment, and a file beats a value.
        if let Some(password) = password(args)? {
            target.password = Some(password);
        }
        for (name, file) in &args.secret_files {
            target
                .secrets
                .push((name.clone(), secret_file(Path::new(file), &format!("the file of the secret {name}"))?));
        }
        for secret in &description.secrets {
            let variable = format!("DB_SECRET_{}", secret.name.to_ascii_uppercase().replace(['-', '.'], "_"));
            if !args.of_job
                && !target.secrets.iter().any(|(name, _)| *name == secret.name)
                && let Some(value) = secret_env(&variable)?
            {
                target.secrets.push((secret.name.clone(), value));
            }
        }
        if args.db.is_some()
            && let Some((name, _)) = target.params.iter().find(|(name, _)| is_secret(description, name))
        {
            return Err(Report::usage(format!(
                "a secret ({name}) in --db can be read by everyone on this machine (ps)"
            ))
            .with_hint(format!("take it out of the URL and put it into a file: --secret-file {name}=FILE")));
        }
        for (_, value) in target.params.iter().filter(|(name, _)| is_secret(description, name)) {
            hide(&Secret::new(value.clone()));
        }
        let (mut connection, mut database, secrets) = target.resolve(description)?;
        absolute(&description.params, &mut connection.params, "the parameter ")?;
        if description.file_based
            && let Some(path) = &database
            && path != "*"
        {
            let absolute = std::path::absolute(path).map_err(|error| Report::usage(format!("{path}: {error}")))?;
            database = Some(absolute.to_string_lossy().into_owned());
        }
        Ok(Self { plugin, connection, database, secrets: Arc::new(secrets) })
    }

    /// Whether the engine knows databases; one that does not is always meant as a whole.
    pub(crate) fn has_databases(&self) -> bool {
        self.plugin.description().scopes.contains(&ScopeKind::Database)
    }

    /// The scope to restore into: the one named, or where none is, that of the backup.
    pub(crate) fn target(&self, source: &Scope) -> Scope {
        match (&self.database, source) {
            (_, Scope::Globals) => Scope::Globals,
            _ if !self.has_databases() => Scope::All,
            (Some(name), _) => Scope::Database(name.clone()),
            (None, source) => source.clone(),
        }
    }

    /// Everything that an operation is made of.
    pub(crate) fn operation(
        &self,
        global: &Global,
        args: &DbArgs,
        purposes: Vec<Purpose>,
        extra_args: Vec<String>,
        timeouts: Timeouts,
    ) -> Result<OperationSpec, Report> {
        let description = self.plugin.description();
        let globals = |(name, _): &&(String, String)| {
            name == "globals" && !description.settings.iter().any(|s| s.name == "globals")
        };
        let given: Vec<_> = args.options.iter().filter(|option| !globals(option)).cloned().collect();
        let mut settings = planb_model::settings::resolve(description, &given)?;
        absolute(&description.settings, &mut settings, "--option ")?;
        let workshop = workshop(global, args, &self.plugin)?;
        Ok(OperationSpec {
            shim: workshop.shim,
            work_base: workshop.work_base,
            search: workshop.search,
            grants: workshop.grants,
            confine: workshop.confine,
            connection: self.connection.clone(),
            secrets: Arc::clone(&self.secrets),
            settings,
            extra_args,
            inherited: workshop.inherited,
            account: None,
            purposes,
            timeouts,
        })
    }

    /// Whether `--option globals=true` was given, for an engine that has globals.
    pub(crate) fn globals_option(&self, args: &DbArgs) -> bool {
        let has = self.plugin.description().scopes.contains(&ScopeKind::Globals);
        has && args
            .options
            .iter()
            .any(|(name, value)| name == "globals" && matches!(value.as_str(), "true" | "yes" | "on" | "1"))
    }
}

/// planb itself, as that which becomes a tool.
pub(crate) fn shim() -> Result<PathBuf, Report> {
    // Not by its path: a newer planb may stand there by then.
    if cfg!(target_os = "linux") {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    std::env::current_exe().map_err(|error| Report::usage(format!("planb cannot find itself: {error}")))
}

/// What a plugin works with on this machine, whatever the database.
pub(crate) struct Workshop {
    pub(crate) shim: PathBuf,
    pub(crate) work_base: PathBuf,
    pub(crate) search: ToolSearch,
    pub(crate) grants: Grants,
    pub(crate) confine: Confine,
    pub(crate) inherited: Vec<(String, std::ffi::OsString)>,
}

pub(crate) fn workshop(global: &Global, args: &DbArgs, plugin: &Plugin) -> Result<Workshop, Report> {
    let description = plugin.description();
    let mut grants = match grants_file() {
        Some(path) => Grants::load(&path, pinned::digests())?,
        None => Grants { pinned: pinned::digests().collect(), ..Grants::default() },
    };
    if let Some(unknown) = args.allow_tools.iter().find(|id| !description.tools.iter().any(|tool| tool.id == **id)) {
        let known: Vec<_> = description.tools.iter().map(|tool| tool.id.as_str()).collect();
        return Err(Report::usage(format!("the plugin declares no tool `{unknown}`, but {}", known.join(", "))));
    }
    grants.once = args.allow_tools.iter().cloned().collect();
    let work_base = global.work_dir.clone().unwrap_or_else(std::env::temp_dir);
    if global.work_dir.is_some() {
        std::fs::create_dir_all(&work_base)
            .map_err(|error| Report::usage(format!("--work-dir {}: {error}", work_base.display())))?;
    }
    let confine = match env("PLANB_CONFINE") {
        Some(word) => word.parse().map_err(|why| Report::usage(format!("PLANB_CONFINE: {why}")))?,
        None => Confine::default(),
    };
    Ok(Workshop {
        shim: shim()?,
        confine,
        work_base,
        search: tool_search(args),
        grants,
        inherited: description.inherit.iter().filter_map(|name| Some((name.clone(), env_os(name)?))).collect(),
    })
}

fn is_secret(description: &Description, name: &str) -> bool {
    description.secrets.iter().any(|secret| secret.name == name)
}

/// Makes the values of path settings absolute: a tool's working directory is not the user's.
pub(crate) fn absolute(declared: &[Setting], values: &mut [(String, String)], what: &str) -> Result<(), Report> {
    for (name, value) in values {
        if !value.is_empty() && declared.iter().any(|known| known.name == *name && known.kind == SettingKind::Path) {
            let path =
                std::path::absolute(&value).map_err(|error| Report::usage(format!("{what}{name}={value}: {error}")))?;
            *value = path.to_string_lossy().into_owned();
        }
    }
    Ok(())
}

fn password(args: &DbArgs) -> Result<Option<Secret>, Report> {
    if args.ask_password {
        let typed = rpassword::prompt_password("Password: ").map_err(|error| {
            let exit = if error.kind() == std::io::ErrorKind::Interrupted { Exit::Interrupted } else { Exit::Usage };
            Report { exit, ..Report::usage(format!("the password cannot be asked for: {error}")) }
        })?;
        let secret = Secret::new(typed);
        hide(&secret);
        return Ok(Some(secret));
    }
    if let Some(path) = &args.password_file {
        return secret_file(path, "the password file").map(Some);
    }
    if args.password.is_some() || args.of_job {
        return Ok(args.password.clone());
    }
    secret_env("DB_PASSWORD")
}

fn tool_search(args: &DbArgs) -> ToolSearch {
    let explicit: BTreeMap<String, PathBuf> =
        args.tool_paths.iter().map(|(id, path)| (id.clone(), PathBuf::from(path))).collect();
    let folders = env("PLANB_TOOL_PATH").into_iter().chain(env("PATH"));
    let folders =
        folders.flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).filter(|path| path.is_absolute());
    let mut unique: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !unique.contains(&folder) {
            unique.push(folder);
        }
    }
    ToolSearch { explicit, folders: unique }
}

/// What opens an encrypted backup.
pub(crate) fn identities(args: &KeyArgs) -> Result<Identities, Report> {
    let passphrase =
        args.passphrase_file.as_deref().map(|path| secret_file(path, "the passphrase file")).transpose()?;
    Ok(Identities { files: args.identities.clone(), passphrase: passphrase.or_else(|| args.passphrase.clone()) })
}
