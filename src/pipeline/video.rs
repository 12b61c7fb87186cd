//! Wires a video span: demux, decode, prepare, and a thread a rung in a tree; rungs that are copies stand beside the decoder.

use super::control::Control;
use super::copy::{self, CopySpec};
use super::decode::{self, DecoderSpec};
use super::demux::{self, Demux};
use super::equipment;
use super::flow::{self, Fan, Stopped};
use super::outlet::Outlet;
use super::prepare::{self, Picture, PrepareSpec, SpanEnd};
use super::rung::{self, RungSpec};
use super::two_pass::Pass;
use crate::av::{AvError, ByteSource};
use crate::model::plan::{SpanRange, VideoPlan};
use crate::model::time::{Ratio, rescale};
use crate::model::{Plan, Problem, limits};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};

/// Decoding starts this long before a span or an in point, so that pictures which need earlier ones are whole, and filters that look at
/// neighbours see the same ones as in an unbroken run.
pub(super) const PREROLL_US: i64 = 1_000_000;

/// Makes all segments of a span.
///
/// # Errors
/// The first problem of any stage; that of a cancelled job when every rung was dropped.
pub fn run(
    source: Box<dyn ByteSource>,
    plan: &Plan,
    span: SpanRange,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    run_pass(source, plan, span, Pass::Only, outlet, control)
}

/// As [`run`], one pass of it.
pub(super) fn run_pass(
    source: Box<dyn ByteSource>,
    plan: &Plan,
    span: SpanRange,
    pass: Pass<'_>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    let Some(video) = &plan.video else {
        return Err(Problem::bug("plan.no_video", "a video span was ordered of a plan without video"));
    };
    if let Some(problem) = equip(video, control) {
        return Err(problem);
    }
    let mut demux = Demux::open(source, &[video.stream], control)?;
    let info = demux.input().stream_info(video.stream).map_err(super::faults::internal)?;
    // Only sources that allow it are planned in spans; an in point of any other is reached by decoding all before it.
    if span.first > 0 || video.in_point && demux.input().seeks_exactly(video.stream) {
        demux.seek_before(video.stream, seek_target(plan, video, span))?;
    }
    let copied = video.renditions.iter().filter(|r| r.copy).map(|r| Ok((r, info.params.duplicate()?)));
    let copied: Vec<_> = copied.collect::<Result<_, AvError>>().map_err(super::faults::internal)?;
    let encodes = copied.len() < video.renditions.len();
    let decoder = DecoderSpec { params: info.params, time_base: info.time_base, threads: video.decode_threads };

    thread::scope(|scope| {
        let mut consumers = Fan::default();
        for (rendition, params) in copied {
            let (packets_out, packets_in) = flow::channel(limits::PACKETS_IN_FLIGHT);
            consumers.add(packets_out);
            let rung = RungSpec { rendition, timescale: video.timescale, pass };
            let spec = CopySpec { rung, video, grid: plan.grid, span };
            stage(scope, control, &rendition.id, move || {
                let work = || copy::run(&spec, &params, packets_in, outlet, control);
                control.steps().timed("copy", &rendition.id, work)
            });
        }
        if encodes {
            let (packets_out, packets_in) = flow::channel(limits::PACKETS_IN_FLIGHT);
            let (frames_out, frames_in) = flow::channel(limits::FRAMES_IN_FLIGHT);
            consumers.add(packets_out);
            let roots = spawn_rungs(scope, video, pass, outlet, control);
            let spec = PrepareSpec { video, grid: plan.grid, span };
            stage(scope, control, "prepare", move || prepare::run(&spec, frames_in, roots, control));
            stage(scope, control, "decode", move || {
                let chosen = control.equipment().decoder(video);
                let work = || decode::run_on(chosen, &decoder, packets_in, frames_out, control);
                control.steps().timed("decode", "", work)
            });
        }
        stage(scope, control, "demux", move || demux::run(demux, video.stream, consumers, control));
    });
    finished(control, video.renditions.iter().map(|rendition| rendition.id.as_str()))?;
    let decoded = video.renditions.iter().any(|rendition| !rendition.copy && !control.is_dropped(&rendition.id));
    if decoded && control.frames_decoded.load(Ordering::Relaxed) == 0 {
        return Err(decode::undecodable());
    }
    Ok(())
}

