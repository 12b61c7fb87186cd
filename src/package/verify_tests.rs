//! Each check of `verify`, by one thing broken in a ledger that is otherwise right.

use super::*;
use crate::model::codec::AudioCodec;
use crate::package::fixtures::*;

fn broken(change: impl FnOnce(&mut Ledger)) -> Vec<String> {
    let mut ledger = usual(true);
    change(&mut ledger);
    verify(&ledger)
}

fn assert_told(change: impl FnOnce(&mut Ledger), part: &str) {
    let problems = broken(change);
    assert!(problems.iter().any(|problem| problem.contains(part)), "`{part}` is not in {problems:#?}");
}

#[test]
fn what_is_right_has_no_problems() {
    assert_eq!(verify(&usual(true)), [""; 0]);
    let opus = sound("audio-2", AudioCodec::Opus, None, "", &[40, 20]);
    assert_eq!(broken(|ledger| ledger.tracks.push(opus)), [""; 0]);
    // Sound that ends long before the pictures is what the source has.
    assert_eq!(broken(|ledger| ledger.tracks[3].segments.truncate(1)), [""; 0]);
}

#[test]
fn tracks_are_whole() {
    assert_told(|ledger| ledger.tracks.clear(), "there is no track");
    assert_told(|ledger| ledger.tracks[1].id = "1080p".to_owned(), "1080p: its id is that of another track");
    assert_told(|ledger| ledger.tracks[1].id = "a/b".to_owned(), "needs encoding");
    assert_told(|ledger| ledger.tracks[3].segments.clear(), "audio-1: it has no segment");
    assert_told(|ledger| ledger.tracks[0].codec_string.clear(), "codecs string");
    assert_told(|ledger| ledger.tracks[0].codec_string = "hvc1.1".to_owned(), "codecs string");
    assert_told(|ledger| ledger.tracks[0].encoder.clear(), "what encoded it");
    assert_told(|ledger| ledger.tracks[0].init_sha256 = None, "no initialisation segment");
    assert_told(|ledger| ledger.tracks[0].timescale = 0, "timescale is zero");
}

#[test]
fn segments_follow_one_another_on_the_grid() {
    assert_told(|ledger| ledger.tracks[0].segments[1].start += 1, "does not start where segment 0 ends");
    assert_told(|ledger| ledger.tracks[0].segments[1].index = 0, "segment 0 comes after segment 0");
    assert_told(|ledger| ledger.tracks[0].segments[3].index = 7, "outside its place on the grid");
    assert_told(|ledger| ledger.tracks[0].segments[3].duration = 0, "segment 3 has no duration");
    assert_told(|ledger| ledger.tracks[0].segments[3].duration = i64::MIN, "segment 3 has no duration");
    assert_told(|ledger| ledger.tracks[0].segments[0].duration = i64::MAX, "does not start where");
    assert_told(|ledger| ledger.tracks[3].segments[0].start = -1024, "starts before zero");
    assert_told(|ledger| ledger.tracks[0].segments[2].frames = 0, "holds no frame");
}

#[test]
fn every_packaging_has_its_files() {
    assert_told(|ledger| ledger.tracks[0].segments[1].files.truncate(1), "segment 1 has 0 ts files instead of 1");
    let twice = |ledger: &mut Ledger| {
        let file = ledger.tracks[0].segments[1].files[0].clone();
        ledger.tracks[0].segments[1].files.push(file);
    };
    assert_told(twice, "segment 1 has 2 cmaf files instead of 1");
    assert_told(|ledger| ledger.tracks[3].segments[0].files[1].bytes = 0, "file 00000.ts is empty");
    assert_told(
        |ledger| ledger.tracks[0].segments[1].files[0].name = "1.m4s".to_owned(),
        "not named by its time 360360",
    );
    assert_told(|ledger| ledger.tracks[0].segments[1].files[1].bytes += 1, "is not made of whole packets");
    assert_told(|ledger| ledger.tracks[0].segments[1].files[1].key_frames[0].offset += 1, "whole packets");
    let mut one = usual(true);
    for segment in one.tracks.iter_mut().flat_map(|track| &mut track.segments) {
        segment.files.retain(|file| file.packaging == Packaging::Ts);
    }
    one.tracks.iter_mut().for_each(|track| track.init_sha256 = None);
    assert_eq!(verify(&one), [""; 0], "a job of transport streams alone needs no initialisation segments");
}

#[test]
fn segments_begin_with_a_key_frame_that_lies_within_them() {
    let file = |ledger: &mut Ledger| ledger.tracks[0].segments[1].files[0].key_frames.clone();
    assert_told(|ledger| ledger.tracks[0].segments[1].files[0].key_frames.clear(), "does not begin with a key frame");
    assert_told(|ledger| ledger.tracks[0].segments[1].files[0].key_frames[0].time += 1, "does not begin");
    assert_told(|ledger| ledger.tracks[0].segments[1].files[0].key_frames[0].bytes = u64::MAX, "does not lie within");
    assert_told(|ledger| ledger.tracks[0].segments[1].files[0].key_frames[0].bytes = 0, "does not lie within");
    let again = |ledger: &mut Ledger| {
        let keys = file(ledger);
        ledger.tracks[0].segments[1].files[0].key_frames.extend(keys);
    };
    assert_told(again, "overlap or are out of order");
    let late = |ledger: &mut Ledger| {
        let mut key = file(ledger)[0];
        (key.offset, key.time) = (key.offset + key.bytes, 720_720);
        ledger.tracks[0].segments[1].files[0].key_frames.push(key);
    };
    assert_told(late, "the key frame at tick 720720");
}

#[test]
fn all_rungs_cover_the_same_time_whatever_their_timescales() {
    assert_told(|ledger| _ = ledger.tracks[1].segments.pop(), "720p: has 3 segments where 1080p has 4");
    assert_told(|ledger| ledger.tracks[1].segments[3].duration += 1, "720p: segment 3 does not cover the same time");
    let scale = |ledger: &mut Ledger, timescale: u32, add: i64| {
        let track = &mut ledger.tracks[2];
        for segment in &mut track.segments {
            let ticks = |old: i64| old / 3003 * 1001;
            (segment.start, segment.duration) = (ticks(segment.start) + add, ticks(segment.duration));
            segment.files[0].name = format!("{}.m4s", segment.start);
            segment.files.iter_mut().for_each(|file| file.key_frames[0].time = segment.start);
        }
        track.timescale = timescale;
    };
    assert_eq!(broken(|ledger| scale(ledger, 30_000, 0)), [""; 0]);
    assert_told(|ledger| scale(ledger, 30_000, 1), "360p: segment 0 does not cover the same time as in 1080p");
    assert_told(|ledger| scale(ledger, 29_999, 0), "360p: segment 0 does not cover");
}
