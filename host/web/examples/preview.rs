//! Serves the example snapshot, to look at the page: `cargo run -p planb-web --example preview [ADDRESS]`.
//!
//! With a second argument `calm` all jobs are in order. The token for triggers is `preview-preview-`.
#![allow(clippy::print_stdout, reason = "says where to look")]

use std::error::Error;
use std::sync::Arc;

use jiff::Timestamp;
use planb_model::secret::Secret;
use planb_web::{Board, Options, Server, Snapshot, TriggerError};

struct Example {
    calm: bool,
}

impl Board for Example {
    fn snapshot(&self) -> Snapshot {
        let now = Timestamp::now();
        let mut snapshot = Snapshot::example(now);
        if self.calm {
            snapshot.jobs.retain(|job| job.judge(now).troubles.is_empty());
            snapshot.reasons.clear();
            snapshot.config_problem = None;
            snapshot.healthy = true;
        }
        snapshot
    }

    fn trigger(&self, job: &str) -> Result<String, TriggerError> {
        let snapshot = self.snapshot();
        let unknown = || TriggerError::Unknown(format!("there is no job {job:?}"));
        let job = snapshot.jobs.iter().find(|known| known.name == job).ok_or_else(unknown)?;
        if job.running.is_some() {
            Err(TriggerError::Busy(format!("{} runs already", job.name)))
        } else {
            Ok(format!("{} would run now", job.name))
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options::new(arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned()).parse()?);
    options.token = Some(Secret::new("preview-preview-".to_owned()));
    let calm = arguments.next().as_deref() == Some("calm");
    let server = Server::bind(options, Arc::new(Example { calm })).await?;
    println!("http://{}/", server.address());
    server.run(std::future::pending()).await;
    Ok(())
}
