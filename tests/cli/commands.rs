//! Each command: what it asks of the daemon, what it prints, its exit status.

use crate::fake::Fake;
use crate::sample::{BAD, ENDLESS, GOOD};
use crate::tools::{command, finish, golden, run, run_with};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_job_is_handed_in_as_it_is_meant() {
    let fake = Fake::start();
    let line = "submit in.mp4 s3://published/movie --profile web@1 --priority high --reference movie-7 --idempotency-key k1 \
                --if-exists replace --label a=b --label c=d --webhook https://h.example/x --renditions 720p,640x360@700k \
                --packaging cmaf --crf 21 --segment 2s";
    let arguments: Vec<_> = line.split_whitespace().collect();
    assert_eq!(run(&fake, &arguments).out, format!("{GOOD}\n"));
    let request = fake.created();
    let job = request.job.unwrap();
    let here = std::env::current_dir().unwrap().join("in.mp4");
    assert_eq!((request.idempotency_key.as_str(), job.sources[0].uri.as_str()), ("k1", here.to_str().unwrap()));
    assert_eq!((job.profile.as_str(), job.priority, job.reference_id.as_str()), ("web@1", 1, "movie-7"));
    assert_eq!((job.labels["a"].as_str(), job.labels["c"].as_str(), job.labels.len()), ("b", "d", 2));
    assert_eq!(job.webhooks[0].url, "https://h.example/x");
    let output = &job.outputs[0];
    assert_eq!((output.destination.as_str(), output.if_exists), ("s3://published/movie", 2));
    assert_eq!((output.renditions[1].size.as_str(), output.renditions[1].bit_rate), ("640x360", 700_000));
    assert_eq!((&output.packagings, output.rate_control.unwrap().crf), (&vec![1], 21));
    // Nothing that was not written: a profile fills it in.
    assert_eq!((output.speed, output.spans, output.video_codecs.len()), (0, 0, 0));
}

