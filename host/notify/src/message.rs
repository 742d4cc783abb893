//! The one renderer of an event for people: a subject, facts, and what went wrong. Every target that people read shows
//! this, in its own markup.
//!
//! A value that Plan B did not choose itself (a database's name, an error of a tool) is marked as foreign, so that a
//! target can show it where it cannot act as markup.

use crate::event::{Event, Kind, Phase, Status, Wanted};
use crate::words::{age, bytes, count, duration, one_line, plural};

/// Lines of a tool's last words that are worth a message.
const LAST_WORDS: usize = 12;

/// One thing that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub label: &'static str,
    /// Its value, on one line.
    pub value: String,
    /// Not chosen by Plan B.
    pub foreign: bool,
}

/// An event in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    before: &'static str,
    name: String,
    after: String,
    /// Good, worth a look, or bad.
    pub tone: Tone,
    /// What is known, the most important first.
    pub facts: Vec<Fact>,
    /// What should be looked at, each on one line.
    pub warnings: Vec<String>,
    /// What went wrong, what to do, and the tool's last words, in lines.
    pub trouble: Vec<String>,
}

/// How a message looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Tone {
    Neutral,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// One character for places that show pictures.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Neutral => "▶️",
            Self::Good => "✅",
            Self::Warning => "⚠️",
            Self::Bad => "❌",
        }
    }

    /// Red, green and blue.
    pub(crate) fn colour(self) -> u32 {
        match self {
            Self::Neutral => 0x6b_72_80,
            Self::Good => 0x2e_9e_5b,
            Self::Warning => 0xd9_91_00,
            Self::Bad => 0xd1_34_38,
        }
    }
}

impl Message {
    /// Says an event.
    pub fn of(event: &Event) -> Self {
        let (before, after) = headline(event);
        let mut warnings: Vec<_> = shrunken(event).into_iter().collect();
        warnings.extend(event.warnings.iter().map(|warning| one_line(warning)));
        Self {
            before,
            name: one_line(event.name()),
            after,
            tone: tone(event),
            facts: facts(event),
            warnings,
            trouble: trouble(event),
        }
    }

    /// What happened, on one line.
    pub fn subject(&self) -> String {
        self.subject_with(str::to_owned)
    }

    /// The same, with the name as `quote` writes it.
    pub(crate) fn subject_with(&self, quote: impl Fn(&str) -> String) -> String {
        format!("{}{}{}", self.before, quote(&self.name), self.after)
    }

    /// Everything below the subject, as plain text.
    pub fn body(&self) -> String {
        let mut out = String::new();
        for fact in &self.facts {
            out.push_str(&format!("{}: {}\n", fact.label, fact.value));
        }
        for warning in &self.warnings {
            out.push_str(&format!("Warning: {warning}\n"));
        }
        if !self.trouble.is_empty() {
            out.push_str(&format!("\n{}\n", self.trouble.join("\n")));
        }
        out
    }
}

fn tone(event: &Event) -> Tone {
    match event.status {
        _ if event.kind == Kind::Hung => Tone::Bad,
        Status::Failed => Tone::Bad,
        Status::Running => Tone::Neutral,
        Status::Partial | Status::Skipped => Tone::Warning,
        Status::Success | Status::Recovered if event.shrank() => Tone::Warning,
        Status::Success | Status::Recovered => Tone::Good,
    }
}

/// What stands before the name and behind it.
fn headline(event: &Event) -> (&'static str, String) {
    if event.kind == Kind::Stale {
        return stale(event);
    }
    let before = match event.kind {
        Kind::Run | Kind::Stale => "Backup of ",
        Kind::Hung => "Run of ",
        Kind::Restore => "Restore of ",
        Kind::Drill => "Drill of ",
        Kind::Prune => "Prune of ",
    };
    let after = match (event.phase, event.status) {
        _ if event.kind == Kind::Hung => " does not end".to_owned(),
        (Phase::Started, _) | (_, Status::Running) => " started".to_owned(),
        (_, Status::Failed) => " failed".to_owned(),
        (_, Status::Partial) => " is not in every store".to_owned(),
        (_, Status::Skipped) => " was skipped".to_owned(),
        _ if event.kind == Kind::Run && event.shrank() => " succeeded, but it shrank".to_owned(),
        _ if event.is_recovery() => " succeeded again".to_owned(),
        _ => match event.pruned {
            Some(pruned) => format!(" removed {}", plural(pruned.removed, "backup")),
            None => " succeeded".to_owned(),
        },
    };
    (before, after)
}

