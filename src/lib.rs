//! Reelmill, in the order in which a job flows through it.

/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;
/// Step 7: encoded packets to segments, and the ledger to manifests. Pure functions, no IO, no FFmpeg.
pub mod package;
/// Messages between the daemon and its workers, and their framing.
pub mod wire;
