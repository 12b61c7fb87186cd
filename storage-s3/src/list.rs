//! Many objects at once: listed, deleted; and uploads that nobody has ended.

use crate::bucket::{Bucket, check_key};
use crate::error::S3Error;
use crate::parts;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures_util::future::try_join_all;

/// Most keys of one DeleteObjects, and of one page of a list.
const BATCH_KEYS_MAX: usize = 1000;
/// Single deletions at a time, where the store has no batches.
const DELETES_AT_ONCE: usize = 8;

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Changes whenever the object does. Empty where the store gives none.
    pub etag: String,
}

impl Bucket {
    /// Whether there is any object whose key begins with this.
    ///
    /// # Errors
    /// [`S3Error::NoSuchBucket`], [`S3Error::Forbidden`], or any other failure of a request.
    pub async fn any_under(&self, prefix: &str) -> Result<bool, S3Error> {
        Ok(!self.list(prefix, 1).await?.is_empty())
    }

    /// The first objects whose keys begin with this, in the order of their keys, at most `limit`.
    ///
    /// # Errors
    /// [`S3Error::NoSuchBucket`], [`S3Error::Forbidden`], or any other failure of a request.
    pub async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<ListedObject>, S3Error> {
        let mut found = Vec::new();
        let mut next = None;
        while found.len() < limit {
            let page = i32::try_from(BATCH_KEYS_MAX.min(limit - found.len())).unwrap_or(i32::MAX);
            let request = self.client().list_objects_v2().bucket(&*self.name).prefix(prefix).max_keys(page);
            let answer = request.set_continuation_token(next.take()).send().await.map_err(S3Error::from_sdk)?;
            let before = found.len();
            found.extend(answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let size = u64::try_from(object.size.unwrap_or_default()).ok()?;
                Some(ListedObject { key: object.key?, size, etag: object.e_tag.unwrap_or_default() })
            }));
            next = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
            // A page without objects, but with a next one, would never end on a store that is broken enough.
            if next.is_none() || found.len() == before {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Deletes objects, a thousand a request; one by one where the store refuses that. Keys without an object are fine.
    ///
    /// # Errors
    /// The first failure. Some of the objects may be gone by then.
    pub async fn delete(&self, keys: &[&str]) -> Result<(), S3Error> {
        for batch in keys.chunks(BATCH_KEYS_MAX) {
            let refused = match self.delete_batch(batch).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            match refused {
                // No such operation, or none without a checksum of another kind, or a key that XML cannot hold.
                S3Error::Unsupported(_) | S3Error::ChecksumMismatch(_) | S3Error::Rejected { status: 400, .. } => {
                    self.delete_singly(batch).await?;
                }
                error => return Err(error),
            }
        }
        Ok(())
    }

    /// Aborts every unfinished upload to keys that begin with this; returns how many. Others may still be writing there.
    ///
    /// # Errors
    /// [`S3Error::Unsupported`] where the store cannot list uploads, or any other failure of a request.
    pub async fn abort_uploads(&self, prefix: &str) -> Result<usize, S3Error> {
        let mut aborted = 0;
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = self.client().list_multipart_uploads().bucket(&*self.name).prefix(prefix);
            let request = request.set_key_marker(key_marker.take()).set_upload_id_marker(id_marker.take());
            let answer = request.send().await.map_err(S3Error::from_sdk)?;
            let before = aborted;
            for upload in answer.uploads.unwrap_or_default() {
                if let (Some(key), Some(id)) = (upload.key, upload.upload_id) {
                    parts::abort(self, &key, &id).await?;
                    aborted += 1;
                }
            }
            if answer.is_truncated != Some(true) || aborted == before {
                return Ok(aborted);
            }
            (key_marker, id_marker) = (answer.next_key_marker, answer.next_upload_id_marker);
        }
    }

    async fn delete_batch(&self, keys: &[&str]) -> Result<(), S3Error> {
        let invalid = |error: aws_sdk_s3::error::BuildError| S3Error::Invalid(error.to_string());
        let objects: Result<Vec<_>, _> =
            keys.iter().map(|key| ObjectIdentifier::builder().key(check_key(key)?).build().map_err(invalid)).collect();
        let delete = Delete::builder().set_objects(Some(objects?)).quiet(true).build().map_err(invalid)?;
        let request = self.client().delete_objects().bucket(&*self.name).delete(delete);
        let answer = request.send().await.map_err(S3Error::from_sdk)?;
        let errors = answer.errors.unwrap_or_default().into_iter();
        let errors = errors.map(|error| {
            S3Error::from_code(error.code.as_deref().unwrap_or_default(), error.message.as_deref().unwrap_or_default())
        });
        match errors.into_iter().find(|error| *error != S3Error::NotFound) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn delete_singly(&self, keys: &[&str]) -> Result<(), S3Error> {
        for some in keys.chunks(DELETES_AT_ONCE) {
            try_join_all(some.iter().map(|key| self.delete_one(key))).await?;
        }
        Ok(())
    }

    async fn delete_one(&self, key: &str) -> Result<(), S3Error> {
        let request = self.client().delete_object().bucket(&*self.name).key(check_key(key)?);
        match request.send().await.map_err(S3Error::from_sdk) {
            Ok(_) | Err(S3Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
