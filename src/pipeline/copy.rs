//! Stage: copy. Receives the packets of the pictures; sends finished segments to the outlet: a rung that the source already
//! is. Thread: its own. Owns: a bitstream filter, and nothing that decodes. Bound: the channel. Ends: `End`, or the span
//! being full, cuts the last segment; a rung that is dropped lets its sender go; a source whose key frames are not where
//! segments must start fails the span, because the rungs beside it would not be aligned. Counters: frames and media time,
//! through the outlet's progress.
//!
//! The plan's end works at packet grain: pictures from there on are kept only where ones before it, that come later in
//! decoding order, may refer to them.

use super::control::Control;
use super::cut::{Coded, Cut, Cutter};
use super::decode;
use super::faults;
use super::flow::{Flow, Inflow, Stopped};
use super::outlet::{Outlet, TrackOutlet};
use super::rung::RungSpec;
use super::wrap::VideoWrapper;
use crate::av::bsf::BitstreamFilter;
use crate::av::{self, Packet, Params, Polled};
use crate::model::Problem;
use crate::model::plan::{Grid, SpanRange, VideoPlan};
use crate::model::time::{Ratio, Timeline, decimal_seconds, rescale, scale_round};
use crate::package::framing::{self, AccessUnit, FramingError};
use std::collections::VecDeque;

/// Most pictures by which H.264's decoding order runs ahead of presentation (ITU-T H.264 §A.3.1: `MaxDpbFrames`).
const REORDER_FRAMES_MAX: i64 = 16;

/// What a copied rung is made from.
pub struct CopySpec<'a> {
    /// The rendition and its ticks.
    pub rung: RungSpec<'a>,
    /// The video that it belongs to.
    pub video: &'a VideoPlan,
    /// The segment grid.
    pub grid: Grid,
    /// The segments to make.
    pub span: SpanRange,
}

/// Runs the stage.
pub fn run(
    spec: &CopySpec<'_>,
    params: &Params,
    inflow: Inflow<Packet, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rung.rendition.id);
    let outlet = TrackOutlet::new(&spec.rung.rendition.id, outlet, control);
    let _packaging = outlet.accounts.packaging();
    // Lengths become start codes, as encoders here give them out; packets that have those already pass.
    let mut filter = BitstreamFilter::new("h264_mp4toannexb", params, spec.video.time_base)
        .map_err(|error| unfit(&format!("the header of its H.264 is malformed ({error})")))?;
    let mut copier = Copier {
        spec,
        outlet,
        aligner: Aligner::new(spec),
        late: VecDeque::new(),
        cutter: Cutter::default(),
        wrapper: None,
        frames: 0,
        latest: None,
    };
    let result = copier.receive_all(&mut filter, &inflow, control);
    inflow.settle(result)?;
    copier.finish()
}

/// Packets taken over, cut and wrapped.
struct Copier<'a> {
    spec: &'a CopySpec<'a>,
    outlet: TrackOutlet<'a>,
    aligner: Aligner,
    /// Pictures at or after the plan's end, in decoding order, until one before it turns out to follow.
    late: VecDeque<(Packet, Place)>,
    cutter: Cutter,
    // Made with the first picture: only then is it known by how much decoding runs ahead.
    wrapper: Option<VideoWrapper>,
    frames: u64,
    /// Time of the picture that is shown last, output ticks.
    latest: Option<i64>,
}

