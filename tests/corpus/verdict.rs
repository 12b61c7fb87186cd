//! Runs `reelmill transcode` on one source and judges what it did.

use crate::output::Package;
use crate::source::{Source, shorten};
use crate::table::{Expected, Outcome, Row};
use crate::tools::{Ran, run, tail};
use crate::track::Joined;
use crate::{Check, dash, picture, sound};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The ladder that is asked for: small, so that the suite spends its time on files, not on pixels.
const LADDER: &str = "360p,240p";
/// Its largest rung.
const TALLEST: u32 = 360;
/// Bad input is named within this time.
const REFUSAL: Duration = Duration::from_secs(10);
/// A transcode that takes longer hangs: the longest file of the corpus, whole, takes a quarter of it on two busy cores.
const LIMIT: Duration = Duration::from_secs(300);
/// The exit status of problems with the client's media or request (`model::Fault::Input`).
const INPUT_FAULT: i32 = 2;

/// Runs one row of the table.
pub(crate) fn check_file(directory: &Path, row: &Row) -> Check {
    let scratch = scratch()?;
    let short = shorten(directory, row, scratch.path())?;
    let source = short.clone().unwrap_or_else(|| directory.join(&row.file));
    // The name as a user types it, from the directory where the file lies: hostile names are part of the corpus.
    let (place, name) = match &short {
        Some(path) => (scratch.path(), path.clone().into_os_string()),
        None => (directory, OsString::from(&row.file)),
    };
    let out = scratch.path().join("out");
    let burn = row.burn.map(|stream| stream.to_string());
    let options = burn.iter().flat_map(|stream| ["--burn-in", stream.as_str()]).collect::<Vec<_>>();
    let ran = transcode_with(place, &name, &out, (&row.codec, &options), scratch.path())?;
    check_nothing_leaked(&ran, &out)?;
    match &row.outcome {
        Outcome::Problem(code) => check_refused(&ran, &out, code),
        Outcome::Right(expected) => {
            check_succeeded(&ran)?;
            check_right(&source, &out, expected, &row.codec, short.is_none(), scratch.path())
        }
    }
}

/// A directory for everything of one trial, gone when it ends.
pub(crate) fn scratch() -> Check<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))
}

/// Whether a codec asked for exists in CMAF only.
fn cmaf_alone(codec: &str) -> bool {
    ["av1", "vp9"].iter().any(|alone| codec.contains(alone))
}

/// Runs the program under test.
pub(crate) fn transcode(place: &Path, name: &OsString, out: &Path, codec: &str, scratch: &Path) -> Check<Ran> {
    transcode_with(place, name, out, (codec, &[]), scratch)
}

fn transcode_with(
    place: &Path,
    name: &OsString,
    out: &Path,
    (codec, options): (&str, &[&str]),
    scratch: &Path,
) -> Check<Ran> {
    let program = std::env::var_os("REELMILL_UNDER_TEST").map(PathBuf::from);
    let packaging = if cmaf_alone(codec) { "cmaf" } else { "cmaf,ts" };
    let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_reelmill"))));
    command.current_dir(place).args(["transcode", "--renditions", LADDER, "--speed", "fast"]);
    command.args(options).args(["--codec", codec, "--packaging", packaging, "--"]).arg(name).arg(out);
    run(&mut command, scratch, LIMIT)
}

/// It says that it succeeded.
pub(crate) fn check_succeeded(ran: &Ran) -> Check {
    match ran.status.success() {
        true => Ok(()),
        false => Err(format!("refused with {}: {}", ran.status, tail(&ran.stderr))),
    }
}

/// Exit status, code, one sentence, in time, and nothing where the output would be.
pub(crate) fn check_refused(ran: &Ran, out: &Path, code: &str) -> Check {
    if ran.status.success() {
        return Err(format!("succeeded, {code} was due"));
    }
    let tag = format!("[{code}]");
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(&tag)).collect();
    let [line] = lines[..] else {
        return Err(format!("{} lines with {tag}, exit {}: {}", lines.len(), ran.status, tail(&ran.stderr)));
    };
    if line.replace(&tag, "").trim().len() < 20 || ran.stderr.contains("panicked") {
        return Err(format!("not a sentence for a person: {line}"));
    }
    if ran.status.code() != Some(INPUT_FAULT) {
        return Err(format!("{}, an input fault exits with {INPUT_FAULT}", ran.status));
    }
    if ran.took > REFUSAL {
        return Err(format!("took {} ms to refuse", ran.took.as_millis()));
    }
    match out.exists() {
        true => Err("a refused job left its output directory behind".to_owned()),
        false => Ok(()),
    }
}

/// Neither messages nor files hold a line of `/etc/passwd`.
fn check_nothing_leaked(ran: &Ran, out: &Path) -> Check {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let secret: Vec<u8> = passwd.split(|byte| *byte == b'\n').next().unwrap_or(b"root:x:0:0").to_vec();
    let holds = |bytes: &[u8]| secret.len() > 4 && bytes.windows(secret.len()).any(|window| window == secret);
    let mut places = vec![out.to_owned()];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(crate::output::names(&place)?.iter().map(|name| place.join(name)));
        } else if std::fs::read(&place).is_ok_and(|bytes| holds(&bytes)) {
            return Err(format!("{} holds a line of /etc/passwd", place.display()));
        }
    }
    match holds(&ran.stdout) || holds(ran.stderr.as_bytes()) {
        true => Err("the messages hold a line of /etc/passwd".to_owned()),
        false => Ok(()),
    }
}

