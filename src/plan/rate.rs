//! Bit rates: what a picture of some size and frame rate needs, and what its source is worth.

use crate::model::facts::{MediaFacts, StreamFacts, VideoFacts};
use crate::model::request::RateMode;
use crate::model::{RateControl, Ratio, VideoCodec};

/// H.264 rates for 16:9 pictures at up to 30 frames a second: (pixels, bits a second), ascending.
const ANCHORS: [(u64, u64); 7] = [
    (426 * 240, 400_000),
    (640 * 360, 800_000),
    (854 * 480, 1_400_000),
    (1280 * 720, 2_800_000),
    (1920 * 1080, 5_000_000),
    (2560 * 1440, 9_000_000),
    (3840 * 2160, 16_000_000),
];
/// Lowest rate that is given to a rung, bits a second: headers, and something to see.
const RATE_MIN: u64 = 50_000;
/// How far a rung may go over what its source spends on as many pixels, in percent: encoding again needs a little more
/// for the same look, and more than that is spent on copying the source's own noise and artefacts.
const SOURCE_MARGIN_PERCENT: u64 = 130;
/// A source's rate caps a rung down to this part of the table's rate and no further. Small rungs need more bits a pixel
/// than the source's size tells (a 4K VP9 source of 0.8 Mb/s made a 360p rung of SSIM 0.6 at an eighth), and each segment
/// starts with a key frame, which a still source with rare ones never had to pay for.
const SOURCE_CAP_FLOOR: u64 = 2;
/// The bucket fills at this many percent of the average rate.
const MAX_RATE_PERCENT: u64 = 107;
/// In two passes it fills at this many percent: bits can be moved to where they are needed only as far as the bucket lets
/// them, and a bucket at the average leaves nothing to move.
const TWO_PASS_MAX_RATE_PERCENT: u64 = 150;
/// The bucket holds this many percent of one second at the average rate.
const BUFFER_PERCENT: u64 = 150;

/// What the source spends on its pictures, as the rate that H.264 would need for them, and how many pixels they have.
#[derive(Clone, Copy)]
pub(super) struct SourceRate {
    /// Bits a second, H.264.
    h264: u64,
    /// Pixels of a picture as shown.
    pixels: u64,
}

impl SourceRate {
    /// From the stream's own rate where it is declared, otherwise the container's less what its sound declares.
    pub(super) fn of(facts: &MediaFacts, stream: &StreamFacts, video: &VideoFacts) -> Option<Self> {
        let sound: u64 = facts.audio_streams().filter_map(|(s, _)| s.bit_rate).sum();
        let rest = facts.bit_rate.and_then(|all| all.checked_sub(sound));
        let rate = stream.bit_rate.filter(|rate| *rate > 0).or(rest).filter(|rate| *rate > 0)?;
        let h264 = rate.min(1 << 40) * 100 / source_percent(&stream.codec);
        Some(Self { h264, pixels: u64::from(video.display_width.max(1)) * u64::from(video.display_height.max(1)) })
    }
}

/// The rate of a rung as H.264, bits a second: from the table by pixels (to the power 3/4) and frames (square root of
/// their ratio to 30), at most 1.3 times what the source would have at that size, whole thousands.
pub(super) fn h264_rate(width: u32, height: u32, frame_rate: Ratio, source: Option<SourceRate>) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let wanted = for_frames(for_pixels(pixels), frame_rate);
    let capped = match source {
        Some(source) => {
            let worth = times_power_three_quarters(source.h264, pixels, source.pixels)
                .saturating_mul(SOURCE_MARGIN_PERCENT)
                / 100;
            wanted.min(worth.max(wanted / SOURCE_CAP_FLOOR))
        }
        None => wanted,
    };
    (capped.max(RATE_MIN) + 500) / 1000 * 1000
}

/// The same look in another codec, whole thousands.
pub(super) fn for_codec(h264_rate: u64, codec: VideoCodec) -> u64 {
    ((h264_rate * codec.traits().rate_percent / 100).max(RATE_MIN) + 500) / 1000 * 1000
}

