//! Which tracks of sound an output has, and what is told of them.

use super::cases::asking;
use super::jobs::job;
use crate::model::facts::{MediaFacts, StreamFacts};
use crate::model::request::{Loudness, SoundOptions, TrackChoice};
use crate::plan::testing::{file, picture_stream, sound_stream, video};
use crate::plan::{JobPlanning, Request};

/// Pictures, then English (the default), German, German described, and a track of which nothing is said.
fn source() -> MediaFacts {
    let track = |language: &str| StreamFacts { language: Some(language.into()), ..sound_stream(48_000, 2, "stereo") };
    file(vec![
        picture_stream("h264", video(640, 360, 25, 1)),
        StreamFacts { default: true, title: Some("Original".into()), ..track("eng") },
        track("deu"),
        StreamFacts { descriptive: true, ..track("deu") },
        sound_stream(48_000, 2, "stereo"),
    ])
}

fn stream(index: u32) -> TrackChoice {
    TrackChoice { stream: Some(index), ..TrackChoice::default() }
}

fn spoken(code: &str) -> TrackChoice {
    TrackChoice { in_language: Some(code.into()), ..TrackChoice::default() }
}

fn choosing(tracks: Vec<TrackChoice>) -> Request {
    Request { sound: SoundOptions { tracks, ..SoundOptions::default() }, ..asking("360p") }
}

/// For each track of sound of an output: stream, id, title, language that is told instead, default.
fn tracks(planning: &JobPlanning, output: usize) -> Vec<(u32, String, String, Option<String>, bool)> {
    let plan = planning.plan.outputs[output].as_ref().unwrap();
    let sound = plan.tracks.iter().filter_map(|track| {
        let made = planning.plan.works[track.work].plan.audio.iter().find(|a| a.id == track.rendition)?;
        Some((made.stream, track.id.clone(), track.title.clone(), track.language.clone(), track.default))
    });
    sound.collect()
}

#[test]
fn tracks_are_those_that_are_chosen_in_that_order() {
    let named = TrackChoice { language: Some("fra".into()), title: Some("Français".into()), ..stream(4) };
    let planned = job(vec![source()], vec![choosing(vec![named, spoken("DEU"), stream(1)])]).planned();
    assert!(planned.problems.is_empty());
    let track = |stream, id: &str, title: &str, language: Option<&str>, default| {
        (stream, id.to_owned(), title.to_owned(), language.map(str::to_owned), default)
    };
    assert_eq!(
        tracks(&planned, 0),
        [
            track(4, "audio-1", "Français", Some("fra"), false),
            track(2, "audio-2", "deu", None, false),
            track(3, "audio-3", "deu 2", None, false),
            track(1, "audio-4", "Original", None, true),
        ]
    );
    let asked = TrackChoice { default: true, ..spoken("deu") };
    let planned = job(vec![source()], vec![choosing(vec![stream(1), asked])]).planned();
    let defaults: Vec<bool> = tracks(&planned, 0).into_iter().map(|track| track.4).collect();
    assert_eq!(defaults, [false, true, false]);
}

#[test]
fn what_is_told_of_a_track_does_not_make_it_twice() {
    let other = TrackChoice { language: Some("gsw".into()), descriptive: Some(true), ..stream(2) };
    let planned = job(vec![source()], vec![choosing(vec![stream(2)]), choosing(vec![other])]).planned();
    assert_eq!(planned.plan.works.len(), 1);
    assert_eq!(planned.plan.works[0].plan.audio.len(), 1);
    let told = |output: usize| planned.plan.outputs[output].as_ref().unwrap().tracks.last().unwrap().clone();
    assert_eq!((told(0).language, told(0).descriptive), (None, None));
    assert_eq!((told(1).language.as_deref(), told(1).descriptive), (Some("gsw"), Some(true)));
}

#[test]
fn a_choice_that_finds_nothing_fails_its_output_alone() {
    let wrong = [stream(0), stream(9), spoken("ita"), TrackChoice { source: 1, ..stream(1) }];
    for choice in wrong {
        let planned = job(vec![source()], vec![choosing(vec![stream(1), choice]), asking("360p")]).planned();
        assert!(planned.plan.outputs[0].is_none() && planned.plan.outputs[1].is_some());
        let [(0, problems)] = &planned.problems[..] else { panic!("{:?}", planned.problems) };
        assert_eq!((problems[0].code.as_str(), problems.len()), ("sound.track", 1));
        assert_eq!(problems[0].field, "outputs[0].sound.tracks[1]");
    }
    let twice = job(vec![source()], vec![choosing(vec![spoken("deu"), stream(2)])]).planned();
    assert_eq!(twice.problems[0].1[0].code, "sound.track");
}

#[test]
fn loudness_is_a_graph_behind_the_others_and_another_encode() {
    let loud = |target| Request {
        copy: true,
        sound: SoundOptions { tracks: vec![stream(1)], loudness: Some(Loudness::to(target)), join_mono: None },
        ..asking("360p")
    };
    let plain = Request { copy: true, ..choosing(vec![stream(1)]) };
    let planned = job(vec![source()], vec![loud(-2300), plain, loud(-1605), loud(-2300)]).planned();
    let audio = &planned.plan.works[0].plan.audio;
    let mut made: Vec<(bool, &str)> = audio.iter().map(|a| (a.copy, a.whole.as_str())).collect();
    made.sort_unstable();
    let graph = |target: &str| {
        format!(
            "aresample=192000,loudnorm=I={target}:TP=-1.00:LRA=7.00,aresample=48000,\
             aformat=sample_fmts=fltp:channel_layouts=stereo"
        )
    };
    assert_eq!(made, [(false, graph("-16.05").as_str()), (false, graph("-23.00").as_str()), (true, "")]);
    let note = |output: usize| {
        planned.plan.outputs[output]
            .as_ref()
            .unwrap()
            .notes
            .iter()
            .any(|note| note.code == "copy.not_possible" && note.message.contains("loudness"))
    };
    assert!(note(0) && !note(1));
}
