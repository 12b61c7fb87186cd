//! Where things happen they are counted by one line: these are the lines' other ends.

use super::Metrics;
use crate::model::Fault;
use crate::model::spec::Priority;
use crate::model::state::JobState;
use crate::model::usage::Stage;
use std::time::{Duration, Instant};

/// How an attempt at a part of a job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartEnd {
    /// All of it is made.
    Finished,
    /// It failed, and is made again.
    Retried,
    /// It failed for good.
    Failed,
    /// It made way for another part, and goes on later.
    Yielded,
}

/// What came of the wish to run something for which something was missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It waits.
    Waits,
    /// It was refused.
    Refused,
}

/// What came of an attempt at an effect outside the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EffectOutcome {
    /// Done.
    Done,
    /// It is tried again.
    FailedForNow,
    /// It is not tried again.
    GivenUp,
}

/// A segment that a worker made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodedSegment<'a> {
    /// The codec by name.
    pub codec: &'a str,
    /// The device that encoded it.
    pub device: &'a str,
    /// How long it plays, microseconds.
    pub media_us: u64,
    /// Pixels of all its pictures; 0 for sound.
    pub pixels: u64,
}

/// A part that runs: dropped when it no longer does.
#[derive(Debug)]
pub struct PartRun {
    metrics: Metrics,
    device: String,
    began: Instant,
}

impl PartRun {
    /// For how long it has been running.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for PartRun {
    fn drop(&mut self) {
        self.metrics.0.families.parts_running.add(&[&self.device], -1.0);
    }
}

impl Metrics {
    /// A job was accepted.
    pub fn job_accepted(&self, class: Priority) {
        self.0.families.jobs_accepted.one(&[class.name()]);
    }

    /// The first attempt at a job begins, so long after it could have.
    pub fn job_begins(&self, class: Priority, waited: Duration) {
        self.0.families.queue_wait.observe(&[class.name()], waited.as_secs_f64());
    }

    /// A job is over.
    pub fn job_ended(&self, class: Priority, state: JobState, owner: &str) {
        self.0.families.jobs_ended.one(&[state.as_str(), class.name()]);
        if let Some(owner) = self.owner(owner) {
            self.0.families.owner_jobs.one(&[&owner, state.as_str()]);
        }
    }

    /// An output failed.
    pub fn output_failed(&self, fault: Fault) {
        self.0.families.outputs_failed.one(&[fault.name()]);
    }

    /// Something waits, or is refused, for want of this.
    pub fn refused(&self, dimension: &str, outcome: Refusal) {
        let outcome = match outcome {
            Refusal::Waits => "waits",
            Refusal::Refused => "refused",
        };
        self.0.families.admission_refusals.one(&[&self.0.bounded.dimension(dimension), outcome]);
    }

    /// A part begins to run on a device.
    pub fn part_runs(&self, device: &str) -> PartRun {
        let device = self.0.bounded.device(device);
        self.0.families.parts_running.add(&[&device], 1.0);
        PartRun { metrics: self.clone(), device, began: Instant::now() }
    }

    /// An attempt at a part ended.
    pub fn part_ended(&self, end: PartEnd) {
        let end = match end {
            PartEnd::Finished => "finished",
            PartEnd::Retried => "retried",
            PartEnd::Failed => "failed",
            PartEnd::Yielded => "yielded",
        };
        self.0.families.parts_ended.one(&[end]);
    }

    /// An attempt failed, by this fault, and is made again.
    pub fn retried(&self, fault: Fault) {
        self.0.families.retries.one(&[fault.name()]);
        self.part_ended(PartEnd::Retried);
    }

    /// A worker process ended; `cause` by the name of its variant.
    pub fn worker_exited(&self, cause: &'static str) {
        self.0.families.worker_exits.one(&[cause]);
    }

    /// A worker made a segment.
    pub fn segment_made(&self, segment: EncodedSegment<'_>) {
        let labels = [self.0.bounded.codec(segment.codec), self.0.bounded.device(segment.device)];
        let labels = [labels[0].as_str(), labels[1].as_str()];
        self.0.families.segments_made.one(&labels);
        self.0.families.media_encoded.add(&labels, seconds(segment.media_us));
        if segment.pixels > 0 {
            self.0.families.pixels_encoded.add(&labels, segment.pixels as f64);
        }
    }

    /// A rendition of a part was made to its end: so much media in so much time.
    pub fn encoded(&self, codec: &str, device: &str, media_us: u64, took: Duration) {
        let ratio = seconds(media_us) / took.as_secs_f64().max(0.001);
        self.0.families.encode_speed.observe(&[&self.0.bounded.codec(codec), &self.0.bounded.device(device)], ratio);
    }

    /// A segment is stored and recorded, so long after it was made.
    pub fn published(&self, bytes: u64, latency: Duration) {
        self.0.families.segments_published.one(&[]);
        self.0.families.published_bytes.add(&[], bytes as f64);
        self.0.families.publish_latency.observe(&[], latency.as_secs_f64());
    }

    /// An attempt to tell a webhook, or to remove what is left of an output.
    pub fn effect(&self, webhook: bool, outcome: EffectOutcome, took: Duration) {
        let kind = if webhook { "webhook" } else { "remove" };
        let outcome = match outcome {
            EffectOutcome::Done => "done",
            EffectOutcome::FailedForNow => "failed_for_now",
            EffectOutcome::GivenUp => "given_up",
        };
        self.0.families.effects.one(&[kind, outcome]);
        self.0.families.effect_seconds.observe(&[kind], took.as_secs_f64());
    }

    /// The store has answered; `broken` when it could not do it.
    pub fn store_operation(&self, operation: &'static str, took: Duration, broken: bool) {
        let operation = self.0.bounded.operation(operation);
        self.0.families.store_seconds.observe(&[&operation], took.as_secs_f64());
        self.0.families.store_operations.one(&[&operation, if broken { "error" } else { "ok" }]);
        if broken {
            self.0.families.store_errors.one(&[]);
        }
    }

    /// A call of the API was answered; `code` is the gRPC status by name.
    pub fn api_call(&self, method: &str, code: &'static str, took: Duration) {
        let method = self.0.bounded.method(method);
        self.0.families.api_calls.one(&[&method, code]);
        self.0.families.api_seconds.observe(&[&method], took.as_secs_f64());
    }

    /// Outputs have used so much CPU time in a stage.
    pub fn used(&self, stage: Stage, cpu_us: u64) {
        self.0.families.cpu_seconds.add(&[stage.name()], seconds(cpu_us));
    }

    /// Outputs have kept a device busy for so long with `decode`, `filter` or `encode`.
    pub fn device_used(&self, device: &str, operation: &'static str, us: u64) {
        self.0.families.device_seconds.add(&[&self.0.bounded.device(device), operation], seconds(us));
    }

    /// Energy of a device that is put down to outputs, millijoules.
    pub fn device_energy(&self, device: &str, millijoules: u64) {
        self.0.families.device_energy.add(&[&self.0.bounded.device(device)], millijoules as f64 / 1000.0);
    }

    /// Outputs of an owner have used so much CPU time; counted only where owners are.
    pub fn owner_used(&self, owner: &str, cpu_us: u64) {
        if let Some(owner) = self.owner(owner) {
            self.0.families.owner_cpu.add(&[&owner], seconds(cpu_us));
        }
    }

    fn owner(&self, owner: &str) -> Option<String> {
        (self.0.owners_max > 0).then(|| self.0.bounded.owner(owner, self.0.owners_max))
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
