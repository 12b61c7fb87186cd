//! `reelmill config` and the arguments of `reelmill serve`.

use crate::fake::Fake;
use crate::tools::{command, finish, run};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

#[test]
fn the_settings_in_force_are_shown_with_where_they_come_from() {
    let fake = Fake::start();
    let home = TempDir::new().unwrap();
    let (file, token) = (home.path().join("reelmill.toml"), home.path().join("token"));
    fs::write(&token, "opensesame").unwrap();
    fs::write(&file, "state_dir = '/s'\n[tokens.ci]\nsecret_file = 'token'\n[jobs]\nactive_max = 3\n").unwrap();
    let file = file.to_str().unwrap();
    let line = ["config", "--config", file, "--grpc", "127.0.0.1:1", "--set", "jobs.queue_max=5"];
    let mut text = command(&fake, &line);
    text.env("REELMILL_LOG_FORMAT", "json");
    let text = finish(text);
    assert_eq!(text.status, 0, "{text:?}");
    let row = |key: &str| {
        let line = text.out.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("grpc.listen"), "127.0.0.1:1 --grpc");
    assert_eq!(
        (row("jobs.queue_max"), row("log_format")),
        ("5 --set jobs.queue_max".into(), "json REELMILL_LOG_FORMAT".into())
    );
    assert_eq!((row("jobs.active_max"), row("s3.endpoint")), (format!("3 {file}:5"), "- default".into()));
    assert_eq!(row("tokens.ci.secret"), format!("*** {file}:3, from {}", token.display()));
    let json = run(&fake, &[&line[..], &["--json"]].concat());
    let of = |key: &str| json.json().as_array().unwrap().iter().find(|row| row["key"] == key).unwrap().clone();
    assert_eq!(
        (&of("spool.bytes_max")["value"], &of("spool.bytes_max")["from"]),
        (&"32 GiB".into(), &"default".into())
    );
    assert!(!format!("{text:?}{json:?}").contains("opensesame"));
}

#[test]
fn every_mistake_is_a_line_and_the_status_is_two() {
    let fake = Fake::start();
    let mut wrong = command(&fake, &["serve", "--grpc", "here", "--set", "jobs.actve_max=1"]);
    wrong.env("REELMILL_STATE_DRI", "/s");
    let ran = finish(wrong);
    assert_eq!((ran.status, ran.err.lines().count()), (2, 4), "{ran:?}");
    for part in ["--grpc", "jobs.active_max", "REELMILL_STATE_DIR", "state_dir is not set"] {
        assert!(ran.err.contains(part), "{part} in {ran:?}");
    }
    let json = run(&fake, &["config", "--json"]);
    let error: Value = json.json();
    assert_eq!((json.status, &error["code"], &error["field"]), (2, &"config.value".into(), &"state_dir".into()));
    assert_eq!(run(&fake, &["config", "--set", "no-equals-sign"]).status, 2);
}

#[test]
fn the_reference_is_printed() {
    let fake = Fake::start();
    let ran = run(&fake, &["config", "--reference"]);
    assert_eq!(ran.out, fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md")).unwrap());
}
