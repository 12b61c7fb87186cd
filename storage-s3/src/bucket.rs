//! A bucket: whether it is there, and its objects one at a time.

use crate::body::Meter;
use crate::error::S3Error;
use crate::options::ObjectOptions;
use crate::store::Store;
use crate::upload::send_object;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most bytes that are set aside before any has come, whatever the caller asks for.
const RESERVED_BYTES_MAX: u64 = 16 << 20;

/// A bucket of a [`Store`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(crate) store: Store,
    pub(crate) name: Arc<str>,
}

/// What a store says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Bytes.
    pub size: u64,
    /// Changes whenever the object does. Empty where the store gives none.
    pub etag: String,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// User-defined metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Bucket {
    pub(crate) fn new(store: Store, name: &str) -> Bucket {
        Bucket { store, name: name.into() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the bucket is there and may be used (HeadBucket).
    ///
    /// # Errors
    /// [`S3Error::NoSuchBucket`], [`S3Error::Forbidden`], or any other failure of a request.
    pub async fn check(&self) -> Result<(), S3Error> {
        match self.client().head_bucket().bucket(&*self.name).send().await.map_err(S3Error::from_sdk) {
            Ok(_) => Ok(()),
            Err(S3Error::NotFound) => Err(S3Error::NoSuchBucket),
            Err(error) => Err(error),
        }
    }

    /// Makes the bucket. One that the caller has already is fine.
    ///
    /// # Errors
    /// [`S3Error::Rejected`] with status 409 where somebody else has it, or any other failure of a request.
    pub async fn create(&self) -> Result<(), S3Error> {
        let region = &self.store.shared.region;
        // The one region that must not be named.
        let constraint = (region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region.as_str()))
                .build()
        });
        let request = self.client().create_bucket().bucket(&*self.name).set_create_bucket_configuration(constraint);
        match request.send().await.map_err(S3Error::from_sdk) {
            Err(S3Error::Rejected { code, .. }) if code == "BucketAlreadyOwnedByYou" => Ok(()),
            created => created.map(drop),
        }
    }

    /// What the store says about an object (HeadObject); none where there is no such object, or no such bucket.
    ///
    /// # Errors
    /// Any failure of the request.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, S3Error> {
        let request = self.client().head_object().bucket(&*self.name).key(check_key(key)?);
        let answer = match request.send().await.map_err(S3Error::from_sdk) {
            Ok(answer) => answer,
            Err(S3Error::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = answer.content_length.and_then(|length| u64::try_from(length).ok());
        Ok(Some(ObjectInfo {
            size: size.ok_or_else(|| S3Error::Unsupported("it does not say how long an object is".to_owned()))?,
            etag: answer.e_tag.unwrap_or_default(),
            content_type: answer.content_type,
            cache_control: answer.cache_control,
            metadata: answer.metadata.unwrap_or_default().into_iter().collect(),
        }))
    }

    /// `length` bytes of an object from `offset`: exactly those, or an error. With an `etag`, of that version only.
    ///
    /// # Errors
    /// [`S3Error::Changed`] when the object is another one by now, [`S3Error::Truncated`] when fewer or more bytes
    /// came than were asked for, [`S3Error::NotFound`], or any other failure of a request. A range beyond the end of
    /// the object is [`S3Error::Rejected`] with status 416, or truncated where it begins before the end.
    pub async fn get_range(&self, key: &str, offset: u64, length: u64, etag: Option<&str>) -> Result<Bytes, S3Error> {
        let key = check_key(key)?;
        let Some(last) = length.checked_sub(1) else { return Ok(Bytes::new()) };
        let last = offset.checked_add(last).ok_or_else(|| S3Error::Invalid("the range has no end".to_owned()))?;
        let etag = etag.filter(|etag| !etag.is_empty());
        let request = self.client().get_object().bucket(&*self.name).key(key).range(format!("bytes={offset}-{last}"));
        let answer = request.set_if_match(etag.map(str::to_owned)).send().await.map_err(S3Error::from_sdk)?;
        // Not every store heeds If-Match on reads.
        if etag.zip(answer.e_tag.as_deref()).is_some_and(|(asked, given)| asked != given) {
            return Err(S3Error::Changed);
        }
        if !starts_at(&answer, offset) {
            return Err(S3Error::Unsupported("it answers with other bytes than the range asks for".to_owned()));
        }
        self.collect(answer.body, length).await
    }

    /// Stores an object in one request. When the future is dropped, the object is there whole or not at all, once
    /// [`crate::Store::settled`] answers.
    ///
    /// # Errors
    /// [`S3Error::Invalid`] for options that no store accepts, or any failure of the request.
    pub async fn put(&self, key: &str, bytes: Bytes, options: &ObjectOptions) -> Result<(), S3Error> {
        options.check()?;
        let length = bytes.len() as u64;
        let body = (ByteStream::from(bytes), length);
        send_object(self, check_key(key)?, body, options, &Arc::new(Meter::new(None))).await
    }

    /// [`crate::Store::settled`] of its store.
    pub async fn settled(&self) {
        self.store.settled().await;
    }

    pub(crate) fn client(&self) -> &Client {
        &self.store.shared.client
    }

    pub(crate) fn uploads(&self) -> &Client {
        &self.store.shared.uploads
    }

    async fn collect(&self, mut body: ByteStream, length: u64) -> Result<Bytes, S3Error> {
        let silence = self.store.shared.read_timeout;
        let reserved = usize::try_from(length.min(RESERVED_BYTES_MAX)).unwrap_or_default();
        let mut bytes = BytesMut::with_capacity(reserved);
        loop {
            let next = tokio::time::timeout(silence, body.next()).await;
            let next = next.map_err(|_| S3Error::Network(format!("no byte has come for {silence:?}")))?;
            let Some(piece) = next else { break };
            bytes.extend_from_slice(&piece.map_err(|error| S3Error::from_body(&error))?);
            if bytes.len() as u64 > length {
                return Err(S3Error::Truncated);
            }
        }
        if bytes.len() as u64 == length { Ok(bytes.freeze()) } else { Err(S3Error::Truncated) }
    }
}

/// Whether the body begins where it should: a store that ignores ranges sends the whole object.
fn starts_at(answer: &GetObjectOutput, offset: u64) -> bool {
    let Some(range) = &answer.content_range else { return offset == 0 };
    let first = range.strip_prefix("bytes ").and_then(|rest| rest.split('-').next()?.parse().ok());
    first == Some(offset)
}

/// An empty key would address the bucket itself.
pub(crate) fn check_key(key: &str) -> Result<&str, S3Error> {
    if key.is_empty() { Err(S3Error::Invalid("the key of an object must not be empty".to_owned())) } else { Ok(key) }
}
