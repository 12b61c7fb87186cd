//! Running programs with a time limit, and asking ffprobe.

use crate::Check;
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a program said and how it ended.
pub(crate) struct Ran {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error, as text.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Runs a program to its end, or kills it at the limit. Its output goes through files, so that no pipe can fill up.
pub(crate) fn run(command: &mut Command, scratch: &Path, limit: Duration) -> Check<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |e: std::io::Error| format!("{name}: {e}");
    let directory = tempfile::tempdir_in(scratch).map_err(failed)?;
    let (out, err) = (directory.path().join("out"), directory.path().join("err"));
    command.stdin(Stdio::null());
    command.stdout(File::create(&out).map_err(failed)?).stderr(File::create(&err).map_err(failed)?);
    let started = Instant::now();
    let mut child = command.spawn().map_err(failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if started.elapsed() > limit {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            let said = std::fs::read(&err).unwrap_or_default();
            return Err(format!(
                "{name} ran past {} s; it said: {}",
                limit.as_secs(),
                tail(&String::from_utf8_lossy(&said))
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = started.elapsed();
    let stdout = std::fs::read(&out).map_err(failed)?;
    let stderr = String::from_utf8_lossy(&std::fs::read(&err).map_err(failed)?).into_owned();
    Ok(Ran { status, stdout, stderr, took })
}

/// `ffmpeg` or `ffprobe` with arguments; its failure is the caller's to judge.
pub(crate) fn tool(name: &str, scratch: &Path, arguments: &[&str]) -> Check<Ran> {
    run(Command::new(name).args(["-hide_banner"]).args(arguments), scratch, Duration::from_secs(300))
}

/// `ffmpeg` that must succeed: for making material, not for judging it.
pub(crate) fn make(scratch: &Path, arguments: &[&str]) -> Check<Ran> {
    let ran = tool("ffmpeg", scratch, &[&["-nostdin", "-y", "-v", "error"], arguments].concat())?;
    match ran.status.success() {
        true => Ok(ran),
        false => Err(format!("ffmpeg {arguments:?}: {}", tail(&ran.stderr))),
    }
}

/// ffprobe's answer as JSON. It complains about damaged files and still answers, so its messages do not count.
pub(crate) fn probe(scratch: &Path, file: &str, arguments: &[&str]) -> Check<Value> {
    let file = format!("file:{file}");
    let ran = tool("ffprobe", scratch, &[&["-v", "quiet", "-of", "json"], arguments, &[file.as_str()]].concat())?;
    serde_json::from_slice(&ran.stdout).map_err(|e| format!("ffprobe of {file}: {e}"))
}

/// A list in ffprobe's answer; empty where there is none.
pub(crate) fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}

/// A field that ffprobe prints as a decimal in a string, in microseconds.
pub(crate) fn micros_of(value: &Value) -> Option<i64> {
    crate::table::micros(value.as_str()?)
}

/// A path as text. Every path here is ours or the corpus's, and those are UTF-8.
pub(crate) fn text(path: &Path) -> Check<&str> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

/// The last part of a message, on one line.
pub(crate) fn tail(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}
