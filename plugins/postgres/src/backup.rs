//! How a database, or the roles of a server, are dumped.

use planb_sdk::{Artifact, BackupPlan, Blame, Command, Failure, FailureCode, Mode, Request, Scope, Version, path};

use crate::restore::TRANSACTION_TIMEOUT;
use crate::{connect, describe};

/// The formats of `pg_dump` that this engine reads back (`tar` is not among them: it cannot be streamed in, and holds
/// nothing that `directory` does not).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Custom,
    Directory,
}

/// The format of a dump of roles and tablespaces, beside the names of [`Format`].
pub(crate) const GLOBALS: &str = "globals";

impl Format {
    /// By the name in the manifest, in `--option format=` and in pg_dump's own `--format=`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "p" | "plain" => Some(Self::Plain),
            "c" | "custom" => Some(Self::Custom),
            "d" | "directory" => Some(Self::Directory),
            _ => None,
        }
    }
}

const FILE: &str = "dump";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    let plan = match &request.scope {
        Scope::Database(name) => database(request, name)?,
        Scope::Globals => globals(request)?,
        Scope::All => {
            return Err(Failure::unsupported(
                "PostgreSQL is not dumped as a whole: each database is a backup of its own",
            )
            .hint("use --database '*', which backs up every database, and the roles beside them"));
        }
    };
    Ok(plan.file(connect::passfile(request)))
}

fn database(request: &Request, name: &str) -> Result<BackupPlan, Failure> {
    fits_server(request, "pg_dump")?;
    let format = format(request)?;
    let compressed = compressed(request, format)?;
    let (schema_only, data_only) = (request.toggle("schema-only")?, request.toggle("data-only")?);
    if schema_only && data_only {
        return Err(Failure::settings("schema-only and data-only together leave nothing to dump"));
    }

    let mut dump = connect::to_database("pg_dump", request, name)?;
    dump = match format {
        Format::Plain => dump.flag("--format=plain"),
        Format::Custom => dump.flag("--format=custom"),
        Format::Directory => dump.flag("--format=directory"),
    };
    // The host compresses better, on several cores.
    dump = dump.flag_if(format != Format::Plain && !compressed, "--compress=0");
    if let Some(jobs) = request.number("jobs")?.filter(|&jobs| jobs > 1) {
        if format != Format::Directory {
            return Err(Failure::settings("only a directory dump can be taken by several jobs")
                .hint("add --mode directory or --mode tar, or leave out --option jobs"));
        }
        dump = dump.option("--jobs", jobs.to_string());
    }
    dump = dump
        .flag_if(schema_only, "--schema-only")
        .flag_if(data_only, "--data-only")
        .flag_if(request.toggle("inserts")?, "--inserts");
    for (setting, option) in [
        ("schema", "--schema"),
        ("exclude-schema", "--exclude-schema"),
        ("table", "--table"),
        ("exclude-table", "--exclude-table"),
        ("exclude-table-data", "--exclude-table-data"),
    ] {
        for pattern in patterns(request.setting(setting).unwrap_or_default()) {
            dump = dump.option(option, pattern);
        }
    }
    dump = owners(dump, request)?;

    let file = match request.mode {
        Mode::Stream => None,
        Mode::File | Mode::Directory | Mode::Tar => Some(path(FILE)),
    };
    let dump = dump.option_if("--file", file).extra();
    let plan = match (request.mode, format) {
        (Mode::Stream, Format::Plain) => BackupPlan::stdout(dump, plain()),
        (Mode::Stream, _) => BackupPlan::stdout(dump, custom(compressed)),
        (Mode::File, Format::Plain) => BackupPlan::from_file(dump, FILE, plain()),
        (Mode::File, _) => BackupPlan::from_file(dump, FILE, custom(compressed)),
        (Mode::Directory, _) => BackupPlan::from_tree(
            dump,
            FILE,
            Artifact::new("dir", "application/octet-stream", "directory").compressed(compressed),
        ),
        (Mode::Tar, _) => BackupPlan::from_tree(
            dump,
            FILE,
            Artifact::new("tar", "application/x-tar", "directory").compressed(compressed),
        ),
    };
    Ok(match only_for_newer(request, format) {
        Some(warning) => plan.warning(warning),
        None => plan,
    })
}

/// An archive of a newer pg_dump cannot be read by the server's own pg_restore, and the newer one does not suit the server.
fn only_for_newer(request: &Request, format: Format) -> Option<String> {
    let (tool, server) = (request.tool_version("pg_dump")?, request.server()?);
    let newer = format != Format::Plain && tool.major >= TRANSACTION_TIMEOUT && server.major < TRANSACTION_TIMEOUT;
    newer.then(|| {
        format!(
            "pg_dump {tool} is newer than the server, PostgreSQL {server}: this backup can only be restored into version \
             {TRANSACTION_TIMEOUT} or newer. Use pg_dump {}, or --option format=plain",
            server.major
        )
    })
}

fn plain() -> Artifact {
    Artifact::new("sql", "application/sql", "plain")
}

