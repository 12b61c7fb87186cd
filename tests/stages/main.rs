//! Stage tests: spans over sources made in memory, with an outlet that records what it is given.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod copy;
mod drop;
mod encoders;
mod graphs;
mod joined;
mod made;
mod simulated;
mod sound;
mod span;
mod stills;
mod stills_walk;
mod trim;
