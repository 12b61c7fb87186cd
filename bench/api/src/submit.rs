//! Clients that hand in jobs: at a rate that does not ask how the daemon feels, or as fast as it answers.
//!
//! At a rate, the times at which requests are to leave are drawn beforehand (each client's gaps are exponential, so that
//! clients are independent of one another and of the answers), every request is a task of its own, and a latency counts
//! from the time at which the request was to leave. An answer that is late therefore holds nothing back and hides nothing.

use crate::daemon::Jobs;
use crate::job::Makes;
use crate::{Outcome, Times};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What came of a run of requests.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Of those that were answered well.
    pub(crate) times: Times,
    /// Requests that were refused or lost.
    failed: usize,
    /// What the first of those were told.
    first_failure: Option<String>,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Round {
    /// Jobs taken a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    /// Refused where a request was.
    fn checked(self) -> Outcome<Self> {
        match &self.first_failure {
            Some(failure) => Err(format!("{} of the jobs were refused: {failure}", self.failed).into()),
            None => Ok(self),
        }
    }

    fn of(answers: Vec<Result<Duration, String>>, took: Duration) -> Self {
        let (mut times, mut failures) = (Vec::with_capacity(answers.len()), Vec::new());
        for answer in answers {
            match answer {
                Ok(time) => times.push(time),
                Err(failure) => failures.push(failure),
            }
        }
        let failed = failures.len();
        Self { times: Times::new(times), failed, first_failure: failures.into_iter().next(), took }
    }
}

/// Hands in `rate` jobs a second for a while, divided among the clients.
pub(crate) async fn at_a_rate(clients: &[Jobs], makes: &Arc<Makes>, rate: f64, lasting: Duration) -> Outcome<Round> {
    let begin = Instant::now() + Duration::from_millis(20);
    let mut tasks = JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let (client, makes) = (client.clone(), Arc::clone(makes));
        let gap_s = clients.len() as f64 / rate;
        tasks.spawn(async move {
            let mut chance = fastrand::Rng::with_seed(number as u64);
            let mut requests = JoinSet::new();
            let mut leaves = begin;
            loop {
                leaves += Duration::from_secs_f64(-gap_s * (1.0 - chance.f64()).ln());
                if leaves >= begin + lasting {
                    return requests.join_all().await;
                }
                sleep_until(leaves).await;
                let (mut client, request) = (client.clone(), makes.usual());
                requests.spawn(async move {
                    let answer = client.create_job(request).await;
                    answer.map(|_| leaves.elapsed()).map_err(|status| status.to_string())
                });
            }
        });
    }
    let answers = tasks.join_all().await.concat();
    Round::of(answers, begin.elapsed()).checked()
}

/// Hands in `count` jobs as fast as they are taken: each client has `at_once` requests under way at a time.
pub(crate) async fn at_most(clients: &[Jobs], makes: &Arc<Makes>, at_once: usize, count: usize) -> Outcome<Round> {
    let begin = Instant::now();
    let left = Arc::new(AtomicUsize::new(count));
    let mut tasks = JoinSet::new();
    for client in clients.iter().flat_map(|client| std::iter::repeat_n(client, at_once)) {
        let (mut client, makes, left) = (client.clone(), Arc::clone(makes), Arc::clone(&left));
        tasks.spawn(async move {
            let mut answers = Vec::new();
            while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                let leaves = Instant::now();
                let answer = client.create_job(makes.usual()).await;
                answers.push(answer.map(|_| leaves.elapsed()).map_err(|status| status.to_string()));
            }
            answers
        });
    }
    let answers = tasks.join_all().await.concat();
    Round::of(answers, begin.elapsed()).checked()
}
