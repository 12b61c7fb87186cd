//! `reelmill transcode IN OUTDIR`.

use super::options::PlanOptions;
use super::{LAST_WORDS, print, signals, tables, threads};
use crate::devices;
use crate::dispatch::{TranscodeRequest, before_trials, transcode};
use crate::model::device::{DeviceInfo, DeviceKind};
use crate::model::{DeviceChoice, Problem};
use crate::report::{Bars, JobEvent, JsonLines, PlainLines, Watcher};
use crate::simulate;
use crate::supervise::find_program;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    let worker = find_program()?;
    let (devices, simulated) = devices_of(&args.options, &worker).await?;
    let request = TranscodeRequest {
        options: args.options.request()?,
        transport: args.options.transport()?,
        worker,
        source: args.input,
        append: args.append,
        subtitles: args.options.text.files(),
        output: args.output.clone(),
        overwrite: args.overwrite,
        threads: threads(),
        devices,
        simulated,
        fallback: args.options.fallback()?.unwrap_or_default(),
        wish: Vec::new(),
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

/// What the job may run on: the CPU, and the accelerators of the choice that have shown what they can do.
async fn devices_of(
    options: &PlanOptions,
    worker: &Path,
) -> Result<(Option<Vec<DeviceInfo>>, Option<Arc<simulate::Host>>), Problem> {
    let choice = options.device_choice()?;
    let (mut all, simulated) = before_trials(&choice, threads()).await?;
    if simulated.is_some() || choice == DeviceChoice::Cpu {
        return Ok((Some(all), simulated));
    }
    let found = devices::found(&choice).await?.devices;
    for device in found.into_iter().filter(|device| device.kind != DeviceKind::Cpu) {
        all.push(devices::proven(device, &kept(), worker).await?);
    }
    Ok((Some(all), None))
}

/// Where it is kept what devices have shown.
fn kept() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    cache.or_else(home).unwrap_or_else(std::env::temp_dir).join("reelmill")
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
