//! Real workers that are killed, and jobs that are stopped.

use crate::tools::{clip, ffmpeg, joined, reelmill, times};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn start(clip: &Path, out: &Path) -> Child {
    let options = ["--renditions", "360p,240p", "--speed", "quality", "--segment", "1s", "--codec", "hevc"];
    reelmill()
        .arg("transcode")
        .arg(clip)
        .arg(out)
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Process ids of the workers that spool below a directory, with their command lines.
fn workers(out: &Path) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains("reelmill-worker") && line.contains(out.to_str().unwrap()) {
            found.push((pid, line));
        }
    }
    found
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn signal(pid: i32, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_killed_worker_costs_one_span_and_the_result_is_whole() {
    let (scratch, clip) = clip();
    let out = scratch.path().join("out");
    let child = start(&clip, &out);
    wait_for("a manifest", || out.join("cmaf/master.m3u8").exists());
    let (pid, _) = workers(&out).into_iter().find(|(_, line)| line.contains("video")).unwrap();
    signal(pid, "-KILL");
    let ran = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("worker.crashed"), "{said}");
    for track in ["360p", "240p"] {
        let whole = joined(&out.join("cmaf").join(track), &scratch.path().join("whole.mp4"));
        assert_eq!(times(&whole).len(), 300, "{track}");
        ffmpeg(&["-xerror", "-i", whole.to_str().unwrap(), "-f", "null", "-"]);
    }
}

#[test]
fn a_stopped_job_is_gone_within_two_seconds() {
    let (scratch, clip) = clip();
    let out = scratch.path().join("out");
    let child = start(&clip, &out);
    wait_for("a worker on the video", || workers(&out).iter().any(|(_, line)| line.contains("video")));
    let began = Instant::now();
    signal(child.id() as i32, "-INT");
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(workers(&out).is_empty());
    assert!(!out.exists());
}
