//! Watermarks in plans: what they share with clean outputs, what they need of devices, and that nothing else changes.

use super::cases::asking;
use super::jobs::{Job, hd, job};
use crate::model::facts::MediaFacts;
use crate::model::mark::MarkContent;
use crate::model::request::{Position, Share, Watermark};
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
