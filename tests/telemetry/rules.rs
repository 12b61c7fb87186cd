//! The shipped files, as Prometheus' own tool judges them.

use crate::daemon::Daemon;
use crate::prometheus::{get, tool};
use crate::shipped;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs promtool; what it says when it does not agree.
fn promtool(arguments: &[&str], input: &str) -> Option<Result<(), String>> {
    let mut command = Command::new(tool("promtool")?);
    command.args(arguments).current_dir(shipped::path("docker/prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    Some(if ended.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) })
}

#[test]
fn promtool_agrees_with_what_is_shipped() {
    for arguments in [["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"]] {
        let Some(judged) = promtool(&arguments, "") else { return };
        assert_eq!(judged, Ok(()), "{arguments:?}");
    }
}

#[test]
fn every_alert_fires_when_it_must_and_is_quiet_else() {
    let Some(judged) = promtool(&["test", "rules", "tests.yml"], "") else { return };
    assert_eq!(judged, Ok(()));
}

#[tokio::test]
async fn promtool_reads_what_a_daemon_tells_and_has_nothing_to_say() {
    let daemon = Daemon::start().await;
    let text = get(daemon.http(), "/metrics").await.unwrap();
    let Some(judged) = promtool(&["check", "metrics"], &text) else { return };
    assert_eq!(judged, Ok(()));
}
