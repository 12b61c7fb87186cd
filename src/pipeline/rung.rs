//! Stage: rung. Receives prepared or scaled pictures; sends its own scaled pictures on to the rungs that start from them,
//! and finished segments to the outlet. Thread: its own, on which graph and encoder are made, so that what they cost is
//! this output's. Bound: the channels. Ends: `End` is handed on, the encoder drained, the last segment cut; without it
//! nothing is finalised. A rung that is dropped closes its encoder at once and goes on scaling while rungs that start
//! from its pictures are wanted; then it lets its sender go. One whose device fails at the encoder is told of and goes on
//! like a dropped one, and so is one whose watermarks cannot be drawn; where the device fails at the graph, the rungs that
//! start from its pictures fail with it.
//! Counters: frames and media time, through the outlet's progress.

use super::accel::{DeviceError, PictureEncoder};
use super::captions::Embedder;
use super::check::{EncodeCheck, ScaleCheck};
use super::control::Control;
use super::cut::{Coded, Cut, Cutter};
use super::encode::encode_on;
use super::equipment::Chosen;
use super::faults;
use super::flow::{Fan, Flow, Inflow, Stopped};
use super::marks::Marker;
use super::outlet::{Outlet, TrackOutlet};
use super::prepare::{Filter, Picture, SpanEnd};
use super::steps::Lap;
use super::trouble::DeviceTrouble;
use super::two_pass::{self, Measurer, Pass};
use super::wrap::VideoWrapper;
use crate::av::{self, Frame, Packet, Params};
use crate::model::codec::Framing;
use crate::model::device::{DeviceFault, Memory, Operation};
use crate::model::plan::VideoRendition;
use crate::model::time::{Ratio, rescale};
use crate::model::{Fault, Problem};
use std::collections::VecDeque;

/// What a rung is made from.
#[derive(Clone, Copy)]
pub struct RungSpec<'a> {
    /// The rendition.
    pub rendition: &'a VideoRendition,
    /// Ticks a second.
    pub timescale: u32,
    /// Which pass it is.
    pub pass: Pass<'a>,
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
    let _filtering = outlet.accounts.filtering();
    let VideoRendition { id, graph, width, height, .. } = spec.rendition;
    // In a first pass some rungs are there for the pictures of others alone.
    let is_encoded = !matches!(spec.pass, Pass::First(_)) || spec.rendition.rate.is_two_pass();
    let coder = is_encoded.then(|| Coder::new(*spec, outlet, control));
    let scaled = control.is_checked().then(|| ScaleCheck::new(control.equipment(), graph, (*width, *height))).flatten();
    let filter = outlet.lap("filter");
    let mut fork = Fork { id, waiting: VecDeque::new(), passed: 0, children, coder, filter, scaled };
    let result = fork.receive_all(spec, &inflow, control).or_else(|stopped| fork.cut_off(stopped));
    let end = inflow.settle(result)?;
    fork.children.end(&end)?;
    match fork.coder.map_or(Ok(()), |coder| coder.finish(end)) {
        Err(Stopped::Device(trouble)) => {
            outlet.fail(&trouble);
            Ok(())
        }
        result => result,
    }
}

/// Where scaled frames go: to the rungs that start from them, then to this rung's own encoder.
struct Fork<'a> {
    /// The rendition's.
    id: &'a str,
    /// Scaling is one frame in, one out, in order: times and marks wait beside it.
    waiting: VecDeque<(i64, Option<u32>)>,
    /// Frames that were scaled.
    passed: u64,
    children: Fan<Picture, SpanEnd>,
    /// Gone when the rung is dropped, or its device failed at it.
    coder: Option<Coder<'a>>,
    filter: Lap<'a>,
    scaled: Option<ScaleCheck<'a>>,
}

