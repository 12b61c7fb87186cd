//! The pictures of all parts on one timeline. At a constant rate every frame of it is shown: the picture of a part that
//! stands at that instant, so that one of a faster part is left out and one of a slower part repeated. The first picture
//! of a part stands from its start, the last one until its end. At a varying rate pictures keep their own times in between.

use crate::av::Frame;
use crate::model::joined::VideoPart;
use crate::model::plan::{Grid, SpanRange, VideoPlan};
use crate::model::time::{Timeline, rescale, scale_ceil};
use crate::pipeline::decode;
use crate::pipeline::faults;
use crate::pipeline::flow::{Fan, Stopped};
use crate::pipeline::prepare::{Picture, SpanEnd};

/// Puts pictures on the timeline, keeps those of the span, and marks the first of each segment.
pub(super) struct Pictures<'a> {
    video: &'a VideoPlan,
    grid: Grid,
    span: SpanRange,
    outs: Fan<Picture, SpanEnd>,
    /// The picture that stands, and since when by its own time, output ticks.
    held: Option<(Frame, i64)>,
    /// From where nothing is shown yet, output ticks.
    next: i64,
    /// The timestamp of the last picture of the part, its own ticks.
    last_time: Option<i64>,
    last_segment: Option<i64>,
    /// Where the span ends, once a picture behind it is due.
    full: Option<SpanEnd>,
    /// The part has pictures at or behind its end.
    part_is_full: bool,
    /// The span begins inside of the part.
    midway: bool,
}

impl<'a> Pictures<'a> {
    /// For a span, and the rungs that want its pictures.
    pub(super) const fn new(video: &'a VideoPlan, grid: Grid, span: SpanRange, outs: Fan<Picture, SpanEnd>) -> Self {
        Self {
            video,
            grid,
            span,
            outs,
            held: None,
            next: 0,
            last_time: None,
            last_segment: None,
            full: None,
            part_is_full: false,
            midway: false,
        }
    }

    /// Where the span begins, output ticks.
    pub(super) fn from(&self) -> i64 {
        self.grid.boundary(i64::from(self.span.first), self.video.timescale)
    }

    /// Whether nothing from `start` on belongs to the span: a picture is due there whatever the part holds.
    pub(super) fn is_full_before(&mut self, start: i64) -> bool {
        let beyond = self.span.end.is_some_and(|end| self.grid.index(start, self.video.timescale) >= i64::from(end));
        if beyond {
            self.full.get_or_insert(start);
        }
        self.full.is_some()
    }

    /// Whether nothing more of the part is needed.
    pub(super) const fn is_full_here(&self) -> bool {
        self.full.is_some() || self.part_is_full
    }

    /// Whether no rung wants pictures any more.
    pub(super) fn is_unwanted(&mut self) -> bool {
        self.outs.is_unwanted()
    }

    /// A part begins.
    pub(super) fn enter(&mut self, part: &VideoPart) {
        let from = self.from();
        self.next = match self.video.frame_ticks.map(i64::from) {
            Some(frame) if from > part.start => scale_ceil(from, 1, frame).saturating_mul(frame),
            _ => part.start,
        };
        (self.held, self.last_time, self.part_is_full) = (None, None, false);
        self.midway = from > part.start;
    }

    /// Gives a decoded picture that comes without a time one behind the last.
    pub(super) fn time(&mut self, part: &VideoPart, frame: &mut Frame) {
        let line = self.line(part);
        let nominal = rescale(self.video.nominal_ticks(), line.output_time_base(), part.time_base).max(1);
        let untimed = || self.last_time.map_or(if part.in_point { 0 } else { part.origin }, |last| last + nominal);
        let pts = frame.best_effort_pts().unwrap_or_else(untimed);
        self.last_time = Some(pts);
        frame.set_pts(Some(pts));
    }

    /// Takes a prepared picture, and shows the one before it for as long as it stood.
    pub(super) fn take(&mut self, part: &VideoPart, frame: Frame) -> Result<(), Stopped> {
        let Some(pts) = frame.pts() else { return Ok(()) };
        let line = self.line(part);
        let at = part.start.saturating_add(line.snap(line.ticks(pts)));
        if self.is_full_here() || self.held.as_ref().is_some_and(|(_, since)| at < *since) {
            return Ok(());
        }
        if self.held.is_none() && self.midway && self.video.frame_ticks.is_none() {
            self.next = at.max(part.start);
        }
        if at > self.next {
            self.show_until(part.end.map_or(at, |end| at.min(end)))?;
        }
        self.part_is_full = part.end.is_some_and(|end| at >= end);
        // Even one that comes too late stands in a part that has no other.
        if !self.part_is_full || self.held.is_none() {
            self.held = Some((frame, at));
        }
        Ok(())
    }

    /// The part is over: its last picture stands until its end. `duration` is that of the last packet, where known.
    pub(super) fn leave(&mut self, part: &VideoPart, duration: Option<i64>) -> Result<(), Stopped> {
        let Some((frame, since)) = &self.held else {
            // A span may begin behind the last picture of a part that was thought to be longer.
            return if self.full.is_some() || self.midway { Ok(()) } else { Err(decode::undecodable().into()) };
        };
        let line = self.line(part);
        let own = duration.map(|ticks| (ticks, line.snap(rescale(ticks, part.time_base, line.output_time_base()))));
        // A duration at a constant rate is that of a slower part's frame, or wrong.
        let own = own.filter(|(_, own)| self.video.frame_ticks.is_none() || *own <= i64::from(line.timescale));
        let end = part.end.unwrap_or_else(|| match (self.video.frame_ticks, own, frame.pts()) {
            // Rounded but once: half a frame for where it begins and one for how long it stands would make one too many.
            (Some(least), Some((ticks, _)), Some(pts)) => {
                let end = part.start.saturating_add(line.snap(line.ticks(pts.saturating_add(ticks))));
                end.max(part.start.saturating_add(i64::from(least)))
            }
            (least, own, _) => {
                let last = own.map_or_else(|| self.video.nominal_ticks(), |(_, own)| own);
                since.saturating_add(last.max(least.map_or(1, i64::from)))
            }
        });
        if self.full.is_none() && end > self.next {
            self.show_until(end)?;
        }
        self.held = None;
        Ok(())
    }

    /// All parts are over, or the span is full.
    pub(super) fn end(&mut self) -> Result<(), Stopped> {
        let end = self.full.unwrap_or(self.next);
        std::mem::take(&mut self.outs).end(&end)
    }

    fn line(&self, part: &VideoPart) -> Timeline {
        Timeline { time_base: part.time_base, origin: part.origin, ..self.video.timeline() }
    }

    /// Shows what stands from `next` to `end`, if anything does.
    fn show_until(&mut self, end: i64) -> Result<(), Stopped> {
        let Some((frame, since)) = self.held.take() else { return Ok(()) };
        match self.video.frame_ticks.map(i64::from) {
            Some(ticks) => {
                while self.next < end && self.full.is_none() {
                    let repeated = frame.reference().map_err(faults::internal)?;
                    self.show(repeated, self.next)?;
                    self.next += ticks;
                }
            }
            None => {
                self.show(frame.reference().map_err(faults::internal)?, self.next)?;
                self.next = end;
            }
        }
        self.held = Some((frame, since));
        Ok(())
    }

    fn show(&mut self, mut frame: Frame, pts: i64) -> Result<(), Stopped> {
        let segment = self.grid.index(pts, self.video.timescale);
        if segment < i64::from(self.span.first) {
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
        self.outs.send(|| picture.reference())
    }
}
