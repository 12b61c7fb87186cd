//! Answers a worker's reads from its sources.
//!
//! Receives: read requests, at most [`READS_WAITING_MAX`] of them waiting. Sends: one reply each, in order.
//! Ends: when the worker's task drops its sender or ends it, or when the writer is gone. What becomes of the reads is noted in
//! [`Reads`]: a worker only knows that it got no bytes, and what it says about the reason is a guess.

use super::exit::Exit;
use crate::input::Source;
use crate::model::Problem;
use crate::model::limits::READ_BYTES_MAX;
use crate::wire::v1;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Requests that a worker may have open: it reads ahead by a few ranges at most.
pub(super) const READS_WAITING_MAX: usize = 8;

/// What became of a worker's reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    failure: Option<Problem>,
    /// Time that finished reads took.
    waited: Duration,
    since: Option<Instant>,
}

impl Reads {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a worker ended, with the source's own problem in place of what the worker made of it: a failed read, or a
    /// deadline that was mostly spent on waiting for the source.
    pub(super) fn explain(&self, exit: Exit, deadline: Option<Duration>, source: &str) -> Exit {
        let noted = self.noted();
        let waited = noted.waited + noted.since.map(|since| since.elapsed()).unwrap_or_default();
        let late = match &exit {
            Exit::TimedOut => true,
            Exit::Failed(problem) if problem.code.starts_with("source.") => problem.code == "source.probe_timeout",
            _ => return exit,
        };
        let slow = late && deadline.is_some_and(|deadline| waited >= deadline / 2);
        match &noted.failure {
            Some(failure) if slow || !late => Exit::Failed(failure.clone()),
            None if slow => {
                let message = format!("{source} gave too few bytes in time; check where it is stored");
                Exit::Failed(Problem::sink("source.unavailable", message))
            }
            _ => exit,
        }
    }
}

/// Why a request cannot be meant honestly by a worker that has so many sources.
pub(super) fn objection(request: v1::ReadRequest, sources: usize) -> Option<String> {
    let length = request.length as usize;
    if request.source as usize >= sources {
        return Some(format!("it asked for source {} of {sources}", request.source));
    }
    (length == 0 || length > READ_BYTES_MAX).then(|| format!("it asked for {length} bytes at once"))
}

/// Answers until either side is gone.
pub(super) async fn run(
    sources: Vec<Source>,
    mut requests: mpsc::Receiver<v1::ReadRequest>,
    to: mpsc::Sender<v1::ToWorker>,
    reads: Reads,
) {
    while let Some(request) = requests.recv().await {
        // Requests for others are objected to before they come here.
        let Some(source) = sources.get(request.source as usize) else { return };
        reads.noted().since = Some(Instant::now());
        let reply = reply(source, request, &reads).await;
        if to.send(v1::ToWorker { message: Some(v1::to_worker::Message::ReadReply(reply)) }).await.is_err() {
            return;
        }
    }
}

async fn reply(source: &Source, request: v1::ReadRequest, reads: &Reads) -> v1::ReadReply {
    let read = source.read_range(request.offset, request.length as usize).await;
    let mut noted = reads.noted();
    let took = noted.since.take().map(|since| since.elapsed());
    noted.waited += took.unwrap_or_default();
    match read {
        Ok(data) => v1::ReadReply { source: request.source, offset: request.offset, data, error: String::new() },
        Err(problem) => {
            let error = problem.to_string();
            noted.failure.get_or_insert(problem);
            v1::ReadReply { source: request.source, offset: request.offset, data: Vec::new().into(), error }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_explains_what_a_worker_can_only_guess() {
        let reads = Reads::default();
        let guess = || Exit::Failed(Problem::input("source.not_media", "?"));
        assert_eq!(reads.explain(guess(), None, "s"), guess());
        let deadline = Some(Duration::from_secs(9));
        assert_eq!(reads.explain(Exit::TimedOut, deadline, "s"), Exit::TimedOut);
        reads.noted().waited = Duration::from_secs(5);
        let Exit::Failed(slow) = reads.explain(Exit::TimedOut, deadline, "s") else { panic!("it was the source") };
        assert_eq!(slow.code, "source.unavailable");
        let told = Exit::Failed(Problem::input("source.probe_timeout", "?"));
        assert_eq!(reads.explain(told, deadline, "s"), Exit::Failed(slow));
        let changed = Problem::input("source.changed", "it changed");
        reads.noted().failure = Some(changed.clone());
        assert_eq!(reads.explain(guess(), None, "s"), Exit::Failed(changed));
        let other = Exit::Failed(Problem::device("encoder.failed", "?"));
        assert_eq!(reads.explain(other.clone(), None, "s"), other);
        assert_eq!(reads.explain(Exit::Hung, None, "s"), Exit::Hung);
    }
}
