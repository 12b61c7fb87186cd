//! The level of a VP9 stream, which its bitstream does not say and its `vpcC` must.

use crate::model::Ratio;

/// Level as ten times its number, samples of luma a second, of a picture, and the longest side
/// (VP9 Levels and Decoder Testing, "VP9 Level Definitions").
const LEVELS: [(u8, u64, u64, u32); 14] = [
    (10, 829_440, 36_864, 512),
    (11, 2_764_800, 73_728, 768),
    (20, 4_608_000, 122_880, 960),
    (21, 9_216_000, 245_760, 1344),
    (30, 20_736_000, 552_960, 2048),
    (31, 36_864_000, 983_040, 2752),
    (40, 83_558_400, 2_228_224, 4160),
    (41, 160_432_128, 2_228_224, 4160),
    (50, 311_951_360, 8_912_896, 8384),
    (51, 588_251_136, 8_912_896, 8384),
    (52, 1_176_502_272, 8_912_896, 8384),
    (60, 1_176_502_272, 35_651_584, 16_832),
    (61, 2_353_004_544, 35_651_584, 16_832),
    (62, 4_706_009_088, 35_651_584, 16_832),
];

/// The lowest level that has room for such pictures; the highest one where none has. A rate that is not known counts as 30
/// frames a second.
pub fn vp9_level(width: u32, height: u32, frame_rate: Ratio) -> u8 {
    let picture = u64::from(width) * u64::from(height);
    let (num, den) = if frame_rate.is_known() { (frame_rate.num, frame_rate.den) } else { (30, 1) };
    let fits = |(_, rate, size, side): &&(u8, u64, u64, u32)| {
        u128::from(picture) * num.unsigned_abs() as u128 <= u128::from(*rate) * den.unsigned_abs() as u128
            && picture <= *size
            && width.max(height) <= *side
    };
    LEVELS.iter().find(fits).map_or(62, |(level, ..)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_size_rate_and_shape() {
        let fps = |num| Ratio::new(num, 1);
        assert_eq!(vp9_level(256, 144, fps(15)), 10);
        assert_eq!(vp9_level(640, 360, fps(30)), 21);
        assert_eq!(vp9_level(1280, 720, Ratio::new(30_000, 1001)), 31);
        assert_eq!(vp9_level(1920, 1080, fps(30)), 40);
        assert_eq!(vp9_level(1920, 1080, fps(60)), 41);
        assert_eq!(vp9_level(3840, 2160, fps(60)), 51);
        assert_eq!(vp9_level(2000, 16, fps(25)), 30, "a long side counts by itself");
        assert_eq!(vp9_level(16_384, 16_384, fps(1000)), 62);
        assert_eq!(vp9_level(1280, 720, Ratio::new(0, 0)), 31);
    }
}