impl Fork<'_> {
    fn receive_all(
        &mut self,
        spec: &RungSpec<'_>,
        inflow: &Inflow<Picture, SpanEnd>,
        control: &Control,
    ) -> Result<SpanEnd, Stopped> {
        let mut filter = scaler(spec.rendition, spec.timescale).on(control.equipment());
        loop {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            match inflow.receive()? {
                Flow::Item(mut picture) => {
                    self.heed()?;
                    // Filters that put several streams together go by it.
                    picture.frame.set_pts(Some(picture.pts));
                    self.waiting.push_back((picture.pts, picture.starts));
                    if let Some(check) = self.scaled.as_mut().filter(|_| picture.starts.is_some()) {
                        check.given(&picture.frame, picture.pts);
                    }
                    self.filter.touch();
                    filter.apply(picture.frame, &mut |frame| self.take(frame))?;
                }
                Flow::End(end) => {
                    let on_device = filter.on_device();
                    filter.drain(&mut |frame| self.take(frame))?;
                    return self.check_whole(spec, on_device).map(|()| end);
                }
            }
        }
    }

    /// Checks that a device's graph, which gives a frame for each, has lost none.
    fn check_whole(&self, spec: &RungSpec<'_>, on_device: bool) -> Result<(), Stopped> {
        let missing = self.waiting.len() as u64;
        if !on_device || missing == 0 {
            return Ok(());
        }
        let id = &spec.rendition.id;
        Err(DeviceTrouble::truncated(Operation::Filter, "", id, self.passed + missing, self.passed).into())
    }

    /// No pictures come any more, since the device failed at them: this rung and those that start from them are told of
    /// it, and the sender is let go.
    fn cut_off(&mut self, stopped: Stopped) -> Result<SpanEnd, Stopped> {
        let Stopped::Device(trouble) = stopped else { return Err(stopped) };
        if let Some(coder) = self.coder.take() {
            coder.outlet.fail(&trouble);
        }
        self.children.cut_off(&trouble);
        Err(Stopped::Unwanted)
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
        self.passed += 1;
        if let Some(told) = self.scaled.as_mut().and_then(|check| check.came(&frame, pts)) {
            return Err(DeviceTrouble::corrupt(Operation::Filter, "", self.id, &told).into());
        }
        self.filter.touch();
        self.filter.count("frames", 1);
        let picture = Picture { frame, pts, starts };
        self.children.send(|| picture.reference())?;
        match self.coder.as_mut().map_or(Ok(()), |coder| coder.encode(picture).map_err(|why| coder.blame(why))) {
            Err(Stopped::Unwanted) => {
                self.coder = None;
                Ok(())
            }
            Err(Stopped::Device(trouble)) => {
                if let Some(coder) = self.coder.take() {
                    coder.outlet.fail(&trouble);
                }
                Ok(())
            }
            Err(Stopped::Alone(problem)) => {
                if let Some(coder) = self.coder.take() {
                    coder.outlet.refuse(&problem);
                }
                Ok(())
            }
            result => result,
        }
    }
}

/// The scaling graph; frames that are already right pass, frames that a source changes in mid-stream are fitted in.
fn scaler<'a>(rendition: &VideoRendition, timescale: u32) -> Filter<'a> {
    let (width, height) = (rendition.width, rendition.height);
    let format = av::names::pixel_format(&rendition.pixel_format);
    let on_device = rendition.memory == Memory::Device;
    let fits = move |frame: &Frame| {
        let shape = frame.picture_format();
        // What a device calls its frames says nothing of their samples.
        let samples = frame.software_format().unwrap_or(shape.format);
        let known = format == Some(samples) || on_device && format == Some(shape.format);
        shape.width == width && shape.height == height && known
    };
    Filter::new(&rendition.id, &rendition.graph, Ratio::new(1, i64::from(timescale)))
        .or_convert(fits, fitted(rendition, on_device))
}

/// Brings frames of any shape and format to a rung's, with bars beside them. No device of FFmpeg 5.1 draws bars, so
/// frames in its memory make a detour; it is taken only where a source changes in mid-stream.
fn fitted(rendition: &VideoRendition, on_device: bool) -> String {
    let (width, height, format) = (rendition.width, rendition.height, &rendition.pixel_format);
    let fit = format!(
        "scale=w={width}:h={height}:force_original_aspect_ratio=decrease:flags=bicubic,\
         pad=w={width}:h={height}:x=-1:y=-1,setsar=1"
    );
    if !on_device {
        return format!("{fit},format={format}");
    }
    let samples = if ["cuda", "vaapi"].contains(&format.as_str()) { "nv12" } else { format };
    format!("hwdownload,format=nv12|p010le|yuv420p|yuv420p10le,{fit},format={samples},hwupload")
}

/// The encoder of a rung with all that follows it.
struct Coder<'a> {
    spec: RungSpec<'a>,
    outlet: TrackOutlet<'a>,
    chosen: Chosen<'a>,
    /// Takes the place of all that follows, in a first pass.
    measurer: Option<Measurer<'a>>,
    // Made on the first frame, as the encoder; the outer one is `None` until then.
    marker: Option<Option<Marker<'a>>>,
    // Opened on the first frame: an encoder that never gets one may hang on close (SVT-AV1 1.4).
    open: Option<(Box<dyn PictureEncoder>, VideoWrapper)>,
    /// Looks at what the device makes.
    check: Option<EncodeCheck<'a>>,
    /// Has the closed captions that stay in the pictures.
    embedder: Option<Embedder>,
    control: &'a Control,
    cutter: Cutter,
    frames: u64,
    packets: u64,
    encode: Lap<'a>,
    package: Lap<'a>,
}

