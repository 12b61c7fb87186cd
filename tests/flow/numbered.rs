//! Clips whose pictures are numbered, and which numbers became of them.

use crate::tools::{ffmpeg, joined, times, transcode};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const COMMON: [&str; 8] = ["--packaging", "cmaf", "--speed", "fast", "--segment", "1s", "--renditions", "90p@2M"];
/// Stripes of a picture, one for each binary digit of its number.
const DIGITS: usize = 10;

/// A clip of numbered pictures; `filter` comes behind them, and may make frames of two fields.
pub(crate) fn numbered(dir: &Path, name: &str, rate: &str, seconds: u32, filter: &str) -> PathBuf {
    let path = dir.join(name);
    // Encoders of fields want lines in fours.
    let lines = if filter.contains("setfield=tff") { 96 } else { 90 };
    let numbers = format!(
        "color=black:size=160x{lines}:rate={rate}:duration={seconds},format=gray,geq=lum='if(mod(floor(N/pow(2,floor(X/16))),2),235,16)'{filter},format=yuv420p"
    );
    let sound = format!("sine=frequency=440:duration={seconds}");
    let inputs = ["-f", "lavfi", "-i", &numbers, "-f", "lavfi", "-i", &sound];
    let codecs =
        ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-g", "20", "-enc_time_base", "-1", "-c:a", "aac"];
    let fields: &[&str] = if filter.contains("setfield=tff") { &["-flags", "+ildct+ilme", "-top", "1"] } else { &[] };
    ffmpeg(&[&inputs[..], &codecs, fields, &["-fps_mode", "passthrough", path.to_str().unwrap()]].concat());
    path
}

pub(crate) struct Made {
    pub(crate) scratch: TempDir,
    pub(crate) file: PathBuf,
    pub(crate) report: Value,
}

pub(crate) fn made(clip: &Path, options: &[&str]) -> Made {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    let report = transcode(clip, &out, &[&COMMON[..], options].concat());
    let file = joined(&out.join("cmaf/90p"), &scratch.path().join("all.mp4"));
    Made { scratch, file, report }
}

impl Made {
    /// The numbers of its pictures.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        let form = ["-fps_mode", "passthrough", "-vf", "scale=w=10:h=1:flags=area,format=gray", "-f", "rawvideo", "-"];
        let arguments = [&["-nostdin", "-v", "error", "-i", self.file.to_str().unwrap()][..], &form].concat();
        let ran = Command::new("ffmpeg").args(arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let number = |row: &[u8]| row.iter().rev().fold(0, |number, luma| number * 2 + usize::from(*luma > 125));
        ran.stdout.chunks(DIGITS).map(number).collect()
    }

    pub(crate) fn times(&self) -> Vec<i64> {
        times(&self.file).iter().map(|time| time.parse().unwrap()).collect()
    }

    pub(crate) fn manifests(&self) -> String {
        let out = self.scratch.path().join("out/cmaf");
        fs::read_to_string(out.join("master.m3u8")).unwrap() + &fs::read_to_string(out.join("manifest.mpd")).unwrap()
    }
}
