//! What tests of several crates share: an object store on loopback, and a proxy that breaks things on the way to it.
//!
//! Both run on a thread of their own with a runtime of their own, so that synchronous and asynchronous tests start
//! them the same way, and both end when they are dropped. Nothing here listens on anything but 127.0.0.1.
#![expect(clippy::unwrap_used, reason = "a test's helper that fails must fail the test, where it stands")]

mod background;
pub mod captions;
mod http;
mod listing;
mod proxy;
mod relay;
mod store;
mod target;

pub use http::Request;
pub use proxy::{Fault, FaultProxy, Rule};
pub use store::S3Server;
pub use target::Target;
