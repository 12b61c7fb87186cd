//! Spans that are not over yet, and the trace that they belong to.

use super::Queue;
use super::span::{Span, SpanId, TraceId, Value};
use crate::model::{JobId, Problem};
use crate::wire::v1;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Steps of one worker that are passed on: some tens of renditions have a handful each.
const WORKER_SPANS_MAX: usize = 256;
/// What a worker may say of one step.
const WORKER_COUNTS_MAX: usize = 16;
/// Longest name that a worker may give, bytes.
const WORKER_NAME_BYTES_MAX: usize = 64;

/// The trace of one job, or of nothing.
#[derive(Clone, Default)]
pub struct JobTrace(Option<Arc<Trace>>);

struct Trace {
    queue: Arc<Queue>,
    trace: TraceId,
    job: JobId,
    /// The span of the client that handed the job in.
    parent: Option<SpanId>,
    life: Life,
}

/// Which of a job's lives a trace is about: a retry begins another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Life {
    /// Counted from 0.
    pub number: u32,
    /// When it began, ms since 1970.
    pub since_unix_ms: i64,
}

impl fmt::Debug for JobTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobTrace({})", self.id())
    }
}

impl JobTrace {
    pub(super) fn new(queue: Arc<Queue>, job: JobId, trace: TraceId, parent: Option<SpanId>) -> Self {
        Self(Some(Arc::new(Trace { queue, trace, job, parent, life: Life::default() })))
    }

    /// The same trace in another life of the job.
    #[must_use]
    pub fn in_life(self, life: Life) -> Self {
        Self(self.0.map(|trace| {
            let Trace { queue, trace, job, parent, .. } = &*trace;
            Arc::new(Trace { queue: Arc::clone(queue), trace: *trace, job: *job, parent: *parent, life })
        }))
    }

    /// Whether anything is recorded.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// 32 hexadecimal digits, or nothing.
    pub fn id(&self) -> String {
        self.0.as_ref().map(|trace| trace.trace.to_string()).unwrap_or_default()
    }

    /// A step of the job begins.
    pub fn open(&self, name: &'static str) -> OpenSpan {
        self.open_at(name, Instant::now())
    }

    /// A step of the job that began before.
    pub fn open_at(&self, name: &'static str, began: Instant) -> OpenSpan {
        let parent = self.0.as_ref().map(|trace| trace.root());
        OpenSpan::new(self.0.clone(), parent, name, began)
    }

    /// A step of the job that began at a time of day, ms since 1970: before this process did, perhaps.
    pub fn open_since(&self, name: &'static str, unix_ms: i64) -> OpenSpan {
        let mut open = self.open(name);
        if let Some(inner) = &mut open.0 {
            inner.start_unix_ns = inner.start_unix_ns.min(ns_of(unix_ms));
        }
        open
    }

    /// The span of the whole job, now that it is over: all others of this life hang below it.
    pub fn end_of_job(&self) -> OpenSpan {
        let since = self.0.as_ref().map_or(0, |trace| trace.life.since_unix_ms);
        let mut open = self.open_since("job", since);
        if let (Some(inner), Some(trace)) = (&mut open.0, &self.0) {
            (inner.id, inner.parent) = (trace.root(), trace.parent);
            inner.attributes.push(("reelmill.retry".to_owned(), trace.life.number.into()));
        }
        open
    }
}

impl Trace {
    fn root(&self) -> SpanId {
        SpanId::of_life(self.trace, self.job.number(), self.life.number)
    }
}

fn ns_of(unix_ms: i64) -> u64 {
    u64::try_from(unix_ms).unwrap_or(0).saturating_mul(1_000_000)
}

/// A span that is not over: it ends, and is sent, when it is dropped.
#[must_use = "a span ends when it is dropped"]
#[derive(Default)]
pub struct OpenSpan(Option<Box<Inner>>);

struct Inner {
    of: Arc<Trace>,
    id: SpanId,
    parent: Option<SpanId>,
    name: &'static str,
    start_unix_ns: u64,
    ended: Option<Instant>,
    attributes: Vec<(String, Value)>,
    error: Option<String>,
    /// Steps that a worker has told, below this one.
    told: usize,
}

impl fmt::Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenSpan({})", self.0.as_ref().map_or("", |inner| inner.name))
    }
}

