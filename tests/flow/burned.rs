//! Subtitles that are pictures, burned in: looked at in the pixels that come out.

use crate::tools::{clip_of, ffmpeg, joined, reelmill, transcode};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RATE: usize = 25;
const GREY: [u8; 3] = [96, 96, 96];
const WHITE: [u8; 3] = [254, 254, 254];
/// A place inside of the subtitles in 360p, and one above them, where nothing is ever drawn.
const INSIDE: (u32, u32) = (300, 300);
const OUTSIDE: (u32, u32) = (300, 100);

/// Segments of a screen of PGS ("Presentation Graphic Streams" in the Blu-ray Disc format): a white box of 640 by 80 at
/// (320, 560) of 1280 by 720, or nothing.
fn screen(ms: u32, number: u8, has_box: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut segment = |kind: u8, payload: &[u8]| {
        bytes.extend(b"PG");
        bytes.extend((ms * 90).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.push(kind);
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend(payload);
    };
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut composition = words(&[1280, 720]);
    composition.extend([0x10, 0, number, 0x80, 0, 0, u8::from(has_box)]);
    if has_box {
        composition.extend([0, 0, 0, 0]);
        composition.extend(words(&[320, 560]));
    }
    segment(0x16, &composition);
    let mut window = vec![1, 0];
    window.extend(words(&[320, 560, 640, 80]));
    segment(0x17, &window);
    if has_box {
        // Colour 1: white, all of it seen.
        segment(0x14, &[0, 0, 1, 235, 128, 128, 255]);
        let row = [0, 0xc0 | 2, 0x80, 1, 0, 0].repeat(80);
        let mut object = vec![0, 0, 0, 0xc0, 0];
        object.extend(((row.len() + 4) as u16).to_be_bytes());
        object.extend(words(&[640, 80]));
        object.extend(row);
        segment(0x15, &object);
    }
    segment(0x80, &[]);
    bytes
}

/// A grey source of 8 s whose subtitles are seen from 1 to 5.5 s, and from 6 to 7 s: text first, then pictures.
fn source(scratch: &Path, clip: &Path, codec: &str, ending: &str) -> PathBuf {
    // The first one holds the place of zero.
    let screens = [(0, false), (1000, true), (5500, false), (6000, true), (7000, false)];
    let sup: Vec<u8> =
        screens.iter().enumerate().flat_map(|(n, (ms, has_box))| screen(*ms, n as u8, *has_box)).collect();
    let (of_pictures, path) = (scratch.join("in.sup"), scratch.join(format!("{codec}.{ending}")));
    fs::write(&of_pictures, sup).unwrap();
    let inputs = ["-i", clip.to_str().unwrap(), "-fix_sub_duration", "-i", of_pictures.to_str().unwrap()];
    let rest = [
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-c:s",
        codec,
        "-metadata:s:s:0",
        "language=ger",
        path.to_str().unwrap(),
    ];
    ffmpeg(&[&inputs[..], &rest].concat());
    path
}

fn grey() -> (tempfile::TempDir, PathBuf) {
    clip_of("color=c=0x606060:size=640x360:rate=25:duration=8", "sine=frequency=440:duration=8")
}

fn made(source: &Path, scratch: &Path, name: &str, options: &[&str]) -> PathBuf {
    let common = ["--packaging", "cmaf", "--speed", "fast", "--segment", "2s", "--renditions", "360p"];
    let out = scratch.join(name);
    let report = transcode(source, &out, &[&common[..], options].concat());
    let spans = report["plan"]["spans"].as_array().unwrap().len();
    assert_eq!(spans, if options.contains(&"--spans") { 4 } else { 1 });
    joined(&out.join("cmaf/360p"), &scratch.join(format!("{name}.mp4")))
}

/// Red, green and blue of each picture at a place.
fn colors(file: &Path, (x, y): (u32, u32)) -> Vec<[u8; 3]> {
    let filter = format!("crop=w=4:h=4:x={x}:y={y},scale=w=1:h=1:flags=area,format=rgb24");
    let arguments = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-vf", &filter];
    let ran = Command::new("ffmpeg").args(arguments).args(["-f", "rawvideo", "-"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout.chunks_exact(3).map(|pixel| pixel.try_into().unwrap()).collect()
}

fn is(got: [u8; 3], wanted: [u8; 3]) -> bool {
    got.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 24)
}

/// The numbers of the pictures in which something stands inside, in runs; nothing ever stands outside.
fn shown(file: &Path) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, color) in colors(file, INSIDE).into_iter().enumerate() {
        assert!(is(color, WHITE) || is(color, GREY), "picture {at} is {color:?}");
        match runs.last_mut() {
            _ if is(color, GREY) => {}
            Some((_, end)) if *end == at => *end += 1,
            _ => runs.push((at, at + 1)),
        }
    }
    for place in [OUTSIDE, (100, 300), (540, 300), (300, 268), (300, 330)] {
        assert!(colors(file, place).into_iter().all(|color| is(color, GREY)), "{place:?}");
    }
    runs
}

