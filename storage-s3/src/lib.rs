//! Object stores that speak S3: read by range, written in parts, and every failure as one of a few kinds.
//!
//! This crate is the one place that depends on the AWS SDK, which is slow to build; it knows nothing of the rest of
//! Reelmill. A [`Store`] is an endpoint with credentials, a [`Bucket`] is what objects are read from and written to.
//!
//! - Nothing is tried again in here but the parts of one file, by the rule the caller gives: back-off is the caller's.
//! - Dropping a future stops its transfer. An upload in parts that does not end well is aborted on the server by a task
//!   of its own, and a request of which everything has left is one that the store carries out: [`Store::settled`] waits
//!   for those.
//! - A transfer may take as long as it needs, but is given up when no byte has moved for
//!   [`Settings::read_timeout`].
//! - Keys are sent exactly as they are given.

mod body;
mod bucket;
mod error;
mod list;
mod options;
mod parts;
mod settings;
mod store;
mod unsettled;
mod upload;

pub use bucket::{Bucket, ObjectInfo};
pub use error::S3Error;
pub use list::ListedObject;
pub use options::{CANNED_ACLS, METADATA_BYTES_MAX, Multipart, ObjectOptions};
pub use settings::{Checksums, Credentials, Settings};
pub use store::Store;
