//! Two passes: what the first one keeps of a span for the second, and so how long spans may be.

use super::rungs::Made;
use crate::model::limits::TWO_PASS_BYTES_MAX;
use crate::model::plan::{Grid, SpanRange, VideoPlan};
use crate::model::time::scale_ceil;
use crate::model::{Ratio, VideoCodec};

/// Bytes that are kept of a picture whatever its size: a line of text of x264 and x265 has up to some 200, libvpx's record
/// 184, which is a third longer in base 64.
const PICTURE_BYTES: u64 = 256;
/// Bytes that x264 and x265 keep of each block of 16x16 pixels: what later pictures take of it.
const BLOCK_BYTES: u64 = 2;

/// The most segments of a span for which first passes keep no more than they may; `None` where no rung has two passes.
pub(super) fn segments_max<'a>(rungs: impl Iterator<Item = &'a Made>, frame_rate: Ratio, grid: Grid) -> Option<u32> {
    let picture: u64 = rungs.filter(|made| made.rate.is_two_pass()).map(bytes_of_picture).sum();
    if picture == 0 {
        return None;
    }
    let pictures = scale_ceil(i64::from(grid.segment_ms), frame_rate.num.max(1), 1000 * frame_rate.den.max(1)).max(1);
    let segment = picture.saturating_mul(pictures.unsigned_abs());
    Some(u32::try_from(TWO_PASS_BYTES_MAX / segment.max(1)).unwrap_or(u32::MAX).max(1))
}

fn bytes_of_picture(made: &Made) -> u64 {
    let blocks = u64::from(made.rung.width.div_ceil(16)) * u64::from(made.rung.height.div_ceil(16));
    let has_blocks = matches!(made.codec, VideoCodec::H264 | VideoCodec::Hevc);
    PICTURE_BYTES + if has_blocks { blocks * BLOCK_BYTES } else { 0 }
}

/// Whether some span is longer than that: the source cannot be cut, or nobody knows how long it is.
pub(super) fn is_over(segments_max: Option<u32>, spans: &[SpanRange], duration_us: Option<i64>, grid: Grid) -> bool {
    let Some(most) = segments_max.map(i64::from) else { return false };
    let Some(duration_us) = duration_us else { return true };
    let segments = scale_ceil(duration_us, 1, i64::from(grid.segment_ms) * 1000);
    segments > most.saturating_mul(spans.len() as i64)
}

/// Has rungs in two passes keep nothing of blocks: a fiftieth of the bytes for 1080p, and bits follow pictures, not blocks.
pub(super) fn without_tree(video: &mut VideoPlan) {
    for rung in video.renditions.iter_mut().filter(|rung| rung.rate.is_two_pass() && !rung.copy) {
        let (name, off) = match rung.codec {
            VideoCodec::H264 => ("x264-params", ":mbtree=0"),
            VideoCodec::Hevc => ("x265-params", ":cutree=0"),
            VideoCodec::Vp9 | VideoCodec::Av1 => continue,
        };
        rung.options.iter_mut().filter(|(known, _)| known == name).for_each(|(_, value)| value.push_str(off));
    }
}

#[cfg(test)]
mod tests {
    use crate::model::facts::MediaFacts;
    use crate::model::plan::Plan;
    use crate::model::{RateControl, VideoCodec};
    use crate::plan::testing::{movie, video};
    use crate::plan::{Node, RateMode, Request, plan};

    const HOUR_US: i64 = 3_600_000_000;

    fn long(seekable: bool, duration_us: Option<i64>) -> MediaFacts {
        MediaFacts { seekable, duration_us, media_end_us: duration_us, ..movie(video(1920, 1080, 25, 1)) }
    }

    fn made(facts: &MediaFacts, codecs: &[VideoCodec], spans: u32) -> Plan {
        let renditions = vec!["1080p".parse().unwrap(), "720p".parse().unwrap()];
        let rate_mode = RateMode::TwoPass;
        let request = Request { renditions, codecs: codecs.to_vec(), rate_mode, spans, ..Request::default() };
        plan(facts, &request, &Node { threads: 8 }).unwrap()
    }

    fn options(plan: &Plan) -> String {
        let rungs = &plan.video.as_ref().unwrap().renditions;
        rungs.iter().flat_map(|rung| &rung.options).map(|(name, value)| format!("{name}={value} ")).collect()
    }

    #[test]
    fn spans_are_short_enough_for_what_is_kept_and_share_threads_as_asked() {
        let plan = made(&long(true, Some(HOUR_US)), &[VideoCodec::H264], 2);
        // 8,160 and 3,600 blocks, and two records: 24,032 bytes a picture, 446 s of 25 a second in 256 MiB.
        assert_eq!(plan.spans.len(), 9);
        assert_eq!((plan.side_by_side, plan.spans_side_by_side()), (Some(2), 2));
        assert!(plan.notes.iter().any(|note| note.code == "spans.two_pass"), "{:?}", plan.notes);
        assert!(!options(&plan).contains("mbtree"));
        let threads = |plan: &Plan| plan.video.as_ref().unwrap().renditions[0].options.clone();
        let once = Request {
            spans: 2,
            renditions: vec!["1080p".parse().unwrap(), "720p".parse().unwrap()],
            ..Request::default()
        };
        let once = super::super::plan(&long(true, Some(HOUR_US)), &once, &Node { threads: 8 }).unwrap();
        let of = |all: Vec<(String, String)>| all.into_iter().find(|(name, _)| name == "threads");
        assert_eq!(of(threads(&plan)), of(threads(&once)), "as many threads as two spans in one pass");
        assert_eq!((once.spans.len(), once.side_by_side), (2, None));
        assert_eq!(made(&long(true, Some(60_000_000)), &[VideoCodec::H264], 1).spans.len(), 1);
        assert_eq!(made(&long(true, Some(HOUR_US)), &[VideoCodec::Vp9], 1).spans.len(), 1, "little is kept of VP9");
    }

    #[test]
    fn what_cannot_be_cut_keeps_nothing_of_blocks() {
        for facts in [long(false, Some(HOUR_US)), long(true, None)] {
            let plan = made(&facts, &[VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Vp9], 1);
            assert_eq!(plan.spans.len(), 1);
            let options = options(&plan);
            assert_eq!(
                (options.matches(":mbtree=0").count(), options.matches(":cutree=0").count()),
                (2, 2),
                "{options}"
            );
            assert!(plan.notes.iter().any(|note| note.code == "two_pass.pictures_only"), "{:?}", plan.notes);
        }
        assert!(!options(&made(&long(false, Some(60_000_000)), &[VideoCodec::H264], 1)).contains("mbtree"));
    }

    #[test]
    fn a_bucket_leaves_room_to_move_bits() {
        let plan = made(&long(true, Some(60_000_000)), &[VideoCodec::Vp9], 1);
        let rate = plan.video.unwrap().renditions[0].rate;
        assert!(
            matches!(rate, RateControl::TwoPass { bitrate, max_rate, .. } if max_rate == bitrate * 3 / 2),
            "{rate:?}"
        );
    }
}
