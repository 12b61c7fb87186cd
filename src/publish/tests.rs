//! What is published, when, and what is left when a job fails.

use super::*;
use crate::model::Fault;
use crate::model::plan::{Grid, SpanRange};
use serde_json::json;
use std::path::PathBuf;

/// One H.264 rung in two spans of three segments, and one AAC track.
fn plan() -> Plan {
    let rate = json!({"num": 25, "den": 1});
    let color = json!({"range": null, "primaries": null, "transfer": null, "matrix": null});
    let rung = json!({
        "id": "360p", "codec": "h264", "packagings": ["cmaf", "ts"],
        "width": 640, "height": 360, "pixel_format": "yuv420p", "parent": null, "graph": "", "rate": {"mode": "vbv", "bitrate": 1, "max_rate": 2, "buffer": 3}, "speed": "fast",
        "encoder": "libx264", "options": [], "frame_rate": rate, "color": color, "hdr": null, "declared_peak": 2,
    });
    let video = json!({
        "stream": 0, "time_base": {"num": 1, "den": 90000}, "origin": 0, "timescale": 1000, "frame_ticks": 40,
        "frame_rate": rate, "prepare": "", "color": color, "decode_threads": 1, "renditions": [rung],
    });
    let audio = json!({
        "id": "audio-1", "stream": 1, "time_base": {"num": 1, "den": 48000}, "origin": 0, "codec": "aac",
        "copy": false, "packagings": ["cmaf", "ts"], "encoder": "aac", "options": [], "sample_rate": 48000, "channels": 2,
        "layout": "stereo", "graph": "", "bit_rate": 128_000, "language": null, "title": "Audio", "default": true, "descriptive": false,
    });
    Plan {
        grid: Grid { segment_ms: 4000 },
        packagings: vec![Packaging::Cmaf, Packaging::Ts],
        video: Some(serde_json::from_value(video).unwrap()),
        audio: vec![serde_json::from_value(audio).unwrap()],
        duration_us: Some(24_000_000),
        spans: vec![SpanRange { first: 0, end: Some(3) }, SpanRange { first: 3, end: None }],
        notes: Vec::new(),
    }
}

/// A job's output in a directory of its own, and a spool to publish from.
struct Bench {
    directory: tempfile::TempDir,
    publisher: Publisher,
    spool: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::claim(&directory.path().join("out"), false).unwrap();
        let publisher = Publisher::new(place, &plan(), 0).unwrap();
        let spool = publisher.make_spool("1").unwrap();
        let mut bench = Self { directory, publisher, spool };
        for track in ["360p", "audio-1"] {
            bench.publisher.init(&init(track, "x264 A")).unwrap();
        }
        bench
    }

    /// Two TS packets of one PID, whose counters each encoder starts at 0, and a CMAF file.
    fn segment(&self, track: &str, index: u32, timescale: i64) -> v1::Segment {
        let mut packet = [index as u8; 188];
        packet[..4].copy_from_slice(&[0x47, 0x41, 0x00, 0x10]);
        let mut next = packet;
        next[3] = 0x11;
        let files = [("cmaf", vec![index as u8; 100]), ("ts", [packet, next].concat())];
        let file = |(packaging, body): (&str, Vec<u8>)| {
            let name = format!("{track}-{index}.{packaging}");
            fs::write(self.spool.join(&name), &body).unwrap();
            let (bytes, sha256) = (body.len() as u64, disk::sha256(&body));
            let key_frame = v1::KeyFrame { offset: 0, bytes, time: i64::from(index) * 4 * timescale };
            let key_frames = if track == "360p" { vec![key_frame] } else { Vec::new() };
            v1::SpoolFile { packaging: packaging.into(), name, bytes, sha256, key_frames }
        };
        let (start, duration) = (i64::from(index) * 4 * timescale, 4 * timescale);
        let files = files.map(file).into();
        v1::Segment { track: track.into(), index, start, duration, frames: 100, files }
    }

    fn video(&mut self, span: usize, index: u32) -> Result<Vec<u32>, Problem> {
        let segment = self.segment("360p", index, 1000);
        let recorded = self.publisher.segment(Part::Video(span), &self.spool, segment)?;
        Ok(recorded.into_iter().map(|recorded| recorded.index).collect())
    }

    fn audio(&mut self, index: u32) -> Result<usize, Problem> {
        let segment = self.segment("audio-1", index, 48_000);
        Ok(self.publisher.segment(Part::Audio, &self.spool, segment)?.len())
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }
}

