//! The task that sends spans to the collector.
//!
//! Receives: spans that are over, through a queue of [`QUEUE_MAX`], into which nobody waits to put one: what finds it full is
//! dropped and counted. Sends: batches over OTLP/gRPC, one at a time, each tried a few times. Owns: the connection. Ends:
//! when it is closed, after a last batch within [`CLOSE_WITHIN`].

use super::otlp;
use super::otlp::trace_service_client::TraceServiceClient;
use super::span::{Span, TraceId, attribute};
use crate::model::Problem;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};

/// Spans that may wait: a job has some tens, and each takes less than 1 KiB.
const QUEUE_MAX: usize = 8192;
/// Spans in one message: well below the 4 MiB that collectors take.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const BATCH_AFTER: Duration = Duration::from_secs(1);
/// How long a connection may take, and an answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Times that a batch is sent before it is dropped, and the first wait between two of them; it doubles.
const TRIES_MAX: u32 = 4;
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long the daemon waits for the last spans when it ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// How often it is told to the log that spans are lost.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Where traces go, and which.
#[derive(Clone)]
pub struct TraceSettings {
    /// The collector's OTLP/gRPC address, such as `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Of so many traces in a hundred spans are sent.
    pub sample_percent: u8,
    /// Sent with each message: `name=value`, separated by commas. Secret.
    pub headers: String,
}

impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (endpoint, sample_percent) = (&self.endpoint, self.sample_percent);
        f.debug_struct("TraceSettings").field("endpoint", endpoint).field("sample_percent", &sample_percent).finish()
    }
}

/// What became of spans so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TraceCounts {
    /// Taken by the collector.
    pub sent: u64,
    /// Lost: the queue was full, or the collector did not take them.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// The way to the task.
pub(super) struct Queue {
    spans: mpsc::Sender<Span>,
    counters: Arc<Counters>,
    closing: watch::Sender<bool>,
    closed: watch::Receiver<bool>,
    sample_percent: u8,
    /// One moment by both clocks, so that spans of this process are in order whatever becomes of the time of day.
    began: (Instant, u64),
}

impl Queue {
    pub(super) fn start(settings: TraceSettings) -> Result<Self, Problem> {
        let headers = headers(&settings.headers)?;
        let client = TraceServiceClient::new(channel(&settings.endpoint)?);
        let (spans, waiting) = mpsc::channel(QUEUE_MAX);
        let counters = Arc::new(Counters::default());
        let (closing, close) = watch::channel(false);
        let (tell_closed, closed) = watch::channel(false);
        let sending = Sending { client, headers, counters: Arc::clone(&counters), told: None };
        tokio::spawn(async move {
            run(waiting, close, sending).await;
            // Whoever waits for it may be gone.
            let _ = tell_closed.send(true);
        });
        let began = (Instant::now(), unix_ns(SystemTime::now()));
        Ok(Self { spans, counters, closing, closed, sample_percent: settings.sample_percent, began })
    }

    /// Whether a trace is among those that are taken, by the random end of its id (W3C Trace Context Level 2 §2.2.5).
    pub(super) fn takes(&self, trace: TraceId) -> bool {
        let end = u128::from_be_bytes(trace.0) & ((1 << 56) - 1);
        (end * 100) >> 56 < u128::from(self.sample_percent)
    }

    pub(super) fn put(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.drop_some(1);
        }
    }

    pub(super) fn drop_some(&self, spans: u64) {
        self.counters.dropped.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> TraceCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TraceCounts { sent: of(&self.counters.sent), dropped: of(&self.counters.dropped) }
    }

    /// A moment as time of day, ns since 1970.
    pub(super) fn unix_ns(&self, at: Instant) -> u64 {
        let (began, unix_ns) = self.began;
        let ns = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        match at.checked_duration_since(began) {
            Some(after) => unix_ns.saturating_add(ns(after)),
            None => unix_ns.saturating_sub(ns(began.duration_since(at))),
        }
    }

    pub(super) async fn close(&self) {
        let _ = self.closing.send(true);
        let mut closed = self.closed.clone();
        // An error means that the task is gone by a panic; then there is nothing to wait for either.
        let _ = timeout(CLOSE_WITHIN, closed.wait_for(|closed| *closed)).await;
    }
}

fn unix_ns(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn channel(endpoint: &str) -> Result<Channel, Problem> {
    let bad = |why: String| {
        let message = format!("traces.otlp_endpoint cannot be used: {why}; write http://host:4317");
        Problem::input("config.value", message).at("traces.otlp_endpoint")
    };
    let mut to = Endpoint::from_shared(endpoint.to_owned()).map_err(|error| bad(error.to_string()))?;
    to = to.connect_timeout(CONNECT_WITHIN).timeout(ANSWER_WITHIN);
    if endpoint.starts_with("https:") {
        to = to.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(|error| bad(error.to_string()))?;
    }
    Ok(to.connect_lazy())
}

type Headers = Vec<(AsciiMetadataKey, AsciiMetadataValue)>;

fn headers(text: &str) -> Result<Headers, Problem> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_ascii_lowercase().parse().ok()?, value.trim().parse().ok()?))
    };
    pairs.map(|pair| read(pair).ok_or(())).collect::<Result<_, _>>().map_err(|()| {
        let message = "traces.headers cannot be used: write name=value, several of them separated by commas";
        Problem::input("config.value", message).at("traces.headers")
    })
}