/// Opens the plan's device, unless the span has it already.
pub(super) fn equip(video: &VideoPlan, control: &Control) -> Option<Problem> {
    let placed = video.accelerator.as_ref().filter(|_| control.equipment().kind().is_none())?;
    match equipment::open(placed) {
        Ok(device) => control.equip(placed.kind, device),
        Err(trouble) => control.fail_on_device(trouble),
    }
    control.problem()
}

/// How a pass ended in which all stages have ended: one whose tracks were all dropped was cancelled.
pub(super) fn finished<'a>(control: &Control, tracks: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let mut tracks = tracks.peekable();
    match control.problem() {
        Some(problem) => Err(problem),
        None if tracks.peek().is_some() && tracks.all(|track| control.is_dropped(track)) => {
            let failed = control.fail_with_last_track();
            Err(control.problem().filter(|_| failed).unwrap_or_else(Problem::cancelled))
        }
        None => Ok(()),
    }
}

/// Starts the rungs that are encoded, from the leaves up, and gives the channels that the tree's roots are fed through.
pub(super) fn spawn_rungs<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    video: &'env VideoPlan,
    pass: Pass<'env>,
    outlet: &'env dyn Outlet,
    control: &'env Control,
) -> Fan<Picture, SpanEnd> {
    let mut feeds: Vec<Fan<Picture, SpanEnd>> = video.renditions.iter().map(|_| Fan::default()).collect();
    let mut roots = Fan::default();
    let is_encoded = |index: usize| !video.renditions[index].copy;
    for (index, rendition) in video.renditions.iter().enumerate().rev().filter(|(index, _)| is_encoded(*index)) {
        let (out, inflow) = flow::channel(limits::FRAMES_IN_FLIGHT);
        // A parent always stands before its children, so going backwards every child is there before its parent.
        let children = std::mem::take(&mut feeds[index]);
        match rendition.parent {
            Some(parent) if parent < index && is_encoded(parent) => feeds[parent].add(out),
            _ => roots.add(out),
        }
        let spec = RungSpec { rendition, timescale: video.timescale, pass };
        stage(scope, control, &rendition.id, move || rung::run(&spec, inflow, children, outlet, control));
    }
    roots
}

/// Runs one stage on a thread named for it. A stage that fails stops all; one that panics is a bug, told as such.
pub(super) fn stage<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    control: &'env Control,
    name: &str,
    work: impl FnOnce() -> Result<(), Stopped> + Send + 'scope,
) {
    // The kernel keeps 15 bytes of a name.
    let short: String = name.chars().filter(char::is_ascii).take(15).collect();
    let owned = name.to_owned();
    let started =
        thread::Builder::new().name(short).spawn_scoped(scope, move || match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => {}
            Ok(Err(stopped)) => control.stage_stopped(stopped),
            Err(_) => control.fail(Problem::bug(
                "worker.panicked",
                format!("the stage {owned} panicked; please report this source"),
            )),
        });
    if let Err(error) = started {
        control.fail(Problem::device(
            "worker.no_thread",
            format!("no thread could be started for {name} ({error}); free memory or processes"),
        ));
    }
}

fn seek_target(plan: &Plan, video: &VideoPlan, span: SpanRange) -> i64 {
    let boundary = plan.grid.boundary(i64::from(span.first), video.timescale);
    let ticks = rescale(boundary, Ratio::new(1, i64::from(video.timescale)), video.time_base);
    let preroll = rescale(PREROLL_US, Ratio::new(1, 1_000_000), video.time_base);
    video.origin + ticks - preroll
}
