//! What others' parsers read in our manifests must be what the ledger says.

use super::fixtures::*;
use super::{MASTER, MPD, ManifestFile, manifests};
use crate::model::codec::{AudioCodec, Packaging, VideoCodec};
use crate::model::ledger::{Ledger, TrackKind, TrackRecord};
use m3u8_rs::{AlternativeMediaType, MediaPlaylist, MediaPlaylistType, Playlist};
use std::collections::BTreeSet;

fn jobs() -> Vec<Ledger> {
    let mut uneven = usual(false);
    uneven.tracks[0].segments.truncate(2);
    let mut still = rung("480p", VideoCodec::H264, (854, 480), &[]);
    fill(&mut still, &[(0, 0, 364_500), (1, 364_500, 1_192_500), (4, 1_557_000, 243_000)], &[800, 150, 600]);
    let several = vec![
        rung("720p-h264", VideoCodec::H264, (1280, 720), &[1500, 400]),
        rung("720p-av1", VideoCodec::Av1, (1280, 720), &[700, 200]),
        as_default(sound("audio-1", AudioCodec::Aac, Some("eng"), "A \"title\"\n#EXT-X-ENDLIST <&>", &[64, 32])),
        sound("audio-1-opus", AudioCodec::Opus, Some("eng"), "A title", &[48, 24]),
        as_description(sound("audio-2", AudioCodec::Aac, Some("de"), "A title", &[48, 24])),
    ];
    let sounds = vec![as_default(sound("audio-1", AudioCodec::Aac, Some("fra"), "Balado", &[64, 64, 32]))];
    vec![usual(false), usual(true), uneven, ledger(true, vec![still]), ledger(true, several), ledger(false, sounds)]
}

/// Every job with every packaging that gives it manifests.
fn each(check: impl Fn(&Ledger, Packaging, &[ManifestFile])) {
    let mut checked = 0;
    for ledger in jobs() {
        assert_eq!(super::verify(&ledger).iter().filter(|problem| !problem.contains("segments where")).count(), 0);
        for packaging in BOTH {
            let files = manifests(&ledger, &[packaging], PLAIN, CLOCK);
            assert!(!files.is_empty());
            check(&ledger, packaging, &files);
            checked += 1;
        }
    }
    assert_eq!(checked, 12);
}

fn body<'f>(files: &'f [ManifestFile], packaging: Packaging, path: &str) -> &'f str {
    let path = format!("{}/{path}", packaging.name());
    &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is missing")).body
}

fn media(text: &str) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(text.as_bytes()) {
        Ok(Playlist::MediaPlaylist(playlist)) => playlist,
        other => panic!("not a media playlist: {other:?}"),
    }
}

fn tracks(ledger: &Ledger, packaging: Packaging) -> impl Iterator<Item = &TrackRecord> {
    ledger.tracks.iter().filter(move |track| track.in_packaging(packaging))
}

/// m3u8-rs keeps 24 bits of a duration.
fn close(seconds: f32, ticks: i64, timescale: u32) -> bool {
    (f64::from(seconds) - ticks as f64 / f64::from(timescale)).abs() < 1e-5
}

fn check_head(playlist: &MediaPlaylist, ledger: &Ledger, packaging: Packaging) {
    assert_eq!(playlist.version, Some(if packaging == Packaging::Cmaf { 7 } else { 6 }));
    assert_eq!(playlist.media_sequence, 0);
    assert_eq!(playlist.end_list, ledger.complete);
    let kind = if ledger.complete { MediaPlaylistType::Vod } else { MediaPlaylistType::Event };
    assert_eq!(playlist.playlist_type, Some(kind));
    assert!(playlist.independent_segments);
    assert_eq!(playlist.start.as_ref().map(|start| start.time_offset), (!ledger.complete).then_some(0.0));
    assert!(playlist.target_duration >= u64::from(ledger.segment_ms / 1000));
    for segment in &playlist.segments {
        assert!(segment.duration.round() as u64 <= playlist.target_duration);
        assert!(!segment.discontinuity);
    }
}

