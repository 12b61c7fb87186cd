//! Reelmill, in the order in which a job flows through it.

/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;
/// Step 7: encoded packets to segments, and the ledger to manifests. Pure functions, no IO, no FFmpeg.
pub mod package;
/// Messages between the daemon and its workers, and their framing.
pub mod wire;

/// The worker process: probes a source or runs one span, locked in, and exits.
pub mod worker;
/// Demux, decode, prepare, scale, encode, cut: the stages of one span.
pub mod pipeline;
/// FFmpeg behind safe, owning types.
pub mod av;
/// The few system calls that Rust's library does not wrap.
pub mod sys;
