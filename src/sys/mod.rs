//! The few system calls that Rust's library does not wrap.

mod driver;
pub mod lockdown;
pub mod spawn;
