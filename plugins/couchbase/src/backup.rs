//! How a bucket, or a cluster, is backed up: a repository of its own with one full backup (cbbackupmgr-config,
//! cbbackupmgr-backup, cbbackupmgr-info of the Couchbase documentation).

use planb_sdk::{Artifact, BackupPlan, Command, Failure, FailureCode, Mode, Request, path};

use crate::connect::{self, manager, manager_online, part};
use crate::describe::{GNU, SERVICES};

/// The directory that is kept, and what stands in it.
pub(crate) const DUMP: &str = "dump";
pub(crate) const ARCHIVE: &str = "dump/archive";
pub(crate) const FORMAT: &str = "cbbackupmgr";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    let bucket = connect::bucket(&request.scope)?;
    gnu_find(request)?;
    // The first command also makes the folder, by keeping what it prints there.
    let mut config = manager(request, "config", ARCHIVE)?.stdout_to("dump/config.log");
    if let Some(list) = included(request, bucket)? {
        config = config.pair("--include-data", list);
    }
    if let Some(list) = excluded(request, bucket)? {
        config = config.pair("--exclude-data", list);
    }
    for word in request.list("disable") {
        let Some((_, flag)) = SERVICES.iter().find(|(name, _)| *name == word) else {
            let known: Vec<_> = SERVICES.iter().map(|(name, _)| *name).collect();
            return Err(Failure::settings(format!("there is no service {word:?} to disable"))
                .hint(format!("choose of {}", known.join(", "))));
        };
        config = config.flag(flag);
    }
    let backup = manager_online(request, "backup", ARCHIVE)?.flag("--value-compression");
    // Values that the cluster keeps compressed come compressed; the host compresses the rest.
    let backup = backup.flag(if request.native_compression { "compressed" } else { "unchanged" }).extra();
    let info = manager(request, "info", ARCHIVE)?.flag("--all").flag("--json").stdout_to("dump/info.json");
    let list = Command::tool("find")
        .value(path(ARCHIVE))
        .flag("-type")
        .flag("f")
        .flag("-printf")
        .flag("%s %P\\n")
        .stdout_to("dump/files.txt");
    let (extension, media_type) = match request.mode {
        Mode::Directory => ("dir", "application/octet-stream"),
        Mode::Tar => ("tar", "application/x-tar"),
        Mode::Stream | Mode::File => {
            return Err(
                Failure::settings("a backup of Couchbase is many files").hint("say --mode tar or --mode directory")
            );
        }
    };
    let artifact = Artifact::new(extension, media_type, FORMAT).compressed(request.native_compression);
    Ok(BackupPlan::from_tree(list, DUMP, artifact).prepare(config).prepare(backup).prepare(info))
}

/// What `--include-data` says: the bucket, or some of it.
fn included(request: &Request, bucket: Option<&str>) -> Result<Option<String>, Failure> {
    let collections = request.list("collections");
    let Some(bucket) = bucket else {
        return if collections.is_empty() {
            Ok(None)
        } else {
            Err(Failure::settings("collections are of one bucket").hint("name it: --db couchbase://user@host/bucket"))
        };
    };
    if collections.is_empty() {
        return Ok(Some(bucket.to_owned()));
    }
    if let Some(bad) = collections.iter().find(|list| list.split('.').count() > 2 || !list.split('.').all(part)) {
        return Err(Failure::settings(format!("{bad:?} is neither a scope nor scope.collection")));
    }
    Ok(Some(collections.iter().map(|collection| format!("{bucket}.{collection}")).collect::<Vec<_>>().join(",")))
}

fn excluded(request: &Request, bucket: Option<&str>) -> Result<Option<String>, Failure> {
    let list = request.list("exclude");
    if list.is_empty() {
        return Ok(None);
    }
    if bucket.is_some() {
        return Err(Failure::settings(
            "exclude is for a whole cluster: cbbackupmgr takes either what to include or what to exclude",
        )
        .hint("say --option collections=SCOPE for some of a bucket"));
    }
    let plain = |item: &&&str| {
        item.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%".contains(&byte)) && !item.starts_with('-')
    };
    match list.iter().find(|item| !plain(item)) {
        None => Ok(Some(list.join(","))),
        Some(bad) => Err(Failure::settings(format!("{bad:?} is neither a bucket, a scope nor a collection"))),
    }
}

fn gnu_find(request: &Request) -> Result<(), Failure> {
    request.need_tool("find", GNU)?;
    if request.banner("find").is_none_or(|found| found.contains("GNU findutils")) {
        return Ok(());
    }
    Err(Failure::tool("find is not GNU findutils")
        .code(FailureCode::ToolUnfit)
        .hint("point --tool-path find=/path/to/find at it"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Output, Scope, Source};

    use super::*;
    use crate::connect::tests::request;

    fn commands(request: &Request) -> Vec<String> {
        let plan = plan(request).unwrap();
        let Source::Tree(Output { command, path }) = plan.source else { unreachable!() };
        assert_eq!(path, "dump");
        plan.prepare.iter().chain([&command]).map(ToString::to_string).collect()
    }

    #[test]
    fn a_bucket() {
        let archive = "--archive {work}/dump/archive --repo planb";
        assert_eq!(
            commands(&request("travel")),
            [
                format!("cbbackupmgr config {archive} --include-data travel > {{work}}/dump/config.log"),
                format!(
                    "CB_USERNAME=app CB_PASSWORD={{secret password}} cbbackupmgr backup {archive} --cluster http://db:8091 --no-progress-bar \
                     --value-compression unchanged [extra]"
                ),
                format!("cbbackupmgr info {archive} --all --json > {{work}}/dump/info.json"),
                "find {work}/dump/archive -type f -printf %s %P\\n > {work}/dump/files.txt".to_owned(),
            ]
        );
    }

    #[test]
    fn settings() {
        let some = request("travel")
            .with_setting("collections", "inventory, tenant.users")
            .with_setting("disable", "views,eventing");
        assert!(
            commands(&some)[0]
                .contains("--include-data travel.inventory,travel.tenant.users --disable-views --disable-eventing")
        );
        let mut all = request("x").scope(Scope::All).with_setting("exclude", "beer,travel.x");
        all.native_compression = true;
        let text = commands(&all);
        assert!(
            text[0].contains("--repo planb --exclude-data beer,travel.x")
                && text[1].contains("--value-compression compressed")
        );
        for (name, value) in [("collections", "a.b.c"), ("collections", "a b"), ("disable", "nope"), ("exclude", "x")] {
            assert!(plan(&request("travel").with_setting(name, value)).is_err(), "{name}={value}");
        }
        assert!(plan(&request("x").scope(Scope::All).with_setting("exclude", "a'\"\\`")).is_err());
        assert!(plan(&request("x").mode(Mode::Stream)).is_err());
        assert!(plan(&request("x").scope(Scope::Globals)).is_err());
    }
}
