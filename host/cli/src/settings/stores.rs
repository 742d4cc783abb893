//! Which stores are meant: by flags, by names of planb.toml, by the environment.

use planb_config::StoreConfig;
use planb_store::{Access, Store, StoreUrl, WriteSettings};

use crate::args::Global;
use crate::jobs::Jobs;
use crate::logging::hide;
use crate::report::Report;

/// Reads a store's URL, and keeps the secrets in the files that it names out of the log.
fn store_url(text: &str) -> Result<StoreUrl, Report> {
    let url = StoreUrl::parse(text)?;
    url.secrets()?.iter().for_each(hide);
    Ok(url)
}

/// The URL of a store of the settings, with its secrets.
pub(crate) fn configured_url(store: &StoreConfig) -> Result<StoreUrl, Report> {
    store.secrets.values().chain(&store.hidden).for_each(hide);
    let url = store_url(&store.url)?.with_secrets(store.secrets.clone())?;
    Ok(url.with_rclone_args(store.rclone_args.clone()))
}

/// Reads the URLs of `--to`, or the stores of the settings where there are none.
pub(crate) fn store_urls(
    global: &Global,
    urls: &[String],
    configured: &[StoreConfig],
) -> Result<Vec<StoreUrl>, Report> {
    // Those that are typed stand in the place of those of the settings.
    let configured = if urls.is_empty() { configured } else { &[] };
    if urls.is_empty() && configured.is_empty() {
        return Err(Report::usage("where to? --to is missing")
            .with_hint("for example --to /backups, or --to s3://bucket/prefix"));
    }
    let mut parsed: Vec<StoreUrl> = Vec::new();
    let typed = urls.iter().map(|text| match named_store(global, text) {
        Some(config) => configured_url(&config),
        None => store_url(text),
    });
    for url in typed.chain(configured.iter().map(configured_url)) {
        let url = url?;
        if url.shown().starts_with("memory:") {
            return Err(Report::usage("a memory: store is gone when planb ends; it is for tests of the libraries"));
        }
        if parsed.iter().any(|known| known.shown() == url.shown()) {
            return Err(Report::usage(format!("the store {} is given twice", url.shown())));
        }
        parsed.push(url);
    }
    Ok(parsed)
}

/// Opens stores for writing.
pub(crate) fn stores_to(urls: &[StoreUrl], settings: WriteSettings) -> Result<Vec<Store>, Report> {
    urls.iter().map(|url| Store::open(url, Access::Write, settings).map_err(Report::from)).collect()
}

/// Opens the store of `--from`.
pub(crate) fn store_from(global: &Global, from: Option<&str>) -> Result<Store, Report> {
    let url = match from {
        Some(text) => match named_store(global, text) {
            Some(config) => configured_url(&config)?,
            None => store_url(text)?,
        },
        None => configured_url(&only_store(global)?)?,
    };
    Store::open(&url, Access::Read, WriteSettings::default()).map_err(|error| {
        let missing = error.kind == planb_store::StoreErrorKind::NotFound;
        let unknown = |text: &&str| missing && is_word(text) && named_store(global, text).is_none();
        let names = from.filter(unknown).map(|_| store_names(global)).unwrap_or_default();
        let report = Report::from(error);
        if names.is_empty() {
            report
        } else {
            report.with_hint(format!("planb.toml has the stores {}", names.join(", ")))
        }
    })
}

/// Whether it can be a store's name: no URL and no path.
fn is_word(text: &str) -> bool {
    !text.contains(['/', '.', ':']) && !text.is_empty()
}

/// The names of the stores of planb.toml; none where it cannot be read.
fn store_names(global: &Global) -> Vec<String> {
    let jobs = Jobs::file(global).and_then(|path| Jobs::read(&path).ok());
    jobs.and_then(|jobs| jobs.config).map(|config| config.stores.into_keys().collect()).unwrap_or_default()
}

/// A store of planb.toml, where a word can be the name of one: no URL and no path.
fn named_store(global: &Global, text: &str) -> Option<StoreConfig> {
    if !is_word(text) {
        return None;
    }
    // A folder of this name is meant where the settings know no such store, or cannot be read.
    let jobs = Jobs::read(&Jobs::file(global)?).ok()?;
    jobs.config?.stores.get(text).cloned()
}

/// The store that is meant where none is named.
fn only_store(global: &Global) -> Result<StoreConfig, Report> {
    if let Some((_, found)) = Jobs::environment()?
        && let Some(store) = found.job.to.first()
    {
        return Ok(store.clone());
    }
    let missing = Report::usage("from where? --from is missing")
        .with_hint("for example --from /backups, or --from s3://bucket/prefix");
    let Some(path) = Jobs::file(global) else { return Err(missing) };
    let stores = Jobs::read(&path)?.config.map(|config| config.stores).unwrap_or_default();
    match stores.len() {
        1 => stores.into_values().next().ok_or(missing),
        0 => Err(missing),
        _ => {
            let names: Vec<_> = stores.into_keys().collect();
            Err(missing.with_hint(format!("{} has the stores {}", path.display(), names.join(", "))))
        }
    }
}