#[test]
fn with_json_a_job_handed_in_is_an_object_with_its_id() {
    let fake = Fake::start();
    let ran = run(&fake, &["submit", "/existed.mp4", "/out", "--json"]);
    let json = ran.json();
    assert_eq!((&json["id"], &json["state"], &json["existed"]), (&json!(GOOD), &json!("queued"), &json!(true)));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

#[test]
fn a_whole_job_is_read_from_a_file_or_standard_input() {
    let fake = Fake::start();
    let text =
        r#"{"sources": [{"uri": "s3://in/a.mp4"}], "outputs": [{"destination": "s3://out/a", "packagings": ["ts"]}]}"#;
    let home = tempfile::TempDir::new().unwrap();
    let path = home.path().join("job.json");
    fs::write(&path, text).unwrap();
    assert_eq!(run(&fake, &["submit", "--job", path.to_str().unwrap()]).status, 0);
    let from_file = fake.created().job;
    assert_eq!(run_with(&fake, &["submit", "--job", "-"], text).status, 0);
    assert_eq!(fake.created().job, from_file);
    assert_eq!(from_file.unwrap().outputs[0].packagings, [2]);
    // What `get` tells of a job can be handed in again.
    let told = run(&fake, &["get", GOOD, "--json"]).json()["spec"].to_string();
    assert_eq!(run_with(&fake, &["submit", "--job", "-"], &told).status, 0);
    assert_eq!(fake.created().job.unwrap().profile, "web@1");
    let bad = run_with(&fake, &["submit", "--job", "-", "--json"], r#"{"outputs": [{"destinaton": "x"}]}"#);
    assert_eq!((bad.status, &bad.json()["code"]), (2, &json!("client.job")));
    let both = run(&fake, &["submit", "--job", path.to_str().unwrap(), "--spans", "2"]);
    assert!(both.status == 2 && both.err.contains("leave out the other options"), "{both:?}");
}

#[test]
fn refusals_are_told_field_by_field() {
    let fake = Fake::start();
    golden(&fake, "submit-refused", &["submit", "/refused.mp4", "/out"]);
    let ran = golden(&fake, "submit-refused-json", &["submit", "/refused.mp4", "/out", "--json"]);
    let fields: Vec<_> =
        ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["field"].clone()).collect();
    assert_eq!(fields, ["sources[0].uri", "outputs[0].spans"]);
    assert_eq!(run(&fake, &["submit", "/full.mp4", "/out"]).status, 3);
    assert_eq!(run(&fake, &["retry", ENDLESS]).status, 2);
}

#[test]
fn what_is_wrong_on_the_command_line_asks_nobody() {
    let fake = Fake::start();
    for (arguments, what) in [
        (&["submit", "ftp://h/a", "/out"][..], "request.locator"),
        (&["submit", "/a", "s3://UP/x"], "request.bucket"),
        (&["submit", "/a", "/out", "--renditions", "huge"], "request.rendition"),
        (&["submit", "/a", "/out", "--label", "a"], "client.job"),
        (&["submit", "--job", "/nowhere.json"], "client.job"),
        (&["list", "--state", "done"], "client.job"),
        (&["list", "--endpoint", "nowhere"], "client.endpoint"),
        (&["list", "--token-file", "/nowhere"], "client.endpoint"),
        (&["stop", "a", "b", "--outputs", "x"], "client.job"),
    ] {
        let ran = run(&fake, arguments);
        assert!(ran.status == 2 && ran.err.contains(what), "{arguments:?}: {ran:?}");
    }
    assert_eq!(run(&fake, &["submit", "/a"]).status, 2);
    assert_eq!(fake.asked(), Vec::<String>::new());
}

#[test]
fn jobs_are_shown() {
    let fake = Fake::start();
    golden(&fake, "get", &["get", GOOD]);
    golden(&fake, "get-failed", &["get", BAD]);
    let ran = golden(&fake, "get-json", &["get", GOOD, "--json"]);
    assert_eq!((&ran.json()["state"], &ran.json()["outputs"][0]["state"]), (&json!("succeeded"), &json!("ready")));
    golden(&fake, "get-unknown", &["get", "no-such-job"]);
    golden(&fake, "deliveries", &["deliveries", GOOD]);
    let ran = run(&fake, &["deliveries", GOOD, "--json"]);
    assert_eq!((&ran.json()["state"], &ran.json()["attempts"][1]["status"]), (&json!("delivered"), &json!(204)));
}

#[test]
fn a_log_is_shown_over_its_pages() {
    let fake = Fake::start();
    golden(&fake, "logs", &["logs", GOOD]);
    assert_eq!(fake.asked().len(), 2);
    golden(&fake, "logs-json", &["logs", GOOD, "--json", "--output", "main", "--level", "warning"]);
    let asked = fake.asked();
    for part in [r#"output_id: "main""#, "level: Warning", "after_number: 3"] {
        assert!(asked.last().unwrap().contains(part), "{part} in {asked:?}");
    }
    // The job is over: there is nothing to wait for.
    let followed = run(&fake, &["logs", GOOD, "--follow"]);
    assert_eq!((followed.status, followed.out.lines().count()), (0, 4));
    golden(&fake, "logs-unknown", &["logs", "no-such-job"]);
    golden(&fake, "logs-help", &["logs", "--help"]);
}

#[test]
fn lists_go_over_pages_to_their_limit() {
    let fake = Fake::start();
    golden(&fake, "list", &["list"]);
    assert_eq!(fake.asked().len(), 3);
    let ran = run(
        &fake,
        &["list", "--limit", "3", "--json", "--state", "queued,failed", "--reference", "r", "--label", "a=b"],
    );
    let states: Vec<_> =
        ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone()).collect();
    assert_eq!(states, ["succeeded", "failed", "stopped"]);
    let asked = fake.asked();
    for part in [r#"states: [Queued, Failed]"#, r#"reference_id: "r""#, r#"labels: {"a": "b"}"#, "page_size: 1"] {
        assert!(asked.last().unwrap().contains(part), "{part} in {asked:?}");
    }
}

