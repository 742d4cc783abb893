//! How a database, or a whole server, is dumped.

use planb_sdk::{Artifact, BackupPlan, Failure, Mode, Request, Scope, path};

use crate::connect::{self, Reader};
use crate::{describe, names};

/// The archive or directory below the work directory.
pub(crate) const DUMP: &str = "dump";

/// How a dump lies there, as the manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) directory: bool,
    pub(crate) gzip: bool,
    /// Only some of the collections: a restore leaves the others of its target alone.
    pub(crate) partial: bool,
}

impl Format {
    pub(crate) const ARCHIVE: Self = Self { directory: false, gzip: false, partial: false };

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (name, partial) = name.strip_suffix("-partial").map_or((name, false), |name| (name, true));
        let (directory, gzip) = match name {
            "archive" => (false, false),
            "archive-gzip" => (false, true),
            "directory" => (true, true),
            _ => return None,
        };
        Some(Self { directory, gzip, partial })
    }

    fn name(self) -> String {
        let name = match (self.directory, self.gzip) {
            (true, _) => "directory",
            (false, true) => "archive-gzip",
            (false, false) => "archive",
        };
        format!("{name}{}", if self.partial { "-partial" } else { "" })
    }
}

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("mongodump", describe::TOOLS)?;
    let directory = matches!(request.mode, Mode::Directory | Mode::Tar);
    // Documents in files have no end mark; what gzip writes has one.
    let gzip = directory || request.native_compression || request.extra_args.iter().any(|arg| arg == "--gzip");
    let format = Format { directory, gzip, partial: is_partial(request) };

    let mut dump = connect::tool("mongodump");
    let oplog = request.toggle("oplog")?;
    match &request.scope {
        Scope::Database(name) => {
            names::database(name)?;
            if oplog {
                return Err(Failure::settings(
                    "the oplog belongs to a whole replica set, and mongodump takes it only with all databases",
                )
                .hint("leave out the database's name to back up everything, or leave out --option oplog"));
            }
            dump = dump.option("--db", name);
        }
        Scope::All => {
            if let Some(setting) = ONE_DATABASE.iter().find(|setting| request.text(setting).is_some()) {
                return Err(
                    Failure::settings(format!("{setting} is for the backup of one database")).hint("name the database")
                );
            }
            dump = dump.flag_if(oplog, "--oplog");
        }
        Scope::Globals => {
            return Err(Failure::unsupported("MongoDB keeps users and roles with its databases")
                .hint("back up everything, or a database with --option users-and-roles=true"));
        }
    }
    let one_database = matches!(request.scope, Scope::Database(_));
    dump = dump
        .flag_if(request.toggle("users-and-roles")? && one_database, "--dumpDbUsersAndRoles")
        .option_if("--collection", request.text("collection"));
    for name in request.list("exclude-collection") {
        dump = dump.option("--excludeCollection", name);
    }
    for prefix in request.list("exclude-collections-with-prefix") {
        dump = dump.option("--excludeCollectionsWithPrefix", prefix);
    }
    if let Some(number) = request.number("parallel-collections")? {
        dump = dump.option("--numParallelCollections", positive("parallel-collections", number)?);
    }
    dump = dump.flag_if(gzip, "--gzip");

    let plan = match request.mode {
        Mode::Stream => BackupPlan::stdout(dump.flag("--archive").extra(), archive(format)),
        Mode::File => BackupPlan::from_file(dump.option("--archive", path(DUMP)).extra(), DUMP, archive(format)),
        Mode::Directory => tree(dump, "dir", "application/octet-stream", format),
        Mode::Tar => tree(dump, "tar", "application/x-tar", format),
    };
    Ok(plan.file(connect::config(request, Reader::Dump)?))
}

fn archive(format: Format) -> Artifact {
    let extension = if format.gzip { "archive.gz" } else { "archive" };
    let media = if format.gzip { "application/gzip" } else { "application/octet-stream" };
    Artifact::new(extension, media, format.name()).compressed(format.gzip)
}

fn tree(dump: planb_sdk::Command, extension: &str, media: &str, format: Format) -> BackupPlan {
    let artifact = Artifact::new(extension, media, format.name()).compressed(true);
    BackupPlan::from_tree(dump.option("--out", path(DUMP)).extra(), DUMP, artifact)
}

