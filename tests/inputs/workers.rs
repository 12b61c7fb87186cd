//! Real workers that read a source over HTTP.

use crate::server::{Answer, End, Reader, Server};
use reelmill::dispatch::probe;
use reelmill::input::{BLOCK_BYTES, Source, Transport};
use reelmill::model::request::Looks;
use reelmill::model::{Fault, MediaFacts, Problem};
use reelmill::plan::{Node, Request, plan};
use reelmill::supervise::{self, Exit, Launch, Report};
use reelmill::wire::v1::{ProbeOrder, VideoOrder, from_worker::Message, order::Work};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// Bytes that nobody needs, between the media and the index.
const PADDING: usize = 64 * BLOCK_BYTES;

/// An MP4 file with its index at the end, with `padding` bytes in front of that.
fn clip(padding: usize) -> Arc<Vec<u8>> {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("clip.mp4");
    let sources = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4,noise=alls=90:allf=t"];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "8M", "-pix_fmt", "yuv420p"];
    let mut command = Command::new("ffmpeg");
    let ran = command.args(["-nostdin", "-v", "error"]).args(sources).args(codecs).arg(&path).status();
    assert!(ran.unwrap().success());
    let mut bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() > 3 * BLOCK_BYTES, "{}", bytes.len());
    // The last box with this name is the index: nothing in it is called so.
    let index = bytes.windows(4).rposition(|name| name == b"moov").unwrap() - 4;
    if padding > 0 {
        let mut free = vec![0; padding];
        free[..4].copy_from_slice(&(padding as u32).to_be_bytes());
        free[4..8].copy_from_slice(b"free");
        bytes.splice(index..index, free);
    }
    Arc::new(bytes)
}

fn worker() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_reelmill-worker"))
}

async fn facts(source: &Source) -> Result<MediaFacts, Problem> {
    probe(worker(), source, Transport::Descriptor, watch::channel(false).1, Looks::default()).await
}

/// What a worker makes of the pictures: the hashes of its segments, and how it ended.
async fn pictures(source: &Source, facts: &MediaFacts) -> (Vec<String>, Exit) {
    let request = Request { renditions: vec!["144p".parse().unwrap()], segment_ms: 1000, ..Request::default() };
    let plan = plan(facts, &request, &Node { threads: 1 }).unwrap();
    let order = VideoOrder { plan_json: serde_json::to_vec(&plan).unwrap(), first: 0, end: 0 };
    run(source, Work::Video(order), None).await
}

async fn run(source: &Source, work: Work, deadline: Option<Duration>) -> (Vec<String>, Exit) {
    let spool = TempDir::new().unwrap();
    let mut launch = Launch::new(worker(), spool.path(), source, Transport::Descriptor, work);
    launch.deadline = deadline;
    let (reports, mut told) = mpsc::channel(4);
    let _worker = supervise::start(launch, (), reports).unwrap();
    let mut hashes = Vec::new();
    loop {
        match told.recv().await.unwrap().1 {
            Report::Message(Message::Segment(segment)) => {
                hashes.extend(segment.files.into_iter().map(|file| file.sha256));
            }
            Report::Exited(exit) => return (hashes, exit),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_probe_fetches_what_it_looks_at_and_no_more() {
    let bytes = clip(PADDING);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("clip.mp4");
    std::fs::write(&path, bytes.as_slice()).unwrap();
    let local = facts(&Source::open_file(&path).unwrap()).await.unwrap();

    let server = Server::of(bytes.clone()).await;
    let source = Reader::local().open(&server.url("/clip.mp4")).await.unwrap();
    let remote = facts(&source).await.unwrap();
    assert_eq!(serde_json::to_value(&remote).unwrap(), serde_json::to_value(&local).unwrap());
    let media = bytes.len() - PADDING;
    // The media, which is short, the index at the end, and what is read ahead of them: a window, and what the worker
    // asks for before it needs it.
    let most = media.div_ceil(BLOCK_BYTES) + 2 + 8 + 1;
    assert!(server.seen().len() <= most && most < 20, "{} of {most}", server.seen().len());
    assert_eq!(source.bytes_read(), fetched(&server));
}

/// Bytes that a server was asked for.
fn fetched(server: &Server) -> u64 {
    server.seen().iter().map(|seen| seen.range()).map(|(from, to)| to + 1 - from).sum()
}

#[tokio::test]
async fn a_span_over_http_is_that_of_the_local_file_and_blocks_come_once() {
    let bytes = clip(0);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("clip.mp4");
    std::fs::write(&path, bytes.as_slice()).unwrap();
    let local = Source::open_file(&path).unwrap();
    let facts_local = facts(&local).await.unwrap();
    let (expected, exit) = pictures(&local, &facts_local).await;
    assert!(matches!(exit, Exit::Finished(_)) && expected.len() >= 4, "{exit:?}");

    let server = Server::of(bytes.clone()).await;
    let source = Reader::local().open(&server.url("/clip.mp4")).await.unwrap();
    let known = facts(&source).await.unwrap();
    let (one, two) = tokio::join!(pictures(&source, &known), pictures(&source, &known));
    assert!(matches!(one.1, Exit::Finished(_)), "{:?}", one.1);
    assert!(one.0 == expected && two.0 == expected);
    assert_eq!(server.seen().len(), bytes.len().div_ceil(BLOCK_BYTES), "a probe and two spans");
}

#[tokio::test]
async fn a_source_that_changes_under_a_worker_fails_it_with_that_reason() {
    let bytes = clip(0);
    let changed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&changed);
    let server = Server::start(move |seen, _| {
        let tag = if flag.load(Ordering::SeqCst) { "\"v2\"" } else { "\"v1\"" };
        Answer::range(seen, &bytes).with("ETag", tag)
    })
    .await;
    let reader = Reader::local();
    let known = facts(&reader.open(&server.url("/clip.mp4")).await.unwrap()).await.unwrap();
    let source = reader.open(&server.url("/clip.mp4")).await.unwrap();
    changed.store(true, Ordering::SeqCst);
    let (_, exit) = pictures(&source, &known).await;
    let problem = exit.problem().unwrap();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Input, "source.changed"), "{problem}");
    assert_eq!(facts(&source).await.unwrap_err().code, "source.changed");
}

#[tokio::test]
async fn a_probe_that_waits_for_its_source_blames_the_source() {
    let bytes = clip(0);
    let server = Server::start(move |seen, before| {
        let end = if before == 0 { End::Whole } else { End::Stalled(0) };
        Answer::range(seen, &bytes).ending(end)
    })
    .await;
    let source = Reader::under(&["127.0.0.0/8"], &reelmill::net::Options::default());
    let source = source.open(&server.url("/clip.mp4")).await.unwrap();
    let deadline = Some(Duration::from_secs(1));
    let (_, exit) = run(&source, Work::Probe(ProbeOrder::default()), deadline).await;
    let problem = exit.problem().unwrap();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Sink, "source.unavailable"), "{problem}");
}