#[test]
fn jobs_are_stopped_tried_again_and_deleted() {
    let fake = Fake::start();
    golden(&fake, "stop", &["stop", ENDLESS, GOOD]);
    golden(&fake, "stop-unknown", &["stop", ENDLESS, "no-such-job"]);
    let ran = run(&fake, &["stop", ENDLESS, "--outputs", "a,b", "--json"]);
    assert_eq!(ran.out.lines().count(), 2);
    assert!(fake.asked().last().unwrap().contains(r#"output_ids: ["a", "b"]"#));
    golden(&fake, "retry", &["retry", BAD, "--outputs", "output-1"]);
    assert!(fake.asked().last().unwrap().contains(r#"output_ids: ["output-1"]"#));
    assert_eq!(run(&fake, &["retry", BAD, "--json"]).json()["state"], "queued");
    golden(&fake, "delete", &["delete", GOOD]);
    assert_eq!(run(&fake, &["delete", "no-such-job"]).status, 2);
}

#[test]
fn the_node_is_shown_and_drained() {
    let fake = Fake::start();
    golden(&fake, "node", &["node"]);
    assert_eq!(run(&fake, &["node", "--json"]).json()["devices"][0]["capacity"][0]["held"], 6);
    assert_eq!(run(&fake, &["drain"]).out, "no job is started any more; 1 running\n");
    assert_eq!(
        run(&fake, &["drain", "--off", "--json"]).json(),
        json!({"draining": false, "jobs_active": 1, "spans_running": 0})
    );
}

#[test]
fn a_daemon_looks_at_what_it_alone_can_read() {
    let fake = Fake::start();
    golden(&fake, "probe", &["probe", "s3://media/a.mp4"]);
    golden(&fake, "plan", &["plan", "https://h.example/a.mp4", "--spans", "2"]);
    assert!(fake.asked()[1].contains("spans: 2"));
    assert_eq!(run(&fake, &["probe", "s3://media/a.mp4", "--json"]).json()["streams"][0]["kind"], "video");
    assert_eq!(
        run(&fake, &["plan", "s3://media/a.mp4", "--json"]).json()["outputs"][0]["tracks"][0]["bit_rate"],
        2_500_000
    );
    assert_eq!(run(&fake, &["probe", "s3://media/nothing"]).status, 2);
    assert!(run(&fake, &["probe", "s3://UP/a.mp4"]).err.contains("request.bucket"));
    // A local file is asked about only where a daemon is named.
    let asked = fake.asked().len();
    assert!(run(&fake, &["probe", "/nowhere.mp4"]).err.contains("source.not_found"));
    assert_eq!(fake.asked().len(), asked);
    assert_eq!(run(&fake, &["probe", "/a.mp4", "--endpoint", &fake.endpoint]).status, 0);
}

#[test]
fn a_token_lets_in() {
    let fake = Fake::with_token(Some("opensesame"));
    let ran = run(&fake, &["list"]);
    assert!(ran.status == 2 && ran.err.contains("--token-file") && ran.err.contains("[client.refused]"), "{ran:?}");
    let mut with_variable = command(&fake, &["get", GOOD]);
    with_variable.env("REELMILL_TOKEN", "opensesame");
    assert_eq!(finish(with_variable).status, 0);
    let home = tempfile::TempDir::new().unwrap();
    let path = home.path().join("token");
    fs::write(&path, "opensesame\n").unwrap();
    assert_eq!(run(&fake, &["get", GOOD, "--token-file", path.to_str().unwrap()]).status, 0);
}

#[test]
fn where_no_daemon_is_one_sentence_says_how_to_start_one() {
    let fake = Fake::start();
    // A port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{port}");
    let ran = run(&fake, &["list", "--endpoint", &endpoint]);
    assert_eq!((ran.status, ran.err.lines().count()), (5, 1));
    for part in [endpoint.as_str(), "reelmill serve --state-dir DIR", "[client.unreachable]"] {
        assert!(ran.err.contains(part), "{part} in {ran:?}");
    }
    let json = run(&fake, &["get", GOOD, "--json", "--endpoint", &endpoint]).json();
    assert_eq!(
        (&json["code"], &json["fault"], &json["field"]),
        (&json!("client.unreachable"), &json!("sink"), &json!(""))
    );
}
