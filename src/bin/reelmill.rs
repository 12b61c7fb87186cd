//! The daemon and the command line. Links no FFmpeg.

use clap::Parser;
use reelmill::play;
use std::process::ExitCode;

/// Transcodes videos into adaptive ladders and plays them.
#[derive(Parser)]
enum Command {
    /// Serve an output directory on this machine, with a page that plays it
    Play(play::PlayArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Play(args) = Command::parse();
    match play::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("reelmill: {problem}");
            ExitCode::from(problem.fault.exit_code())
        }
    }
}
