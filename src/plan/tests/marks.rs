//! Watermarks in plans: what they share with clean outputs, what they need of devices, and that nothing else changes.

use super::cases::asking;
use super::jobs::{Job, hd, job};
use crate::model::facts::{MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts};
use crate::model::mark::MarkContent;
use crate::model::request::{BurnIn, FieldRate, Position, Share, TextOptions, Watermark};
use crate::plan::testing::{file, picture_stream, video};
use crate::plan::{Node, Request, plan};

fn logo() -> Watermark {
    Watermark { image: Some("/logo.png".parse().unwrap()), size: Some(Share(100)), ..Watermark::default() }
}

fn marked(renditions: &str, watermarks: Vec<Watermark>) -> Request {
    Request { watermarks, ..asking(renditions) }
}

fn picture() -> MediaFacts {
    file(vec![picture_stream("png", video(400, 100, 25, 1))])
}

fn with_image(requests: Vec<Request>, image: Option<MediaFacts>) -> Job {
    let mut job = job(vec![hd()], requests);
    job.spec.add_images();
    job.spec.add_images();
    job.facts.push(image);
    job
}

#[test]
fn clean_and_marked_outputs_share_decode_and_scaling() {
    let job = with_image(vec![asking("1080p,360p"), marked("1080p,360p", vec![logo()])], Some(picture()));
    assert_eq!(job.spec.sources.len(), 2);
    let planned = job.planned();
    assert!(planned.problems.is_empty() && planned.plan.notes.is_empty(), "{planned:?}");
    let works = &planned.plan.works;
    assert_eq!((works.len(), &works[0].inputs[..]), (1, &[0, 1][..]));
    let rungs = &works[0].plan.video.as_ref().unwrap().renditions;
    let told: Vec<_> = rungs.iter().map(|r| (r.id.as_str(), r.marks.len(), r.parent)).collect();
    let expected =
        [("1080p", 0, None), ("1080p-marked", 1, Some(0)), ("360p", 0, Some(0)), ("360p-marked", 1, Some(2))];
    assert_eq!(told, expected);
    let size = |rung: usize| rungs[rung].marks[0].content.clone();
    assert_eq!(size(1), MarkContent::Image { input: 1, width: 192, height: 48 });
    assert_eq!(size(3), MarkContent::Image { input: 1, width: 64, height: 16 });
    let ids: Vec<_> = planned.plan.outputs[1].as_ref().unwrap().tracks.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids, ["1080p", "360p", "audio-1"], "an output calls its tracks as it would without the other");
}

#[test]
fn nothing_is_told_of_the_fields_of_an_image() {
    let mut request = marked("360p", vec![logo()]);
    request.picture.field_rate = FieldRate::Field;
    let mut job = with_image(vec![request], Some(picture()));
    let interlaced = VideoFacts { scan: Scan::TopFirst, ..video(1920, 1080, 25, 1) };
    job.facts[0] = Some(file(vec![picture_stream("h264", interlaced)]));
    let planned = job.planned();
    let notes = &planned.plan.outputs[0].as_ref().unwrap().notes;
    assert!(planned.problems.is_empty() && notes.iter().all(|note| note.code != "source.no_fields"), "{notes:?}");
}

#[test]
fn an_image_that_is_not_there_holds_up_its_outputs_alone() {
    let planned = with_image(vec![asking("360p"), marked("360p", vec![logo()])], None).planned();
    assert!(planned.problems.is_empty());
    assert!(planned.plan.outputs[0].is_some() && planned.plan.outputs[1].is_none());
}

