//! Media time: integers in a time base, never floats.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A positive fraction: a time base in seconds per tick, a frame rate in frames per second, an aspect ratio.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator.
    pub num: i64,
    /// Denominator; zero means "not known".
    pub den: i64,
}

impl Ratio {
    /// A fraction as given, not reduced.
    pub const fn new(num: i64, den: i64) -> Self {
        Self { num, den }
    }

    /// Whether both parts are positive, so that the value can be used in arithmetic.
    pub const fn is_known(self) -> bool {
        self.num > 0 && self.den > 0
    }

    /// The same value in lowest terms.
    pub fn reduced(self) -> Self {
        let divisor = gcd(self.num.unsigned_abs(), self.den.unsigned_abs()).max(1) as i64;
        Self::new(self.num / divisor, self.den / divisor)
    }

    /// `den / num`: a frame rate from a frame duration and the other way round.
    pub const fn inverse(self) -> Self {
        Self::new(self.den, self.num)
    }

    /// The value in thousandths, rounded to nearest: for comparing and for showing.
    pub fn millis(self) -> i64 {
        if self.den == 0 {
            return 0;
        }
        scale_round(self.num, 1000, self.den)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// `value * num / den`, rounded to nearest, halves away from zero, in 128 bits. `den` must not be zero.
pub fn scale_round(value: i64, num: i64, den: i64) -> i64 {
    let product = i128::from(value) * i128::from(num);
    let den = i128::from(den);
    let (product, den) = if den < 0 { (-product, -den) } else { (product, den) };
    let half = den / 2;
    let rounded = if product >= 0 { (product + half) / den } else { (product - half) / den };
    clamp_i64(rounded)
}

/// `value * num / den`, rounded down, in 128 bits. `den` must be positive.
pub fn scale_floor(value: i64, num: i64, den: i64) -> i64 {
    clamp_i64((i128::from(value) * i128::from(num)).div_euclid(i128::from(den)))
}

/// `value * num / den`, rounded up, in 128 bits. `den` must be positive.
pub fn scale_ceil(value: i64, num: i64, den: i64) -> i64 {
    clamp_i64(-((-i128::from(value) * i128::from(num)).div_euclid(i128::from(den))))
}

/// A number of ticks of `from` expressed in ticks of `to`, rounded to nearest.
pub fn rescale(value: i64, from: Ratio, to: Ratio) -> i64 {
    scale_round(value, from.num.saturating_mul(to.den), from.den.saturating_mul(to.num))
}

/// Where a source's timestamps lie on the output timeline. Planner and stages share it, so that they agree to the tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeline {
    /// Seconds a tick in the source; must be known.
    pub time_base: Ratio,
    /// Source timestamp that becomes zero.
    pub origin: i64,
    /// Ticks a second of the output.
    pub timescale: u32,
    /// Frame duration in output ticks when the rate is constant.
    pub frame_ticks: Option<u32>,
}

impl Timeline {
    /// Seconds a tick of the output.
    pub const fn output_time_base(&self) -> Ratio {
        Ratio::new(1, self.timescale as i64)
    }

    /// Output ticks of a source timestamp, to the nearest.
    pub fn ticks(&self, pts: i64) -> i64 {
        rescale(pts.saturating_sub(self.origin), self.time_base, self.output_time_base())
    }

    /// At a constant rate the nearest multiple of a frame; otherwise the same ticks.
    pub fn snap(&self, ticks: i64) -> i64 {
        match self.frame_ticks {
            Some(frame) => scale_round(ticks, 1, i64::from(frame)).saturating_mul(i64::from(frame)),
            None => ticks,
        }
    }
}

fn clamp_i64(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// The greatest common divisor; zero only for two zeros.
pub const fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Seconds with `digits` decimals from `ticks` at `timescale` ticks a second, rounded to nearest: what manifests print.
pub fn decimal_seconds(ticks: i64, timescale: u32, digits: u32) -> String {
    let unit = 10_i64.pow(digits.min(9));
    let scaled = scale_round(ticks, unit, i64::from(timescale.max(1)));
    let (sign, scaled) = if scaled < 0 { ("-", -scaled) } else { ("", scaled) };
    if digits == 0 {
        return format!("{sign}{scaled}");
    }
    format!("{sign}{}.{:0width$}", scaled / unit, scaled % unit, width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_symmetric_and_floor_is_not() {
        assert_eq!(scale_round(5, 1, 2), 3);
        assert_eq!(scale_round(-5, 1, 2), -3);
        assert_eq!(scale_floor(-5, 1, 2), -3);
        assert_eq!(scale_floor(5, 1, 2), 2);
        assert_eq!(scale_ceil(5, 1, 2), 3);
        assert_eq!(scale_ceil(4, 1, 2), 2);
    }

    #[test]
    fn ntsc_ticks_survive_a_day() {
        let frame = Ratio::new(1001, 30000);
        let ticks = rescale(86_400 * 30, frame, Ratio::new(1, 90000));
        assert_eq!(ticks, 86_400 * 30 * 3003);
    }

    #[test]
    fn rounded_timestamps_snap_to_whole_frames() {
        let time_base = Ratio::new(1, 1000);
        let line = Timeline { time_base, origin: 500, timescale: 24_000, frame_ticks: Some(1001) };
        let snapped = [500, 542, 583, 625].map(|pts| line.snap(line.ticks(pts)));
        assert_eq!(snapped, [0, 1001, 2002, 3003]);
        assert_eq!(Timeline { frame_ticks: None, ..line }.snap(1008), 1008);
    }

    #[test]
    fn seconds_are_printed_exactly() {
        assert_eq!(decimal_seconds(360_360, 90_000, 6), "4.004000");
        assert_eq!(decimal_seconds(1, 3, 3), "0.333");
        assert_eq!(decimal_seconds(2, 3, 0), "1");
        assert_eq!(decimal_seconds(-1024, 48_000, 3), "-0.021");
    }
}
