//! Normalised minutes: media time weighted by how much work it is to make, so that a bill can be understood without a
//! stopwatch. One is a minute of 1280x720 at up to 30 frames a second in H.264 at the balanced speed. The table for people:
//! `docs/USAGE.md`.

use crate::model::{AudioRendition, Speed, VideoCodec, VideoRendition};

/// Weights are in thousandths.
const ONE: u64 = 1000;
/// Of sound, whatever its codec.
const SOUND: u64 = 100;
/// Of what is only copied: pictures of any size.
const COPIED: u64 = 50;
/// Of copied sound.
const COPIED_SOUND: u64 = 20;
/// Microseconds in a minute.
const MINUTE_US: u128 = 60_000_000;

/// Pixels of a picture up to which a weight holds: 640x360, 960x540, 1280x720, 1920x1080, 2560x1440, 3840x2160.
const SIZES: [(u64, u64); 6] =
    [(230_400, 250), (518_400, 500), (921_600, 1000), (2_073_600, 2000), (3_686_400, 4000), (8_294_400, 8000)];
/// Of pictures larger than all of these.
const LARGER: u64 = 16_000;

/// The weight of a rung, thousandths.
pub fn of_rung(rung: &VideoRendition) -> u64 {
    if rung.copy {
        return COPIED;
    }
    let pixels = u64::from(rung.width) * u64::from(rung.height);
    let size = SIZES.iter().find(|(most, _)| pixels <= *most).map_or(LARGER, |(_, weight)| *weight);
    // Thousandths of frames a second; a little above, since 30000/1001 and its like are written in many ways.
    let rate = match rung.frame_rate.millis() {
        ..=30_100 => 1000,
        30_101..=60_100 => 1750,
        60_101.. => 3000,
    };
    let codec = match rung.codec {
        VideoCodec::H264 => 1000,
        VideoCodec::Hevc | VideoCodec::Vp9 => 2000,
        VideoCodec::Av1 => 3000,
    };
    let speed = match rung.speed {
        Speed::Fast => 700,
        Speed::Balanced => 1000,
        Speed::Quality => 1800,
    };
    size * rate / ONE * codec / ONE * speed / ONE
}

/// The weight of a track of sound, thousandths.
pub const fn of_sound(sound: &AudioRendition) -> u64 {
    if sound.copy { COPIED_SOUND } else { SOUND }
}

/// Media time of a track, µs, by its weight: thousandths of a minute, rounded down. Round sums, not tracks: this is given
/// all tracks of an output at once.
pub fn milliminutes(tracks: impl Iterator<Item = (u64, u64)>) -> u64 {
    let sum = tracks.map(|(us, weight)| u128::from(us) * u128::from(weight)).fold(0, u128::saturating_add);
    u64::try_from(sum / MINUTE_US).unwrap_or(u64::MAX)
}
