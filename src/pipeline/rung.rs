//! Stage: rung. Receives prepared or scaled pictures; sends its own scaled pictures on to the rungs that start from them,
//! and finished segments to the outlet. Thread: its own, on which graph and encoder are made, so that what they cost is
//! this output's. Bound: the channels. Ends: `End` is handed on, the encoder drained, the last segment cut; without it
//! nothing is finalised. Counters: frames and media time, through the outlet's progress.

use super::control::Control;
use super::cut::{Coded, Cut, Cutter};
use super::faults;
use super::flow::{Flow, Inflow, Outflow, Stopped};
use super::outlet::Outlet;
use super::prepare::{Filter, Picture, SpanEnd};
use super::wrap::VideoWrapper;
use crate::av::Params;
use crate::av::frame::PictureFormat;
use crate::av::{self, Encoder, Frame, Packet, Polled, VideoEncoderSpec};
use crate::model::codec::Framing;
use crate::model::plan::VideoRendition;
use crate::model::time::{Ratio, rescale};
use crate::model::{Packaging, Problem};
use std::collections::VecDeque;

/// What a rung is made from.
pub struct RungSpec<'a> {
    /// The rendition.
    pub rendition: &'a VideoRendition,
    /// Ticks a second.
    pub timescale: u32,
    /// Packagings that the job wants.
    pub packagings: &'a [Packaging],
}

/// Runs the stage.
pub fn run(
    spec: &RungSpec<'_>,
    inflow: &Inflow<Picture, SpanEnd>,
    children: Vec<Outflow<Picture, SpanEnd>>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let mut filter = scaler(spec.rendition, spec.timescale);
    let mut fork = Fork { waiting: VecDeque::new(), children, coder: Coder::new(spec, outlet) };
    let end = loop {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        match inflow.receive()? {
            Flow::Item(picture) => {
                fork.waiting.push_back((picture.pts, picture.starts));
                filter.apply(picture.frame, &mut |frame| fork.take(frame))?;
            }
            Flow::End(end) => {
                filter.drain(&mut |frame| fork.take(frame))?;
                break end;
            }
        }
    };
    for child in fork.children {
        child.end(end)?;
    }
    fork.coder.finish(end)
}

/// Where scaled frames go: to the rungs that start from them, then to this rung's own encoder.
struct Fork<'a> {
    /// Scaling is one frame in, one out, in order: times and marks wait beside it.
    waiting: VecDeque<(i64, Option<u32>)>,
    children: Vec<Outflow<Picture, SpanEnd>>,
    coder: Coder<'a>,
}

impl Fork<'_> {
    fn take(&mut self, frame: Frame) -> Result<(), Stopped> {
        let Some((pts, starts)) = self.waiting.pop_front() else { return Ok(()) };
        let picture = Picture { frame, pts, starts };
        for child in &self.children {
            child.send(picture.reference()?)?;
        }
        self.coder.encode(picture)
    }
}

/// The scaling graph; frames that are already right pass, frames that a source changes in mid-stream are fitted in.
fn scaler(rendition: &VideoRendition, timescale: u32) -> Filter {
    let (width, height) = (rendition.width, rendition.height);
    let format = av::names::pixel_format(&rendition.pixel_format).unwrap_or(-1);
    let fallback = format!(
        "scale=w={width}:h={height}:force_original_aspect_ratio=decrease:flags=bicubic,\
         pad=w={width}:h={height}:x=-1:y=-1,setsar=1,format={}",
        rendition.pixel_format
    );
    Filter::new(&rendition.id, &rendition.graph, Ratio::new(1, i64::from(timescale))).or_convert(
        move |frame: PictureFormat| frame.width == width && frame.height == height && frame.format == format,
        fallback,
    )
}

/// The encoder of a rung with all that follows it.
struct Coder<'a> {
    spec: &'a RungSpec<'a>,
    outlet: &'a dyn Outlet,
    // Opened on the first frame: an encoder that never gets one may hang on close (SVT-AV1 1.4).
    open: Option<(Encoder, VideoWrapper)>,
    cutter: Cutter,
    frames: u64,
}

