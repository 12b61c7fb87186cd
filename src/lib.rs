//! Reelmill, in the order in which a job flows through it.

// The command line.
pub mod cli;

// What the daemon is told: file, environment, flags.
pub mod config;

// The daemon: everything below, wired together.
pub mod serve;

// The gRPC service: requests checked, jobs told of.
pub mod api;

// Named templates of jobs, from files.
pub mod profile;

// What outlives the process: jobs, ledgers, changes, the outbox.
pub mod store;

// Where source bytes come from: opened here, never parsed here.
pub mod input;

// HTTP to elsewhere, under rules about the addresses that may be connected to.
pub mod net;

// From a request and the facts of its source to everything that will be made, as data.
pub mod plan;

// Devices: what there is, what each can really do, and how fast.
pub mod devices;

// Carries a job out: one loop that owns the truth about it. What runs next is the scheduler's to say.
pub mod dispatch;

// Simulated accelerators: what a host has only once.
pub mod simulate;

// Worker processes as the daemon sees them: started, spoken to, watched, ended.
pub mod supervise;

// The worker process: probes a source or runs one span, locked in, and exits.
pub mod worker;

// Demux, decode, prepare, scale, encode, cut: the stages of one span.
pub mod pipeline;

// Encoded packets to segments, and the ledger to manifests. Pure functions, no IO, no FFmpeg.
pub mod package;

// From a worker's spool to the output: segments stored and recorded, manifests that only ever name those.
pub mod publish;

// Buckets by name: the seam to the S3 client.
pub mod buckets;

// What a job tells while it runs, and what it leaves behind.
pub mod report;

// From what workers have used to what each output has cost: shared out, weighed, priced. Pure functions.
pub mod usage;

// What follows from changes outside of the store: webhooks told, leavings of outputs removed.
pub mod outbox;

// Serves an output directory, and a page that plays it, on this machine.
pub mod play;

// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;

// Messages between the daemon and its workers, and their framing.
pub mod wire;

// FFmpeg behind safe, owning types.
pub mod av;

// The few system calls that Rust's library does not wrap.
pub mod sys;
