//! Devices: what there is, what it can do, and how fast.

pub mod rates;