fn stale(event: &Event) -> (&'static str, String) {
    let wanted = event.stale.map_or(Wanted::Backup, |stale| stale.wanted);
    if event.status == Status::Recovered {
        let before = match wanted {
            Wanted::Backup => "There is a new backup of ",
            Wanted::Drill => "There is a new drill of ",
        };
        return (before, " again".to_owned());
    }
    let before = match wanted {
        Wanted::Backup => "No good backup of ",
        Wanted::Drill => "No good drill of ",
    };
    (before, event.stale.map_or_else(String::new, |stale| format!(" for {}", age(stale.age_seconds))))
}

fn facts(event: &Event) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |label, value: Option<String>, foreign| {
        if let Some(value) = value.map(|value| one_line(&value)).filter(|value| !value.is_empty()) {
            facts.push(Fact { label, value, foreign });
        }
    };
    fact("Status", Some(event.status.word().to_owned()), false);
    fact("Engine", event.engine.clone(), true);
    fact("Database", event.database.clone(), true);
    fact("Server", event.server.clone(), true);
    fact("Size", size(event), false);
    fact("Duration", event.duration_ms.map(duration), false);
    fact("Rate", event.rate().map(|rate| format!("{}/s", bytes(rate))), false);
    fact("Change", changed(event), false);
    fact("Begun", event.started_at.filter(|_| event.kind == Kind::Hung).map(|at| at.to_string()), false);
    fact("Failures in a row", event.failures.filter(|failures| *failures > 1).map(|n| count(n.into())), false);
    fact("Next try", event.retry_at.map(|at| at.to_string()), false);
    if let Some(stale) = event.stale {
        fact("Last good one", Some(stale.last.map_or_else(|| "never".to_owned(), |last| last.to_string())), false);
        fact("Allowed age", Some(age(stale.limit_seconds)), false);
    }
    if let Some(pruned) = event.pruned {
        let freed = bytes(pruned.freed_bytes);
        fact("Pruned", Some(format!("{} removed, {} kept, {freed} freed", pruned.removed, pruned.kept)), false);
    }
    fact("Object", event.object_key.clone(), true);
    for store in &event.stores {
        let outcome = match &store.error {
            Some(error) => format!("{}: {error}", store.status.word()),
            None => store.status.word().to_owned(),
        };
        fact("Store", Some(format!("{}: {outcome}", store.url)), true);
    }
    fact("Run", event.run_id.clone(), true);
    fact("Host", event.host.clone(), true);
    facts
}

fn size(event: &Event) -> Option<String> {
    match (event.plain_bytes, event.stored_bytes) {
        (Some(plain), Some(stored)) if plain != stored => Some(format!("{}, stored {}", bytes(plain), bytes(stored))),
        (Some(one), _) | (None, Some(one)) => Some(bytes(one)),
        (None, None) => None,
    }
}

/// This backup against the one before.
fn changed(event: &Event) -> Option<String> {
    let change = event.change()?;
    let previous = event.previous?;
    let sizes = change.plain_bytes_percent.zip(previous.plain_bytes);
    let rows = change.rows_percent.zip(previous.rows);
    let parts = [
        sizes.map(|(percent, then)| format!("{percent:+}% bytes ({} before)", bytes(then))),
        rows.map(|(percent, then)| format!("{percent:+}% rows ({} before)", count(then))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The warning that a dump is half of what the one before was.
fn shrunken(event: &Event) -> Option<String> {
    if !event.shrank() {
        return None;
    }
    let previous = event.previous?;
    let now = |now: Option<u64>, then: Option<u64>, show: fn(u64) -> String| {
        now.zip(then).map(|(now, then)| format!("{} instead of {}", show(now), show(then)))
    };
    let sizes = now(event.plain_bytes, previous.plain_bytes, bytes);
    let rows = now(event.rows, previous.rows, |n| format!("{} rows", count(n)));
    let both: Vec<_> = sizes.into_iter().chain(rows).collect();
    Some(format!("half of the last dump or more is gone: {}", both.join(", ")))
}

fn trouble(event: &Event) -> Vec<String> {
    let Some(error) = &event.error else { return Vec::new() };
    let mut lines = Vec::new();
    let blame = error.blame.map_or_else(String::new, |blame| format!(" ({blame})"));
    lines.push(format!("Error{blame}: {}", one_line(&error.message)));
    lines.extend(error.hint.as_deref().map(|hint| format!("What to do: {}", one_line(hint))));
    if let Some(words) = &error.last_words {
        let words: Vec<_> = words.lines().map(one_line).filter(|line| !line.is_empty()).collect();
        lines.extend_from_slice(&words[words.len().saturating_sub(LAST_WORDS)..]);
    }
    lines
}

#[cfg(test)]
mod tests;
