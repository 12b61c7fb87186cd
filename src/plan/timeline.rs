//! When things happen: the instant that becomes zero, ticks, duration, spans.

use super::notes::Notes;
use crate::model::facts::{AudioFacts, MediaFacts, StreamFacts, VideoFacts};
use crate::model::limits::SPANS_MAX;
use crate::model::plan::{Grid, SpanRange};
use crate::model::time::{rescale, scale_ceil};
use crate::model::{Problem, Ratio};

/// Sound that starts this much before the first picture is kept, µs: the picture is then late on the timeline. Below
/// it, the sound before the picture is the priming and interleaving of ordinary files, and is trimmed.
const AUDIO_LEAD_US: i64 = 1_000_000;
/// Streams whose starts lie further apart than this, µs, and than the source is long, are on clocks of their own.
const START_SPREAD_US_MAX: i64 = 600_000_000;
/// Fewest and most ticks a second of a constant-rate timeline: fine enough for manifests, small enough that a day
/// stays far from 2^53, which browsers count in.
const TIMESCALE_MIN: i64 = 10_000;
const TIMESCALE_MAX: i64 = 1_000_000;
/// Highest constant frame rate that is believed; faster ones are timestamps' units, not rates.
const FRAME_RATE_MAX: i64 = 1000;
/// Ticks a second of a variable-rate timeline: MPEG's own clock, so that TS loses nothing.
const TIMESCALE_VARIABLE: u32 = 90_000;
/// The frame rate that is taken when the source does not say.
const FRAME_RATE_UNKNOWN: Ratio = Ratio::new(30, 1);
/// Microseconds.
pub(super) const MICROS: Ratio = Ratio::new(1, 1_000_000);

/// The clock of the outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Clock {
    /// Ticks a second.
    pub timescale: u32,
    /// Ticks of a frame, where all are the same.
    pub frame_ticks: Option<u32>,
    /// Frames a second; the mean where variable.
    pub frame_rate: Ratio,
}

/// The clock for these pictures. At a constant rate its ticks divide a frame: 25 gives 25000 ticks a second and 1000
/// a frame, 30000/1001 stays as it is. Rates over 1000 frames a second, or of too large a numerator, are not rates.
pub(super) fn clock(video: &VideoFacts) -> Clock {
    at_rate(video.frame_rate, video.variable_rate)
}

/// The clock of pictures that are brought to a rate.
pub(super) fn of_rate(rate: Ratio) -> Clock {
    at_rate(rate, false)
}

fn at_rate(rate: Ratio, varies: bool) -> Clock {
    let rate = rate.reduced();
    let sane = rate.is_known() && rate.num <= rate.den.saturating_mul(FRAME_RATE_MAX) && rate.num <= TIMESCALE_MAX;
    if !sane {
        let frame_rate = if plausible(rate) { rate } else { FRAME_RATE_UNKNOWN };
        return Clock { timescale: TIMESCALE_VARIABLE, frame_ticks: None, frame_rate };
    }
    let mut factor = 1;
    while rate.num * factor < TIMESCALE_MIN {
        factor *= 10;
    }
    let frame_ticks = rate.den.checked_mul(factor).and_then(|ticks| u32::try_from(ticks).ok());
    match frame_ticks.filter(|_| !varies) {
        Some(_) => Clock { timescale: (rate.num * factor) as u32, frame_ticks, frame_rate: rate },
        None => Clock { timescale: TIMESCALE_VARIABLE, frame_ticks: None, frame_rate: rate },
    }
}

fn plausible(rate: Ratio) -> bool {
    rate.is_known()
        && rate.num <= rate.den.saturating_mul(FRAME_RATE_MAX)
        && rate.num <= i64::from(i32::MAX)
        && rate.den <= i64::from(i32::MAX)
}

/// Where zero is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// A timestamp.
    pub at: i64,
    /// The time base that it counts in.
    pub time_base: Ratio,
}

impl Origin {
    /// The same instant in ticks of `time_base`, to the nearest.
    pub(super) fn in_ticks(self, time_base: Ratio) -> i64 {
        if time_base == self.time_base { self.at } else { between(self.at, self.time_base, time_base) }
    }

    /// Microseconds on the container's clock.
    pub(super) fn micros(self) -> i64 {
        self.in_ticks(MICROS)
    }
}