impl<'a> Coder<'a> {
    fn new(spec: RungSpec<'a>, outlet: TrackOutlet<'a>, control: &'a Control) -> Self {
        let (encode, package) = (outlet.lap("encode"), outlet.lap("package"));
        let (chosen, cutter) = (control.equipment().encoder(spec.rendition), Cutter::default());
        let (marker, open, check, measurer) = (None, None, None, Measurer::of(spec, outlet));
        let stay = spec.rendition.captions && !matches!(spec.pass, Pass::First(_));
        let embedder = if stay { Embedder::of(spec.rendition.codec) } else { None };
        Self {
            spec,
            outlet,
            chosen,
            measurer,
            marker,
            open,
            check,
            embedder,
            control,
            cutter,
            frames: 0,
            packets: 0,
            encode,
            package,
        }
    }

    /// The picture with its watermarks.
    fn marked(&mut self, picture: Picture) -> Result<Picture, Stopped> {
        let RungSpec { rendition, timescale, .. } = self.spec;
        let marker = match &mut self.marker {
            Some(marker) => marker,
            empty => {
                let control = self.outlet.control();
                let marker = Marker::new(rendition, timescale, control.images(), control.equipment());
                empty.insert(marker.map_err(|problem| match problem.fault {
                    Fault::Input => Stopped::Alone(Box::new(problem)),
                    _ => Stopped::Failed(problem),
                })?)
            }
        };
        let Some(marker) = marker else { return Ok(picture) };
        let _filtering = self.outlet.accounts.filtering();
        Ok(Picture { frame: marker.draw(picture.frame, picture.pts)?, ..picture })
    }

    fn encode(&mut self, picture: Picture) -> Result<(), Stopped> {
        if let Some(embedder) = &mut self.embedder {
            embedder.take(&picture.frame, picture.pts);
        }
        let mut picture = self.marked(picture)?;
        let _encoding = self.outlet.accounts.encoding();
        picture.frame.set_pts(Some(picture.pts));
        picture.frame.set_forced_key(picture.starts.is_some());
        // Some encoders would write them down and others not. Those that stay go around the encoder.
        picture.frame.drop_captions();
        if let Some(measurer) = &mut self.measurer {
            return measurer.take(&picture.frame, picture.pts);
        }
        if let Some(index) = picture.starts {
            self.cutter.mark(index, picture.pts);
        }
        self.encode.touch();
        if self.open.is_none() {
            let (encoder, wrapper) = self.open_encoder(&picture.frame)?;
            self.cutter.set_reorder(wrapper.reorder());
            self.open = Some((encoder, wrapper));
        }
        if let Some(check) = &mut self.check {
            check.given(&picture.frame, picture.pts, picture.starts.is_some());
        }
        self.frames += 1;
        self.pass(Some(&picture.frame))?;
        let media_us = rescale(picture.pts, Ratio::new(1, i64::from(self.spec.timescale)), Ratio::new(1, 1_000_000));
        self.outlet.progress(self.frames, media_us);
        Ok(())
    }

    fn open_encoder(&mut self, first: &Frame) -> Result<(Box<dyn PictureEncoder>, VideoWrapper), Stopped> {
        let rendition = self.spec.rendition;
        let wanted = two_pass::encoder_spec(&self.spec);
        let failed = |error| failed(rendition, self.chosen.on_device, &error);
        let encoder: Box<dyn PictureEncoder> = match self.spec.pass {
            Pass::Second(found) if rendition.rate.is_two_pass() => {
                Box::new(found.second(&wanted, rendition).map_err(|error| failed(error.into()))?)
            }
            _ => self.chosen.by.encoder(&wanted, &rendition.id, first).map_err(failed)?,
        };
        let params = encoder.params().map_err(failed)?;
        let reorder = reorder_frames(encoder.as_ref(), &params, rendition.codec.traits().framing)?;
        if self.chosen.on_device && self.control.is_checked() {
            let (time_base, copy) = (Ratio::new(1, i64::from(self.spec.timescale)), params.duplicate());
            let size = (rendition.width, rendition.height);
            self.check = copy.ok().map(|copy| EncodeCheck::new(self.control.equipment(), size, copy, time_base));
        }
        let _packaging = self.outlet.accounts.packaging();
        let wrapper = VideoWrapper::new(&self.spec, params, reorder, &rendition.encoder)?;
        self.outlet.init(wrapper.init())?;
        Ok((encoder, wrapper))
    }

