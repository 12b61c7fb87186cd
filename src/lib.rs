//! Reelmill, in the order in which a job flows through it.

/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;
/// Serves an output directory, and a page that plays it, on this machine.
pub mod play;
/// Messages between the daemon and its workers, and their framing.
pub mod wire;
