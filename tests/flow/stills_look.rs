//! Stills beside a ladder, of sources that are not shown as they are stored: each is the ladder's picture of its time.

use crate::tools::{clip_of, ffmpeg, ffprobe, joined, reelmill};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How far pictures may be apart on average, of 255: what an encode leaves, and chroma at edges.
const OFF_MAX: f64 = 5.0;
const TONE: &str = "sine=frequency=440:duration=2";

/// A source, made with these options of FFmpeg.
fn source(picture: &str, options: &[&str]) -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("source.mp4");
    ffmpeg(&[&["-f", "lavfi", "-i", picture][..], options, &[path.to_str().unwrap()]].concat());
    (scratch, path)
}

/// Pixels of a picture of a file, RGB.
fn pixels(file: &Path, filter: &str) -> Vec<u8> {
    let arguments = ["-nostdin", "-v", "error", "-noautorotate", "-i", file.to_str().unwrap(), "-vf", filter];
    let form = ["-fps_mode", "passthrough", "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
    let ran = Command::new("ffmpeg").args(arguments).args(form).output().unwrap();
    assert!(ran.status.success() && !ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// How far two pictures are apart, mean of all samples.
fn off(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len(), "they are of one size");
    let sum: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

fn mean(samples: &[u8]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len() as f64
}

/// What came of a source: the rendition as a file, and the stills in order.
struct Made {
    video: PathBuf,
    stills: Vec<PathBuf>,
}

/// Makes one rung and stills at the beginnings of these frames of 25 a second; all are alike.
fn compared(files: &[&Path], scratch: &Path, rung: &str, frames: &[u32], options: &[&str]) -> Made {
    let out = scratch.join(format!("out-{}", fs::read_dir(scratch).unwrap().count()));
    let times: Vec<String> = frames.iter().map(|frame| format!("at={}us", frame * 40_000 + 1000)).collect();
    let stills = format!("{},format=png", times.join(","));
    let common = ["--packaging", "cmaf", "--speed", "fast", "--segment", "1s", "--rate-control", "crf", "--crf", "8"];
    let mut command = reelmill();
    command.arg("transcode").arg(files[0]).arg(&out).args(common).args(["--renditions", rung, "--stills", &stills]);
    for file in &files[1..] {
        command.arg("--append").arg(file);
    }
    let ran = command.args(options).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let video = joined(&out.join("cmaf").join(rung), &out.join("video.mp4"));
    let index: Value = serde_json::from_slice(&fs::read(out.join("stills/index.json")).unwrap()).unwrap();
    let files: Vec<PathBuf> = index["stills"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| out.join("stills").join(e["file"].as_str().unwrap()))
        .collect();
    assert_eq!(files.len(), frames.len());
    for (file, frame) in files.iter().zip(frames) {
        assert_eq!(ffprobe(file, "stream=width,height"), ffprobe(&video, "stream=width,height"), "picture {frame}");
        let (still, shown) = (pixels(file, "null"), pixels(&video, &format!("select=eq(n\\,{frame})")));
        let apart = off(&still, &shown);
        assert!(apart <= OFF_MAX, "picture {frame} of {rung}: {apart} apart");
    }
    Made { video, stills: files }
}

#[test]
fn high_dynamic_range_is_tone_mapped_as_the_ladder_is() {
    let picture = "testsrc2=size=320x180:rate=25:duration=1,eq=brightness=-0.25:contrast=0.6,format=yuv420p10le";
    let x265 = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited";
    let (scratch, clip) = source(picture, &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265]);
    let usual = compared(&[&clip], scratch.path(), "180p", &[0, 13, 24], &[]);
    let bright = mean(&pixels(&usual.stills[1], "null"));
    assert!((30.0..220.0).contains(&bright), "{bright} is neither dark nor white");
    // The samples as they are stored are another picture.
    let raw = pixels(&clip, "select=eq(n\\,13),format=gbrp");
    assert!(off(&pixels(&usual.stills[1], "null"), &raw) > 2.0 * OFF_MAX);
    let curve = compared(&[&clip], scratch.path(), "180p", &[13], &["--tone-map", "clip"]);
    assert!((mean(&pixels(&curve.stills[0], "null")) - bright).abs() > 1.0, "the curve is the one that is asked for");
    // A ladder that stays in high dynamic range has stills that do not.
    let out = scratch.path().join("kept");
    let options = ["--renditions", "180p", "--codec", "hevc", "--speed", "fast", "--stills", "at=520ms,format=png"];
    crate::tools::transcode(&clip, &out, &options);
    assert!(off(&pixels(&usual.stills[1], "null"), &pixels(&out.join("stills/00001.png"), "null")) < 1.0);
    // Parts that are so together.
    compared(&[&clip, &clip], scratch.path(), "180p", &[13, 24, 25, 38], &[]);
}

#[test]
fn fields_become_frames_as_in_the_ladder() {
    let moving = "color=black:size=320x180:rate=50:duration=2,format=gray,\
        geq=lum='if(between(X,2*N,2*N+64),235,16)',tinterlace=mode=interleave_top,setfield=tff,format=yuv420p";
    let codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "4", "-flags", "+ildct+ilme", "-top", "1"];
    let (scratch, clip) = source(moving, &codec);
    let made = compared(&[&clip], scratch.path(), "180p", &[0, 1, 20, 47], &[]);
    // Between lines of two fields the bar has moved on, between those of one frame it has not.
    let comb = |picture: &[u8]| {
        let lines: Vec<&[u8]> = picture.chunks(320 * 3).collect();
        lines.windows(2).map(|pair| off(pair[0], pair[1])).sum::<f64>() / lines.len() as f64
    };
    let (fields, still) = (pixels(&clip, "select=eq(n\\,20)"), pixels(&made.stills[2], "null"));
    assert!(comb(&still) * 4.0 < comb(&fields), "{} of {}", comb(&still), comb(&fields));
    let off = compared(&[&clip], scratch.path(), "180p", &[20], &["--deinterlace", "off"]);
    assert!(comb(&pixels(&off.stills[0], "null")) * 2.0 > comb(&fields), "fields that are to stay do");
}

/// Red and green above blue and white; red is small, so that turned pictures differ.
const QUARTERS: &str = "color=red:size=160x90:rate=25:duration=2[a];color=lime:size=480x90:rate=25:duration=2[b];\
    color=blue:size=320x270:rate=25:duration=2[c];color=white:size=320x270:rate=25:duration=2[d];\
    [a][b]hstack[e];[c][d]hstack[f];[e][f]vstack,format=yuv420p";

/// The colour at a place of a picture of such a width.
fn at(picture: &[u8], width: usize, (x, y): (usize, usize)) -> [bool; 3] {
    let place = (y * width + x) * 3;
    [0, 1, 2].map(|channel| picture[place + channel] > 128)
}

#[test]
fn turned_sources_are_upright() {
    let (scratch, clip) = clip_of(QUARTERS, TONE);
    // The matrix of the first track, which is the pictures', says a quarter clockwise (ISO/IEC 14496-12 §8.3.2).
    let mut bytes = fs::read(&clip).unwrap();
    let header = bytes.windows(4).position(|name| name == b"tkhd").unwrap() + 44;
    let matrix: [i32; 9] = [0, 1 << 16, 0, -1 << 16, 0, 0, 360 << 16, 0, 1 << 30];
    bytes[header..header + 36].copy_from_slice(&matrix.map(i32::to_be_bytes).concat());
    let turned = scratch.path().join("turned.mp4");
    fs::write(&turned, bytes).unwrap();
    let made = compared(&[&turned], scratch.path(), "360p", &[0, 30], &[]);
    assert_eq!(ffprobe(&made.stills[0], "stream=width,height"), ["360,640"]);
    let still = pixels(&made.stills[0], "null");
    let seen = [(4, 4), (356, 4), (4, 636), (356, 636)].map(|place| at(&still, 360, place));
    // Clockwise: what was left is above.
    assert_eq!(seen, [[false, false, true], [true, false, false], [true; 3], [false, true, false]]);
}

#[test]
fn pixels_become_square() {
    let (scratch, clip) = source(
        "testsrc2=size=720x576:rate=25:duration=1,setsar=64/45,format=yuv420p",
        &["-c:v", "libx264", "-preset", "veryfast", "-crf", "8"],
    );
    let made = compared(&[&clip], scratch.path(), "576p", &[0, 12], &[]);
    assert_eq!(ffprobe(&made.stills[0], "stream=width,height"), ["1024,576"]);
    assert_eq!(ffprobe(&made.video, "stream=sample_aspect_ratio"), ["1:1"]);
}

#[test]
fn crops_and_bars_are_those_of_the_ladder() {
    let (scratch, clip) = clip_of(QUARTERS, TONE);
    let cropped = compared(&[&clip], scratch.path(), "180p", &[0, 30], &["--crop", "320x180+320+90"]);
    let still = pixels(&cropped.stills[0], "null");
    assert!([(2, 2), (316, 176)].iter().all(|place| at(&still, 320, *place) == [true; 3]), "white alone");
    let padded = compared(&[&clip], scratch.path(), "640p", &[30], &["--pad", "9:16", "--pad-color", "#FF0000"]);
    let still = pixels(&padded.stills[0], "null");
    assert_eq!([at(&still, 640, (320, 4)), at(&still, 640, (600, 700))], [[true, false, false], [true; 3]]);
}

#[test]
fn parts_of_a_joined_source_look_as_in_its_renditions() {
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "8", "-pix_fmt", "yuv420p"];
    let (scratch, wide) = source("testsrc2=size=320x180:rate=25:duration=2", &x264);
    let (_high, high) = source("testsrc2=size=180x320:rate=30000/1001:duration=1.5", &x264);
    let moving = "testsrc2=size=320x240:rate=50:duration=2,tinterlace=mode=interleave_top,setfield=tff";
    let (_fields, fields) = source(moving, &[&x264[..], &["-flags", "+ildct+ilme", "-top", "1"]].concat());
    let frames = [0, 24, 49, 50, 51, 86, 87, 88, 100, 112, 113, 130, 137];
    compared(&[&wide, &high, &fields, &wide], scratch.path(), "180p", &frames, &[]);
    compared(&[&wide, &high], scratch.path(), "120p", &[0, 49, 50, 86], &["--crop", "200x120+30+40"]);
}
