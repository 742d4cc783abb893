//! Brings an event to every target that wants it, and tells how that went.

use futures::future::join_all;
use planb_model::redact::Redactor;
use reqwest::Client;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::event::Event;
use crate::http::{Post, client};
use crate::message::Message;
use crate::retry::{Limits, persist};
use crate::target::{Channel, Target};
use crate::{callback, discord, email, ntfy, ping, slack, webhook};

/// So many messages are on their way to one target at once; more wait. A thousand jobs that fail together do not open a
/// thousand connections.
const AT_ONCE: usize = 8;

/// How the way to one target ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The target's name.
    pub target: String,
    /// It was taken.
    pub ok: bool,
    /// Requests that were made.
    pub attempts: u32,
    /// Why it was not, with the host and without any secret.
    pub error: Option<String>,
}

/// Targets by their names. One for all jobs: its targets share what is costly.
#[derive(Debug)]
pub struct Notifier {
    targets: Vec<Named>,
    limits: Limits,
}

#[derive(Debug)]
struct Named {
    name: String,
    target: Target,
    client: Result<Client, String>,
    redactor: Redactor,
    gate: Semaphore,
}

impl Notifier {
    /// One for these targets.
    pub fn new(targets: Vec<(String, Target)>) -> Self {
        let mut shared = None;
        let named = |(name, target): (String, Target)| Named {
            client: match &target.authority {
                Some(authority) => client(Some(authority)),
                None => shared.get_or_insert_with(|| client(None)).clone(),
            },
            redactor: target.redactor(),
            gate: Semaphore::new(AT_ONCE),
            name,
            target,
        };
        Self { targets: targets.into_iter().map(named).collect(), limits: Limits::default() }
    }

    /// With other limits of time and retries.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The targets' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| &*target.name)
    }

    /// Tells every target that wants to know. Targets that do not are not in the answer.
    ///
    /// Never fails, and ends within [`Limits::overall`] and the time that it takes others to make way. Who tells the
    /// beginning and the end of a run awaits the first before the second, or they may arrive the wrong way round.
    pub async fn send(&self, event: &Event) -> Vec<Delivery> {
        self.send_to(event, |_| true).await
    }

    /// Tells those whose name is chosen: a job may have targets of its own.
    pub async fn send_to(&self, event: &Event, chosen: impl Fn(&str) -> bool) -> Vec<Delivery> {
        let message = Message::of(event);
        let wanted = self.targets.iter().filter(|named| chosen(&named.name) && named.target.wants(event));
        join_all(wanted.map(|named| named.send(event, &message, &self.limits))).await
    }
}

impl Named {
    async fn send(&self, event: &Event, message: &Message, limits: &Limits) -> Delivery {
        let _permit = self.gate.acquire().await;
        let (attempts, result) = match &self.client {
            Ok(client) => self.deliver(event, message, client, limits).await,
            Err(why) => (0, Err(why.clone())),
        };
        let (notify, kind, host) = (&*self.name, self.target.type_name(), self.target.host());
        let error = result.err().map(|why| format!("{host}: {why}"));
        match &error {
            Some(error) => {
                tracing::warn!(notify, kind, attempts, error, job = event.job, "a notification was not delivered");
            }
            None => tracing::debug!(notify, kind, attempts, host, job = event.job, "a notification was delivered"),
        }
        Delivery { target: self.name.clone(), ok: error.is_none(), attempts, error }
    }

    async fn deliver(
        &self,
        event: &Event,
        message: &Message,
        client: &Client,
        limits: &Limits,
    ) -> (u32, Result<(), String>) {
        let redactor = &self.redactor;
        let post = match &self.target.channel {
            Channel::Slack(endpoint) => Post::json(endpoint, &slack::payload(event, message)),
            Channel::Discord(endpoint) => Post::json(endpoint, &discord::payload(event, message)),
            Channel::Webhook { endpoint, bearer, signing, headers } => Post {
                bearer: bearer.clone(),
                signing: signing.clone(),
                headers: headers.clone(),
                ..Post::json(endpoint, &webhook::payload(event, message))
            },
            Channel::Ntfy { endpoint, topic, token, priority } => {
                Post { bearer: token.clone(), ..Post::json(endpoint, &ntfy::payload(topic, *priority, message)) }
            }
            Channel::Ping(endpoint) => match ping::post(endpoint, event, message) {
                Some(post) => post,
                None => return (0, Ok(())),
            },
            Channel::Callback { endpoint, secret } => {
                return callback::deliver(event, endpoint, secret.as_ref(), (client, redactor, limits)).await;
            }
            Channel::Email(server) => {
                let mail = match email::compose(server, event, message) {
                    Ok(mail) => mail,
                    Err(why) => return (0, Err(why)),
                };
                let authority = self.target.authority.as_deref();
                return persist(limits, |limit| email::send(server, authority, event, mail.clone(), redactor, limit))
                    .await;
            }
        };
        persist(limits, |limit| post.send(client, redactor, limit)).await
    }
}
