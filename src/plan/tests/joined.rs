//! Sources one after another, as text against `tests/golden/plan_joined/`, and what is refused.

use super::cases::asking;
use super::goldens::check;
use super::jobs::{Job, hd, job};
use super::joined_text::programme;
use crate::model::facts::{HdrKind, MediaFacts, Scan, VideoFacts};
use crate::model::plan::Work;
use crate::model::spec::SourceSpec;
use crate::plan::testing::{file, hdr_video, movie, picture_stream, sound_stream, video};
use crate::plan::{Request, joined_facts};

/// A job of sources, and one output of what these of them are joined to.
pub(super) fn joining(facts: Vec<MediaFacts>, concat: &[usize], request: Request) -> Job {
    let mut job = job(facts, vec![request]);
    let source = SourceSpec { id: "joined".into(), locator: None, concat: concat.to_vec(), ..SourceSpec::default() };
    job.spec.sources.push(source);
    job.facts.push(None);
    job.spec.outputs[0].source = job.spec.sources.len() - 1;
    job
}

pub(super) fn made(job: &Job) -> Work {
    let planning = job.planned();
    assert!(planning.problems.is_empty(), "{:?}", planning.problems);
    planning.plan.works.into_iter().next().unwrap()
}

/// Code and field of the only problem.
pub(super) fn refusal(job: &Job) -> (String, String) {
    let planning = job.planned();
    let [(0, problems)] = &planning.problems[..] else { panic!("{:?}", planning.problems) };
    (problems[0].code.clone(), problems[0].field.clone())
}

pub(super) fn lasting(mut facts: MediaFacts, us: Option<i64>) -> MediaFacts {
    (facts.duration_us, facts.media_end_us) = (us, us);
    facts
}

/// Upright, interlaced, twice the rate, without sound.
fn odd() -> MediaFacts {
    let turned = VideoFacts {
        rotation: 90,
        scan: Scan::TopFirst,
        display_width: 1080,
        display_height: 1920,
        ..video(1920, 1080, 30_000, 1001)
    };
    lasting(file(vec![picture_stream("hevc", turned)]), Some(1_501_000))
}

fn cases() -> Vec<(&'static str, Job)> {
    let small = movie(VideoFacts {
        sample_aspect: crate::model::Ratio::new(64, 45),
        display_width: 1024,
        ..video(720, 576, 50, 1)
    });
    let mut trimmed = joining(vec![hd(), odd(), small], &[0, 1, 2, 0], asking("720p,360p"));
    (trimmed.spec.sources[0].start_us, trimmed.spec.sources[0].end_us) = (Some(1_000_000), Some(4_010_000));
    let pq = || lasting(movie(hdr_video(1280, 720, HdrKind::Pq)), Some(2_000_000));
    let hevc = Request { codecs: vec![crate::model::VideoCodec::Hevc], ..asking("720p") };
    let spans = Request { spans: 3, copy: true, ..asking("720p") };
    let wav = |rate, us| lasting(file(vec![sound_stream(rate, 1, "mono")]), Some(us));
    vec![
        ("sizes-rates-and-sound", trimmed),
        ("high-dynamic-range", joining(vec![pq(), pq()], &[0, 1], hevc.clone())),
        ("mixed-dynamic-range", joining(vec![pq(), lasting(hd(), Some(2_000_000))], &[0, 1], hevc)),
        ("spans-and-no-copy", joining(vec![hd(), hd()], &[1, 0], spans)),
        ("sound-alone", joining(vec![wav(48_000, 1_234_500), wav(44_100, 2_000_000)], &[0, 1, 0], Request::default())),
        ("text-of-parts", programme()),
    ]
}

#[test]
fn joined_sources_are_planned_as_recorded() {
    let text = |(name, job): (&str, Job)| {
        let planning = job.planned();
        assert!(planning.problems.is_empty(), "{name}: {:?}", planning.problems);
        (format!("{name}.json"), serde_json::to_string_pretty(&planning.plan).unwrap() + "\n")
    };
    check("tests/golden/plan_joined", cases().into_iter().map(text).collect());
}

