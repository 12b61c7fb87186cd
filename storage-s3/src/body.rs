//! The body of an upload as it leaves: counted, for progress, and so that one that stands still is given up.

use crate::error::S3Error;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Bodies up to this size are read into memory, so that their hash is part of the signature and the store refuses bytes
/// that were changed on the way. Larger ones are streamed from the file and are not signed.
pub(crate) const SIGNED_BYTES_MAX: u64 = 16 << 20;
/// Most bytes that the system holds back for one connection (the usual upper bound of its send buffer) …
const SEND_BUFFER_BYTES: u64 = 4 << 20;
/// … and the rate at which they leave on the slowest line that is worth waiting for.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;
/// Bytes that are handed over at a time: small enough that a slow line shows progress.
const PIECE_BYTES: usize = 64 << 10;

/// Bytes of one transfer so far, over all its requests.
pub(crate) struct Total {
    bytes: AtomicU64,
    report: Box<dyn Fn(u64) + Send + Sync>,
}

impl Total {
    pub(crate) fn new(report: impl Fn(u64) + Send + Sync + 'static) -> Arc<Total> {
        Arc::new(Total { bytes: AtomicU64::new(0), report: Box::new(report) })
    }

    fn add(&self, bytes: u64) {
        (self.report)(self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes);
    }

    fn take_back(&self, bytes: u64) {
        if bytes > 0 {
            (self.report)(self.bytes.fetch_sub(bytes, Ordering::Relaxed) - bytes);
        }
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

/// Counts the bytes of one request. What a failed request has sent is taken back from the total.
#[derive(Debug)]
pub(crate) struct Meter {
    sent: AtomicU64,
    total: Option<Arc<Total>>,
}

impl Meter {
    pub(crate) fn new(total: Option<Arc<Total>>) -> Meter {
        Meter { sent: AtomicU64::new(0), total }
    }

    /// Carries a request out, unless nothing moves: no byte is taken, or no answer comes, for `silence` to twice that,
    /// and longer by what the system may still be sending.
    pub(crate) async fn watch<T>(
        &self,
        silence: Duration,
        request: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T, S3Error> {
        let stands_still = async {
            loop {
                let before = self.sent.load(Ordering::Relaxed);
                let leaving = before.min(SEND_BUFFER_BYTES) / (SLOWEST_BYTES_PER_SECOND / 1000);
                tokio::time::sleep(silence + Duration::from_millis(leaving)).await;
                if self.sent.load(Ordering::Relaxed) == before {
                    break;
                }
            }
        };
        let ended = tokio::select! {
            ended = request => ended,
            () = stands_still => Err(S3Error::Network(format!("nothing has moved for {silence:?}"))),
        };
        if let (Err(_), Some(total)) = (&ended, &self.total) {
            total.take_back(self.sent.swap(0, Ordering::Relaxed));
        }
        ended
    }

    /// Bytes that the connection has taken.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(total) = &self.total {
            total.add(bytes as u64);
        }
    }
}

/// Puts the meter into a request. After it has been signed: the SDK signs only bodies it can look into.
#[derive(Debug)]
pub(crate) struct Metered(pub(crate) Arc<Meter>);

impl Intercept for Metered {
    fn name(&self) -> &'static str {
        "Metered"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        let inner = mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Counted { inner, rest: Bytes::new(), meter: Arc::clone(&self.0) });
        Ok(())
    }
}

/// A body in small pieces, each counted when the connection takes it.
struct Counted {
    inner: SdkBody,
    rest: Bytes,
    meter: Arc<Meter>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
        let at = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(at);
        self.meter.add(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