    fn pass(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let Self { spec, outlet, chosen, open, check, embedder, cutter, packets, encode, package, .. } = self;
        let Some((encoder, wrapper)) = open else { return Ok(()) };
        let failed = |error| failed(spec.rendition, chosen.on_device, &error);
        encode.count("frames", u64::from(frame.is_some()));
        let result = encode_on(encoder.as_mut(), &failed, frame, &mut |_, packet| {
            *packets += 1;
            if let Some(told) = check.as_mut().and_then(|check| check.came(&packet)) {
                return Err(corrupt(spec.rendition, &told));
            }
            let packet = match embedder {
                Some(embedder) => embedder.give(packet)?,
                None => packet,
            };
            match cutter.push(coded(&spec.rendition.id, packet)?)? {
                Some(cut) => emit(outlet, wrapper, cut, package),
                None => Ok(()),
            }
        });
        encode.touch();
        result
    }

    fn finish(mut self, end: i64) -> Result<(), Stopped> {
        let _encoding = self.outlet.accounts.encoding();
        let result = self.drain(end).map_err(|why| self.blame(why));
        // Closing an encoder waits for its threads: that is its own cost.
        drop(self);
        result
    }

    /// What a device's encoder made wrongly is the device's failure, and that of this rung alone.
    fn blame(&self, why: Stopped) -> Stopped {
        match why {
            Stopped::Failed(problem) if self.chosen.on_device && problem.fault == Fault::Device => {
                let wrong =
                    if problem.code == "encoder.truncated" { DeviceFault::Truncated } else { DeviceFault::Corrupt };
                let ability = format!("{}.{}", Operation::Encode.name(), self.spec.rendition.codec.traits().name);
                DeviceTrouble { fault: wrong, ability, problem }.into()
            }
            other => other,
        }
    }

    fn drain(&mut self, end: i64) -> Result<(), Stopped> {
        if let Some(measurer) = self.measurer.take() {
            return measurer.finish();
        }
        self.outlet.wanted()?;
        self.pass(None)?;
        if self.chosen.on_device && self.packets != self.frames {
            let RungSpec { rendition, .. } = self.spec;
            let (codec, id) = (rendition.codec.traits().name, &rendition.id);
            return Err(DeviceTrouble::truncated(Operation::Encode, codec, id, self.frames, self.packets).into());
        }
        let cut = self.cutter.finish(end)?;
        if let (Some(cut), Some(check)) = (&cut, &self.check)
            && let Some(told) = check.last(&cut.pictures)
        {
            return Err(corrupt(self.spec.rendition, &told));
        }
        match (cut, &mut self.open) {
            (Some(cut), Some((_, wrapper))) => emit(&self.outlet, wrapper, cut, &mut self.package),
            _ => Ok(()),
        }
    }
}

fn failed(rendition: &VideoRendition, on_device: bool, error: &DeviceError) -> Stopped {
    faults::placed(on_device, Operation::Encode, rendition.codec.traits().name, &rendition.id, error)
}

fn corrupt(rendition: &VideoRendition, told: &str) -> Stopped {
    DeviceTrouble::corrupt(Operation::Encode, rendition.codec.traits().name, &rendition.id, told).into()
}

fn coded(track: &str, packet: Packet) -> Result<Coded, Problem> {
    let Some(pts) = packet.pts() else {
        return Err(Problem::bug("encoder.no_time", format!("the encoder of {track} gave a packet without a time")));
    };
    let key = packet.is_key();
    Ok(Coded { packet, pts, key })
}

fn emit(outlet: &TrackOutlet<'_>, wrapper: &mut VideoWrapper, cut: Cut, package: &mut Lap<'_>) -> Result<(), Stopped> {
    outlet.wanted()?;
    let _packaging = outlet.accounts.packaging();
    package.touch();
    let segment = wrapper.wrap(cut)?;
    package.count("segments", 1);
    package.count("bytes", segment.files.iter().map(|file| file.bytes.len() as u64).sum());
    let result = outlet.segment(segment);
    package.touch();
    result
}

/// By how many frames decoding runs ahead of presentation. AV1 never does: its packets are whole temporal units.
fn reorder_frames(encoder: &dyn PictureEncoder, params: &Params, framing: Framing) -> Result<u32, Problem> {
    match (framing, encoder.reorder_frames()) {
        (Framing::AnnexB, 0) => av::decoder::declared_reorder(params).map_err(faults::internal),
        (_, told) => Ok(told),
    }
}
