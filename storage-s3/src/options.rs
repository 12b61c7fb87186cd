//! What an object is stored with, and how a large one is cut.

use crate::error::S3Error;
use std::collections::BTreeMap;

/// The canned ACLs of S3 for objects.
pub const CANNED_ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];
/// Most bytes of user-defined metadata, names and values together (S3's limit).
pub const METADATA_BYTES_MAX: usize = 2048;

/// Smallest part that stores accept, except for the last one.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Largest part, and largest object in one request.
const PART_BYTES_MAX: u64 = 5 << 30;
/// Most parts of one upload.
const PARTS_MAX: u64 = 10_000;
/// Most parts at a time: each may hold [`crate::body::SIGNED_BYTES_MAX`] in memory.
const CONCURRENCY_MAX: usize = 64;

const _: () = assert!(PART_BYTES_MIN < crate::body::SIGNED_BYTES_MAX);

/// What an object is stored with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectOptions {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// One of [`CANNED_ACLS`].
    pub acl: Option<String>,
    /// User-defined metadata: names without `x-amz-meta-`, values of visible ASCII and spaces.
    pub metadata: BTreeMap<String, String>,
}

impl ObjectOptions {
    /// Refuses what no store accepts.
    ///
    /// # Errors
    /// [`S3Error::Invalid`], with a sentence that names the mistake.
    pub fn check(&self) -> Result<(), S3Error> {
        let invalid = |text: String| Err(S3Error::Invalid(text));
        if let Some(acl) = self.acl.as_deref().filter(|acl| !CANNED_ACLS.contains(acl)) {
            return invalid(format!("{acl:?} is not an ACL: use one of {}", CANNED_ACLS.join(", ")));
        }
        let headers = [("Content-Type", &self.content_type), ("Cache-Control", &self.cache_control)];
        for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            if value.is_empty() || !is_header_value(value) {
                return invalid(format!("{name} {value:?} is not a header value: use visible ASCII characters"));
            }
        }
        for (name, value) in &self.metadata {
            let is_token = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
            if name.is_empty() || !name.bytes().all(is_token) {
                return invalid(format!("{name:?} is not a name of metadata: use letters, digits, '-', '_' and '.'"));
            }
            if !is_header_value(value) {
                return invalid(format!("the value of metadata {name:?} may hold visible ASCII characters only"));
            }
        }
        let bytes: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > METADATA_BYTES_MAX {
            return invalid(format!("metadata of {bytes} bytes is too long: at most {METADATA_BYTES_MAX}"));
        }
        Ok(())
    }
}

/// Visible ASCII with spaces inside: anything else is changed or refused by one store or another.
fn is_header_value(value: &str) -> bool {
    value.bytes().all(|c| (b' '..=b'~').contains(&c)) && value.trim() == value
}

/// How files are cut for upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// Files larger than this are sent in parts.
    pub threshold_bytes: u64,
    /// Size of a part: 5 MiB to 5 GiB. Larger where a file would need more than 10,000 parts.
    pub part_bytes: u64,
    /// Parts at a time.
    pub concurrency: usize,
}

impl Default for Multipart {
    fn default() -> Multipart {
        Multipart { threshold_bytes: 16 << 20, part_bytes: 8 << 20, concurrency: 4 }
    }
}

impl Multipart {
    /// Refuses what no store accepts.
    ///
    /// # Errors
    /// [`S3Error::Invalid`], with a sentence that names the mistake.
    pub fn check(&self) -> Result<(), S3Error> {
        if !(PART_BYTES_MIN..=PART_BYTES_MAX).contains(&self.part_bytes) {
            return Err(S3Error::Invalid("a part must have 5 MiB to 5 GiB".to_owned()));
        }
        if self.threshold_bytes > PART_BYTES_MAX {
            return Err(S3Error::Invalid("files of more than 5 GiB must be sent in parts".to_owned()));
        }
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            return Err(S3Error::Invalid(format!("1 to {CONCURRENCY_MAX} parts can be sent at a time")));
        }
        Ok(())
    }

    /// Size of a part for a file of this size.
    pub(crate) fn part_bytes_for(&self, file_bytes: u64) -> Result<u64, S3Error> {
        let needed = file_bytes.div_ceil(PARTS_MAX).next_multiple_of(1 << 20);
        let part = self.part_bytes.max(needed);
        if part > PART_BYTES_MAX {
            return Err(S3Error::Invalid(format!("a file of {file_bytes} bytes is too large for a store")));
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: ObjectOptions) -> String {
        options.check().expect_err("it should be refused").to_string()
    }

    #[test]
    fn options_that_no_header_can_carry_are_refused() {
        let acl = ObjectOptions { acl: Some("everyone".to_owned()), ..ObjectOptions::default() };
        assert!(refused(acl).contains("bucket-owner-full-control"));
        let cache = ObjectOptions { cache_control: Some("max-age=1\r\nx: y".to_owned()), ..ObjectOptions::default() };
        assert!(refused(cache).starts_with("Cache-Control"));
        let metadata = |name: &str, value: &str| ObjectOptions {
            metadata: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..ObjectOptions::default()
        };
        assert!(refused(metadata("a b", "c")).starts_with("\"a b\" is not a name"));
        assert!(refused(metadata("a", "ü")).contains("visible ASCII"));
        assert!(refused(metadata("a", &"x".repeat(2048))).contains("too long"));
        metadata("job-id", "a value, with \"quotes\"").check().expect("it should pass");
    }

    #[test]
    fn parts_grow_with_the_file() {
        let multipart = Multipart { part_bytes: PART_BYTES_MIN, ..Multipart::default() };
        assert_eq!(multipart.part_bytes_for(1 << 30), Ok(PART_BYTES_MIN));
        let large = 100 << 30;
        let part = multipart.part_bytes_for(large).expect("it fits");
        assert!(part > PART_BYTES_MIN && large.div_ceil(part) <= PARTS_MAX, "{part}");
        assert!(multipart.part_bytes_for(60 << 40).is_err());
    }

    #[test]
    fn settings_of_parts_that_no_store_accepts_are_refused() {
        Multipart::default().check().expect("the default is accepted");
        for wrong in [
            Multipart { part_bytes: 5 << 19, ..Multipart::default() },
            Multipart { threshold_bytes: 6 << 30, ..Multipart::default() },
            Multipart { concurrency: 0, ..Multipart::default() },
        ] {
            wrong.check().expect_err("it should be refused");
        }
    }
}
