//! Reelmill, in the order in which a job flows through it.

/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;
/// From a request and the facts of its source to everything that will be made, as data.
pub mod plan;
/// Messages between the daemon and its workers, and their framing.
pub mod wire;
