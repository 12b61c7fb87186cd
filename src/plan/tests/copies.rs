//! When a rung is the source itself.

use super::cases::{asking, grouped};
use crate::model::facts::{ColorTags, MediaFacts, Scan, StreamFacts, VideoFacts};
use crate::model::{Plan, Ratio, VideoCodec};
use crate::plan::{Node, Request, plan};

fn made(facts: &MediaFacts, request: &Request) -> Plan {
    plan(facts, request, &Node { threads: 8 }).unwrap()
}

fn copying(renditions: &str) -> Request {
    Request { copy: true, ..asking(renditions) }
}

/// The ids of copied rungs, and the reasons for none.
fn copied(facts: &MediaFacts, request: &Request) -> (Vec<String>, Vec<String>) {
    let plan = made(facts, request);
    let notes = plan.notes.iter().filter(|n| n.code == "copy.not_possible").map(|n| n.message.clone()).collect();
    let rungs = plan.video.unwrap().renditions;
    (rungs.iter().filter(|r| r.copy).map(|r| r.id.clone()).collect(), notes)
}

#[test]
fn the_rung_that_the_source_already_is_is_copied_and_feeds_no_other() {
    let plan = made(&grouped(1280, 720, 2_000_000), &copying("720p,480p,360p"));
    let rungs = &plan.video.as_ref().unwrap().renditions;
    assert_eq!(rungs.iter().map(|r| r.copy).collect::<Vec<_>>(), [true, false, false]);
    assert!(rungs[0].options.is_empty() && rungs[0].graph.is_empty());
    assert_eq!(rungs.iter().map(|r| r.parent).collect::<Vec<_>>(), [None, None, Some(1)]);
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn nothing_is_copied_unless_asked() {
    let plan = made(&grouped(1280, 720, 2_000_000), &asking("720p,480p"));
    assert!(plan.video.unwrap().renditions.iter().all(|r| !r.copy) && plan.notes.is_empty());
}

#[test]
fn of_rungs_of_one_size_the_nearest_rate_that_is_enough_is_the_copy() {
    let ask = copying("720p@9M,720p@3M,720p@1M");
    assert_eq!(copied(&grouped(1280, 720, 2_000_000), &ask).0, ["720p-3000k"]);
    assert_eq!(copied(&grouped(1280, 720, 4_000_000), &ask).0, ["720p"]);
    let (none, why) = copied(&grouped(1280, 720, 12_000_000), &ask);
    assert!(none.is_empty() && why[0].contains("its 12000 kb/s are over the 9630 kb/s"), "{why:?}");
}

#[test]
fn a_second_codec_is_encoded_from_the_source_beside_the_copy() {
    let request = Request { codecs: vec![VideoCodec::Hevc, VideoCodec::H264], ..copying("720p,360p") };
    let facts = grouped(1280, 720, 2_000_000);
    assert_eq!(copied(&facts, &request).0, ["720p-h264"]);
    let (none, why) = copied(&facts, &Request { codecs: vec![VideoCodec::Hevc], ..copying("720p") });
    assert!(none.is_empty() && why[0].contains("no H.264 rendition has its size, 1280x720"), "{why:?}");
}

#[test]
fn whatever_keeps_a_source_from_being_a_rung_is_told() {
    let stream = |change: &dyn Fn(&mut StreamFacts)| {
        let mut facts = grouped(1280, 720, 2_000_000);
        change(&mut facts.streams[0]);
        copied(&facts, &copying("720p"))
    };
    let pictures = |change: &dyn Fn(&mut VideoFacts)| stream(&|s| change(s.video.as_mut().unwrap()));
    let full = ColorTags { range: Some("pc".into()), ..ColorTags::default() };
    for (got, reason) in [
        (stream(&|s| s.codec = "hevc".into()), "only H.264"),
        (stream(&|s| s.profile = Some("High 4:2:2".into())), "profile"),
        (stream(&|s| s.bit_rate = None), "bit rate"),
        (pictures(&|v| v.pixel_format = "yuv422p".into()), "4:2:0"),
        (pictures(&|v| v.color = full.clone()), "limited range"),
        (pictures(&|v| v.scan = Scan::TopFirst), "interlaced"),
        (pictures(&|v| v.sample_aspect = Ratio::new(4, 3)), "square"),
        (pictures(&|v| v.rotation = 180), "turned"),
        (pictures(&|v| v.variable_rate = true), "varies"),
        (pictures(&|v| v.key_frames.clear()), "does not list"),
        (pictures(&|v| v.first_pts = Some(180_000)), "sound starts"),
    ] {
        assert!(got.0.is_empty() && got.1.len() == 1 && got.1[0].contains(reason), "{reason}: {got:?}");
    }
}

#[test]
fn every_segment_up_to_the_last_picture_needs_its_key_frame() {
    let ask = |segment_ms, change: &dyn Fn(&mut Vec<i64>)| {
        let mut facts = grouped(1280, 720, 2_000_000);
        change(&mut facts.streams[0].video.as_mut().unwrap().key_frames);
        copied(&facts, &Request { segment_ms, ..copying("720p") }).1
    };
    let untouched = |_: &mut Vec<i64>| {};
    for segment_ms in [2000, 4000, 6000, 20_000, 30_000] {
        assert!(ask(segment_ms, &untouched).is_empty(), "{segment_ms}");
    }
    assert!(ask(3000, &untouched)[0].contains("at 3.000 s"));
    assert!(ask(2000, &|keys| keys.truncate(29))[0].contains("at 58.000 s"));
    assert!(ask(2000, &|keys| keys[0] = 3600)[0].contains("at 0.000 s"));
    assert!(ask(2000, &|keys| keys[7] += 3600)[0].contains("at 14.000 s"), "a whole frame late");
    assert!(ask(2000, &|keys| keys[7] += 1700).is_empty(), "less than half a frame is rounding");
    assert!(ask(4000, &|keys| keys.retain(|at| at % 360_000 == 0)).is_empty());
}

#[test]
fn boundaries_between_frames_are_met_by_the_next_frame() {
    let mut facts = grouped(1280, 720, 2_000_000);
    let pictures = facts.streams[0].video.as_mut().unwrap();
    pictures.frame_rate = Ratio::new(30_000, 1001);
    // The first frame at or after each multiple of 2 s: a frame is 3003 ticks.
    pictures.key_frames = (0..30_i64).map(|at| (at * 180_000 + 3002) / 3003 * 3003).collect();
    let request = Request { segment_ms: 2000, ..copying("720p") };
    assert_eq!(copied(&facts, &request).0, ["720p"]);
    facts.streams[0].video.as_mut().unwrap().key_frames = (0..30).map(|at| at * 60 * 3003).collect();
    let (none, why) = copied(&facts, &request);
    assert!(none.is_empty() && why[0].contains("no key frame"), "groups of 60 frames drift off a grid of 2 s: {why:?}");
}

#[test]
fn hostile_facts_are_refused_in_time() {
    let mut facts = grouped(1280, 720, 2_000_000);
    facts.streams[0].duration = Some(i64::MAX);
    facts.streams[0].video.as_mut().unwrap().key_frames = vec![i64::MIN, 0, i64::MAX];
    assert!(copied(&facts, &copying("720p")).0.is_empty());
    facts.streams[0].time_base = Ratio::new(0, 0);
    assert!(copied(&facts, &copying("720p")).0.is_empty());
    facts.streams[0].time_base = Ratio::new(1, 90_000);
    facts.streams[0].video.as_mut().unwrap().frame_rate = Ratio::new(1, 10);
    assert!(copied(&facts, &copying("720p")).1[0].contains("longer than a segment"));
}

#[test]
fn several_spans_make_no_copy() {
    let request = Request { spans: 3, ..copying("720p") };
    let (none, why) = copied(&grouped(1280, 720, 2_000_000), &request);
    assert!(none.is_empty() && why[0].contains("one span"));
}
