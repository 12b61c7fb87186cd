//! What can go wrong with a store, in as few kinds as callers act on.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

/// Longest text that is taken over from a store.
const TEXT_CHARS_MAX: usize = 300;

/// Why a request to a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum S3Error {
    /// There is no such object, or no such upload.
    #[error("there is no such object")]
    NotFound,
    /// There is no such bucket.
    #[error("there is no such bucket")]
    NoSuchBucket,
    /// The store knows the caller or not, and says no; holds its code and text.
    #[error("the store refuses access ({0})")]
    Forbidden(String),
    /// No credentials could be had.
    #[error("no credentials for the store ({0})")]
    NoCredentials(String),
    /// The store wants fewer requests.
    #[error("the store is busy")]
    Throttled {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The connection could not be made, broke, or went silent.
    #[error("the store could not be reached ({0})")]
    Network(String),
    /// A body had another length than was promised.
    #[error("the object's bytes ended early")]
    Truncated,
    /// The object is not the one that was asked for any more.
    #[error("the object has changed")]
    Changed,
    /// Bytes were changed on their way.
    #[error("the bytes did not arrive as they were sent ({0})")]
    ChecksumMismatch(String),
    /// The store cannot do this.
    #[error("the store does not support this ({0})")]
    Unsupported(String),
    /// The request makes no sense: an empty key, metadata that no header can carry. Nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The local file could not be read, or shrank while it was.
    #[error("the file to send could not be read ({0})")]
    File(String),
    /// The store answered with any other error.
    #[error("the store answered {status} {code}: {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The store's code, empty where it gave none.
        code: String,
        /// The store's text, empty where it gave none.
        message: String,
    },
}

impl S3Error {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Network(_) | Self::Truncated | Self::ChecksumMismatch(_) => true,
            Self::Rejected { status, .. } => matches!(status, 409 | 500..=599),
            _ => false,
        }
    }

    /// How long the store asks to be left alone before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> S3Error
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let (code, message) = (service.err().code(), service.err().message());
                from_answer(service.raw(), code.unwrap_or_default(), message.unwrap_or_default())
            }
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                from_answer(response.raw(), "", &chain(&error))
            }
            SdkError::ConstructionFailure(_) if is_credentials(&error) => S3Error::NoCredentials(chain(&error)),
            SdkError::ConstructionFailure(_) => {
                S3Error::Invalid(format!("the request is not valid: {}", chain(&error)))
            }
            _ if is_credentials(&error) => S3Error::NoCredentials(chain(&error)),
            _ => S3Error::Network(chain(&error)),
        }
    }

    /// From an error while a body is read.
    pub(crate) fn from_body(error: &(dyn Error + 'static)) -> S3Error {
        let ends_early = |error: &(dyn Error + 'static)| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
                || error.to_string().contains("end of file before message length reached")
        };
        let text = chain(error);
        if causes(error).any(ends_early) {
            S3Error::Truncated
        } else if text.contains("checksum mismatch") || text.contains("ChecksumMismatch") {
            S3Error::ChecksumMismatch(text)
        } else {
            S3Error::Network(text)
        }
    }

    /// From the code of one entry in an answer that is otherwise fine (DeleteObjects).
    pub(crate) fn from_code(code: &str, message: &str) -> S3Error {
        let status = match code {
            "AccessDenied" => 403,
            "NoSuchKey" => 404,
            "NotImplemented" => 501,
            "InternalError" => 500,
            "SlowDown" => 503,
            _ => 400,
        };
        from_status(status, None, code, message)
    }
}

fn from_answer(response: &HttpResponse, code: &str, message: &str) -> S3Error {
    let retry_after = response.headers().get("retry-after").and_then(|value| pause(value, SystemTime::now()));
    let region = response.headers().get("x-amz-bucket-region");
    let message = match region {
        Some(region) if matches!(response.status().as_u16(), 301 | 307 | 400) => {
            format!("{message} (the bucket is in region {region})")
        }
        _ => message.to_owned(),
    };
    from_status(response.status().as_u16(), retry_after, code, &message)
}

fn from_status(status: u16, retry_after: Option<Duration>, code: &str, message: &str) -> S3Error {
    let said = || match (code, message) {
        ("", "") => format!("status {status}"),
        ("", text) | (text, "") => short(text),
        (code, message) => short(&format!("{code}: {message}")),
    };
    match (status, code) {
        (_, "NoSuchBucket") => S3Error::NoSuchBucket,
        (_, "SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests" | "RequestLimitExceeded")
        | (429 | 503, _) => S3Error::Throttled { retry_after },
        (_, "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch") => {
            S3Error::ChecksumMismatch(said())
        }
        (_, "RequestTimeout" | "IncompleteBody") | (408, _) => S3Error::Network(said()),
        (401 | 403, _) => S3Error::Forbidden(said()),
        (404, _) => S3Error::NotFound,
        (412, _) => S3Error::Changed,
        (405 | 501, _) | (_, "NotImplemented") => S3Error::Unsupported(said()),
        _ => S3Error::Rejected { status, code: short(code), message: short(message) },
    }
}

/// What Retry-After says (RFC 9110 §10.2.3): seconds, or a date.
fn pause(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::from_str(value.trim(), DateTimeFormat::HttpDate).ok()?;
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(date.secs()).ok()?);
    Some(then.duration_since(now).unwrap_or_default())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

fn is_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.is::<aws_credential_types::provider::error::CredentialsError>()
            || cause.to_string().contains("loading credentials")
    })
}

/// The innermost causes say most; the outermost one only that something failed.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    if texts.len() > 1 {
        texts.remove(0);
    }
    texts.dedup();
    short(&texts.join(": "))
}

/// One line of bounded length, whatever a store says.
fn short(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(pause("7", now), Some(Duration::from_secs(7)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:40 GMT", now), Some(Duration::from_secs(3)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(pause("soon", now), None);
    }

    #[test]
    fn answers_fall_into_their_kinds() {
        let of = |status, code| from_status(status, None, code, "text");
        assert_eq!(of(404, "NoSuchKey"), S3Error::NotFound);
        assert_eq!(of(404, "NoSuchBucket"), S3Error::NoSuchBucket);
        assert_eq!(of(403, "AccessDenied"), S3Error::Forbidden("AccessDenied: text".to_owned()));
        assert_eq!(of(503, ""), S3Error::Throttled { retry_after: None });
        assert_eq!(of(200, "SlowDown"), S3Error::Throttled { retry_after: None });
        assert_eq!(of(412, "PreconditionFailed"), S3Error::Changed);
        assert_eq!(of(501, "NotImplemented"), S3Error::Unsupported("NotImplemented: text".to_owned()));
        assert_eq!(of(400, "BadDigest"), S3Error::ChecksumMismatch("BadDigest: text".to_owned()));
        assert!(of(500, "InternalError").is_transient() && !of(400, "InvalidArgument").is_transient());
    }

    #[test]
    fn what_a_store_says_stays_short_and_on_one_line() {
        let said = short(&format!("a\nb\u{1b}{}", "x".repeat(1000)));
        assert!(said.starts_with("a b x") && said.chars().count() == TEXT_CHARS_MAX, "{said}");
    }
}
