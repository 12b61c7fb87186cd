//! Text in segments as goldens under `tests/golden/text`: files of WebVTT as they are, boxes of MP4 in hexadecimal.
//! `REELMILL_BLESS=1` records them again.

use super::{Clock, Cue, Segmenter, file, fragment, init_segment};
use crate::model::plan::Grid;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// Cues over a boundary, overlapping, at one time, with settings, and a second without any.
fn cues() -> Vec<Cue> {
    let cue = |start, end, settings: &str, text: &str| Cue { start, end, settings: settings.into(), text: text.into() };
    vec![
        cue(0, 900, "", "first"),
        cue(500, 2500, "line:0 align:start", "<i>over</i> &amp; above\nin two lines"),
        cue(1000, 2000, "", "while it stands"),
        cue(1000, 2000, "", "and \u{e4}t once"),
        cue(4000, 9000, "", "longer than the media"),
    ]
}

fn check(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text").join(name);
    if env::var_os("REELMILL_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, made, "{name} differs; REELMILL_BLESS=1 records what is made now");
}

/// Sixteen bytes a line, with the letters among them.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(16) {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: String =
            line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        writeln!(text, "{:<47}  {letters}", hex.join(" ")).unwrap();
    }
    text
}

#[test]
fn segments_of_text_to_the_byte() {
    let mut segmenter = Segmenter::new(Grid { segment_ms: 2000 }, Some(5500));
    cues().into_iter().for_each(|cue| segmenter.push(cue));
    let segments = segmenter.finish();
    assert_eq!(segments.len(), 3);
    for (name, clock) in [("cmaf.vtt.txt", Clock::Cmaf), ("ts.vtt.txt", Clock::Ts)] {
        let files = segments.iter().map(|segment| format!("=== {}\n{}", segment.index, file(segment, clock)));
        check(name, &files.collect::<String>());
    }
    let mut boxes = format!("=== init\n{}", dump(&init_segment()));
    for segment in &segments {
        let (bytes, samples) = fragment(segment);
        write!(boxes, "=== {}: {samples} samples\n{}", segment.index, dump(&bytes)).unwrap();
    }
    check("wvtt.txt", &boxes);
}
