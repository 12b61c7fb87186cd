//! Stage: rung. Receives prepared or scaled pictures; sends its own scaled pictures on to the rungs that start from them,
//! and finished segments to the outlet. Thread: its own, on which graph and encoder are made, so that what they cost is
//! this output's. Bound: the channels. Ends: `End` is handed on, the encoder drained, the last segment cut; without it
//! nothing is finalised. A rung that is dropped closes its encoder at once and goes on scaling while rungs that start
//! from its pictures are wanted; then it lets its sender go. Counters: frames and media time, through the outlet's progress.

use super::control::Control;
use super::cut::{Coded, Cut, Cutter};
use super::encode::encode;
use super::faults;
use super::flow::{Fan, Flow, Inflow, Stopped};
use super::outlet::{Outlet, TrackOutlet};
use super::prepare::{Filter, Picture, SpanEnd};
use super::wrap::VideoWrapper;
use crate::av::frame::PictureFormat;
use crate::av::{self, Encoder, Frame, Packet, Params, VideoEncoderSpec};
use crate::model::Problem;
use crate::model::codec::Framing;
use crate::model::plan::VideoRendition;
use crate::model::time::{Ratio, rescale};
use std::collections::VecDeque;

/// What a rung is made from.
#[derive(Clone, Copy)]
pub struct RungSpec<'a> {
    /// The rendition.
    pub rendition: &'a VideoRendition,
    /// Ticks a second.
    pub timescale: u32,
}

/// Runs the stage.
pub fn run(
    spec: &RungSpec<'_>,
    inflow: Inflow<Picture, SpanEnd>,
    children: Fan<Picture, SpanEnd>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let outlet = TrackOutlet::new(&spec.rendition.id, outlet, control);
    let mut fork = Fork { waiting: VecDeque::new(), children, coder: Some(Coder::new(*spec, outlet)) };
    let result = fork.receive_all(spec, &inflow, control);
    let end = inflow.settle(result)?;
    fork.children.end(&end)?;
    fork.coder.map_or(Ok(()), |coder| coder.finish(end))
}

/// Where scaled frames go: to the rungs that start from them, then to this rung's own encoder.
struct Fork<'a> {
    /// Scaling is one frame in, one out, in order: times and marks wait beside it.
    waiting: VecDeque<(i64, Option<u32>)>,
    children: Fan<Picture, SpanEnd>,
    /// Gone when the rung is dropped.
    coder: Option<Coder<'a>>,
}

impl Fork<'_> {
    fn receive_all(
        &mut self,
        spec: &RungSpec<'_>,
        inflow: &Inflow<Picture, SpanEnd>,
        control: &Control,
    ) -> Result<SpanEnd, Stopped> {
        let mut filter = scaler(spec.rendition, spec.timescale);
        loop {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            match inflow.receive()? {
                Flow::Item(picture) => {
                    self.heed()?;
                    self.waiting.push_back((picture.pts, picture.starts));
                    filter.apply(picture.frame, &mut |frame| self.take(frame))?;
                }
                Flow::End(end) => {
                    filter.drain(&mut |frame| self.take(frame))?;
                    return Ok(end);
                }
            }
        }
    }

    /// Closes the encoder of a rung that was dropped. `Unwanted` when nobody wants its pictures either.
    fn heed(&mut self) -> Result<(), Stopped> {
        if self.coder.as_ref().is_some_and(|coder| coder.outlet.wanted().is_err()) {
            self.coder = None;
        }
        if self.coder.is_none() && self.children.is_unwanted() { Err(Stopped::Unwanted) } else { Ok(()) }
    }

    fn take(&mut self, frame: Frame) -> Result<(), Stopped> {
        let Some((pts, starts)) = self.waiting.pop_front() else { return Ok(()) };
        let picture = Picture { frame, pts, starts };
        self.children.send(|| picture.reference())?;
        match self.coder.as_mut().map_or(Ok(()), |coder| coder.encode(picture)) {
            Err(Stopped::Unwanted) => {
                self.coder = None;
                Ok(())
            }
            result => result,
        }
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
    spec: RungSpec<'a>,
    outlet: TrackOutlet<'a>,
    // Opened on the first frame: an encoder that never gets one may hang on close (SVT-AV1 1.4).
    open: Option<(Encoder, VideoWrapper)>,
    cutter: Cutter,
    frames: u64,
}

impl<'a> Coder<'a> {
    fn new(spec: RungSpec<'a>, outlet: TrackOutlet<'a>) -> Self {
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
        self.pass(Some(&picture.frame))?;
        let media_us = rescale(picture.pts, Ratio::new(1, i64::from(self.spec.timescale)), Ratio::new(1, 1_000_000));
        self.outlet.progress(self.frames, media_us);
        Ok(())
    }

    fn open_encoder(&self) -> Result<(Encoder, VideoWrapper), Stopped> {
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
        let wrapper = VideoWrapper::new(&self.spec, params, reorder, &rendition.encoder)?;
        self.outlet.init(wrapper.init())?;
        Ok((encoder, wrapper))
    }

    fn pass(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let Self { spec, outlet, open, cutter, .. } = self;
        let Some((encoder, wrapper)) = open else { return Ok(()) };
        let id = &spec.rendition.id;
        encode(encoder, id, frame, &mut |_, packet| match cutter.push(coded(id, packet)?)? {
            Some(cut) => emit(outlet, wrapper, cut),
            None => Ok(()),
        })
    }

    fn finish(mut self, end: i64) -> Result<(), Stopped> {
        self.outlet.wanted()?;
        self.pass(None)?;
        let cut = self.cutter.finish(end)?;
        match (cut, &mut self.open) {
            (Some(cut), Some((_, wrapper))) => emit(&self.outlet, wrapper, cut),
            _ => Ok(()),
        }
    }
}

fn coded(track: &str, packet: Packet) -> Result<Coded, Problem> {
    let Some(pts) = packet.pts() else {
        return Err(Problem::bug("encoder.no_time", format!("the encoder of {track} gave a packet without a time")));
    };
    let key = packet.is_key();
    Ok(Coded { packet, pts, key })
}

fn emit(outlet: &TrackOutlet<'_>, wrapper: &mut VideoWrapper, cut: Cut) -> Result<(), Stopped> {
    outlet.wanted()?;
    outlet.segment(wrapper.wrap(cut)?)
}

/// By how many frames decoding runs ahead of presentation. AV1 never does: its packets are whole temporal units.
fn reorder_frames(encoder: &Encoder, params: &Params, framing: Framing) -> Result<u32, Problem> {
    match (framing, encoder.reorder_frames()) {
        (Framing::AnnexB, 0) => av::decoder::declared_reorder(params).map_err(faults::internal),
        (_, told) => Ok(told),
    }
}
