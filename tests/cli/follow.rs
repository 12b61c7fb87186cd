//! Jobs that are followed: `watch`, and `submit --wait`.

use crate::fake::Fake;
use crate::sample::{BAD, BREAKS, ENDLESS, GOOD, STOPPED};
use crate::tools::{command, golden, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

#[test]
fn a_job_is_followed_to_its_end_and_its_fate_is_the_exit_status() {
    let fake = Fake::start();
    golden(&fake, "watch", &["watch", GOOD]);
    assert_eq!(golden(&fake, "watch-failed", &["watch", BAD]).status, 4);
    assert_eq!(run(&fake, &["watch", STOPPED]).status, 130);
    assert_eq!(run(&fake, &["watch", "no-such-job"]).status, 2);
    let ran = run(&fake, &["watch", GOOD, "--after", "8"]);
    assert!(!ran.err.contains("job queued") && ran.err.contains("job succeeded"), "{ran:?}");
}

#[test]
fn for_machines_each_message_is_a_line() {
    let fake = Fake::start();
    let ran = golden(&fake, "watch-json", &["watch", BAD, "--json"]);
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["progress"]["outputs"][0]["speed_percent"] == 300));
    let last = lines.last().unwrap();
    assert_eq!((&last["last"], &last["change"]["job"]), (&json!(true), &json!("failed")));
    assert_eq!(ran.status, 4);
}

#[test]
fn a_stream_that_breaks_off_is_taken_up_where_it_was() {
    let fake = Fake::start();
    let ran = run(&fake, &["watch", BREAKS, "--json"]);
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let revisions: Vec<_> = lines.iter().filter_map(|line| line["change"]["revision"].as_u64()).collect();
    assert_eq!((ran.status, revisions), (0, vec![1, 2, 3, 4, 5, 8, 9]));
    assert!(fake.asked().iter().any(|asked| asked.contains("after_revision: 3")), "{:?}", fake.asked());
}

#[test]
fn waiting_for_a_job_gives_its_fate() {
    let fake = Fake::start();
    golden(&fake, "submit-wait", &["submit", "/in.mp4", "/out", "--wait"]);
    let ran = run(&fake, &["submit", "/in.mp4", "/out", "--wait", "--json"]);
    assert_eq!((&ran.json()["id"], &ran.json()["state"], ran.status), (&json!(GOOD), &json!("succeeded"), 0));
    let ran = run(&fake, &["submit", "/fails.mp4", "/out", "--wait", "--json"]);
    assert_eq!(
        (&ran.json()["problem"]["code"], &ran.json()["problem"]["fault"]),
        (&json!("worker.crashed"), &json!("device"))
    );
    assert!(ran.status == 4 && ran.err.contains("[worker.crashed]"), "{ran:?}");
}

#[test]
fn who_stops_waiting_is_told_that_the_job_goes_on() {
    let fake = Fake::start();
    let mut waiting = command(&fake, &["submit", "/endless.mp4", "/out", "--wait"]);
    let mut child = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("can be played") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it ended by itself");
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for part in ["the job goes on", &format!("reelmill watch {ENDLESS}"), &format!("reelmill stop {ENDLESS}")] {
        assert!(rest.contains(part), "{part} in {rest}");
    }
    assert!(!fake.asked().iter().any(|asked| asked.contains("StopJobs")), "nothing was stopped");
}
