//! From source timestamps to the output timeline. Pure integers.

use crate::model::Ratio;
use crate::model::plan::VideoPlan;
use crate::model::time::{Timeline, rescale};

/// A packet timestamp that is this far from where it should be is a jump of the clock, not a pause: ten seconds, as
/// broadcast splices and 33-bit wraps jump by hours and pauses in recordings last seconds.
const JUMP_US: i64 = 10_000_000;
/// Two streams whose clocks jump by amounts this close together made the same jump.
const SAME_JUMP_US: i64 = 1_000_000;

/// Undoes jumps of the source's clock in formats whose timestamps may jump. One for each span; fed every packet of every
/// stream in file order, so that two streams that jump together stay together.
pub struct JumpMender {
    enabled: bool,
    /// The shift of the last packet of a stream that has no pauses.
    latest_us: i64,
    streams: Vec<StreamClock>,
    jumps: Vec<i64>,
}

#[derive(Clone, Copy, Default)]
struct StreamClock {
    expected_us: Option<i64>,
    shift_us: i64,
}

impl JumpMender {
    /// A mender; with `enabled` false it changes nothing.
    pub const fn new(enabled: bool) -> Self {
        Self { enabled, latest_us: 0, streams: Vec::new(), jumps: Vec::new() }
    }

    /// The shift for a packet, in ticks of its stream.
    pub fn shift(&mut self, stream: u32, time: Option<i64>, duration: i64, time_base: Ratio) -> i64 {
        if !self.enabled || !time_base.is_known() {
            return 0;
        }
        let micros = Ratio::new(1, 1_000_000);
        let index = stream as usize;
        if self.streams.len() <= index {
            self.streams.resize(index + 1, StreamClock::default());
        }
        let mut clock = self.streams[index];
        if let Some(time) = time {
            let time_us = rescale(time, time_base, micros);
            if let Some(expected) = clock.expected_us {
                let off = expected - (time_us + clock.shift_us);
                if off.abs() > JUMP_US {
                    clock.shift_us = self.known_jump(clock.shift_us + off);
                }
            }
            let duration_us = rescale(duration.max(0), time_base, micros);
            clock.expected_us = Some(time_us + clock.shift_us + duration_us);
        }
        self.streams[index] = clock;
        self.latest_us = clock.shift_us;
        rescale(clock.shift_us, micros, time_base)
    }

    /// The shift for a packet of a stream whose pauses may be long, as those of subtitles are: that of the others.
    pub fn shift_of_sparse(&self, time_base: Ratio) -> i64 {
        if time_base.is_known() { rescale(self.latest_us, Ratio::new(1, 1_000_000), time_base) } else { 0 }
    }

    fn known_jump(&mut self, shift: i64) -> i64 {
        if let Some(same) = self.jumps.iter().find(|known| (**known - shift).abs() < SAME_JUMP_US) {
            return *same;
        }
        self.jumps.push(shift);
        shift
    }
}

/// Gives each prepared picture its place on the timeline that it comes on: the output's, unless some are left out or
/// repeated ([`VideoPlan::prepared_timeline`]).
pub struct FrameClock {
    timeline: Timeline,
    nominal_ticks: i64,
    last: Option<i64>,
    /// The latest place that a timestamp named: behind `last` while the first picture is shown from before its own time.
    named: i64,
    /// Where a first picture without a timestamp goes, before it snaps.
    untimed_start: i64,
    /// The first picture of the whole source is shown from zero, whatever its own time.
    starts_at_zero: bool,
}

impl FrameClock {
    /// A clock for a span; `from_start` when the span begins where the source does.
    pub fn new(plan: &VideoPlan, from_start: bool) -> Self {
        let timeline = plan.prepared_timeline();
        Self {
            timeline,
            nominal_ticks: plan.prepared_ticks(),
            last: None,
            named: i64::MIN,
            // A source without timestamps starts at its own zero, and an in point lies behind that.
            untimed_start: if plan.in_point { timeline.ticks(0) } else { 0 },
            starts_at_zero: from_start && !plan.in_point,
        }
    }

    /// Ticks of that timeline of a picture with this timestamp. `None`: the picture has no usable time of its own, because
    /// another one already stands there, and is left out.
    pub fn place(&mut self, pts: Option<i64>) -> Option<i64> {
        let raw = match pts {
            Some(pts) => self.timeline.ticks(pts),
            None => self.last.map_or(self.untimed_start, |last| last + self.nominal_ticks),
        };
        let snapped = self.timeline.snap(raw);
        let placed = match self.last {
            None if self.starts_at_zero => 0,
            None => snapped,
            Some(last) if snapped > last => snapped,
            Some(last) => self.nudged(raw, last)?,
        };
        self.last = Some(placed);
        self.named = self.named.max(snapped);
        Some(placed)
    }

