//! What should have happened and did not: the last good backup or drill is too old.

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::{Core, Job};
use crate::notice::Notice;
use crate::outcome::Work;
use crate::state::Stale;
use crate::timers::What;

/// It is told again after this time.
const DAILY: SignedDuration = SignedDuration::from_hours(24);
/// A good one that lies further in the future was made under a wrong clock.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// When the last good one becomes too old. None: it never does.
pub(super) fn too_old_at(job: &Job, work: Work) -> Option<Timestamp> {
    if !job.spec.enabled || job.removed {
        return None;
    }
    let good = job.state.lane(work).last_good_at.unwrap_or(job.state.known_since);
    good.checked_add(job.max_age(work)?).ok()
}

impl Core {
    /// Tells what became too old, and what no longer is; sets the timer for the next look.
    pub(super) fn check_age(&mut self, name: &str, work: Work, now: Timestamp) {
        self.timers.clear(name, What::Stale(work));
        if self.stopping {
            return;
        }
        let Some(job) = self.jobs.get_mut(name) else { return };
        let state = &mut job.state;
        let mut known_since = state.known_since;
        for good in state.lane_mut(work).last_good_at.iter_mut().chain([&mut known_since]) {
            if good.duration_since(now) > AHEAD {
                warn!(job = name, at = %good, "what is known of a job lies in the future: the clock had been wrong");
                *good = now;
            }
        }
        state.known_since = known_since;
        let (due, limit) = (too_old_at(job, work), job.max_age(work).unwrap_or_default());
        let lane = job.state.lane_mut(work);
        let (last_good_at, told) = (lane.last_good_at, lane.stale);
        let job = name.to_owned();
        match (due, told) {
            (Some(since), told) if since <= now => {
                let again = told.map(|told| told.told_at.saturating_add(DAILY).unwrap_or(Timestamp::MAX));
                let mut next = again;
                if again.is_none_or(|again| again <= now) {
                    lane.stale = Some(Stale { since, told_at: now });
                    next = now.checked_add(DAILY).ok();
                    self.tell(Notice::Stale { job, work, last_good_at, limit, since, repeated: told.is_some() });
                    self.save(name);
                }
                if let Some(next) = next {
                    self.timers.set(name, What::Stale(work), next);
                }
            }
            (due, told) => {
                if let Some(told) = told {
                    lane.stale = None;
                    if due.is_some() {
                        self.tell(Notice::Fresh { job, work, last_good_at, stale_since: told.since });
                    }
                    self.save(name);
                }
                if let Some(due) = due {
                    self.timers.set(name, What::Stale(work), due);
                }
            }
        }
    }
}
