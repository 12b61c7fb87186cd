//! What timestamps and matrices say: frame rate, whether it varies, rotation. Pure.

use crate::av::input::IndexEntry;
use crate::model::Ratio;
use crate::model::limits::KEY_FRAMES_MAX;
use crate::model::time::{rescale, scale_round};

/// Frame rate of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    /// Frames a second; the mean where variable.
    pub rate: Ratio,
    /// Whether frames leave the grid of that rate by more than rounding.
    pub variable: bool,
}

/// Above this no real recording goes; what claims more has a time base in place of a rate.
const RATE_MAX: i64 = 300;
/// Fewer distinct timestamps than this prove nothing.
const TIMES_MIN: usize = 3;

/// Rates that recordings have, for containers that claim none or a wrong one and round their timestamps.
const USUAL_RATES: [Ratio; 12] = [
    Ratio::new(24_000, 1001),
    Ratio::new(24, 1),
    Ratio::new(25, 1),
    Ratio::new(30_000, 1001),
    Ratio::new(30, 1),
    Ratio::new(50, 1),
    Ratio::new(60_000, 1001),
    Ratio::new(60, 1),
    Ratio::new(15, 1),
    Ratio::new(20, 1),
    Ratio::new(10, 1),
    Ratio::new(12, 1),
];
/// A timestamp may lie off the grid by this part of a frame: jitter and rounding, which snapping takes out again.
const JITTER_PART: i64 = 8;

/// Finds the rate from timestamps (ticks, any order) and what the container claims.
///
/// The most common distance between neighbours tells about how long a frame is; of the rates that the container claims
/// and those that are usual, the first one that fits is taken. The rate is constant when every timestamp lies close to
/// a multiple of that duration: some frames may be missing, but none may stand in between.
pub(super) fn frame_rate(times: &[i64], time_base: Ratio, base_rate: Ratio, mean_rate: Ratio) -> Rate {
    let claimed = |rate: Ratio| rate.is_known() && rate.num <= RATE_MAX * rate.den;
    let fallback = [mean_rate, base_rate].into_iter().find(|rate| claimed(*rate)).unwrap_or(Ratio::new(25, 1));
    let mut times = times.to_vec();
    times.sort_unstable();
    times.dedup();
    if times.len() < TIMES_MIN || !time_base.is_known() {
        // One or two pictures: any rate is right for them.
        return Rate { rate: fallback.reduced(), variable: false };
    }
    let step = most_common_step(&times);
    let fits =
        |rate: &Ratio| claimed(*rate) && (rescale_rate(*rate, time_base) - step * 100).abs() <= (step * 4).max(100);
    let measured = Ratio::new(time_base.den, time_base.num.saturating_mul(step));
    let off = |rate: Ratio| if fits(&rate) { off_grid(&times, time_base, rate) } else { None };
    let claims = [base_rate, mean_rate].into_iter().find(|rate| off(*rate).is_some());
    let beside = |rate: Ratio| (rescale_rate(rate, time_base) - step * 100).abs();
    let usual = || {
        USUAL_RATES.into_iter().filter_map(|rate| Some(((off(rate)?, beside(rate)), rate))).min_by_key(|(by, _)| *by)
    };
    let constant = claims.or_else(|| usual().map(|(_, rate)| rate)).or_else(|| off(measured).map(|_| measured));
    if let Some(rate) = constant {
        return Rate { rate: rate.reduced(), variable: false };
    }
    let span = times[times.len() - 1] - times[0];
    let mean = Ratio::new((times.len() as i64 - 1) * time_base.den, span * time_base.num).reduced();
    Rate { rate: if claimed(mean_rate) { mean_rate.reduced() } else { mean }, variable: true }
}

/// Frame duration of a rate in hundredths of a tick.
fn rescale_rate(rate: Ratio, time_base: Ratio) -> i64 {
    scale_round(rate.den.saturating_mul(100), time_base.den, rate.num.saturating_mul(time_base.num))
}