/// Sends batches until it is told to end.
async fn run(mut waiting: mpsc::Receiver<Span>, mut close: watch::Receiver<bool>, mut sending: Sending) {
    loop {
        let mut batch = Vec::new();
        let closing = tokio::select! {
            biased;
            count = waiting.recv_many(&mut batch, BATCH_MAX) => count == 0,
            _ = close.wait_for(|close| *close) => true,
        };
        if !closing {
            let _ = timeout(BATCH_AFTER, more(&mut waiting, &mut close, &mut batch)).await;
            tokio::select! {
                () = sending.send(batch) => continue,
                _ = close.wait_for(|close| *close) => {}
            }
            batch = Vec::new();
        }
        // What is told from here on finds the queue closed.
        waiting.close();
        while let Ok(span) = waiting.try_recv() {
            batch.push(span);
        }
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(BATCH_MAX));
            sending.send(std::mem::replace(&mut batch, rest)).await;
        }
        return;
    }
}

/// Adds to a batch until it is full, or the end has come.
async fn more(waiting: &mut mpsc::Receiver<Span>, close: &mut watch::Receiver<bool>, batch: &mut Vec<Span>) {
    while batch.len() < BATCH_MAX {
        let room = BATCH_MAX - batch.len();
        tokio::select! {
            count = waiting.recv_many(batch, room) => if count == 0 { return },
            _ = close.wait_for(|close| *close) => return,
        }
    }
}

/// What is needed to send.
struct Sending {
    client: TraceServiceClient<Channel>,
    headers: Headers,
    counters: Arc<Counters>,
    /// When it was last told that spans are lost.
    told: Option<Instant>,
}

impl Sending {
    /// Sends a batch, some times if need be.
    async fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        // Whoever lets go of this on the way has lost the batch.
        let mut lost = Lost { counters: Arc::clone(&self.counters), spans: count };
        let message = message(batch);
        let mut wait = AGAIN_AFTER;
        for attempt in 1..=TRIES_MAX {
            let mut request = Request::new(message.clone());
            for (name, value) in &self.headers {
                request.metadata_mut().insert(name.clone(), value.clone());
            }
            match self.client.export(request).await {
                Ok(answer) => {
                    let rejected = answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_spans);
                    let rejected = u64::try_from(rejected).unwrap_or(0).min(count);
                    lost.spans = rejected;
                    self.counters.sent.fetch_add(count - rejected, Ordering::Relaxed);
                    return;
                }
                Err(status) if attempt == TRIES_MAX || !may_pass(status.code()) => {
                    self.tell(count, &status);
                    return;
                }
                Err(_) => {}
            }
            sleep(wait).await;
            wait *= 2;
        }
    }

    /// Says that spans are lost, not too often.
    fn tell(&mut self, spans: u64, status: &tonic::Status) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            // The code alone: what a collector answers may repeat what it was sent.
            tracing::warn!(spans, code = ?status.code(), "the collector of traces takes no spans; they are dropped");
        }
    }
}

/// Counts spans as dropped when it goes.
struct Lost {
    counters: Arc<Counters>,
    spans: u64,
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.counters.dropped.fetch_add(self.spans, Ordering::Relaxed);
    }
}

/// What is worth another try (OTLP specification, "Failures").
const fn may_pass(code: Code) -> bool {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, ResourceExhausted, Unavailable};
    matches!(code, Aborted | Cancelled | DataLoss | DeadlineExceeded | OutOfRange | ResourceExhausted | Unavailable)
}

fn message(batch: Vec<Span>) -> otlp::ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![attribute("service.name", "reelmill".into()), attribute("service.version", version.into())];
    let scope = otlp::InstrumentationScope { name: "reelmill".to_owned(), version: version.to_owned() };
    let scope_spans =
        vec![otlp::ScopeSpans { scope: Some(scope), spans: batch.into_iter().map(Span::encoded).collect() }];
    let resource = Some(otlp::Resource { attributes });
    otlp::ExportTraceServiceRequest { resource_spans: vec![otlp::ResourceSpans { resource, scope_spans }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_and_stay_out_of_sight() {
        let read = headers(" Authorization = Bearer a=b ,x-tenant=1,").unwrap();
        let shown: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(shown, [("authorization", "Bearer a=b"), ("x-tenant", "1")]);
        assert!(headers("novalue").is_err() && headers("a b=c").is_err());
        let settings = TraceSettings { endpoint: "e".into(), sample_percent: 1, headers: "k=secret".into() };
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
