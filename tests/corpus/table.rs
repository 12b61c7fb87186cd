//! `expected.md` as rows.

use crate::Check;
use std::collections::BTreeSet;
use std::path::Path;

/// What must come of one file.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// File name in the corpus.
    pub(crate) file: String,
    /// Right, or the code of the problem.
    pub(crate) outcome: Outcome,
    /// Codecs to ask for, as `--codec` takes them.
    pub(crate) codec: String,
    /// Seconds taken in CI.
    pub(crate) cut: Option<u32>,
    /// Stream of subtitles that are pictures, to burn in.
    pub(crate) burn: Option<u32>,
}

/// The two ways a file can end.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// An output that passes every check.
    Right(Box<Expected>),
    /// A refusal with this code.
    Problem(String),
}

/// What a right output looks like. Times in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Width and height as shown; `None` for sound alone.
    pub(crate) size: Option<(u32, u32)>,
    /// Pictures of the whole file, least and most.
    pub(crate) frames: (usize, usize),
    /// Length of the whole file, least and most.
    pub(crate) length: (i64, i64),
    /// Audio renditions.
    pub(crate) audio: usize,
    /// Index of the video stream that is meant, where it is not the first.
    pub(crate) stream: Option<u32>,
    /// Least mean luma SSIM in thousandths; `None` where it cannot be told.
    pub(crate) ssim: Option<u32>,
    /// Stream of subtitles that is drawn over the pictures they are compared with.
    pub(crate) burned: Option<u32>,
    /// Greatest distance of sound from its place.
    pub(crate) sync: i64,
    /// Whether picture times can be compared.
    pub(crate) times: bool,
    /// Most digital silence in the first audio rendition.
    pub(crate) silence: Option<i64>,
    /// FFmpeg's name of the transfer that 10-bit codecs keep.
    pub(crate) hdr: Option<&'static str>,
}

impl Expected {
    /// The defaults of the table, to be narrowed.
    pub(crate) fn new(size: Option<(u32, u32)>, frames: usize, length: i64, audio: usize) -> Self {
        Self {
            size,
            frames: (frames, frames),
            length: (length - LENGTH_SLACK, length + LENGTH_SLACK),
            audio,
            stream: None,
            ssim: Some(900),
            burned: None,
            sync: 40_000,
            times: true,
            silence: None,
            hdr: None,
        }
    }
}

/// Longest distance from a length that the table gives as one number: a few audio frames and a priming.
const LENGTH_SLACK: i64 = 150_000;

impl Row {
    /// The row's name as a test: letters, digits and underscores, because runners pass names on command lines.
    pub(crate) fn trial_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let file: String = self.file.chars().map(plain).collect();
        match (self.codec.as_str(), self.burn) {
            ("h264", None) => file,
            (codec, None) => format!("{file}__{}", codec.replace(',', "_")),
            (codec, Some(_)) => format!("{file}__{}_burned_in", codec.replace(',', "_")),
        }
    }
}

/// The rows of the table in this directory.
pub(crate) fn rows() -> Check<Vec<Row>> {
    parse(include_str!("expected.md"))
}

fn parse(text: &str) -> Check<Vec<Row>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `")).filter(|line| line.split(" | ").count() >= 4) {
        let cells: Vec<&str> = line.trim_start_matches("| ").trim_end_matches(" |").splitn(4, " | ").collect();
        let [file, outcome, expectations, why] = cells[..] else {
            return Err(format!("not a row of four cells: {line}"));
        };
        if !why.ends_with('.') || why.len() < 10 {
            return Err(format!("{file}: the reason must be a sentence"));
        }
        rows.push(parse_row(file.trim_matches('`'), outcome, expectations)?);
    }
    match rows.len() {
        0 => Err("the table has no rows".to_owned()),
        _ => Ok(rows),
    }
}

fn parse_row(file: &str, outcome: &str, expectations: &str) -> Check<Row> {
    let mut row = Row {
        file: file.to_owned(),
        outcome: Outcome::Problem(outcome.to_owned()),
        codec: "h264".to_owned(),
        cut: None,
        burn: None,
    };
    let mut expected = Expected::new(None, 0, 0, 0);
    for token in expectations.split_whitespace() {
        let (key, value) = token.split_once('=').ok_or_else(|| format!("{file}: {token} is not key=value"))?;
        let bad = || format!("{file}: {token} cannot be read");
        match key {
            "codec" => row.codec = value.to_owned(),
            "burn" => {
                row.burn = Some(value.parse().map_err(|_| bad())?);
                expected.burned = row.burn;
            }
            "cut" => row.cut = Some(value.parse().map_err(|_| bad())?),
            "size" => {
                let (width, height) = value.split_once('x').ok_or_else(bad)?;
                expected.size = Some((width.parse().map_err(|_| bad())?, height.parse().map_err(|_| bad())?));
            }
            "frames" => {
                let (least, most) = value.split_once('-').unwrap_or((value, value));
                expected.frames = (least.parse().map_err(|_| bad())?, most.parse().map_err(|_| bad())?);
            }
            "secs" => {
                expected.length = match value.split_once('-') {
                    Some((least, most)) => (micros(least).ok_or_else(bad)?, micros(most).ok_or_else(bad)?),
                    None => Expected::new(None, 0, micros(value).ok_or_else(bad)?, 0).length,
                }
            }
            "audio" => expected.audio = value.parse().map_err(|_| bad())?,
            "stream" => expected.stream = Some(value.parse().map_err(|_| bad())?),
            "ssim" if value == "skip" => expected.ssim = None,
            "ssim" => expected.ssim = Some((micros(value).ok_or_else(bad)? / 1000) as u32),
            "sync" => expected.sync = micros(value).ok_or_else(bad)?,
            "times" if value == "skip" => expected.times = false,
            "silence" => expected.silence = Some(micros(value).ok_or_else(bad)?),
            "hdr" if value == "pq" => expected.hdr = Some("smpte2084"),
            "hdr" if value == "hlg" => expected.hdr = Some("arib-std-b67"),
            _ => return Err(bad()),
        }
    }
    if outcome == "right" {
        if expected.size.is_none() && expected.audio == 0 {
            return Err(format!("{file}: right, but neither pictures nor sound are expected"));
        }
        row.outcome = Outcome::Right(Box::new(expected));
    } else if !outcome.contains('.') || outcome.contains(' ') {
        return Err(format!("{file}: {outcome} is not a problem code"));
    }
    Ok(row)
}

/// Decimal seconds as microseconds.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    let value = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(part.parse::<i64>().ok()?)?;
    Some(if negative { -value } else { value })
}

/// The table and the corpus's own manifest must name the same files.
pub(crate) fn match_manifest(rows: &[Row], manifest: &Path) -> Check {
    let text = std::fs::read_to_string(manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let in_corpus: BTreeSet<&str> = text.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let in_table: BTreeSet<&str> = rows.iter().map(|row| row.file.as_str()).collect();
    let names: BTreeSet<String> = rows.iter().map(Row::trial_name).collect();
    if names.len() != rows.len() {
        return Err("two rows of the table have the same name as tests".to_owned());
    }
    let missing: Vec<_> = in_corpus.difference(&in_table).collect();
    let stale: Vec<_> = in_table.difference(&in_corpus).collect();
    if missing.is_empty() && stale.is_empty() {
        return Ok(());
    }
    Err(format!("files without a row in expected.md: {missing:?}; rows without a file: {stale:?}"))
}
