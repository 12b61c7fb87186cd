//! A file becomes an object: in one request, or in parts.

use crate::body::{Meter, Metered, SIGNED_BYTES_MAX, Total};
use crate::bucket::{Bucket, check_key};
use crate::error::S3Error;
use crate::options::{Multipart, ObjectOptions};
use crate::parts;
use crate::unsettled::Sending;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::ObjectCannedAcl;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The caller's rule for requests that fail on the way: how long to wait after this error before the next try, counted
/// from 1; none to give up.
pub(crate) type Retry<'a> = &'a (dyn Fn(&S3Error, u32) -> Option<Duration> + Send + Sync);

impl Bucket {
    /// Stores a file: in one request up to the threshold, above it in parts, several at a time.
    ///
    /// `retry` is asked after each failed request of the upload (error, number of the try that failed, from 1) how long
    /// to wait before that one request is made again; `None` ends the upload. `progress` gets the bytes handed to
    /// the connection so far; they grow, but for what a failed request had sent.
    ///
    /// An upload in parts that fails, or whose future is dropped, is aborted on the server by a task of its own, for
    /// which [`crate::Store::settled`] waits.
    ///
    /// # Errors
    /// [`S3Error::Invalid`] for settings that no store accepts, [`S3Error::File`] when the file cannot be read, or any
    /// failure of a request that `retry` does not wish to be made again.
    pub async fn put_file(
        &self,
        key: &str,
        file: &Path,
        options: &ObjectOptions,
        multipart: &Multipart,
        retry: impl Fn(&S3Error, u32) -> Option<Duration> + Send + Sync,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<(), S3Error> {
        options.check()?;
        multipart.check()?;
        check_key(key)?;
        let file = LocalFile::open(file).await?;
        let total = Total::new(progress);
        if file.bytes > multipart.threshold_bytes {
            return parts::upload(self, key, &file, options, multipart, &retry, &total).await;
        }
        let mut tries = Tries::new(&retry);
        loop {
            let body = file.read(0, file.bytes).await?;
            let meter = Arc::new(Meter::new(Some(Arc::clone(&total))));
            match send_object(self, key, (body, file.bytes), options, &meter).await {
                Ok(()) => return Ok(()),
                Err(error) => tries.pause(error).await?,
            }
        }
    }
}

/// PutObject, of a body with its length.
pub(crate) async fn send_object(
    bucket: &Bucket,
    key: &str,
    (body, length): (ByteStream, u64),
    options: &ObjectOptions,
    meter: &Arc<Meter>,
) -> Result<(), S3Error> {
    let metadata = options.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let request = bucket
        .uploads()
        .put_object()
        .bucket(&*bucket.name)
        .key(key)
        .body(body)
        .set_content_type(options.content_type.clone())
        .set_cache_control(options.cache_control.clone())
        .set_acl(options.acl.as_deref().map(ObjectCannedAcl::from))
        .set_metadata(Some(metadata));
    let (counted, silence) = (Arc::clone(meter), bucket.store.shared.read_timeout);
    let send = async move {
        let sent = async {
            let sent = request.customize().interceptor(Metered(Arc::clone(&counted))).send().await;
            sent.map(drop).map_err(S3Error::from_sdk)
        };
        counted.watch(silence, sent).await
    };
    Sending::start(bucket, meter, length, send).answer().await
}

/// One request that may be made several times, by the caller's rule.
pub(crate) struct Tries<'a> {
    retry: Retry<'a>,
    failed: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(retry: Retry<'a>) -> Tries<'a> {
        Tries { retry, failed: 0 }
    }

    /// Waits for as long as the rule says, or gives the error back when it says no more.
    pub(crate) async fn pause(&mut self, error: S3Error) -> Result<(), S3Error> {
        self.failed += 1;
        let Some(pause) = (self.retry)(&error, self.failed) else { return Err(error) };
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// The file that is sent. Its size is that of the moment it was opened.
#[derive(Debug)]
pub(crate) struct LocalFile {
    path: PathBuf,
    open: Arc<File>,
    pub(crate) bytes: u64,
}

impl LocalFile {
    async fn open(path: &Path) -> Result<LocalFile, S3Error> {
        let path = path.to_owned();
        let opened = blocking(move || {
            let open = File::open(&path)?;
            let facts = open.metadata()?;
            if !facts.is_file() {
                return Err(std::io::Error::other("it is not a file"));
            }
            Ok(LocalFile { bytes: facts.len(), open: Arc::new(open), path })
        });
        opened.await
    }

    /// A piece of the file as the body of a request.
    pub(crate) async fn read(&self, offset: u64, bytes: u64) -> Result<ByteStream, S3Error> {
        if bytes > SIGNED_BYTES_MAX {
            let stream = ByteStream::read_from().path(&self.path).offset(offset).length(Length::Exact(bytes));
            return stream.build().await.map_err(|error| S3Error::File(error.to_string()));
        }
        let (open, length) = (Arc::clone(&self.open), usize::try_from(bytes).unwrap_or(usize::MAX));
        blocking(move || {
            let mut piece = vec![0; length];
            open.read_exact_at(&mut piece, offset)?;
            Ok(ByteStream::from(piece))
        })
        .await
    }
}

/// Files block: they are read on threads that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, S3Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| S3Error::File(error.to_string())),
        Err(error) => Err(S3Error::File(error.to_string())),
    }
}