/// How bits are spent on a rung of `bitrate` bits a second. AV1 has no average under a bucket here: SVT-AV1 takes
/// forced key frames in its constant quality modes alone ("only supported with RA CRF/CQP mode", 1.4.1), and without
/// them its segments would not align. Constant quality under the same bucket stands in.
pub(super) fn control(mode: RateMode, codec: VideoCodec, bitrate: u64) -> RateControl {
    let max_rate = bitrate * MAX_RATE_PERCENT / 100;
    let buffer = bitrate * BUFFER_PERCENT / 100;
    let crf = mode.crf().unwrap_or(default_crf(codec));
    match mode {
        RateMode::Vbv if codec == VideoCodec::Av1 => RateControl::CappedCrf { crf, max_rate: bitrate, buffer },
        // libvpx in one pass keeps to a bucket that is filled at the average rate, and to no other.
        RateMode::Vbv if codec == VideoCodec::Vp9 => RateControl::Vbv { bitrate, max_rate: bitrate, buffer },
        RateMode::Vbv => RateControl::Vbv { bitrate, max_rate, buffer },
        RateMode::TwoPass => {
            let max_rate = bitrate * TWO_PASS_MAX_RATE_PERCENT / 100;
            RateControl::TwoPass { bitrate, max_rate, buffer }
        }
        RateMode::CappedCrf { .. } => RateControl::CappedCrf { crf, max_rate, buffer },
        RateMode::Crf { .. } => RateControl::Crf { crf },
    }
}

/// The rate that growing manifests declare: the bucket's, and twice the table's where nothing bounds it. SVT-AV1 goes
/// over its cap by up to a quarter (1.4.1, measured on noise at 100 to 400 kb/s), and libvpx starts with a full bucket. In two
/// passes whole buckets are spent on hard segments: film went over the bucket's rate by 3 % with x264 and x265 and by 28 %
/// with libvpx (1.12), which keeps to it over longer runs alone.
pub(super) fn declared_peak(control: RateControl, codec: VideoCodec, bitrate: u64) -> u64 {
    let peak = control.declared_peak(bitrate * 2);
    match codec {
        VideoCodec::Vp9 if control.is_two_pass() => peak * 3 / 2,
        VideoCodec::Av1 | VideoCodec::Vp9 => peak * 5 / 4,
        VideoCodec::H264 | VideoCodec::Hevc if control.is_two_pass() => peak * 5 / 4,
        VideoCodec::H264 | VideoCodec::Hevc => peak,
    }
}

/// The constant rate factor that is taken when none is asked. About the same look in each codec: on five seconds of
/// film at 720p, balanced, SSIM 0.963, 0.962 and 0.962 at 1516, 1024 and 970 kb/s.
const fn default_crf(codec: VideoCodec) -> u8 {
    match codec {
        VideoCodec::H264 => 23,
        VideoCodec::Hevc => 24,
        VideoCodec::Av1 => 32,
        VideoCodec::Vp9 => 33,
    }
}

/// The range of constant rate factors that an encoder takes. Zero is lossless, which profiles for playback exclude.
pub(super) const fn crf_max(codec: VideoCodec) -> u8 {
    match codec {
        VideoCodec::H264 | VideoCodec::Hevc => 51,
        VideoCodec::Av1 | VideoCodec::Vp9 => 63,
    }
}

/// Never more than the next anchor's rate, so that rates grow with size everywhere.
fn for_pixels(pixels: u64) -> u64 {
    let above = ANCHORS.iter().position(|(anchor, _)| *anchor > pixels).unwrap_or(ANCHORS.len());
    let (anchor, rate) = ANCHORS[above.saturating_sub(1)];
    let scaled = times_power_three_quarters(rate, pixels, anchor);
    ANCHORS.get(above).map_or(scaled, |(_, next)| scaled.min(*next))
}

fn for_frames(rate: u64, frame_rate: Ratio) -> u64 {
    let (num, den) = (frame_rate.num.max(0) as u128, frame_rate.den.max(1) as u128);
    if num <= 30 * den {
        return rate;
    }
    // Above 240 frames a second more frames bring no more detail.
    let (num, den) = if num > 240 * den { (240, 1) } else { (num, den) };
    (u128::from(rate) * u128::from(rate) * num / (30 * den)).isqrt() as u64
}

