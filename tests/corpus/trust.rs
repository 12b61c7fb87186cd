//! Whether the checker can be trusted: an output that FFmpeg's own tools make in our layout passes, and each way of
//! breaking it is told by the check that is there for it.

use crate::output::names;
use crate::table::{self, Expected};
use crate::tools::{make, text};
use crate::{Check, sound, verdict};
use libtest_mimic::{Failed, Trial};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// One way of breaking an output, and a word of the message that must come.
struct Flaw {
    name: &'static str,
    /// Filters that spoil pictures or sound before they are encoded.
    picture: &'static str,
    sound: &'static str,
    /// What is done to the finished directory.
    spoil: fn(&Path) -> std::io::Result<()>,
    /// Part of the message; nothing for the output that must pass.
    told: Option<&'static str>,
}

const SOUND: Flaw =
    Flaw { name: "sound_output_passes", picture: "null", sound: "anull", spoil: |_| Ok(()), told: None };

const FLAWS: &[Flaw] = &[
    SOUND,
    Flaw { name: "lost_frame", picture: "select='not(eq(n,30))'", told: Some("49 pictures, expected 50"), ..SOUND },
    Flaw {
        name: "late_frame",
        picture: "setpts='PTS+if(eq(N,30),0.035/TB,0)'",
        told: Some("where the source has one at"),
        ..SOUND
    },
    Flaw { name: "squashed", picture: "scale=iw/2:ih,setsar=1", told: Some("not the shape"), ..SOUND },
    Flaw { name: "oblong_pixels", picture: "setsar=4/3", told: Some("pixels are 4:3"), ..SOUND },
    Flaw { name: "blurred", picture: "boxblur=6", told: Some("SSIM is"), ..SOUND },
    Flaw { name: "late_sound", sound: "adelay=90:all=1,atrim=end=2", told: Some("from its place"), ..SOUND },
    Flaw { name: "short_sound", sound: "atrim=end=1.5", told: Some("its source ends at"), ..SOUND },
    Flaw {
        name: "lost_segment",
        spoil: |out| fs::remove_file(out.join("cmaf/180p/1000000.m4s")),
        told: Some("No such file"),
        ..SOUND
    },
    Flaw { name: "stray_file", spoil: |out| fs::write(out.join("ts/90p/9.ts"), "x"), told: Some("there are"), ..SOUND },
    Flaw { name: "broken_bytes", spoil: break_bytes, told: Some("decode is not clean"), ..SOUND },
    Flaw { name: "wrong_duration", spoil: lie_about_duration, told: Some("the playlist"), ..SOUND },
    Flaw {
        name: "no_report",
        spoil: |out| fs::remove_file(out.join("reelmill.json")),
        told: Some("reelmill.json"),
        ..SOUND
    },
];

/// All trials of the checker itself.
pub(crate) fn trials() -> Vec<Trial> {
    let each =
        FLAWS.iter().map(|flaw| Trial::test(format!("trust::{}", flaw.name), || check(flaw).map_err(Failed::from)));
    let shift = || verdict::scratch().and_then(|scratch| sound::tells_a_shift(scratch.path()));
    let others = [
        Trial::test("trust::a_shift_of_sound_is_told", move || shift().map_err(Failed::from)),
        Trial::test("trust::the_table_is_read", || read_table().map_err(Failed::from)),
    ];
    each.chain(others).collect()
}

fn check(flaw: &Flaw) -> Check {
    let scratch = verdict::scratch()?;
    let (source, out) = (scratch.path().join("source.mp4"), scratch.path().join("out"));
    let clip = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "anoisesrc=d=2:a=0.3:seed=1"];
    let codecs = ["-af", "lowpass=900", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-c:a", "aac"];
    make(scratch.path(), &[&clip[..], &codecs, &["-pix_fmt", "yuv420p", text(&source)?]].concat())?;
    lay_out(&source, &out, flaw, scratch.path())?;
    (flaw.spoil)(&out).map_err(|e| format!("spoiling: {e}"))?;
    let expected = Expected::new(Some((320, 180)), 50, 2_000_000, 1);
    match (verdict::check_right(&source, &out, &expected, "h264", true, scratch.path()), flaw.told) {
        (verdict, None) => verdict,
        (Err(what), Some(told)) if what.contains(told) => Ok(()),
        (verdict, Some(told)) => Err(format!("{told:?} should have been told, it was {verdict:?}")),
    }
}

