//! Trying again: how often, how long, and for what.

use std::time::{Duration, Instant};

/// The limits of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One try may take this long, from connecting to the answer's end.
    pub per_try: Duration,
    /// Tries after the first.
    pub retries: u32,
    /// The wait before the first of them; each further one is twice as long, less a random part of up to a half.
    pub first_wait: Duration,
    /// A server that asks for a longer wait than this is not asked again.
    pub longest_wait: Duration,
    /// All tries and waits together.
    pub overall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_try: Duration::from_secs(30),
            retries: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            overall: Duration::from_secs(150),
        }
    }
}

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Delivered.
    Done,
    /// The same again may succeed, after the wait that the server asks for.
    Again { why: String, after: Option<Duration> },
    /// It would fail the same way.
    Never { why: String },
}

/// Tries until it is delivered, cannot be, or the limits are reached: the number of tries, and why there was no
/// success.
pub(crate) async fn persist<F>(limits: &Limits, mut attempt: impl FnMut(Duration) -> F) -> (u32, Result<(), String>)
where
    F: Future<Output = Outcome>,
{
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        let left = limits.overall.saturating_sub(begun.elapsed());
        let limit = limits.per_try.min(left);
        tries += 1;
        // The attempt knows its limit and says well what took so long; this is for the one that does not keep to it.
        let outcome = match tokio::time::timeout(limit + limit / 4, attempt(limit)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Again { why: timed_out(limit), after: None },
        };
        let (why, after) = match outcome {
            Outcome::Done => return (tries, Ok(())),
            Outcome::Never { why } => return (tries, Err(why)),
            Outcome::Again { why, after } => (why, after),
        };
        if tries > limits.retries {
            return (tries, Err(why));
        }
        let wait = match after {
            Some(after) if after > limits.longest_wait => {
                return (tries, Err(format!("{why}; it asks to wait {} s", after.as_secs())));
            }
            Some(after) => after,
            None => backoff(limits, tries - 1),
        };
        if begun.elapsed() + wait >= limits.overall {
            return (tries, Err(why));
        }
        tokio::time::sleep(wait).await;
    }
}

/// In the words of every target.
pub(crate) fn timed_out(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32().ceil())
}

fn backoff(limits: &Limits, step: u32) -> Duration {
    let full = limits.first_wait.saturating_mul(1 << step.min(16)).min(limits.longest_wait);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(after: Option<Duration>) -> Outcome {
        Outcome::Again { why: "busy".to_owned(), after }
    }

    fn quick() -> Limits {
        Limits { first_wait: Duration::from_micros(10), ..Limits::default() }
    }

    #[tokio::test]
    async fn stops_after_the_last_retry() {
        let (tries, result) = persist(&quick(), |_| async { again(None) }).await;
        assert_eq!((tries, result), (4, Err("busy".to_owned())));
    }

    #[tokio::test]
    async fn a_wait_that_is_too_long_is_not_waited_for() {
        let (tries, result) = persist(&quick(), |_| async { again(Some(Duration::from_hours(1))) }).await;
        assert_eq!((tries, result), (1, Err("busy; it asks to wait 3600 s".to_owned())));
    }

    #[tokio::test]
    async fn never_begins_a_wait_that_would_pass_the_overall_limit() {
        let limits = Limits { overall: Duration::from_secs(5), ..quick() };
        let (tries, result) = persist(&limits, |_| async { again(Some(Duration::from_secs(6))) }).await;
        assert_eq!((tries, result), (1, Err("busy".to_owned())));
    }

    #[test]
    fn waits_grow_and_differ_but_have_a_bound() {
        let limits = Limits::default();
        for step in 0..40 {
            let full = Duration::from_secs(1_u64 << step.min(6)).min(limits.longest_wait);
            let wait = backoff(&limits, step);
            assert!(wait >= full / 2 && wait <= full, "{step}: {wait:?}");
        }
    }
}
