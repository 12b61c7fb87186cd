//! What a server's answer to a range request means.

use crate::model::Problem;
use crate::net::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use crate::net::{Failure, Response, retry_after};
use std::time::{Duration, SystemTime};

/// Why an attempt brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Trying again will not help.
    Final(Problem),
    /// It may help, after the time that the server asks for if it does.
    Again { problem: Problem, after: Option<Duration> },
}

/// What tells one version of a source from another (RFC 9110 §8.8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Version {
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

/// The head of a good answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) size_bytes: u64,
    /// Bytes of the range that follow: all that were asked for, or fewer.
    pub(super) length: usize,
    pub(super) version: Version,
}

impl Version {
    /// The entity tag that a server compares for equality; weak ones it would refuse (RFC 9110 §13.1.1).
    pub(super) fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }

    /// Whether a later answer is of the same version, as far as both say.
    pub(super) fn is_still(&self, later: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        same(&self.etag, &later.etag) && same(&self.modified, &later.modified)
    }

    fn of(response: &Response) -> Self {
        let text = |name| response.header(name).map(str::to_owned);
        Self { etag: text(&ETAG), modified: text(&LAST_MODIFIED) }
    }
}

impl Trouble {
    /// The source may answer later.
    pub(super) fn again(name: &str, why: &str) -> Self {
        Self::Again { problem: unavailable(name, why), after: None }
    }

    /// The source is not what it was when it was opened.
    pub(super) fn changed(name: &str) -> Self {
        let message = format!("{name} changed while it was read; start the job again when it stays as it is");
        Self::Final(Problem::input("source.changed", message))
    }

    pub(super) fn of(name: &str, failure: &Failure) -> Self {
        let (code, help) = match failure {
            Failure::Refused(_) => ("source.address_refused", "an operator can allow it in the configuration"),
            Failure::Redirect(_) => ("source.redirect", "name the address where it lies"),
            Failure::Certificate(_) => ("source.certificate", "mend its certificate, or trust its authority here"),
            Failure::Url(_) => ("request.locator", "check the address"),
            _ => return Self::again(name, &failure.to_string()),
        };
        Self::Final(Problem::input(code, format!("{name} cannot be read: {failure}; {help}")))
    }
}

/// Refuses an answer whose status is not that of a range.
pub(super) fn judge(name: &str, response: &Response) -> Result<(), Trouble> {
    let status = response.status().as_u16();
    let input = |code: &str, message: String| Err(Trouble::Final(Problem::input(code, message)));
    match status {
        206 => Ok(()),
        200 if response.header(&CONTENT_LENGTH) == Some("0") => empty(name),
        416 if size_of(response) == Some(0) => empty(name),
        200 => input("source.no_ranges", no_ranges(name)),
        401 | 403 | 407 | 451 => {
            let message =
                format!("{name} may not be read (status {status}); check its permissions, or sign the address");
            input("source.forbidden", message)
        }
        404 | 410 => {
            input("source.not_found", format!("there is nothing at {name} (status {status}); check the address"))
        }
        412 | 416 => Err(Trouble::changed(name)),
        408 | 425 | 429 | 500..=599 => {
            let after = response.header(&RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
            let problem = unavailable(name, &format!("it answers with status {status}"));
            Err(Trouble::Again { problem, after })
        }
        _ => input("source.unreadable", format!("{name} answers with status {status}; check the address")),
    }
}

/// Reads the head of an answer with status 206 to a request for `first..=last`.
pub(super) fn accept(name: &str, response: &Response, first: u64, last: u64) -> Result<Head, Trouble> {
    let unfit = || Trouble::Final(Problem::input("source.no_ranges", no_ranges(name)));
    let encoded = response.header(&CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
    // Ranges of compressed bytes are none of the file's.
    let range = response.header(&CONTENT_RANGE).and_then(content_range).filter(|_| !encoded).ok_or_else(unfit)?;
    let (from, to, size_bytes) = range;
    if from != first || to > last || to < from || to >= size_bytes {
        return Err(unfit());
    }
    Ok(Head { size_bytes, length: (to - from + 1) as usize, version: Version::of(response) })
}

/// First and last byte and the whole size of `bytes 0-1/2` (RFC 9110 §14.4). A size that is not known (`*`) is of no use.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?, size.parse().ok()?))
}

/// The whole size that an unsatisfied range tells: `bytes */2`.
fn size_of(response: &Response) -> Option<u64> {
    response.header(&CONTENT_RANGE)?.trim().strip_prefix("bytes */")?.parse().ok()
}

fn empty(name: &str) -> Result<(), Trouble> {
    Err(Trouble::Final(Problem::input("source.empty", format!("{name} has 0 bytes; was it uploaded whole?"))))
}

fn no_ranges(name: &str) -> String {
    format!("the server of {name} does not give byte ranges, which reading in parts needs; store it on one that does")
}

fn unavailable(name: &str, why: &str) -> Problem {
    Problem::sink("source.unavailable", format!("{name} cannot be read now: {why}; check where it is stored"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_exactly() {
        assert_eq!(content_range("bytes 0-1/2"), Some((0, 1, 2)));
        for text in ["bytes 0-1/*", "bytes */2", "bytes 0-1", "0-1/2", "items 0-1/2", "bytes -1/2", "bytes 0-x/2", ""] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[test]
    fn versions_differ_by_what_both_say() {
        let version = |etag: Option<&str>, modified: Option<&str>| Version {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
        };
        let first = version(Some("\"a\""), Some("Mon"));
        assert!(first.is_still(&first) && first.is_still(&version(None, None)));
        assert!(!first.is_still(&version(Some("\"b\""), Some("Mon"))));
        assert!(!first.is_still(&version(Some("\"a\""), Some("Tue"))));
        assert_eq!(version(Some("W/\"a\""), None).strong_etag(), None);
        assert_eq!(first.strong_etag(), Some("\"a\""));
    }
}
