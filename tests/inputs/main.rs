//! Sources that are not local files, over a real HTTP server on loopback that can misbehave in each way that real ones do.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod addresses;
mod http;
mod server;
mod tls;
mod troubles;
mod workers;
