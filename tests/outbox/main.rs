//! The outbox over receivers on loopback that answer by script, and a store in memory that tells what is in it.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod bench;
mod delivery;
mod receiver;
mod refusals;
mod removal;
mod signed;
mod store;
mod troubles;