impl Copier<'_> {
    fn receive_all(
        &mut self,
        filter: &mut BitstreamFilter,
        inflow: &Inflow<Packet, ()>,
        control: &Control,
    ) -> Result<(), Stopped> {
        while self.aligner.full.is_none() {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            self.outlet.wanted()?;
            match inflow.receive()? {
                Flow::Item(packet) => self.filter(filter, packet)?,
                Flow::End(()) if self.late.is_empty() => break,
                Flow::End(()) => self.aligner.full = self.spec.video.end,
            }
        }
        Ok(())
    }

    fn filter(&mut self, filter: &mut BitstreamFilter, mut packet: Packet) -> Result<(), Stopped> {
        let malformed = |error| unfit(&format!("one of its packets is malformed ({error})"));
        filter.send(Some(&mut packet)).map_err(malformed)?;
        loop {
            let mut out = Packet::new().map_err(faults::internal)?;
            if filter.receive(&mut out).map_err(malformed)? != Polled::Ready {
                return Ok(());
            }
            self.take(filter, out)?;
        }
    }

    fn take(&mut self, filter: &BitstreamFilter, packet: Packet) -> Result<(), Stopped> {
        let access_unit = framing::h264_access_unit(packet.data()).map_err(malformed)?;
        if !access_unit.picture {
            return Err(malformed(FramingError::Empty).into());
        }
        let Some(source_pts) = packet.pts() else { return Err(unfit("one of its pictures has no time").into()) };
        let Some(place) = self.aligner.place(source_pts, access_unit.idr, !packet.is_discarded())? else {
            return Ok(());
        };
        if place.late {
            self.late.push_back((packet, place));
            if self.late.len() > REORDER_FRAMES_MAX as usize {
                self.aligner.full = self.spec.video.end;
            }
            return Ok(());
        }
        for (late, place) in std::mem::take(&mut self.late) {
            self.keep(filter, late, place)?;
        }
        self.keep(filter, packet, place)
    }

    fn keep(&mut self, filter: &BitstreamFilter, packet: Packet, place: Place) -> Result<(), Stopped> {
        let access_unit = framing::h264_access_unit(packet.data()).map_err(malformed)?;
        self.open(filter, &packet)?;
        self.check_parameter_sets(&access_unit)?;
        let key = access_unit.idr;
        // MP4's parameter sets come out of the filter behind the messages that need them, and CMAF repeats none: muxers
        // of transport streams put them first themselves.
        let packet = if access_unit.delimiter || !access_unit.parameter_sets.is_empty() {
            Packet::from_bytes(&access_unit.bare()).map_err(faults::internal)?
        } else {
            packet
        };
        if let Some(index) = place.starts {
            self.cutter.mark(index, place.pts);
        }
        self.frames += 1;
        let latest = self.latest.max(Some(place.pts)).unwrap_or(place.pts);
        self.latest = Some(latest);
        let own_time = self.aligner.timeline.output_time_base();
        let media_us = rescale(latest, own_time, Ratio::new(1, 1_000_000));
        let cut = self.cutter.push(Coded { packet, pts: place.pts, key })?;
        self.emit(cut)?;
        self.outlet.progress(self.frames, media_us);
        Ok(())
    }

    /// The sample entry (`avc1`) holds all parameter sets that there may be (ISO/IEC 14496-15 §5.3.4).
    fn check_parameter_sets(&self, access_unit: &AccessUnit<'_>) -> Result<(), Problem> {
        let known = self.wrapper.as_ref().map(VideoWrapper::parameter_sets);
        let all_known = |known: &framing::ParameterSets| access_unit.parameter_sets.iter().all(|set| known.holds(set));
        if known.is_none_or(all_known) { Ok(()) } else { Err(unfit("its H.264 parameters change on the way")) }
    }

    /// Pictures of a stream at a constant rate are decoded one frame after the other, so none waits longer for those
    /// shown before it than the first one does.
    fn open(&mut self, filter: &BitstreamFilter, first: &Packet) -> Result<(), Stopped> {
        if self.wrapper.is_some() {
            return Ok(());
        }
        let params = filter.params().map_err(faults::internal)?;
        let delay = first.pts().zip(first.dts()).map_or(0, |(pts, dts)| pts.saturating_sub(dts));
        let line = &self.aligner.timeline;
        let delay = rescale(delay, line.time_base, line.output_time_base());
        let reorder = scale_round(delay, 1, self.spec.video.nominal_ticks()).clamp(0, REORDER_FRAMES_MAX);
        let wrapper = VideoWrapper::new(&self.spec.rung, params, reorder as u32, "copy")
            .map_err(|problem| unfit(&format!("its header cannot be taken over ({})", problem.message)))?;
        self.outlet.init(wrapper.init())?;
        self.cutter.set_reorder(wrapper.reorder());
        self.wrapper = Some(wrapper);
        Ok(())
    }

    fn emit(&mut self, cut: Option<Cut>) -> Result<(), Stopped> {
        let (Some(cut), Some(wrapper)) = (cut, &mut self.wrapper) else { return Ok(()) };
        if cut.pictures.iter().any(|picture| picture.duration <= 0) {
            return Err(unfit("two of its pictures have the same time").into());
        }
        self.outlet.wanted()?;
        self.outlet.segment(wrapper.wrap(cut)?)
    }

    fn finish(mut self) -> Result<(), Stopped> {
        self.outlet.wanted()?;
        let Some(latest) = self.latest else { return Err(decode::undecodable().into()) };
        let own = latest + self.spec.video.nominal_ticks();
        let cut = self.cutter.finish(media_end(own, latest, self.aligner.full, self.spec.video.end))?;
        self.emit(cut)
    }
}