fn init(track: &str, encoder: &str) -> v1::Init {
    let codec_string = if track == "360p" { "avc1.64001e" } else { "mp4a.40.2" };
    let init_segment = b"ftypmoov".to_vec().into();
    v1::Init { track: track.into(), init_segment, codec_string: codec_string.into(), encoder: encoder.into() }
}

#[test]
fn a_later_span_waits_in_place_until_the_earlier_one_is_there() {
    let mut bench = Bench::new();
    assert_eq!(bench.video(1, 3).unwrap(), [0; 0]);
    assert_eq!(bench.video(1, 4).unwrap(), [0; 0]);
    assert!(bench.out().join("cmaf/360p/12000.m4s").exists());
    assert_eq!(bench.video(0, 0).unwrap(), [0]);
    assert_eq!(bench.video(0, 1).unwrap(), [1]);
    assert_eq!(bench.video(0, 2).unwrap(), [2, 3, 4]);
    assert_eq!(fs::read_dir(&bench.spool).unwrap().count(), 0);
}

#[test]
fn continuity_counters_run_on_across_segments_whatever_order_they_came_in() {
    let mut bench = Bench::new();
    for (span, index) in [(1, 3), (0, 0), (0, 1), (0, 2)] {
        bench.video(span, index).unwrap();
    }
    let mut counters = Vec::new();
    for segment in &bench.publisher.ledger().tracks[0].segments {
        let file = segment.file(Packaging::Ts).unwrap();
        let body = fs::read(bench.out().join("ts/360p").join(&file.name)).unwrap();
        assert_eq!(file.sha256, disk::sha256(&body), "the hash is that of the stored file");
        counters.extend(body.chunks(188).map(|packet| packet[3] & 15));
    }
    let first = counters[0];
    let expected: Vec<_> = (0..8).map(|step| (first + step) & 15).collect();
    assert_eq!(counters, expected);
}

#[test]
fn a_second_attempt_begins_where_the_first_broke_off() {
    let mut bench = Bench::new();
    let plan = plan();
    assert_eq!(bench.publisher.resume_point(Part::Video(0), &plan), Some(0));
    assert_eq!(bench.publisher.resume_point(Part::Video(1), &plan), Some(3));
    bench.video(0, 0).unwrap();
    bench.video(1, 3).unwrap();
    assert_eq!(bench.publisher.resume_point(Part::Video(0), &plan), Some(1));
    assert_eq!(bench.publisher.resume_point(Part::Video(1), &plan), Some(4));
    bench.video(0, 1).unwrap();
    bench.video(0, 2).unwrap();
    assert_eq!(bench.publisher.resume_point(Part::Video(0), &plan), None);
    assert_eq!(bench.publisher.resume_point(Part::Audio, &plan), Some(0), "audio is one pass");
}

#[test]
fn what_comes_twice_is_compared_and_thrown_away() {
    let mut bench = Bench::new();
    assert_eq!(bench.audio(0).unwrap(), 1);
    assert_eq!(bench.audio(0).unwrap(), 0);
    assert_eq!(fs::read_dir(&bench.spool).unwrap().count(), 0);
    let mut other = bench.segment("audio-1", 0, 48_000);
    other.files[0].sha256 = "0".repeat(64);
    let problem = bench.publisher.segment(Part::Audio, &bench.spool, other).unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Bug, "encoder.not_reproducible"));
    let mut longer = bench.segment("360p", 0, 1000);
    bench.video(0, 0).unwrap();
    longer.duration += 1;
    assert!(bench.publisher.segment(Part::Video(0), &bench.spool, longer).is_err());
}

#[test]
fn an_encoder_that_changes_between_spans_is_a_bug() {
    let mut bench = Bench::new();
    bench.publisher.init(&init("360p", "x264 A")).unwrap();
    let problem = bench.publisher.init(&init("360p", "x264 B")).unwrap_err();
    assert_eq!(problem.code, "encoder.identity_changed");
    let mut other = init("360p", "x264 A");
    other.init_segment = b"ftypmoof".to_vec().into();
    assert_eq!(bench.publisher.init(&other).unwrap_err().code, "encoder.identity_changed");
}

