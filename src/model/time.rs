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
    fn seconds_are_printed_exactly() {
        assert_eq!(decimal_seconds(360_360, 90_000, 6), "4.004000");
        assert_eq!(decimal_seconds(1, 3, 3), "0.333");
        assert_eq!(decimal_seconds(2, 3, 0), "1");
        assert_eq!(decimal_seconds(-1024, 48_000, 3), "-0.021");
    }
}
