//! Ledgers for tests, small and regular unless a test bends them.

use super::{LiveClock, Wishes, single};
use crate::model::codec::{AudioCodec, Packaging, VideoCodec};
use crate::model::facts::{HdrKind, SoundRole};
use crate::model::ledger::{KeyFrame, Ledger, SegmentRecord, SingleFile, StoredFile, TrackKind, TrackRecord};
use crate::model::plan::Grid;
use crate::model::request::ManifestOptions;
use crate::model::time::Ratio;

/// 2026-08-06T07:06:40Z, and 12.5 s later.
pub(super) const CLOCK: LiveClock = LiveClock { started_unix_ms: 1_786_000_000_000, now_unix_ms: 1_786_000_012_500 };
pub(super) const BOTH: [Packaging; 2] = [Packaging::Cmaf, Packaging::Ts];

/// A job of four-second segments.
pub(super) fn ledger(complete: bool, tracks: Vec<TrackRecord>) -> Ledger {
    Ledger { segment_ms: 4000, tracks, complete }
}

/// A rung at 30000/1001 frames a second, in ticks of 1/90000 s, with one key frame a segment. `kilobytes` are the sizes of
/// its segments; the last one is half as long.
pub(super) fn rung(id: &str, codec: VideoCodec, size: (u32, u32), kilobytes: &[u64]) -> TrackRecord {
    let codec_string = match codec {
        VideoCodec::H264 => "avc1.640028",
        VideoCodec::Hevc => "hvc1.1.6.L120.90",
        VideoCodec::Av1 => "av01.0.08M.08",
        VideoCodec::Vp9 => "vp09.00.31.08",
    };
    let frame_rate = Ratio::new(30_000, 1001);
    let kind = TrackKind::Video {
        codec,
        width: size.0,
        height: size.1,
        frame_rate,
        hdr: None,
        carries_captions: false,
        captions: Vec::new(),
    };
    let mut track = track(id, kind, codec_string, 90_000);
    track.declared_peak = u64::from(size.0) * u64::from(size.1) * 5 / 2;
    // 4 s are 119.88 frames: boundaries fall after 120, 240, 360 frames.
    let grid: Vec<(u32, i64, i64)> =
        (0..kilobytes.len() as u32).map(|index| (index, i64::from(index) * 360_360, 360_360)).collect();
    fill(&mut track, &grid, kilobytes);
    if let Some(last) = track.segments.last_mut() {
        last.duration = 180_180;
        last.frames = 60;
    }
    track
}

/// The same rung, kept in high dynamic range.
pub(super) fn in_hdr(mut track: TrackRecord, kind: HdrKind, codec_string: &str) -> TrackRecord {
    if let TrackKind::Video { hdr, .. } = &mut track.kind {
        *hdr = Some(kind);
    }
    track.codec_string = codec_string.to_owned();
    track
}

/// Sound at 48 kHz, in packets of 1024 samples.
pub(super) fn sound(
    id: &str,
    codec: AudioCodec,
    language: Option<&str>,
    title: &str,
    kilobytes: &[u64],
) -> TrackRecord {
    let kind = TrackKind::Audio {
        codec,
        sample_rate: 48_000,
        channels: 2,
        language: language.map(str::to_owned),
        title: title.to_owned(),
        default: false,
        descriptive: false,
        role: None,
    };
    let codec_string = match codec {
        AudioCodec::Aac => "mp4a.40.2",
        AudioCodec::Opus => "opus",
        AudioCodec::Mp3 => "mp4a.6B",
        AudioCodec::Ac3 => "ac-3",
        AudioCodec::Eac3 => "ec-3",
    };
    let mut track = track(id, kind, codec_string, 48_000);
    track.declared_peak = 160_000;
    let packet = |index: i64| (Grid { segment_ms: 4000 }.boundary(index, 48_000) + 1023) / 1024 * 1024;
    let times = (0..kilobytes.len() as u32).map(|index| {
        let start = packet(i64::from(index));
        (index, start, packet(i64::from(index) + 1) - start)
    });
    fill(&mut track, &times.collect::<Vec<_>>(), kilobytes);
    track
}

pub(super) fn as_default(mut track: TrackRecord) -> TrackRecord {
    if let TrackKind::Audio { default, .. } = &mut track.kind {
        *default = true;
    }
    track
}

