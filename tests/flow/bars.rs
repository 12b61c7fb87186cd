//! Black bars around the pictures of a source: found, left out where that is asked, and doubted.

use crate::tools::{ffmpeg, ffprobe, joined, reelmill, ssim, transcode};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Twelve seconds of moving pictures, through a graph.
fn clip(dir: &Path, name: &str, graph: &str, codec: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let input = format!("testsrc2=size=320x136:rate=25:duration=12,{graph}");
    let tail = ["-pix_fmt", "yuv420p", path.to_str().unwrap()];
    let tail = if codec.contains(&"yuv420p10le") { &tail[2..] } else { &tail[..] };
    ffmpeg(&[&["-f", "lavfi", "-i", &input][..], codec, tail].concat());
    path
}

const BOXED: &str = "pad=320:180:0:22";
const H264: [&str; 4] = ["-c:v", "libx264", "-preset", "veryfast"];

/// The notes of a plan about bars, and the size of its largest rung.
fn planned(clip: &Path) -> (String, (u64, u64)) {
    let ran = reelmill().arg("plan").arg(clip).args(["--crop", "auto", "--json"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let plan: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let text = plan.to_string();
    let codes = ["crop.bars", "crop.no_bars", "crop.unknown"];
    let told: Vec<&str> = codes.into_iter().filter(|code| text.contains(&format!("\"{code}\""))).collect();
    let video = [&plan["video"], &plan["works"][0]["plan"]["video"]].into_iter().find(|video| video.is_object());
    let rungs = video.unwrap_or_else(|| panic!("{text}"))["renditions"].as_array().unwrap();
    let size = |rung: &Value| (rung["width"].as_u64().unwrap(), rung["height"].as_u64().unwrap());
    (told.join(" "), rungs.iter().map(size).max().unwrap())
}

#[test]
fn bars_are_found_wherever_they_are_and_whatever_holds_them() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let of = |name: &str, graph: &str, codec: &[&str]| planned(&clip(dir, name, graph, codec));
    let bars = |size: (u64, u64)| ("crop.bars".to_owned(), size);
    assert_eq!(of("above.mp4", BOXED, &H264), bars((320, 136)), "above and below");
    assert_eq!(of("above.ts", BOXED, &H264), bars((320, 136)), "with no index");
    let long = [&H264[..], &["-g", "1000", "-sc_threshold", "0"]].concat();
    assert_eq!(of("one-key.mkv", BOXED, &long), bars((320, 136)), "one key frame for all");
    assert_eq!(of("beside.mp4", "pad=480:136:80:0", &H264), bars((320, 136)), "beside");
    assert_eq!(of("around.mp4", "pad=400:180:40:22", &H264), bars((320, 136)), "around");
    let dark = "pad=320:180:0:22,fade=in:st=5:d=1";
    assert_eq!(of("dark.mp4", dark, &H264), bars((320, 136)), "behind a black opening");
    let deep = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"];
    let hdr =
        [&deep[..], &["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]].concat();
    assert_eq!(of("hdr.mp4", BOXED, &hdr), bars((320, 136)), "in HDR");
    let full = "pad=320:180:0:22,scale=out_range=pc";
    let full_range = [&H264[..], &["-color_range", "pc"]].concat();
    assert_eq!(of("full.mp4", full, &full_range), bars((320, 136)), "in full range");
    let wide = "pad=320:180:0:22,scale=240:180,setsar=4/3";
    assert_eq!(of("anamorphic.mp4", wide, &H264), bars((320, 136)), "with pixels that are not square");
}

#[test]
fn what_may_be_part_of_the_picture_stays() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let of = |name: &str, graph: &str| planned(&clip(dir, name, graph, &H264));
    let whole = |size: (u64, u64)| ("crop.no_bars".to_owned(), size);
    assert_eq!(of("none.mp4", "null"), whole((320, 136)));
    assert_eq!(of("black.mp4", "pad=320:180:0:22,drawbox=c=black:t=fill"), whole((320, 180)), "all black");
    let letters = "pad=320:180:0:22,drawbox=x=100:y=162:w=120:h=8:c=white:t=fill:enable='between(t,6,8)'";
    assert_eq!(of("letters.mp4", letters), ("crop.bars".to_owned(), (320, 148)), "letters in the lower bar");
    let mostly = "pad=320:180:0:22,drawbox=y=0:h=120:w=320:c=black:t=fill";
    assert_eq!(of("mostly.mp4", mostly), whole((320, 180)), "more than half is dark");
}

#[test]
fn what_is_published_is_the_picture_without_its_bars() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let (boxed, out) = (clip(dir, "boxed.mp4", BOXED, &[&H264[..], &["-crf", "12"]].concat()), dir.join("out"));
    let options = ["--crop", "auto", "--renditions", "136p", "--segment", "2s", "--packaging", "cmaf"];
    let report = transcode(&boxed, &out, &options);
    let said = "black bars are left out: 320x136+0+22 of the picture is kept";
    assert!(report.to_string().contains(said), "{report}");
    let made = joined(&out.join("cmaf/136p"), &dir.join("made.mp4"));
    assert_eq!(ffprobe(&made, "stream=width,height"), ["320,136"]);
    let inside = dir.join("inside.mp4");
    let cut = ["-i", boxed.to_str().unwrap(), "-vf", "crop=320:136:0:22", "-c:v", "libx264", "-crf", "8"];
    ffmpeg(&[&cut[..], &[inside.to_str().unwrap()]].concat());
    let alike = ssim(&made, &inside, dir);
    assert_eq!(alike.len(), 300);
    assert!(alike.iter().all(|alike| *alike > 0.9), "{alike:?}");
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(master.contains("RESOLUTION=320x136"), "{master}");
}

#[test]
fn bars_of_joined_sources_are_not_guessed_at() {
    let scratch = tempfile::tempdir().unwrap();
    let (boxed, out) = (clip(scratch.path(), "boxed.mp4", BOXED, &H264), scratch.path().join("out"));
    let ran = reelmill()
        .arg("transcode")
        .arg(&boxed)
        .arg(&out)
        .args(["--crop", "auto", "--append", boxed.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && said.contains("black bars of a joined source"), "{said}");
}
