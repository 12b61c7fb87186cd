//! Wires the pass that makes all sound and text of a source: one demuxer, a decoder for each stream, a thread for each
//! rendition of sound.

use super::control::Control;
use super::decode::{self, DecoderSpec, Tolerant};
use super::demux::Demux;
use super::faults;
use super::flow::{self, Fan, Stopped};
use super::outlet::Outlet;
use super::sound::{self, SoundSpec};
use super::text::{Texts, sidecar};
use super::video::{PREROLL_US, finished, stage};
use crate::av::{ByteSource, Frame, Packet};
use crate::model::plan::AudioRendition;
use crate::model::time::{Ratio, rescale};
use crate::model::{Plan, Problem, limits};
use std::thread::{self, Scope};

/// What is fed with the packets or frames of one stream.
struct Track<'a> {
    stream: u32,
    decoder: Option<Tolerant<'a>>,
    decoded: Fan<Frame, ()>,
    copied: Fan<Packet, ()>,
}

/// Makes all segments of all audio and text renditions.
///
/// # Errors
/// The first problem of any stage; that of a cancelled job when every rendition was dropped.
pub fn run(source: Box<dyn ByteSource>, plan: &Plan, outlet: &dyn Outlet, control: &Control) -> Result<(), Problem> {
    let sound = plan.audio.iter().map(|rendition| rendition.stream);
    let wanted: Vec<u32> = sound.chain(plan.text.iter().map(|rendition| rendition.stream)).collect();
    let source = match plan.text.iter().find_map(|rendition| rendition.sidecar_encoding.as_deref()) {
        Some(encoding) => sidecar(source, encoding)?,
        None => source,
    };
    let mut demux = Demux::open(source, &wanted, control)?;
    if plan.text.is_empty() {
        seek_to_in_point(&mut demux, &plan.audio)?;
    }
    thread::scope(|scope| {
        let ran = open_tracks(scope, &demux, plan, outlet, control)
            .and_then(|tracks| Ok((tracks, Texts::open(&demux, plan, outlet, control)?)))
            .and_then(|(tracks, texts)| control.steps().timed("decode", "", || feed(demux, tracks, texts, control)));
        if let Err(stopped) = ran {
            control.stage_stopped(stopped);
        }
    });
    let sound = plan.audio.iter().map(|rendition| rendition.id.as_str());
    finished(control, sound.chain(plan.text.iter().map(|rendition| rendition.id.as_str())))
}

/// Goes to shortly before the earliest in point, if all renditions have one and the container leads there exactly.
fn seek_to_in_point(demux: &mut Demux, renditions: &[AudioRendition]) -> Result<(), Problem> {
    const MICROS: Ratio = Ratio::new(1, 1_000_000);
    let at_us = |rendition: &AudioRendition| rescale(rendition.origin, rendition.time_base, MICROS);
    let Some(first) = renditions.iter().min_by_key(|rendition| at_us(rendition)) else { return Ok(()) };
    if !renditions.iter().all(|rendition| rendition.in_point && demux.input().seeks_exactly(rendition.stream)) {
        return Ok(());
    }
    demux.seek_before(first.stream, first.origin.saturating_sub(rescale(PREROLL_US, MICROS, first.time_base)))
}

fn open_tracks<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    demux: &Demux,
    plan: &'env Plan,
    outlet: &'env dyn Outlet,
    control: &'env Control,
) -> Result<Vec<Track<'env>>, Stopped> {
    let mut tracks: Vec<Track<'env>> = Vec::new();
    for rendition in &plan.audio {
        let at = match tracks.iter().position(|track| track.stream == rendition.stream) {
            Some(at) => at,
            None => {
                let (decoded, copied) = (Fan::default(), Fan::default());
                tracks.push(Track { stream: rendition.stream, decoder: None, decoded, copied });
                tracks.len() - 1
            }
        };
        let info = demux.input().stream_info(rendition.stream).map_err(faults::internal)?;
        let spec = SoundSpec { rendition, grid: plan.grid };
        if rendition.copy {
            let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
            tracks[at].copied.add(out);
            let params = info.params;
            stage(scope, control, &rendition.id, move || {
                let work = || sound::run_copy(&spec, &params, inflow, outlet, control);
                control.steps().timed("copy", &rendition.id, work)
            });
            continue;
        }
        let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
        tracks[at].decoded.add(out);
        if tracks[at].decoder.is_none() {
            let decoder = DecoderSpec { params: info.params, time_base: info.time_base, threads: 1 };
            tracks[at].decoder = Some(Tolerant::open(&decoder, control)?);
        }
        stage(scope, control, &rendition.id, move || {
            control.steps().timed("encode", &rendition.id, || sound::run(&spec, inflow, outlet, control))
        });
    }
    Ok(tracks)
}

fn feed(mut demux: Demux, mut tracks: Vec<Track<'_>>, mut texts: Texts<'_>, control: &Control) -> Result<(), Stopped> {
    let (all, has_text) = (tracks.len(), !texts.is_unwanted());
    while let Some(packet) = demux.read()? {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        tracks.retain_mut(|track| !track.is_unwanted());
        if texts.is_unwanted() && tracks.is_empty() {
            return Err(Stopped::Unwanted);
        }
        if texts.take(&packet, demux.time_base(packet.stream()), control)? {
            continue;
        }
        let Some(track) = tracks.iter_mut().find(|track| track.stream == packet.stream()) else { continue };
        track.copied.send(|| Ok(packet.reference().map_err(faults::internal)?))?;
        track.decode(Some(&packet))?;
    }
    if control.stopped() {
        return Err(Stopped::Neighbour);
    }
    // Those that were let go had what they wanted.
    let mut made_any = tracks.len() < all || has_text;
    texts.finish()?;
    for mut track in tracks {
        track.decode(None)?;
        made_any |= track.decoder.as_ref().is_some_and(Tolerant::made_any) || !track.copied.is_unwanted();
        track.decoded.end(&())?;
        track.copied.end(&())?;
    }
    if made_any { Ok(()) } else { Err(decode::undecodable().into()) }
}

impl Track<'_> {
    fn is_unwanted(&mut self) -> bool {
        // Both are asked, so that both are cleared of those that have let go.
        let (decoded, copied) = (self.decoded.is_unwanted(), self.copied.is_unwanted());
        if decoded {
            self.decoder = None;
        }
        decoded && copied
    }

    fn decode(&mut self, packet: Option<&Packet>) -> Result<(), Stopped> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        decoder.decode(packet, &mut |frame| self.decoded.send(|| Ok(frame.reference().map_err(faults::internal)?)))
    }
}
