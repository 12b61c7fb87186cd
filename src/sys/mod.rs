//! The few system calls that Rust's library does not wrap.

pub mod clock;
mod driver;
pub mod lockdown;
pub mod past;
pub mod spawn;
pub mod threads;