/// Every check of a right output. `whole`: the source was not cut short, so the table's numbers hold.
pub(crate) fn check_right(
    source: &Path,
    out: &Path,
    expected: &Expected,
    codec: &str,
    whole: bool,
    scratch: &Path,
) -> Check {
    let report = std::fs::read(out.join("reelmill.json")).map_err(|e| format!("reelmill.json: {e}"))?;
    let report: serde_json::Value = serde_json::from_slice(&report).map_err(|e| format!("reelmill.json: {e}"))?;
    if !report.is_object() {
        return Err("reelmill.json is not an object".to_owned());
    }
    let source = Source::measure(source, expected, scratch)?;
    let cmaf = Package::read(out, "cmaf")?;
    dash::check(out, &cmaf)?;
    let mut packages = vec![cmaf];
    if !cmaf_alone(codec) {
        packages.push(Package::read(out, "ts")?);
    }
    let mut lengths = Vec::new();
    for package in &packages {
        let zero = check_pictures(package, &source, expected, codec, whole, scratch)?;
        check_sounds(package, zero, &source, expected, scratch)?;
        lengths.push(package.tracks.iter().map(crate::output::Track::length).max().unwrap_or(0));
    }
    let (least, most) = match whole {
        true => expected.length,
        false => (source.length() - 150_000, source.length() + 150_000),
    };
    match lengths.iter().find(|length| !(least..=most).contains(length)) {
        Some(length) => Err(format!("the output lasts {length} us, expected {least} to {most} us")),
        None => Ok(()),
    }
}

/// All rungs of a packaging. Returns the time of the first picture on the packaging's clock.
fn check_pictures(
    package: &Package,
    source: &Source,
    expected: &Expected,
    codec: &str,
    whole: bool,
    scratch: &Path,
) -> Check<Option<i64>> {
    let codecs: Vec<&str> = codec.split(',').collect();
    let mut zero = None;
    let mut largest: Option<((u32, u32), Joined)> = None;
    let mut found = Vec::new();
    for track in package.videos() {
        let joined = Joined::new(package, track, scratch)?;
        let decoded = joined.decode(scratch)?;
        joined.check_frames(decoded, expected, source, whole)?;
        joined.check_segments()?;
        joined.check_colour(expected)?;
        if expected.times {
            joined.check_times(source)?;
        }
        let shape = joined.check_shape(expected)?;
        zero = zero.or(Some(joined.first()));
        found.push(joined.stream["codec_name"].as_str().unwrap_or("").to_owned());
        let deep = |j: &Joined| j.stream["pix_fmt"].as_str().is_some_and(|format| format.contains("10"));
        if largest.as_ref().is_none_or(|(best, kept)| (deep(&joined), shape) > (deep(kept), *best)) {
            largest = Some((shape, joined));
        }
    }
    let Some((shape, joined)) = largest else {
        return match expected.size {
            None => Ok(None),
            Some(_) => Err(format!("{}: no video rung", package.name)),
        };
    };
    if codecs.iter().any(|codec| !found.iter().any(|have| have == codec)) {
        return Err(format!("{}: asked for {codecs:?}, got {found:?}", package.name));
    }
    let short = |(width, height): (u32, u32)| width.min(height);
    let due = expected.size.map_or(0, short).min(TALLEST);
    if short(shape).abs_diff(due) > 2 {
        return Err(format!(
            "{}: the largest rung is {}x{}, its short side should be {due}",
            package.name, shape.0, shape.1
        ));
    }
    // Both packagings carry the same encodes, so one of them is enough.
    if let Some(floor) = expected.ssim.filter(|_| package.name == "cmaf") {
        let ssim = picture::likeness(&joined, source, expected.burned, scratch)?;
        if ssim < floor {
            return Err(format!("{}: SSIM is 0.{ssim:03}, the floor 0.{floor:03}", joined.label));
        }
        if expected.burned.is_some() {
            let clean = picture::likeness(&joined, source, None, scratch)?;
            if clean >= ssim {
                return Err(format!("{}: SSIM without subtitles is 0.{clean:03}, with them 0.{ssim:03}", joined.label));
            }
        }
    }
    Ok(zero)
}

/// All audio renditions of a packaging.
fn check_sounds(package: &Package, zero: Option<i64>, source: &Source, expected: &Expected, scratch: &Path) -> Check {
    let tracks = package.audios();
    if tracks.len() != expected.audio {
        return Err(format!("{}: {} audio renditions, expected {}", package.name, tracks.len(), expected.audio));
    }
    for (index, (track, sound)) in tracks.iter().zip(&source.sounds).enumerate() {
        let joined = Joined::new(package, track, scratch)?;
        joined.decode(scratch)?;
        joined.check_segments()?;
        sound::check_length(&joined.label, track.length(), sound, source)?;
        if index > 0 {
            continue;
        }
        if let Some(most) = expected.silence.filter(|_| package.name == "cmaf") {
            sound::check_silence(&joined, most, scratch)?;
        }
        // CMAF starts at zero; TS at the first picture, and without pictures nothing fixes its zero.
        let zero = if package.name == "cmaf" { Some(0) } else { zero };
        if let Some(zero) = zero {
            sound::check_sync(&joined, zero, sound, source, expected, scratch)?;
        }
    }
    Ok(())
}
