//! The program `reelmill` itself: exit status, what it prints, and signals.

use crate::fake::FakeWorker;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn reelmill(fake: &FakeWorker, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reelmill"));
    command.args(arguments).env("REELMILL_WORKER", fake.program()).current_dir(fake.home.path()).stdin(Stdio::null());
    command
}

fn output(fake: &FakeWorker, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = reelmill(fake, arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A job that has stored its first segment and will never end.
struct Endless {
    fake: FakeWorker,
    child: Child,
}

impl Endless {
    fn start() -> Self {
        let fake = FakeWorker::new("stays");
        let arguments = ["transcode", "source.mp4", "out", "--spans", "2", "--json"];
        let mut child = reelmill(&fake, &arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_segment = |line: &str| line.contains(r#""event":"segment""#) && !line.contains("audio-1");
        assert!(lines.any(|line| is_segment(&line.unwrap())), "the job ended by itself");
        // Nobody reads any more from here on, which must not matter.
        drop(lines);
        Self { fake, child }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn out(&self) -> PathBuf {
        self.fake.home.path().join("out")
    }

    /// Waits until no worker is left; how long that took.
    fn until_workers_are_gone(&self, began: Instant) -> Duration {
        while !self.fake.alive().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(10), "workers are left: {:?}", self.fake.alive());
            std::thread::sleep(Duration::from_millis(10));
        }
        began.elapsed()
    }
}

#[test]
fn a_job_tells_people_what_it_made() {
    let fake = FakeWorker::new("work");
    let (status, stdout, stderr) = output(&fake, &["transcode", "source.mp4", "out"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.contains("playable after"), "{stderr}");
    assert!(stdout.contains("out/cmaf/master.m3u8"), "{stdout}");
    assert!(fake.home.path().join("out/reelmill.json").is_file());
}

#[test]
fn a_job_tells_machines_everything_in_lines() {
    let fake = FakeWorker::new("work");
    let (status, stdout, stderr) = output(&fake, &["transcode", "source.mp4", "out", "--json"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    for name in ["probed", "planned", "part_started", "segment", "playable", "part_finished", "done"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    assert_eq!(names.last(), Some(&"done"));
}

#[test]
fn a_problem_is_one_line_with_a_code_and_a_status() {
    for (script, arguments, status, code) in [
        ("work", ["transcode", "absent.mp4", "out"], 2, "source.not_found"),
        ("work", ["transcode", "source.mp4", "/proc/out"], 5, "output.unwritable"),
        ("work", ["transcode", "source.mp4", "."], 2, "output.exists"),
        ("probe-fails", ["transcode", "source.mp4", "out"], 2, "source.not_media"),
        ("probe-crashes", ["transcode", "source.mp4", "out"], 4, "worker.crashed"),
        ("crash-always", ["transcode", "source.mp4", "out"], 4, "worker.crashed"),
        ("outside", ["transcode", "source.mp4", "out"], 70, "worker.protocol"),
    ] {
        let fake = FakeWorker::new(script);
        let (got, stdout, stderr) = output(&fake, &arguments);
        assert_eq!((got, stdout.as_str()), (Some(status), ""), "{code}: {stderr}");
        let last = stderr.lines().last().unwrap();
        assert!(last.starts_with("reelmill: ") && last.ends_with(&format!("[{code}]")), "{stderr}");
        assert!(!fake.home.path().join("out").exists(), "{code}");
    }
}

#[test]
fn a_problem_is_also_an_object_for_machines() {
    let fake = FakeWorker::new("probe-fails");
    for arguments in [&["probe", "source.mp4", "--json"][..], &["transcode", "source.mp4", "out", "--json"]] {
        let (status, stdout, stderr) = output(&fake, arguments);
        let object: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
        assert_eq!(
            (status, object["event"].as_str(), object["code"].as_str()),
            (Some(2), Some("error"), Some("source.not_media"))
        );
        assert!(stderr.ends_with("[source.not_media]\n"), "{stderr}");
    }
}

#[test]
fn probe_and_plan_print_text_and_json() {
    let fake = FakeWorker::new("work");
    let (status, text, _) = output(&fake, &["probe", "source.mp4"]);
    assert!(status == Some(0) && text.contains("640x360, 25 fps"), "{text}");
    let (_, json, _) = output(&fake, &["probe", "--json", "source.mp4"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["streams"].as_array().unwrap().len(), 2);
    let (status, text, stderr) = output(&fake, &["plan", "source.mp4", "--spans", "2"]);
    assert!(status == Some(0) && text.contains("2 spans") && text.contains("libx264"), "{text}{stderr}");
    let (_, json, _) = output(&fake, &["plan", "source.mp4", "--json", "--segment", "2s"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["grid"]["segment_ms"], 2000);
}

#[test]
fn a_missing_worker_is_named() {
    let fake = FakeWorker::new("work");
    let mut command = reelmill(&fake, &["probe", "source.mp4"]);
    let output = command.env("REELMILL_WORKER", "/nowhere/reelmill-worker").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/reelmill-worker"));
}

#[test]
fn ctrl_c_and_its_like_stop_everything_within_two_seconds_and_leave_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut job = Endless::start();
        assert!(!job.fake.alive().is_empty());
        let began = Instant::now();
        job.signal(signal);
        let status = job.child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal}");
        assert!(job.until_workers_are_gone(began) < Duration::from_secs(2), "{signal} took {:?}", began.elapsed());
        assert!(!job.out().exists(), "{signal}");
    }
}

#[test]
fn workers_die_with_the_daemon_and_what_is_left_can_be_replaced() {
    let mut job = Endless::start();
    job.signal("KILL");
    job.child.wait().unwrap();
    assert!(job.until_workers_are_gone(Instant::now()) < Duration::from_secs(2));
    assert!(job.out().is_dir());
    let fake = FakeWorker::new("work");
    let (source, out) = (fake.source(), job.out());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = ["transcode".to_owned(), text(&source), text(&out)];
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(output(&fake, &arguments).0, Some(2), "not without being asked");
    arguments.push("--overwrite");
    let (status, _, stderr) = output(&fake, &arguments);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(out.join("reelmill.json").is_file());
}
