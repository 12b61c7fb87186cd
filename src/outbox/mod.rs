//! Carries out what the store's outbox holds: tells webhooks, and removes what outputs left behind.
//!
//! Receives: effects that are due, from [`Store::due`]; told to look by `wake`, by the time of the next one, and by the end
//! of an attempt. Sends: signed requests ([`signature`](SigningKeys), [`UrlRules`]), orders to a [`Remover`], and the
//! outcome of each attempt to [`Store::settle`]. Owns: one task, and one for each attempt in flight.
//! - **At least once**: an effect is settled after its attempt, so what a crash or a shutdown cuts off is due again. The
//!   `webhook-id` stays the same, so that receivers can tell a repetition ([`crate::report::webhook::message_id`]).
//! - **Never twice at a time**: what is in flight is not started again.
//! - **Bound**: 64 attempts in flight, 4 of them to one receiver, so that a slow one holds up nobody else (`queue`).
//! - **Order**: of the messages of a job to one webhook one is on its way at a time, the oldest first. After a failure the
//!   later ones overtake: order is not promised.
//! - **Ends**: at once when it is told to; attempts in flight are dropped.

mod attempt;
mod queue;
mod run;
mod signature;
mod url_rules;
mod verdict;

pub use signature::SigningKeys;
pub use url_rules::{UrlRules, url_objection};

use crate::model::{BackOff, JobId, Locator, Problem};
use crate::net::{Client, Options, Redirects};
use crate::report::metrics::Metrics;
use crate::report::traces::Traces;
use crate::store::Store;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How effects are carried out.
#[derive(Clone, Debug)]
pub struct OutboxSettings {
    /// Where webhooks may go.
    pub rules: UrlRules,
    /// How connections are made. Its redirects and its read timeout are not used.
    pub http: Options,
    /// Signing keys by the name that jobs give.
    pub secrets: BTreeMap<String, SigningKeys>,
    /// How long a receiver may take to answer, connection included. Default 15 s, the least that Standard Webhooks
    /// recommends: receivers that wake from the cold make it.
    pub timeout: Duration,
    /// How long one removal may take. Default 10 min: a store removes hundreds of thousands of objects in that time.
    pub remove_timeout: Duration,
    /// From the cause on, how long an effect is tried before it is given up. Default 24 h: a day outlasts an outage that
    /// people have to mend.
    pub give_up_after: Duration,
    /// When an effect is tried again. By default after 5 s, then four times longer each time, up to 2 h, without a limit
    /// to the number: a restart of the receiver is waited out within a minute, and a day of outage costs it some twenty
    /// requests a message.
    pub retry: BackOff,
    /// Where traces of jobs go.
    pub traces: Traces,
    /// Where attempts are counted.
    pub metrics: Metrics,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            rules: UrlRules::default(),
            http: Options::default(),
            secrets: BTreeMap::new(),
            timeout: Duration::from_secs(15),
            remove_timeout: Duration::from_secs(600),
            give_up_after: Duration::from_secs(24 * 3600),
            retry: BackOff {
                first_ms: 5_000,
                factor: 4,
                max_ms: 2 * 3_600_000,
                attempts_max: u32::MAX,
                jitter_percent: 20,
            },
            traces: Traces::default(),
            metrics: Metrics::default(),
        }
    }
}

/// Removes what outputs left at their destinations.
pub trait Remover: Send + Sync + fmt::Debug + 'static {
    /// Removes these paths below an output's destination. What is not there counts as removed, since a removal may be
    /// ordered more than once.
    ///
    /// # Errors
    /// Faults of the classes sink, capacity and device are tried again later, others never.
    fn remove<'a>(
        &'a self,
        job: JobId,
        output: usize,
        destination: &'a Locator,
        paths: Vec<String>,
    ) -> BoxFuture<'a, Result<(), Problem>>;
}

/// What carries effects out. Nothing happens before [`Outbox::start`].
#[derive(Debug)]
pub struct Outbox {
    store: Arc<dyn Store>,
    client: Client,
    settings: OutboxSettings,
    remover: Arc<dyn Remover>,
}

impl Outbox {
    /// An outbox over a store.
    ///
    /// # Errors
    /// `internal.http_client`, see [`Client::new`].
    pub fn new(store: Arc<dyn Store>, settings: OutboxSettings, remover: Arc<dyn Remover>) -> Result<Self, Problem> {
        let options = Options {
            redirects: Redirects::Refuse,
            // The attempt as a whole has a time limit, which is the shorter one.
            read_timeout: settings.timeout.saturating_add(Duration::from_secs(1)),
            ..settings.http.clone()
        };
        let client = Client::new(settings.rules.addresses.clone(), &options)?;
        Ok(Self { store, client, settings, remover })
    }

    /// Begins, and goes on until `shutdown` is true or its sender is gone. Whoever saves effects calls
    /// [`Notify::notify_one`] on `wake`; what is due already is found without it.
    pub fn start(self, wake: Arc<Notify>, shutdown: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(run::run(Arc::new(self), wake, shutdown))
    }
}
