//! The only process that links FFmpeg. Started by `reelmill`, one for each probe or span.

use std::process::ExitCode;

reelmill::account_threads!();

fn main() -> ExitCode {
    reelmill::worker::main(std::env::args_os().skip(1))
}