pub(super) fn as_description(mut track: TrackRecord) -> TrackRecord {
    if let TrackKind::Audio { descriptive, .. } = &mut track.kind {
        *descriptive = true;
    }
    track
}

pub(super) fn with_role(mut track: TrackRecord, asked: SoundRole) -> TrackRecord {
    if let TrackKind::Audio { role, .. } = &mut track.kind {
        *role = Some(asked);
    }
    track
}

pub(super) fn with_channels(mut track: TrackRecord, count: u32) -> TrackRecord {
    if let TrackKind::Audio { channels, .. } = &mut track.kind {
        *channels = count;
    }
    track
}

fn track(id: &str, kind: TrackKind, codec_string: &str, timescale: u32) -> TrackRecord {
    TrackRecord {
        id: id.to_owned(),
        kind,
        timescale,
        codec_string: codec_string.to_owned(),
        declared_peak: 0,
        init_sha256: Some("0".repeat(64)),
        encoder: "test 1.0".to_owned(),
        generation: 1,
        loudness: None,
        segments: Vec::new(),
        single: Vec::new(),
    }
}

/// Replaces the segments of a track: index, start, duration; a key frame at the start of each that takes a tenth of it.
pub(super) fn fill(track: &mut TrackRecord, times: &[(u32, i64, i64)], kilobytes: &[u64]) {
    let packagings: Vec<_> = BOTH.into_iter().filter(|packaging| track.in_packaging(*packaging)).collect();
    let video = track.is_video();
    let segment = |(&(index, start, duration), kilobytes): (&(u32, i64, i64), &u64)| {
        let file = |packaging: &Packaging| {
            let (name, bytes, offset) = match packaging {
                Packaging::Cmaf => (format!("{start}.m4s"), kilobytes * 1000, 24),
                // A transport stream is some percent larger.
                Packaging::Ts => (format!("{index:05}.ts"), kilobytes * 1034 / 188 * 188, 564),
            };
            let unit = if *packaging == Packaging::Ts { 188 } else { 1 };
            let key = KeyFrame { offset, bytes: bytes / 10 / unit * unit, time: start };
            let key_frames = if video { vec![key] } else { Vec::new() };
            StoredFile { packaging: *packaging, name, bytes, sha256: "0".repeat(64), key_frames, at: None }
        };
        SegmentRecord { index, start, duration, frames: 120, files: packagings.iter().map(file).collect() }
    };
    track.segments = times.iter().zip(kilobytes).map(segment).collect();
}

/// Three rungs of H.264 and stereo AAC: the usual job.
pub(super) fn usual(complete: bool) -> Ledger {
    ledger(
        complete,
        vec![
            rung("1080p", VideoCodec::H264, (1920, 1080), &[2400, 2600, 2500, 900]),
            rung("720p", VideoCodec::H264, (1280, 720), &[1000, 1100, 1050, 400]),
            rung("360p", VideoCodec::H264, (640, 360), &[300, 330, 310, 120]),
            as_default(sound("audio-1", AudioCodec::Aac, Some("eng"), "English", &[64, 64, 64, 32])),
        ],
    )
}

/// The track's segments in a packaging as ranges of one file.
pub(super) fn as_single(track: &mut TrackRecord, packaging: Packaging) {
    let in_cmaf = packaging == Packaging::Cmaf;
    let (init_bytes, index_bytes) = if in_cmaf { (800, single::index_bytes(track.segments.len())) } else { (0, 0) };
    let name = single::name(packaging, "");
    let mut at = init_bytes + index_bytes;
    for file in track.segments.iter_mut().flat_map(|s| &mut s.files).filter(|file| file.packaging == packaging) {
        (file.name, file.at) = (name.clone(), Some(at));
        at += file.bytes;
    }
    track.single.push(SingleFile { packaging, name, init_bytes, index_bytes });
}

/// Nothing asked of manifests.
pub(super) const PLAIN: Wishes<'static> = Wishes { options: &USUAL, chapters: &[], sprites: None };
const USUAL: ManifestOptions = ManifestOptions {
    at_end: false,
    single_file: false,
    program_unix_ms: None,
    start_us: None,
    start_precise: false,
    chapters: false,
};
