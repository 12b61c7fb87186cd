//! Closed captions that become text tracks.

use super::cases::asking;
use super::jobs::job;
use crate::model::CaptionChannel::{Line21, Service};
use crate::model::facts::{MediaFacts, StreamFacts, StreamKind};
use crate::model::request::{CaptionChoice, CaptionOptions, TextLabels, TextOptions};
use crate::model::text::{TextFormat, TextRendition};
use crate::model::{CaptionChannel, Plan};
use crate::plan::testing::{file, picture_stream, sound_stream, video};
use crate::plan::{Node, Request, plan};

/// Pictures of a codec, where these captions were found.
fn source(codec: &str, found: &[CaptionChannel]) -> MediaFacts {
    let pictures = StreamFacts {
        language: Some("eng".into()),
        title: Some("Main".into()),
        ..picture_stream(codec, video(640, 360, 30_000, 1001))
    };
    MediaFacts { captions: Some(found.to_vec()), ..file(vec![pictures, sound_stream(48_000, 2, "stereo")]) }
}

fn chosen(channel: CaptionChannel, language: Option<&str>) -> CaptionChoice {
    let labels = TextLabels { language: language.map(str::to_owned), ..TextLabels::default() };
    CaptionChoice { channel, labels }
}

fn wanting(all: bool, channels: Vec<CaptionChoice>) -> Request {
    let captions = CaptionOptions { all, channels, ..CaptionOptions::default() };
    Request { text: TextOptions { captions, ..TextOptions::default() }, ..asking("360p") }
}

fn tracks(plan: &Plan) -> Vec<&TextRendition> {
    plan.text.iter().filter(|text| text.format == TextFormat::Vtt).collect()
}

fn planned(facts: &MediaFacts, request: &Request) -> Plan {
    plan(facts, request, &Node { threads: 4 }).unwrap()
}

fn notes(plan: &Plan) -> Vec<&str> {
    plan.notes.iter().map(|note| note.code.as_str()).filter(|code| code.starts_with("captions.")).collect()
}

#[test]
fn those_that_are_chosen_come_first_and_are_told_as_said() {
    let facts = source("h264", &[Line21(1), Line21(3), Service(1)]);
    let made = planned(&facts, &wanting(true, vec![chosen(Line21(3), Some("fra")), chosen(Line21(2), None)]));
    let told: Vec<_> = tracks(&made)
        .into_iter()
        .map(|text| (text.caption.unwrap(), text.stream, text.language.as_deref(), text.title.as_str()))
        .collect();
    // Neither the language nor the name of the pictures is that of captions.
    let expected = [
        (Line21(3), 0, Some("fra"), "fra"),
        (Line21(2), 0, None, "CC2"),
        (Line21(1), 0, None, "CC1"),
        (Service(1), 0, None, "SERVICE1"),
    ];
    assert_eq!(told, expected);
    assert!(tracks(&made).iter().all(|text| text.hearing_impaired && !text.default && !text.forced));
    assert_eq!(notes(&made), ["captions.unseen"], "nothing was seen of CC2");
}

#[test]
fn a_source_without_any_has_no_track_of_them_and_one_that_is_asked_for_stays() {
    let facts = source("mpeg2video", &[]);
    let made = planned(&facts, &wanting(true, Vec::new()));
    assert!(made.text.is_empty());
    assert_eq!(notes(&made), ["captions.none"]);
    let made = planned(&facts, &wanting(false, vec![chosen(Service(63), None)]));
    assert_eq!(tracks(&made).len(), 1);
    assert_eq!(notes(&made), ["captions.unseen"]);
    let made = planned(&facts, &Request { text: TextOptions::default(), ..asking("360p") });
    assert!(made.text.is_empty() && notes(&made).is_empty());
}

#[test]
fn a_track_of_captions_carries_those_of_line_21() {
    let mut facts = source("h264", &[]);
    facts.streams.push(StreamFacts {
        index: 2,
        kind: StreamKind::Subtitle,
        codec: "eia_608".into(),
        video: None,
        ..facts.streams[0].clone()
    });
    let made = planned(&facts, &wanting(false, vec![chosen(Line21(1), None), chosen(Service(1), None)]));
    let streams: Vec<_> = tracks(&made).into_iter().map(|text| text.stream).collect();
    assert_eq!(streams, [2, 0]);
    let plain = planned(&facts, &asking("360p"));
    assert!(plain.notes.iter().all(|note| note.code != "text.pictures_left_out"), "captions are no pictures");
}

#[test]
fn what_cannot_carry_them_fails_its_output_alone() {
    let wanting = wanting(false, vec![chosen(Line21(1), None)]);
    let planned = job(vec![source("vp9", &[])], vec![wanting, asking("360p")]).planned();
    let [(0, problems)] = &planned.problems[..] else { panic!("{:?}", planned.problems) };
    assert_eq!((problems[0].code.as_str(), problems.len()), ("text.captions", 1));
    assert_eq!(problems[0].field, "outputs[0].text.captions.channels[0]");
    assert!(planned.plan.outputs[0].is_none() && planned.plan.outputs[1].is_some());
}
