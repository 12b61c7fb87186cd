//! Parts of a source.

use super::cases::{asking, grouped};
use super::jobs::{Job, job};
use crate::model::facts::{MediaFacts, VideoFacts};
use crate::model::plan::Plan;
use crate::plan::Request;
use crate::plan::testing::{file, movie, sound_stream, video};

fn cut(facts: MediaFacts, request: Request, start_us: i64, end_us: Option<i64>) -> Job {
    let mut job = job(vec![facts], vec![request]);
    job.spec.sources[0].start_us = Some(start_us);
    job.spec.sources[0].end_us = end_us;
    job
}

fn made(job: &Job) -> Plan {
    let planning = job.planned();
    assert!(planning.problems.is_empty(), "{:?}", planning.problems);
    planning.plan.works.into_iter().next().unwrap().plan
}

/// In point and end of pictures and sound.
fn cuts(plan: &Plan) -> [(bool, i64, Option<i64>); 2] {
    let (video, audio) = (plan.video.as_ref().unwrap(), &plan.audio[0]);
    [(video.in_point, video.origin, video.end), (audio.in_point, audio.origin, audio.end)]
}

#[test]
fn a_part_begins_and_ends_with_a_picture_and_its_sound() {
    let plan = made(&cut(movie(video(640, 360, 25, 1)), asking("360p"), 10_000_000, Some(30_000_000)));
    assert_eq!(cuts(&plan), [(true, 900_000, Some(500_000)), (true, 480_000, Some(960_000))]);
    assert_eq!(plan.duration_us, Some(20_000_000));
    // 10.005 s is nearest to picture 300 of 30000/1001, at 10.010 s; sound is cut there to the sample.
    let plan = made(&cut(movie(video(640, 360, 30_000, 1001)), asking("360p"), 10_005_000, None));
    assert_eq!(cuts(&plan), [(true, 900_900, None), (true, 480_480, None)]);
    assert_eq!(plan.duration_us, Some(49_990_000));
}

#[test]
fn pictures_of_varying_length_are_cut_where_it_is_asked() {
    let facts = movie(VideoFacts { variable_rate: true, ..video(640, 360, 25, 1) });
    let plan = made(&cut(facts, asking("360p"), 10_005_000, Some(20_000_005)));
    assert_eq!(cuts(&plan), [(true, 900_450, Some(899_550)), (true, 480_240, Some(479_760))]);
}

#[test]
fn times_count_from_the_first_picture_or_sound() {
    let mut late = movie(video(640, 360, 25, 1));
    late.streams[0].video.as_mut().unwrap().first_pts = Some(90_000 * 5);
    late.streams[1].audio.as_mut().unwrap().first_pts = Some(48_000 * 3);
    (late.start_us, late.media_end_us) = (Some(3_000_000), Some(63_000_000));
    let plan = made(&cut(late, asking("360p"), 1_000_000, Some(4_000_000)));
    assert_eq!(cuts(&plan), [(true, 4 * 90_000, Some(75_000)), (true, 4 * 48_000, Some(144_000))]);

    let mut sound = sound_stream(48_000, 2, "stereo");
    sound.audio.as_mut().unwrap().first_pts = Some(4_800);
    let plan = made(&cut(file(vec![sound]), Request::default(), 1_000_001, Some(2_000_000)));
    assert_eq!((plan.audio[0].origin, plan.audio[0].end), (52_800, Some(48_000)));
}

#[test]
fn a_track_on_a_clock_of_its_own_is_cut_at_the_same_distance() {
    let mut facts = movie(video(640, 360, 25, 1));
    facts.streams[1].audio.as_mut().unwrap().first_pts = Some(95_000 * 48_000);
    let plan = made(&cut(facts, asking("360p"), 2_000_000, None));
    assert_eq!(cuts(&plan), [(true, 180_000, None), (true, 95_002 * 48_000, None)]);
}

#[test]
fn the_start_of_the_source_is_no_in_point() {
    let whole = made(&job(vec![movie(video(640, 360, 25, 1))], vec![asking("360p")]));
    assert_eq!(made(&cut(movie(video(640, 360, 25, 1)), asking("360p"), 0, None)), whole);
    assert_eq!(made(&cut(movie(video(640, 360, 25, 1)), asking("360p"), 19_000, None)), whole, "before half a picture");
}

#[test]
fn spans_follow_the_part() {
    let request = Request { spans: 4, ..asking("360p") };
    let plan = made(&cut(movie(video(640, 360, 25, 1)), request, 30_000_000, Some(46_000_000)));
    assert_eq!(plan.spans.iter().map(|span| span.first).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_copy_needs_key_frames_at_both_cuts() {
    let why = |start_us, end_us| {
        let request = Request { copy: true, segment_ms: 2000, ..asking("720p") };
        let planning = cut(grouped(1280, 720, 2_000_000), request, start_us, end_us).planned();
        let copied = planning.plan.works[0].plan.video.as_ref().unwrap().renditions[0].copy;
        let notes = &planning.plan.outputs[0].as_ref().unwrap().notes;
        let why = notes.iter().find(|note| note.code == "copy.not_possible").map(|note| note.message.clone());
        assert_eq!(copied, why.is_none());
        why.unwrap_or_default()
    };
    assert_eq!(why(10_000_000, Some(30_000_000)), "");
    assert_eq!(why(10_000_000, None), "");
    assert_eq!(why(0, Some(60_000_000)), "");
    assert!(why(11_000_000, None).contains("segment at 0.000 s"));
    assert!(why(10_000_000, Some(29_000_000)).contains("cut off, at 19.000 s"));
}

#[test]
fn parts_that_hold_nothing_are_refused() {
    let refused = |start_us, end_us| {
        let planning = cut(movie(video(640, 360, 25, 1)), asking("360p"), start_us, end_us).planned();
        assert!(planning.plan.outputs[0].is_none() && planning.plan.works.is_empty());
        let problem = &planning.problems[0].1[0];
        assert_eq!(problem.code, "request.trim");
        problem.field.clone()
    };
    assert_eq!(refused(-1, None), "sources[0].start");
    assert_eq!(refused(5, Some(5)), "sources[0].end");
    assert_eq!(refused(0, Some(0)), "sources[0].end");
    assert_eq!(refused(60_000_000, None), "sources[0].start");
    assert_eq!(refused(i64::MAX, None), "sources[0].start");
    assert_eq!(refused(i64::MIN, Some(i64::MIN)), "sources[0].start");
    let beyond = cut(movie(video(640, 360, 25, 1)), asking("360p"), 59_990_000, Some(i64::MAX)).planned();
    let notes: Vec<&str> = beyond.plan.outputs[0].as_ref().unwrap().notes.iter().map(|n| n.code.as_str()).collect();
    assert_eq!(notes, ["trim.moved", "trim.end_beyond"]);
    assert_eq!(beyond.plan.works[0].plan.video.as_ref().unwrap().origin, 1499 * 3600, "the last picture");
}