impl<'a> Coder<'a> {
    fn new(spec: &'a RungSpec<'a>, outlet: &'a dyn Outlet) -> Self {
        Self { spec, outlet, open: None, cutter: Cutter::default(), frames: 0 }
    }

    fn encode(&mut self, mut picture: Picture) -> Result<(), Stopped> {
        if let Some(index) = picture.starts {
            self.cutter.mark(index, picture.pts);
        }
        picture.frame.set_pts(Some(picture.pts));
        picture.frame.set_forced_key(picture.starts.is_some());
        if self.open.is_none() {
            let (encoder, wrapper) = self.open_encoder()?;
            self.cutter.set_reorder(wrapper.reorder());
            self.open = Some((encoder, wrapper));
        }
        self.frames += 1;
        self.send(Some(&picture.frame))?;
        let media_us = rescale(picture.pts, Ratio::new(1, i64::from(self.spec.timescale)), Ratio::new(1, 1_000_000));
        self.outlet.progress(&self.spec.rendition.id, self.frames, media_us);
        Ok(())
    }

    fn open_encoder(&self) -> Result<(Encoder, VideoWrapper), Problem> {
        let rendition = self.spec.rendition;
        let encoder = Encoder::video(&VideoEncoderSpec {
            encoder: &rendition.encoder,
            width: rendition.width,
            height: rendition.height,
            pixel_format: &rendition.pixel_format,
            timescale: self.spec.timescale,
            frame_rate: rendition.frame_rate,
            color: &rendition.color,
            options: &rendition.options,
        })
        .map_err(|error| faults::encoder(&rendition.id, error))?;
        let params = encoder.params().map_err(faults::internal)?;
        let reorder = reorder_frames(&encoder, &params, rendition.codec.traits().framing)?;
        let wrapper = VideoWrapper::new(self.spec, params, reorder, &rendition.encoder)?;
        self.outlet.init(wrapper.init())?;
        Ok((encoder, wrapper))
    }

    fn send(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let id = &self.spec.rendition.id;
        loop {
            let Some((encoder, _)) = &mut self.open else { return Ok(()) };
            let taken = encoder.send(frame).map_err(|error| faults::encoder(id, error))?;
            self.receive()?;
            if taken != Polled::NeedInput {
                return Ok(());
            }
        }
    }

    fn receive(&mut self) -> Result<(), Stopped> {
        let id = &self.spec.rendition.id;
        loop {
            let Some((encoder, _)) = &mut self.open else { return Ok(()) };
            let mut packet = Packet::new().map_err(faults::internal)?;
            if encoder.receive(&mut packet).map_err(|error| faults::encoder(id, error))? != Polled::Ready {
                return Ok(());
            }
            let Some(pts) = packet.pts() else {
                return Err(Problem::bug(
                    "encoder.no_time",
                    format!("the encoder of {id} gave a packet without a time"),
                )
                .into());
            };
            let key = packet.is_key();
            if let Some(cut) = self.cutter.push(Coded { packet, pts, key })? {
                self.emit(cut)?;
            }
        }
    }

    fn emit(&mut self, cut: Cut) -> Result<(), Stopped> {
        let Some((_, wrapper)) = &mut self.open else { return Ok(()) };
        let segment = wrapper.wrap(cut)?;
        Ok(self.outlet.segment(segment)?)
    }

    fn finish(&mut self, end: i64) -> Result<(), Stopped> {
        self.send(None)?;
        if let Some(cut) = self.cutter.finish(end)? {
            self.emit(cut)?;
        }
        Ok(())
    }
}

/// By how many frames decoding runs ahead of presentation. AV1 never does: its packets are whole temporal units.
fn reorder_frames(encoder: &Encoder, params: &Params, framing: Framing) -> Result<u32, Problem> {
    match (framing, encoder.reorder_frames()) {
        (Framing::AnnexB, 0) => av::decoder::declared_reorder(params).map_err(faults::internal),
        (_, told) => Ok(told),
    }
}
