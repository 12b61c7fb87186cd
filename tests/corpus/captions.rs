//! Closed captions of a broadcast, as FFmpeg's decoder of line 21 reads them too.
//!
//! FFmpeg begins with what is written before a mode is said, and has a cue for what a carriage return ends; so what must
//! agree is each finished line: its letters, and when the next one moves it up.

use super::Check;
use super::tools::{run, text, tool};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// The last line of a cue, and where the cue ends, ms.
type Line = (String, i64);

/// Compares both fields of a file.
pub(crate) fn check(directory: &Path, name: &str) -> Check {
    let scratch = super::verdict::scratch()?;
    let (file, out) = (directory.join(name), scratch.path().join("out"));
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_reelmill")));
    command.args(["transcode", "--renditions", "90p", "--speed", "fast", "--packaging", "cmaf", "--segment", "30s"]);
    command.args(["--captions", "CC1,CC3"]).arg(&file).arg(&out);
    super::verdict::check_succeeded(&run(&mut command, scratch.path(), LIMIT)?)?;
    for (field, track) in [("first", "text-1"), ("second", "text-2")] {
        let source = format!("movie={}[out0+subcc]", text(&file)?);
        let arguments =
            ["-v", "error", "-data_field", field, "-f", "lavfi", "-i", &source, "-map", "0:s", "-f", "webvtt"];
        let theirs = scratch.path().join(format!("{field}.vtt"));
        tool("ffmpeg", scratch.path(), &[&arguments[..], &[text(&theirs)?]].concat())?;
        let theirs = lines(&theirs)?;
        let ours = lines(&out.join("cmaf").join(track).join("00000.vtt"))?;
        // The last one of ours is still being written when the file ends.
        let whole: Vec<&Line> = theirs.iter().skip(1).collect();
        if whole.len() < 2 {
            return Err(format!("FFmpeg reads {} lines of the {field} field: too few to compare", whole.len()));
        }
        for (line, end) in whole {
            if !ours.iter().any(|(own, at)| own == line && (at - end).abs() <= 2) {
                return Err(format!("{field} field: `{line}` until {end} ms is not in {ours:?}"));
            }
        }
    }
    Ok(())
}

/// The last line of each cue, without tags.
fn lines(file: &Path) -> Check<Vec<Line>> {
    let all = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut found: Vec<Line> = Vec::new();
    // FFmpeg writes empty lines into cues, so that they end with the next times and not with an empty line.
    for line in all.lines().filter(|line| !line.is_empty()) {
        match (line.split_once(" --> "), found.last_mut()) {
            (Some((_, rest)), _) => {
                let end = rest.split(' ').next().and_then(ms).ok_or_else(|| format!("no times: {line}"))?;
                found.push((String::new(), end));
            }
            (None, Some((last, _))) => *last = plain(line),
            (None, None) => {}
        }
    }
    Ok(found)
}

fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for letter in line.chars() {
        match letter {
            '<' => in_tag = true,
            '>' => in_tag = false,
            letter if !in_tag => text.push(letter),
            _ => {}
        }
    }
    text.trim().to_owned()
}

fn ms(clock: &str) -> Option<i64> {
    let (whole, ms) = clock.split_once('.')?;
    let seconds = whole.split(':').try_fold(0, |sum, part| Some(sum * 60 + part.parse::<i64>().ok()?))?;
    Some(seconds * 1000 + ms.parse::<i64>().ok()?)
}
