//! What operators watch: metrics against a real Prometheus, the shipped alerts and dashboard, and many jobs.
//!
//! Tests that need `promtool` or `prometheus` say that they are skipped where those are not there, unless
//! REELMILL_TELEMETRY is set, as `make test-telemetry` does.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod crowd;
#[expect(dead_code, reason = "the service tests use more of it")]
#[path = "../service/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "the service tests use more of it")]
#[path = "../service/media.rs"]
mod media;
mod prometheus;
mod rules;
mod scrape;
mod shipped;
