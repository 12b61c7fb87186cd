//! A job from the first call to its end, what is there afterwards, and what else there is to ask.

use crate::daemon::{Daemon, end_of, job, submit};
use crate::media::{check_whole, clip};
use reelmill::api::v1::{self, JobState, OutputState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The answer to a GET on the HTTP side, head and body.
async fn fetch(daemon: &Daemon, path: &str) -> String {
    let mut stream = TcpStream::connect(daemon.http()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: reelmill\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_job_is_accepted_made_and_told_of() {
    let daemon = Daemon::start().await;
    let (source, out) = (daemon.path("in.mp4"), daemon.path("out"));
    clip(&source, 4);
    let mut media = daemon.media().await;
    let probed = media.probe_media(v1::ProbeMediaRequest { uri: source.to_str().unwrap().into() }).await.unwrap();
    assert_eq!(probed.into_inner().facts.unwrap().streams.len(), 2);
    let planned = media.plan_job(v1::PlanJobRequest { job: Some(job(&source, &out)) }).await.unwrap().into_inner();
    assert_eq!(planned.outputs[0].tracks.len(), 3);
    let seconds = |time: Option<prost_types::Duration>| time.map(|time| time.seconds).unwrap();
    let (time, cpu) = (seconds(planned.estimated_time), seconds(planned.estimated_cpu_time));
    assert!((0..60).contains(&time) && (time..60).contains(&cpu), "{time} s, {cpu} s of CPU time");
    assert!(planned.placements.iter().all(|placement| placement.device == "cpu"), "{:?}", planned.placements);

    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &out)).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert_eq!(ended.outputs[0].state(), OutputState::Ready);
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], 4);
    assert!(daemon.workers().is_empty());
    assert!(daemon.spooled().is_empty(), "{:?}", daemon.spooled());

    let told: serde_json::Value = serde_json::from_str(&daemon.command(&["get", &id, "--json"]).unwrap()).unwrap();
    assert_eq!((&told["id"], &told["state"]), (&id.clone().into(), &"succeeded".into()), "{told}");
    let node = daemon.node().await.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner();
    assert_eq!((node.jobs_active, node.jobs_queued, node.draining), (0, 0, false));
    assert!(fetch(&daemon, "/healthz").await.starts_with("HTTP/1.1 200"));
    let metrics = fetch(&daemon, "/metrics").await;
    assert!(metrics.contains("reelmill_jobs{state=\"succeeded\"} 1"), "{metrics}");
}
