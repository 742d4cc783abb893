//! What `planb serve` shows of itself over HTTP: health, metrics, a status page, the same as JSON, and triggers.
//!
//! It knows nothing of how jobs are run: whoever runs them implements [`Board`], which answers with a [`Snapshot`].
//! Everything served is made from one snapshot, so that page, metrics and JSON agree.
//!
//! | Address | What |
//! |---|---|
//! | `/healthz` | 200, or 503 with the reasons: a hung run, a schedule that stands still, state that cannot be written |
//! | `/readyz` | 200 once settings are read and the schedule runs |
//! | `/metrics` | Prometheus' text format |
//! | `/api/status` | the snapshot, `planb.status/v1`; `?history=N` cuts the runs of each job |
//! | `POST /api/jobs/{name}/trigger` | a run now, with the token |
//! | `/`, `/jobs/{name}` | the page |

mod board;
mod error;
mod example;
pub mod exposition;
mod guard;
pub mod health;
pub mod metrics;
mod page;
mod routes;
mod server;
pub mod status;
mod text;

pub use board::{Board, TriggerError};
pub use error::{SHORTEST_TOKEN, WebError};
pub use health::{Health, Judgement};
pub use server::{Limits, Options, Server, fit_token};
pub use status::Snapshot;
