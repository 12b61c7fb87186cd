//! Whole jobs in which one thing goes wrong.

use crate::fake::{FakeWorker, SOURCE_SECONDS};
use reelmill::dispatch::{TranscodeRequest, transcode};
use reelmill::input::Transport;
use reelmill::model::spec::Fallback;
use reelmill::model::{Fault, Problem};
use reelmill::plan;
use reelmill::report::{JobEvent, JobReport};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Segments of 4 s.
const SEGMENTS: usize = SOURCE_SECONDS as usize / 4;

pub(crate) struct Job {
    pub(crate) fake: FakeWorker,
    pub(crate) request: TranscodeRequest,
}

impl Job {
    pub(crate) fn new(script: &str, spans: u32) -> Self {
        let fake = FakeWorker::new(script);
        let request = TranscodeRequest {
            source: fake.source(),
            append: Vec::new(),
            subtitles: Vec::new(),
            output: fake.home.path().join("deep/out"),
            options: plan::Request { spans, ..plan::Request::default() },
            overwrite: false,
            transport: Transport::Descriptor,
            worker: fake.program(),
            threads: 4,
            devices: None,
            simulated: None,
            wish: Vec::new(),
            fallback: Fallback::Any,
        };
        Self { fake, request }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.request.output.clone()
    }

    /// Runs the job; `cancel_after` that many segments.
    pub(crate) async fn run(&self, cancel_after: Option<usize>) -> (Result<JobReport, Problem>, Vec<JobEvent>) {
        let (events, mut told) = mpsc::channel(4);
        let (cancel, cancelled) = watch::channel(false);
        let listen = async {
            let mut heard = Vec::new();
            let mut segments = 0;
            while let Some(event) = told.recv().await {
                segments += usize::from(matches!(event, JobEvent::Segment { .. }));
                heard.push(event);
                if cancel_after.is_some_and(|after| segments >= after) {
                    let _ = cancel.send(true);
                }
            }
            heard
        };
        let both = async { tokio::join!(transcode(self.request.clone(), events, cancelled), listen) };
        tokio::time::timeout(Duration::from_secs(60), both).await.unwrap()
    }

    pub(crate) async fn problem(&self) -> Problem {
        self.run(None).await.0.unwrap_err()
    }
}

/// Every file below `root` with its content.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Segments alone: manifests carry the time of day.
fn segments(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "m4s" || ending == "ts");
    files(root).into_iter().filter(|(path, _)| is_segment(path)).collect()
}

pub(crate) fn check_complete(report: &JobReport, out: &Path) {
    assert!(report.tracks.len() >= 2, "{:?}", report.tracks);
    for track in &report.tracks {
        assert_eq!(track.segments, SEGMENTS, "{}", track.track);
        assert_eq!(track.duration_us, SOURCE_SECONDS * 1_000_000, "{}", track.track);
    }
    assert_eq!(segments(out).len(), report.tracks.len() * SEGMENTS * 2);
    let names: Vec<_> = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "cmaf, ts, reelmill.json and no spool: {names:?}");
    for manifest in &report.manifests {
        assert!(out.join(manifest).is_file(), "{manifest}");
    }
    check_counters(report, out);
}

/// TS continuity counters (ISO/IEC 13818-1 §2.4.3.3) run on through all segments of a track.
fn check_counters(report: &JobReport, out: &Path) {
    for track in &report.tracks {
        let all = segments(&out.join("ts").join(&track.track));
        let counters: Vec<u8> = all.values().flat_map(|body| body.chunks(188).map(|packet| packet[3] & 15)).collect();
        assert!(counters.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 15), "{}: {counters:?}", track.track);
    }
}

#[tokio::test]
async fn a_job_without_mishap() {
    let job = Job::new("work", 1);
    let (report, events) = job.run(None).await;
    let report = report.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(report.retries, 0);
    assert!(report.playable_after_ms.is_some_and(|ms| ms <= report.elapsed_ms));
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(job.out().join("reelmill.json")).unwrap()).unwrap();
    assert_eq!(written, serde_json::to_value(&report).unwrap());
    assert!(matches!(events.first(), Some(JobEvent::Probed { .. })));
    assert!(matches!(events.last(), Some(JobEvent::Done(_))));
}

#[tokio::test]
async fn spans_side_by_side_give_the_same_segments_as_one() {
    let (one, three) = (Job::new("work", 1), Job::new("work", 3));
    one.run(None).await.0.unwrap();
    let report = three.run(None).await.0.unwrap();
    check_complete(&report, &three.out());
    assert_eq!(segments(&one.out()), segments(&three.out()));
    let mut begun = three.fake.log();
    begun.retain(|line| !line.starts_with("on-"));
    begun.sort();
    assert_eq!(begun, ["audio", "video-0 0..2", "video-1 2..4", "video-2 4..0"]);
}

