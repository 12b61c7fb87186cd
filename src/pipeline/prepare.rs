//! Stage: prepare. Receives decoded frames; sends upright, progressive frames on the output timeline, with the mark of
//! the segment that each first frame starts: decided here, once, before the split.
//! Thread: its own. Owns: the prepare graph and the clock. Bound: the channels of the rungs that it feeds.
//! Ends: `End` with the instant at which the span's media ends; upstream is let go early once the span is full, or when
//! no rung wants pictures any more.

use super::accel::{DeviceError, PictureGraph};
use super::cadence::Cadenced;
use super::clock::FrameClock;
use super::control::Control;
use super::equipment::Equipment;
use super::faults;
use super::flow::{Fan, Flow, Inflow, Stopped};
use super::telecine::Film;
use crate::av::frame::PictureFormat;
use crate::av::hw::PoolId;
use crate::av::{Frame, Polled};
use crate::model::Ratio;
use crate::model::device::Operation;
use crate::model::plan::{Grid, SpanRange, VideoPlan};
use crate::model::time::rescale;
use std::collections::VecDeque;

/// A frame on its way to the rungs.
pub struct Picture {
    /// The pixels; its own timestamp equals `pts`.
    pub frame: Frame,
    /// Output ticks.
    pub pts: i64,
    /// The segment that starts with this frame, if one does.
    pub starts: Option<u32>,
}

impl Picture {
    /// Another reference to the same pixels.
    pub fn reference(&self) -> Result<Self, Stopped> {
        let frame = self.frame.reference().map_err(faults::internal)?;
        Ok(Self { frame, pts: self.pts, starts: self.starts })
    }
}

/// Where the media of a span ends, output ticks: the first frame of the next span, or the end of the last frame.
pub type SpanEnd = i64;

/// Rebuilds its graph whenever the frames change shape, format or the pool that they lie in; with an empty text frames
/// pass untouched.
pub struct Filter<'a> {
    owner: String,
    text: String,
    time_base: Ratio,
    /// That of the frames which come out.
    gives: Ratio,
    equipment: Equipment<'a>,
    graph: Option<Made>,
    passes: Option<Passes>,
}

/// Which frames are right as they are.
type Passes = Box<dyn Fn(&Frame) -> bool + Send>;

/// A graph, and for which frames it was made.
struct Made {
    format: PictureFormat,
    pool: Option<PoolId>,
    graph: Box<dyn PictureGraph>,
    on_device: bool,
}

impl<'a> Filter<'a> {
    /// A filter for frames whose timestamps are in `time_base`.
    pub fn new(owner: &str, text: &str, time_base: Ratio) -> Self {
        Self {
            owner: owner.to_owned(),
            text: text.to_owned(),
            time_base,
            gives: time_base,
            equipment: Equipment::default(),
            graph: None,
            passes: None,
        }
    }

    /// What of it is done on a device is done by this.
    pub const fn on(mut self, equipment: Equipment<'a>) -> Self {
        self.equipment = equipment;
        self
    }

    /// Timestamps of what comes out are in this time base. Where that is another one, nothing may pass unfiltered.
    pub const fn giving(mut self, time_base: Ratio) -> Self {
        self.gives = time_base;
        self
    }

    /// Whether the device does it.
    pub fn on_device(&self) -> bool {
        self.graph.as_ref().is_some_and(|made| made.on_device)
    }

    /// With an empty text, only frames for which `passes` holds go through untouched; others are brought to `fallback`.
    pub fn or_convert(mut self, passes: impl Fn(&Frame) -> bool + Send + 'static, fallback: String) -> Self {
        if self.text.is_empty() {
            self.text = fallback;
            self.passes = Some(Box::new(passes));
        }
        self
    }

    /// Filters one frame and hands on what comes out.
    pub fn apply(&mut self, frame: Frame, each: &mut dyn FnMut(Frame) -> Result<(), Stopped>) -> Result<(), Stopped> {
        let untouched = self.text.is_empty() || self.passes.as_ref().is_some_and(|passes| passes(&frame));
        if untouched {
            self.drain(each)?;
            self.graph = None;
            return each(frame);
        }
        let (format, pool) = (frame.picture_format(), frame.pool());
        if self.graph.as_ref().is_none_or(|made| (made.format, made.pool) != (format, pool)) {
            self.drain(each)?;
            let chosen = self.equipment.graph(&self.text, &frame);
            let on_device = chosen.on_device;
            let graph = chosen.by.graph(&self.text, &frame, self.time_base);
            let graph = graph.map_err(|error| failed(&self.owner, on_device, &error))?;
            self.graph = Some(Made { format, pool, graph, on_device });
        }
        let Some(made) = &mut self.graph else { return Ok(()) };
        made.graph.send(Some(&frame)).map_err(|error| failed(&self.owner, made.on_device, &error))?;
        drop(frame);
        Self::receive(&self.owner, made, self.gives, each)
    }

