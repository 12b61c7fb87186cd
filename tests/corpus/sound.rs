//! Sound is whole and in its place: the decoded waveform is laid over the source's. Times in microseconds.

use crate::Check;
use crate::source::{Sound, Source};
use crate::table::Expected;
use crate::tools::{make, text, tool};
use crate::track::{Joined, demuxer};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Samples a second at which waveforms are compared: enough to tell a millisecond.
const RATE: usize = 4_000;
/// Seconds that are compared.
const SECONDS: usize = 12;
/// Farthest shift that is tried, in samples: a quarter of a second.
const REACH: usize = RATE / 4;

/// How long an audio track may differ from its source: priming, padding and the last frame.
const LENGTH_SLACK: i64 = 150_000;

/// The rendition ends where its source ends, or is filled up with silence to the end of the pictures.
pub(crate) fn check_length(label: &str, length: i64, sound: &Sound, source: &Source) -> Check {
    let due = sound.end - source.origin;
    let most = source.length().max(due);
    match (due - LENGTH_SLACK..=most + LENGTH_SLACK).contains(&length) {
        true => Ok(()),
        false => Err(format!("{label}: lasts {length} us, its source ends at {due} us")),
    }
}

/// The rendition's sound stands where the source's stands relative to the pictures. `zero` is the track's time of the
/// first picture.
pub(crate) fn check_sync(
    joined: &Joined,
    zero: i64,
    sound: &Sound,
    source: &Source,
    expected: &Expected,
    scratch: &Path,
) -> Check {
    let reference = waveform(&["-i", &format!("file:{}", text(&source.path)?)], sound.stream, source.origin, scratch)?;
    let made = waveform(&["-f", demuxer(&joined.path), "-i", text(&joined.path)?], 0, zero, scratch)?;
    // Without pictures there is nothing to be in sync with: only the first samples may be given or taken.
    let sync = if source.pictures.is_some() { expected.sync } else { expected.sync.max(100_000) };
    let shift = (sync * RATE as i64 / 1_000_000) as usize;
    // Sound with known holes is filled differently by every program: its place can still be told, its likeness not.
    let likeness = if expected.silence.is_some() { 0 } else { 40 };
    compare(&reference, &made, shift, likeness).map_err(|what| format!("{}: {what}", joined.label))
}

/// Digital silence in a rendition must stay below the bound: packets that hold several frames must sound whole.
pub(crate) fn check_silence(joined: &Joined, most: i64, scratch: &Path) -> Check {
    let filter = "silencedetect=n=-70dB:d=0.03";
    let ran = tool(
        "ffmpeg",
        scratch,
        &["-nostdin", "-v", "info", "-i", text(&joined.path)?, "-af", filter, "-f", "null", "-"],
    )?;
    let durations = ran.stderr.split("silence_duration: ").skip(1);
    let micros = |rest: &str| crate::table::micros(rest.split_whitespace().next().unwrap_or("")).unwrap_or(0);
    let silent: i64 = durations.map(micros).sum();
    match silent <= most {
        true => Ok(()),
        false => Err(format!("{}: {silent} us of digital silence, at most {most} us were due", joined.label)),
    }
}

/// Mono samples of one stream from `zero` on, gaps filled with silence.
fn waveform(input: &[&str], stream: u32, zero: i64, scratch: &Path) -> Check<Vec<i32>> {
    let raw = scratch.join("waveform.raw");
    let origin = format!("{}{}.{:06}", if zero < 0 { "-" } else { "" }, zero.abs() / 1_000_000, zero.abs() % 1_000_000);
    let filter = format!(
        "atrim=start={origin},asetpts=PTS-({origin})/TB,aresample={RATE}:async=1:min_hard_comp=0.05:first_pts=0"
    );
    let (map, limit) = (format!("0:{stream}"), SECONDS.to_string());
    let source = [&["-nostdin", "-y", "-v", "quiet", "-copyts"], input, &["-map", &map, "-af", &filter]].concat();
    let target = ["-ac", "1", "-t", &limit, "-f", "s16le", text(&raw)?];
    let mut command = Command::new("ffmpeg");
    // The source may be damaged on purpose, so only an empty result is a failure here; silence is judged by the caller.
    crate::tools::run(command.args(source).args(target), scratch, Duration::from_secs(120))?;
    let bytes = std::fs::read(&raw).map_err(|e| format!("the sound of {input:?} cannot be decoded: {e}"))?;
    Ok(bytes.chunks_exact(2).map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]]))).collect())
}

/// The best match of the two waveforms must lie within `shift` samples, and reach `likeness` per cent.
fn compare(reference: &[i32], made: &[i32], shift: usize, likeness: i64) -> Check {
    let energy = |samples: &[i32]| samples.iter().map(|s| i64::from(*s) * i64::from(*s)).sum::<i64>();
    let quiet = (reference.len() as i64).max(1) * 16;
    if energy(reference) < quiet {
        return Ok(());
    }
    if energy(made) < quiet {
        return Err("silent, its source is not".to_owned());
    }
    let at = |offset: usize| correlation(reference, made, offset as i64 - REACH as i64);
    let scores: Vec<i64> = (0..=2 * REACH).map(at).collect();
    let best = scores.iter().copied().enumerate().max_by_key(|(_, score)| *score).unwrap_or((0, 0));
    let near = scores[REACH - shift..=REACH + shift].iter().copied().max().unwrap_or(0);
    let micros = (best.0 as i64 - REACH as i64) * 1_000_000 / RATE as i64;
    // A tone matches itself at every period: what counts is that no other place is clearly better.
    if near * 100 < best.1 * 98 {
        return Err(format!("sound is {micros} us from its place"));
    }
    match best.1 >= likeness * 10 {
        true => Ok(()),
        false => Err(format!("sound is only {} % like its source", best.1 / 10)),
    }
}

/// Normalised correlation in thousandths of `reference[i]` with `made[i + shift]`.
fn correlation(reference: &[i32], made: &[i32], shift: i64) -> i64 {
    let (skip_reference, skip_made) = ((-shift).max(0) as usize, shift.max(0) as usize);
    let pairs = reference.iter().skip(skip_reference).zip(made.iter().skip(skip_made));
    let (mut cross, mut left, mut right) = (0_i64, 0_i64, 0_i64);
    for (a, b) in pairs {
        let (a, b) = (i64::from(*a), i64::from(*b));
        cross += a * b;
        left += a * a;
        right += b * b;
    }
    let scale = i128::from(left) * i128::from(right);
    if cross <= 0 || scale == 0 {
        return 0;
    }
    (i128::from(cross) * 1000 / scale.isqrt()) as i64
}

/// A clip of noise in two places, for `trust.rs`: the comparison itself must tell a shift.
pub(crate) fn tells_a_shift(scratch: &Path) -> Check {
    let noise = scratch.join("noise.wav");
    make(scratch, &["-f", "lavfi", "-i", "anoisesrc=d=4:a=0.4:seed=1", "-af", "lowpass=800", text(&noise)?])?;
    let samples = waveform(&["-i", text(&noise)?], 0, 0, scratch)?;
    let late = RATE / 10;
    let delayed: Vec<i32> = std::iter::repeat_n(0, late).chain(samples.iter().copied()).collect();
    compare(&samples, &samples, RATE / 25, 90)?;
    compare(&samples, &delayed, late + 1, 90)?;
    match compare(&samples, &delayed, RATE / 25, 90) {
        Err(what) if what.contains("from its place") => Ok(()),
        other => Err(format!("a shift of 0.1 s went unseen: {other:?}")),
    }
}
