//! Progressive MP4 files, looked at with FFmpeg's own tools: from a clip through the command to `OUT/mp4`.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_rung_is_a_faststart_file_of_the_very_same_packets() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = clip(scratch.path(), "testsrc2=size=320x240:rate=30000/1001:duration=7");
    let out = scratch.path().join("out");
    let options = ["--mp4", "--renditions", "240p,120p", "--codec", "h264,hevc,av1", "--audio-codec", "opus,aac"];
    let more = ["--packaging", "cmaf", "--segment", "2s", "--spans", "2", "--speed", "fast"];
    let report = transcode(&clip, &out, &[&options[..], &more].concat());
    let files = report["progressive"].as_array().unwrap();
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        let (track, path) = (file["track"].as_str().unwrap(), out.join(file["path"].as_str().unwrap()));
        assert_eq!(path, out.join(format!("mp4/{track}.mp4")));
        assert_eq!(fs::metadata(&path).unwrap().len(), file["bytes"].as_u64().unwrap());
        assert_eq!(file["audio"], "audio-1-aac", "AAC before Opus, whatever was asked for first");
        assert_eq!(top_level(&path), ["ftyp", "moov", "mdat"], "{track}");
        ffmpeg(&["-xerror", "-i", path.to_str().unwrap(), "-f", "null", "-"]);
        for (kind, track) in [("v", track), ("a", "audio-1-aac")] {
            let stored = joined(&out.join("cmaf").join(track), &scratch.path().join("joined.mp4"));
            assert!(packets(&path, kind) == packets(&stored, kind), "packets of {track}");
            assert_eq!(content(&path, kind), content(&stored, kind), "{track}");
        }
        assert_eq!(packets(&path, "v").len(), 210);
        let streams = ffprobe(&path, "stream=start_time,duration");
        let seconds = |text: &str| text.parse::<f64>().unwrap();
        let spans: Vec<_> = streams.iter().map(|line| line.split_once(',').unwrap()).collect();
        assert_eq!(spans.len(), 2, "{track}");
        assert!(spans.iter().all(|(start, _)| seconds(start).abs() < 0.001), "{track}: {streams:?}");
        assert!((seconds(spans[0].1) - 7.007).abs() < 0.001, "{track}: {streams:?}");
        assert!((seconds(spans[1].1) - 7.0).abs() < 0.025, "{track}: {streams:?}");
    }
    let hevc = ffprobe(&out.join("mp4/240p-hevc.mp4"), "stream=codec_tag_string");
    assert_eq!(hevc, ["hvc1", "mp4a"]);
}

#[test]
fn sound_that_starts_late_is_late_in_the_file_too() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = clip(scratch.path(), "testsrc2=size=320x240:rate=25:duration=5");
    let late = scratch.path().join("late.mkv");
    let (from, to) = (clip.to_str().unwrap(), late.to_str().unwrap());
    ffmpeg(&["-i", from, "-itsoffset", "1.5", "-i", from, "-map", "0:v", "-map", "1:a", "-c", "copy", to]);
    let out = scratch.path().join("out");
    transcode(&late, &out, &["--mp4", "--renditions", "240p", "--segment", "2s", "--speed", "fast"]);
    let first_sound = |path: &Path| {
        let input = ["-i", path.to_str().unwrap(), "-map", "0:a", "-af"];
        let filter = "silencedetect=noise=-40dB:duration=0.2,ametadata=mode=print:file=-";
        let text = ffmpeg(&[&input[..], &[filter, "-f", "null", "-"]].concat());
        let ends = text.lines().filter_map(|line| line.strip_prefix("lavfi.silence_end="));
        ends.map(|end| end.parse::<f64>().unwrap()).next()
    };
    let audio = &ffprobe(&out.join("mp4/240p.mp4"), "stream=start_time")[1];
    let start: f64 = audio.parse().unwrap();
    let heard = first_sound(&out.join("mp4/240p.mp4")).unwrap_or(start);
    assert!((heard - 1.5).abs() < 0.05, "starts at {start}, heard at {heard}");
}

#[test]
fn without_the_option_there_is_none_and_without_cmaf_it_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = clip(scratch.path(), "testsrc2=size=160x120:rate=25:duration=1");
    let out = scratch.path().join("out");
    let report = transcode(&clip, &out, &["--renditions", "120p", "--speed", "fast", "--packaging", "cmaf"]);
    assert_eq!(report["progressive"], Value::Array(Vec::new()));
    assert!(!out.join("mp4").exists());
    let refused = scratch.path().join("refused");
    let ran =
        reelmill().arg("transcode").args([&clip, &refused]).args(["--mp4", "--packaging", "ts"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("[request.progressive]"));
    assert!(!refused.exists());
}

fn reelmill() -> Command {
    Command::new(env!("CARGO_BIN_EXE_reelmill"))
}

/// A clip of these pictures with a tone of the same length or, for 30000/1001, some milliseconds less.
fn clip(scratch: &Path, pictures: &str) -> PathBuf {
    let path = scratch.join("clip.mp4");
    let tone = format!("sine=frequency=440:duration={}", pictures.rsplit('=').next().unwrap());
    let codecs = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"];
    let sources = ["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", &tone];
    ffmpeg(&[&sources[..], &codecs, &[path.to_str().unwrap()]].concat());
    path
}

fn transcode(input: &Path, out: &Path, options: &[&str]) -> Value {
    let ran = reelmill().arg("transcode").arg(input).arg(out).args(options).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&fs::read(out.join("reelmill.json")).unwrap()).unwrap()
}

/// Runs a tool and expects success without a word.
fn run(tool: &str, arguments: &[&str]) -> String {
    let ran = Command::new(tool).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.trim().is_empty(), "{tool} {arguments:?}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn ffmpeg(arguments: &[&str]) -> String {
    run("ffmpeg", &[&["-nostdin", "-v", "error", "-y"], arguments].concat())
}

fn ffprobe(path: &Path, entries: &str) -> Vec<String> {
    probe(&["-show_entries", entries, path.to_str().unwrap()])
}

fn probe(arguments: &[&str]) -> Vec<String> {
    let text = run("ffprobe", &[&["-v", "error", "-of", "csv=p=0"], arguments].concat());
    text.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Presentation time and size of each packet of one kind, in the order of the file.
fn packets(path: &Path, kind: &str) -> Vec<String> {
    probe(&["-show_entries", "packet=pts,size", "-select_streams", kind, path.to_str().unwrap()])
}

/// A hash over the content of all packets of one kind.
fn content(path: &Path, kind: &str) -> String {
    ffmpeg(&["-i", path.to_str().unwrap(), "-map", &format!("0:{kind}"), "-c", "copy", "-f", "md5", "-"])
}

/// Types of the boxes that a file consists of.
fn top_level(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut kinds) = (0, Vec::new());
    while at < bytes.len() {
        kinds.push(String::from_utf8(bytes[at + 4..at + 8].to_vec()).unwrap());
        at += u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    assert_eq!(at, bytes.len());
    kinds
}

/// A track's segments behind its initialisation segment.
fn joined(track: &Path, to: &Path) -> PathBuf {
    let mut bytes = fs::read(track.join("init.mp4")).unwrap();
    let playlist = fs::read_to_string(track.join("media.m3u8")).unwrap();
    for segment in playlist.lines().filter(|line| !line.starts_with('#')) {
        bytes.extend(fs::read(track.join(segment)).unwrap());
    }
    fs::write(to, bytes).unwrap();
    to.to_owned()
}
