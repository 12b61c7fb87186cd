//! The part of a source that is asked for: from an in point, up to an end (FEATURES I9).

use super::notes::Notes;
use super::timeline::{self, Clock, MICROS, Origin, between, related};
use crate::model::facts::{AudioFacts, MediaFacts, StreamFacts, VideoFacts};
use crate::model::time::{Timeline, decimal_seconds, rescale};
use crate::model::{Problem, Ratio};

/// A cut that moves by less than this, µs, is not worth telling: times of pictures are written with three decimals.
const MOVE_US_TOLD: i64 = 1000;

/// What of a source is made, and where it lies on the output timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// Where the source itself begins.
    start: Origin,
    /// The instant that becomes zero.
    pub origin: Origin,
    /// From one to the other, µs; zero for no in point.
    pub in_us: i64,
    /// Where outputs end on their own timeline: ticks, and the time base that they count in.
    end: Option<(i64, Ratio)>,
    /// Expected duration of what is made, µs.
    pub duration_us: Option<i64>,
}

impl Range {
    /// The whole of a source.
    pub(super) const fn whole(start: Origin, duration_us: Option<i64>) -> Self {
        Self { start, origin: start, in_us: 0, end: None, duration_us }
    }

    /// Whether zero is not where the source begins.
    pub(super) const fn in_point(&self) -> bool {
        self.in_us != 0
    }

    /// Where outputs end, in ticks of `time_base` on their own timeline.
    pub(super) fn end_in(&self, time_base: Ratio) -> Option<i64> {
        self.end.map(|(at, own)| if own == time_base { at } else { between(at, own, time_base).max(1) })
    }

    /// The origin of a track of sound: the common one, or its own start where the two clocks have nothing to do with
    /// each other and the offset between them would be hours of silence, or would cut all of the sound away.
    pub(super) fn for_audio(&self, stream: &StreamFacts, audio: &AudioFacts, longest_us: i64) -> (i64, bool) {
        let time_base = stream.time_base;
        let unrelated = |first: &i64| !related(timeline::micros(*first, time_base), self.start.micros(), longest_us);
        match audio.first_pts.filter(unrelated) {
            Some(first) => (first.saturating_add(between(self.in_us, MICROS, time_base)), false),
            None => (self.origin.in_ticks(time_base), true),
        }
    }
}

/// Pictures, and the clock that they get.
pub(super) type Timed<'a> = (&'a StreamFacts, &'a VideoFacts, Clock);

/// Cuts a source, times in µs from `start`. At a constant frame rate both cuts move to the nearest picture, so that
/// pictures and sound stay together to the sample and every frame lasts a frame.
///
/// # Errors
/// `request.trim`, about `start` or `end` of the source.
pub(super) fn range(
    facts: &MediaFacts,
    pictures: Option<Timed<'_>>,
    start: Origin,
    (from_us, to_us): (Option<i64>, Option<i64>),
    notes: &mut Notes,
) -> Result<Range, Problem> {
    let duration_us = timeline::duration_us(facts, start.micros());
    let mut range = Range::whole(start, duration_us);
    let asked_us = from_us.unwrap_or(0);
    refuse(asked_us, to_us, duration_us)?;
    if asked_us > 0 {
        range.origin = in_point(pictures, start, asked_us, duration_us);
        range.in_us = range.origin.micros().saturating_sub(start.micros());
        if range.in_us == 0 {
            range.origin = start;
        }
        tell_move("begins", asked_us, range.in_us, notes);
        range.duration_us = duration_us.map(|us| us.saturating_sub(range.in_us).max(1));
    }
    if let Some(to_us) = to_us {
        let (at, time_base) = end(pictures, to_us.saturating_sub(range.in_us));
        let last_us = between(at, time_base, MICROS).max(1);
        range.end = Some((at, time_base));
        match duration_us.filter(|whole| to_us > *whole) {
            Some(whole) => {
                let message = format!("the source ends at {} s, before the end that was asked for", seconds(whole));
                notes.add("trim.end_beyond", message);
            }
            None => tell_move("ends", to_us, last_us.saturating_add(range.in_us), notes),
        }
        range.duration_us = range.duration_us.map(|us| us.min(last_us));
    }
    Ok(range)
}

fn refuse(from_us: i64, to_us: Option<i64>, duration_us: Option<i64>) -> Result<(), Problem> {
    if from_us < 0 {
        let message = "the start of a part cannot lie before the source: give a time from 0 on";
        return Err(Problem::input("request.trim", message).at("start"));
    }
    if let Some(to_us) = to_us.filter(|to_us| *to_us <= from_us) {
        let (from, to) = (seconds(from_us), seconds(to_us));
        let message = format!("a part from {from} s to {to} s is empty: give an end after the start");
        return Err(Problem::input("request.trim", message).at("end"));
    }
    if let Some(whole) = duration_us.filter(|whole| from_us >= *whole && from_us > 0) {
        let message = format!(
            "the source lasts {} s, so nothing of it lies behind {} s: give an earlier start",
            seconds(whole),
            seconds(from_us)
        );
        return Err(Problem::input("request.trim", message).at("start"));
    }
    Ok(())
}

/// The instant that is `in_us` behind `start`, or the picture nearest to it that is not the end.
fn in_point(pictures: Option<Timed<'_>>, start: Origin, in_us: i64, duration_us: Option<i64>) -> Origin {
    let exact = Origin { at: start.at.saturating_add(between(in_us, MICROS, start.time_base)), ..start };
    let Some((stream, video, clock)) =
        pictures.filter(|(stream, _, clock)| clock.frame_ticks.is_some() && stream.time_base.is_known())
    else {
        return exact;
    };
    let time_base = stream.time_base;
    let origin = video.first_pts.unwrap_or_else(|| start.in_ticks(time_base));
    let line = Timeline { time_base, origin, timescale: clock.timescale, frame_ticks: clock.frame_ticks };
    let picture = |ticks: i64| {
        let at = origin.saturating_add(rescale(ticks, line.output_time_base(), time_base));
        Origin { at, time_base }
    };
    let nearest = line.snap(line.ticks(exact.in_ticks(time_base)));
    let all_us = duration_us.unwrap_or(i64::MAX);
    let behind = picture(nearest).micros().saturating_sub(start.micros()) >= all_us;
    let frame = clock.frame_ticks.map_or(0, i64::from);
    picture(if behind { nearest.saturating_sub(frame) } else { nearest })
}

/// `end_us` on the output timeline; at a constant rate a whole number of frames, at least one.
fn end(pictures: Option<Timed<'_>>, end_us: i64) -> (i64, Ratio) {
    let Some((_, _, clock)) = pictures else { return (end_us.max(1), MICROS) };
    let time_base = Ratio::new(1, i64::from(clock.timescale));
    let ticks = between(end_us, MICROS, time_base);
    let line = Timeline { time_base, origin: 0, timescale: clock.timescale, frame_ticks: clock.frame_ticks };
    (line.snap(ticks).max(clock.frame_ticks.map_or(1, i64::from)), time_base)
}

fn tell_move(what: &str, asked_us: i64, made_us: i64, notes: &mut Notes) {
    if asked_us.saturating_sub(made_us).saturating_abs() > MOVE_US_TOLD {
        let message = format!(
            "the part of the source {what} at {} s, with a whole picture, instead of {} s",
            seconds(made_us),
            seconds(asked_us)
        );
        notes.add("trim.moved", message);
    }
}

fn seconds(micros: i64) -> String {
    decimal_seconds(micros, 1_000_000, 3)
}
