//! Instants as text.

/// An instant in UTC, as RFC 3339 and `xs:dateTime` write it, from milliseconds since 1970, between the years 1970 and 9999.
pub fn utc(unix_ms: i64) -> String {
    let ms = unix_ms.clamp(0, LAST_MS);
    let (days, in_day) = (ms / DAY_MS, ms % DAY_MS);
    let (year, month, day) = civil(days);
    let (seconds, millis) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

const DAY_MS: i64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MS: i64 = 253_402_300_799_999;

/// Year, month and day in the proleptic Gregorian calendar, `days` after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Whole cycles of 400 years first, then at most 399 steps.
    const CYCLE: i64 = 146_097;
    let (mut year, mut rest) = (1970 + days / CYCLE * 400, days % CYCLE);
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if rest < length {
            break;
        }
        rest -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_right_around_leap_days_and_at_the_limits() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc(1_709_251_199_000), "2024-02-29T23:59:59.000Z");
        assert_eq!(utc(1_735_689_599_000), "2024-12-31T23:59:59.000Z");
        assert_eq!(utc(1_786_000_000_123), "2026-08-06T07:06:40.123Z");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(utc(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(utc(-1), "1970-01-01T00:00:00.000Z");
    }
}