    /// A picture whose time is taken goes right behind the one that has it, unless that is further off than a few
    /// frames: then the timestamps are wrong by more than jitter.
    fn nudged(&self, raw: i64, last: i64) -> Option<i64> {
        const FRAMES: i64 = 8;
        if last - raw > FRAMES * self.nominal_ticks {
            return None;
        }
        Some(last + self.timeline.frame_ticks.map_or_else(|| (self.nominal_ticks / 4).max(1), i64::from))
    }

    /// Where the last placed picture ends when nothing follows: `duration` is its own, in source ticks, if known.
    pub fn end(&self, duration: Option<i64>) -> i64 {
        let own = duration
            .filter(|d| *d > 0 && self.timeline.frame_ticks.is_none())
            .map(|duration| rescale(duration, self.timeline.time_base, self.timeline.output_time_base()).max(1));
        self.last.unwrap_or(0).max(self.named) + own.unwrap_or(self.nominal_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::Memory;
    use crate::model::facts::ColorTags;
    use crate::model::time::scale_round;

    fn plan(time_base: Ratio, frame_ticks: Option<u32>) -> VideoPlan {
        VideoPlan {
            stream: 0,
            time_base,
            origin: 0,
            in_point: false,
            end: None,
            timescale: 24_000,
            frame_ticks,
            frame_rate: Ratio::new(24_000, 1001),
            cadence: None,
            fields: None,
            prepare: String::new(),
            color: ColorTags::default(),
            parts: Vec::new(),
            decode_threads: 1,
            accelerator: None,
            memory: Memory::System,
            source: None,
            renditions: Vec::new(),
        }
    }

    #[test]
    fn millisecond_timestamps_snap_to_the_frame_grid() {
        let mut clock = FrameClock::new(&plan(Ratio::new(1, 1000), Some(1001)), true);
        for frame in 0..2000_i64 {
            let millis = scale_round(frame, 1001, 24);
            assert_eq!(clock.place(Some(millis)), Some(frame * 1001));
        }
        assert_eq!(clock.end(None), 2000 * 1001);
    }

    #[test]
    fn a_span_that_starts_late_places_the_same_picture_at_the_same_time() {
        let plan = plan(Ratio::new(1, 1000), None);
        let times = [0, 40, 95, 95, 300, 301, 900];
        let mut whole = FrameClock::new(&plan, true);
        let placed: Vec<_> = times.iter().map(|t| whole.place(Some(*t))).collect();
        let mut late = FrameClock::new(&plan, false);
        assert_eq!(late.place(Some(300)), placed[4]);
        assert_eq!(late.place(Some(301)), placed[5]);
    }

    #[test]
    fn pictures_before_an_in_point_lie_before_zero() {
        let cut = VideoPlan { origin: 500, in_point: true, ..plan(Ratio::new(1, 1000), Some(1001)) };
        let mut clock = FrameClock::new(&cut, true);
        assert_eq!(clock.place(Some(0)), Some(-12 * 1001));
        assert_eq!(clock.end(None), -11 * 1001);
        assert_eq!(clock.place(Some(499)), Some(0));
        let mut untimed = FrameClock::new(&cut, true);
        assert_eq!(untimed.place(None), Some(-12 * 1001));
        assert_eq!(untimed.place(None), Some(-11 * 1001));
    }

    #[test]
    fn a_lone_picture_that_is_shown_early_still_ends_at_its_own_time() {
        let mut clock = FrameClock::new(&plan(Ratio::new(1, 24_000), Some(1001)), true);
        assert_eq!(clock.place(Some(36 * 1001)), Some(0));
        assert_eq!(clock.end(None), 37 * 1001);
    }

    #[test]
    fn equal_times_are_nudged_and_wild_ones_left_out() {
        let mut clock = FrameClock::new(&plan(Ratio::new(1, 24_000), None), true);
        assert_eq!(clock.place(Some(0)), Some(0));
        assert_eq!(clock.place(Some(0)), Some(250));
        assert_eq!(clock.place(Some(48_000)), Some(48_000));
        assert_eq!(clock.place(Some(100)), None);
        assert_eq!(clock.place(None), Some(49_001));
    }

    #[test]
    fn streams_that_jump_together_stay_together() {
        let tb = Ratio::new(1, 1000);
        let mut mender = JumpMender::new(true);
        assert_eq!(mender.shift(0, Some(1000), 40, tb), 0);
        assert_eq!(mender.shift(1, Some(990), 20, tb), 0);
        let first = mender.shift(0, Some(9_001_040), 40, tb);
        assert_eq!(first, -9_000_000);
        assert_eq!(mender.shift(1, Some(9_001_030), 20, tb), first);
        assert_eq!(mender.shift(0, Some(9_001_080), 40, tb), first);
        assert_eq!(mender.shift_of_sparse(tb), first);
    }

    #[test]
    fn a_pause_is_not_a_jump() {
        let mut mender = JumpMender::new(true);
        let tb = Ratio::new(1, 1000);
        mender.shift(0, Some(0), 40, tb);
        assert_eq!(mender.shift(0, Some(5_000), 40, tb), 0);
    }
}
