//! `reelmill transcode IN OUTDIR`.

use super::options::{Listed, PlanOptions, SourceFlags, StillsOnly};
use super::{LAST_WORDS, print, signals, tables, threads};
use crate::devices;
use crate::dispatch::{TranscodeRequest, before_trials, transcode};
use crate::model::device::{DeviceInfo, DeviceKind};
use crate::model::spec::SourceSpec;
use crate::model::{DeviceChoice, Locator, Problem};
use crate::plan::Request;
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
    #[command(flatten)]
    options: PlanOptions,
    #[command(flatten)]
    sources: SourceFlags,
    /// Replace an earlier output of reelmill
    #[arg(long)]
    overwrite: bool,
    /// One JSON object a line on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of `reelmill stills`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct StillsArgs {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The directory to write; new or empty. The pictures are put into `stills` in it
    #[arg(value_name = "OUTDIR")]
    output: PathBuf,
    #[command(flatten)]
    stills: StillsOnly,
    /// Replace an earlier output of reelmill
    #[arg(long)]
    overwrite: bool,
    /// One JSON object a line on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs the job and shows it.
pub(super) async fn run(args: TranscodeArgs) -> Result<(), Problem> {
    let asked = args.options.request()?;
    carry_out(args, asked).await
}

/// Makes the stills and shows them.
pub(super) async fn stills(args: StillsArgs) -> Result<(), Problem> {
    let asked = Request { stills: Some(args.stills.options()?), ..Request::default() };
    let options = PlanOptions::default();
    let StillsArgs { input, output, overwrite, json, .. } = args;
    carry_out(TranscodeArgs { input, output, sources: SourceFlags::default(), options, overwrite, json }, asked).await
}

async fn carry_out(args: TranscodeArgs, mut asked: Request) -> Result<(), Problem> {
    let worker = find_program()?;
    // Single pictures need no device to be tried.
    let (devices, simulated) =
        if asked.is_pictures_alone() { (None, None) } else { devices_of(&args.options, &worker).await? };
    let listing = args.sources.listing(&args.input, &asked.renditions)?;
    let mut sources: Vec<SourceSpec> = listing.sources.iter().enumerate().map(source).collect();
    // Options name files of subtitles by their place among those.
    let first = u32::try_from(sources.len()).unwrap_or(u32::MAX);
    asked.text.sidecars.iter_mut().for_each(|sidecar| sidecar.source = sidecar.source.saturating_add(first));
    sources.extend(args.options.text.files().into_iter().enumerate().map(|(place, path)| SourceSpec {
        id: format!("subtitles-{}", place + 1),
        locator: Some(Locator::File(path)),
        ..SourceSpec::default()
    }));
    let request = TranscodeRequest {
        sources,
        source: listing.main,
        audio_sources: listing.audio,
        rendition_sources: listing.renditions,
        options: asked,
        transport: args.options.transport()?,
        worker,
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

/// A source of the job, with its place among them.
fn source((place, listed): (usize, &Listed)) -> SourceSpec {
    let id = format!("source-{}", place + 1);
    match listed.clone() {
        Listed::File(path, start_us, end_us) => {
            SourceSpec { id, locator: Some(Locator::File(path)), start_us, end_us, ..SourceSpec::default() }
        }
        Listed::Joined(concat, like) => SourceSpec { id, concat, concat_like: Some(like), ..SourceSpec::default() },
    }
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
