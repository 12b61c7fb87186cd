//! The fault suite: what goes wrong, with real processes. Workers are played by this program itself (`fake`), so that
//! each can die in exactly the way that a test is about.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod command;
mod devices;
mod dispatch;
mod doctor;
mod fake;
mod supervise;
mod usage;