/// Where the pictures end: the last one ends by itself at `own`, unless the span was `full` or the plan's end cuts it.
fn media_end(own: i64, latest: i64, full: Option<i64>, end: Option<i64>) -> i64 {
    match full.or_else(|| end.map(|end| end.min(own))) {
        // Pictures beyond the end were kept for others.
        Some(end) if latest >= end => own,
        Some(end) => end,
        None => own,
    }
}

/// Where a picture goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    /// Output ticks.
    pts: i64,
    /// The segment that starts with it, if one does.
    starts: Option<u32>,
    /// It is shown at or after the plan's end.
    late: bool,
}

/// Finds each picture's place, and holds the source to the grid. Pure.
struct Aligner {
    timeline: Timeline,
    grid: Grid,
    span: SpanRange,
    /// The plan's end.
    end: Option<i64>,
    /// Index and start of the segment that is being filled.
    open: Option<(i64, i64)>,
    /// An edit list hid pictures since the last key frame; those that follow may refer to them.
    hidden: bool,
    /// Where the span's media ends, once it has all its segments.
    full: Option<i64>,
}

impl Aligner {
    fn new(spec: &CopySpec<'_>) -> Self {
        let timeline = spec.video.timeline();
        let end = spec.video.end;
        Self { timeline, grid: spec.grid, span: spec.span, end, open: None, hidden: false, full: None }
    }

    /// The place of a picture, in decoding order; `None` outside the span, and for one that an edit list hides.
    fn place(&mut self, source_pts: i64, idr: bool, shown: bool) -> Result<Option<Place>, Problem> {
        if !shown {
            self.hidden = true;
            return Ok(None);
        }
        let pts = self.timeline.snap(self.timeline.ticks(source_pts));
        let index = self.grid.index(pts, self.timeline.timescale);
        if let Some(end) = self.end.filter(|end| pts >= *end && self.open.is_some()) {
            // No picture behind a closed group refers to one before it.
            self.full = idr.then_some(end);
            return Ok((!idr).then_some(Place { pts, starts: None, late: true }));
        }
        let starts = match self.open {
            None if index < i64::from(self.span.first) => return Ok(None),
            None => idr,
            Some((open, _)) => idr && index > open,
        };
        self.hidden &= !idr;
        let follows = self.open.is_some_and(|(open, start)| index == open && pts >= start) && !self.hidden;
        if !starts && !follows {
            return Err(self.not_aligned(index));
        }
        if starts && self.span.end.is_some_and(|end| index >= i64::from(end)) {
            self.full = Some(pts);
            return Ok(None);
        }
        if starts {
            self.open = Some((index, pts));
        }
        let starts = starts.then(|| u32::try_from(index).unwrap_or(u32::MAX));
        Ok(Some(Place { pts, starts, late: false }))
    }

    fn not_aligned(&self, index: i64) -> Problem {
        let timescale = self.timeline.timescale;
        let at = decimal_seconds(self.grid.boundary(index, timescale), timescale, 3);
        Problem::input(
            "copy.not_aligned",
            format!(
                "the source's pictures cannot be copied: no closed group of them starts the segment at {at} s; run again without --copy"
            ),
        )
    }
}

fn malformed(error: FramingError) -> Problem {
    unfit(&format!("one of its packets is malformed ({error})"))
}

