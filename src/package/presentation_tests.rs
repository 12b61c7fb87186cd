//! When a packaging can be shown, and the target duration.

use super::*;
use crate::package::fixtures::*;
use crate::package::manifests;

fn paths(ledger: &Ledger, packagings: &[Packaging]) -> Vec<String> {
    manifests(ledger, packagings, PLAIN, CLOCK).into_iter().map(|file| file.path).collect()
}

#[test]
fn a_manifest_comes_after_those_that_it_names() {
    let all = paths(&usual(true), &BOTH);
    let of_track = |dir: &str| vec![format!("{dir}/media.m3u8"), format!("{dir}/iframes.m3u8")];
    let mut expected = Vec::new();
    for (packaging, last) in [("cmaf", &["master.m3u8", "manifest.mpd"][..]), ("ts", &["master.m3u8"])] {
        expected.extend(["1080p", "720p", "360p"].iter().flat_map(|id| of_track(&format!("{packaging}/{id}"))));
        expected.push(format!("{packaging}/audio-1/media.m3u8"));
        expected.extend(last.iter().map(|name| format!("{packaging}/{name}")));
    }
    assert_eq!(all, expected);
}

#[test]
fn nothing_is_published_before_every_track_can_play() {
    for track in 0..4 {
        let mut ledger = usual(false);
        ledger.tracks[track].segments.clear();
        assert_eq!(paths(&ledger, &BOTH), [""; 0], "track {track} without segments");
        let mut ledger = usual(false);
        ledger.tracks[track].codec_string.clear();
        assert_eq!(paths(&ledger, &BOTH), [""; 0], "track {track} without codecs string");
        let mut ledger = usual(false);
        ledger.tracks[track].init_sha256 = None;
        let ready = paths(&ledger, &BOTH);
        assert!(!ready.is_empty() && ready.iter().all(|path| path.starts_with("ts/")), "track {track} without init");
    }
    assert_eq!(paths(&ledger(true, Vec::new()), &BOTH), [""; 0]);
    assert_eq!(paths(&usual(true), &[]), [""; 0]);
}

#[test]
fn pictures_that_a_packaging_cannot_carry_are_not_replaced_by_sound_alone() {
    let tracks = vec![
        rung("720p", VideoCodec::Av1, (1280, 720), &[500]),
        as_default(sound("audio-1", AudioCodec::Aac, None, "Sound", &[64])),
    ];
    assert_eq!(paths(&ledger(true, tracks), &[Packaging::Ts]), [""; 0]);
}

#[test]
fn what_follows_a_file_not_stored_is_not_named() {
    let mut ledger = usual(false);
    ledger.tracks[0].segments[1].files.retain(|file| file.packaging == Packaging::Ts);
    let shown = |packaging| Presentation::new(&ledger, packaging, PLAIN).unwrap().video[0].track.segments.len();
    assert_eq!((shown(Packaging::Cmaf), shown(Packaging::Ts)), (1, 4));
}

#[test]
fn the_target_duration_does_not_change_while_segments_come() {
    for segment_ms in [500, 1480, 2000, 4000, 4500, 6000] {
        let mut whole = usual(false);
        whole.segment_ms = segment_ms;
        let ticks = i64::from(segment_ms) * 90;
        for track in whole.tracks.iter_mut().filter(|track| track.is_video()) {
            // Frame by frame, the first at or after each boundary.
            let start = |k: i64| (k * ticks + 3002) / 3003 * 3003;
            let times: Vec<_> = (0..40).map(|k| (k as u32, start(k), start(k + 1) - start(k))).collect();
            fill(track, &times, &[100; 40]);
        }
        whole.tracks.truncate(3);
        let mut first = whole.clone();
        first.tracks.iter_mut().for_each(|track| track.segments.truncate(1));
        assert_eq!(target_seconds(&first), target_seconds(&whole), "{segment_ms} ms");
        assert!(target_seconds(&whole) * 1000 + 500 > u64::from(segment_ms));
    }
}

#[test]
fn key_frames_last_until_the_next_one() {
    let ledger = usual(true);
    let presentation = Presentation::new(&ledger, Packaging::Cmaf, PLAIN).unwrap();
    let durations: Vec<_> = presentation.video[0].track.key_frames().iter().map(|(_, _, duration)| *duration).collect();
    assert_eq!(durations, [360_360, 360_360, 360_360, 180_180]);
}

#[test]
fn each_group_has_exactly_one_default() {
    let described = as_description(sound("audio-1", AudioCodec::Opus, Some("en"), "Described", &[40]));
    let tracks = vec![
        described,
        sound("audio-2", AudioCodec::Opus, Some("de"), "Deutsch", &[40]),
        sound("audio-3", AudioCodec::Opus, Some("en"), "English", &[40]),
        sound("audio-4", AudioCodec::Aac, Some("de"), "Deutsch", &[40]),
        as_default(sound("audio-5", AudioCodec::Aac, Some("en"), "English", &[40])),
    ];
    let all = ledger(true, tracks);
    let presentation = Presentation::new(&all, Packaging::Cmaf, PLAIN).unwrap();
    let defaults = |group: &AudioGroup<'_>| -> Vec<String> {
        group.members.iter().filter(|sound| sound.default).map(|sound| sound.track.record.id.clone()).collect()
    };
    assert_eq!(presentation.audio.iter().map(defaults).collect::<Vec<_>>(), [["audio-3"], ["audio-5"]]);
}