/// Settings that make no sense for a whole server.
const ONE_DATABASE: &[&str] = &["collection", "exclude-collection", "exclude-collections-with-prefix"];

/// Whether some collections, or some of their documents, are left out.
fn is_partial(request: &Request) -> bool {
    let arguments =
        ["-c", "--collection", "--excludeCollection", "--excludeCollectionsWithPrefix", "-q", "--query", "--queryFile"];
    let name = |arg: &str| arg.split_once('=').map_or_else(|| arg.to_owned(), |(name, _)| name.to_owned());
    ONE_DATABASE.iter().any(|setting| request.text(setting).is_some())
        || request.extra_args.iter().any(|arg| arguments.contains(&name(arg).as_str()))
}

/// A number that the tools take.
pub(crate) fn positive(setting: &str, number: u32) -> Result<String, Failure> {
    if number == 0 { Err(Failure::settings(format!("{setting} has to be at least 1"))) } else { Ok(number.to_string()) }
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    fn request() -> Request {
        testing::request("orders").password().port(27017).tool("mongodump", "100.10.0")
    }

    fn shown(request: &Request) -> String {
        plan(request).map_or_else(|failure| failure.message, |plan| plan.to_string())
    }

    const FILE: &str =
        "file {work}/mongodb.yaml: uri: \"mongodb://app:{secret password}@db:27017/?authSource=admin\"\\n\n";

    #[test]
    fn every_mode() {
        assert_eq!(
            shown(&request()),
            format!(
                "{FILE}stdout mongodump --config={{work}}/mongodb.yaml --db=orders --archive [extra] -> archive .archive\n"
            )
        );
        let packed = Request { native_compression: true, ..request() };
        assert!(
            shown(&packed).ends_with("--db=orders --gzip --archive [extra] -> archive-gzip .archive.gz compressed\n")
        );
        assert!(shown(&request().mode(Mode::File)).contains(
            "file {work}/dump mongodump --config={work}/mongodb.yaml --db=orders --archive={work}/dump [extra] ->"
        ));
        assert!(
            shown(&request().mode(Mode::Directory))
                .ends_with("--db=orders --gzip --out={work}/dump [extra] -> directory .dir compressed\n")
        );
        assert!(shown(&request().mode(Mode::Tar)).ends_with("-> directory .tar compressed\n"));
    }

    #[test]
    fn a_whole_server() {
        let all = request().scope(Scope::All).with_setting("oplog", "true").with_setting("parallel-collections", "8");
        assert!(
            shown(&all).contains("mongodump --config={work}/mongodb.yaml --oplog --numParallelCollections=8 --archive")
        );
        assert!(shown(&request().with_setting("oplog", "true")).contains("only with all databases"));
        assert!(shown(&all.with_setting("collection", "x")).contains("for the backup of one database"));
        assert!(shown(&request().scope(Scope::Globals)).contains("with its databases"));
    }

    #[test]
    fn some_collections() {
        let one = request().with_setting("collection", "-x").with_setting("users-and-roles", "false");
        assert!(shown(&one).contains("--db=orders --collection=-x --archive [extra] -> archive-partial "));
        let some = request()
            .with_setting("exclude-collection", "a, b.c")
            .with_setting("exclude-collections-with-prefix", "tmp")
            .with_setting("users-and-roles", "true");
        assert!(shown(&some).contains(
            "--dumpDbUsersAndRoles --excludeCollection=a --excludeCollection=b.c --excludeCollectionsWithPrefix=tmp"
        ));
        let query = Request { extra_args: vec!["--query={}".to_owned()], ..request() };
        assert!(shown(&query).contains("-> archive-partial "));
        for format in ["archive", "archive-gzip", "directory", "archive-partial", "directory-partial"] {
            assert_eq!(Format::parse(format).map(Format::name).as_deref(), Some(format));
        }
        assert_eq!(Format::parse("plain"), None);
    }

    #[test]
    fn what_is_refused() {
        assert!(shown(&testing::request("a/b").tool("mongodump", "100.9.0")).contains("'/'"));
        assert!(shown(&testing::request("a")).contains("mongodump is not installed"));
        assert!(shown(&request().with_setting("parallel-collections", "0")).contains("at least 1"));
    }
}
