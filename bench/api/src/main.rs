//! `make bench-api`: the daemon's API under load, and what that costs it.
//!
//! Starts a `reelmill serve` of the same build on loopback, with its state on disk, and drives it over gRPC from this
//! process; `campaign` has the phases. Needs `ffmpeg` for the sources. Environment: `BENCH_QUICK=1` (a minute, to try this
//! program; the document stays as it is), `BENCH_REELMILL` (another build). Exit status: 0 when everything was measured,
//! whether or not a target was met, which the tables say; 1 when something did not work: a job was refused, a watcher
//! missed a change, the daemon ended.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "prints figures")]

mod campaign;
mod daemon;
mod job;
mod machine;
mod process;
mod read;
mod report;
mod stats;
mod submit;
mod watch;

use stats::Times;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// What may fail for reasons of all kinds; whoever runs this reads the sentence.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How much is done. The whole takes five minutes.
#[derive(Clone, Copy, Debug)]
struct Scale {
    quick: bool,
    /// Rounds of which the medians are taken.
    rounds: usize,
    /// Seconds of a round at a rate.
    round_s: u64,
    /// Jobs that are stored when lists and submissions are measured.
    stored: usize,
    /// Calls of each kind of read.
    reads: usize,
}

const WHOLE: Scale = Scale { quick: false, rounds: 3, round_s: 20, stored: 100_000, reads: 300 };
const QUICK: Scale = Scale { quick: true, rounds: 1, round_s: 5, stored: 10_000, reads: 50 };

#[tokio::main]
async fn main() -> ExitCode {
    let quick = std::env::var("BENCH_QUICK").is_ok_and(|value| value == "1");
    match run(if quick { QUICK } else { WHOLE }).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-api: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(scale: Scale) -> Outcome<()> {
    let program = daemon::program()?;
    let work = std::env::current_exe()?.parent().and_then(|dir| dir.parent()).map(|dir| dir.join("bench-api"));
    let work: PathBuf = work.ok_or("this program must lie in a build directory")?;
    // What an earlier run left; there may be nothing.
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let results = campaign::run(&program, &work, scale).await?;
    let text = report::render(&results, scale);
    println!("\n{text}\n");
    if scale.quick {
        println!("bench-api: a quick run shows that this works, not how fast anything is; the document is as it was");
    } else {
        println!("bench-api: written to {}", report::write(&text)?.display());
    }
    // Half a gigabyte of jobs; the daemon's log is of use only when something failed.
    std::fs::remove_dir_all(&work)?;
    Ok(())
}
