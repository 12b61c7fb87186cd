//! What goes on after its caller has gone away: counted, so that [`Store::settled`] can wait for it.

use crate::body::Meter;
use crate::bucket::Bucket;
use crate::error::S3Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long an answer is waited for that nobody wants any more: longer than a round trip to the other side of the world,
/// and half of the 2 s after which nothing of a stopped job may run.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// A task more that [`crate::Store::settled`] waits for, while this lives.
pub(crate) struct Unsettled(Bucket);

impl Unsettled {
    pub(crate) fn begin(bucket: &Bucket) -> Unsettled {
        bucket.store.shared.unsettled.send_modify(|count| *count += 1);
        Unsettled(bucket.clone())
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.store.shared.unsettled.send_modify(|count| *count -= 1);
    }
}

/// A request with a body, in a task of its own. When this is dropped the request ends, unless all of it has left: then
/// the store carries it out whatever happens here, so its answer is waited for, as the sign that it is done.
pub(crate) struct Sending {
    task: Option<JoinHandle<Result<(), S3Error>>>,
    bucket: Bucket,
    meter: Arc<Meter>,
    /// Bytes of the body.
    length: u64,
}

impl Sending {
    pub(crate) fn start(
        bucket: &Bucket,
        meter: &Arc<Meter>,
        length: u64,
        request: impl Future<Output = Result<(), S3Error>> + Send + 'static,
    ) -> Sending {
        let task = tokio::spawn(request);
        Sending { task: Some(task), bucket: bucket.clone(), meter: Arc::clone(meter), length }
    }

    pub(crate) async fn answer(mut self) -> Result<(), S3Error> {
        let lost = || Err(S3Error::Network("the task that sends the object is gone".to_owned()));
        let Some(task) = &mut self.task else { return lost() };
        let answer = task.await;
        self.task = None;
        answer.unwrap_or_else(|_| lost())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Some(mut task) = self.task.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return task.abort() };
        if self.meter.sent() < self.length {
            return task.abort();
        }
        let unsettled = Unsettled::begin(&self.bucket);
        runtime.spawn(async move {
            let _unsettled = unsettled;
            if tokio::time::timeout(ANSWER_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        });
    }
}
