//! How indices are put back: `tar` lays the files into a folder that the nodes see too, and the server restores from there.
//!
//! A server does not restore into an index that is open, so in place of another an index has to be deleted first. That is done only after
//! the same snapshot was restored under another name and its parts were found to be there.

use planb_sdk::{Command, Failure, FailureCode, PrivateFile, Request, RestorePlan, RestoreRequest, Scope, TargetState};
use serde_json::{Value, json};

use crate::backup::FORMAT;
use crate::describe::{CURL, TAR};
use crate::http::Requests;
use crate::inspect::INDEX;
use crate::names;
use crate::repository::{self, RENAME, RESTORE, SNAPSHOT};

/// What stands before the names of indices that are only tried.
const TRIED: &str = "planb-try-";

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("curl", CURL)?;
    inner.need_tool("tar", TAR)?;
    if request.artifact.format != FORMAT {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    let here = repository::here(inner)?;
    let mut warnings = fits(request)?;
    let wanted = Wanted::of(request)?;
    let replace = request.target == TargetState::Occupied;
    if replace && wanted.targets.iter().any(|name| name.starts_with(".ds-")) {
        return Err(Failure::settings("the indices of a data stream cannot be deleted one by one")
            .hint("delete the data streams of the target (DELETE _data_stream/NAME), and restore without --replace"));
    }

    let tar = Command::tool("tar")
        .flag("--extract")
        .flag("--file=-")
        .option("--directory", here)
        // The nodes may run as another user than planb, who keeps its files to itself.
        .flag("--preserve-permissions")
        // What an earlier restore has left there.
        .flag("--recursive-unlink")
        .flag(RENAME);
    let (make, makes) = Requests::new(inner, "make.conf")
        .add("PUT", &format!("_snapshot/{RESTORE}"))?
        .or_say_why()
        .json(&repository::definition(inner, RESTORE)?)?
        .build();
    let mut plan = RestorePlan::stdin(tar).filtered().file(make).finish(makes);

    let tries = replace && inner.toggle("try-first")? && !wanted.targets.is_empty();
    if tries {
        let tried: Vec<String> = wanted.targets.iter().map(|name| format!("{TRIED}{name}")).collect();
        let rename = Some(("(.+)".to_owned(), format!("{TRIED}$1")));
        let rename = if wanted.rename.is_some() {
            wanted.rename.as_ref().map(|(pattern, name)| (pattern.clone(), format!("{TRIED}{name}")))
        } else {
            rename
        };
        plan = restored(plan, inner, "try", &wanted.body(rename.as_ref(), false), &tried)?;
        plan = plan_delete(plan, inner, "untry.conf", &tried, false)?;
    } else if replace {
        warnings.push(
            "the indices of the target are deleted before it is known whether those of the backup can be restored"
                .to_owned(),
        );
    }
    if replace {
        if wanted.targets.is_empty() {
            return Err(Failure::settings(
                "nothing is known of the indices in the backup, so those of the target cannot be replaced",
            )
            .hint("delete them yourself, and restore without --replace"));
        }
        plan = plan_delete(plan, inner, "delete.conf", &wanted.targets, false)?;
    }
    plan = restored(plan, inner, "restore", &wanted.body(wanted.rename.as_ref(), wanted.aliases), &wanted.targets)?;

    // What is left of what was tried, and the files.
    if tries {
        let tried: Vec<String> = wanted.targets.iter().map(|name| format!("{TRIED}{name}")).collect();
        plan = plan_delete(plan, inner, "sweep.conf", &tried, true)?;
    }
    let (drop, drops) = Requests::new(inner, "drop.conf")
        .add("DELETE", &format!("_snapshot/{RESTORE}/{SNAPSHOT}"))?
        .add("DELETE", &format!("_snapshot/{RESTORE}"))?
        .build();
    plan = plan.file(drop).cleanup(drops);
    Ok(warnings.into_iter().fold(plan, RestorePlan::warning))
}

