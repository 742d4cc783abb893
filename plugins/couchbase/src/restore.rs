//! How buckets are put back (cbbackupmgr-restore of the Couchbase documentation).

use planb_sdk::{Failure, RestorePlan, RestoreRequest, Scope, TargetState, quote};

use crate::backup::{ARCHIVE, DUMP, FORMAT};
use crate::connect::{self, curl, curl_config, manager_online};

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    if request.artifact.format != FORMAT {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    let target = connect::bucket(&inner.scope)?;
    let source = connect::bucket(&request.source_scope)?;
    let mut restore = manager_online(inner, "restore", ARCHIVE)?
        .flag("--auto-create-buckets")
        // Without it a document that the cluster deleted later stays deleted.
        .flag("--force-updates");
    match (source, target) {
        (None, None) => {}
        (Some(source), Some(target)) if source == target => {}
        (Some(source), Some(target)) => restore = restore.pair("--map-data", format!("{source}={target}")),
        (None, Some(bucket)) => {
            return Err(Failure::settings("the backup is of a whole cluster").hint(format!(
                "restore it into a cluster (leave /{bucket} out of the URL), or take backups of buckets"
            )));
        }
        (Some(_), None) => {
            return Err(Failure::settings("the backup is of one bucket")
                .hint("name the bucket to restore into: --db couchbase://user@host/bucket"));
        }
    }
    let mut plan = RestorePlan::from_tree(restore.extra(), DUMP);
    if request.target == TargetState::Occupied && request.replace {
        let buckets = match target {
            Some(bucket) => vec![bucket],
            None => buckets(request)?,
        };
        for bucket in buckets {
            let delete = curl(inner, &resource(bucket))?.flag("--request").flag("DELETE");
            // 22: the server answered with an error, here that there is no such bucket; any other the restore meets again.
            plan = plan.prepare(if target.is_none() { delete.ok(0).ok(22) } else { delete });
        }
        plan = plan
            .file(curl_config(inner)?)
            .warning("the bucket is deleted before the backup is restored: with it go its indexes, and what its users were granted on it");
    }
    if inner.scope == Scope::All {
        plan = plan.warning("users are not restored; indexes are made and not built where the index nodes are others");
    }
    Ok(plan)
}

/// The buckets of a cluster's backup, by the inspection in its manifest.
fn buckets(request: &RestoreRequest) -> Result<Vec<&str>, Failure> {
    let names = request.objects.iter().filter(|object| object.kind == "bucket").map(|object| object.name.as_str());
    names
        .map(|name| {
            connect::bucket(&Scope::Database(name.to_owned())).map(|_| name).map_err(|_| {
                Failure::damaged(format!("the backup's manifest names a bucket {name:?}, which cannot be one"))
            })
        })
        .collect()
}

/// The bucket's place in the REST API.
pub(crate) fn resource(bucket: &str) -> String {
    format!("/pools/default/buckets/{}", quote::percent(bucket, ""))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Input, Object, Sink};

    use super::*;
    use crate::connect::tests::request;

    fn restore(source: Scope, target: Scope, state: TargetState) -> RestoreRequest {
        let mut restore = request("x").scope(target).restore(Artifact::new("tar", "application/x-tar", FORMAT), state);
        restore.source_scope = source;
        restore.objects = vec![Object::new("bucket", "beer"), Object::new("bucket", "tra%vel")];
        restore
    }

    fn one(name: &str) -> Scope {
        Scope::Database(name.to_owned())
    }

    fn rendered(request: &RestoreRequest) -> (Vec<String>, String) {
        let plan = plan(request).unwrap();
        let Sink::Tree(Input { command, path }) = &plan.sink else { unreachable!() };
        assert_eq!(path, "dump");
        (plan.prepare.iter().map(ToString::to_string).collect(), command.to_string())
    }

    #[test]
    fn a_bucket() {
        let (prepare, sink) = rendered(&restore(one("travel"), one("travel"), TargetState::Missing));
        assert!(prepare.is_empty());
        assert_eq!(
            sink,
            "CB_USERNAME=app CB_PASSWORD={secret password} cbbackupmgr restore --archive {work}/dump/archive --repo planb --cluster \
             http://db:8091 --no-progress-bar --auto-create-buckets --force-updates [extra]"
        );
        let (_, sink) = rendered(&restore(one("travel"), one("copy"), TargetState::Empty));
        assert!(sink.contains("--map-data travel=copy"));
    }

    #[test]
    fn in_place_of_another_only_when_told() {
        assert!(plan(&restore(one("a"), one("a"), TargetState::Occupied)).is_err());
        let mut request = restore(one("a"), one("a.%b"), TargetState::Occupied);
        request.replace = true;
        let (prepare, _) = rendered(&request);
        assert!(prepare[0].ends_with("http://db:8091/pools/default/buckets/a.%25b --request DELETE"), "{prepare:?}");
        assert_eq!(plan(&request).unwrap().files.len(), 1);
        let mut all = restore(Scope::All, Scope::All, TargetState::Occupied);
        all.replace = true;
        assert_eq!(rendered(&all).0.len(), 2);
        all.objects.push(Object::new("bucket", "../x"));
        assert!(plan(&all).is_err());
    }

    #[test]
    fn scopes_have_to_fit() {
        assert!(plan(&restore(Scope::All, one("a"), TargetState::Missing)).is_err());
        assert!(plan(&restore(one("a"), Scope::All, TargetState::Empty)).is_err());
    }
}