    /// Hands on what the graph still holds.
    pub fn drain(&mut self, each: &mut dyn FnMut(Frame) -> Result<(), Stopped>) -> Result<(), Stopped> {
        if let Some(mut made) = self.graph.take() {
            made.graph.send(None).map_err(|error| failed(&self.owner, made.on_device, &error))?;
            Self::receive(&self.owner, &mut made, self.gives, each)?;
        }
        Ok(())
    }

    fn receive(
        owner: &str,
        Made { graph, on_device, .. }: &mut Made,
        time_base: Ratio,
        each: &mut dyn FnMut(Frame) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        loop {
            let mut frame = Frame::new().map_err(faults::internal)?;
            match graph.receive(&mut frame).map_err(|error| failed(owner, *on_device, &error))? {
                Polled::Ready => {
                    // Filters may change the time base: deinterlacers halve it.
                    frame.set_pts(frame.pts().map(|pts| rescale(pts, graph.time_base(), time_base)));
                    each(frame)?;
                }
                Polled::NeedInput | Polled::End => return Ok(()),
            }
        }
    }
}

fn failed(owner: &str, on_device: bool, error: &DeviceError) -> Stopped {
    faults::placed(on_device, Operation::Filter, "", owner, error)
}

/// What the stage is made from.
pub struct PrepareSpec<'a> {
    /// The video.
    pub video: &'a VideoPlan,
    /// The segment grid.
    pub grid: Grid,
    /// The segments to make.
    pub span: SpanRange,
}

/// Runs the stage.
pub fn run(
    spec: &PrepareSpec<'_>,
    inflow: Inflow<Frame, Option<i64>>,
    outs: Fan<Picture, SpanEnd>,
    control: &Control,
) -> Result<(), Stopped> {
    let mut marker = Marker {
        spec,
        clock: FrameClock::new(spec.video, spec.span.first == 0),
        film: Film::new(spec.video),
        cadenced: Cadenced::new(spec.video, spec.span.first == 0 && spec.video.in_point),
        last_segment: None,
        full: None,
        standing: None,
        untimed: VecDeque::new(),
        equipment: control.equipment(),
        outs,
    };
    let result = marker.receive_all(&inflow);
    let last_duration = inflow.settle(result)?;
    let end = marker.finish(last_duration)?;
    if control.stopped() {
        return Err(Stopped::Neighbour);
    }
    marker.outs.end(&end)
}

/// Puts frames on the timeline, keeps those of the span and marks the first of each segment.
struct Marker<'a> {
    spec: &'a PrepareSpec<'a>,
    clock: FrameClock,
    /// Where frames of television are pictures of film again.
    film: Option<Film>,
    /// Where not every picture is shown once.
    cadenced: Option<Cadenced>,
    last_segment: Option<i64>,
    full: Option<SpanEnd>,
    /// The last frame before the in point, for as long as none was shown: it may be what is shown there.
    standing: Option<Frame>,
    equipment: Equipment<'a>,
    /// For each frame in the graph whether it came without a time: the graph would hide that.
    untimed: VecDeque<bool>,
    outs: Fan<Picture, SpanEnd>,
}

