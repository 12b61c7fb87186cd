//! The Rust client and the Python one. They print the same, so that one test of each kind is for both.

use crate::daemon::Daemon;
use crate::programs::{Example, Running};
use crate::wire::Wire;
use std::fs;
use std::path::Path;
use std::process::Output;

#[test]
fn rust_follows_a_job_over_a_broken_connection() {
    follows_a_job_over_a_broken_connection(Example::Rust);
}

#[test]
fn python_follows_a_job_over_a_broken_connection() {
    follows_a_job_over_a_broken_connection(Example::Python);
}

#[test]
fn rust_tells_what_is_wrong() {
    tells_what_is_wrong(Example::Rust);
}

#[test]
fn python_tells_what_is_wrong() {
    tells_what_is_wrong(Example::Python);
}

/// The node is drained, so that the job waits; the wire is cut while the client watches, which is told the rest all the
/// same, each change once.
fn follows_a_job_over_a_broken_connection(example: Example) {
    let daemon = Daemon::start();
    let wire = Wire::to(daemon.address);
    let (input, output) = (daemon.path("in.mp4"), daemon.path("out"));
    let arguments = [input.to_str().unwrap(), output.to_str().unwrap(), "order-4711"];
    assert!(daemon.cli(&["drain"]).starts_with("no job is started any more"));
    let mut command = example.command(&format!("http://{}", wire.address), daemon.media.path());
    command.args(arguments);
    let mut client = Running::start(command);
    client.until("job queued");
    assert!(wire.cut() > 0, "it is connected");
    assert!(daemon.cli(&["drain", "--off"]).starts_with("jobs are started"));
    assert_eq!(client.end(), 0, "{:?}", client.told);

    let id = client.told[0].split(' ').nth(1).unwrap();
    assert_eq!(client.told[0], format!("job {id} is accepted"));
    for line in ["job queued", "source-1 ready", "web can be played", "sound ready", "job succeeded"] {
        assert_eq!(client.told.iter().filter(|told| *told == line).count(), 1, "`{line}` in {:?}", client.told);
    }
    let at = |line: &str| client.told.iter().position(|told| told == line).unwrap();
    let end = at(&format!("job {id} succeeded"));
    assert!(at("job queued") < at("web running") && at("web ready") < at("job succeeded"), "{:?}", client.told);
    assert_eq!(at("job succeeded") + 1, end);
    manifests(&client.told[end + 1..], &output);

    // The same key gives the same job, whose story is told again.
    let again = example.run(&daemon, &arguments);
    let told: Vec<String> = text(&again.stdout).lines().map(str::to_owned).collect();
    assert_eq!((told[0].as_str(), again.status.code()), (format!("job {id} was there already").as_str(), Some(0)));
    assert_eq!(told[1..], client.told[1..]);
}

/// What was printed about outputs is there, and nothing is missing.
fn manifests(told: &[String], output: &Path) {
    let wanted = [
        "web hls_master web/cmaf/master.m3u8",
        "web dash_manifest web/cmaf/manifest.mpd",
        "web hls_master web/ts/master.m3u8",
        "web report web/reelmill.json",
        "sound hls_master sound/cmaf/master.m3u8",
        "sound dash_manifest sound/cmaf/manifest.mpd",
        "sound report sound/reelmill.json",
    ];
    let short: Vec<String> = told.iter().map(|line| line.replace(&format!("{}/", output.display()), "")).collect();
    assert_eq!(short, wanted);
    for line in told {
        let file = line.splitn(3, ' ').nth(2).unwrap();
        assert!(fs::metadata(file).unwrap().len() > 0, "{file}");
    }
    let master = fs::read_to_string(output.join("sound/cmaf/master.m3u8")).unwrap();
    assert!(!master.contains("RESOLUTION"), "sound alone: {master}");
}

fn tells_what_is_wrong(example: Example) {
    let daemon = Daemon::start();
    let ran = example.run(&daemon, &["in.mp4", "out", "order-1"]);
    let told = text(&ran.stderr);
    assert_eq!((ran.status.code(), text(&ran.stdout).as_str()), (Some(1), ""), "{told}");
    for part in [
        "reason request.source, fault input",
        "job.sources[0].uri: ",
        "job.outputs[0].destination: ",
        "job.outputs[1].destination: ",
        "[request.destination]",
    ] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
    assert!(!told.contains("trying again"), "{told}");

    // A source that is not there fails the job, not the request.
    let (nothing, output) = (daemon.path("nothing.mp4"), daemon.path("out"));
    let (nothing, output) = (nothing.to_str().unwrap(), output.to_str().unwrap());
    let ran = example.run(&daemon, &[nothing, output, "order-2"]);
    let last = text(&ran.stdout).lines().last().unwrap().to_owned();
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(last, format!("sound there is no file {nothing}; check the path [source.not_found]"));

    // The same key for another job.
    let ran = example.run(&daemon, &[daemon.path("in.mp4").to_str().unwrap(), output, "order-2"]);
    assert!(ran.status.code() == Some(1) && text(&ran.stderr).contains("reason request.key_reused"), "{ran:?}");
    let jobs = daemon.cli(&["list", "--json"]);
    assert_eq!(jobs.lines().count(), 1, "{jobs}");
    usage(example.run(&daemon, &[output]));
}

fn usage(ran: Output) {
    assert!(ran.status.code() == Some(2) && text(&ran.stderr).starts_with("usage: submit_and_watch"), "{ran:?}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
