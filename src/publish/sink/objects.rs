//! What a sink needs of a store of objects: as little as any S3-compatible one can do.

use super::Progress;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

/// An answer that takes a while.
pub type ObjectAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ObjectError>> + Send + 'a>>;

/// A bucket. Keys are sent exactly as they are given. Dropping a future stops its request.
pub trait ObjectStore: Send + Sync + fmt::Debug + 'static {
    /// What people call the bucket; never with credentials.
    fn name(&self) -> String;

    /// Whether the bucket is there and may be used; [`ObjectErrorKind::NoBucket`] when it is not.
    fn check_bucket(&self) -> ObjectAnswer<'_, ()>;

    /// Makes the bucket. One that the caller has already is fine.
    fn create_bucket(&self) -> ObjectAnswer<'_, ()>;

    /// Stores an object in one request; it is there whole or not at all.
    fn put(&self, key: String, body: Bytes, options: ObjectOptions) -> ObjectAnswer<'_, ()>;

    /// Stores a file, in parts where it is large. An upload in parts that does not end well, or is dropped, is aborted.
    fn put_file<'a>(
        &'a self,
        key: String,
        file: &'a Path,
        options: ObjectOptions,
        progress: Progress,
    ) -> ObjectAnswer<'a, ()>;

    /// Exactly `length` bytes from `offset`; [`ObjectErrorKind::NotFound`] when there are fewer.
    fn get_range(&self, key: String, offset: u64, length: u64) -> ObjectAnswer<'_, Bytes>;

    /// The size of an object; `None` when there is no such.
    fn head(&self, key: String) -> ObjectAnswer<'_, Option<u64>>;

    /// All keys that begin with `prefix`.
    fn list(&self, prefix: String) -> ObjectAnswer<'_, Vec<String>>;

    /// Whether any key begins with `prefix`.
    fn any_under(&self, prefix: String) -> ObjectAnswer<'_, bool>;

    /// Deletes objects; those that are not there are fine.
    fn delete(&self, keys: Vec<String>) -> ObjectAnswer<'_, ()>;

    /// Answers when requests that were given up are over at the store, or after a moment: an object that has left may
    /// still arrive after those that follow it.
    fn settled(&self) -> ObjectAnswer<'_, ()>;

    /// Aborts uploads in parts of keys that begin with `prefix`. A store that cannot list them has nothing to abort.
    fn abort_uploads(&self, prefix: String) -> ObjectAnswer<'_, ()>;
}

/// What an object is stored with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectOptions {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Cache-Control`.
    pub cache_control: String,
    /// A canned ACL.
    pub acl: Option<String>,
    /// User metadata, names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// Why a request failed, in as few kinds as callers act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectErrorKind {
    /// There is no such object, or it is shorter than what was asked for.
    NotFound,
    /// There is no such bucket.
    NoBucket,
    /// The store says no, or no credentials could be had.
    Forbidden,
    /// It could not be reached, was busy, or failed inside: the same request may succeed later.
    Unavailable,
    /// It answered with any other error, or cannot do this, or the request made no sense.
    Rejected,
    /// The local file that was to be sent could not be read.
    File,
}

/// Why a request failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectError {
    /// The kind.
    pub kind: ObjectErrorKind,
    /// What the store said: one line of bounded length, without secrets.
    pub message: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}