impl Marker<'_> {
    /// Receives until the span is full or the source over; then the duration of its last packet.
    fn receive_all(&mut self, inflow: &Inflow<Frame, Option<i64>>) -> Result<Option<i64>, Stopped> {
        let mut filter = Filter::new("the source", &self.spec.video.prepare, self.spec.video.time_base);
        filter = filter.on(self.equipment).giving(self.spec.video.prepared_time_base());
        while self.full.is_none() {
            if self.outs.is_unwanted() {
                return Err(Stopped::Unwanted);
            }
            match inflow.receive()? {
                Flow::Item(mut frame) => {
                    self.enter(&mut frame);
                    filter.apply(frame, &mut |frame| self.leave(frame))?;
                }
                Flow::End(duration) => {
                    filter.drain(&mut |frame| self.leave(frame))?;
                    return Ok(duration);
                }
            }
        }
        Ok(None)
    }

    /// A frame is about to go through the graph.
    fn enter(&mut self, frame: &mut Frame) {
        let pts = frame.best_effort_pts();
        frame.set_pts(pts);
        let each = self.spec.video.fields.is_some_and(|fields| fields.each);
        for _ in 0..if each { 2 } else { 1 } {
            self.untimed.push_back(pts.is_none());
        }
    }

    /// A frame has come out of the graph.
    fn leave(&mut self, frame: Frame) -> Result<(), Stopped> {
        let untimed = self.untimed.pop_front().unwrap_or(false);
        let pts = if untimed { None } else { frame.pts() };
        let Some(pts) = self.clock.place(pts) else { return Ok(()) };
        let Some(mut film) = self.film.take() else { return self.come(frame, pts) };
        let taken = film.take(frame, pts, &mut |frame, pts| self.come(frame, pts));
        self.film = Some(film);
        taken
    }

    /// A frame has its place on the timeline that pictures come on.
    fn come(&mut self, frame: Frame, pts: i64) -> Result<(), Stopped> {
        let Some(mut cadenced) = self.cadenced.take() else { return self.arrive(frame, pts) };
        let taken = cadenced.take(frame, pts, &mut |frame, pts| self.arrive(frame, pts));
        self.cadenced = Some(cadenced);
        taken
    }

    /// A frame has its place on the output timeline.
    fn arrive(&mut self, frame: Frame, pts: i64) -> Result<(), Stopped> {
        if self.full.is_some() {
            return Ok(());
        }
        if pts < 0 {
            // Later spans begin with frames of their own.
            self.standing = (self.spec.span.first == 0 && self.spec.video.in_point).then_some(frame);
            return Ok(());
        }
        if let Some(end) = self.spec.video.end.filter(|end| pts >= *end) {
            self.full = Some(end);
            return Ok(());
        }
        self.show(frame, pts)
    }

    /// Marks and sends a frame of the span, and before it the one that stands at the in point.
    fn show(&mut self, frame: Frame, pts: i64) -> Result<(), Stopped> {
        let span = self.spec.span;
        let segment = self.spec.grid.index(pts, self.spec.video.timescale);
        if segment < i64::from(span.first) {
            return Ok(());
        }
        if self.last_segment.is_none() && span.first == 0 && self.spec.video.in_point && pts > 0 {
            return match self.standing.take() {
                Some(standing) => {
                    self.show(standing, 0)?;
                    self.show(frame, pts)
                }
                None => self.show(frame, 0),
            };
        }
        if span.end.is_some_and(|end| segment >= i64::from(end)) {
            self.full = Some(pts);
            return Ok(());
        }
        let starts = (self.last_segment != Some(segment)).then(|| u32::try_from(segment).unwrap_or(u32::MAX));
        self.last_segment = Some(segment);
        self.send(frame, pts, starts)
    }

    fn send(&mut self, mut frame: Frame, pts: i64, starts: Option<u32>) -> Result<(), Stopped> {
        frame.set_pts(Some(pts));
        frame.set_forced_key(starts.is_some());
        let picture = Picture { frame, pts, starts };
        self.outs.send(|| picture.reference())
    }

    /// Where the media of the span ends. A source that ends while the frame before the in point still stands is that
    /// frame.
    fn finish(&mut self, last_duration: Option<i64>) -> Result<SpanEnd, Stopped> {
        let mut source_end = self.clock.end(last_duration);
        if let Some(mut film) = self.film.take() {
            film.finish(&mut |frame, pts| self.come(frame, pts))?;
        }
        if let Some(mut cadenced) = self.cadenced.take() {
            source_end = cadenced.finish(source_end, &mut |frame, pts| self.arrive(frame, pts))?;
        }
        if let Some(standing) = self.standing.take().filter(|_| self.last_segment.is_none() && source_end > 0) {
            self.show(standing, 0)?;
        }
        let whole = self.spec.video.end.map_or(source_end, |end| end.min(source_end));
        Ok(self.full.unwrap_or(whole))
    }
}
