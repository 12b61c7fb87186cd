//! HTTP to elsewhere, under rules about the addresses that may be connected to. Inputs and webhooks use it.
//!
//! Addresses of requests come from clients, so whoever asks must not be able to reach what only this machine can reach:
//! its own services, its network, the metadata service of a cloud. [`AddressRules`] say which addresses may be connected
//! to. They are asked about the address itself, at the moment of each connection: every answer of the name service passes
//! through them (`resolve`), so that neither a name with a private address nor one that changes between check and use
//! gets through; addresses written as numbers are checked before ([`Client::send`]); redirects are followed by hand, each
//! hop checked anew, or not at all. Proxies named in the environment are not used: behind one, none of this would hold.

mod address;
mod client;
mod failure;
mod resolve;
mod retry_after;
mod special;
mod target;
mod tls;

pub use address::{AddressRules, Allowed, BadAllowed, Block, Refusal};
pub use client::{Client, Options, Redirects, Response};
pub use failure::Failure;
pub use reqwest::{Method, StatusCode, header};
pub use resolve::{Lookup, SystemLookup};
pub use retry_after::retry_after;
pub use target::Target;
