//! Wires a video span of a joined source. Stage: parts. Receives the frames of one part after another, each from a demuxer
//! and a decoder of its own that end with it; sends pictures to the rungs. Thread: its own, two more a part. Bound: the
//! channels. Ends: `End` with the instant at which the span's media ends; early when the span is full, or when no rung wants
//! pictures any more.

use super::pictures::Pictures;
use super::{Open, of_part, stage_of_part};
use crate::model::joined::VideoPart;
use crate::model::plan::{Plan, SpanRange, VideoPlan};
use crate::model::time::{Ratio, rescale};
use crate::model::{Problem, limits};
use crate::pipeline::control::Control;
use crate::pipeline::decode::{self, DecoderSpec};
use crate::pipeline::demux::{self, Demux};
use crate::pipeline::faults;
use crate::pipeline::flow::{self, Fan, Flow, Inflow, Stopped};
use crate::pipeline::outlet::Outlet;
use crate::pipeline::prepare::Filter;
use crate::pipeline::two_pass::Pass;
use crate::pipeline::video::{PREROLL_US, equip, finished, spawn_rungs, stage};
use std::sync::atomic::Ordering;
use std::thread;

/// Makes all segments of a span.
///
/// # Errors
/// The first problem of any stage, which names the part; that of a cancelled job when every rung was dropped.
pub fn run(
    open: Open<'_>,
    plan: &Plan,
    span: SpanRange,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    run_pass(open, plan, span, Pass::Only, outlet, control)
}

/// As [`run`], one pass of it.
pub(in crate::pipeline) fn run_pass(
    open: Open<'_>,
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
    thread::scope(|scope| {
        let roots = spawn_rungs(scope, video, pass, outlet, control);
        let mut pictures = Pictures::new(video, plan.grid, span, roots);
        stage(scope, control, "parts", move || {
            all_parts(video, &mut pictures, open, control)?;
            if control.stopped() { Err(Stopped::Neighbour) } else { pictures.end() }
        });
    });
    finished(control, video.renditions.iter().map(|rendition| rendition.id.as_str()))?;
    let wanted = video.renditions.iter().any(|rendition| !control.is_dropped(&rendition.id));
    if wanted && control.frames_decoded.load(Ordering::Relaxed) == 0 {
        return Err(decode::undecodable());
    }
    Ok(())
}

/// From the part in which the span begins to the one in which it ends.
fn all_parts(video: &VideoPlan, pictures: &mut Pictures<'_>, open: Open<'_>, control: &Control) -> Result<(), Stopped> {
    let from = pictures.from();
    let first = video.parts.iter().rposition(|part| part.start <= from).unwrap_or(0);
    for (number, part) in video.parts.iter().enumerate().skip(first) {
        if pictures.is_full_before(part.start) || control.stopped() {
            return Ok(());
        }
        let named = |problem| Stopped::Failed(of_part(number, problem));
        let demux = opened(video, part, from - part.start, open, control).map_err(named)?;
        let info = demux.input().stream_info(part.stream).map_err(|error| named(faults::internal(error)))?;
        let decoder = DecoderSpec { params: info.params, time_base: info.time_base, threads: video.decode_threads };
        thread::scope(|scope| {
            let (packets_out, packets_in) = flow::channel(limits::PACKETS_IN_FLIGHT);
            let (frames_out, frames_in) = flow::channel(limits::FRAMES_IN_FLIGHT);
            let mut consumers = Fan::default();
            consumers.add(packets_out);
            stage(scope, control, "decode", move || {
                // Parts may be of unlike codecs, and are brought to one look before the rungs: the CPU does both.
                let work = || decode::run(&decoder, packets_in, frames_out, control);
                stage_of_part(number, control.steps().timed("decode", "", work))
            });
            stage(scope, control, "demux", move || {
                stage_of_part(number, demux::run(demux, part.stream, consumers, control))
            });
            let result = receive(pictures, part, &frames_in).and_then(|last| pictures.leave(part, last));
            frames_in.settle(result)
        })
        .map_err(|stopped| match stopped {
            Stopped::Failed(problem) => named(problem),
            other => other,
        })?;
    }
    Ok(())
}

/// The part's input, at its beginning or shortly before what the span shows of it: `skipped` output ticks into it.
fn opened(
    video: &VideoPlan,
    part: &VideoPart,
    skipped: i64,
    open: Open<'_>,
    control: &Control,
) -> Result<Demux, Problem> {
    let mut demux = Demux::open(open(part.input)?, &[part.stream], control)?;
    // Only sources that allow it are planned in spans; an in point of any other is reached by decoding all before it.
    if skipped > 0 || part.in_point && demux.input().seeks_exactly(part.stream) {
        let ticks = rescale(skipped.max(0), Ratio::new(1, i64::from(video.timescale)), part.time_base);
        let preroll = rescale(PREROLL_US, Ratio::new(1, 1_000_000), part.time_base);
        demux.seek_before(part.stream, part.origin.saturating_add(ticks).saturating_sub(preroll))?;
    }
    Ok(demux)
}

/// Receives until the part or the span is full or the part over; then the duration of its last packet.
fn receive(
    pictures: &mut Pictures<'_>,
    part: &VideoPart,
    inflow: &Inflow<crate::av::Frame, Option<i64>>,
) -> Result<Option<i64>, Stopped> {
    let mut filter = Filter::new("the source", &part.prepare, part.time_base);
    pictures.enter(part);
    while !pictures.is_full_here() {
        if pictures.is_unwanted() {
            return Err(Stopped::Unwanted);
        }
        match inflow.receive()? {
            Flow::Item(mut frame) => {
                pictures.time(part, &mut frame);
                filter.apply(frame, &mut |frame| pictures.take(part, frame))?;
            }
            Flow::End(duration) => {
                filter.drain(&mut |frame| pictures.take(part, frame))?;
                return Ok(duration);
            }
        }
    }
    Ok(None)
}
