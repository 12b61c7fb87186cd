//! Objects as sources: sized once, then read by ranges of the very object that was sized.

use crate::input::{OpenObject, RemoteRanges};
use crate::model::{BackOff, Problem};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use reelmill_s3::{Bucket, S3Error};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait that a store may ask for, ms: a job waits longer by its own policy.
const RETRY_AFTER_MAX_MS: u64 = 10_000;

#[derive(Debug)]
struct ObjectRanges {
    bucket: Bucket,
    /// As in the locator.
    name: String,
    key: String,
    size: u64,
    etag: String,
    retry: BackOff,
}

/// Opens an object.
pub(super) async fn open(bucket: Bucket, alias: &str, key: &str, retry: BackOff) -> Result<OpenObject, Problem> {
    let name = format!("s3://{alias}/{key}");
    let found = patiently(&retry, || bucket.head(key)).await.map_err(|error| problem(&name, &error))?;
    let info = found.ok_or_else(|| problem(&name, &S3Error::NotFound))?;
    let ranges = ObjectRanges { bucket, name, key: key.to_owned(), size: info.size, etag: info.etag, retry };
    Ok((info.size, Arc::new(ranges)))
}

impl ObjectRanges {
    async fn range(&self, offset: u64, length: usize) -> Result<Bytes, Problem> {
        let length = (length as u64).min(self.size.saturating_sub(offset));
        let etag = Some(self.etag.as_str()).filter(|etag| !etag.is_empty());
        let read = || self.bucket.get_range(&self.key, offset, length, etag);
        patiently(&self.retry, read).await.map_err(|error| problem(&self.name, &error))
    }
}

impl RemoteRanges for ObjectRanges {
    fn read(&self, offset: u64, length: usize) -> BoxFuture<'_, Result<Bytes, Problem>> {
        Box::pin(self.range(offset, length))
    }

    fn version(&self) -> String {
        self.etag.clone()
    }
}

/// Tries again what may pass, as the policy and the store say.
async fn patiently<T, F>(retry: &BackOff, request: impl Fn() -> F) -> Result<T, S3Error>
where
    F: Future<Output = Result<T, S3Error>>,
{
    let mut attempt = 1;
    loop {
        let error = match request().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(wait) = retry.delay_ms(attempt, fastrand::u64(..)).filter(|_| error.is_transient()) else {
            return Err(error);
        };
        let asked = error.retry_after().map_or(0, |wait| wait.as_millis().min(u128::from(RETRY_AFTER_MAX_MS)) as u64);
        tokio::time::sleep(Duration::from_millis(wait.max(asked))).await;
        attempt += 1;
    }
}

fn problem(name: &str, error: &S3Error) -> Problem {
    match error {
        S3Error::NotFound => Problem::input("source.not_found", format!("there is no {name}; check bucket and key")),
        S3Error::NoSuchBucket => {
            Problem::input("source.not_found", format!("the bucket of {name} does not exist; check its name"))
        }
        S3Error::Forbidden(_) | S3Error::NoCredentials(_) => {
            Problem::input("source.forbidden", format!("{name} may not be read: {error}; check the credentials"))
        }
        S3Error::Changed => {
            let message = format!("{name} has changed while it was read; submit the job again");
            Problem::input("source.changed", message)
        }
        error if error.is_transient() => {
            Problem::sink("source.unavailable", format!("{name} cannot be read now: {error}; try again later"))
        }
        error => Problem::input("source.unreadable", format!("{name} cannot be read: {error}; check the store")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fault;
    use std::cell::Cell;

    #[test]
    fn what_may_pass_is_told_from_what_the_client_must_mend() {
        let class = |error: S3Error| {
            let problem = problem("s3://b/k", &error);
            (problem.fault, problem.code)
        };
        assert_eq!(class(S3Error::NotFound), (Fault::Input, "source.not_found".into()));
        assert_eq!(class(S3Error::Forbidden("no".into())), (Fault::Input, "source.forbidden".into()));
        assert_eq!(class(S3Error::Changed), (Fault::Input, "source.changed".into()));
        assert_eq!(class(S3Error::Network("reset".into())), (Fault::Sink, "source.unavailable".into()));
        assert_eq!(class(S3Error::Truncated), (Fault::Sink, "source.unavailable".into()));
        assert_eq!(class(S3Error::Unsupported("x".into())), (Fault::Input, "source.unreadable".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again() {
        let retry = BackOff { attempts_max: 3, ..BackOff::default() };
        let calls = Cell::new(0);
        let fail = |error: S3Error| {
            calls.set(0);
            let calls = &calls;
            async move {
                patiently(&retry, || {
                    calls.set(calls.get() + 1);
                    let error = error.clone();
                    async move { Err::<(), _>(error) }
                })
                .await
            }
        };
        assert!(fail(S3Error::Truncated).await.is_err());
        assert_eq!(calls.get(), 3);
        assert!(fail(S3Error::NotFound).await.is_err());
        assert_eq!(calls.get(), 1);
    }
}
