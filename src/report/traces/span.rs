//! A span that is over, and how it is written in OTLP.

use super::otlp;
use sha2::{Digest, Sha256};
use std::fmt;

/// Longest text of an attribute or a status, bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// Names a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TraceId(pub(super) [u8; 16]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Names a span within its trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SpanId(pub(super) [u8; 8]);

impl SpanId {
    /// One that nothing else has.
    pub(super) fn random() -> Self {
        // 0 stands for none.
        Self(fastrand::u64(1..).to_be_bytes())
    }

    /// That of a job's life as a whole; the same whoever asks and whenever.
    pub(super) fn of_life(trace: TraceId, job: u128, life: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"reelmill job");
        hash.update(trace.0);
        hash.update(job.to_be_bytes());
        hash.update(life.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let first = hash.first_chunk().copied().unwrap_or([1; 8]);
        Self(if first == [0; 8] { [1; 8] } else { first })
    }
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A text; a long one is cut.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// A span that is over.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: String,
    pub(super) start_unix_ns: u64,
    pub(super) end_unix_ns: u64,
    pub(super) attributes: Vec<(String, Value)>,
    /// Why it failed.
    pub(super) error: Option<String>,
}

impl Span {
    /// As it is sent.
    pub(super) fn encoded(self) -> otlp::Span {
        let status = self
            .error
            .map(|message| otlp::Status { message: cut(message), code: otlp::status::StatusCode::Error.into() });
        otlp::Span {
            trace_id: self.trace.0.to_vec(),
            span_id: self.id.0.to_vec(),
            parent_span_id: self.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
            name: self.name,
            kind: otlp::span::SpanKind::Internal.into(),
            start_time_unix_nano: self.start_unix_ns,
            end_time_unix_nano: self.end_unix_ns.max(self.start_unix_ns),
            attributes: self.attributes.into_iter().map(|(key, value)| attribute(&key, value)).collect(),
            status,
        }
    }
}

/// An attribute as it is sent.
pub(super) fn attribute(key: &str, value: Value) -> otlp::KeyValue {
    use otlp::any_value::Value as Sent;
    let value = match value {
        Value::Text(text) => Sent::StringValue(cut(text)),
        Value::Number(number) => Sent::IntValue(number),
    };
    otlp::KeyValue { key: key.to_owned(), value: Some(otlp::AnyValue { value: Some(value) }) }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
