//! `reelmill transcode IN OUTDIR`.

use super::options::PlanOptions;
use super::{LAST_WORDS, print, signals, tables, threads};
use crate::dispatch::{TranscodeRequest, transcode};
use crate::model::Problem;
use crate::report::{Bars, JobEvent, JsonLines, PlainLines, Watcher};
use crate::supervise::find_program;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

/// Events that may wait to be shown.
const EVENTS_IN_FLIGHT: usize = 256;

/// Options of `reelmill transcode`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct TranscodeArgs {
    /// The file to read
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// The directory to write; new or empty
    #[arg(value_name = "OUTDIR")]
    pub(super) output: PathBuf,
    /// A file that follows IN, in the same output; may be given again, and name a file twice
    #[arg(long, value_name = "FILE")]
    append: Vec<PathBuf>,
    #[command(flatten)]
    options: PlanOptions,
    /// Replace an earlier output of reelmill
    #[arg(long)]
    overwrite: bool,
    /// One JSON object a line on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs the job and shows it.
pub(super) async fn run(args: TranscodeArgs) -> Result<(), Problem> {
    let request = TranscodeRequest {
        options: args.options.request()?,
        transport: args.options.transport()?,
        worker: find_program()?,
        source: args.input,
        append: args.append,
        output: args.output.clone(),
        overwrite: args.overwrite,
        threads: threads(),
        devices: None,
        simulated: None,
        fallback: args.options.fallback()?.unwrap_or_default(),
        wish: args.options.devices.clone(),
    };
    let cancelled = signals::cancellation()?;
    let (events, told) = mpsc::channel(EVENTS_IN_FLIGHT);
    let shown = show(watcher(args.json), told);
    // On a thread of the runtime, so that a terminal that does not take our lines cannot keep the job from ending.
    let result = tokio::spawn(transcode(request, events, cancelled)).await;
    let _ = tokio::time::timeout(LAST_WORDS, shown).await;
    let panicked = |_| Err(Problem::bug("internal.panic", "the job panicked; report this with the log"));
    let report = result.unwrap_or_else(panicked)?;
    if !args.json {
        print(&tables::report(&report, &args.output));
    }
    Ok(())
}

fn watcher(json: bool) -> Box<dyn Watcher> {
    if json {
        Box::new(JsonLines)
    } else if io::stderr().is_terminal() {
        Box::new(Bars::default())
    } else {
        Box::new(PlainLines::default())
    }
}

/// Shows events on a thread of their own, since writing may block. Resolves when all have been shown.
fn show(mut watcher: Box<dyn Watcher>, mut told: mpsc::Receiver<JobEvent>) -> oneshot::Receiver<()> {
    let (done, shown) = oneshot::channel();
    std::thread::spawn(move || {
        while let Some(event) = told.blocking_recv() {
            watcher.show(&event);
        }
        watcher.end();
        let _ = done.send(());
    });
    shown
}
