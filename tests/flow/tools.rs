//! Running the command and FFmpeg's tools.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The command, about to be given arguments.
pub(crate) fn reelmill() -> Command {
    Command::new(env!("CARGO_BIN_EXE_reelmill"))
}

/// A directory with a clip in it: 12 s of moving pictures and a tone, key frames every 2 s.
pub(crate) fn clip() -> (TempDir, PathBuf) {
    clip_of("testsrc2=size=640x360:rate=25:duration=12", "sine=frequency=440:beep_factor=4:duration=12")
}

/// A directory with a clip made of two of FFmpeg's sources.
pub(crate) fn clip_of(picture: &str, sound: &str) -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("clip.mp4");
    let codecs = ["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    ffmpeg(
        &[&["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound][..], &codecs, &[path.to_str().unwrap()]].concat(),
    );
    (scratch, path)
}

/// Transcodes and expects success; gives the job report.
pub(crate) fn transcode(input: &Path, out: &Path, options: &[&str]) -> Value {
    let ran = reelmill().arg("transcode").arg(input).arg(out).args(options).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&fs::read(out.join("reelmill.json")).unwrap()).unwrap()
}

/// Runs FFmpeg and expects success without a word; gives what it printed.
pub(crate) fn ffmpeg(arguments: &[&str]) -> String {
    let ran = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).output().unwrap();
    quiet(&ran, arguments)
}

/// Pictures that FFmpeg makes of an input, whatever it complains about on the way.
pub(crate) fn pictures(input: &[&str]) -> usize {
    let frames = ["-fps_mode", "passthrough", "-f", "framecrc", "-"];
    let ran = Command::new("ffmpeg").args(["-nostdin", "-v", "quiet"]).args(input).args(frames).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).lines().filter(|line| line.starts_with('0')).count()
}

/// Runs ffprobe with CSV output and gives its lines.
pub(crate) fn ffprobe(path: &Path, entries: &str) -> Vec<String> {
    let arguments = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", path.to_str().unwrap()];
    let ran = Command::new("ffprobe").args(arguments).output().unwrap();
    quiet(&ran, &arguments)
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|l| !l.is_empty())
        .collect()
}

fn quiet(ran: &Output, arguments: &[&str]) -> String {
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.trim().is_empty(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Segment files of a media playlist, in order.
pub(crate) fn segments(playlist: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(playlist).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| playlist.with_file_name(line)).collect()
}

/// All of a track's segments behind one another, with the initialisation segment in front where there is one.
pub(crate) fn joined(track: &Path, to: &Path) -> PathBuf {
    let init = track.join("init.mp4");
    let mut bytes = if init.exists() { fs::read(init).unwrap() } else { Vec::new() };
    for segment in segments(&track.join("media.m3u8")) {
        bytes.extend(fs::read(segment).unwrap());
    }
    fs::write(to, bytes).unwrap();
    to.to_owned()
}

/// Presentation times of a file's packets, sorted.
pub(crate) fn times(path: &Path) -> Vec<String> {
    let mut times: Vec<i64> = ffprobe(path, "packet=pts").iter().map(|line| line.parse().unwrap()).collect();
    times.sort_unstable();
    times.iter().map(ToString::to_string).collect()
}

/// SSIM of each picture of a file against those of another, by position.
pub(crate) fn ssim(made: &Path, reference: &Path, scratch: &Path) -> Vec<f64> {
    let stats = scratch.join("ssim.txt");
    let filter = format!(
        "[0:v]settb=1/25,setpts=N[a];[1:v]scale=w=rw:h=rh,settb=1/25,setpts=N[b];[a][b]ssim=stats_file={}",
        stats.display()
    );
    let size = ffprobe(made, "stream=width,height");
    let (width, height) = size[0].split_once(',').unwrap();
    let filter = filter.replace("w=rw:h=rh", &format!("w={width}:h={height}:flags=bicubic"));
    let (made, reference) = (made.to_str().unwrap(), reference.to_str().unwrap());
    ffmpeg(&["-i", made, "-i", reference, "-lavfi", &filter, "-f", "null", "-"]);
    let text = fs::read_to_string(stats).unwrap();
    let value = |line: &str| line.split("All:").nth(1)?.split(' ').next()?.parse().ok();
    text.lines().map(|line| value(line).unwrap()).collect()
}
