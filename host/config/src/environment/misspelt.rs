//! Variables that look like ones of planb and are none.

use crate::variables::{VARIABLES, find};

use crate::origin::{Origin, Problem};

/// What such variables begin with.
const PREFIXES: [&str; 9] =
    ["DB_", "BACKUP_", "RETENTION_", "NOTIFY_", "HOOK_", "STORAGE_", "CALLBACK_", "DUMP_", "PLANB_"];

/// A warning for each variable that is one letter or two from a known one.
pub(super) fn warnings(names: &[String]) -> Vec<Problem> {
    names.iter().filter_map(|name| Some(warning(name, &nearest(name)?))).collect()
}

fn warning(name: &str, nearest: &str) -> Problem {
    let origin = Origin::Environment(name.to_owned());
    Problem::new(origin, format!("planb does not read it; did you mean `{nearest}`?"))
}

fn nearest(name: &str) -> Option<String> {
    let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if !ours || find(name).is_some() || is_of_kubernetes(name) {
        return None;
    }
    let plain = VARIABLES.iter().filter(|variable| variable.prefix.is_none());
    let known = plain.flat_map(|variable| {
        let file = variable.file_variant.then(|| format!("{}_FILE", variable.name));
        std::iter::once(variable.name.to_owned()).chain(file)
    });
    // `DB_PASS` is four letters from `DB_PASSWORD`, and meant so.
    let near = |known: &String| distance(name, known) <= 2 || name.len() >= 6 && known.starts_with(name);
    known.filter(near).min_by_key(|known| (distance(name, known), known.clone()))
}

/// In each pod, for each Service: `DB_SERVICE_HOST`, `DB_PORT_5432_TCP_ADDR`.
fn is_of_kubernetes(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn distance(one: &str, other: &str) -> usize {
    strsim::damerau_levenshtein(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_told_and_others_are_left_alone() {
        let told = |name: &str| nearest(name);
        assert_eq!(told("DB_PASWORD").as_deref(), Some("DB_PASSWORD"));
        assert_eq!(told("DB_URL").as_deref(), Some("DB_URI"));
        assert_eq!(told("DB_PASS").as_deref(), Some("DB_PASSWORD"));
        assert_eq!(told("RETENTION_MAX_DAY").as_deref(), Some("RETENTION_MAX_DAYS"));
        assert_eq!(told("NOTIFY_WEBHOOK_URL_FIL").as_deref(), Some("NOTIFY_WEBHOOK_URL_FILE"));
        assert_eq!(told("STORAGE_BUCKETS").as_deref(), Some("STORAGE_BUCKET"));
        for name in [
            "DB_PASSWORD",
            "DB_PASSWORD_FILE",
            "DB_SECRET_SSLPASSWORD",
            "DB_CONNECTION",
            "DB_SERVICE_HOST",
            "DB_PORT_5432_TCP_ADDR",
            "RCLONE_CONFIG_MYS3_TYPE",
            "RCLONE_VERBOSE",
            "STORAGE_EMULATOR_HOST",
            "PATHS",
            "BACKUP_WINDOW",
        ] {
            assert_eq!(told(name), None, "{name}");
        }
    }
}
