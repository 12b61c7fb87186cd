//! Follows a job to its end: one stream of changes and progress, taken up again where it broke off.

use super::connect::Daemon;
use super::problem::{lost, problems};
use crate::api::v1;
use crate::api::v1::watch_job_response::Event;
use crate::model::backoff::BackOff;
use crate::model::{Fault, Problem};
use std::time::Duration;
use tokio::sync::watch;

/// Somebody who is shown a job.
pub(super) trait Show {
    /// One message of the stream.
    fn show(&mut self, message: &v1::WatchJobResponse);

    /// It is over: leaves the terminal as it was.
    fn end(&mut self) {}
}

/// Shows a job until it is over.
///
/// # Errors
/// What the daemon told; `client.left` when `cancelled` turns true first: the job goes on.
pub(super) async fn follow(
    daemon: &Daemon,
    id: &str,
    after_revision: u64,
    show: &mut dyn Show,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<(), Vec<Problem>> {
    let result = tokio::select! {
        result = to_the_end(daemon, id, after_revision, show) => result,
        Ok(_) = cancelled.wait_for(|cancelled| *cancelled) => Err(vec![left(id)]),
    };
    show.end();
    result
}

fn left(id: &str) -> Problem {
    let message = format!("the job goes on: `reelmill watch {id}` follows it again, and `reelmill stop {id}` stops it");
    Problem::new(Fault::Cancelled, "client.left", message)
}

async fn to_the_end(daemon: &Daemon, id: &str, after: u64, show: &mut dyn Show) -> Result<(), Vec<Problem>> {
    let patience = BackOff::default();
    let mut revision = after;
    let mut failures = 0;
    loop {
        let request = v1::WatchJobRequest { id: id.to_owned(), after_revision: revision, omit_progress: false };
        let broken = match one_stream(daemon, request, &mut revision, &mut failures, show).await {
            Ok(()) => return Ok(()),
            Err(told) => told,
        };
        failures += 1;
        let delay = patience.delay_ms(failures, fastrand::u64(..));
        match delay.filter(|_| broken.iter().all(|problem| problem.fault == Fault::Sink)) {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => return Err(broken),
        }
    }
}

/// One stream, to the job's end or its own.
async fn one_stream(
    daemon: &Daemon,
    request: v1::WatchJobRequest,
    revision: &mut u64,
    failures: &mut u32,
    show: &mut dyn Show,
) -> Result<(), Vec<Problem>> {
    let mut stream = daemon.answer(daemon.jobs().watch_job(request)).await?;
    loop {
        let message = stream.message().await.map_err(|status| problems(&status, &daemon.endpoint))?;
        let Some(message) = message else {
            return Err(vec![lost(&daemon.endpoint, "the stream ended before the job")]);
        };
        *failures = 0;
        if let Some(Event::Change(change)) = &message.event {
            *revision = (*revision).max(change.revision);
        }
        show.show(&message);
        if message.last {
            return Ok(());
        }
    }
}

/// What a job that is over means for the exit status: nothing when it succeeded.
pub(super) fn verdict(job: &v1::Job) -> Option<Problem> {
    let state = job.state();
    if state == v1::JobState::Succeeded {
        return None;
    }
    if let Some(problem) = &job.problem {
        return Some(super::problem::of_message(problem));
    }
    Some(match state {
        v1::JobState::Stopped => Problem::cancelled(),
        _ => Problem::bug("client.refused", "the job is not over, or the daemon does not say why it failed"),
    })
}
