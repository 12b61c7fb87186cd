//! Single decisions, where a golden would hide them among others.

use super::cases::asking;
use crate::model::facts::{HdrKind, MediaFacts, VideoFacts};
use crate::model::{AudioCodec, Plan, Ratio, VideoCodec};
use crate::plan::testing::{file, hdr_video, movie, picture_stream, sound_stream, video};
use crate::plan::{Node, Request, plan};

fn made(facts: &MediaFacts, request: &Request) -> Plan {
    plan(facts, request, &Node { threads: 8 }).unwrap()
}

fn tree(plan: &Plan) -> Vec<(String, Option<String>)> {
    let rungs = &plan.video.as_ref().unwrap().renditions;
    rungs.iter().map(|r| (r.id.clone(), r.parent.map(|p| rungs[p].id.clone()))).collect()
}

fn shown(tree: &[(String, Option<String>)]) -> Vec<String> {
    tree.iter().map(|(id, parent)| format!("{id}<{}", parent.as_deref().unwrap_or("source"))).collect()
}

#[test]
fn rungs_are_scaled_from_the_nearest_that_is_large_enough() {
    let plan = made(&movie(video(1920, 1080, 25, 1)), &asking("1080p,900p,720p,480p"));
    assert_eq!(shown(&tree(&plan)), ["1080p<source", "900p<source", "720p<1080p", "480p<720p"]);
}

#[test]
fn a_second_codec_takes_the_firsts_pictures() {
    let request = Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc], ..asking("720p,360p") };
    let plan = made(&movie(video(1920, 1080, 25, 1)), &request);
    assert_eq!(
        shown(&tree(&plan)),
        ["720p-h264<source", "360p-h264<720p-h264", "720p-hevc<720p-h264", "360p-hevc<360p-h264"]
    );
}

#[test]
fn hdr_and_sdr_are_two_trees_and_tone_mapping_has_one_root() {
    let request = Request { codecs: vec![VideoCodec::Hevc, VideoCodec::H264], ..asking("1080p,960p,720p") };
    let plan = made(&movie(hdr_video(1920, 1080, HdrKind::Pq)), &request);
    let parents = shown(&tree(&plan));
    assert_eq!(parents[..3], ["1080p-hevc<source", "960p-hevc<source", "720p-hevc<960p-hevc"]);
    assert_eq!(parents[3..], ["1080p-h264<source", "960p-h264<1080p-h264", "720p-h264<960p-h264"]);
}

#[test]
fn nothing_is_scaled_from_an_enlarged_picture() {
    let request = Request { allow_upscale: true, ..asking("1080p,360p") };
    let plan = made(&movie(video(640, 480, 25, 1)), &request);
    assert_eq!(shown(&tree(&plan)), ["1080p<source", "360p<source"]);
}

#[test]
fn timescales_divide_frames() {
    let clock = |rate: Ratio, variable_rate| {
        let facts = movie(VideoFacts { frame_rate: rate, variable_rate, ..video(640, 360, 25, 1) });
        let video = made(&facts, &asking("360p")).video.unwrap();
        (video.timescale, video.frame_ticks, video.frame_rate)
    };
    for (num, den, timescale, ticks) in [
        (25, 1, 25_000, 1000),
        (30_000, 1001, 30_000, 1001),
        (50, 2, 25_000, 1000),
        (2997, 200, 29_970, 2000),
        (1, 10, 10_000, 100_000),
    ] {
        let (got, frame, rate) = clock(Ratio::new(num, den), false);
        assert_eq!((got, frame), (timescale, Some(ticks)), "{num}/{den}");
        assert_eq!(i64::from(got) * rate.den, i64::from(frame.unwrap()) * rate.num);
    }
    for (num, den) in [(0, 1), (90_000, 1), (1_234_567_891, 50_000_000), (5, 0), (-25, 1)] {
        let (timescale, frame, rate) = clock(Ratio::new(num, den), false);
        assert_eq!((timescale, frame), (90_000, None), "{num}/{den}");
        assert!(rate.is_known() && rate.num <= rate.den * 1000, "{num}/{den}");
    }
    assert_eq!(clock(Ratio::new(30, 1), true), (90_000, None, Ratio::new(30, 1)));
}

/// A movie whose pictures and sound start at these times, µs.
fn starting(picture_us: i64, sound_us: i64) -> MediaFacts {
    let mut facts = movie(video(640, 360, 25, 1));
    facts.streams[0].video.as_mut().unwrap().first_pts = Some(picture_us * 9 / 100);
    facts.streams[1].audio.as_mut().unwrap().first_pts = Some(sound_us * 48 / 1000);
    facts
}