/// An output directory in our layout by FFmpeg's HLS muxer, segments renamed to their start in microseconds.
fn lay_out(source: &Path, out: &Path, flaw: &Flaw, scratch: &Path) -> Check {
    let mut masters = (String::from("#EXTM3U\n#EXT-X-VERSION:7\n"), String::from("#EXTM3U\n#EXT-X-VERSION:6\n"));
    let mut sets = String::new();
    for (id, size) in [("180p", "320:180"), ("90p", "160:90"), ("audio-1", "")] {
        let directories = (out.join("cmaf").join(id), out.join("ts").join(id));
        for directory in [&directories.0, &directories.1] {
            fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        }
        let whole = scratch.join(format!("{id}.mp4"));
        let filter = format!("scale={size},{}", flaw.picture);
        let video = ["-an", "-vf", &filter, "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "0"];
        let audio = ["-vn", "-af", flaw.sound, "-c:a", "aac"];
        let kind = if size.is_empty() { &audio[..] } else { &video[..] };
        make(scratch, &[&["-i", text(source)?], kind, &["-fps_mode", "passthrough", text(&whole)?]].concat())?;
        let durations = segment(&whole, &directories.0, "m4s", scratch)?;
        segment(&whole, &directories.1, "ts", scratch)?;
        for master in [&mut masters.0, &mut masters.1] {
            name_in_master(master, id);
        }
        let runs: String = durations.iter().map(|d| format!("<S d=\"{d}\"/>")).collect();
        let template = "timescale=\"1000000\" initialization=\"$RepresentationID$/init.mp4\" media=\"$RepresentationID$/$Time$.m4s\"";
        let _ = write!(
            sets,
            "<AdaptationSet><SegmentTemplate {template}><SegmentTimeline>{runs}</SegmentTimeline></SegmentTemplate>\
             <Representation id=\"{id}\" bandwidth=\"1\"/></AdaptationSet>"
        );
    }
    let mpd = format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT2S\"><Period>{sets}</Period></MPD>"
    );
    let files = [
        ("cmaf/master.m3u8", masters.0),
        ("ts/master.m3u8", masters.1),
        ("cmaf/manifest.mpd", mpd),
        ("reelmill.json", "{}".to_owned()),
    ];
    for (name, content) in files {
        fs::write(out.join(name), content).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

fn name_in_master(master: &mut String, id: &str) {
    let _ = match id.starts_with("audio") {
        true => writeln!(master, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"1\",URI=\"{id}/media.m3u8\""),
        false => write!(
            master,
            "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n{id}/media.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"{id}/iframes.m3u8\"\n"
        ),
    };
}

/// Cuts a file into segments and writes the playlists of a track. Returns the durations in microseconds.
fn segment(whole: &Path, directory: &Path, extension: &str, scratch: &Path) -> Check<Vec<i64>> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    let numbered = directory.join(format!("n%d.{extension}"));
    let list = scratch.join("list.m3u8");
    let hls = ["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_filename", text(&numbered)?];
    let kind = if extension == "ts" { "mpegts" } else { "fmp4" };
    // The muxer writes the initialisation section beside the playlist, so the playlist goes beside the segments.
    let beside = directory.join("list.m3u8");
    let arguments =
        [&["-i", text(whole)?, "-c", "copy"], &hls[..], &["-hls_segment_type", kind, text(&beside)?]].concat();
    make(scratch, &arguments)?;
    fs::rename(&beside, &list).map_err(failed)?;
    let said = fs::read_to_string(&list).map_err(failed)?;
    let durations: Vec<i64> =
        said.lines().filter_map(|l| table::micros(l.strip_prefix("#EXTINF:")?.trim_end_matches(','))).collect();
    let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n";
    let map = if extension == "ts" { "" } else { "#EXT-X-MAP:URI=\"init.mp4\"\n" };
    let (mut media, mut frames, mut time) = (format!("{head}{map}"), format!("{head}#EXT-X-I-FRAMES-ONLY\n{map}"), 0);
    for (index, duration) in durations.iter().enumerate() {
        let name = format!("{time}.{extension}");
        fs::rename(directory.join(format!("n{index}.{extension}")), directory.join(&name)).map_err(failed)?;
        let seconds = format!("{}.{:06}", duration / 1_000_000, duration % 1_000_000);
        let _ = writeln!(media, "#EXTINF:{seconds},\n{name}");
        let _ = writeln!(frames, "#EXTINF:{seconds},\n#EXT-X-BYTERANGE:100@0\n{name}");
        time += duration;
    }
    for (name, playlist) in [("media.m3u8", media), ("iframes.m3u8", frames)] {
        fs::write(directory.join(name), playlist + "#EXT-X-ENDLIST\n").map_err(failed)?;
    }
    Ok(durations)
}

fn break_bytes(out: &Path) -> std::io::Result<()> {
    let path = out.join("cmaf/90p/1000000.m4s");
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle..middle + 400].fill(0xA5);
    fs::write(path, bytes)
}

fn lie_about_duration(out: &Path) -> std::io::Result<()> {
    for path in ["ts/180p/media.m3u8", "ts/90p/media.m3u8"] {
        let text = fs::read_to_string(out.join(path))?;
        fs::write(out.join(path), text.replacen("EXTINF:1.0", "EXTINF:1.2", 1))?;
    }
    Ok(())
}

fn read_table() -> Check {
    let rows = table::rows()?;
    let cut = rows.iter().find(|row| row.file == "p1204_4k60_vp9.mkv").and_then(|row| row.cut);
    let times = (table::micros("-0.021333"), table::micros("83274.41"), table::micros("x"));
    let wanted = (Some(-21_333), Some(83_274_410_000), None);
    let here = names(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus")))?;
    match (cut, times == wanted, here.iter().any(|name| name == "expected.md")) {
        (Some(1), true, true) => Ok(()),
        other => Err(format!("the table is misread: {other:?}, {times:?}")),
    }
}
