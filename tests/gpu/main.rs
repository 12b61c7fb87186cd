//! The GPU suite: what can only be seen on a real NVIDIA card. Run with `make test-gpu`. Without a card each test says
//! so in one line, `no GPU: skipped`, which that target counts, and CI shows.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]
#![expect(clippy::print_stdout, reason = "what was skipped, and what a card showed, is to be seen")]

mod card;
#[expect(dead_code, reason = "the stage tests use more of it")]
#[path = "../stages/made.rs"]
mod made;
mod nvdec;
mod nvenc;
