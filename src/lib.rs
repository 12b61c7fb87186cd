//! Reelmill, in the order in which a job flows through it.

/// From a request and the facts of its source to everything that will be made, as data.
pub mod plan;

/// The worker process: probes a source or runs one span, locked in, and exits.
pub mod worker;

/// Demux, decode, prepare, scale, encode, cut: the stages of one span.
pub mod pipeline;

/// Encoded packets to segments, and the ledger to manifests. Pure functions, no IO, no FFmpeg.
pub mod package;

/// Serves an output directory, and a page that plays it, on this machine.
pub mod play;

/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;

/// Messages between the daemon and its workers, and their framing.
pub mod wire;

/// FFmpeg behind safe, owning types.
pub mod av;

/// The few system calls that Rust's library does not wrap.
pub mod sys;
