//! The API through a real client on loopback, over an appliance that carries nothing out: requests, answers, refusals,
//! watching, tokens, TLS; and the schema itself.
#![cfg(test)]

mod calls;
mod devices;
mod fake;
mod harness;
mod lists;
mod logs;
mod profiles;
mod refused;
mod refused_calls;
mod schema;
mod secure;
mod usage;
mod watch;
