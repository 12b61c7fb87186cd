//! Wires the pass that makes all sound and text of a joined source: part after part one demuxer and a decoder for each
//! stream, and a thread for each rendition of sound that lasts for all of them.

use super::samples::Samples;
use super::{Open, of_part};
use crate::av::{self, Frame, Packet};
use crate::model::joined::{AudioPart, PartSound};
use crate::model::plan::AudioRendition;
use crate::model::time::{Ratio, rescale};
use crate::model::{Plan, Problem, limits};
use crate::pipeline::coder::Coder;
use crate::pipeline::control::Control;
use crate::pipeline::decode::{self, DecoderSpec, Tolerant};
use crate::pipeline::demux::Demux;
use crate::pipeline::faults;
use crate::pipeline::flow::{self, Flow, Inflow, Outflow, Stopped};
use crate::pipeline::outlet::{Outlet, TrackOutlet};
use crate::pipeline::sound::{Pass, SoundSpec};
use crate::pipeline::text::Parts;
use crate::pipeline::video::{PREROLL_US, finished, stage};
use std::thread;

const MICROS: Ratio = Ratio::new(1, 1_000_000);
/// Packets this far behind a part's end are not decoded any more: what their stream has in between is interleaved nearer.
const BEHIND_US: i64 = 2_000_000;

/// What a rendition is fed with.
enum Piece {
    /// The part with this number begins.
    Part(usize),
    /// Decoded samples of it.
    Samples(Frame),
}

/// A rendition and the way to its thread; `None` once it wants no more.
struct Rendition<'a> {
    plan: &'a AudioRendition,
    out: Option<Outflow<Piece, ()>>,
}

/// A stream of the part that is read, and its decoder.
struct Stream<'a> {
    sound: &'a PartSound,
    decoder: Tolerant<'a>,
    /// Where the part ends, ticks of the stream.
    end: Option<i64>,
    /// Nothing behind it is needed.
    over: bool,
}

/// Makes all segments of all audio and text renditions.
///
/// # Errors
/// The first problem of any stage, which names the part; that of a cancelled job when every rendition was dropped.
pub fn run(open: Open<'_>, plan: &Plan, outlet: &dyn Outlet, control: &Control) -> Result<(), Problem> {
    run_pass(open, plan, &Pass::default(), outlet, control)
}

/// The same, of one pass.
pub(in crate::pipeline) fn run_pass(
    open: Open<'_>,
    plan: &Plan,
    pass: &Pass,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    let specs: Vec<_> = plan.audio.iter().map(|rendition| SoundSpec { rendition, grid: plan.grid, pass }).collect();
    thread::scope(|scope| {
        let mut renditions = Vec::new();
        for spec in &specs {
            let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
            renditions.push(Rendition { plan: spec.rendition, out: Some(out) });
            stage(scope, control, &spec.rendition.id, move || {
                control.steps().timed("encode", &spec.rendition.id, || make(spec, inflow, outlet, control))
            });
        }
        let fed = Parts::begin(plan, outlet, control).and_then(|texts| feed(open, &mut renditions, texts, control));
        if let Err(stopped) = fed {
            control.stage_stopped(stopped);
        }
    });
    let sound = plan.audio.iter().map(|rendition| rendition.id.as_str());
    finished(control, sound.chain(plan.text.iter().map(|rendition| rendition.id.as_str())))
}

/// The stage of a rendition: joins what it is fed with, and encodes it.
fn make(
    spec: &SoundSpec<'_>,
    inflow: Inflow<Piece, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let outlet = TrackOutlet::new(&spec.rendition.id, outlet, control);
    let _filtering = outlet.accounts.filtering();
    let mut samples = Samples::new(spec.rendition, Coder::new(spec, outlet));
    let result = receive(&mut samples, &inflow, control);
    inflow.settle(result)?;
    samples.finish()
}

fn receive(samples: &mut Samples<'_>, inflow: &Inflow<Piece, ()>, control: &Control) -> Result<(), Stopped> {
    while !control.stopped() {
        samples.coder.outlet.wanted()?;
        match inflow.receive()? {
            Flow::Item(Piece::Part(number)) => samples.begin(number)?,
            Flow::Item(Piece::Samples(frame)) => samples.push(frame)?,
            Flow::End(()) => return Ok(()),
        }
    }
    Err(Stopped::Neighbour)
}

