//! The trace of a job: which steps of an attempt become spans, and what is said of them.

use super::Job;
use super::parts::Running;
use crate::dispatch::settings::Settings;
use crate::model::job::Subject;
use crate::model::state::JobState;
use crate::model::{JobRecord, Problem};
use crate::publish::Summary;
use crate::report::traces::{JobTrace, Life, OpenSpan};
use crate::wire::v1;
use reelmill_scheduler::SpanId;
use std::time::Instant;

/// The trace of a job's attempt, and since when it waited to be taken up, ms since 1970.
pub(super) async fn trace_of(settings: &Settings, record: &JobRecord) -> (JobTrace, i64) {
    let trace = settings.telemetry.traces.of_job(record.id, &record.spec.trace_parent);
    let mut life = Life { number: 0, since_unix_ms: record.created_unix_ms };
    let mut queued = record.created_unix_ms;
    if trace.is_on() {
        // What cannot be read is missing in the trace, which fails nothing.
        let changes = settings.store.history(record.id, 0, usize::MAX).await.unwrap_or_default();
        let mut over = false;
        for change in changes {
            let Subject::Job(state) = change.subject else { continue };
            if over && !state.is_over() {
                life = Life { number: life.number + 1, since_unix_ms: change.unix_ms };
            }
            over = state.is_over();
            if state == JobState::Queued {
                queued = change.unix_ms;
            }
        }
    }
    (trace.in_life(life), queued)
}

impl Job {
    /// The attempt begins: until now the job has waited to be taken up.
    pub(super) fn trace_queue(&self, queued_unix_ms: i64) {
        let mut queue = self.trace.open_since("queue", queued_unix_ms);
        queue.set("reelmill.job_attempt", self.keeper.record.attempt);
        queue.set("reelmill.priority", format!("{:?}", self.keeper.record.spec.priority).to_lowercase());
    }

    /// A part is given its device: it has waited since it could have begun. The span of the attempt that begins now.
    pub(super) fn trace_part(&self, index: usize, reason: &str) -> OpenSpan {
        if !self.trace.is_on() {
            return OpenSpan::default();
        }
        let state = &self.parts[index];
        let device = state.ran.as_ref().map_or("cpu", |ran| ran.id.0.as_str());
        let about = |span: &mut OpenSpan| {
            span.set("reelmill.part", self.part_name(index));
            span.set("reelmill.attempt", state.attempts);
            span.set("reelmill.device", device);
        };
        let mut schedule = self.trace.open_at("schedule", state.waits_since);
        about(&mut schedule);
        schedule.set("reelmill.reason", reason);
        drop(schedule);
        let mut part = self.trace.open("part");
        about(&mut part);
        part.set("reelmill.renditions", self.renditions_of(index).join(","));
        part
    }

    /// A worker tells of a step.
    pub(super) fn trace_step(&mut self, span: SpanId, step: v1::TraceSpan) {
        if let Some(Running { trace, .. }) = self.running.get_mut(&span) {
            trace.tell(step);
        }
    }

    /// The publishing of an output begins.
    pub(super) fn trace_publish(&self, output: usize) -> PublishTrace {
        let mut span = self.trace.open("publish");
        span.set("reelmill.output", self.keeper.record.outputs[output].id.as_str());
        PublishTrace { span, came: None, stored: None, segments: 0, bytes: 0 }
    }

    /// The job is over.
    pub(super) fn trace_end(&self, problem: Option<&Problem>) {
        let record = &self.keeper.record;
        let mut job = self.trace.end_of_job();
        job.set("reelmill.state", record.state().as_str());
        job.set("reelmill.outputs", record.outputs.len() as u64);
        job.set("reelmill.job_attempt", record.attempt);
        if !record.spec.owner.is_empty() {
            job.set("reelmill.owner", record.spec.owner.as_str());
        }
        if let Some(problem) = problem {
            job.fail(problem);
        }
    }
}

/// The publishing of an output; over when it is dropped.
#[derive(Debug, Default)]
pub(super) struct PublishTrace {
    span: OpenSpan,
    /// When the first segment came, and when the last one was stored.
    came: Option<Instant>,
    stored: Option<Instant>,
    segments: u64,
    bytes: u64,
}

impl PublishTrace {
    /// A segment is there to be stored.
    pub(super) fn came(&mut self) {
        self.came.get_or_insert_with(Instant::now);
    }

    /// A segment is stored and recorded.
    pub(super) fn stored(&mut self, bytes: u64) {
        self.stored = Some(Instant::now());
        self.segments += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The output cannot be made.
    pub(super) fn fail(&mut self, problem: &Problem) {
        self.span.fail(problem);
    }

    /// Everything is published.
    pub(super) fn ready(&self, summary: &Summary) {
        for step in &summary.steps {
            self.span.child_at(step.name, step.began).end_at(step.ended);
        }
    }
}

impl Drop for PublishTrace {
    fn drop(&mut self) {
        // All uploads are one span: a long job has thousands, each too short to be looked at.
        let Some((came, stored)) = self.came.zip(self.stored) else { return };
        let mut upload = self.span.child_at("upload", came);
        upload.set("reelmill.segments", self.segments);
        upload.set("reelmill.bytes", self.bytes);
        upload.end_at(stored);
    }
}