fn custom(compressed: bool) -> Artifact {
    Artifact::new("dump", "application/octet-stream", "custom").compressed(compressed)
}

/// Roles and tablespaces.
fn globals(request: &Request) -> Result<BackupPlan, Failure> {
    if !matches!(request.mode, Mode::Stream | Mode::File) {
        return Err(Failure::settings("roles and tablespaces are one small dump: there is no directory of them")
            .hint("leave out --mode"));
    }
    fits_server(request, "pg_dumpall")?;
    let dump = connect::to_server("pg_dumpall", request)?
        .option("--database", connect::dbname(request, connect::maintenance(request)))
        .flag("--globals-only")
        .flag_if(request.toggle("no-role-passwords")?, "--no-role-passwords");
    let dump = dump.option_if("--role", request.text("role"));
    let artifact = Artifact::new("globals.sql", "application/sql", GLOBALS);
    Ok(match request.mode {
        Mode::File => BackupPlan::from_file(dump.option("--file", path(FILE)).extra(), FILE, artifact),
        _ => BackupPlan::stdout(dump.extra(), artifact),
    })
}

/// The settings that backup and restore have in common.
pub(crate) fn owners(command: Command, request: &Request) -> Result<Command, Failure> {
    let command = command
        .flag_if(request.toggle("no-owner")?, "--no-owner")
        .flag_if(request.toggle("no-privileges")?, "--no-privileges")
        .option_if("--role", request.text("role"));
    Ok(command)
}

/// A dump tool has to be at least as new as the server; `pg_dump` itself would refuse only once it is connected, with
/// words that name no remedy.
pub(crate) fn fits_server(request: &Request, tool: &str) -> Result<(), Failure> {
    request.need_tool(tool, describe::CLIENT)?;
    let (Some(found), Some(server)) = (request.tool_version(tool), request.server()) else {
        return Ok(());
    };
    if found.major >= server.major {
        return Ok(());
    }
    Err(too_old(tool, Some(found), Some(server)))
}

/// The tool is older than the server: which package brings the right one.
pub(crate) fn too_old(tool: &str, found: Option<Version>, server: Option<Version>) -> Failure {
    let version = |version: Option<Version>| version.map(|version| format!(" {version}")).unwrap_or_default();
    let major = server.map(|server| server.major.to_string());
    let newer = major.as_deref().unwrap_or("N");
    Failure::new(
        FailureCode::ToolUnfit,
        Blame::Tool,
        format!("{tool}{} is older than the server, PostgreSQL{}, and cannot dump it", version(found), version(server)),
    )
    .hint(format!(
        "install postgresql-client-{newer} (Debian, Ubuntu: from apt.postgresql.org), postgresql{newer} (Fedora, RHEL: from \
         yum.postgresql.org) or postgresql@{newer} (Homebrew), or point --tool-path {tool}=/path/to/{tool} at one"
    ))
}

/// The format, by the user's extra arguments (they come last, and pg_dump heeds the last), by setting, by mode.
fn format(request: &Request) -> Result<Format, Failure> {
    let tree = matches!(request.mode, Mode::Directory | Mode::Tar);
    let asked = match extra_value(&request.extra_args, "-F", "--format") {
        Some(name) => Some(name),
        None => request.text("format"),
    };
    let format = match asked {
        Some(name) => Format::parse(name).ok_or_else(|| {
            Failure::settings(format!("format {name} is not one that can be backed up"))
                .hint("say --option format=plain, custom or directory")
        })?,
        None if tree => Format::Directory,
        None if request.native_compression => Format::Custom,
        None => Format::Plain,
    };
    match (tree, format) {
        (false, Format::Directory) => Err(Failure::settings("a directory dump is many files and cannot be streamed")
            .hint("add --mode directory, or --mode tar for one object")),
        (true, Format::Plain | Format::Custom) => {
            Err(Failure::settings("the modes directory and tar need a dump of many files, so format=directory")
                .hint("leave out --mode or the format"))
        }
        _ => Ok(format),
    }
}

/// Whether pg_dump compresses: because the host says so, or the user's extra arguments do.
fn compressed(request: &Request, format: Format) -> Result<bool, Failure> {
    let compressed = match extra_value(&request.extra_args, "-Z", "--compress") {
        Some(level) => !matches!(level, "0" | "none") && !level.ends_with(":0"),
        None => request.native_compression,
    };
    if compressed && format == Format::Plain {
        return Err(Failure::settings("a plain dump that pg_dump compresses cannot be checked as it passes")
            .hint("use --option format=custom, or let Plan B compress: --compress zstd"));
    }
    Ok(compressed)
}

/// The last value that extra arguments give an option, in any way that getopt_long takes it.
fn extra_value<'a>(args: &'a [String], short: &str, long: &str) -> Option<&'a str> {
    let mut found = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == short || arg == long {
            found = args.next().map(String::as_str).or(found);
        } else if let Some(value) = arg.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
            found = Some(value);
        } else if let Some(value) = arg.strip_prefix(short) {
            found = Some(value);
        }
    }
    found
}

