//! Media made on the spot with FFmpeg's own tools, through the same checks as the corpus: the suite says something even
//! where the corpus is absent.

use crate::table::Expected;
use crate::tools::{make, text};
use crate::{Check, verdict};
use libtest_mimic::{Failed, Trial};
use std::path::Path;

/// One kind of source: how it is made, what must come of it.
struct Kind {
    name: &'static str,
    file: &'static str,
    inputs: &'static [&'static str],
    options: &'static [&'static str],
    codec: &'static str,
    expected: fn() -> Expected,
}

const X264: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50"];

const KINDS: &[Kind] = &[
    Kind {
        name: "cfr_25",
        file: "cfr.mp4",
        inputs: &["testsrc2=s=640x360:r=25:d=5", "anoisesrc=d=5:a=0.2:seed=2,lowpass=900"],
        options: &["-c:a", "aac"],
        codec: "h264",
        expected: || Expected::new(Some((640, 360)), 125, 5_000_000, 1),
    },
    Kind {
        name: "cfr_29_97_hevc",
        file: "ntsc.mkv",
        inputs: &["testsrc2=s=480x270:r=30000/1001:d=2"],
        options: &[],
        codec: "hevc",
        expected: || Expected::new(Some((480, 270)), 60, 2_002_000, 0),
    },
    Kind {
        name: "variable_rate",
        file: "vfr.mkv",
        inputs: &["testsrc2=s=320x240:r=50:d=4,select='lt(mod(n\\,20)\\,7)+eq(mod(n\\,20)\\,13)'"],
        options: &["-fps_mode", "passthrough"],
        codec: "h264",
        expected: || Expected { length: (3_600_000, 4_100_000), ..Expected::new(Some((320, 240)), 80, 0, 0) },
    },
    Kind {
        name: "interlaced",
        file: "interlaced.mpg",
        inputs: &["testsrc2=s=720x576:r=50:d=2,interlace=scan=tff,setsar=64/45"],
        options: &["-c:v", "mpeg2video", "-b:v", "6M", "-flags", "+ilme+ildct", "-f", "vob"],
        codec: "h264",
        expected: || Expected::new(Some((1024, 576)), 50, 2_000_000, 0),
    },
    Kind {
        name: "sound_longer_than_pictures",
        file: "longer.mp4",
        inputs: &["testsrc2=s=320x240:r=25:d=2", "anoisesrc=d=5:a=0.2:seed=3,lowpass=900"],
        options: &["-c:a", "aac"],
        codec: "h264",
        expected: || Expected::new(Some((320, 240)), 50, 5_000_000, 1),
    },
    Kind {
        name: "sound_starts_late",
        file: "late.mkv",
        inputs: &["testsrc2=s=320x240:r=25:d=3", "anoisesrc=d=2:a=0.2:seed=4,lowpass=900,asetpts=PTS+0.7/TB"],
        options: &["-c:a", "flac"],
        codec: "h264",
        expected: || Expected::new(Some((320, 240)), 75, 3_000_000, 1),
    },
    Kind {
        name: "sound_alone",
        file: "alone.m4a",
        inputs: &["anoisesrc=d=3:a=0.2:seed=5,lowpass=900"],
        options: &["-c:a", "aac"],
        codec: "h264",
        expected: || Expected::new(None, 0, 3_000_000, 1),
    },
    Kind {
        name: "one_frame",
        file: "one.mp4",
        inputs: &["testsrc2=s=320x240:r=25:d=0.04"],
        options: &[],
        codec: "h264",
        expected: || Expected::new(Some((320, 240)), 1, 40_000, 0),
    },
    Kind {
        name: "odd_size_4_4_4",
        file: "odd.mkv",
        inputs: &["testsrc2=s=321x241:r=25:d=1"],
        options: &["-c:v", "ffv1", "-pix_fmt", "yuv444p"],
        codec: "h264",
        expected: || Expected::new(Some((321, 241)), 25, 1_000_000, 0),
    },
];

/// A trial for each kind, and one for a picture that must be turned.
pub(crate) fn trials() -> Vec<Trial> {
    let each =
        KINDS.iter().map(|kind| Trial::test(format!("made::{}", kind.name), || check(kind).map_err(Failed::from)));
    let turned = Trial::test("made::turned_by_90", || turned().map_err(Failed::from));
    let refused = Trial::test("made::text_named_mp4", || text_file().map_err(Failed::from));
    each.chain([turned, refused]).collect()
}

fn check(kind: &Kind) -> Check {
    let scratch = verdict::scratch()?;
    let file = scratch.path().join(kind.file);
    let mut arguments: Vec<&str> = kind.inputs.iter().flat_map(|input| ["-f", "lavfi", "-i", *input]).collect();
    arguments.extend(X264);
    arguments.extend(kind.options);
    arguments.push(text(&file)?);
    make(scratch.path(), &arguments)?;
    through(&file, &(kind.expected)(), kind.codec, scratch.path())
}

fn through(file: &Path, expected: &Expected, codec: &str, scratch: &Path) -> Check {
    let out = scratch.join("out");
    let ran = verdict::transcode(scratch, &file.as_os_str().to_owned(), &out, codec, scratch)?;
    verdict::check_succeeded(&ran)?;
    verdict::check_right(file, &out, expected, codec, true, scratch)
}

/// A phone's portrait clip: the matrix of the track header (ISO/IEC 14496-12 §8.3.2) says a quarter turn. It is written
/// here by hand because FFmpeg's option for it differs between versions.
fn turned() -> Check {
    let scratch = verdict::scratch()?;
    let file = scratch.path().join("turned.mp4");
    let input = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=2"];
    make(scratch.path(), &[&input[..], X264, &[text(&file)?]].concat())?;
    let mut bytes = std::fs::read(&file).map_err(|e| format!("turned.mp4: {e}"))?;
    let header = bytes.windows(4).position(|window| window == b"tkhd").ok_or("turned.mp4 has no track header")?;
    let matrix = header + 4 + 40;
    let quarter: [i32; 9] = [0, 1 << 16, 0, -(1 << 16), 0, 0, 360 << 16, 0, 1 << 30];
    let target = bytes.get_mut(matrix..matrix + 36).ok_or("turned.mp4: the track header is cut off")?;
    for (place, value) in target.chunks_exact_mut(4).zip(quarter) {
        place.copy_from_slice(&value.to_be_bytes());
    }
    std::fs::write(&file, bytes).map_err(|e| format!("turned.mp4: {e}"))?;
    through(&file, &Expected::new(Some((360, 640)), 50, 2_000_000, 0), "h264", scratch.path())
}

fn text_file() -> Check {
    let scratch = verdict::scratch()?;
    let file = scratch.path().join("notes.mp4");
    std::fs::write(&file, "Dear diary,\ntoday I renamed a text file.\n".repeat(40))
        .map_err(|e| format!("notes.mp4: {e}"))?;
    let out = scratch.path().join("out");
    let ran = verdict::transcode(scratch.path(), &file.into_os_string(), &out, "h264", scratch.path())?;
    verdict::check_refused(&ran, &out, "source.not_media")
}
