//! Reelmill, in the order in which a job flows through it.

/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;
/// Messages between the daemon and its workers, and their framing.
pub mod wire;

/// FFmpeg behind safe, owning types.
pub mod av;
