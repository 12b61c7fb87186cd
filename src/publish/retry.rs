//! Tries again what may pass: every operation on a sink or on the ledger goes through here.

use super::sink::{Claim, Sink, SinkError};
use crate::model::Problem;
use crate::model::backoff::BackOff;
use crate::model::spec::IfExists;
use crate::store::StoreError;
use std::future::Future;
use std::time::Duration;

/// Longest wait that a destination can ask for: longer ones mean that it is down, which is the job's back-off to sit out.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Why something failed, as far as trying again is concerned.
pub(super) trait Failure {
    /// Whether it may pass.
    fn is_transient(&self) -> bool;
    /// How long the other side asks to be left alone.
    fn retry_after(&self) -> Option<Duration>;
}

impl Failure for SinkError {
    fn is_transient(&self) -> bool {
        self.transient
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Failure for StoreError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Broken(_))
    }

    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// [`Sink::check`], with patience.
///
/// # Errors
/// `output.*`.
pub async fn check(sink: &dyn Sink, if_exists: IfExists, resuming: bool, retry: BackOff) -> Result<Claim, Problem> {
    put_patiently(retry, || sink.check(if_exists, resuming)).await
}

/// [`Sink::claim`], with patience. After an error the sink may hold a part of a claim, which [`Sink::abandon`] takes back.
///
/// # Errors
/// `output.*`.
pub async fn claim(sink: &dyn Sink, if_exists: IfExists, resuming: bool, retry: BackOff) -> Result<Claim, Problem> {
    put_patiently(retry, || sink.claim(if_exists, resuming)).await
}

/// Does something until it succeeds, fails for good, or has been tried often enough. Dropping the future ends it.
pub(super) async fn patiently<T, E: Failure, F: Future<Output = Result<T, E>>>(
    retry: BackOff,
    mut operation: impl FnMut() -> F,
) -> Result<T, E> {
    let mut failed = 0;
    loop {
        let error = match operation().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        failed += 1;
        let delay = retry.delay_ms(failed, fastrand::u64(..)).filter(|_| error.is_transient());
        let Some(delay) = delay else { return Err(error) };
        let asked = error.retry_after().unwrap_or_default().min(RETRY_AFTER_MAX);
        tokio::time::sleep(asked.max(Duration::from_millis(delay))).await;
    }
}

/// As [`patiently`], for operations on a sink.
pub(super) async fn put_patiently<T, F: Future<Output = Result<T, SinkError>>>(
    retry: BackOff,
    operation: impl FnMut() -> F,
) -> Result<T, Problem> {
    patiently(retry, operation).await.map_err(|error| error.problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const QUICK: BackOff = BackOff { first_ms: 1, factor: 1, max_ms: 1, attempts_max: 3, jitter_percent: 0 };

    async fn attempts(retry_after: Option<Duration>, transient: bool, fails: u32) -> (u32, bool) {
        let mut made = 0;
        let problem = Problem::sink("output.unavailable", "");
        let done = put_patiently(QUICK, || {
            made += 1;
            let error = SinkError { problem: problem.clone(), transient, retry_after };
            std::future::ready(if made > fails { Ok(()) } else { Err(error) })
        });
        let done = done.await.is_ok();
        (made, done)
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        assert_eq!(attempts(None, true, 2).await, (3, true));
        assert_eq!(attempts(None, true, 9).await, (3, false));
        assert_eq!(attempts(None, false, 1).await, (1, false));
    }

    #[tokio::test]
    async fn who_asks_to_be_left_alone_is() {
        let began = Instant::now();
        assert_eq!(attempts(Some(Duration::from_millis(30)), true, 1).await, (2, true));
        assert!(began.elapsed() >= Duration::from_millis(30));
    }
}
