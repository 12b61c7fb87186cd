//! The daemon and the command line. Links no FFmpeg.

use std::process::ExitCode;

fn main() -> ExitCode {
    reelmill::cli::main()
}