#[test]
fn media_playlists_name_every_stored_segment() {
    each(|ledger, packaging, files| {
        let mut targets = BTreeSet::new();
        for track in tracks(ledger, packaging) {
            let playlist = media(body(files, packaging, &format!("{}/media.m3u8", track.id)));
            check_head(&playlist, ledger, packaging);
            targets.insert(playlist.target_duration);
            assert_eq!(playlist.segments.len(), track.segments.len());
            for (index, (named, stored)) in playlist.segments.iter().zip(&track.segments).enumerate() {
                assert_eq!(named.uri, stored.file(packaging).unwrap().name);
                assert!(close(named.duration, stored.duration, track.timescale), "{named:?}");
                let map = named.map.as_ref().map(|map| map.uri.as_str());
                assert_eq!(map, (index == 0 && packaging == Packaging::Cmaf).then_some("init.mp4"));
                assert!(named.byte_range.is_none());
            }
        }
        assert_eq!(targets.len(), 1, "all playlists of a job have one target duration");
    });
}

#[test]
fn i_frame_playlists_name_every_key_frame() {
    each(|ledger, packaging, files| {
        for track in tracks(ledger, packaging).filter(|track| track.is_video()) {
            let playlist = media(body(files, packaging, &format!("{}/iframes.m3u8", track.id)));
            check_head(&playlist, ledger, packaging);
            assert!(playlist.i_frames_only);
            let stored: Vec<_> = track.segments.iter().map(|segment| segment.file(packaging).unwrap()).collect();
            let keys: Vec<_> =
                stored.iter().flat_map(|file| file.key_frames.iter().map(move |key| (file, key))).collect();
            assert_eq!(playlist.segments.len(), keys.len());
            for (named, (file, key)) in playlist.segments.iter().zip(&keys) {
                assert_eq!(named.uri, file.name);
                let range = named.byte_range.as_ref().unwrap();
                assert_eq!((range.length, range.offset), (key.bytes, Some(key.offset)));
            }
            let whole: f64 = playlist.segments.iter().map(|segment| f64::from(segment.duration)).sum();
            assert!((whole - track.end() as f64 / f64::from(track.timescale)).abs() < 1e-4);
            let map = playlist.segments[0].map.as_ref().unwrap();
            let range = map.byte_range.as_ref().map(|range| (range.length, range.offset));
            match packaging {
                Packaging::Cmaf => assert_eq!((map.uri.as_str(), range), ("init.mp4", None)),
                Packaging::Ts => assert_eq!((map.uri.as_str(), range), ("00000.ts", Some((564, Some(0))))),
            }
        }
    });
}

#[test]
fn master_playlists_say_what_the_ledger_says() {
    each(|ledger, packaging, files| {
        let Ok(Playlist::MasterPlaylist(master)) =
            m3u8_rs::parse_playlist_res(body(files, packaging, MASTER).as_bytes())
        else {
            panic!("not a master playlist")
        };
        assert!(master.independent_segments);
        let mut names = BTreeSet::new();
        for media in &master.alternatives {
            assert_eq!(media.media_type, AlternativeMediaType::Audio);
            assert!(names.insert((&media.group_id, &media.name)), "{} twice in a group", media.name);
            assert!(!body(files, packaging, media.uri.as_ref().unwrap()).is_empty());
        }
        for variant in &master.variants {
            assert!(!body(files, packaging, &variant.uri).is_empty());
            assert!(variant.bandwidth >= variant.average_bandwidth.unwrap());
            let id = variant.uri.split('/').next().unwrap();
            let track = ledger.tracks.iter().find(|track| track.id == id).unwrap();
            assert!(variant.codecs.as_ref().unwrap().starts_with(&track.codec_string));
            let TrackKind::Video { width, height, .. } = track.kind else { continue };
            let size = variant.resolution.unwrap();
            assert_eq!((size.width, size.height), (width.into(), height.into()));
            assert!(variant.is_i_frame || (variant.frame_rate.unwrap() - 29.97).abs() < 1e-9);
            assert!(!ledger.complete || variant.is_i_frame || variant.bandwidth > one_segment_rate(track, packaging));
            let group = master.alternatives.iter().filter(|media| Some(&media.group_id) == variant.audio.as_ref());
            let defaults = group.filter(|media| media.default && media.autoselect).count();
            assert_eq!(defaults, usize::from(variant.audio.is_some()));
        }
        let videos = tracks(ledger, packaging).filter(|track| track.is_video()).count();
        assert_eq!(master.variants.iter().filter(|variant| variant.is_i_frame).count(), videos);
    });
}

