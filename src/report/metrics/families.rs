//! Every metric of this program, declared once. docs/METRICS.md is made from this.

use super::bounded::{ABILITIES_MAX, CODECS_MAX, DEVICES_MAX, DIMENSIONS_MAX, METHODS_MAX, OPERATIONS_MAX};
use super::kinds::{Counter, Declared, Family, Gauge, Histogram, Label, Values};
use prometheus::Registry;

const fn of(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Values::Of(values) }
}

const fn at_most(name: &'static str, max: usize, what: &'static str) -> Label {
    Label { name, values: Values::AtMost(max, what) }
}

const STATE: Label =
    of("state", &["queued", "preparing", "running", "stopping", "succeeded", "partial", "failed", "stopped"]);
const END: Label = of("state", &["succeeded", "partial", "failed", "stopped"]);
const CLASS: Label = of("class", &["high", "normal", "batch"]);
const FAULT: Label = of("fault", &["input", "capacity", "device", "sink", "cancelled", "bug"]);
const STAGE: Label = of("stage", &["decode", "filter", "encode", "package", "publish"]);
const OPERATION: Label = of("operation", &["decode", "filter", "encode"]);
const CAUSE: Label = of(
    "cause",
    &["finished", "failed", "device_failed", "vanished", "signalled", "hung", "timed_out", "protocol", "stopped"],
);
const PART_END: Label = of("end", &["finished", "retried", "failed", "yielded"]);
const OUTCOME: Label = of("outcome", &["waits", "refused"]);
const EFFECT: Label = of("kind", &["webhook", "remove"]);
const EFFECT_OUTCOME: Label = of("outcome", &["done", "failed_for_now", "given_up"]);
const RESULT: Label = of("result", &["ok", "error"]);
const DEVICE: Label = at_most("device", DEVICES_MAX, "a device's id, as `reelmill devices` shows it; `cpu`");
const DIMENSION: Label = at_most("dimension", DIMENSIONS_MAX, "what there is too little or enough of: `cpu.threads`");
const ENGINE: Label = at_most("engine", DIMENSIONS_MAX, "a part of a device: `encode`, `decode`, `compute`, `memory`");
const ABILITY: Label = at_most("ability", ABILITIES_MAX, "what a device is relied on for: `encode.h264`");
const CODEC: Label = at_most("codec", CODECS_MAX, "`h264`, `hevc`, `av1`, and those of sound");
const METHOD: Label = at_most("method", METHODS_MAX, "a call of the API: `JobService/CreateJob`");
const CODE: Label = at_most("code", 17, "a gRPC status by name: `ok`, `invalid_argument`");
const CALL: Label = at_most("operation", OPERATIONS_MAX, "an operation of the store: `save`");
const OWNER: Label = Label {
    name: "owner",
    values: Values::Setting("metrics.owners_max", "who a job belongs to; no series at all where the setting is 0"),
};
const VERSION: Label = at_most("version", 1, "the version of this program");

/// From answered at once to a night in the queue of a busy node.
const QUEUE_WAIT: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0];
/// From a local disk to a bucket in another region that has to be asked again.
const PUBLISH: &[f64] = &[0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Media seconds a second: from AV1 in 4K on few cores to small pictures on a card.
const SPEED: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// From what is in a page cache to a disk that gives up.
const STORE: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// From a read to the longest probe that the API waits for.
const API: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 160.0];
/// From a neighbour to the longest that a receiver may take.
const WEBHOOK: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 60.0, 600.0];

macro_rules! families {
    ($($field:ident: $kind:ident, $name:literal, [$($label:expr),*], $buckets:expr, $help:literal;)*) => {
        /// Every metric, to count with.
        pub(super) struct Families {
            $(pub(super) $field: $kind,)*
        }

        /// Every metric, as declared, in the order of docs/METRICS.md.
        pub const DECLARED: &[Declared] = &[$(Declared {
            name: $name,
            kind: <$kind as Family>::KIND,
            labels: &[$($label),*],
            buckets: $buckets,
            help: $help,
        }),*];

        impl Families {
            pub(super) fn new(registry: &Registry) -> Self {
                let mut declared = DECLARED.iter();
                $(let $field = $kind::made(registry, declared.next().expect("as many as there are fields"));)*
                Self { $($field),* }
            }
        }
    };
}

