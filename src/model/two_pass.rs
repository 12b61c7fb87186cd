//! Two passes over the pictures of a span: which renditions the first one needs, and what it costs.

use super::codec::{Speed, VideoCodec};
use super::plan::VideoPlan;
use std::collections::BTreeSet;

/// The ids of what a first pass makes pictures of: renditions in two passes, and those that their pictures are made from.
pub fn needed(video: &VideoPlan) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for rung in video.renditions.iter().filter(|rung| rung.rate.is_two_pass() && !rung.copy) {
        let mut next = Some(rung);
        while let Some(rung) = next {
            needed.insert(rung.id.clone());
            // A parent always stands before its children.
            next = rung.parent.and_then(|parent| video.renditions.get(parent)).filter(|rung| !rung.copy);
        }
    }
    needed
}

/// The CPU time of a first pass, in hundredths of an encode in one pass: measured on film at 640x360. x264 and x265 leave
/// most of their search out of it, so it is the larger a part the faster the second one is.
pub const fn first_percent(codec: VideoCodec, speed: Speed) -> u64 {
    match (codec, speed) {
        (VideoCodec::H264 | VideoCodec::Av1, Speed::Fast) => 80,
        (VideoCodec::H264 | VideoCodec::Av1, Speed::Balanced) => 30,
        (VideoCodec::H264 | VideoCodec::Av1, Speed::Quality) => 25,
        (VideoCodec::Hevc, Speed::Fast) => 100,
        (VideoCodec::Hevc, Speed::Balanced) => 85,
        (VideoCodec::Hevc, Speed::Quality) => 40,
        (VideoCodec::Vp9, _) => 20,
    }
}