#[tokio::test]
async fn a_crashed_span_is_made_up_for_from_where_it_broke_off() {
    let (whole, job) = (Job::new("work", 2), Job::new("crash-once", 2));
    whole.run(None).await.0.unwrap();
    let (report, events) = job.run(None).await;
    let report = report.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(report.retries, 1);
    assert_eq!(segments(&whole.out()), segments(&job.out()));
    let attempts: Vec<_> = job.fake.log().into_iter().filter(|line| line.starts_with("video-0")).collect();
    assert_eq!(attempts, ["video-0 0..3", "video-0 1..3"]);
    let failed = |event: &&JobEvent| matches!(event, JobEvent::PartFailed { attempt: 1, .. });
    assert_eq!(events.iter().filter(failed).count(), 1);
}

#[tokio::test]
async fn a_crashed_audio_pass_is_made_again_and_compared() {
    let job = Job::new("audio-crashes-once", 1);
    let report = job.run(None).await.0.unwrap();
    check_complete(&report, &job.out());
    assert_eq!((report.retries, job.fake.log().iter().filter(|line| *line == "audio").count()), (1, 2));
}

#[tokio::test]
async fn a_span_that_always_crashes_fails_the_job_and_leaves_nothing() {
    let job = Job::new("crash-always", 2);
    let problem = job.problem().await;
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Device, "worker.crashed"));
    assert!(problem.message.contains("SIGABRT"), "{problem}");
    assert_eq!(job.fake.log().iter().filter(|line| line.starts_with("video-0")).count(), 2);
    assert!(!job.out().exists() && !job.fake.home.path().join("deep").exists());
}

#[tokio::test]
async fn the_sources_fault_is_not_tried_again() {
    let job = Job::new("input-fault", 1);
    assert_eq!(job.problem().await, Problem::input("source.truncated", "the file ends too early"));
    assert_eq!(job.fake.log().iter().filter(|line| line.starts_with("video-0")).count(), 1);
    assert!(!job.out().exists());
}

#[tokio::test]
async fn an_encoder_that_differs_between_spans_fails_the_job() {
    let job = Job::new("identity-changes", 2);
    assert_eq!(job.problem().await.code, "encoder.identity_changed");
    assert!(!job.out().exists());
}

#[tokio::test]
async fn a_worker_that_reaches_out_of_its_spool_fails_the_job() {
    let job = Job::new("outside", 1);
    assert_eq!(job.problem().await.code, "worker.protocol");
    assert!(!job.out().exists());
}

#[tokio::test]
async fn cancelling_is_done_within_two_seconds_and_leaves_the_output_as_it_was() {
    for (spans, after) in [(1, 1), (3, 2)] {
        let job = Job::new("stays", spans);
        std::fs::create_dir_all(job.out()).unwrap();
        let began = Instant::now();
        let (result, _) = job.run(Some(after)).await;
        assert_eq!(result.unwrap_err(), Problem::cancelled());
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(job.out().is_dir() && std::fs::read_dir(job.out()).unwrap().next().is_none());
    }
}

#[tokio::test]
async fn a_source_that_is_refused_leaves_no_trace() {
    for (script, code) in [("probe-fails", "source.not_media"), ("probe-crashes", "worker.crashed")] {
        let job = Job::new(script, 1);
        assert_eq!(job.problem().await.code, code);
        assert!(!job.fake.home.path().join("deep").exists());
    }
}

#[tokio::test]
async fn a_source_that_is_not_understood_is_named_within_ten_seconds() {
    let began = Instant::now();
    let problem = Job::new("probe-hangs", 1).problem().await;
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Input, "source.probe_timeout"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_earlier_output_is_replaced_only_on_request_and_comes_back() {
    let mut job = Job::new("work", 1);
    job.run(None).await.0.unwrap();
    let before = files(&job.out());
    assert_eq!(job.problem().await.code, "output.exists");
    assert_eq!(files(&job.out()), before);
    job.request.overwrite = true;
    let (result, _) = job.run(Some(3)).await;
    assert_eq!(result.unwrap_err(), Problem::cancelled());
    assert_eq!(files(&job.out()), before);
    check_complete(&job.run(None).await.0.unwrap(), &job.out());
    assert_eq!(std::fs::read_dir(job.out().parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn nobody_has_to_listen() {
    let job = Job::new("work", 2);
    let (_keep, cancelled) = watch::channel(false);
    let (events, listener) = mpsc::channel(1);
    drop(listener);
    let report = transcode(job.request.clone(), events, cancelled).await.unwrap();
    check_complete(&report, &job.out());
}
