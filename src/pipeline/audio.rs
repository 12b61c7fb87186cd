//! Wires the pass that makes all sound and text of a source: one demuxer, a decoder for each stream, a thread for each
//! rendition of sound.

use super::channels;
use super::control::Control;
use super::decode::{self, DecoderSpec, Tolerant};
use super::demux::Demux;
use super::faults;
use super::flow::{self, Fan, Outflow, Stopped};
use super::outlet::Outlet;
use super::sound::{self, Pass, SoundSpec};
use super::sound_copy;
use super::text::{Texts, sidecar};
use super::video::{PREROLL_US, finished, stage};
use crate::av::{ByteSource, Frame, Packet};
use crate::model::plan::AudioRendition;
use crate::model::time::{Ratio, rescale};
use crate::model::{Plan, Problem, limits};
use std::thread::{self, Scope};

/// A rendition that is put together of channels of several streams; `None` once it wants no more.
struct Joined {
    streams: Vec<u32>,
    out: Option<Outflow<(u32, Frame), ()>>,
}

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
    run_pass(source, plan, &Pass::default(), outlet, control)
}

/// The same, of one pass.
pub(super) fn run_pass(
    source: Box<dyn ByteSource>,
    plan: &Plan,
    pass: &Pass,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    let sound = plan.audio.iter().flat_map(|one| one.streams()).map(|(stream, ..)| stream);
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
        let ran = open_tracks(scope, &demux, (plan, pass), outlet, control)
            .and_then(|(tracks, joined)| Ok((tracks, joined, Texts::open(&demux, plan, outlet, control)?)))
            .and_then(|(tracks, joined, texts)| {
                control.steps().timed("decode", "", || feed(demux, tracks, joined, texts, control))
            });
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
    let streams: Vec<_> = renditions.iter().flat_map(AudioRendition::streams).collect();
    let at_us = |(_, time_base, origin): &&(u32, Ratio, i64)| rescale(*origin, *time_base, MICROS);
    let Some((stream, time_base, origin)) = streams.iter().min_by_key(at_us).copied() else { return Ok(()) };
    let exact = streams.iter().all(|(stream, ..)| demux.input().seeks_exactly(*stream));
    if !exact || !renditions.iter().all(|rendition| rendition.in_point) {
        return Ok(());
    }
    demux.seek_before(stream, origin.saturating_sub(rescale(PREROLL_US, MICROS, time_base)))
}

