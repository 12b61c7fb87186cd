//! An upload in parts: begun, sent several at a time, completed; aborted in every other case.

use crate::body::{Meter, Metered, Total};
use crate::bucket::Bucket;
use crate::error::S3Error;
use crate::options::{Multipart, ObjectOptions};
use crate::unsettled::Unsettled;
use crate::upload::{LocalFile, Retry, Tries};
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectCannedAcl};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Stores put large objects together before they answer.
const COMPLETE_TIMEOUT_MIN: Duration = Duration::from_secs(300);
/// Tries to abort an upload. After that it stays for [`Bucket::abort_uploads`] or the bucket's own rules.
const ABORT_TRIES: u32 = 5;
/// Pause after the first try, doubled after each.
const ABORT_PAUSE: Duration = Duration::from_millis(250);

/// Sends a file in parts.
pub(crate) async fn upload(
    bucket: &Bucket,
    key: &str,
    file: &LocalFile,
    options: &ObjectOptions,
    multipart: &Multipart,
    retry: Retry<'_>,
    total: &Arc<Total>,
) -> Result<(), S3Error> {
    let part_bytes = multipart.part_bytes_for(file.bytes)?;
    let mut tries = Tries::new(retry);
    let upload = loop {
        match begin(bucket, key, options).await {
            Ok(upload) => break upload,
            Err(error) => tries.pause(error).await?,
        }
    };
    let mut left = (1..).zip((0..file.bytes).step_by(usize::try_from(part_bytes).unwrap_or(usize::MAX)));
    let mut sending = FuturesUnordered::new();
    let mut parts = Vec::new();
    loop {
        let free = multipart.concurrency - sending.len();
        for (number, offset) in left.by_ref().take(free) {
            let bytes = part_bytes.min(file.bytes - offset);
            sending.push(upload.send_part(Part { number, offset, bytes }, file, retry, total));
        }
        match sending.next().await {
            Some(part) => parts.push(part?),
            None => break,
        }
    }
    drop(sending);
    parts.sort_by_key(CompletedPart::part_number);
    upload.complete(parts, file.bytes, retry).await
}

/// A piece of the file.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// From 1.
    number: i32,
    offset: u64,
    bytes: u64,
}

/// CreateMultipartUpload, in a task of its own: when the caller goes away before the answer is there, somebody must
/// still learn which upload to abort.
async fn begin(bucket: &Bucket, key: &str, options: &ObjectOptions) -> Result<Upload, S3Error> {
    let metadata = options.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let request = bucket
        .client()
        .create_multipart_upload()
        .bucket(&*bucket.name)
        .key(key)
        .set_content_type(options.content_type.clone())
        .set_cache_control(options.cache_control.clone())
        .set_acl(options.acl.as_deref().map(ObjectCannedAcl::from))
        .set_metadata(Some(metadata));
    let (bucket, key, unsettled) = (bucket.clone(), key.to_owned(), Unsettled::begin(bucket));
    let (begun, answer) = oneshot::channel();
    tokio::spawn(async move {
        let _unsettled = unsettled;
        let upload = match request.send().await.map_err(S3Error::from_sdk) {
            Ok(CreateMultipartUploadOutput { upload_id: Some(id), .. }) => Ok(Upload { bucket, key, id, ended: false }),
            Ok(_) => Err(S3Error::Unsupported("it begins an upload without an id".to_owned())),
            Err(error) => Err(error),
        };
        // What nobody waits for comes back and is dropped here: the upload is aborted.
        drop(begun.send(upload));
    });
    answer.await.unwrap_or_else(|_| Err(S3Error::Network("the task that begins the upload is gone".to_owned())))
}

/// An upload on the server; aborted when it is dropped before it has ended.
#[derive(Debug)]
struct Upload {
    bucket: Bucket,
    key: String,
    id: String,
    ended: bool,
}