/// The instant that becomes zero: the first picture, or sound that starts at least a second before it, so that none
/// is lost; without pictures the first sound; without timestamps zero.
pub(super) fn origin(
    video: Option<(&StreamFacts, &VideoFacts)>,
    audio: &[(&StreamFacts, &AudioFacts)],
    longest_us: i64,
    notes: &mut Notes,
) -> Origin {
    let starts = audio.iter().filter_map(|(s, a)| a.first_pts.map(|at| Origin { at, time_base: s.time_base }));
    let first_sound = starts.min_by_key(|start| start.micros());
    let Some((stream, facts)) = video else {
        return first_sound.unwrap_or(Origin { at: 0, time_base: MICROS });
    };
    let Some(at) = facts.first_pts else { return Origin { at: 0, time_base: stream.time_base } };
    let first_picture = Origin { at, time_base: stream.time_base };
    let believed = first_sound.filter(|start| related(start.micros(), first_picture.micros(), longest_us));
    match believed {
        Some(sound) if first_picture.micros().saturating_sub(sound.micros()) >= AUDIO_LEAD_US => {
            let lead_ms = (first_picture.micros() - sound.micros()) / 1000;
            notes.add(
                "timeline.audio_first",
                format!("sound starts {lead_ms} ms before the first picture, which is shown from the start"),
            );
            sound
        }
        _ => first_picture,
    }
}

/// Expected duration of the outputs, µs: up to where the media was seen to end, or as declared.
pub(super) fn duration_us(facts: &MediaFacts, origin_us: i64) -> Option<i64> {
    let seen = facts.media_end_us.map(|end| end.saturating_sub(origin_us)).filter(|us| *us > 0);
    let skipped = facts.start_us.map_or(0, |start| origin_us.saturating_sub(start)).max(0);
    let declared = facts.duration_us.map(|us| us.saturating_sub(skipped)).filter(|us| *us > 0);
    seen.or(declared).or(facts.duration_us.filter(|us| *us > 0))
}

/// The longest that the source may be, µs: bounds how far apart its streams can start.
pub(super) fn longest_us(facts: &MediaFacts) -> i64 {
    facts.duration_us.unwrap_or(0).max(START_SPREAD_US_MAX)
}

/// Cuts the grid into `wanted` runs of equal numbers of segments, the first ones longer by one where they do not
/// divide; the last one is open, because durations are estimates. More runs where one may have at most `longest` segments,
/// and one alone where the source cannot be entered midway.
pub(super) fn spans(
    wanted: u32,
    longest: Option<u32>,
    seekable: bool,
    duration_us: Option<i64>,
    grid: Grid,
    notes: &mut Notes,
) -> Vec<SpanRange> {
    let whole = vec![SpanRange { first: 0, end: None }];
    let segments_in =
        |us: i64| scale_ceil(us, 1, i64::from(grid.segment_ms) * 1000).clamp(1, i64::from(u32::MAX)) as u32;
    let needed = longest.zip(duration_us).map_or(1, |(most, us)| segments_in(us).div_ceil(most.max(1)));
    if wanted.max(needed) <= 1 {
        return whole;
    }
    let Some(duration_us) = duration_us.filter(|_| seekable) else {
        let why = if seekable { "its duration is not known" } else { "it cannot be read from the middle" };
        notes.add("spans.one", format!("the source is made in one span: {why}"));
        return whole;
    };
    let segments = segments_in(duration_us);
    let count = wanted.max(needed).min(segments).min(SPANS_MAX);
    if count > wanted {
        let message = format!("the source is made in {count} spans, of each of which two passes keep what they may");
        notes.add("spans.two_pass", message);
    }
    if count < wanted {
        notes.add("spans.fewer", format!("the source has {segments} segments, so it is made in {count} spans"));
    }
    let (each, longer) = (segments / count, segments % count);
    let start = |span: u32| span * each + span.min(longer);
    (0..count).map(|span| SpanRange { first: start(span), end: (span + 1 < count).then(|| start(span + 1)) }).collect()
}

/// The refusal of a number of spans.
pub(super) fn spans_problem(wanted: u32) -> Option<Problem> {
    let bad = wanted == 0 || wanted > SPANS_MAX;
    bad.then(|| Problem::input("request.spans", format!("{wanted} spans cannot be made: ask for 1 to {SPANS_MAX}")))
}

/// Whether two instants can belong to one timeline.
pub(super) fn related(a_us: i64, b_us: i64, longest_us: i64) -> bool {
    a_us.saturating_sub(b_us).saturating_abs() <= longest_us
}

/// Microseconds of a timestamp.
pub(super) fn micros(ticks: i64, time_base: Ratio) -> i64 {
    between(ticks, time_base, MICROS)
}

/// `rescale` that takes a hostile time base as no time at all.
pub(super) fn between(ticks: i64, from: Ratio, to: Ratio) -> i64 {
    if from.is_known() && to.is_known() { rescale(ticks, from, to) } else { 0 }
}