#[test]
fn zero_is_the_first_picture_unless_much_sound_would_be_lost() {
    let origins = |picture, sound| {
        let plan = made(&starting(picture, sound), &asking("360p"));
        (plan.video.unwrap().origin, plan.audio[0].origin)
    };
    assert_eq!(origins(10_000_000, 10_021_000), (900_000, 480_000));
    assert_eq!(origins(10_000_000, 9_100_000), (900_000, 480_000));
    assert_eq!(origins(10_000_000, 9_000_000), (810_000, 432_000));
    assert_eq!(origins(-40_000, 0), (-3600, -1920));
}

#[test]
fn a_track_whose_clock_is_hours_away_starts_with_the_pictures() {
    let plan = made(&starting(0, 95_000_000_000), &asking("360p"));
    assert_eq!(plan.audio[0].origin, 95_000 * 48_000);
    assert_eq!(plan.notes[0].code, "timeline.audio_unrelated");
    let plan = made(&starting(95_000_000_000, 0), &asking("360p"));
    assert_eq!((plan.video.unwrap().origin, plan.audio[0].origin), (95_000 * 90_000, 0));
}

#[test]
fn without_pictures_zero_is_the_first_sound_and_without_timestamps_zero() {
    let mut late = sound_stream(48_000, 2, "stereo");
    late.audio.as_mut().unwrap().first_pts = Some(96_000);
    let mut early = sound_stream(44_100, 2, "stereo");
    early.audio.as_mut().unwrap().first_pts = Some(44_100);
    let plan = made(&file(vec![late, early]), &Request::default());
    assert_eq!((plan.audio[0].origin, plan.audio[1].origin), (48_000, 44_100));
    assert_eq!(plan.duration_us, Some(59_000_000));

    let silent = file(vec![picture_stream("rawvideo", VideoFacts { first_pts: None, ..video(64, 64, 25, 1) })]);
    assert_eq!(made(&silent, &Request::default()).video.unwrap().origin, 0);
}

#[test]
fn spans_need_a_source_that_can_be_entered() {
    let request = Request { spans: 4, ..asking("360p") };
    let facts = movie(video(640, 360, 25, 1));
    let starts = |facts: &MediaFacts| made(facts, &request).spans.iter().map(|s| s.first).collect::<Vec<_>>();
    assert_eq!(starts(&facts), [0, 4, 8, 12]);
    assert_eq!(starts(&MediaFacts { media_end_us: Some(9_000_000), ..facts.clone() }), [0, 1, 2]);
    let stuck = MediaFacts { seekable: false, ..facts.clone() };
    assert_eq!(starts(&stuck), [0]);
    assert_eq!(made(&stuck, &request).notes[0].code, "spans.one");
    assert_eq!(starts(&MediaFacts { media_end_us: None, duration_us: None, ..facts }), [0]);
}

#[test]
fn sound_takes_the_encoders_rates_and_unique_titles() {
    let rate = |source| made(&file(vec![sound_stream(source, 2, "stereo")]), &Request::default()).audio[0].sample_rate;
    assert_eq!(
        [8000, 32_000, 33_000, 44_100, 48_000, 96_000].map(rate),
        [32_000, 32_000, 44_100, 44_100, 48_000, 48_000]
    );

    let mut tracks: Vec<_> = (0..3).map(|_| sound_stream(48_000, 2, "stereo")).collect();
    tracks[0].title = Some("Director's \"cut\"\n".into());
    tracks[2].title = Some("Audio 2".into());
    tracks[2].default = true;
    tracks[1].language = Some("und".into());
    let plan = made(&file(tracks), &Request::default());
    let titles: Vec<&str> = plan.audio.iter().map(|a| a.title.as_str()).collect();
    assert_eq!(titles, ["Director's 'cut'", "Audio 2", "Audio 2 2"]);
    assert_eq!(plan.audio.iter().map(|a| a.default).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(plan.audio[1].language, None);
}

#[test]
fn aac_is_copied_only_when_asked_and_alike() {
    let copied = |channels, layout: &str, profile: &str, copy| {
        let mut track = sound_stream(48_000, channels, layout);
        track.profile = Some(profile.into());
        made(&file(vec![track]), &Request { copy, ..Request::default() }).audio[0].copy
    };
    assert!(copied(2, "stereo", "LC", true));
    assert!(!copied(2, "stereo", "LC", false));
    assert!(!copied(6, "5.1", "LC", true));
    assert!(!copied(2, "stereo", "HE-AAC", true));
    let opus = Request { copy: true, audio_codecs: vec![AudioCodec::Opus], ..Request::default() };
    assert!(!made(&file(vec![sound_stream(48_000, 2, "stereo")]), &opus).audio[0].copy);
}
