//! The store client against a real server: the embedded one, or one that the environment names (see `Target`).
//!
//! Faults are made by a proxy in front of it.
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails must fail the test")]

mod chain;
mod faults;
mod objects;
mod support;
mod uploads;
