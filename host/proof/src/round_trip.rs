//! The way there and back: back up, look, verify, restore elsewhere, compare.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use planb_model::compression::Compression;
use planb_model::engine::{
    Answer, Artifact, FailureCode, Inspection, Mode, Object, Purpose, Query, Request, Scope, SettingKind,
};
use planb_model::name::NameTemplate;
use planb_pipeline::{
    Backup, BackupSpec, Encryption, Identities, Lock, Operation, Progress, Restore, RestoreSpec, RunError, RunReport,
    verify,
};
use planb_plugin::CallError;
use planb_store::{Access, Entry, Store, StoreUrl, WriteSettings};

use crate::lab::{Lab, Place};
use crate::plans::set;

/// One way of taking a dump: a mode, and what else makes an artifact of another kind.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) mode: Mode,
    pub(crate) native: bool,
    /// The value of a declared choice.
    pub(crate) choice: Option<(String, String)>,
}

impl Way {
    /// `stream`, `directory, format=custom`, `stream, native compression`.
    pub(crate) fn words(&self) -> String {
        let mut words = self.mode.to_string();
        if let Some((name, value)) = &self.choice {
            words.push_str(&format!(", {name}={value}"));
        }
        if self.native {
            words.push_str(", native compression");
        }
        words
    }

    /// The place with this way's setting.
    pub(crate) fn place(&self, place: &Place) -> Place {
        let mut place = place.clone();
        if let Some((name, value)) = &self.choice {
            set(&mut place.settings, name, value);
        }
        place
    }
}

