//! Where something lies: a local file or directory, an object in a bucket, an address on the web.

use super::Problem;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest locator, bytes: an S3 key has at most 1,024, and nobody types more than some thousand.
pub const LOCATOR_BYTES_MAX: usize = 4096;
/// Longest object key, bytes of UTF-8, by the S3 API.
pub const KEY_BYTES_MAX: usize = 1024;

/// A source or a destination as it is written: `/path`, `file:///path`, `s3://bucket/key`, `https://host/path`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Locator {
    /// A local path.
    File(PathBuf),
    /// An object, or the common beginning of many. The key is taken as it is written: nothing in it is decoded.
    S3 {
        /// A bucket, or the alias that the configuration gives one.
        bucket: String,
        /// Key, without a leading slash; empty for the whole bucket.
        key: String,
    },
    /// An address with the scheme http or https.
    Http(String),
}

impl Locator {
    /// The local path, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }

    /// The locator for logs, errors and reports: an address on the web without user and password, and without its
    /// query, which in signed addresses is a secret. `Display` writes everything.
    pub fn shown(&self) -> String {
        let Self::Http(address) = self else { return self.to_string() };
        let (scheme, rest) = address.split_once("://").unwrap_or(("http", ""));
        let (authority, path) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (path, hidden) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
        let query = if hidden.starts_with('?') { "?…" } else { "" };
        format!("{scheme}://{host}{path}{query}")
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl FromStr for Locator {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if let Some(what) = flaw(text) {
            return Err(Problem::input("request.locator", format!("a locator {what}")));
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            if !is_bucket(bucket) {
                let message = format!("`{bucket}` is no bucket name: write s3://bucket/key");
                return Err(Problem::input("request.bucket", message));
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() });
        }
        match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() && !rest.starts_with('/') => {
                Ok(Self::Http(text.to_owned()))
            }
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.into())),
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let message = format!("`{scheme}://` is not read here: write a path, s3://bucket/key or http(s)://");
                Err(Problem::input("request.locator", message))
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl TryFrom<String> for Locator {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<Locator> for String {
    fn from(locator: Locator) -> Self {
        locator.to_string()
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Http(address) => f.write_str(address),
        }
    }
}

/// What makes a text no locator of any kind.
fn flaw(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is missing: write a path, s3://bucket/key or http(s)://")
    } else if text.len() > LOCATOR_BYTES_MAX {
        Some("is too long")
    } else if text.chars().any(char::is_control) {
        Some("has a control character in it")
    } else {
        None
    }
}

/// Whether this may name a bucket or an alias of one: what S3-compatible stores have in common, and nothing that could
/// be taken for a part of an address.
fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_written_as_it_is() {
        for text in ["in.mp4", "/a b/ü.mp4", "s3://bucket/a/b c'\"?#%20.mp4", "s3://a.b-c/", "https://h:1/p?q#f"] {
            let locator: Locator = text.parse().unwrap();
            assert_eq!(locator.to_string(), text);
        }
        assert_eq!("s3://bucket".parse(), Ok(Locator::S3 { bucket: "bucket".into(), key: String::new() }));
        assert_eq!("file:///a".parse(), Ok(Locator::File("/a".into())));
        assert_eq!("a://b".parse::<Locator>().unwrap_err().code, "request.locator");
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, shown) in [
            ("https://me:s3cret@h:1/p?sig=s3cret#s3cret", "https://h:1/p?…"),
            ("http://s3cret@s3cret@h", "http://h"),
            ("http://h\\@x/p#s3cret", "http://h\\@x/p"),
            ("s3://bucket/a?b", "s3://bucket/a?b"),
            ("/a@b?c", "/a@b?c"),
        ] {
            let locator: Locator = text.parse().unwrap();
            assert_eq!(locator.shown(), shown);
            assert_eq!(format!("{locator:?}"), shown);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "a\0b",
            "a\nb",
            "s3://",
            "s3:///key",
            "s3://UP/k",
            "s3://a..b/k",
            "s3://ab/k",
            "ftp://h/p",
            "http:///p",
        ] {
            assert_eq!(text.parse::<Locator>().unwrap_err().fault, crate::model::Fault::Input, "{text:?}");
        }
        assert!("x".repeat(LOCATOR_BYTES_MAX + 1).parse::<Locator>().is_err());
    }
}