/// The rate of the first segment, which is one of usual length in every job; a little less, for jobs without sound.
fn one_segment_rate(track: &TrackRecord, packaging: Packaging) -> u64 {
    let segment = &track.segments[0];
    segment.file(packaging).unwrap().bytes * 8 * u64::from(track.timescale) / segment.duration as u64 - 1
}

#[test]
fn the_mpd_asks_for_exactly_the_stored_files() {
    each(|ledger, packaging, files| {
        if packaging == Packaging::Ts {
            return;
        }
        let mpd = dash_mpd_core::parse(body(files, packaging, MPD)).unwrap();
        assert_eq!(dash_mpd_core::check_conformity(&mpd), [""; 0]);
        assert_eq!(mpd.mpdtype.as_deref(), Some(if ledger.complete { "static" } else { "dynamic" }));
        assert_eq!(mpd.mediaPresentationDuration.is_some(), ledger.complete);
        for present in
            [mpd.availabilityStartTime.is_some(), mpd.publishTime.is_some(), mpd.minimumUpdatePeriod.is_some()]
        {
            assert_eq!(present, !ledger.complete);
        }
        assert!(mpd.timeShiftBufferDepth.is_none());
        let mut seen = 0;
        for set in &mpd.periods[0].adaptations {
            for representation in &set.representations {
                let id = representation.id.as_ref().unwrap();
                let track = ledger.tracks.iter().find(|track| track.id == *id).unwrap();
                let template = representation.SegmentTemplate.as_ref().or(set.SegmentTemplate.as_ref()).unwrap();
                assert_eq!(template.initialization.as_deref(), Some("$RepresentationID$/init.mp4"));
                let asked = expand(template);
                let stored = track.segments.iter().map(|segment| {
                    let name = &segment.file(packaging).unwrap().name;
                    (format!("$RepresentationID$/{name}"), segment.start as u64, segment.duration as u64)
                });
                assert_eq!(asked, stored.collect::<Vec<_>>());
                assert_eq!(template.timescale, Some(u64::from(track.timescale)));
                assert_eq!(representation.codecs.as_ref(), Some(&track.codec_string));
                seen += 1;
            }
        }
        assert_eq!(seen, tracks(ledger, packaging).count());
    });
}

/// File, start and duration of every segment that a template names (ISO/IEC 23009-1 §5.3.9.6.2).
fn expand(template: &dash_mpd_core::SegmentTemplate) -> Vec<(String, u64, u64)> {
    let mut time = 0;
    let mut all = Vec::new();
    for entry in &template.SegmentTimeline.as_ref().unwrap().segments {
        time = entry.t.unwrap_or(time);
        for _ in 0..=entry.r.unwrap_or(0) {
            let name = template.media.as_ref().unwrap().replace("$Time$", &time.to_string());
            all.push((name, time, entry.d));
            time += entry.d;
        }
    }
    all
}

#[test]
fn equal_ledgers_give_equal_bytes_and_only_a_growing_mpd_tells_the_time() {
    let later = super::LiveClock { now_unix_ms: CLOCK.now_unix_ms + 1000, ..CLOCK };
    assert_eq!(manifests(&usual(true), &BOTH, PLAIN, CLOCK), manifests(&usual(true), &BOTH, PLAIN, later));
    let (now, then) = (manifests(&usual(false), &BOTH, PLAIN, CLOCK), manifests(&usual(false), &BOTH, PLAIN, later));
    let differ: Vec<_> = now.iter().zip(&then).filter(|(a, b)| a != b).map(|(a, _)| a.path.as_str()).collect();
    assert_eq!(differ, ["cmaf/manifest.mpd"]);
}