#[test]
fn a_worker_cannot_publish_what_is_not_its_own() {
    let mut bench = Bench::new();
    let mut code = |segment: v1::Segment, part| bench.publisher.segment(part, &bench.spool, segment).unwrap_err().code;
    let bench_segment = |track: &str| {
        let file = |packaging: &str| v1::SpoolFile {
            packaging: packaging.into(),
            name: format!("absent.{packaging}"),
            bytes: 1,
            sha256: "0".repeat(64),
            key_frames: Vec::new(),
        };
        let files = vec![file("cmaf"), file("ts")];
        v1::Segment { track: track.into(), index: 0, start: 0, duration: 4, frames: 1, files }
    };
    assert_eq!(code(bench_segment("../.."), Part::Video(0)), "worker.protocol");
    assert_eq!(code(bench_segment("audio-1"), Part::Video(0)), "worker.protocol");
    assert_eq!(code(bench_segment("360p"), Part::Audio), "worker.protocol");
    std::os::unix::fs::symlink("/etc/passwd", bench.spool.join("link")).unwrap();
    let mut segment = bench.segment("360p", 0, 1000);
    segment.files[0].name = "link".into();
    let problem = bench.publisher.segment(Part::Video(0), &bench.spool, segment).unwrap_err();
    assert_eq!(problem.code, "worker.protocol");
    let mut bench = Bench::new();
    let segment = bench.segment("360p", 0, 1000);
    fs::write(bench.spool.join(&segment.files[1].name), [0x47; 2 * 188 - 1]).unwrap();
    let mut cut = segment;
    cut.files[1].bytes -= 1;
    cut.files[1].key_frames.clear();
    let problem = bench.publisher.segment(Part::Video(0), &bench.spool, cut).unwrap_err();
    assert_eq!(problem.code, "worker.protocol");
}

#[test]
fn manifests_appear_when_every_track_can_play_and_then_not_too_often() {
    let mut bench = Bench::new();
    bench.video(0, 0).unwrap();
    assert!(!bench.publisher.refresh(0, 0).unwrap());
    bench.audio(0).unwrap();
    assert!(bench.publisher.refresh(1, 0).unwrap(), "now it can be played");
    let media = || fs::read_to_string(bench.out().join("ts/360p/media.m3u8")).unwrap();
    assert!(media().contains("00000.ts"));
    let segments = |bench: &mut Bench, index: u32| {
        bench.video(usize::from(index >= 3), index).unwrap();
        bench.audio(index).unwrap();
        bench.publisher.refresh(u64::from(index) + 1, 0).unwrap();
    };
    let has =
        |bench: &Bench, name: &str| fs::read_to_string(bench.out().join("ts/360p/media.m3u8")).unwrap().contains(name);
    for index in 1..5 {
        segments(&mut bench, index);
    }
    assert!(has(&bench, "00002.ts"), "the first ones are named at once");
    assert!(!has(&bench, "00004.ts"), "later ones wait");
    bench.publisher.refresh(1 + REFRESH_MS + 10, 0).unwrap();
    assert!(has(&bench, "00004.ts"));
}

#[test]
fn a_finished_job_stays_and_a_job_with_a_gap_does_not() {
    let mut bench = Bench::new();
    for index in 0..4 {
        bench.video(usize::from(index >= 3), index).unwrap();
        bench.audio(index).unwrap();
    }
    bench.publisher.finish(0).unwrap();
    let out = bench.out();
    assert!(bench.publisher.ledger().complete);
    bench.publisher.keep(b"{}").unwrap();
    let media = fs::read_to_string(out.join("cmaf/360p/media.m3u8")).unwrap();
    assert!(media.contains("#EXT-X-ENDLIST"));
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["cmaf", REPORT_NAME, "ts"]);

    let mut bench = Bench::new();
    bench.video(0, 0).unwrap();
    bench.video(1, 3).unwrap();
    bench.audio(0).unwrap();
    assert_eq!(bench.publisher.finish(0).unwrap_err().code, "ledger.gap");
    let out = bench.out();
    drop(bench.publisher);
    assert!(!out.exists());
}

#[test]
fn a_span_without_a_picture_hands_the_beginning_to_the_next() {
    let mut bench = Bench::new();
    assert_eq!(bench.video(1, 3).unwrap(), [0; 0]);
    let (recorded, notes) = bench.publisher.part_done(Part::Video(0)).unwrap();
    assert_eq!((recorded.len(), notes.len()), (1, 0));
}

#[test]
fn a_track_without_sound_is_left_out_and_named() {
    let mut bench = Bench::new();
    bench.video(0, 0).unwrap();
    let (_, notes) = bench.publisher.part_done(Part::Audio).unwrap();
    assert_eq!(notes[0].code, "audio.left_out");
    assert!(bench.publisher.refresh(0, 0).unwrap());
    assert_eq!(bench.publisher.ledger().tracks.len(), 1);
}