/// `rate * (part / whole)^(3/4)` in integers. Sides stay under 2^14, so pixels stay under 2^28 and the product under
/// 2^124.
fn times_power_three_quarters(rate: u64, part: u64, whole: u64) -> u64 {
    let cube = |n: u64| u128::from(n.min(1 << 28)).pow(3);
    let factor = ((cube(part) << 40) / cube(whole.max(1))).isqrt().isqrt();
    u64::try_from((u128::from(rate) * factor) >> 10).unwrap_or(u64::MAX)
}

/// What a source's codec spends for the same look, in hundredths of H.264's. Rough: it only bounds rates from above.
fn source_percent(codec: &str) -> u64 {
    match codec {
        "vvc" => 45,
        "av1" => 55,
        "hevc" | "vp9" => 65,
        "mpeg1video" | "mpeg2video" => 200,
        "mpeg4" | "msmpeg4v1" | "msmpeg4v2" | "msmpeg4v3" | "h263" | "flv1" | "wmv1" | "wmv2" | "theora" => 150,
        "mjpeg" | "prores" | "dnxhd" | "dvvideo" | "rawvideo" | "ffv1" | "huffyuv" | "utvideo" | "gif" | "cinepak" => {
            400
        }
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FPS_25: Ratio = Ratio::new(25, 1);

    #[test]
    fn the_table_is_met_exactly_and_rates_grow_with_size() {
        for (pixels, rate) in ANCHORS {
            assert_eq!(for_pixels(pixels), rate);
        }
        let mut last = 0;
        for side in (16..4320).step_by(2) {
            let rate = for_pixels(u64::from(side * side * 16_u32 / 9));
            assert!(rate >= last, "{side}");
            last = rate;
        }
    }

    #[test]
    fn twice_the_frames_cost_the_root_of_two() {
        assert_eq!(h264_rate(1920, 1080, FPS_25, None), 5_000_000);
        assert_eq!(h264_rate(1920, 1080, Ratio::new(60_000, 1001), None), 7_068_000);
        assert_eq!(h264_rate(1920, 1080, Ratio::new(1000, 1), None), h264_rate(1920, 1080, Ratio::new(240, 1), None));
    }

    #[test]
    fn a_thin_source_caps_its_ladder_but_leaves_room_for_key_frames() {
        let thin = SourceRate { h264: 3_000_000, pixels: 1920 * 1080 };
        assert_eq!(h264_rate(1920, 1080, FPS_25, Some(thin)), 3_900_000);
        let still = SourceRate { h264: 40_000, pixels: 1920 * 1080 };
        assert_eq!(h264_rate(1920, 1080, FPS_25, Some(still)), 2_500_000);
    }

    #[test]
    fn av1_spends_an_average_as_capped_quality() {
        let control = control(RateMode::Vbv, VideoCodec::Av1, 1_000_000);
        assert!(matches!(control, RateControl::CappedCrf { max_rate: 1_000_000, .. }));
        assert_eq!(declared_peak(control, VideoCodec::Av1, 1_000_000), 1_250_000);
    }

    #[test]
    fn growing_manifests_declare_more_than_was_ever_measured() {
        let declared = |mode, codec| declared_peak(control(mode, codec, 400_000), codec, 400_000);
        // Segments of 2 s of a film at 400 kb/s: 467,492, 408,104 and 766,660 b/s at most.
        assert_eq!(declared(RateMode::Vbv, VideoCodec::Vp9), 500_000);
        assert_eq!(declared(RateMode::CappedCrf { crf: None }, VideoCodec::Vp9), 535_000);
        assert_eq!(declared(RateMode::TwoPass, VideoCodec::Vp9), 900_000);
        assert_eq!(declared(RateMode::TwoPass, VideoCodec::H264), 750_000);
    }

    #[test]
    fn hostile_numbers_do_not_overflow() {
        let source = SourceRate { h264: u64::MAX / 1000, pixels: 1 };
        assert_eq!(h264_rate(16_384, 16_384, Ratio::new(i64::MAX, 1), Some(source)) % 1000, 0);
        assert!(h264_rate(2, 2, Ratio::new(0, 0), None) >= RATE_MIN);
    }
}
