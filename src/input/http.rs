//! Sources over HTTP, by byte ranges (RFC 9110 §14).
//!
//! Opening asks for the first block, which tells size and version and is needed anyway. Every later range must be of the
//! same version: `If-Match` or `If-Unmodified-Since` asks for that, and what the answer says about itself is compared too,
//! since not every server minds those. What may pass is tried again with back-off, and goes on where it broke off.

use super::BLOCK_BYTES;
use super::http_answer::{Trouble, Version, accept, judge};
use super::remote::RemoteRanges;
use crate::model::{BackOff, Problem};
use crate::net::header::{HeaderMap, HeaderValue, IF_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use crate::net::{Client, Method, Response, Target};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longest time for one attempt at a range. A source that gives less than a block in it goes on where it was, but counts
/// as failing: nothing can be transcoded from 17 KiB a second.
const ATTEMPT: Duration = Duration::from_secs(60);
/// Longest `Retry-After` that is waited for here. Who asks for more gets its time from whoever runs the job.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// A source behind an http or https address.
#[derive(Debug)]
pub(super) struct HttpRanges {
    http: Client,
    name: String,
    /// What was named.
    origin: Target,
    /// Where redirects led, so that not every range walks the way again.
    at: Mutex<Target>,
    version: Version,
    size_bytes: u64,
    retry: BackOff,
}

impl HttpRanges {
    /// Opens a source; gives as many bytes of the first block as came with the answer.
    ///
    /// # Errors
    /// `source.not_found`, `source.forbidden`, `source.empty`, `source.no_ranges`, `source.unreadable`,
    /// `source.address_refused`, `source.redirect`, `source.certificate`, `source.unavailable`.
    pub(super) async fn open(http: &Client, target: Target, retry: BackOff) -> Result<(Self, Bytes), Problem> {
        let mut attempts = Attempts::new(retry);
        let name = target.shown();
        let headers = range_headers(0, BLOCK_BYTES as u64 - 1, &Version::default());
        loop {
            let opened = timeout(ATTEMPT, async {
                let response = send(http, &name, &target, &headers).await?;
                let head = accept(&name, &response, 0, BLOCK_BYTES as u64 - 1)?;
                Ok((response, head))
            });
            match opened.await.unwrap_or_else(|_| Err(too_slow(&name))) {
                Ok((mut response, head)) => {
                    let mut first = BytesMut::new();
                    // What is missing of it is fetched when somebody wants it.
                    let _ = timeout(ATTEMPT, fill(&name, &mut response, &mut first, head.length)).await;
                    let at = Mutex::new(response.target().clone());
                    let (version, size_bytes) = (head.version, head.size_bytes);
                    let ranges = Self { http: http.clone(), name, origin: target, at, version, size_bytes, retry };
                    return Ok((ranges, first.freeze()));
                }
                Err(trouble) => attempts.after(trouble).await?,
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn whole(&self, offset: u64, length: usize) -> Result<Bytes, Problem> {
        let length = (length as u64).min(self.size_bytes.saturating_sub(offset)) as usize;
        let mut attempts = Attempts::new(self.retry);
        let mut got = BytesMut::with_capacity(length);
        while got.len() < length {
            let more = timeout(ATTEMPT, self.more(offset, length, &mut got)).await;
            if let Err(trouble) = more.unwrap_or_else(|_| Err(too_slow(&self.name))) {
                attempts.after(trouble).await?;
            }
        }
        Ok(got.freeze())
    }

    /// One request for what is still missing of a range.
    async fn more(&self, offset: u64, length: usize, got: &mut BytesMut) -> Result<(), Trouble> {
        let (first, last) = (offset + got.len() as u64, offset + length as u64 - 1);
        let headers = range_headers(first, last, &self.version);
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = send(&self.http, &self.name, &at, &headers).await;
        let mut response = match sent {
            // Addresses that redirects lead to are often good for some minutes only.
            Err(Trouble::Final(_)) if at != self.origin => {
                *self.at.lock().unwrap_or_else(PoisonError::into_inner) = self.origin.clone();
                send(&self.http, &self.name, &self.origin, &headers).await?
            }
            other => other?,
        };
        let head = accept(&self.name, &response, first, last)?;
        if head.size_bytes != self.size_bytes || !self.version.is_still(&head.version) {
            return Err(Trouble::changed(&self.name));
        }
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = response.target().clone();
        let until = got.len() + head.length;
        fill(&self.name, &mut response, got, until).await
    }
}

impl RemoteRanges for HttpRanges {
    fn read(&self, offset: u64, length: usize) -> BoxFuture<'_, Result<Bytes, Problem>> {
        Box::pin(self.whole(offset, length))
    }

    fn version(&self) -> String {
        self.version.strong_etag().or(self.version.modified.as_deref()).unwrap_or_default().to_owned()
    }
}

/// Sends one request; gives an answer with a good status.
async fn send(http: &Client, name: &str, target: &Target, headers: &HeaderMap) -> Result<Response, Trouble> {
    let sent = http.send(&Method::GET, target, headers, Bytes::new()).await;
    let response = sent.map_err(|failure| Trouble::of(name, &failure))?;
    judge(name, &response)?;
    Ok(response)
}

/// Reads a body until `got` has `until` bytes. What came stays there when it breaks off. More than was announced is not
/// looked at.
async fn fill(name: &str, response: &mut Response, got: &mut BytesMut, until: usize) -> Result<(), Trouble> {
    while got.len() < until {
        let chunk = response.chunk().await.map_err(|failure| Trouble::of(name, &failure))?;
        let Some(chunk) = chunk else { return Err(Trouble::again(name, "it sent fewer bytes than it said")) };
        got.extend_from_slice(&chunk[..chunk.len().min(until - got.len())]);
    }
    Ok(())
}

fn range_headers(first: u64, last: u64, version: &Version) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name, text: &str| {
        // Texts that come from a header are good for one.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put(RANGE, &format!("bytes={first}-{last}"));
    match (version.strong_etag(), &version.modified) {
        (Some(etag), _) => put(IF_MATCH, etag),
        (None, Some(modified)) => put(IF_UNMODIFIED_SINCE, modified),
        (None, None) => {}
    }
    headers
}

fn too_slow(name: &str) -> Trouble {
    Trouble::again(name, "it is too slow")
}

/// Counts failed attempts and waits between them.
struct Attempts {
    retry: BackOff,
    failed: u32,
}

impl Attempts {
    const fn new(retry: BackOff) -> Self {
        Self { retry, failed: 0 }
    }

    /// Waits as long as is right after this trouble; fails when it was the last attempt.
    async fn after(&mut self, trouble: Trouble) -> Result<(), Problem> {
        let (problem, asked) = match trouble {
            Trouble::Final(problem) => return Err(problem),
            Trouble::Again { problem, after } => (problem, after.unwrap_or_default()),
        };
        self.failed += 1;
        match self.retry.delay_ms(self.failed, fastrand::u64(..)) {
            Some(delay_ms) if asked <= RETRY_AFTER_MAX => {
                tracing::debug!(code = problem.code, failed = self.failed, "{}; trying again", problem.message);
                sleep(asked.max(Duration::from_millis(delay_ms))).await;
                Ok(())
            }
            _ => Err(problem),
        }
    }
}
