//! One run, from its beginning to its end: its time limit, and what follows it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use planb_model::Blame;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::core::{Active, Ticket};
use crate::outcome::{Outcome, Work};
use crate::serve::Shared;
use crate::stop::{Stop, StopReason};

/// A run begins without its state being kept where that takes longer: a backup is worth more than its record.
const WRITING: Duration = Duration::from_secs(10);

/// Does a run. `kept` is done when its beginning would survive a crash.
pub(crate) async fn supervise(
    shared: Arc<Shared>,
    ticket: Ticket,
    active: Active,
    kept: Option<oneshot::Receiver<()>>,
) {
    if let Some(kept) = kept
        && timeout(WRITING, kept).await.is_err()
    {
        warn!(job = ticket.job, "the state folder does not answer: the run begins without a record of its beginning");
    }
    let worker = Arc::clone(&shared.worker);
    let (job, run) = (ticket.job.clone(), active.context());
    let work = match ticket.work {
        Work::Drill => worker.drill(job, run),
        Work::Backup | Work::Prune => worker.run(job, run),
    };
    let (outcome, took) = watch(&shared, &ticket, &active, &active.stop, work).await;
    let next = shared.act(|core, now| core.finished(&ticket.job, ticket.work, &ticket.run_id, outcome, took, now.wall));
    if let Some(run) = next {
        let stop = run.stop.clone();
        let work = Arc::clone(&shared.worker).prune(ticket.job.clone(), run);
        let (outcome, took) = watch(&shared, &ticket, &active, &stop, work).await;
        shared.act(|core, now| core.pruned(&ticket.job, &ticket.run_id, outcome, took, now.wall));
    }
    shared.ended.notify_waiters();
}

/// Waits for work to end. When its time is over it is asked to, and then waited for all the same: it is never dropped.
async fn watch(
    shared: &Arc<Shared>,
    ticket: &Ticket,
    active: &Active,
    stop: &Stop,
    work: impl Future<Output = Outcome> + Send + 'static,
) -> (Outcome, Duration) {
    let begun = Instant::now();
    let mut work = pin!(Task(tokio::spawn(work)));
    let limit = Duration::try_from(active.limit).unwrap_or(Duration::MAX);
    let mut ended = timeout(limit, work.as_mut()).await.ok();
    if ended.is_none() {
        shared.act(|core, _| core.over_time(&ticket.job, ticket.work, &ticket.run_id));
        stop.now(StopReason::TimeLimit(active.limit));
        ended = timeout(shared.grace, work.as_mut()).await.ok();
    }
    let outcome = match ended {
        Some(outcome) => outcome,
        None => {
            shared.act(|core, now| core.hung(&ticket.job, ticket.work, &ticket.run_id, now.wall));
            work.await
        }
    };
    (outcome, begun.elapsed())
}

/// Work in a task of its own: its panic is an outcome.
struct Task(JoinHandle<Outcome>);

impl Future for Task {
    type Output = Outcome;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Outcome> {
        std::pin::Pin::new(&mut self.0).poll(context).map(|ended| {
            ended.unwrap_or_else(|error| Outcome::failed(Blame::PlanB, format!("the run broke inside planb: {error}")))
        })
    }
}