fn most_common_step(times: &[i64]) -> i64 {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let mut best = (0, 1);
    for group in steps.chunk_by(|a, b| a == b) {
        if group.len() > best.0 {
            best = (group.len(), group[0]);
        }
    }
    best.1.max(1)
}

/// How far timestamps lie off the grid of a rate at most, ticks; `None` when one lies too far, or most places are empty.
fn off_grid(times: &[i64], time_base: Ratio, rate: Ratio) -> Option<i64> {
    let frame = Ratio::new(rate.den, rate.num);
    let length = rescale(1, frame, time_base);
    // One tick is rounding, but only where it is small beside a frame: GIF counts in hundredths of a second.
    let room = (length / JITTER_PART).max(i64::from(length >= 4));
    let slots = rescale(times[times.len() - 1] - times[0], time_base, frame);
    if slots > 2 * times.len() as i64 {
        return None;
    }
    let off = times.iter().map(|time| {
        let offset = time - times[0];
        let nearest = rescale(offset, time_base, frame);
        (rescale(nearest, frame, time_base) - offset).abs()
    });
    off.max().filter(|most| *most <= room)
}

/// The rate of whole pictures, where each field came as a packet of its own: then decoded pictures are twice as far
/// apart as packets.
pub(super) fn whole_pictures(rate: Rate, pictures: &[i64], time_base: Ratio) -> Rate {
    let nearest = pictures.windows(2).map(|pair| (pair[1] - pair[0]).abs()).min();
    let frame = rescale(1, rate.rate.inverse(), time_base);
    match nearest {
        Some(gap) if 2 * gap > 3 * frame && 2 * gap < 5 * frame => {
            Rate { rate: Ratio::new(rate.rate.num, rate.rate.den * 2).reduced(), variable: rate.variable }
        }
        _ => rate,
    }
}

/// Presentation times of the key frames of an index that is in decoding order and times. None when there are more than
/// `KEY_FRAMES_MAX`, or when a hidden picture is followed by a shown one that may need it.
pub(super) fn key_frames(index: &[IndexEntry], delay: i64) -> Vec<i64> {
    let needs_hidden = index.windows(2).any(|pair| pair[0].hidden && !pair[1].hidden && !pair[1].key);
    let keys = || index.iter().filter(|entry| entry.key && !entry.hidden);
    if needs_hidden || keys().count() > KEY_FRAMES_MAX {
        return Vec::new();
    }
    let mut times: Vec<i64> = keys().map(|entry| entry.time.saturating_add(delay)).collect();
    times.sort_unstable();
    times.dedup();
    times
}

/// Degrees clockwise to stand upright, and whether the picture is mirrored first, from a display matrix
/// (ISO/IEC 14496-12 §8.5.2: row-major, 16.16). Turns that are not quarters count as none.
pub(super) fn rotation(matrix: [i32; 9]) -> (u32, bool) {
    let [a, b, _, c, d, ..] = matrix;
    let sign = |value: i32| if value.unsigned_abs() < 1 << 14 { 0 } else { value.signum() };
    match (sign(a), sign(b), sign(c), sign(d)) {
        (0, 1, -1, 0) => (90, false),
        (-1, 0, 0, -1) => (180, false),
        (0, -1, 1, 0) => (270, false),
        (-1, 0, 0, 1) => (0, true),
        (1, 0, 0, -1) => (180, true),
        (0, 1, 1, 0) => (270, true),
        (0, -1, -1, 0) => (90, true),
        _ => (0, false),
    }
}

