//! Peak and mean bit rates of a track as stored, by the definitions of RFC 8216 §4.1. Integer arithmetic throughout.

/// Bytes that play for a number of ticks: a segment, or a key frame with the time that it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Size.
    pub bytes: u64,
    /// Duration, ticks; a piece without a positive duration counts its bytes and no time.
    pub duration: i64,
}

/// The peak segment bit rate in bits a second, rounded up: the largest rate of any run of neighbouring pieces that lasts
/// between half and one and a half target durations (RFC 8216 §4.1). So a very short last segment, whose own rate says
/// nothing about what a network must carry, counts only together with what precedes it.
///
/// A single piece that is longer than such a run counts as one, and the peak is never less than the mean.
pub fn peak(pieces: &[Piece], timescale: u32, target_seconds: u64) -> u64 {
    let target = i128::from(target_seconds) * i128::from(timescale);
    let mut best = mean(pieces, timescale);
    for first in 0..pieces.len() {
        let (mut bytes, mut duration) = (0_u128, 0_i128);
        for (count, piece) in pieces[first..].iter().enumerate() {
            bytes += u128::from(piece.bytes);
            duration += i128::from(piece.duration.max(0));
            // Twice everything, so that halves of ticks need no rounding.
            if count > 0 && 2 * duration > 3 * target {
                break;
            }
            if 2 * duration >= target {
                best = best.max(rate_ceil(bytes, duration, timescale));
            }
        }
    }
    best
}

/// The mean bit rate in bits a second, rounded up: all bits over all time (RFC 8216 §4.1, average segment bit rate).
pub fn mean(pieces: &[Piece], timescale: u32) -> u64 {
    let bytes = pieces.iter().map(|piece| u128::from(piece.bytes)).sum();
    let duration = pieces.iter().map(|piece| i128::from(piece.duration.max(0))).sum();
    rate_ceil(bytes, duration, timescale)
}

fn rate_ceil(bytes: u128, duration: i128, timescale: u32) -> u64 {
    let Ok(duration) = u128::try_from(duration) else { return 0 };
    if duration == 0 {
        return 0;
    }
    let bits = bytes.saturating_mul(8).saturating_mul(u128::from(timescale));
    u64::try_from(bits.div_ceil(duration)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(list: &[(u64, i64)]) -> Vec<Piece> {
        list.iter().map(|&(bytes, duration)| Piece { bytes, duration }).collect()
    }

    #[test]
    fn the_largest_segment_is_the_peak_and_all_of_it_the_mean() {
        let list = pieces(&[(1_000_000, 4000), (2_000_000, 4000), (500_000, 4000)]);
        assert_eq!(peak(&list, 1000, 4), 4_000_000);
        assert_eq!(mean(&list, 1000), 2_333_334);
    }

    #[test]
    fn a_very_short_last_segment_counts_only_with_its_neighbour() {
        let list = pieces(&[(1_000_000, 4000), (100_000, 40)]);
        let alone = 100_000 * 8 * 1000 / 40;
        assert_eq!(peak(&list, 1000, 4), (1_100_000_u64 * 8 * 1000).div_ceil(4040));
        assert!(peak(&list, 1000, 4) < alone);
    }

    #[test]
    fn a_run_of_short_segments_is_measured_together() {
        // Halves of two seconds against a target of six: at least two of them make a run.
        let list = pieces(&[(100, 2000), (900, 2000), (900, 2000), (100, 2000)]);
        assert_eq!(peak(&list, 1000, 6), (1_800_u64 * 8).div_ceil(4));
    }

    #[test]
    fn nothing_measurable_is_zero_and_a_short_track_is_its_mean() {
        assert_eq!(peak(&[], 1000, 4), 0);
        assert_eq!(mean(&[], 1000), 0);
        assert_eq!(mean(&pieces(&[(5, 0)]), 1000), 0);
        assert_eq!(peak(&pieces(&[(1000, 40)]), 1000, 4), 200_000);
        assert_eq!(peak(&pieces(&[(1000, 10_000)]), 1000, 4), 800);
    }

    #[test]
    fn sizes_at_the_limits_saturate() {
        assert_eq!(peak(&pieces(&[(u64::MAX, 1)]), u32::MAX, 1), u64::MAX);
        assert_eq!(peak(&pieces(&[(1, i64::MAX), (1, i64::MAX)]), 1, 1), 1);
    }
}
