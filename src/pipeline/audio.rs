//! Wires the pass that makes all sound of a job: one demuxer, a decoder for each stream, a thread for each rendition.

use super::control::Control;
use super::decode::{self, DecoderSpec, Tolerant};
use super::demux::Demux;
use super::faults;
use super::flow::{self, Outflow, Stopped};
use super::outlet::Outlet;
use super::sound::{self, SoundSpec};
use super::video::stage;
use crate::av::{ByteSource, Frame, Packet};
use crate::model::plan::AudioRendition;
use crate::model::{Plan, Problem, limits};
use std::thread::{self, Scope};

/// What is fed with the packets or frames of one stream.
struct Track<'a> {
    stream: u32,
    decoder: Option<Tolerant<'a>>,
    decoded: Vec<Outflow<Frame, ()>>,
    copied: Vec<Outflow<Packet, ()>>,
}

/// Makes all segments of all audio renditions.
pub fn run(source: Box<dyn ByteSource>, plan: &Plan, outlet: &dyn Outlet, control: &Control) -> Result<(), Problem> {
    let wanted: Vec<u32> = plan.audio.iter().map(|rendition| rendition.stream).collect();
    let demux = Demux::open(source, &wanted, control)?;
    thread::scope(|scope| {
        match open_tracks(scope, &demux, plan, outlet, control).and_then(|tracks| feed(demux, tracks, control)) {
            Ok(()) | Err(Stopped::Neighbour) => {}
            Err(Stopped::Failed(problem)) => control.fail(problem),
        }
    });
    control.problem().map_or(Ok(()), Err)
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
                tracks.push(Track { stream: rendition.stream, decoder: None, decoded: Vec::new(), copied: Vec::new() });
                tracks.len() - 1
            }
        };
        let info = demux.input().stream_info(rendition.stream).map_err(faults::internal)?;
        let spec = sound_spec(plan, rendition);
        if rendition.copy {
            let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
            tracks[at].copied.push(out);
            let params = info.params;
            stage(scope, control, &rendition.id, move || sound::run_copy(&spec, &params, &inflow, outlet, control));
            continue;
        }
        let (out, inflow) = flow::channel(limits::PACKETS_IN_FLIGHT);
        tracks[at].decoded.push(out);
        if tracks[at].decoder.is_none() {
            let decoder = DecoderSpec { params: info.params, time_base: info.time_base, threads: 1 };
            tracks[at].decoder = Some(Tolerant::open(&decoder, control)?);
        }
        stage(scope, control, &rendition.id, move || sound::run(&spec, &inflow, outlet, control));
    }
    Ok(tracks)
}

fn sound_spec<'a>(plan: &'a Plan, rendition: &'a AudioRendition) -> SoundSpec<'a> {
    SoundSpec { rendition, grid: plan.grid, packagings: &plan.packagings }
}

fn feed(mut demux: Demux, mut tracks: Vec<Track<'_>>, control: &Control) -> Result<(), Stopped> {
    while let Some(packet) = demux.read()? {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        let Some(track) = tracks.iter_mut().find(|track| track.stream == packet.stream()) else { continue };
        for out in &track.copied {
            out.send(packet.reference().map_err(faults::internal)?)?;
        }
        if let Some(decoder) = &mut track.decoder {
            decode_into(decoder, Some(&packet), &track.decoded)?;
        }
    }
    if control.stopped() {
        return Err(Stopped::Neighbour);
    }
    let mut made_any = false;
    for mut track in tracks {
        if let Some(decoder) = &mut track.decoder {
            decode_into(decoder, None, &track.decoded)?;
            made_any |= decoder.made_any();
        }
        made_any |= !track.copied.is_empty();
        for out in track.decoded {
            out.end(())?;
        }
        for out in track.copied {
            out.end(())?;
        }
    }
    if made_any { Ok(()) } else { Err(decode::undecodable().into()) }
}

fn decode_into(
    decoder: &mut Tolerant<'_>,
    packet: Option<&Packet>,
    outs: &[Outflow<Frame, ()>],
) -> Result<(), Stopped> {
    decoder.decode(packet, &mut |frame| {
        for out in outs {
            out.send(frame.reference().map_err(faults::internal)?)?;
        }
        Ok(())
    })
}