impl Upload {
    async fn send_part(
        &self,
        part: Part,
        file: &LocalFile,
        retry: Retry<'_>,
        total: &Arc<Total>,
    ) -> Result<CompletedPart, S3Error> {
        let mut tries = Tries::new(retry);
        loop {
            match self.try_part(part, file, total).await {
                Ok(sent) => return Ok(sent),
                Err(error) => tries.pause(error).await?,
            }
        }
    }

    async fn try_part(&self, part: Part, file: &LocalFile, total: &Arc<Total>) -> Result<CompletedPart, S3Error> {
        let meter = Arc::new(Meter::new(Some(Arc::clone(total))));
        let body = file.read(part.offset, part.bytes).await?;
        let request = self.bucket.uploads().upload_part().bucket(&*self.bucket.name).key(&self.key);
        let request = request.upload_id(&self.id).part_number(part.number).body(body);
        let send = async {
            let sent = request.customize().interceptor(Metered(Arc::clone(&meter))).send().await;
            sent.map_err(S3Error::from_sdk)
        };
        let sent = meter.watch(self.bucket.store.shared.read_timeout, send).await?;
        Ok(CompletedPart::builder()
            .part_number(part.number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc32_c(sent.checksum_crc32_c)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .set_checksum_sha1(sent.checksum_sha1)
            .set_checksum_sha256(sent.checksum_sha256)
            .build())
    }

    async fn complete(mut self, parts: Vec<CompletedPart>, bytes: u64, retry: Retry<'_>) -> Result<(), S3Error> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let limit = COMPLETE_TIMEOUT_MIN.max(self.bucket.store.shared.read_timeout);
        let mut tries = Tries::new(retry);
        let mut answer_lost = false;
        loop {
            let request = self.bucket.uploads().complete_multipart_upload().bucket(&*self.bucket.name);
            let request = request.key(&self.key).upload_id(&self.id).multipart_upload(parts.clone());
            let error = match tokio::time::timeout(limit, request.send()).await {
                Ok(Ok(_)) => break,
                Ok(Err(error)) => S3Error::from_sdk(error),
                Err(_) => S3Error::Network("the store does not complete the upload".to_owned()),
            };
            // The try before may have done it, with its answer lost: then the upload is gone and the object is there.
            let gone = matches!(error, S3Error::NotFound | S3Error::Forbidden(_));
            if answer_lost && gone && self.is_stored(bytes).await {
                break;
            }
            answer_lost |= error.is_transient();
            tries.pause(error).await?;
        }
        self.ended = true;
        Ok(())
    }

    async fn is_stored(&self, bytes: u64) -> bool {
        matches!(self.bucket.head(&self.key).await, Ok(Some(object)) if object.size == bytes)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), self.id.clone());
        let unsettled = Unsettled::begin(&bucket);
        runtime.spawn(async move {
            let _unsettled = unsettled;
            if let Err(error) = abort(&bucket, &key, &id).await {
                tracing::warn!(bucket = &*bucket.name, key, upload = id, %error, "an upload stays on the server");
            }
        });
    }
}

/// AbortMultipartUpload until the server does not know the upload: a part that was still on its way may otherwise stay.
pub(crate) async fn abort(bucket: &Bucket, key: &str, id: &str) -> Result<(), S3Error> {
    let mut pause = ABORT_PAUSE;
    let mut accepted = false;
    let mut ended = Ok(());
    for _ in 0..ABORT_TRIES {
        let request = bucket.client().abort_multipart_upload().bucket(&*bucket.name).key(key).upload_id(id);
        ended = request.send().await.map(drop).map_err(S3Error::from_sdk);
        match &ended {
            Ok(()) if accepted => break,
            Ok(()) => accepted = true,
            // Gone. Some stores call what they do not know forbidden.
            Err(S3Error::NotFound) => return Ok(()),
            Err(error) if accepted && !error.is_transient() => return Ok(()),
            Err(error) if !error.is_transient() => break,
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    ended
}
