//! Reelmill, in the order in which a job flows through it.

/// The command line.
pub mod cli;
/// Carries a job out: one loop that owns the truth about it.
pub mod dispatch;
/// Where source bytes come from: opened here, never parsed here.
pub mod input;
/// The words every other module uses: time, errors, media facts, the plan, the ledger.
pub mod model;
/// Stand-in.
pub mod package;
/// Stand-in.
pub mod plan;
/// From a worker's spool to the output: segments stored and recorded, manifests that only ever name those.
pub mod publish;
/// What a job tells while it runs, and what it leaves behind.
pub mod report;
/// Worker processes: started, spoken to, watched, ended.
pub mod supervise;
/// The few system calls that Rust's library does not wrap.
pub mod sys;
/// Messages between the daemon and its workers, and their framing.
pub mod wire;