fn open_tracks<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    demux: &Demux,
    (plan, pass): (&'env Plan, &'env Pass),
    outlet: &'env dyn Outlet,
    control: &'env Control,
) -> Result<(Vec<Track<'env>>, Vec<Joined>), Stopped> {
    let (mut tracks, mut joined): (Vec<Track<'env>>, Vec<Joined>) = (Vec::new(), Vec::new());
    for rendition in &plan.audio {
        if !rendition.channel_inputs.is_empty() {
            let streams: Vec<u32> = rendition.streams().into_iter().map(|(stream, ..)| stream).collect();
            for stream in &streams {
                let at = track_of(&mut tracks, *stream);
                tracks[at].open(demux, control)?;
            }
            let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
            joined.push(Joined { streams, out: Some(out) });
            let spec = SoundSpec { rendition, grid: plan.grid, pass };
            stage(scope, control, &rendition.id, move || {
                control.steps().timed("encode", &rendition.id, || channels::run(&spec, inflow, outlet, control))
            });
            continue;
        }
        let at = track_of(&mut tracks, rendition.stream);
        let info = demux.input().stream_info(rendition.stream).map_err(faults::internal)?;
        let spec = SoundSpec { rendition, grid: plan.grid, pass };
        if rendition.copy {
            let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
            tracks[at].copied.add(out);
            let params = info.params;
            stage(scope, control, &rendition.id, move || {
                let work = || sound_copy::run(&spec, &params, inflow, outlet, control);
                control.steps().timed("copy", &rendition.id, work)
            });
            continue;
        }
        let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
        tracks[at].decoded.add(out);
        tracks[at].open(demux, control)?;
        stage(scope, control, &rendition.id, move || {
            control.steps().timed("encode", &rendition.id, || sound::run(&spec, inflow, outlet, control))
        });
    }
    Ok((tracks, joined))
}

/// The place of a stream's track, which is made where there is none.
fn track_of(tracks: &mut Vec<Track<'_>>, stream: u32) -> usize {
    tracks.iter().position(|track| track.stream == stream).unwrap_or_else(|| {
        let (decoded, copied) = (Fan::default(), Fan::default());
        tracks.push(Track { stream, decoder: None, decoded, copied });
        tracks.len() - 1
    })
}

fn feed(
    mut demux: Demux,
    mut tracks: Vec<Track<'_>>,
    mut joined: Vec<Joined>,
    mut texts: Texts<'_>,
    control: &Control,
) -> Result<(), Stopped> {
    let (all, has_text) = (tracks.len(), !texts.is_unwanted());
    while let Some(packet) = demux.read()? {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        tracks.retain_mut(|track| !track.is_unwanted(&joined));
        if texts.is_unwanted() && tracks.is_empty() {
            return Err(Stopped::Unwanted);
        }
        if texts.take(&packet, demux.time_base(packet.stream()), control)? {
            continue;
        }
        let Some(track) = tracks.iter_mut().find(|track| track.stream == packet.stream()) else { continue };
        track.copied.send(|| Ok(packet.reference().map_err(faults::internal)?))?;
        track.decode(Some(&packet), &mut joined)?;
    }
    if control.stopped() {
        return Err(Stopped::Neighbour);
    }
    // Those that were let go had what they wanted.
    let mut made_any = tracks.len() < all || has_text;
    texts.finish()?;
    for mut track in tracks {
        track.decode(None, &mut joined)?;
        made_any |= track.decoder.as_ref().is_some_and(Tolerant::made_any) || !track.copied.is_unwanted();
        track.decoded.end(&())?;
        track.copied.end(&())?;
    }
    for out in joined.into_iter().filter_map(|joined| joined.out) {
        match out.end(()) {
            Ok(()) | Err(Stopped::Unwanted) => {}
            Err(stopped) => return Err(stopped),
        }
    }
    if made_any { Ok(()) } else { Err(decode::undecodable().into()) }
}

impl Joined {
    /// Sends samples, unless the rendition wants no more.
    fn send(&mut self, samples: (u32, Frame)) -> Result<(), Stopped> {
        match self.out.as_ref().map_or(Ok(()), |out| out.send(samples)) {
            Err(Stopped::Unwanted) => {
                self.out = None;
                Ok(())
            }
            sent => sent,
        }
    }
}

impl<'a> Track<'a> {
    /// Opens its decoder, if it has none yet.
    fn open(&mut self, demux: &Demux, control: &'a Control) -> Result<(), Stopped> {
        if self.decoder.is_none() {
            let info = demux.input().stream_info(self.stream).map_err(faults::internal)?;
            let decoder = DecoderSpec { params: info.params, time_base: info.time_base, threads: 1 };
            self.decoder = Some(Tolerant::open(&decoder, control)?);
        }
        Ok(())
    }

    fn is_unwanted(&mut self, joined: &[Joined]) -> bool {
        // Both are asked, so that both are cleared of those that have let go.
        let (decoded, copied) = (self.decoded.is_unwanted(), self.copied.is_unwanted());
        let decoded = decoded && !joined.iter().any(|one| one.out.is_some() && one.streams.contains(&self.stream));
        if decoded {
            self.decoder = None;
        }
        decoded && copied
    }

    fn decode(&mut self, packet: Option<&Packet>, joined: &mut [Joined]) -> Result<(), Stopped> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        decoder.decode(packet, &mut |frame| {
            for one in joined.iter_mut().filter(|one| one.streams.contains(&self.stream)) {
                one.send((self.stream, frame.reference().map_err(faults::internal)?))?;
            }
            self.decoded.send(|| Ok(frame.reference().map_err(faults::internal)?))
        })
    }
}
