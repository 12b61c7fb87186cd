//! Traces of jobs, for a collector that speaks OTLP: one trace a job, with a span for each step of its life.
//!
//! A trace has the number of its job for its id, unless the client that handed the job in named a trace of its own
//! (W3C Trace Context, `traceparent`). The id of the span that stands for the whole job follows from the job as well, so
//! that attempts before and after a restart of the daemon hang below the same one, and it is sent when the job is over.
//! Workers have no network: what they tell of their steps is sent by the daemon.
//!
//! A span that is over goes into a bounded queue (`export`); when the collector is slow or away and the queue full, spans
//! are dropped and counted. Nothing here ever waits, and no job fails by it.

mod export;
mod open;
mod span;

pub use export::{TraceCounts, TraceSettings};
pub use open::{JobTrace, Life, OpenSpan, Under};
pub use span::Value;

use crate::model::{JobId, Problem};
use export::Queue;
use span::{SpanId, TraceId};
use std::fmt;
use std::sync::Arc;

/// Messages and service of `proto/otlp`.
pub mod otlp {
    #![expect(missing_docs, reason = "generated; documented in the .proto file")]
    #![expect(unused_qualifications, reason = "generated")]
    #![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
    tonic::include_proto!("opentelemetry.proto.collector.trace.v1");
}

/// Where traces go; clones are the same. The default one is off and costs nothing.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Queue>>);

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Traces(on)" } else { "Traces(off)" })
    }
}

impl Traces {
    /// Sends traces from now on. Must be called on a runtime; the connection is made when there is something to send.
    ///
    /// # Errors
    /// `config.value` when the address or the headers cannot be used.
    pub fn start(settings: TraceSettings) -> Result<Self, Problem> {
        Ok(Self(Some(Arc::new(Queue::start(settings)?))))
    }

    /// Whether anything is sent.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Spans that were sent, and that were dropped; `None` when nothing is sent.
    pub fn counts(&self) -> Option<TraceCounts> {
        self.0.as_ref().map(|queue| queue.counts())
    }

    /// Sends what waits, as far as that is done within a few seconds. What is told afterwards is dropped.
    pub async fn close(&self) {
        if let Some(queue) = &self.0 {
            queue.close().await;
        }
    }

    /// The trace of a job, by what the client named as its parent; one that records nothing when traces are off, or this
    /// one is not among those that are taken.
    pub fn of_job(&self, job: JobId, parent: &str) -> JobTrace {
        let Some(queue) = &self.0 else { return JobTrace::default() };
        let named = TraceParent::parse(parent);
        let trace = named.map_or(TraceId(job.number().to_be_bytes()), |named| named.trace);
        // Whoever named a trace has decided whether it is taken.
        if !named.map_or_else(|| queue.takes(trace), |named| named.sampled) {
            return JobTrace::default();
        }
        JobTrace::new(Arc::clone(queue), job, trace, named.map(|named| named.span))
    }

    /// The id of a job's trace as collectors show it, 32 hexadecimal digits; empty where none is sent.
    pub fn id_of(&self, job: JobId, parent: &str) -> String {
        self.of_job(job, parent).id()
    }
}

/// A place in somebody's trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct TraceParent {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

impl TraceParent {
    /// What a `traceparent` says (W3C Trace Context §3.2); `None` when it is none, which is to be ignored.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let hex = |field: &str, digits: usize| {
            let is_hex =
                field.len() == digits && field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            is_hex.then(|| u128::from_str_radix(field, 16).ok()).flatten()
        };
        let (version, flags) = (hex(version, 2)?, hex(flags, 2)?);
        let (trace, span) = (hex(trace, 32)?, u64::try_from(hex(span, 16)?).ok()?);
        // Later versions may have more fields behind these.
        if version == 0xff || version == 0 && fields.next().is_some() || trace == 0 || span == 0 {
            return None;
        }
        let (trace, span) = (TraceId(trace.to_be_bytes()), SpanId(span.to_be_bytes()));
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Whether a text is a `traceparent`, so that it is worth to be kept.
pub fn is_trace_parent(text: &str) -> bool {
    TraceParent::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_what_the_standard_calls_one() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let good = TraceParent::parse(&format!("00-{trace}-b7ad6b7169203331-01")).unwrap();
        assert_eq!((good.trace.to_string().as_str(), good.span.0[0], good.sampled), (trace, 0xb7, true));
        assert!(!TraceParent::parse(&format!("00-{trace}-b7ad6b7169203331-00")).unwrap().sampled);
        assert!(is_trace_parent(&format!("01-{trace}-b7ad6b7169203331-03-more")));
        for bad in [
            String::new(),
            format!("00-{trace}-b7ad6b7169203331"),
            format!("00-{trace}-b7ad6b7169203331-01-more"),
            format!("ff-{trace}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
            format!("00-{trace}-+7ad6b7169203331-01"),
        ] {
            assert!(!is_trace_parent(&bad), "{bad}");
        }
    }

    #[test]
    fn off_is_free_of_everything() {
        let traces = Traces::default();
        assert_eq!((traces.id_of(JobId::new(), ""), traces.counts().is_none()), (String::new(), true));
        let mut open = traces.of_job(JobId::new(), "").open("input");
        open.set("reelmill.attempt", 1_u32);
        assert!(!open.child("probe").is_on());
    }
}