#[test]
fn margins_are_of_the_short_side_and_copies_are_not_marked() {
    let text = Watermark { text: Some("x".into()), position: Position::Top, ..Watermark::default() };
    let request = Request { copy: true, ..marked("1080p", vec![text.clone()]) };
    let made = plan(&hd(), &request, &Node { threads: 4 }).unwrap();
    let rung = &made.video.as_ref().unwrap().renditions[0];
    assert!(!rung.copy && made.notes.iter().any(|note| note.code == "copy.not_possible"));
    assert_eq!((rung.marks[0].margin, rung.marks[0].opacity), ((32, 32), 1000));
    match &rung.marks[0].content {
        MarkContent::Text { style, .. } => assert_eq!((style.size, style.font.as_str()), (49, "DejaVu Sans")),
        other => panic!("{other:?}"),
    }
    let problems = plan(&hd(), &marked("360p", vec![text; 9]), &Node { threads: 4 }).unwrap_err();
    assert_eq!((problems[0].code.as_str(), problems[0].field.as_str()), ("request.watermark", "outputs[0].watermarks"));
}

/// A picture, PGS in two languages, and text.
fn subtitled() -> MediaFacts {
    let track = |codec: &str, language: &str| StreamFacts {
        kind: StreamKind::Subtitle,
        codec: codec.to_owned(),
        language: Some(language.to_owned()),
        audio: None,
        ..crate::plan::testing::sound_stream(48_000, 2, "stereo")
    };
    let pgs = |language| track("hdmv_pgs_subtitle", language);
    file(vec![picture_stream("h264", video(1920, 1080, 25, 1)), pgs("deu"), pgs("fra"), track("subrip", "deu")])
}

fn burning(stream: Option<u32>, language: Option<&str>) -> Request {
    let burn_in = Some(BurnIn { stream, in_language: language.map(str::to_owned) });
    Request { text: TextOptions { burn_in, ..TextOptions::default() }, ..asking("1080p,360p") }
}

#[test]
fn burned_subtitles_lie_below_watermarks_in_their_output_alone() {
    let text = Watermark { text: Some("x".into()), ..Watermark::default() };
    let french = Request { watermarks: vec![text], ..burning(None, Some("FRA")) };
    let job = job(vec![subtitled()], vec![asking("1080p,360p"), french]);
    let planned = job.planned();
    assert!(planned.problems.is_empty(), "{planned:?}");
    let rungs = &planned.plan.works[0].plan.video.as_ref().unwrap().renditions;
    let marks: Vec<_> = rungs.iter().map(|rung| (rung.id.as_str(), rung.marks.len())).collect();
    assert_eq!(marks, [("1080p", 0), ("1080p-marked", 2), ("360p", 0), ("360p-marked", 2)]);
    assert_eq!(rungs[3].marks[0].content, MarkContent::Subtitles { stream: 2, origin_us: 0 });
    let note = |output: usize| {
        let notes = &planned.plan.outputs[output].as_ref().unwrap().notes;
        notes.iter().find(|note| note.code == "text.pictures_left_out").map(|note| note.message.clone())
    };
    assert!(note(0).unwrap().starts_with("2 ") && note(1).unwrap().starts_with("1 "), "a burned track is not left out");
}

#[test]
fn what_is_not_there_or_no_picture_is_not_burned_in() {
    for (stream, language, words) in [
        (Some(3), None, "stream 3 (subrip) is text"),
        (Some(0), None, "those that it has are 1 (deu), 2 (fra)"),
        (None, Some("ita"), "those that it has are 1 (deu), 2 (fra)"),
    ] {
        let problems = plan(&subtitled(), &burning(stream, language), &Node { threads: 4 }).unwrap_err();
        let told = (problems[0].code.as_str(), problems[0].field.as_str());
        assert_eq!(told, ("text.burn_in", "outputs[0].text.burn_in"));
        assert!(problems.len() == 1 && problems[0].message.contains(words), "{problems:?}");
    }
    let blind = Request { omit_video: true, renditions: Vec::new(), ..burning(Some(1), None) };
    let problems = plan(&hd(), &blind, &Node { threads: 4 }).unwrap_err();
    assert_eq!(problems[0].code, "text.burn_in");
}
