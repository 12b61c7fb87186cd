//! Requests and sources that cannot be, and what is said.

use super::cases::asking;
use crate::model::facts::{MediaFacts, VideoFacts};
use crate::model::{AudioCodec, Fault, Packaging, VideoCodec};
use crate::plan::testing::{file, movie, picture_stream, sound_stream, video};
use crate::plan::{Node, RateMode, Request, plan};

fn codes(facts: &MediaFacts, request: &Request) -> Vec<String> {
    let problems = plan(facts, request, &Node { threads: 4 }).unwrap_err();
    assert!(problems.iter().all(|p| p.fault == Fault::Input));
    problems.into_iter().map(|p| p.code).collect()
}

fn hd() -> MediaFacts {
    movie(video(1920, 1080, 25, 1))
}

#[test]
fn all_that_is_wrong_with_a_request_is_said_at_once() {
    let request = Request {
        segment_ms: 100,
        spans: 0,
        codecs: vec![VideoCodec::Av1],
        packagings: vec![Packaging::Ts],
        rate_mode: RateMode::Crf { crf: Some(64) },
        ..Request::default()
    };
    let ts = "request.codec_packaging";
    assert_eq!(codes(&hd(), &request), ["request.segment", "request.spans", "request.crf", ts, ts]);
}

#[test]
fn codecs_and_packagings_must_meet() {
    let of = |codecs: &[VideoCodec], packagings: &[Packaging], audio: &[AudioCodec]| Request {
        codecs: codecs.to_vec(),
        packagings: packagings.to_vec(),
        audio_codecs: audio.to_vec(),
        ..asking("720p")
    };
    use {AudioCodec::*, Packaging::*, VideoCodec::*};
    let refused = |request| codes(&hd(), &request).first().cloned();
    assert_eq!(refused(of(&[Av1], &[Cmaf, Ts], &[])).as_deref(), Some("request.codec_packaging"));
    assert_eq!(refused(of(&[H264], &[Ts], &[Opus])).as_deref(), Some("request.codec_packaging"));

    let progressive = |packagings: &[Packaging]| Request { progressive: true, ..of(&[H264], packagings, &[]) };
    assert_eq!(refused(progressive(&[Ts])).as_deref(), Some("request.progressive"));

    let made = |request| plan(&hd(), &request, &Node { threads: 4 }).unwrap();
    let av1 = made(of(&[Av1], &[], &[]));
    assert_eq!(av1.packagings, [Cmaf]);
    assert_eq!(av1.notes[0].code, "packaging.left_out");
    let mixed = made(of(&[H264, Av1], &[Cmaf, Ts], &[]));
    assert_eq!(mixed.packagings, [Cmaf, Ts]);
    assert_eq!(mixed.notes[0].code, "codec.packaging");
    assert_eq!(made(progressive(&[])), made(of(&[H264], &[], &[])), "MP4 files are made of the same encodes");
    let opus = made(of(&[H264], &[Cmaf], &[Opus]));
    assert_eq!(opus.audio.iter().map(|a| a.codec).collect::<Vec<_>>(), [Opus]);
}

#[test]
fn sizes_that_a_codec_cannot_make_are_refused_by_name() {
    let small = movie(video(48, 48, 25, 1));
    let av1 = Request { codecs: vec![VideoCodec::Av1], ..Request::default() };
    let problems = plan(&small, &av1, &Node { threads: 4 }).unwrap_err();
    assert_eq!(problems[0].code, "rendition.too_small");
    for word in ["av1", "48x48", "64"] {
        assert!(problems[0].message.contains(word), "{}", problems[0].message);
    }
    let asked = Request { codecs: vec![VideoCodec::Hevc], ..asking("720p,30x30") };
    assert_eq!(codes(&hd(), &asked), ["rendition.too_small"]);
    let panorama = movie(video(12_000, 6000, 25, 1));
    assert_eq!(codes(&panorama, &asking("6000p")), ["rendition.too_large"]);
    let plan = plan(&panorama, &Request::default(), &Node { threads: 4 }).unwrap();
    assert_eq!(plan.video.unwrap().renditions[0].height, 2160);
    assert_eq!(plan.notes[0].code, "rendition.left_out");
}

#[test]
fn sources_that_hold_nothing_usable_are_refused() {
    assert_eq!(codes(&movie(video(16_400, 20, 25, 1)), &Request::default()), ["source.too_large"]);
    assert_eq!(codes(&file(vec![]), &Request::default()), ["source.no_streams"]);
    let mut encrypted = hd();
    encrypted.streams.iter_mut().for_each(|s| (s.decodable, s.encrypted) = (false, true));
    assert_eq!(codes(&encrypted, &Request::default()), ["source.encrypted"]);
    let mut unknown = hd();
    unknown.streams[0].decodable = false;
    unknown.streams[0].codec = "vvc".into();
    assert_eq!(codes(&unknown, &Request::default()), ["source.unsupported"]);
}

#[test]
fn a_picture_track_without_pictures_leaves_the_sound() {
    let mut empty = picture_stream("h264", VideoFacts { first_pts: None, ..video(0, 0, 0, 0) });
    empty.decodable = false;
    let plan =
        plan(&file(vec![empty, sound_stream(44_100, 2, "stereo")]), &asking("720p"), &Node { threads: 4 }).unwrap();
    assert!(plan.video.is_none());
    assert_eq!(plan.audio.len(), 1);
    assert_eq!(plan.notes[0].code, "video.absent");
}

#[test]
fn too_many_renditions_are_refused_and_too_many_tracks_cut_off() {
    let many = (0..17).map(|i| format!("{}p", 100 + 2 * i)).collect::<Vec<_>>().join(",");
    let two = Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc], ..asking(&many) };
    assert_eq!(codes(&hd(), &two), ["request.rendition"]);
    let choir = file((0..20).map(|_| sound_stream(48_000, 2, "stereo")).collect());
    let plan = plan(&choir, &Request::default(), &Node { threads: 4 }).unwrap();
    assert_eq!(plan.audio.len(), 16);
    assert_eq!(plan.notes[0].code, "audio.limit");
}

#[test]
fn sound_alone_is_made_when_asked_and_needs_sound() {
    let sound_alone = Request { omit_video: true, packagings: vec![Packaging::Cmaf], ..Request::default() };
    let made = plan(&hd(), &sound_alone, &Node { threads: 4 }).unwrap();
    assert!(made.video.is_none() && !made.audio.is_empty());
    let silent = file(vec![picture_stream("h264", video(640, 360, 25, 1))]);
    assert_eq!(codes(&silent, &sound_alone), ["source.no_streams"]);
}
