//! Watermarks, looked at in the pixels that come out.

use crate::tools::{clip_of, ffmpeg, ffprobe, joined, reelmill, segments, transcode};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GREY: &str = "color=c=0x606060:size=640x360:rate=25:duration=6";
const TONE: &str = "sine=frequency=440:duration=6";
const COMMON: [&str; 8] = ["--packaging", "cmaf", "--speed", "fast", "--segment", "2s", "--renditions", "360p"];

/// A red image of 200 by 100, of which nothing is transparent.
fn red(scratch: &Path, name: &str) -> PathBuf {
    let path = scratch.join(name);
    ffmpeg(&["-f", "lavfi", "-i", "color=c=red:size=200x100", "-frames:v", "1", path.to_str().unwrap()]);
    path
}

/// Makes one rung of a clip and gives it as a file.
fn made(clip: &Path, scratch: &Path, name: &str, options: &[&str]) -> PathBuf {
    let out = scratch.join(name);
    transcode(clip, &out, &[&COMMON[..], options].concat());
    joined(&out.join("cmaf/360p"), &scratch.join(format!("{name}.mp4")))
}

/// Red, green and blue of each picture at a place.
fn colors(file: &Path, x: u32, y: u32) -> Vec<[u8; 3]> {
    let filter = format!("crop=w=4:h=4:x={x}:y={y},scale=w=1:h=1:flags=area,format=rgb24");
    let arguments = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-vf", &filter];
    let ran = Command::new("ffmpeg").args(arguments).args(["-f", "rawvideo", "-"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout.chunks_exact(3).map(|pixel| pixel.try_into().unwrap()).collect()
}

fn near(got: [u8; 3], wanted: [u8; 3], what: &str) {
    assert!(got.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 30), "{what}: {got:?} is not {wanted:?}");
}

const RED: [u8; 3] = [254, 0, 0];
const BACK: [u8; 3] = [96, 96, 96];

/// Hashes of the pixels of a part of each picture.
fn hashes(file: &Path, crop: &str) -> Vec<String> {
    let filter = format!("crop={crop}");
    let text = ffmpeg(&["-i", file.to_str().unwrap(), "-an", "-vf", &filter, "-f", "framemd5", "-"]);
    text.lines().filter(|line| !line.starts_with('#')).map(|l| l.rsplit(',').next().unwrap().to_owned()).collect()
}

#[test]
fn images_stand_in_their_places_and_keep_their_margins() {
    let (scratch, clip) = clip_of(GREY, TONE);
    let logo = red(scratch.path(), "logo.png");
    let places = ["top-left", "top", "top-right", "left", "right", "bottom-left", "bottom", "bottom-right"];
    let mark = |place: &str| format!("{}:position={place}:size=10%:margin=5%", logo.display());
    let marks: Vec<String> = places.iter().map(|place| mark(place)).collect();
    let options: Vec<&str> = marks.iter().flat_map(|mark| ["--watermark", mark]).collect();
    let file = made(&clip, scratch.path(), "places", &options);
    // 64 by 32 pixels, 18 from the edges.
    let (xs, ys) = ([18, 288, 558], [18, 164, 310]);
    for (i, (x, y)) in ys.iter().flat_map(|y| xs.iter().map(move |x| (*x, *y))).enumerate() {
        let wanted = if i == 4 { BACK } else { RED };
        near(colors(&file, x + 4, y + 4)[0], wanted, &format!("place {i}"));
        near(colors(&file, x + 54, y + 24)[0], wanted, &format!("end of place {i}"));
    }
    for (x, y) in [(4, 18), (100, 18), (18, 4), (18, 60), (630, 320), (600, 350)] {
        near(colors(&file, x, y)[0], BACK, "outside");
    }
}

#[test]
fn marks_fade_in_their_time_and_move_evenly() {
    let (scratch, clip) = clip_of(GREY, TONE);
    let jpeg = red(scratch.path(), "logo.jpg");
    let svg = scratch.path().join("logo.svg");
    let text = r##"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="#00f"/></svg>"##;
    fs::write(&svg, text).unwrap();
    let window = "position=center:opacity=0.5:start=1s:end=5s:fade-in=1s:fade-out=1s";
    let still = format!("{}:{window}", jpeg.display());
    let moving = format!("{}:size=10%:motion=left-right:period=4s:margin=0%", svg.display());
    let file = made(&clip, scratch.path(), "moving", &["--watermark", &still, "--watermark", &moving]);
    let middle = colors(&file, 318, 178);
    let half = [175, 48, 48];
    for (picture, wanted) in [(0, BACK), (24, BACK), (37, [135, 72, 72]), (75, half), (112, [135, 72, 72]), (125, BACK)]
    {
        near(middle[picture], wanted, &format!("picture {picture}"));
    }
    // 64 pixels wide, from 0 to 576 and back.
    for (picture, x) in [(0, 0), (25, 288), (50, 576), (75, 288), (100, 0), (125, 288)] {
        near(colors(&file, x + 4, 340)[picture], [0, 0, 254], &format!("picture {picture}"));
        near(colors(&file, x + 56, 340)[picture], [0, 0, 254], &format!("its end in picture {picture}"));
        near(colors(&file, (x + 320) % 560, 340)[picture], BACK, &format!("elsewhere in picture {picture}"));
    }
}

#[test]
fn joints_are_not_seen_and_sound_is_untouched() {
    let (scratch, clip) = clip_of("testsrc2=size=640x360:rate=25:duration=6", TONE);
    let png = red(scratch.path(), "logo.png");
    let moving = format!("{}:motion=diagonal:period=3s:opacity=70%", png.display());
    let text = "--watermark-text=Probe:position=top:start=1s:fade-in=3s";
    let timecode = "--burn-timecode=10:00:00:00:position=left:background=#000000:size=10%";
    let marks = ["--watermark", &moving, text, timecode, "--rate-control", "crf", "--crf", "12"];
    let one = made(&clip, scratch.path(), "one", &marks);
    let three = made(&clip, scratch.path(), "three", &[&marks[..], &["--spans", "3"]].concat());
    // The timecode is black and white: it differs from picture to picture, and is the same in both.
    let luma = |file: &Path| {
        let filter = "crop=w=300:h=36:x=12:y=162,scale=w=60:h=12:flags=area,format=gray";
        let arguments = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-vf", filter, "-f", "rawvideo", "-"];
        Command::new("ffmpeg").args(arguments).output().unwrap().stdout
    };
    let (whole, apart) = (luma(&one), luma(&three));
    assert_eq!((whole.len(), apart.len()), (150 * 720, 150 * 720));
    let off = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).max().unwrap();
    for (index, (a, b)) in whole.chunks(720).zip(apart.chunks(720)).enumerate() {
        assert!(off(a, b) < 40, "picture {index} differs by {}", off(a, b));
        if index > 0 {
            assert!(
                off(a, &whole[(index - 1) * 720..index * 720]) > 60,
                "picture {index} has the time of the one before"
            );
        }
    }
    made(&clip, scratch.path(), "clean", &["--rate-control", "crf", "--crf", "12"]);
    let sound = |name: &str| {
        let playlist = scratch.path().join(name).join("cmaf/audio-1/media.m3u8");
        let files = segments(&playlist);
        files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(sound("one"), sound("clean"));
    assert_eq!(sound("three"), sound("clean"));
}

#[test]
fn texts_are_drawn_in_any_script() {
    let (scratch, clip) = clip_of(GREY, TONE);
    let mut seen = Vec::new();
    for (name, text) in [("arabic", "مرحبا"), ("devanagari", "नमस्ते"), ("chinese", "你好"), ("latin", "Grüße")]
    {
        let mark = format!("{text}:position=center:size=20%:outline=#000000");
        let file = made(&clip, scratch.path(), name, &["--watermark-text", &mark]);
        let white = "crop=w=400:h=120:x=120:y=120,format=gray,lutyuv=y='if(gt(val,200),255,0)',signalstats,\
                     metadata=print:key=lavfi.signalstats.YAVG:file=-";
        let text = ffmpeg(&["-i", file.to_str().unwrap(), "-an", "-frames:v", "1", "-vf", white, "-f", "null", "-"]);
        let mean: f64 = text.lines().find_map(|line| line.split_once("YAVG=")?.1.parse().ok()).unwrap();
        assert!((2.0..80.0).contains(&mean), "{name}: {mean}");
        seen.push(hashes(&file, "w=400:h=120:x=120:y=120")[0].clone());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn simulated_cards_show_what_the_cpu_shows() {
    let (scratch, clip) = clip_of(GREY, TONE);
    let png = red(scratch.path(), "logo.png");
    let mark = format!("{}:position=top-left:size=20%:margin=0%", png.display());
    let by_cpu = made(&clip, scratch.path(), "cpu", &["--watermark", &mark, "--devices", "cpu"]);
    for card in ["geforce", "intel", "h200"] {
        let device = format!("sim:{}/tests/simulated/{card}.toml", env!("CARGO_MANIFEST_DIR"));
        let file = made(&clip, scratch.path(), card, &["--watermark", &mark, "--devices", &device]);
        for (x, y) in [(4, 4), (120, 56), (136, 4), (4, 72), (300, 300)] {
            near(colors(&file, x, y)[60], colors(&by_cpu, x, y)[60], &format!("{card} at {x}, {y}"));
        }
        near(colors(&file, 4, 4)[60], RED, card);
    }
}

#[test]
fn white_in_hdr_is_reference_white() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = scratch.path().join("hdr.mp4");
    let x265 = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited";
    let picture = "color=c=black:size=640x360:rate=25:duration=1,format=yuv420p10le";
    let codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
    ffmpeg(&[&["-f", "lavfi", "-i", picture][..], &codec, &[clip.to_str().unwrap()]].concat());
    let svg = scratch.path().join("white.svg");
    let drawing = r##"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="#fff"/></svg>"##;
    fs::write(&svg, drawing).unwrap();
    let mark = format!("{}:position=top-left:margin=0%:size=50%", svg.display());
    let file = made(&clip, scratch.path(), "marked", &["--codec", "hevc", "--watermark", &mark]);
    assert_eq!(ffprobe(&file, "stream=pix_fmt,color_transfer"), ["yuv420p10le,smpte2084"]);
    let crop = "crop=w=64:h=64:x=64:y=64,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-";
    let text = ffmpeg(&["-i", file.to_str().unwrap(), "-frames:v", "1", "-vf", crop, "-f", "null", "-"]);
    let mean: f64 = text.lines().find_map(|line| line.split_once("YAVG=")?.1.parse().ok()).unwrap();
    // 203 cd/m² is 573 of 1023.
    assert!((mean - 573.0).abs() < 8.0, "{mean}");
}

#[test]
fn what_is_no_watermark_is_refused_by_its_code() {
    let (scratch, clip) = clip_of("color=c=0x606060:size=320x180:rate=25:duration=1", "sine=duration=1");
    let path = |name: &str| scratch.path().join(name);
    fs::write(path("text.png"), "this is no image").unwrap();
    fs::write(path("empty.png"), "").unwrap();
    let size = ["-f", "lavfi", "-i", "color=c=red:size=64x64:rate=5:duration=1"];
    let animated = path("animated.png");
    ffmpeg(&[&size[..], &["-f", "apng", animated.to_str().unwrap()]].concat());
    let mut large = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    large.extend([20_000_u32.to_be_bytes(), 20_000_u32.to_be_bytes()].concat());
    large.extend(b"\x08\x06\0\0\0");
    fs::write(path("large.png"), large).unwrap();
    let whole = fs::read(red(scratch.path(), "whole.png")).unwrap();
    fs::write(path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let image = |name: &str| ("--watermark", path(name).display().to_string());
    let text = |text: &str| ("--watermark-text", text.to_owned());
    for ((flag, value), code) in [
        (image("text.png"), "watermark.not_image"),
        (image("empty.png"), "source.empty"),
        (image("missing.png"), "source.not_found"),
        (image("animated.png"), "watermark.animated"),
        (image("large.png"), "watermark.too_large"),
        (image("cut.png"), "watermark.damaged"),
        (text("x:font=No Such Font"), "watermark.font"),
        (text("\u{10ffff}"), "watermark.glyph"),
        (text("x:end=1s:start=2s"), "request.watermark"),
    ] {
        let out = scratch.path().join("out");
        let ran = reelmill().arg("transcode").args([&clip, &out]).args([flag, &value]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(if code == "source.not_found" { ran.status.code().unwrap() } else { 2 }));
        assert!(!ran.status.success() && said.contains(&format!("[{code}]")), "{value}: {said}");
        assert!(!out.exists(), "{value}");
    }
}