/// Size as shown: square pixels, upright. The longer of coded and stretched sizes is kept, so nothing is thrown away.
pub(super) fn display_size(width: u32, height: u32, aspect: Ratio, rotation: u32) -> (u32, u32) {
    let aspect = if aspect.is_known() { aspect.reduced() } else { Ratio::new(1, 1) };
    // A wild aspect is a broken header, not a shape.
    let sane = aspect.num <= aspect.den.saturating_mul(20) && aspect.den <= aspect.num.saturating_mul(20);
    let wide = if sane { scale_round(i64::from(width), aspect.num, aspect.den).max(1) } else { i64::from(width) };
    let shown = (u32::try_from(wide).unwrap_or(width), height);
    if rotation % 180 == 90 { (shown.1, shown.0) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Ratio = Ratio::new(1, 1000);
    const NONE: Ratio = Ratio::new(0, 0);

    #[test]
    fn rounded_timestamps_of_a_constant_rate_are_constant() {
        let times: Vec<i64> = (0..100).map(|n| scale_round(n, 1001, 24)).collect();
        let film = Ratio::new(24_000, 1001);
        assert_eq!(frame_rate(&times, MS, film, NONE), Rate { rate: film, variable: false });
    }

    #[test]
    fn missing_frames_leave_the_rate_constant() {
        let times = [0, 40, 80, 160, 200, 240, 320, 400];
        let rate = frame_rate(&times, MS, NONE, NONE);
        assert_eq!(rate, Rate { rate: Ratio::new(25, 1), variable: false });
    }

    #[test]
    fn a_field_rate_is_not_taken_for_a_frame_rate() {
        let times = [0, 40, 80, 120, 160];
        let rate = frame_rate(&times, MS, Ratio::new(50, 1), Ratio::new(25, 1));
        assert_eq!(rate.rate, Ratio::new(25, 1));
    }

    #[test]
    fn milliseconds_without_a_claim_become_a_usual_rate() {
        let times: Vec<i64> = (0..90).map(|n| scale_round(n, 1000, 30)).collect();
        assert_eq!(frame_rate(&times, MS, Ratio::new(60, 1), NONE).rate, Ratio::new(30, 1));
        let times: Vec<i64> = (0..300).map(|n| scale_round(n, 1001, 30)).collect();
        assert_eq!(frame_rate(&times, MS, NONE, NONE).rate, Ratio::new(30_000, 1001));
    }

    #[test]
    fn fields_in_packets_of_their_own_are_half_a_picture_each() {
        let times: Vec<i64> = (0..20).map(|n| n * 20).collect();
        let rate = frame_rate(&times, MS, Ratio::new(50, 1), Ratio::new(25, 1));
        assert_eq!(whole_pictures(rate, &[0, 40, 80], MS).rate, Ratio::new(25, 1));
        assert_eq!(whole_pictures(rate, &[0, 20, 40], MS).rate, Ratio::new(50, 1));
        let frames = frame_rate(&[0, 1, 2, 3, 4], Ratio::new(1, 25), NONE, NONE);
        assert_eq!(whole_pictures(frames, &[0, 1, 2], Ratio::new(1, 25)).rate, Ratio::new(25, 1));
    }

    #[test]
    fn uneven_times_are_variable() {
        assert!(frame_rate(&[0, 33, 71, 95, 160, 171], MS, Ratio::new(600, 1), Ratio::new(25, 1)).variable);
    }

    #[test]
    fn phone_matrices_turn_the_right_way() {
        let one = 1 << 16;
        assert_eq!(rotation([0, one, 0, -one, 0, 0, 0, 0, 1 << 30]), (90, false));
        assert_eq!(rotation([0, -one, 0, one, 0, 0, 0, 0, 1 << 30]), (270, false));
        assert_eq!(rotation([-one, 0, 0, 0, -one, 0, 0, 0, 1 << 30]), (180, false));
        assert_eq!(rotation([one, 0, 0, 0, one, 0, 0, 0, 1 << 30]), (0, false));
    }

    #[test]
    fn display_size_follows_pixels_and_rotation() {
        assert_eq!(display_size(720, 576, Ratio::new(64, 45), 0), (1024, 576));
        assert_eq!(display_size(1920, 1080, Ratio::new(1, 1), 90), (1080, 1920));
        assert_eq!(display_size(640, 360, Ratio::new(0, 1), 0), (640, 360));
    }
}
