//! `WatchJob`: nothing missed, nothing twice, always an end.

use crate::fake::NOW_MS;
use crate::harness::{Server, job, made, refusal, told};
use reelmill::api::v1::{WatchJobRequest, WatchJobResponse};
use reelmill::model::Problem;
use reelmill::model::state::{InputEvent, JobEvent, OutputEvent};
use reelmill::report::JobProgress;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Code, Status, Streaming};

fn from(id: &str, after_revision: u64) -> WatchJobRequest {
    WatchJobRequest { id: id.to_owned(), after_revision, omit_progress: true }
}

async fn all(mut stream: Streaming<WatchJobResponse>) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        seen.push(told(&message));
    }
    seen
}

#[tokio::test]
async fn every_change_comes_once_and_in_order_to_the_end() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let mut stream = client.watch_job(from(&id, 0)).await.unwrap().into_inner();
    assert_eq!(told(&stream.message().await.unwrap().unwrap()), "job Queued");
    assert_eq!(told(&stream.message().await.unwrap().unwrap()), "1 job Queued");
    server.fake.succeed(&id);
    let expected = [
        "2 job Preparing",
        "3 job Running",
        "4 output-1 Running",
        "5 output-1 Finishing",
        "6 output-1 Ready",
        "7 job Succeeded (last)",
    ];
    assert_eq!(all(stream).await, expected);
}

#[tokio::test]
async fn a_stream_that_broke_off_is_resumed_with_what_was_missed() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    server.fake.succeed(&id);
    let resumed = client.watch_job(from(&id, 5)).await.unwrap().into_inner();
    assert_eq!(all(resumed).await, ["job Succeeded", "6 output-1 Ready", "7 job Succeeded (last)"]);
    let nothing_more = client.watch_job(from(&id, 7)).await.unwrap().into_inner();
    assert_eq!(all(nothing_more).await, ["job Succeeded (last)"]);
    let told = refusal(&client.watch_job(from(&id, 8)).await.unwrap_err());
    assert_eq!((told.code, told.violations[0].1.as_str()), (Code::InvalidArgument, "request.revision"));
}

#[tokio::test]
async fn an_end_before_a_retry_is_not_the_last() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    server.fake.change(&id, |job| {
        assert!(job.job(JobEvent::Begin, NOW_MS, None));
        assert!(job.output(0, OutputEvent::Fail, NOW_MS, Some(Problem::input("source.empty", "it is empty"))));
        assert!(job.job(JobEvent::Fail, NOW_MS, None));
    });
    server.fake.change(&id, |job| assert!(job.job(JobEvent::Retry, NOW_MS, None)));
    let mut stream = client.watch_job(from(&id, 1)).await.unwrap().into_inner();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(told(&stream.message().await.unwrap().unwrap()));
    }
    assert_eq!(seen, ["job Queued", "2 job Preparing", "3 output-1 Failed", "4 job Failed", "5 job Queued"]);
    server.fake.change(&id, |job| assert!(job.job(JobEvent::Stop, NOW_MS, None)));
    server.fake.change(&id, |job| assert!(job.job(JobEvent::EndStopped, NOW_MS, None)));
    assert_eq!(all(stream).await, ["6 job Stopping", "7 job Stopped (last)"]);
}

#[tokio::test]
async fn a_slow_reader_reads_what_it_missed_from_the_history() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let mut stream = client.watch_job(from(&id, 1)).await.unwrap().into_inner();
    assert_eq!(told(&stream.message().await.unwrap().unwrap()), "job Queued");
    // Longer than the store's channel, in one go: the watcher has no chance to keep up.
    for _ in 0..100 {
        server.fake.change(&id, |job| {
            assert!(job.input(0, InputEvent::Check, NOW_MS, None));
            assert!(job.input(0, InputEvent::Accept, NOW_MS, None));
        });
    }
    server.fake.succeed(&id);
    let seen = all(stream).await;
    let revisions: Vec<u64> = seen.iter().map(|one| one.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(revisions, (2..=207).collect::<Vec<u64>>());
    assert_eq!(seen.last().unwrap(), "207 job Succeeded (last)");
}

#[tokio::test]
async fn progress_is_told_when_it_moves_and_only_the_latest() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let picture = |bytes| Arc::new(JobProgress { read_bytes: vec![bytes], ..JobProgress::default() });
    let (sender, _) = watch::channel(picture(1));
    server.fake.progress.lock().unwrap().insert(id.parse().unwrap(), sender.clone());
    let request = WatchJobRequest { id: id.clone(), after_revision: 1, omit_progress: false };
    let mut stream = client.watch_job(request).await.unwrap().into_inner();
    let mut next = async || told(&stream.message().await.unwrap().unwrap());
    assert_eq!((next().await, next().await), ("job Queued".into(), "progress 1".into()));
    for bytes in 2..=9 {
        sender.send_replace(picture(bytes));
    }
    assert_eq!(next().await, "progress 9");
    // The attempt ends, and another begins.
    drop(sender);
    let (sender, _) = watch::channel(picture(4));
    server.fake.progress.lock().unwrap().insert(id.parse().unwrap(), sender);
    assert_eq!(next().await, "progress 4");
    server.fake.succeed(&id);
    let mut last = String::new();
    while let Some(message) = stream.message().await.unwrap() {
        last = told(&message);
    }
    assert_eq!(last, "7 job Succeeded (last)");
}

#[tokio::test]
async fn a_thousand_watchers_all_see_the_end() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let mut streams = Vec::new();
    for _ in 0..1000 {
        streams.push(client.watch_job(from(&id, 0)).await.unwrap().into_inner());
    }
    server.fake.succeed(&id);
    for stream in streams {
        let seen = all(stream).await;
        assert_eq!((seen.len(), seen.last().unwrap().as_str()), (8, "7 job Succeeded (last)"));
    }
}

#[tokio::test]
async fn a_watcher_is_told_when_the_record_or_the_node_goes() {
    let mut server = Server::start().await;
    let mut client = server.jobs().await;
    let ended = async |mut stream: Streaming<WatchJobResponse>| -> Status {
        loop {
            match stream.message().await {
                Ok(Some(message)) => assert!(!message.last),
                Ok(None) => panic!("it ended without a word"),
                Err(status) => return status,
            }
        }
    };
    let gone = made(&mut client, job()).await;
    let stream = client.watch_job(from(&gone, 0)).await.unwrap().into_inner();
    server.fake.forget(&gone);
    assert_eq!(refusal(&ended(stream).await).reason, "job.not_found");

    let id = made(&mut client, job()).await;
    let stream = client.watch_job(from(&id, 0)).await.unwrap().into_inner();
    server.close();
    let told = refusal(&ended(stream).await);
    assert_eq!((told.code, told.reason.as_str()), (Code::Unavailable, "node.closing"));
    assert_eq!(server.ended().await, Ok(()));
}
