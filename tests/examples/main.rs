//! The example clients, run against a real daemon: what `examples/` promises is what happens.
#![cfg(test)]

mod clients;
mod daemon;
mod grpcurl;
mod programs;
mod transcript;
mod wire;
