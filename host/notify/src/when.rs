//! Which of the events that a target is there for it is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Kind, Status};

/// Which outcomes are worth a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Every one.
    Always,
    /// What is wrong: failed, in some stores only, too old, endless, or half as large as the time before.
    #[default]
    Failure,
    /// What went well.
    Success,
    /// What is wrong, and the first that went well after it.
    Recovery,
}

impl When {
    /// Whether this outcome is.
    pub fn wants(self, event: &Event) -> bool {
        let wrong = event.status.is_bad()
            || matches!(event.kind, Kind::Stale | Kind::Hung) && event.status != Status::Recovered
            || event.kind == Kind::Run && event.shrank();
        match self {
            Self::Always => true,
            Self::Failure => wrong,
            Self::Success => event.status.is_good(),
            Self::Recovery => wrong || event.is_recovery(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Phase, Previous};

    fn wanted(event: &Event) -> [bool; 4] {
        [When::Always, When::Failure, When::Success, When::Recovery].map(|when| when.wants(event))
    }

    #[test]
    fn each_outcome_reaches_those_who_asked_for_it() {
        let run = |status| Event::new(Kind::Run, Phase::Finished, status, "orders");
        assert_eq!(wanted(&run(Status::Success)), [true, false, true, false]);
        assert_eq!(wanted(&run(Status::Failed)), [true, true, false, true]);
        assert_eq!(wanted(&run(Status::Partial)), [true, true, false, true]);
        assert_eq!(wanted(&run(Status::Skipped)), [true, false, false, false]);
        let again = Event { previous_status: Some(Status::Failed), ..run(Status::Success) };
        assert_eq!(wanted(&again), [true, false, true, true]);
        let shrunken = Event {
            plain_bytes: Some(1),
            previous: Some(Previous { plain_bytes: Some(1_000_000), rows: None }),
            ..run(Status::Success)
        };
        assert_eq!(wanted(&shrunken), [true, true, true, true]);
        let stale = |status| Event::new(Kind::Stale, Phase::Finished, status, "orders");
        assert_eq!(wanted(&stale(Status::Failed)), [true, true, false, true]);
        assert_eq!(wanted(&stale(Status::Recovered)), [true, false, true, true]);
        let hung = Event::new(Kind::Hung, Phase::Started, Status::Running, "orders");
        assert_eq!(wanted(&hung), [true, true, false, true]);
    }
}
