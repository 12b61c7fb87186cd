//! The only process that links FFmpeg. Started by `reelmill`, one for each probe or span.

use std::process::ExitCode;

fn main() -> ExitCode {
    reelmill::worker::main(std::env::args_os().skip(1))
}
