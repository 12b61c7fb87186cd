//! Simulated accelerators, the daemon's side: what a host has only once. Which devices there are and what goes wrong with
//! them is read from a TOML file (`docs/SIMULATED.md`); sessions, engines, memory and faults are kept here for all
//! workers, as drivers do. The other side, which makes real bitstreams, is `pipeline::simulated` in the worker.

mod engines;
mod faults;
mod host;
mod read;
mod spec;
mod state;
mod telemetry;
#[cfg(test)]
mod tests;
mod texts;

pub use host::{Attached, Host};
pub use read::load;
pub use spec::{Device, FaultSpec, Format, Sessions, Simulated, Tells, Watts, What};
pub use state::Used;
pub use telemetry::Shown;
