//! A seeded discrete-event simulator of Reelmill's scheduler.
//!
//! It plays a day of a mixed fleet under load and faults in a few minutes, checks every answer, and measures what comes of
//! it. The scheduler is a function of events and time, so what runs here is the very code that runs in the daemon.
//!
//! - `rng`: chance from a seed; `fleet`: devices; `cost` and `load`: what jobs ask for; `faults`: what goes wrong;
//! - `world`: the loop, with `queue`, `job`, `happen` (what the scheduler is told) and `act` (what its answers do);
//! - `books`: what must hold after every answer: nobody holds more than there is, no lease leaks, nothing is placed on a
//!   device that is gone, every job ends, streams keep to their encoders;
//! - `bound`, `fairness`, `figures`, `report`: what is measured, against what;
//! - `log` with `words` and `digest`: a log of decisions, and its replay.
#![forbid(unsafe_code)]

mod act;
mod books;
pub mod bound;
pub mod cost;
pub mod digest;
pub mod fairness;
pub mod faults;
pub mod figures;
pub mod fleet;
mod happen;
mod job;
pub mod load;
pub mod log;
mod queue;
pub mod report;
pub mod rng;
pub mod words;
mod world;

pub use world::{Outcome, Progress, Scenario, World};
