//! What is wrong with a schedule, said so that the next try is right.

/// Why a schedule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Nothing was written.
    #[error("the schedule is empty: write cron (`30 2 * * *`), an interval (`every 6h`), `once` or `manual`")]
    Empty,
    /// It looks like nothing known.
    #[error("{0:?} is not a schedule: write cron (`30 2 * * *`), an interval (`every 6h`), `once` or `manual`")]
    Unknown(String),
    /// Cron with too few or too many fields.
    #[error(
        "the schedule {text:?} has {count} fields; cron has 5 (minute, hour, day of the month, month, day of the week) or 6 with seconds in front, for example `30 2 * * *`"
    )]
    Fields {
        /// As it was written.
        text: String,
        /// How many it has.
        count: usize,
    },
    /// A field of cron holds what it cannot.
    #[error("in the schedule {text:?} the {field} {value:?} is wrong: {why}; it takes {takes}")]
    Field {
        /// As it was written.
        text: String,
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        why: String,
        /// What may stand there, with an example.
        takes: &'static str,
    },
    /// There is no such date.
    #[error(
        "the schedule {0:?} never runs: no month has such a day; for the last day of a month write `L`, as in `0 3 L * *`"
    )]
    Never(String),
    /// An interval that is none.
    #[error("the schedule {text:?} is not an interval: {why}; for example `every 6h`, `every 90s`, `every 1d`")]
    Interval {
        /// As it was written.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A word behind `@` that nobody knows.
    #[error("{0:?} is not known; known are @hourly, @daily, @weekly, @monthly, @yearly and `every 6h`")]
    Nickname(String),
    /// That is another setting.
    #[error("`@reboot` is no schedule here: set `on_start` for a run when planb starts, and `manual` as the schedule")]
    Reboot,
    /// That is another setting.
    #[error(
        "the schedule {0:?} names a time zone; it has a setting of its own (`timezone`, or TZ), the schedule is cron alone"
    )]
    Zone(String),
}

struct Field {
    name: &'static str,
    takes: &'static str,
    /// How many values there are: a longer step is a mistake.
    values: u32,
    words: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    Field { name: "second", takes: "0 to 59, for example `0`, `*/10` or `0,30`", values: 60, words: &[] },
    Field { name: "minute", takes: "0 to 59, for example `30`, `*/15` or `0,30`", values: 60, words: &[] },
    Field { name: "hour", takes: "0 to 23, for example `2`, `*/6` or `8-18`", values: 24, words: &[] },
    Field {
        name: "day of the month",
        takes: "1 to 31, `L` for the last, `15W` for the nearest working day, for example `1,15`",
        values: 31,
        words: &["L", "W", "LW"],
    },
    Field {
        name: "month",
        takes: "1 to 12 or JAN to DEC, for example `*` or `MAR-OCT`",
        values: 12,
        words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field {
        name: "day of the week",
        takes: "0 to 7 or SUN to SAT (0 and 7 are Sunday), `5#2` for the second Friday, `5L` for the last, for example `MON-FRI`",
        values: 7,
        words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"],
    },
];

/// Looks at each field by itself, so that what is said names the one that is wrong. `parse` is asked for expressions
/// in which only one field is not `*`.
pub(super) fn check(
    text: &str,
    fields: &[&str],
    parse: impl Fn(&str) -> Result<(), String>,
) -> Result<(), ScheduleError> {
    if !(5..=6).contains(&fields.len()) {
        return Err(ScheduleError::Fields { text: text.to_owned(), count: fields.len() });
    }
    let first = 6 - fields.len();
    for (index, (field, value)) in FIELDS[first..].iter().zip(fields).enumerate() {
        let error = |why: String| ScheduleError::Field {
            text: text.to_owned(),
            field: field.name,
            value: (*value).to_owned(),
            why,
            takes: field.takes,
        };
        items(field, value).map_err(error)?;
        let mut alone = [if first == 0 { "*" } else { "0" }, "*", "*", "*", "*", "*"];
        alone[first + index] = *value;
        parse(&alone.join(" ")).map_err(|why| error(plain(&why)))?;
    }
    Ok(())
}

/// What the library lets pass and nobody can mean.
fn items(field: &Field, value: &str) -> Result<(), String> {
    for item in value.split(',') {
        if item.is_empty() {
            return Err("an item of the list is empty".to_owned());
        }
        if field.values == 7 && item.eq_ignore_ascii_case("L") {
            return Err("`L` needs a day in front, as in `5L`".to_owned());
        }
        // The library knows names of days and months wherever they stand.
        for word in item.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            let upper = word.to_uppercase();
            let known = |word: &str| field.words.contains(&word);
            if !known(&upper) && !upper.strip_suffix('L').is_some_and(known) {
                return Err(format!("{word:?} does not belong there"));
            }
        }
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        if step.parse::<u32>().is_ok_and(|step| step > field.values) {
            return Err(format!(
                "there are only {}, and a step starts anew with each round; write `every ...` for longer ones",
                field.values
            ));
        }
        if let Some((from, to)) = range.split_once('-')
            && let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>())
            && from > to
        {
            return Err(format!("a range goes upwards; write two, as in `{from}-MAX,MIN-{to}`"));
        }
    }
    Ok(())
}

/// The library's words without its own names for things.
fn plain(why: &str) -> String {
    let why = why.rsplit(": ").next().unwrap_or(why).trim_end_matches('.');
    if why.contains("out of bounds") { "it is out of range".to_owned() } else { lower_first(why) }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
