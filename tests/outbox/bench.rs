//! A running outbox over a store of its own, with short waits.

use crate::store::Effects;
use futures_util::future::BoxFuture;
use reelmill::model::{BackOff, JobId, Locator, Problem};
use reelmill::net::AddressRules;
use reelmill::outbox::{Outbox, OutboxSettings, Remover, SigningKeys, UrlRules};
use reelmill::store::Effect;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// An outbox that runs.
pub(crate) struct Bench {
    pub(crate) store: Arc<Effects>,
    pub(crate) removals: Arc<Removals>,
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Bench {
    pub(crate) fn new(settings: OutboxSettings) -> Self {
        Self::over(Arc::default(), settings)
    }

    pub(crate) fn over(store: Arc<Effects>, settings: OutboxSettings) -> Self {
        let (removals, wake) = (Arc::<Removals>::default(), Arc::<Notify>::default());
        let (stop, stopped) = watch::channel(false);
        let outbox = Outbox::new(store.clone(), settings, removals.clone()).unwrap();
        let task = outbox.start(wake.clone(), stopped);
        Self { store, removals, wake, stop, task }
    }

    /// Stores an effect of a job and says so.
    pub(crate) fn add(&self, job: u128, effect: Effect) -> u64 {
        let id = self.store.add(JobId::from_number(job), effect);
        self.wake.notify_one();
        id
    }

    /// Stops the outbox, which takes no time worth naming.
    pub(crate) async fn stop(self) -> Arc<Effects> {
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(2), self.task).await.unwrap().unwrap();
        self.store
    }
}

/// Loopback and http are allowed; waits are 20 to 100 ms.
pub(crate) fn settings() -> OutboxSettings {
    OutboxSettings {
        rules: UrlRules { addresses: local(), allow_http: true },
        secrets: BTreeMap::from([
            ("default".to_owned(), SigningKeys::parse(SECRET).unwrap()),
            ("changing".to_owned(), SigningKeys::parse(&format!("{OTHER_SECRET} {SECRET}")).unwrap()),
        ]),
        retry: BackOff { first_ms: 20, factor: 2, max_ms: 100, attempts_max: u32::MAX, jitter_percent: 0 },
        ..OutboxSettings::default()
    }
}

pub(crate) fn local() -> AddressRules {
    AddressRules { allow: vec!["127.0.0.0/8".parse().unwrap()], only: Vec::new() }
}

/// A message to a URL.
pub(crate) fn message(url: String) -> Effect {
    signed_with(url, "default")
}

pub(crate) fn signed_with(url: String, secret_name: &str) -> Effect {
    let body = r#"{"type":"job.succeeded","timestamp":"2023-11-14T22:13:20.123Z","data":{"id":"ü"}}"#;
    Effect::Webhook {
        webhook: 0,
        url,
        secret_name: secret_name.to_owned(),
        event: "job.succeeded".to_owned(),
        body: body.to_owned(),
    }
}

/// Job, output, destination and paths of an order.
pub(crate) type Asked = (JobId, usize, String, Vec<String>);

/// Removes nothing, and answers by script, each the last for ever.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    pub(crate) answers: Mutex<Vec<Result<(), Problem>>>,
    pub(crate) asked: Mutex<Vec<Asked>>,
}

impl Remover for Removals {
    fn remove<'a>(
        &'a self,
        job: JobId,
        output: usize,
        destination: &'a Locator,
        paths: Vec<String>,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        let mut asked = self.asked.lock().unwrap();
        let answers = self.answers.lock().unwrap();
        let answer = answers.get(asked.len()).or(answers.last()).cloned().unwrap_or(Ok(()));
        asked.push((job, output, destination.to_string(), paths));
        let broken = destination.to_string().contains("broken");
        Box::pin(async move { if broken { panic!("as the test wants it") } else { answer } })
    }
}