/// Patterns separated by commas; a comma inside double quotes belongs to a name.
fn patterns(list: &str) -> Vec<&str> {
    let mut quoted = false;
    let separator = move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    list.split(separator).map(str::trim).filter(|pattern| !pattern.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    fn rendered(request: &Request) -> String {
        match plan(request) {
            Ok(plan) => {
                let plan = plan.to_string();
                let (file, plan) = plan.split_once('\n').unwrap();
                assert_eq!(file, "file {work}/pgpass: *:*:*:*:{secret password}\\n");
                plan.to_owned()
            }
            Err(failure) => format!("{:?}: {}", failure.code, failure.message),
        }
    }

    #[test]
    fn a_plain_stream() {
        assert_eq!(
            rendered(&request("orders")),
            "stdout PGAPPNAME=planb PGCONNECT_TIMEOUT=10 PGPASSFILE={work}/pgpass pg_dump --no-password --host=db --port=5432 \
             --username=app --dbname=orders --format=plain [extra] -> plain .sql\n"
        );
    }

    #[test]
    fn every_mode_and_format() {
        let tail = |change: &dyn Fn(&mut Request)| {
            let mut request = request("orders");
            change(&mut request);
            let text = rendered(&request);
            text.split_once("--dbname=orders ").map_or(text.clone(), |(_, tail)| tail.to_owned())
        };
        let set = |request: &mut Request, name: &str, value: &str| {
            request.settings.push((name.to_owned(), value.to_owned()));
        };
        assert_eq!(tail(&|r| r.native_compression = true), "--format=custom [extra] -> custom .dump compressed\n");
        assert_eq!(tail(&|r| set(r, "format", "custom")), "--format=custom --compress=0 [extra] -> custom .dump\n");
        assert_eq!(tail(&|r| r.mode = Mode::File), "--format=plain --file={work}/dump [extra] -> plain .sql\n");
        assert_eq!(
            tail(&|r| {
                r.mode = Mode::Directory;
                set(r, "jobs", "4");
            }),
            "--format=directory --compress=0 --jobs=4 --file={work}/dump [extra] -> directory .dir\n"
        );
        assert_eq!(
            tail(&|r| r.mode = Mode::Tar),
            "--format=directory --compress=0 --file={work}/dump [extra] -> directory .tar\n"
        );
        assert_eq!(
            tail(&|r| r.extra_args = vec!["-Fc".to_owned()]),
            "--format=custom --compress=0 [extra] -> custom .dump\n"
        );
        assert_eq!(
            tail(&|r| set(r, "exclude-table", "a.*, \"x,y\",")),
            "--format=plain --exclude-table=a.* --exclude-table=\"x,y\" [extra] -> plain .sql\n"
        );
        assert!(tail(&|r| set(r, "format", "directory")).contains("cannot be streamed"));
        assert!(tail(&|r| set(r, "jobs", "2")).contains("only a directory dump"));
        assert!(tail(&|r| r.extra_args = vec!["--compress=zstd:9".to_owned()]).contains("cannot be checked"));
    }

    #[test]
    fn a_tool_that_is_older_than_the_server() {
        let mut request = request("orders");
        request.server_version = Some("18.1".to_owned());
        let failure = plan(&request).unwrap_err();
        assert_eq!(failure.code, FailureCode::ToolUnfit);
        assert_eq!(failure.message, "pg_dump 15.20 is older than the server, PostgreSQL 18.1, and cannot dump it");
        assert!(failure.hint.unwrap().contains("postgresql-client-18"));
    }

    #[test]
    fn globals() {
        let mut request = request("orders");
        request.scope = Scope::Globals;
        assert!(rendered(&request).ends_with("--database=postgres --globals-only [extra] -> globals .globals.sql\n"));
        request.scope = Scope::All;
        assert!(rendered(&request).contains("Unsupported"));
    }

    #[test]
    fn names_never_become_connection_strings() {
        for (name, option) in [
            ("a-b.c_d", "--dbname=a-b.c_d"),
            ("-x", "--dbname=dbname='-x'"),
            ("host=evil", "--dbname=dbname='host=evil'"),
            ("postgresql://evil/x", "--dbname=dbname='postgresql://evil/x'"),
            ("it's\\", "--dbname=dbname='it\\'s\\\\'"),
            ("", "--dbname=dbname=''"),
        ] {
            assert!(rendered(&request(name)).contains(&format!(" {option} ")), "{name}");
        }
        let mut request = request("orders");
        request.connection.params.push(("keepalives".to_owned(), "0".to_owned()));
        assert!(rendered(&request).contains("--dbname=dbname='orders' keepalives='0' "));
    }

    #[test]
    fn relative_certificates_are_refused() {
        let mut request = request("orders");
        request.connection.params.push(("sslrootcert".to_owned(), "ca.pem".to_owned()));
        assert!(plan(&request).unwrap_err().message.contains("not an absolute path"));
    }
}