/// Each mode, and in it each choice and native compression that gives an artifact of another kind.
pub(crate) async fn ways(lab: &Lab<'_>, place: &Place) -> Result<(Vec<Way>, Vec<String>), RunError> {
    let d = lab.plugin.description();
    let op = lab.open(place, &[Purpose::Backup, Purpose::Query]).await?;
    let objects = if d.plans_by_inventory { Some(inventory(lab, place).await?) } else { None };
    let (mut ways, mut impossible) = (Vec::new(), Vec::new());
    for mode in &d.modes {
        let mut kinds: Vec<Artifact> = Vec::new();
        let mut wishes = vec![Way { mode: *mode, native: false, choice: None }];
        for setting in &d.settings {
            if let SettingKind::Choice(values) = &setting.kind {
                let choices = values.iter().map(|value| Some((setting.name.clone(), value.clone())));
                wishes.extend(choices.map(|choice| Way { mode: *mode, native: false, choice }));
            }
        }
        if d.native_compression {
            wishes.push(Way { mode: *mode, native: true, choice: None });
        }
        for way in wishes {
            let mut request: Request = op.request(place.scope.clone(), *mode, way.native);
            request.settings = way.place(place).settings;
            request.objects.clone_from(&objects);
            let mut session = lab.plugin.session().await?;
            match session.plan_backup(&request).await {
                Ok(plan) if !kinds.contains(&plan.artifact) => {
                    kinds.push(plan.artifact);
                    ways.push(way);
                }
                Ok(_) => {}
                Err(CallError::Failure(failure))
                    if matches!(failure.code, FailureCode::InvalidRequest | FailureCode::Unsupported) =>
                {
                    impossible.push(format!("{}: {}", way.words(), failure.message));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((ways, impossible))
}

/// A backup of a place into a folder.
pub(crate) struct Taken {
    pub(crate) report: RunReport,
    pub(crate) entry: Entry,
    pub(crate) store: Store,
    pub(crate) request: Request,
    /// The manifest as it is stored.
    pub(crate) manifest_text: String,
}

pub(crate) async fn back_up(lab: &Lab<'_>, place: &Place, way: &Way, folder: &Path) -> Result<Taken, RunError> {
    let place = way.place(place);
    let mut op = lab.open(&place, &[Purpose::Backup, Purpose::Query]).await?;
    op.greet(&place.scope).await?;
    let store = open_store(folder, Access::Write)?;
    let spec = BackupSpec {
        scope: place.scope.clone(),
        mode: Some(way.mode),
        // As it is: what is stored is what the inspector saw.
        compression: if way.native { Compression::Native } else { Compression::None },
        threads: 1,
        encryption: Encryption::default(),
        name: name_template()?,
        labels: BTreeMap::new(),
        volume_bytes: u64::MAX >> 1,
        want_size: false,
        at: jiff::Zoned::now(),
        lock: Lock::Off,
        signer: None,
        extension: None,
    };
    let request = op.request(place.scope.clone(), way.mode, way.native);
    let (report, error) = Backup::new(&mut op, spec, vec![store], Arc::new(Progress::default())).run().await;
    if let Some(error) = error {
        return Err(error);
    }
    let store = open_store(folder, Access::Read)?;
    let catalogue = store.catalogue().await?;
    let entry = catalogue.entries.into_iter().find(|entry| entry.manifest.id == report.id);
    let entry = entry.ok_or_else(|| RunError::Internal("a backup that is not listed".to_owned()))?;
    let manifest_text = std::fs::read_to_string(folder.join(&entry.key)).map_err(RunError::Work)?;
    Ok(Taken { report, entry, store, request, manifest_text })
}

fn name_template() -> Result<NameTemplate, RunError> {
    "backup".parse().map_err(|error: planb_model::name::NameError| RunError::Internal(error.to_string()))
}

fn open_store(folder: &Path, access: Access) -> Result<Store, RunError> {
    let url = StoreUrl::parse(&folder.to_string_lossy()).map_err(|error| RunError::Internal(error.to_string()))?;
    Ok(Store::open(&url, access, WriteSettings::default())?)
}

/// Verifies; gives the names of failed checks.
pub(crate) async fn verified(lab: &Lab<'_>, taken: &Taken) -> Result<Vec<String>, RunError> {
    let progress = Arc::new(Progress::default());
    let report =
        verify(&taken.store, &taken.entry, Some(lab.plugin), &Identities::default(), &progress, &lab.stop).await?;
    Ok(report
        .checks
        .into_iter()
        .filter(|check| !check.ok)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect())
}

/// Puts a backup back into a place.
pub(crate) async fn put_back(
    lab: &Lab<'_>,
    taken: &Taken,
    place: &Place,
    way: &Way,
    running: bool,
) -> Result<(), RunError> {
    let place = way.place(place);
    let mut op = lab.open(&place, &[Purpose::Restore, Purpose::Query]).await?;
    if running {
        op.greet(&place.scope).await?;
    }
    let spec = RestoreSpec {
        target: place.scope.clone(),
        replace: false,
        verify_first: false,
        identities: Identities::default(),
    };
    let progress = Arc::new(Progress::default());
    Restore::new(&mut op, spec, taken.store.clone(), taken.entry.clone(), progress)?.run().await?;
    Ok(())
}

/// What a live database holds.
pub(crate) async fn inventory(lab: &Lab<'_>, place: &Place) -> Result<Vec<Object>, RunError> {
    let mut op: Operation<'_> = lab.open(place, &[Purpose::Query]).await?;
    match op.query(&place.scope, &Query::Inventory(place.scope.clone())).await? {
        Answer::Inventory(mut objects) => {
            objects.sort();
            Ok(objects)
        }
        _ => Err(lab.plugin.bad_plan("its answer to `inventory` is none".to_owned()).into()),
    }
}

/// Whether two lists name the same objects with the same rows.
pub(crate) fn same(there: &[Object], here: &[Object]) -> Result<String, String> {
    let lacks = |a: &[Object], b: &[Object]| {
        let only: Vec<_> = a.iter().filter(|object| !b.contains(object)).map(words).collect();
        only
    };
    let (missing, extra) = (lacks(there, here), lacks(here, there));
    if missing.is_empty() && extra.is_empty() {
        let rows = planb_model::engine::rows(here);
        return Ok(format!("{} objects, {rows} rows", here.len()));
    }
    let list = |items: &[String]| items.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
    Err(format!("only the source has [{}], only the restored one has [{}]", list(&missing), list(&extra)))
}

/// Whether what was seeded is in what was seen; `Ok(None)` where the format shows nothing at all.
pub(crate) fn names(holds: &[Object], inspection: &Inspection) -> Result<Option<String>, String> {
    if inspection.objects.is_empty() {
        return Ok(None);
    }
    let mut counted = 0;
    for object in holds {
        let found = inspection.objects.iter().find(|seen| seen.kind == object.kind && seen.name == object.name);
        match found {
            None => return Err(format!("it does not name {}", words(object))),
            Some(seen) if seen.rows.is_some() && seen.rows != object.rows => {
                return Err(format!("the seed has {}, the inspection {}", words(object), words(seen)));
            }
            Some(seen) => counted += usize::from(seen.rows.is_some()),
        }
    }
    Ok(Some(format!("{} objects seen, {counted} of {} seeded ones counted", inspection.objects.len(), holds.len())))
}

/// Whether an inspection and a live inventory agree about what both name and count.
pub(crate) fn agree(inspection: &Inspection, live: &[Object]) -> Result<String, String> {
    let mut both = 0;
    for object in live {
        let Some(rows) = object.rows else { continue };
        let seen = inspection.objects.iter().find(|seen| seen.kind == object.kind && seen.name == object.name);
        match seen.and_then(|seen| seen.rows) {
            Some(counted) if counted != rows => {
                return Err(format!("{} live, {counted} rows in the dump", words(object)));
            }
            Some(_) => both += 1,
            None => {}
        }
    }
    Ok(format!("{both} objects counted in both"))
}

fn words(object: &Object) -> String {
    match object.rows {
        Some(rows) => format!("{} {} ({rows} rows)", object.kind, object.name),
        None => format!("{} {}", object.kind, object.name),
    }
}

/// Fills a place with the plugin's seed; gives what it holds then.
pub(crate) async fn seed(lab: &Lab<'_>, place: &Place) -> Result<Vec<Object>, RunError> {
    let mut op = lab.open(place, &[Purpose::Scratch, Purpose::Query, Purpose::Backup, Purpose::Restore]).await?;
    op.open_scope(&place.scope);
    let mut session = lab.plugin.session().await?;
    let mode = lab.plugin.description().modes.first().copied().unwrap_or(Mode::Stream);
    let plan = session.plan_seed(&op.request(place.scope.clone(), mode, false)).await?;
    op.check(&plan.commands)?;
    op.run_all(&mut session, &plan.files, &plan.commands).await?;
    Ok(plan.holds)
}

/// Whether a scope names a database that is listed.
pub(crate) fn listed(names: &[String], scope: &Scope) -> Result<String, String> {
    match scope {
        Scope::Database(name) if !names.contains(name) => Err(format!("the list {names:?} lacks {name:?}")),
        _ => Ok(format!("{} databases", names.len())),
    }
}
