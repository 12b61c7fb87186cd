//! Times and durations.

use prost_types::{Duration, Timestamp};

/// A time of day from milliseconds since 1970.
pub(in crate::api) fn timestamp(unix_ms: i64) -> Timestamp {
    Timestamp { seconds: unix_ms.div_euclid(1000), nanos: unix_ms.rem_euclid(1000) as i32 * 1_000_000 }
}

/// A duration from microseconds; seconds and nanoseconds have the same sign.
pub(crate) const fn micros(us: i64) -> Duration {
    Duration { seconds: us / 1_000_000, nanos: (us % 1_000_000) as i32 * 1000 }
}

/// A duration from milliseconds.
pub(super) fn millis(ms: u64) -> Duration {
    micros(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// A duration from seconds.
pub(super) fn seconds(s: u64) -> Duration {
    Duration { seconds: i64::try_from(s).unwrap_or(i64::MAX), nanos: 0 }
}