#[test]
fn parts_follow_one_another_in_pictures_and_in_sound() {
    let job = cases().remove(0).1;
    let work = made(&job);
    assert_eq!((work.source, &work.inputs[..]), (3, &[0, 1, 2][..]));
    let video = work.plan.video.unwrap();
    let places: Vec<_> = video.parts.iter().map(|part| (part.input, part.in_point, part.start, part.end)).collect();
    // 3.01 s are 75 frames, 1.501 s are 38, 60 s of 50 a second are 1500 of 25.
    let frame = 1000;
    let ends = [75, 113, 1613, 1688].map(|frames| frames * frame);
    let end = Some;
    assert_eq!(places[0], (0, true, 0, end(ends[0])));
    assert_eq!(places[1..3], [(1, false, ends[0], end(ends[1])), (2, false, ends[1], end(ends[2]))]);
    assert_eq!(places[3], (0, true, ends[2], end(ends[3])), "the last one is cut too");
    assert_eq!(work.plan.duration_us, Some(67_520_000));
    let sound: Vec<_> =
        work.plan.audio[0].parts.iter().map(|part| (part.start, part.end, part.sound.is_some())).collect();
    let samples = ends.map(|ticks| ticks * 48 / 25);
    assert_eq!(sound[0], (0, Some(samples[0]), true));
    assert_eq!(sound[1], (samples[0], Some(samples[1]), false), "no sound is silence");
    assert_eq!(sound[3], (samples[2], Some(samples[3]), true));
    // The same facts for whoever asks about the source.
    let facts = joined_facts(&job.facts, &job.spec, 3).unwrap().unwrap();
    assert_eq!((facts.duration_us, facts.streams.len()), (Some(67_520_000), 2));
    assert_eq!(facts.size_bytes, 3 * 75_000_000);
    assert_eq!(facts.main_video().map(|(_, v)| (v.width, v.height)), Some((1920, 1080)));
}

#[test]
fn the_last_part_ends_where_it_does_and_its_silence_with_its_pictures() {
    let silent = lasting(file(vec![picture_stream("h264", video(640, 360, 25, 1))]), Some(2_000_000));
    let work = made(&joining(vec![lasting(hd(), Some(1_000_000)), silent], &[0, 1], asking("720p")));
    assert_eq!(work.plan.video.unwrap().parts[1].end, None);
    assert_eq!(work.plan.audio[0].parts[1].end, Some(3 * 48_000));
    let unknown = made(&joining(vec![hd(), lasting(hd(), None)], &[0, 1], asking("720p")));
    assert_eq!((unknown.plan.duration_us, unknown.plan.audio[0].parts[1].end), (None, None));
}

#[test]
fn tracks_are_joined_by_their_place() {
    let two = |languages: [&str; 2]| {
        let mut facts = movie(video(1280, 720, 25, 1));
        facts.streams.push(sound_stream(48_000, 2, "stereo"));
        facts.streams[2].index = 2;
        for (stream, language) in facts.streams[1..].iter_mut().zip(languages) {
            stream.language = Some(language.into());
        }
        facts
    };
    let job = joining(vec![two(["deu", "fra"]), movie(video(1280, 720, 25, 1))], &[0, 1], asking("720p"));
    let audio = made(&job).plan.audio;
    assert_eq!(audio.iter().map(|a| a.language.as_deref()).collect::<Vec<_>>(), [Some("deu"), Some("fra")]);
    assert_eq!(audio[1].parts.iter().map(|p| p.sound.is_some()).collect::<Vec<_>>(), [true, false]);
    let fewer = joining(vec![movie(video(1280, 720, 25, 1)), two(["deu", "fra"])], &[0, 1], asking("720p"));
    let planning = fewer.planned();
    assert_eq!(planning.plan.works[0].plan.audio.len(), 1);
    let notes = &planning.plan.outputs[0].as_ref().unwrap().notes;
    assert!(notes.iter().any(|note| note.code == "concat.tracks_left_out"), "{notes:?}");
    assert!(planning.plan.notes.is_empty(), "parts are used: {:?}", planning.plan.notes);
}

#[test]
fn what_cannot_be_joined_is_refused_where_it_stands() {
    let sound = || file(vec![sound_stream(48_000, 2, "stereo")]);
    let at = |code: &str, field: &str| (code.to_owned(), field.to_owned());
    let no_video = joining(vec![hd(), hd(), sound()], &[0, 2, 1], asking("720p"));
    assert_eq!(refusal(&no_video), at("concat.no_video", "sources[3].concat_source_ids[1]"));
    let endless = joining(vec![lasting(hd(), None), hd()], &[1, 0, 1], asking("720p"));
    assert_eq!(refusal(&endless), at("concat.length_unknown", "sources[2].concat_source_ids[1]"));
    let mut beyond = joining(vec![hd(), hd()], &[0, 1], asking("720p"));
    beyond.spec.sources[1].start_us = Some(90_000_000);
    assert_eq!(refusal(&beyond), at("request.trim", "sources[1].start"));
    let mut locked = hd();
    locked.streams[0].encrypted = true;
    assert_eq!(refusal(&joining(vec![hd(), locked], &[0, 1], asking("720p"))), at("source.encrypted", "sources[1]"));
    let mut cut = joining(vec![lasting(hd(), None), hd()], &[0, 1], asking("720p"));
    cut.spec.sources[0].end_us = Some(5_000_000);
    assert_eq!(made(&cut).plan.video.unwrap().parts[1].start, 125_000, "an end makes up for an unknown length");
    let mut gone = joining(vec![hd(), hd()], &[0, 1], asking("720p"));
    gone.facts[1] = None;
    let planning = gone.planned();
    assert!(planning.problems.is_empty() && planning.plan.outputs == [None], "it is for the caller to say why");
}
