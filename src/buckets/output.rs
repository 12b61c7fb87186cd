//! A bucket as what outputs are written to.

use crate::model::BackOff;
use crate::publish::sink::{ObjectAnswer, ObjectError, ObjectErrorKind, ObjectOptions, ObjectStore, Progress};
use bytes::Bytes;
use reelmill_s3::{Bucket, Multipart, S3Error};
use std::path::Path;
use std::time::Duration;

/// Most keys that are listed of one output: ten renditions of ten days.
const KEYS_MAX: usize = 2_000_000;

/// How long requests that were given up are waited for: they end themselves before that, but for uploads in parts, which
/// may take several requests to abort.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    /// As locators call it.
    pub(super) name: String,
    pub(super) bucket: Bucket,
    pub(super) multipart: Multipart,
    /// How one request of an upload in parts is tried again; the upload as a whole is the publisher's to try again.
    pub(super) retry: BackOff,
}

impl ObjectStore for Objects {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn check_bucket(&self) -> ObjectAnswer<'_, ()> {
        Box::pin(async { self.bucket.check().await.map_err(told) })
    }

    fn create_bucket(&self) -> ObjectAnswer<'_, ()> {
        Box::pin(async { self.bucket.create().await.map_err(told) })
    }

    fn put(&self, key: String, body: Bytes, options: ObjectOptions) -> ObjectAnswer<'_, ()> {
        Box::pin(async move { self.bucket.put(&key, body, &sent_with(options)).await.map_err(told) })
    }

    fn put_file<'a>(
        &'a self,
        key: String,
        file: &'a Path,
        options: ObjectOptions,
        progress: Progress,
    ) -> ObjectAnswer<'a, ()> {
        Box::pin(async move {
            let again = |error: &S3Error, tries: u32| {
                let wait = self.retry.delay_ms(tries, fastrand::u64(..)).filter(|_| error.is_transient())?;
                Some(Duration::from_millis(wait).max(error.retry_after().unwrap_or_default()))
            };
            let count = move |bytes| progress.set(bytes);
            let options = sent_with(options);
            self.bucket.put_file(&key, file, &options, &self.multipart, again, count).await.map_err(told)
        })
    }

    fn get_range(&self, key: String, offset: u64, length: u64) -> ObjectAnswer<'_, Bytes> {
        Box::pin(async move { self.bucket.get_range(&key, offset, length, None).await.map_err(told) })
    }

    fn head(&self, key: String) -> ObjectAnswer<'_, Option<u64>> {
        Box::pin(async move { Ok(self.bucket.head(&key).await.map_err(told)?.map(|info| info.size)) })
    }

    fn list(&self, prefix: String) -> ObjectAnswer<'_, Vec<String>> {
        Box::pin(async move {
            let found = self.bucket.list(&prefix, KEYS_MAX).await.map_err(told)?;
            Ok(found.into_iter().map(|object| object.key).collect())
        })
    }

    fn any_under(&self, prefix: String) -> ObjectAnswer<'_, bool> {
        Box::pin(async move { self.bucket.any_under(&prefix).await.map_err(told) })
    }

    fn delete(&self, keys: Vec<String>) -> ObjectAnswer<'_, ()> {
        Box::pin(async move {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.bucket.delete(&keys).await.map_err(told)
        })
    }

    fn settled(&self) -> ObjectAnswer<'_, ()> {
        Box::pin(async {
            // Whoever waits longer than that does not learn more by it.
            let _ = tokio::time::timeout(SETTLED_WITHIN, self.bucket.settled()).await;
            Ok(())
        })
    }

    fn abort_uploads(&self, prefix: String) -> ObjectAnswer<'_, ()> {
        Box::pin(async move {
            match self.bucket.abort_uploads(&prefix).await {
                Ok(_) | Err(S3Error::Unsupported(_)) => Ok(()),
                Err(error) => Err(told(error)),
            }
        })
    }
}

fn sent_with(options: ObjectOptions) -> reelmill_s3::ObjectOptions {
    reelmill_s3::ObjectOptions {
        content_type: Some(options.content_type.to_owned()),
        cache_control: Some(options.cache_control).filter(|text| !text.is_empty()),
        acl: options.acl,
        metadata: options.metadata,
    }
}

fn told(error: S3Error) -> ObjectError {
    let kind = match &error {
        S3Error::NotFound => ObjectErrorKind::NotFound,
        S3Error::NoSuchBucket => ObjectErrorKind::NoBucket,
        S3Error::Forbidden(_) | S3Error::NoCredentials(_) => ObjectErrorKind::Forbidden,
        S3Error::File(_) => ObjectErrorKind::File,
        error if error.is_transient() => ObjectErrorKind::Unavailable,
        _ => ObjectErrorKind::Rejected,
    };
    ObjectError { kind, message: error.to_string(), retry_after: error.retry_after() }
}