impl OpenSpan {
    fn new(of: Option<Arc<Trace>>, parent: Option<SpanId>, name: &'static str, began: Instant) -> Self {
        Self(of.map(|of| {
            let start_unix_ns = of.queue.unix_ns(began);
            let attributes = vec![("reelmill.job".to_owned(), of.job.to_string().into())];
            Box::new(Inner {
                of,
                id: SpanId::random(),
                parent,
                name,
                start_unix_ns,
                ended: None,
                attributes,
                error: None,
                told: 0,
            })
        }))
    }

    /// Whether it is recorded.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A step of this step begins.
    pub fn child(&self, name: &'static str) -> Self {
        self.child_at(name, Instant::now())
    }

    /// A step of this step that began before.
    pub fn child_at(&self, name: &'static str, began: Instant) -> Self {
        let Some(inner) = &self.0 else { return Self::default() };
        Self::new(Some(Arc::clone(&inner.of)), Some(inner.id), name, began)
    }

    /// Where steps of this step begin, which it need not outlive.
    pub fn under(&self) -> Under {
        Under(self.0.as_ref().map(|inner| (Arc::clone(&inner.of), inner.id)))
    }

    /// Says something about it.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(inner) = &mut self.0 {
            inner.attributes.push((key.to_owned(), value.into()));
        }
    }

    /// It failed.
    pub fn fail(&mut self, problem: &Problem) {
        self.set("error.type", problem.code.as_str());
        self.set("reelmill.fault", problem.fault.name());
        if let Some(inner) = &mut self.0 {
            inner.error = Some(problem.to_string());
        }
    }

    /// It failed, where that is what it came to; gives the same back.
    pub fn failed_by<T>(&mut self, result: Result<T, Problem>) -> Result<T, Problem> {
        result.inspect_err(|problem| self.fail(problem))
    }

    /// It ended before.
    pub fn end_at(mut self, ended: Instant) {
        if let Some(inner) = &mut self.0 {
            inner.ended = Some(ended);
        }
    }
}

/// A place for steps of a step.
pub struct Under(Option<(Arc<Trace>, SpanId)>);

impl Under {
    /// A step begins.
    pub fn open(&self, name: &'static str) -> OpenSpan {
        let (of, parent) = self.0.as_ref().map(|(of, id)| (Arc::clone(of), *id)).unzip();
        OpenSpan::new(of, parent, name, Instant::now())
    }
}

impl fmt::Debug for Under {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Under({})", self.0.is_some())
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        let end_unix_ns = inner.of.queue.unix_ns(inner.ended.unwrap_or_else(Instant::now));
        inner.of.queue.put(Span {
            trace: inner.of.trace,
            id: inner.id,
            parent: inner.parent,
            name: inner.name.to_owned(),
            start_unix_ns: inner.start_unix_ns,
            end_unix_ns,
            attributes: inner.attributes,
            error: inner.error,
        });
    }
}

impl OpenSpan {
    /// Passes a step on that a worker tells of, within the bounds of this span: it is believed no more than it has to be.
    pub fn tell(&mut self, step: v1::TraceSpan) {
        let Some(inner) = &mut self.0 else { return };
        inner.told += 1;
        let short = |text: &str| text.len() <= WORKER_NAME_BYTES_MAX;
        if inner.told > WORKER_SPANS_MAX || !short(&step.name) || !short(&step.track) {
            inner.of.queue.drop_some(1);
            return;
        }
        let now = inner.of.queue.unix_ns(Instant::now());
        let within = |ns: u64| ns.clamp(inner.start_unix_ns, now.max(inner.start_unix_ns));
        let mut attributes = vec![("reelmill.job".to_owned(), inner.of.job.to_string().into())];
        if !step.track.is_empty() {
            attributes.push(("reelmill.rendition".to_owned(), step.track.into()));
        }
        let counts: BTreeMap<_, _> = step.counts.into_iter().filter(|(key, _)| short(key)).collect();
        let counts = counts.into_iter().take(WORKER_COUNTS_MAX);
        attributes.extend(counts.map(|(key, count)| (format!("reelmill.{key}"), count.into())));
        inner.of.queue.put(Span {
            trace: inner.of.trace,
            id: SpanId::random(),
            parent: Some(inner.id),
            name: step.name,
            start_unix_ns: within(step.start_unix_ns),
            end_unix_ns: within(step.end_unix_ns),
            attributes,
            error: (!step.error.is_empty()).then_some(step.error),
        });
    }
}