fn unfit(what: &str) -> Problem {
    Problem::input("copy.unfit", format!("the source's pictures cannot be copied: {what}; run again without --copy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 25 frames a second, segments of 2 s, timestamps in frames.
    fn aligner(first: u32, end: Option<u32>) -> Aligner {
        Aligner {
            timeline: Timeline { time_base: Ratio::new(1, 25), origin: 0, timescale: 25_000, frame_ticks: Some(1000) },
            grid: Grid { segment_ms: 2000 },
            span: SpanRange { first, end },
            end: None,
            open: None,
            hidden: false,
            full: None,
        }
    }

    fn starts(aligner: &mut Aligner, frame: i64, idr: bool) -> Option<Option<u32>> {
        aligner.place(frame, idr, true).unwrap().map(|place| place.starts)
    }

    #[test]
    fn idr_pictures_start_segments_where_the_grid_says() {
        let mut aligner = aligner(0, None);
        assert_eq!(starts(&mut aligner, 0, true), Some(Some(0)));
        assert_eq!(starts(&mut aligner, 2, false), Some(None));
        assert_eq!(starts(&mut aligner, 1, false), Some(None));
        assert_eq!(starts(&mut aligner, 25, true), Some(None), "one inside a segment starts none");
        assert_eq!(starts(&mut aligner, 50, true), Some(Some(1)));
        assert_eq!(starts(&mut aligner, 200, true), Some(Some(4)), "segments without pictures are not made");
    }

    #[test]
    fn pictures_that_leave_the_grid_are_refused() {
        let after = |frame, idr| {
            let mut aligner = aligner(0, None);
            for (frame, idr) in [(0, true), (49, false), (51, true)] {
                aligner.place(frame, idr, true).unwrap();
            }
            aligner.place(frame, idr, true).err().map(|problem| problem.code)
        };
        assert_eq!(after(52, false), None);
        for (frame, idr, why) in [
            (50, false, "shown before the key frame that it follows"),
            (48, false, "shown in the segment before"),
            (100, false, "no key frame where a segment begins"),
            (10, true, "back in time"),
        ] {
            assert_eq!(after(frame, idr).as_deref(), Some("copy.not_aligned"), "{why}");
        }
        assert!(aligner(0, None).place(0, false, true).is_err(), "the first picture must be a key frame too");
    }

    #[test]
    fn a_span_takes_its_own_segments_alone() {
        let mut aligner = aligner(1, Some(2));
        assert_eq!(starts(&mut aligner, 0, true), None);
        assert_eq!(starts(&mut aligner, 49, false), None);
        assert_eq!(starts(&mut aligner, 50, true), Some(Some(1)));
        assert_eq!((starts(&mut aligner, 100, true), aligner.full), (None, Some(100_000)));
    }

    #[test]
    fn pictures_from_the_end_on_are_late_until_a_key_frame_says_that_none_follows() {
        let mut aligner = Aligner { end: Some(3_500), ..aligner(0, None) };
        let late = |aligner: &mut Aligner, frame, idr| aligner.place(frame, idr, true).unwrap().map(|place| place.late);
        assert_eq!(late(&mut aligner, 0, true), Some(false));
        assert_eq!(late(&mut aligner, 4, false), Some(true));
        assert_eq!(late(&mut aligner, 3, false), Some(false));
        assert_eq!(late(&mut aligner, 51, false), Some(true), "the grid behind the end is nobody's");
        assert_eq!((late(&mut aligner, 52, true), aligner.full), (None, Some(3_500)));
    }

    #[test]
    fn the_last_picture_ends_at_the_end_unless_it_lies_behind_it() {
        assert_eq!(media_end(5_000, 4_000, None, None), 5_000);
        assert_eq!(media_end(5_000, 4_000, None, Some(4_500)), 4_500, "cut short");
        assert_eq!(media_end(5_000, 4_000, None, Some(9_000)), 5_000, "the source ended sooner");
        assert_eq!(media_end(5_000, 4_000, Some(9_000), Some(9_000)), 9_000, "it stands until there");
        assert_eq!(media_end(5_000, 4_000, Some(3_500), Some(3_500)), 5_000, "kept for others");
    }

    #[test]
    fn hidden_pictures_may_end_a_group_but_not_carry_it() {
        let mut aligner = aligner(0, None);
        aligner.place(0, true, true).unwrap();
        assert_eq!(aligner.place(49, false, false).unwrap(), None);
        assert_eq!(starts(&mut aligner, 50, true), Some(Some(1)));
        aligner.place(60, false, false).unwrap();
        assert!(aligner.place(61, false, true).is_err());
    }
}
