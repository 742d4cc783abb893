//! From the keys of `retention` to the rules of planb-model.

use planb_model::retention::{Period, Retention};

use crate::value::Settings;

/// The word that stands for the periods of NectGmbH's db-backup-controller.
pub(crate) const NECTGMBH: &str = "nectgmbh";

/// The rules that a table gives. Its periods were checked when they were read.
pub(crate) fn rules(settings: &Settings) -> Retention {
    let count = |key| settings.count32(key);
    let periods = settings.map("periods").unwrap_or_default();
    Retention {
        keep_last: count("keep_last"),
        hourly: count("hourly"),
        daily: count("daily"),
        weekly: count("weekly"),
        monthly: count("monthly"),
        yearly: count("yearly"),
        max_files: count("max_files"),
        max_days: count("max_days"),
        max_bytes: settings.size("max_bytes"),
        periods: periods.iter().filter_map(|(format, hold)| Period::new(format, hold).ok()).collect(),
    }
}