families! {
    jobs: Gauge, "reelmill_jobs", [STATE], &[], "Stored jobs.";
    jobs_queued: Gauge, "reelmill_jobs_queued", [CLASS], &[], "Jobs that wait for their time or for room.";
    jobs_active: Gauge, "reelmill_jobs_active", [CLASS], &[], "Jobs that are prepared, run or are being stopped.";
    jobs_accepted: Counter, "reelmill_jobs_accepted_total", [CLASS], &[], "Jobs that were accepted.";
    jobs_ended: Counter, "reelmill_jobs_ended_total", [END, CLASS], &[], "Jobs that came to their end while they were active.";
    queue_wait: Histogram, "reelmill_queue_wait_seconds", [CLASS], QUEUE_WAIT, "Time from when a job could have begun to its first attempt.";
    outputs_failed: Counter, "reelmill_outputs_failed_total", [FAULT], &[], "Outputs that failed, by whose fault it was.";
    admission_refusals: Counter, "reelmill_admission_refusals_total", [DIMENSION, OUTCOME], &[], "How often work had to wait, or was refused, for want of something.";
    draining: Gauge, "reelmill_draining", [], &[], "1 while no job is taken up.";
    capacity: Gauge, "reelmill_capacity", [DEVICE, DIMENSION], &[], "How much work may hold of each dimension; its name says the unit.";
    capacity_held: Gauge, "reelmill_capacity_held", [DEVICE, DIMENSION], &[], "How much of each dimension is held by work that runs.";
    capacity_headroom: Gauge, "reelmill_capacity_headroom", [DEVICE, DIMENSION], &[], "How much of each dimension is left.";
    device_busy: Gauge, "reelmill_device_busy_ratio", [DEVICE, ENGINE], &[], "How busy an engine of a device is, by whoever uses it; absent where that is not known.";
    breaker_state: Gauge, "reelmill_breaker_state", [DEVICE, ABILITY], &[], "0 for an ability in use that has failed before, 1 while it is asked to prove itself, 2 while it is set aside.";
    parts_running: Gauge, "reelmill_parts_running", [DEVICE], &[], "Parts of jobs that run now, each in a worker process; on a device these are its sessions.";
    parts_ended: Counter, "reelmill_parts_ended_total", [PART_END], &[], "Attempts at parts of jobs, by how they ended.";
    retries: Counter, "reelmill_retries_total", [FAULT], &[], "Attempts that failed and are made again, by whose fault it was.";
    worker_exits: Counter, "reelmill_worker_exits_total", [CAUSE], &[], "Ends of worker processes that made parts.";
    encode_speed: Histogram, "reelmill_encode_speed_ratio", [CODEC, DEVICE], SPEED, "Media time over the time that its part took, of each rendition of a finished part.";
    media_encoded: Counter, "reelmill_media_encoded_seconds_total", [CODEC, DEVICE], &[], "Media time of the segments that were made.";
    pixels_encoded: Counter, "reelmill_encoded_pixels_total", [CODEC, DEVICE], &[], "Pixels of the pictures in the segments that were made.";
    segments_made: Counter, "reelmill_segments_made_total", [CODEC, DEVICE], &[], "Segments that workers made.";
    segments_published: Counter, "reelmill_segments_published_total", [], &[], "Segments that are stored at a destination and recorded.";
    published_bytes: Counter, "reelmill_published_bytes_total", [], &[], "Bytes of those segments, over all packagings.";
    publish_latency: Histogram, "reelmill_publish_latency_seconds", [], PUBLISH, "Time from when a segment was made to when it was stored and recorded.";
    spool_bytes: Gauge, "reelmill_spool_bytes", [], &[], "Bytes of finished segments that wait to be published.";
    spool_bytes_max: Gauge, "reelmill_spool_max_bytes", [], &[], "Bytes that may wait before no more work is started.";
    effects: Counter, "reelmill_outbox_attempts_total", [EFFECT, EFFECT_OUTCOME], &[], "Webhooks told and leavings removed, each attempt by what came of it.";
    effect_seconds: Histogram, "reelmill_outbox_attempt_seconds", [EFFECT], WEBHOOK, "How long such an attempt took.";
    store_seconds: Histogram, "reelmill_store_operation_seconds", [CALL], STORE, "How long an operation of the store took.";
    store_operations: Counter, "reelmill_store_operations_total", [CALL, RESULT], &[], "Operations of the store; an error is one of the disk, not a conflict of two changes.";
    store_errors: Counter, "reelmill_store_errors_total", [], &[], "Operations that the store could not do.";
    api_calls: Counter, "reelmill_api_calls_total", [METHOD, CODE], &[], "Calls of the API by their status; a stream counts when it begins.";
    api_seconds: Histogram, "reelmill_api_call_seconds", [METHOD], API, "How long the answer to a call took; of a stream, its beginning.";
    cpu_seconds: Counter, "reelmill_cpu_seconds_total", [STAGE], &[], "CPU time that outputs have used.";
    device_seconds: Counter, "reelmill_device_seconds_total", [DEVICE, OPERATION], &[], "Time for which outputs have kept engines of devices busy, measured or estimated.";
    device_energy: Counter, "reelmill_device_energy_joules_total", [DEVICE], &[], "Energy of devices that is put down to outputs; absent where it is not known.";
    owner_jobs: Counter, "reelmill_owner_jobs_ended_total", [OWNER, END], &[], "Jobs that ended, by owner.";
    owner_cpu: Counter, "reelmill_owner_cpu_seconds_total", [OWNER], &[], "CPU time that outputs have used, by owner.";
    build_info: Gauge, "reelmill_build_info", [VERSION], &[], "Always 1; its label says which version runs.";
    process_cpu: Counter, "process_cpu_seconds_total", [], &[], "CPU time that the daemon itself has used, without its workers.";
    process_resident: Gauge, "process_resident_memory_bytes", [], &[], "Memory of the daemon that is in RAM.";
    process_virtual: Gauge, "process_virtual_memory_bytes", [], &[], "Address space of the daemon.";
    process_fds: Gauge, "process_open_fds", [], &[], "Open file descriptors of the daemon.";
    process_fds_max: Gauge, "process_max_fds", [], &[], "Most file descriptors that it may open.";
    process_threads: Gauge, "process_threads", [], &[], "Threads of the daemon.";
    process_start: Gauge, "process_start_time_seconds", [], &[], "When the daemon started, seconds since 1970.";
}