const WHOLE: [(usize, usize); 2] = [(RATE, RATE * 11 / 2 + 1), (6 * RATE, 7 * RATE)];

#[test]
fn pgs_is_burned_in_where_and_when_it_is_shown() {
    let (scratch, clip) = grey();
    let source = source(scratch.path(), &clip, "copy", "mkv");
    assert_eq!(shown(&made(&source, scratch.path(), "plain", &[])), [], "not unless it is asked");
    assert_eq!(shown(&made(&source, scratch.path(), "stream", &["--burn-in", "2"])), WHOLE);
    // The second and third span begin with what is on the screen already.
    let spans = made(&source, scratch.path(), "spans", &["--burn-in", "ger", "--spans", "4"]);
    assert_eq!(shown(&spans), WHOLE);
    let cut = made(&source, scratch.path(), "cut", &["--burn-in", "ger", "--from", "2s", "--to", "6.4s"]);
    assert_eq!(shown(&cut), [(0, RATE * 7 / 2 + 1), (4 * RATE, RATE * 22 / 5)]);
}

#[test]
fn dvb_and_vobsub_are_burned_in_too() {
    let (scratch, clip) = grey();
    for (codec, ending) in [("dvdsub", "mkv"), ("dvbsub", "ts")] {
        let source = source(scratch.path(), &clip, codec, ending);
        let runs = shown(&made(&source, scratch.path(), codec, &["--burn-in", "2"]));
        let near = |(a, b): ((usize, usize), (usize, usize))| a.0.abs_diff(b.0) <= 1 && a.1.abs_diff(b.1) <= 1;
        assert!(runs.len() == 2 && runs.iter().copied().zip(WHOLE).all(near), "{codec}: {runs:?}");
    }
}

#[test]
fn what_cannot_be_burned_in_is_refused() {
    let (scratch, clip) = grey();
    let srt = scratch.path().join("in.srt");
    fs::write(&srt, "1\n00:00:01,000 --> 00:00:02,000\nhello\n").unwrap();
    let text = scratch.path().join("text.mkv");
    let maps = ["-map", "0", "-map", "1", "-c", "copy", text.to_str().unwrap()];
    ffmpeg(&[&["-i", clip.to_str().unwrap(), "-i", srt.to_str().unwrap()][..], &maps].concat());
    let refused = |source: &Path, options: &[&str]| {
        let out = scratch.path().join("out");
        let ran = reelmill().arg("transcode").arg(source).arg(out).args(options).output().unwrap();
        assert!(!ran.status.success());
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    let said = refused(&text, &["--burn-in", "2"]);
    assert!(said.contains("[text.burn_in]") && said.contains("is text"), "{said}");
    let said = refused(&clip, &["--burn-in", "deu"]);
    assert!(said.contains("[text.burn_in]") && said.contains("are none"), "{said}");
    let said = refused(&text, &["--burn-in", "all"]);
    assert!(said.contains("[request.text_track]"), "{said}");
    let source = source(scratch.path(), &clip, "copy", "mkv");
    let said = refused(&source, &["--text", "2"]);
    assert!(said.contains("[text.picture]") && said.contains("burn_in"), "{said}");
}
