//! Stills and sprite sheets, looked at in the pixels that come out.

use crate::tools::{clip_of, ffmpeg, ffprobe, reelmill, transcode};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TONE: &str = "sine=frequency=440:duration=8";
/// Pictures that say their number: in sixteenths in the left half, and how many of those in the right.
const NUMBERED: &str = "color=black:size=160x96:rate=25:duration=8,format=yuv420p,\
    geq=lum='if(lt(X,W/2),24+mod(N,16)*12,24+floor(N/16)*14)':cb=128:cr=128";

/// Mean luma, full range, of a part of an image.
fn luma(file: &Path, part: &str) -> u32 {
    let filter = format!("crop={part},scale=w=1:h=1:flags=area,format=rgb24");
    let arguments = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-vf", &filter, "-frames:v", "1"];
    let ran = Command::new("ffmpeg").args(arguments).args(["-f", "rawvideo", "-"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout[..3].iter().map(|value| u32::from(*value)).sum::<u32>() / 3
}

/// The number that a picture says, in the area that begins at this place and is so large.
fn number(file: &Path, (x, y): (u32, u32), (width, height): (u32, u32)) -> u32 {
    // From full range, as RGB has it, back to what was drawn.
    let drawn = |value: u32| 16.0 + f64::from(value) * 219.0 / 255.0;
    let half = |from: u32| luma(file, &format!("w={}:h={}:x={}:y={}", width / 4, height / 2, x + from, y + height / 4));
    let low = (drawn(half(width / 8)) - 24.0) / 12.0;
    let high = (drawn(half(width / 2 + width / 8)) - 24.0) / 14.0;
    high.round() as u32 * 16 + low.round() as u32
}

fn index(out: &Path) -> Vec<Value> {
    let index: Value = serde_json::from_slice(&fs::read(out.join("stills/index.json")).unwrap()).unwrap();
    index["stills"].as_array().unwrap().clone()
}

fn stills(clip: &Path, out: &Path, options: &[&str]) -> (bool, String) {
    let ran = reelmill().arg("stills").arg(clip).arg(out).args(options).output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn a_still_is_the_picture_shown_then_in_every_form_of_time_and_format() {
    let (scratch, clip) = clip_of(NUMBERED, TONE);
    let times =
        [("0", 0), ("0.0399", 0), ("40ms", 1), ("5.3", 132), ("0:00:07.96", 199), ("00:02", 50), ("2500000us", 62)];
    for format in ["png", "jpeg", "webp"] {
        let out = scratch.path().join(format);
        let mut options = vec!["--format", format];
        times.iter().for_each(|(time, _)| options.extend(["--at", time]));
        let (ok, said) = stills(&clip, &out, &options);
        assert!(ok, "{said}");
        let entries = index(&out);
        assert_eq!(entries.len(), times.len());
        for (entry, (time, frame)) in entries.iter().zip(times) {
            let file = out.join("stills").join(entry["file"].as_str().unwrap());
            assert_eq!(number(&file, (0, 0), (160, 96)), frame, "{format} {time}");
            assert_eq!(entry["time_us"], frame * 40_000, "{time}");
            assert_eq!((&entry["width"], &entry["height"]), (&160.into(), &96.into()));
            assert_eq!(entry["bytes"], fs::metadata(&file).unwrap().len());
        }
    }
    let jpeg = scratch.path().join("jpeg/stills/00001.jpg");
    assert_eq!(ffprobe(&jpeg, "stream=codec_name,pix_fmt,color_range"), ["mjpeg,yuvj420p,pc"]);
    assert!(fs::read(&jpeg).unwrap()[..12].ends_with(b"JFIF\0\x01"), "a JFIF header");
    assert!(!scratch.path().join("jpeg/cmaf").exists(), "nothing else is made");
    let report: Value = serde_json::from_slice(&fs::read(scratch.path().join("jpeg/reelmill.json")).unwrap()).unwrap();
    assert_eq!(report["pictures"][3]["path"], "stills/00004.jpg");
    assert_eq!(report["pictures"][3]["asked_us"], 5_300_000);
}

#[test]
fn what_cannot_be_taken_is_told_plainly() {
    let (scratch, clip) = clip_of(NUMBERED, TONE);
    let out = scratch.path().join("out");
    for (options, code) in [
        (&["--at", "1:00"][..], "still.past_end"),
        (&["--at=-5"], "request.still_time"),
        (&["--at", "noon"], "request.at"),
        (&[], "request.stills"),
        (&["--at", "1", "--every", "2"], "request.stills"),
        (&["--at", "1", "--format", "png", "--quality", "9"], "request.image_quality"),
        (&["--evenly", "0"], "request.evenly"),
        (&["--best", "0"], "request.best"),
        (&["--evenly", "2001"], "request.stills"),
        (&["--every", "0"], "request.stills"),
        (&["--every=-1"], "request.stills"),
        (&["--every", "1ms"], "request.stills"),
        (&["--at", "1", "--width", "0"], "request.width"),
        (&["--at", "1", "--height", "16384"], "request.stills"),
        (&["--at", "99999999999999999999"], "request.at"),
    ] {
        let (ok, said) = stills(&clip, &out, options);
        assert!(!ok && said.contains(&format!("[{code}]")), "{options:?}: {said}");
        assert!(!said.contains("; also"), "one mistake, one reason: {said}");
        assert!(!out.exists(), "{options:?}");
    }
}

#[test]
fn every_key_frames_and_a_size() {
    let (scratch, clip) = clip_of(NUMBERED, TONE);
    let out = scratch.path().join("every");
    let (ok, said) = stills(&clip, &out, &["--every", "1.5", "--key-frames", "--width", "80"]);
    assert!(ok, "{said}");
    let frames: Vec<_> = index(&out)
        .iter()
        .map(|entry| number(&out.join("stills").join(entry["file"].as_str().unwrap()), (0, 0), (80, 48)))
        .collect();
    // Cuts get key frames too.
    let is_key = |line: &String| line.starts_with("0,") && line.contains(",K");
    let packets = ffprobe(&clip, "packet=stream_index,pts,flags");
    let keys: Vec<u32> = packets.iter().filter(|line| is_key(line)).map(|line| pts(line) / 512).collect();
    let last = |frame: u32| keys.iter().copied().filter(|key| *key <= frame).max().unwrap();
    assert_eq!(frames, [0, 37, 75, 112, 150, 187].map(last), "{keys:?}");
}

#[test]
fn where_the_first_key_frame_is_hidden_what_is_shown_is_taken() {
    let (scratch, clip) = clip_of(NUMBERED, TONE);
    let (cut, out) = (scratch.path().join("cut.mp4"), scratch.path().join("out"));
    ffmpeg(&["-ss", "0.2", "-i", clip.to_str().unwrap(), "-c", "copy", cut.to_str().unwrap()]);
    let is_hidden = ffprobe(&cut, "packet=flags").iter().any(|flags| flags.contains("KD"));
    assert!(is_hidden, "an edit list hides a key frame");
    let (ok, said) = stills(&cut, &out, &["--at", "0", "--at", "0.1", "--at", "6", "--key-frames"]);
    assert!(ok, "{said}");
    let seen: Vec<_> = index(&out)
        .iter()
        .map(|entry| number(&out.join("stills").join(entry["file"].as_str().unwrap()), (0, 0), (160, 96)))
        .collect();
    assert_eq!(seen[..2], [5, 7], "no key frame is shown there");
    assert!((106..=155).contains(&seen[2]), "{seen:?}");
}

#[test]
fn the_best_are_neither_black_nor_blurred() {
    let parts = "color=black:size=160x96:rate=25:duration=3,format=yuv420p[a];\
        testsrc2=size=160x96:rate=25:duration=3,boxblur=12,format=yuv420p[b];\
        testsrc2=size=160x96:rate=25:duration=3,format=yuv420p[c];[a][b][c]concat=n=3";
    let (scratch, clip) = clip_of(parts, "sine=frequency=440:duration=9");
    let out = scratch.path().join("best");
    let (ok, said) = stills(&clip, &out, &["--best", "1"]);
    assert!(ok, "{said}");
    let time = index(&out)[0]["time_us"].as_i64().unwrap();
    assert!(time >= 6_000_000, "{time} is black or blurred");
}

#[test]
fn sheets_that_cannot_be_are_told_plainly() {
    let (scratch, clip) = clip_of(NUMBERED, TONE);
    let out = scratch.path().join("out");
    for sheets in [
        "columns=0",
        "rows=101",
        "width=0",
        "width=17",
        "width=1922",
        "columns=100,width=1920",
        "interval=0",
        "interval=-1",
        "interval=9ms",
        "interval=25:00:00",
        "format=png",
        "quality=0",
        "tiles=4",
    ] {
        let asked = format!("--sprites={sheets},alone");
        let ran = reelmill().arg("transcode").arg(&clip).arg(&out).arg(asked).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        let code = if sheets.starts_with("quality") { "request.image_quality" } else { "request.sprites" };
        assert!(!ran.status.success() && said.contains(&format!("[{code}]")), "{sheets}: {said}");
        assert!(!out.exists(), "{sheets}");
    }
    // The largest there is.
    let ran =
        reelmill().arg("transcode").arg(&clip).arg(&out).arg("--sprites=columns=100,width=162,rows=1,alone").output();
    assert!(ran.unwrap().status.success());
    assert_eq!(ffprobe(&out.join("sprites/00001.jpg"), "stream=width,height"), ["16000,96"], "tiles do not grow");
}

/// The time in a line of a packet: stream, time, flags.
fn pts(line: &str) -> u32 {
    line.split(',').nth(1).unwrap().parse().unwrap()
}

/// Cues of an index: start and end, ms, file, and where in it.
fn cues(vtt: &Path) -> Vec<(u64, u64, PathBuf, [u32; 4])> {
    let text = fs::read_to_string(vtt).unwrap();
    assert!(text.starts_with("WEBVTT\n"));
    let ms = |time: &str| {
        let parts: Vec<f64> = time.split(':').map(|part| part.parse().unwrap()).collect();
        ((parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]) * 1000.0).round() as u64
    };
    let cue = |block: &str| {
        let (times, what) = block.split_once('\n').unwrap();
        let (from, to) = times.split_once(" --> ").unwrap();
        let (file, place) = what.trim().split_once("#xywh=").unwrap();
        let place: Vec<u32> = place.split(',').map(|number| number.parse().unwrap()).collect();
        (ms(from), ms(to), vtt.with_file_name(file), place.try_into().unwrap())
    };
    text.split("\n\n").skip(1).map(cue).collect()
}

#[test]
fn sheets_beside_a_ladder_show_the_right_times_and_manifests_name_them() {
    let (scratch, clip) = clip_of(NUMBERED, TONE);
    let out = scratch.path().join("out");
    let sheets = "--sprites=interval=1s,columns=3,rows=2,width=80,exact";
    let options = ["--renditions", "160x96", "--speed", "fast", sheets, "--stills", "evenly=2,format=png"];
    let report = transcode(&clip, &out, &options);
    let cues = cues(&out.join("sprites/thumbnails.vtt"));
    assert_eq!(cues.len(), 8);
    for (place, (from, to, file, [x, y, width, height])) in cues.iter().enumerate() {
        assert_eq!((*from, *to), (place as u64 * 1000, place as u64 * 1000 + 1000));
        assert_eq!(number(file, (*x, *y), (*width, *height)), place as u32 * 25, "tile {place}");
    }
    assert_eq!(ffprobe(&out.join("sprites/00002.jpg"), "stream=width,height"), ["240,96"]);
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert!(mpd.contains(r#"schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="3x2""#), "{mpd}");
    assert!(mpd.contains(r#"media="../sprites/$Number%05d$.jpg""#), "{mpd}");
    for packaging in ["cmaf", "ts"] {
        let master = fs::read_to_string(out.join(packaging).join("master.m3u8")).unwrap();
        assert!(master.contains("#EXT-X-IMAGE-STREAM-INF:") && master.contains("../sprites/images.m3u8"), "{master}");
    }
    let playlist = fs::read_to_string(out.join("sprites/images.m3u8")).unwrap();
    assert_eq!(playlist.lines().filter(|line| line.ends_with(".jpg")).count(), 2);
    let entries = index(&out);
    let frames: Vec<_> = entries
        .iter()
        .map(|e| number(&out.join("stills").join(e["file"].as_str().unwrap()), (0, 0), (160, 96)))
        .collect();
    assert_eq!(frames, [50, 150]);
    assert_eq!(report["pictures"].as_array().unwrap().len(), 4);
    // The media is what it was.
    assert_eq!(ffmpeg(&["-xerror", "-i", out.join("ts/master.m3u8").to_str().unwrap(), "-f", "null", "-"]), "");
}
