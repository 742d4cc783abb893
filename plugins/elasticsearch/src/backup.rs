//! How indices are dumped: the server makes a snapshot in a folder that this machine sees too, and `tar` takes the folder.

use planb_sdk::{Artifact, BackupPlan, Command, Failure, Mode, Request, Scope, path};
use serde_json::json;

use crate::describe::{CURL, TAR};
use crate::http::Requests;
use crate::names;
use crate::repository::{self, BACKUP, SNAPSHOT};

/// The format's name in manifests.
pub(crate) const FORMAT: &str = "snapshot-tar";
const FILE: &str = "snapshot.tar";
/// What the server said of the snapshot.
const ANSWER: &str = "snapshot.json";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("curl", CURL)?;
    request.need_tool("tar", TAR)?;
    if request.native_compression {
        return Err(Failure::settings("the files of a snapshot are compressed as the indices are")
            .hint("use --compress zstd or gzip"));
    }
    let global = request.toggle("global-state")?;
    let indices = match &request.scope {
        Scope::Database(name) => {
            names::index(name)?;
            name.clone()
        }
        Scope::All => request.list("indices").join(","),
        Scope::Globals => {
            return Err(Failure::unsupported("what belongs to the cluster is in a snapshot with indices")
                .hint("back up everything with --option global-state=true"));
        }
    };
    let here = repository::here(request)?;
    let one = matches!(request.scope, Scope::Database(_));
    let body = json!({
        "indices": indices,
        "ignore_unavailable": false,
        "include_global_state": global && !one,
        // An index of which a part is missing is no backup.
        "partial": false,
    });

    let (make, makes) = Requests::new(request, "make.conf")
        .add("PUT", &format!("_snapshot/{BACKUP}"))?
        .or_say_why()
        .json(&repository::definition(request, BACKUP)?)?
        .build();
    // Left there by a backup that was killed.
    let (clear, clears) = Requests::new(request, "clear.conf")
        .add("DELETE", &format!("_snapshot/{BACKUP}/{SNAPSHOT}"))?
        .or_fail()
        .build();
    let (take, takes) = Requests::new(request, "take.conf")
        .add("PUT", &format!("_snapshot/{BACKUP}/{SNAPSHOT}?wait_for_completion=true"))?
        .or_fail()
        .json(&body)?
        .build();
    let success = Command::tool("grep")
        .flag("--quiet")
        .flag("--extended-regexp")
        .flag(r#"--regexp="state" *: *"SUCCESS""#)
        .flag(ANSWER);
    let (drop, drops) = Requests::new(request, "drop.conf")
        .add("DELETE", &format!("_snapshot/{BACKUP}/{SNAPSHOT}"))?
        .add("DELETE", &format!("_snapshot/{BACKUP}"))?
        .build();

    let tar = Command::tool("tar").flag("--create").flag("--format=gnu").flag("--blocking-factor=20");
    let packed = |tar: Command| tar.option("--directory", here).extra().flag(BACKUP);
    let artifact = Artifact::new("tar", "application/x-tar", FORMAT);
    let plan = match request.mode {
        Mode::Stream => BackupPlan::stdout(packed(tar.flag("--file=-")), artifact),
        Mode::File => BackupPlan::from_file(packed(tar.option("--file", path(FILE))), FILE, artifact),
        Mode::Directory | Mode::Tar => {
            return Err(Failure::settings("a snapshot is one archive of its files: there is no directory of it")
                .hint("leave out --mode"));
        }
    };
    Ok(plan
        .file([make, clear, take, drop])
        .prepare(makes)
        .prepare(clears.ok(0).ok(22))
        .prepare(takes.stdout_to(ANSWER))
        .prepare(success)
        .cleanup(drops))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;
    use crate::testing::text;

    fn request() -> Request {
        testing::request("movies")
            .password()
            .tool("curl", "8.5.0")
            .tool("tar", "1.34")
            .with_setting("repository-path", "/mnt/snap")
            .with_setting("indices", "*,-.*")
    }

    fn shown(request: &Request) -> String {
        match plan(request) {
            Ok(plan) => plan
                .to_string()
                .lines()
                .filter(|line| !line.starts_with("file {work}/") || line.contains("->"))
                .collect::<Vec<_>>()
                .join("\n"),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn a_snapshot_and_its_files() {
        assert_eq!(
            shown(&request()),
            "prepare curl --disable --config {work}/make.conf\n\
             prepare curl --disable --config {work}/clear.conf\n\
             prepare curl --disable --config {work}/take.conf > {work}/snapshot.json\n\
             prepare grep --quiet --extended-regexp --regexp=\"state\" *: *\"SUCCESS\" snapshot.json\n\
             stdout tar --create --format=gnu --blocking-factor=20 --file=- --directory=/mnt/snap [extra] planb-backup -> snapshot-tar .tar\n\
             cleanup curl --disable --config {work}/drop.conf"
        );
        assert!(shown(&request().mode(Mode::File)).contains("file {work}/snapshot.tar tar "));
        let plan = plan(&request()).unwrap();
        let take = text(&plan.files[2]);
        assert!(take.contains("_snapshot/planb-backup/planb?wait_for_completion=true\""));
        assert!(take.contains(r#"\"indices\":\"movies\""#) && take.contains(r#"\"include_global_state\":false"#));
        assert_eq!(plan.prepare[1].ok, [0, 22]);
    }

    #[test]
    fn everything() {
        let all = request().scope(Scope::All).with_setting("global-state", "true").with_setting("indices", "a, b\"");
        let take = text(&plan(&all).unwrap().files[2]);
        assert!(take.contains(r#"\"indices\":\"a,b\\\"\""#), "{take}");
        assert!(take.contains(r#"\"include_global_state\":true"#));
    }

    #[test]
    fn what_is_refused() {
        assert!(shown(&request().with_setting("repository-path", "")).contains("not known which"));
        assert!(shown(&request().scope(Scope::Database("A".to_owned()))).contains("'A'"));
        assert!(shown(&request().mode(Mode::Tar)).contains("no directory"));
        assert!(shown(&Request { native_compression: true, ..request() }).contains("compressed as"));
        assert!(shown(&testing::request("a").tool("curl", "8.5.0")).contains("tar is not installed"));
    }
}