/// Restores from the snapshot, and sees to it that each part of each index is there.
fn restored(
    plan: RestorePlan,
    request: &Request,
    step: &str,
    body: &Value,
    indices: &[String],
) -> Result<RestorePlan, Failure> {
    let (file, curl) = Requests::new(request, &format!("{step}.conf"))
        .add("POST", &format!("_snapshot/{RESTORE}/{SNAPSHOT}/_restore?wait_for_completion=true"))?
        .or_fail()
        .json(body)?
        .build();
    let answer = format!("{step}.json");
    // A part that could not be restored is told of, with success all the same.
    let none_failed =
        Command::tool("grep").flag("--quiet").flag("--extended-regexp").flag(r#"--regexp="failed" *: *0[,}]"#);
    let none_failed = if step == "try" { none_failed.flag("try.json") } else { none_failed.flag("restore.json") };
    let (health_file, health) = health(request, step, indices)?;
    Ok(plan.file([file, health_file]).finish(curl.stdout_to(answer)).finish(none_failed).finish(health))
}

/// Waits until the primary of each part is there. A server that waits for nothing answers 408.
fn health(request: &Request, step: &str, indices: &[String]) -> Result<(PrivateFile, Command), Failure> {
    let mut paths = names::in_paths(indices.iter().map(String::as_str));
    if paths.is_empty() {
        paths.push("*,-.*".to_owned());
    }
    let mut requests = Requests::new(request, &format!("{step}-health.conf"));
    for path in paths {
        requests =
            requests.add("GET", &format!("_cluster/health/{path}?wait_for_status=yellow&timeout=60s"))?.or_say_why();
    }
    Ok(requests.build())
}

fn plan_delete(
    plan: RestorePlan,
    request: &Request,
    file: &str,
    indices: &[String],
    cleanup: bool,
) -> Result<RestorePlan, Failure> {
    let mut requests = Requests::new(request, file);
    for path in names::in_paths(indices.iter().map(String::as_str)) {
        requests = requests.add("DELETE", &format!("{path}?ignore_unavailable=true"))?;
        if !cleanup {
            requests = requests.or_say_why();
        }
    }
    let (file, curl) = requests.build();
    let plan = plan.file(file);
    Ok(if cleanup { plan.cleanup(curl) } else { plan.finish(curl) })
}

/// What is restored, and as what.
struct Wanted {
    /// As the server's `indices`.
    indices: String,
    rename: Option<(String, String)>,
    /// The names of the indices that are there afterwards, where they are known.
    targets: Vec<String>,
    aliases: bool,
    global: bool,
}

impl Wanted {
    fn of(request: &RestoreRequest) -> Result<Self, Failure> {
        let inner = &request.request;
        let aliases = inner.toggle("aliases")?;
        let seen: Vec<String> =
            request.objects.iter().filter(|object| object.kind == INDEX).map(|object| object.name.clone()).collect();
        let holds = |name: &String| {
            seen.is_empty() || seen.contains(name) || seen.iter().any(|index| index.starts_with(".ds-"))
        };
        match (&request.source_scope, &inner.scope) {
            (Scope::All, Scope::All) => Ok(Self {
                indices: "*".to_owned(),
                rename: None,
                targets: seen,
                aliases,
                global: inner.toggle("global-state")?,
            }),
            (Scope::Database(_) | Scope::All, Scope::Database(target)) => {
                names::index(target)?;
                let source = match &request.source_scope {
                    Scope::Database(source) => source,
                    _ => target,
                };
                if !holds(source) {
                    return Err(Failure::missing_database(format!("the backup holds no index {source}"))
                        .hint("planb show names what it holds"));
                }
                let renamed = source != target;
                let stream = !seen.is_empty() && !seen.contains(source);
                if renamed && stream {
                    return Err(Failure::settings("a data stream goes back under its own name")
                        .hint(format!("restore into {source}")));
                }
                Ok(Self {
                    indices: source.clone(),
                    rename: renamed.then(|| ("(.+)".to_owned(), names::replacement(target))),
                    targets: if stream { seen } else { vec![target.clone()] },
                    // Aliases of another index would then mean both.
                    aliases: aliases && !renamed,
                    global: false,
                })
            }
            (Scope::Database(name), Scope::All) => Err(Failure::settings("the backup is of one index")
                .hint(format!("name the index to restore into, {name} or another"))),
            (Scope::Globals, _) | (_, Scope::Globals) => Err(request.unknown_format()),
        }
    }

    fn body(&self, rename: Option<&(String, String)>, aliases: bool) -> Value {
        let mut body = json!({
            "indices": self.indices,
            "ignore_unavailable": false,
            "include_global_state": self.global && rename.is_none(),
            "include_aliases": aliases,
            "partial": false,
        });
        if let Some((pattern, replacement)) = rename {
            body["rename_pattern"] = json!(pattern);
            body["rename_replacement"] = json!(replacement);
        }
        body
    }
}

/// A server reads snapshots of its own version and of the major version before. (Elasticsearch manual, "Snapshot and restore", "Version compatibility")
fn fits(request: &RestoreRequest) -> Result<Vec<String>, Failure> {
    let inner = &request.request;
    let source = request.source_version.as_deref();
    let (Some(source_text), Some(target_text)) = (source, inner.server_version.as_deref()) else {
        return Ok(Vec::new());
    };
    let is_opensearch = |version: &str| version.starts_with(crate::query::OPENSEARCH);
    if is_opensearch(source_text) != is_opensearch(target_text) {
        return Ok(vec![format!(
            "the backup was made by version {source_text}, and the target is {target_text}: OpenSearch 1 reads snapshots of Elasticsearch up to 7.10, and no others go together"
        )]);
    }
    let (Some(from), Some(to)) = (planb_sdk::Version::parse(source_text), inner.server()) else {
        return Ok(Vec::new());
    };
    if (to.major, to.minor) < (from.major, from.minor) {
        return Err(Failure::database(format!(
            "the backup was made by version {from}, which is newer than the server, {to}"
        ))
        .code(FailureCode::ToolUnfit)
        .hint("restore into a cluster of the same version or a newer one"));
    }
    if to.major > from.major + 1 {
        return Ok(vec![format!(
            "the backup was made by version {from}: version {to} restores only indices that were made in its own or the major version before"
        )]);
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Object, testing};

    use super::*;
    use crate::testing::text;

    fn request(target: TargetState) -> RestoreRequest {
        let request = testing::request("movies")
            .password()
            .tool("curl", "8.5.0")
            .tool("tar", "1.34")
            .with_setting("repository-path", "/mnt/snap")
            .with_setting("aliases", "true")
            .with_setting("try-first", "true");
        let mut restore = request.restore(Artifact::new("tar", "application/x-tar", FORMAT), target);
        restore.objects = vec![Object::new(INDEX, "movies")];
        restore
    }

    fn shown(request: &RestoreRequest) -> String {
        match plan(request) {
            Ok(plan) => plan
                .to_string()
                .lines()
                .filter(|line| !line.starts_with("file "))
                .collect::<Vec<_>>()
                .join("\n")
                .replace("curl --disable --config {work}/", "curl "),
            Err(failure) => failure.message,
        }
    }

    fn file(request: &RestoreRequest, name: &str) -> String {
        text(plan(request).unwrap().files.iter().find(|file| file.path == name).unwrap())
    }

    const TAKES: &str = "filtered stdin tar --extract --file=- --directory=/mnt/snap --preserve-permissions --recursive-unlink \
        --transform=s,^planb-backup,planb-restore,\nfinish curl make.conf\n";
    const RESTORES: &str = "finish curl restore.conf > {work}/restore.json\n\
        finish grep --quiet --extended-regexp --regexp=\"failed\" *: *0[,}] restore.json\nfinish curl restore-health.conf\n";

    #[test]
    fn into_an_index_that_is_not_there() {
        assert_eq!(shown(&request(TargetState::Missing)), format!("{TAKES}{RESTORES}cleanup curl drop.conf"));
        let body = file(&request(TargetState::Missing), "restore.conf");
        assert!(
            body.contains(r#"\"indices\":\"movies\""#)
                && body.contains(r#"\"include_aliases\":true"#)
                && !body.contains("rename")
        );
        assert!(
            file(&request(TargetState::Missing), "restore-health.conf")
                .contains("_cluster/health/movies?wait_for_status=yellow")
        );
    }

    #[test]
    fn under_another_name() {
        let mut request = request(TargetState::Missing);
        request.request.scope = Scope::Database("copy$".to_owned());
        let body = file(&request, "restore.conf");
        assert!(body.contains(r#"\"rename_pattern\":\"(.+)\",\"rename_replacement\":\"copy\\\\$\""#), "{body}");
        assert!(body.contains(r#"\"include_aliases\":false"#));
        request.objects = vec![Object::new(INDEX, "other")];
        assert!(shown(&request).contains("holds no index movies"));
    }

    #[test]
    fn in_place_of_another() {
        let mut request = request(TargetState::Occupied);
        assert!(shown(&request).contains("movies holds data"));
        request.replace = true;
        assert_eq!(
            shown(&request),
            format!(
                "{TAKES}finish curl try.conf > {{work}}/try.json\n\
                 finish grep --quiet --extended-regexp --regexp=\"failed\" *: *0[,}}] try.json\nfinish curl try-health.conf\n\
                 finish curl untry.conf\nfinish curl delete.conf\n{RESTORES}cleanup curl sweep.conf\ncleanup curl drop.conf"
            )
        );
        assert!(file(&request, "try.conf").contains(r#"\"rename_replacement\":\"planb-try-$1\""#));
        assert!(file(&request, "delete.conf").contains("/movies?ignore_unavailable=true\""));
        request.request = request.request.with_setting("try-first", "false");
        let text = shown(&request);
        assert!(!text.contains("try.conf") && text.contains("warning the indices of the target are deleted"));
        request.objects = vec![Object::new(INDEX, ".ds-logs-1")];
        assert!(shown(&request).contains("data stream"));
    }

    #[test]
    fn everything() {
        let mut request = request(TargetState::Empty);
        (request.source_scope, request.request.scope) = (Scope::All, Scope::All);
        request.objects.push(Object::new(INDEX, "actors"));
        request.request = request.request.with_setting("global-state", "true");
        assert!(file(&request, "restore.conf").contains(r#"\"include_global_state\":true"#));
        assert!(file(&request, "restore-health.conf").contains("_cluster/health/movies,actors?"));
        request.request.scope = Scope::Database("actors".to_owned());
        assert!(file(&request, "restore.conf").contains(r#"\"indices\":\"actors\""#));
        request.source_scope = Scope::Database("movies".to_owned());
        request.request.scope = Scope::All;
        assert!(shown(&request).contains("of one index"));
    }

    #[test]
    fn versions() {
        let with = |source: &str, target: &str| {
            let mut request = request(TargetState::Missing);
            request.source_version = Some(source.to_owned());
            request.request = request.request.server_is(target);
            shown(&request)
        };
        assert!(with("8.11.1", "8.9.0").contains("newer than the server, 8.9"));
        assert!(with("6.8.0", "8.9.0").contains("warning the backup was made by version 6.8"));
        assert!(with("7.10.2", "opensearch 1.3.0").contains("warning"));
        assert!(!with("7.17.0", "8.9.0").contains("warning"));
        assert!(!with("opensearch 2.11.0", "opensearch 2.12.0").contains("warning"));
    }
}