/// Reads one part after the other.
fn feed(
    open: Open<'_>,
    renditions: &mut [Rendition<'_>],
    mut texts: Parts<'_>,
    control: &Control,
) -> Result<(), Stopped> {
    let count = renditions.iter().map(|rendition| rendition.plan.parts.len()).max().unwrap_or(0);
    for number in 0..count.max(texts.count()) {
        for rendition in renditions.iter_mut() {
            rendition.send(|| Ok(Piece::Part(number)))?;
        }
        let fed = feed_part(open, number, renditions, &mut texts, control).and_then(|()| texts.leave());
        fed.map_err(|stopped| match stopped {
            Stopped::Failed(problem) => Stopped::Failed(of_part(number, problem)),
            other => other,
        })?;
        if renditions.iter().all(|rendition| rendition.out.is_none()) && texts.is_unwanted() {
            return Err(Stopped::Unwanted);
        }
    }
    texts.finish()?;
    renditions.iter_mut().filter_map(|rendition| rendition.out.take()).try_for_each(|out| match out.end(()) {
        Err(Stopped::Unwanted) => Ok(()),
        ended => ended,
    })
}

fn feed_part(
    open: Open<'_>,
    number: usize,
    renditions: &mut [Rendition<'_>],
    texts: &mut Parts<'_>,
    control: &Control,
) -> Result<(), Stopped> {
    let wanted = renditions.iter().filter(|rendition| rendition.out.is_some()).map(|rendition| rendition.plan);
    let parts: Vec<(&AudioRendition, &AudioPart, &PartSound)> = wanted
        .filter_map(|plan| plan.parts.get(number).and_then(|part| Some((plan, part, part.sound.as_ref()?))))
        .collect();
    let text = texts.wanted(number);
    // Silence needs no input, and neither does nothing to read.
    let input = parts.first().map(|(_, part, _)| part.input).or(text.as_ref().map(|(input, _)| *input));
    let Some(input) = input else { return texts.enter(number, None) };
    let mut indices: Vec<u32> = parts.iter().map(|(_, _, sound)| sound.stream).collect();
    indices.extend(text.iter().flat_map(|(_, streams)| streams));
    let mut demux = Demux::open(open(input)?, &indices, control)?;
    // What is shown at an in point may have begun long before it.
    if text.is_none() {
        seek_to_in_point(&mut demux, parts.iter().map(|(_, _, sound)| *sound))?;
    }
    texts.enter(number, Some(&demux))?;
    let mut streams: Vec<Stream<'_>> = Vec::new();
    for (plan, part, sound) in &parts {
        if streams.iter().any(|stream| stream.sound.stream == sound.stream) {
            continue;
        }
        let info = demux.input().stream_info(sound.stream).map_err(faults::internal)?;
        let decoder = DecoderSpec { params: info.params, time_base: info.time_base, threads: 1 };
        let samples = Ratio::new(1, i64::from(plan.sample_rate));
        let end = part.end.map(|end| {
            let behind = rescale(BEHIND_US, MICROS, sound.time_base);
            sound.origin.saturating_add(rescale(end - part.start, samples, sound.time_base)).saturating_add(behind)
        });
        streams.push(Stream { sound, decoder: Tolerant::open(&decoder, control)?, end, over: false });
    }
    read(&mut demux, &mut streams, number, renditions, texts, control)
}

fn read(
    demux: &mut Demux,
    streams: &mut [Stream<'_>],
    number: usize,
    renditions: &mut [Rendition<'_>],
    texts: &mut Parts<'_>,
    control: &Control,
) -> Result<(), Stopped> {
    while streams.iter().any(|stream| !stream.over) || !texts.is_over() {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        if renditions.iter().all(|rendition| rendition.out.is_none()) && texts.is_unwanted() {
            return Ok(());
        }
        let Some(packet) = demux.read()? else { break };
        if texts.take(&packet, demux.time_base(packet.stream()), control)? {
            continue;
        }
        let Some(stream) = streams.iter_mut().find(|stream| stream.sound.stream == packet.stream()) else { continue };
        let time = packet.pts().or(packet.dts());
        stream.over |= stream.end.zip(time).is_some_and(|(end, time)| time >= end);
        if !stream.over {
            decode(stream, Some(&packet), number, renditions)?;
        }
    }
    let mut made_any = streams.is_empty();
    for stream in streams {
        decode(stream, None, number, renditions)?;
        made_any |= stream.decoder.made_any();
    }
    if made_any { Ok(()) } else { Err(decode::undecodable().into()) }
}

/// Decodes a packet, or with `None` drains, for every rendition of the stream.
fn decode(
    stream: &mut Stream<'_>,
    packet: Option<&Packet>,
    number: usize,
    renditions: &mut [Rendition<'_>],
) -> Result<(), Stopped> {
    let index = stream.sound.stream;
    stream.decoder.decode(packet, &mut |frame| {
        let of_stream = |rendition: &&mut Rendition<'_>| {
            let sound = rendition.plan.parts.get(number).and_then(|part| part.sound.as_ref());
            sound.is_some_and(|sound| sound.stream == index)
        };
        for rendition in renditions.iter_mut().filter(of_stream) {
            rendition.send(|| Ok(Piece::Samples(frame.reference().map_err(faults::internal)?)))?;
        }
        Ok(())
    })
}

impl Rendition<'_> {
    /// Sends a piece, unless the rendition wants no more.
    fn send(&mut self, piece: impl FnOnce() -> Result<Piece, Stopped>) -> Result<(), Stopped> {
        let Some(out) = &self.out else { return Ok(()) };
        match out.send(piece()?) {
            Err(Stopped::Unwanted) => {
                self.out = None;
                Ok(())
            }
            sent => sent,
        }
    }
}

/// Goes to shortly before the earliest in point, if all tracks have one and the container leads there exactly.
fn seek_to_in_point<'a>(demux: &mut Demux, sounds: impl Iterator<Item = &'a PartSound>) -> Result<(), Problem> {
    let sounds: Vec<&PartSound> = sounds.collect();
    let at_us = |sound: &&&PartSound| rescale(sound.origin, sound.time_base, MICROS);
    let Some(first) = sounds.iter().min_by_key(at_us) else { return Ok(()) };
    if !sounds.iter().all(|sound| sound.in_point && demux.input().seeks_exactly(sound.stream)) {
        return Ok(());
    }
    demux.seek_before(first.stream, first.origin.saturating_sub(rescale(PREROLL_US, MICROS, first.time_base)))
}
