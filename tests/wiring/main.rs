//! Wiring tests: pictures through our code, FFmpeg and a driver's interface, on machines without a device. VAAPI runs on
//! a driver of ours (`fake_va.c`), Vulkan on Mesa's software; CUDA is not there and must say so.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod child;
mod cuda;
#[expect(dead_code, reason = "the stage tests use more of it")]
#[path = "../stages/made.rs"]
mod made;
mod span;
mod vaapi;
mod vulkan;
