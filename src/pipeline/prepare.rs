//! Stage: prepare. Receives decoded frames; sends upright, progressive frames on the output timeline, with the mark of
//! the segment that each first frame starts: decided here, once, before the split.
//! Thread: its own. Owns: the prepare graph and the clock. Bound: the channels of the rungs that it feeds.
//! Ends: `End` with the instant at which the span's media ends; upstream is let go early once the span is full.

use super::clock::FrameClock;
use super::control::Control;
use super::faults;
use super::flow::{Flow, Inflow, Outflow, Stopped};
use crate::av::frame::PictureFormat;
use crate::av::{Frame, Graph, Polled};
use crate::model::Ratio;
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

/// Rebuilds its graph whenever the frames change shape or format; with an empty text frames pass untouched.
pub struct Filter {
    owner: String,
    text: String,
    time_base: Ratio,
    graph: Option<(PictureFormat, Graph)>,
    passes: Option<Box<dyn Fn(PictureFormat) -> bool + Send>>,
}

impl Filter {
    /// A filter for frames whose timestamps are in `time_base`.
    pub fn new(owner: &str, text: &str, time_base: Ratio) -> Self {
        Self { owner: owner.to_owned(), text: text.to_owned(), time_base, graph: None, passes: None }
    }

    /// With an empty text, only frames for which `passes` holds go through untouched; others are brought to `fallback`.
    pub fn or_convert(mut self, passes: impl Fn(PictureFormat) -> bool + Send + 'static, fallback: String) -> Self {
        if self.text.is_empty() {
            self.text = fallback;
            self.passes = Some(Box::new(passes));
        }
        self
    }

    /// Filters one frame and hands on what comes out.
    pub fn apply(&mut self, frame: Frame, each: &mut dyn FnMut(Frame) -> Result<(), Stopped>) -> Result<(), Stopped> {
        let format = frame.picture_format();
        let untouched = self.text.is_empty() || self.passes.as_ref().is_some_and(|passes| passes(format));
        if untouched {
            self.drain(each)?;
            self.graph = None;
            return each(frame);
        }
        if self.graph.as_ref().is_none_or(|(known, _)| *known != format) {
            self.drain(each)?;
            let graph = Graph::video(&self.text, format, self.time_base, None)
                .map_err(|error| faults::filter(&self.owner, error))?;
            self.graph = Some((format, graph));
        }
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        graph.send(Some(&frame)).map_err(|error| faults::filter(&self.owner, error))?;
        drop(frame);
        Self::receive(&self.owner, graph, self.time_base, each)
    }

    /// Hands on what the graph still holds.
    pub fn drain(&mut self, each: &mut dyn FnMut(Frame) -> Result<(), Stopped>) -> Result<(), Stopped> {
        if let Some((_, mut graph)) = self.graph.take() {
            graph.send(None).map_err(|error| faults::filter(&self.owner, error))?;
            Self::receive(&self.owner, &mut graph, self.time_base, each)?;
        }
        Ok(())
    }

    fn receive(
        owner: &str,
        graph: &mut Graph,
        time_base: Ratio,
        each: &mut dyn FnMut(Frame) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        loop {
            let mut frame = Frame::new().map_err(faults::internal)?;
            match graph.receive(&mut frame).map_err(|error| faults::filter(owner, error))? {
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

/// Puts frames on the timeline, keeps those of the span and marks the first of each segment.
struct Marker<'a> {
    clock: FrameClock,
    grid: Grid,
    span: SpanRange,
    timescale: u32,
    last_segment: Option<i64>,
    full: Option<SpanEnd>,
    /// For each frame in the graph whether it came without a time: the graph would hide that.
    untimed: VecDeque<bool>,
    outs: &'a [Outflow<Picture, SpanEnd>],
}

impl Marker<'_> {
    /// A frame is about to go through the graph.
    fn enter(&mut self, frame: &mut Frame) {
        let pts = frame.best_effort_pts();
        frame.set_pts(pts);
        self.untimed.push_back(pts.is_none());
    }

    /// A frame has come out of the graph.
    fn leave(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        let untimed = self.untimed.pop_front().unwrap_or(false);
        let pts = if untimed { None } else { frame.pts() };
        let Some(pts) = self.clock.place(pts) else { return Ok(()) };
        let segment = self.grid.index(pts, self.timescale);
        if self.full.is_some() || segment < i64::from(self.span.first) {
            return Ok(());
        }
        if self.span.end.is_some_and(|end| segment >= i64::from(end)) {
            self.full = Some(pts);
            return Ok(());
        }
        let starts = (self.last_segment != Some(segment)).then(|| u32::try_from(segment).unwrap_or(u32::MAX));
        self.last_segment = Some(segment);
        frame.set_pts(Some(pts));
        frame.set_forced_key(starts.is_some());
        let picture = Picture { frame, pts, starts };
        let Some((last, others)) = self.outs.split_last() else { return Ok(()) };
        for out in others {
            out.send(picture.reference()?)?;
        }
        last.send(picture)
    }
}

/// Runs the stage.
pub fn run(
    plan: &VideoPlan,
    grid: Grid,
    span: SpanRange,
    inflow: Inflow<Frame, Option<i64>>,
    outs: Vec<Outflow<Picture, SpanEnd>>,
    control: &Control,
) -> Result<(), Stopped> {
    let mut filter = Filter::new("the source", &plan.prepare, plan.time_base);
    let mut marker = Marker {
        clock: FrameClock::new(plan, span.first == 0),
        grid,
        span,
        timescale: plan.timescale,
        last_segment: None,
        full: None,
        untimed: VecDeque::new(),
        outs: &outs,
    };
    let mut last_duration = None;
    while marker.full.is_none() {
        match inflow.receive()? {
            Flow::Item(mut frame) => {
                marker.enter(&mut frame);
                filter.apply(frame, &mut |frame| marker.leave(frame))?;
            }
            Flow::End(duration) => {
                filter.drain(&mut |frame| marker.leave(frame))?;
                last_duration = duration;
                break;
            }
        }
    }
    drop(inflow);
    let end = marker.full.unwrap_or_else(|| marker.clock.end(last_duration));
    if control.stopped() {
        return Err(Stopped::Neighbour);
    }
    for out in outs {
        out.end(end)?;
    }
    Ok(())
}
