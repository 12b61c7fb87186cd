//! A box with simulated accelerators under many jobs, with faults: every job ends right.
//!
//! The engine is run in this process, with two cards of one model that the driver's cap holds for together, and a CPU.
//! `REELMILL_TEST_JOBS` says how many jobs; a dozen otherwise.

use crate::daemon::{PATIENCE, everything_below, until, workers_below};
use crate::media::{check_whole, clip};
use crate::spans::{settings_of, spec};
use reelmill::api::Appliance;
use reelmill::dispatch::{Engine, NodeDevice, Settings, cpu_alone};
use reelmill::model::JobSpec;
use reelmill::model::device::Operation;
use reelmill::model::job::JobRecord;
use reelmill::model::state::JobState;
use reelmill::simulate::{Host, load};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds of each source, and segments.
const SECONDS: usize = 4;
/// Jobs of the short form.
const JOBS: usize = 12;

/// A worker is ended after so long without a word: long enough for one to start on a machine that does all of these tests.
const SILENCE: Duration = Duration::from_secs(8);
/// The renditions of each job.
const RUNGS: [&str; 2] = ["180p", "90p"];

/// Two cards, with what goes wrong on the first and the second.
pub(crate) fn cards(head: &str, first: &str, second: &str) -> String {
    let card = |id: &str, faults: &str| {
        format!(
            "[[devices]]\nkind = \"cuda\"\nid = \"{id}\"\nname = \"Simulated T4\"\ndriver = \"570.1\"\nmemory_mib = 16000\n\
             encode_engines = 1\ndecode_engines = 2\nsessions_counted = true\n\
             [[devices.encode]]\ncodec = \"h264\"\nsize_min = \"146x50\"\nmpix = 400\n\
             [[devices.decode]]\ncodec = \"h264\"\nmpix = 800\n{faults}\n"
        )
    };
    format!("seed = 7\n{head}\n{}{}", card("a", first), card("b", second))
}

/// A node with simulated devices, in this process.
pub(crate) struct Node {
    home: tempfile::TempDir,
    engine: Engine,
    ended: tokio::task::JoinHandle<()>,
    settings: Settings,
    host: Arc<Host>,
}

impl Node {
    pub(crate) async fn new(text: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("devices.toml");
        std::fs::write(&file, text).unwrap();
        let host = Host::new(load(&file).unwrap());
        let mut settings = settings_of(home.path(), 2, 64 << 20, PathBuf::from(env!("CARGO_BIN_EXE_reelmill-worker")));
        settings.active_max = 4;
        settings.queue_max = 1000;
        settings.devices = cpu_alone(2).into_iter().chain(host.devices()).collect();
        settings.simulated = Some(Arc::clone(&host));
        settings.silence = SILENCE;
        let (engine, ended) = Engine::start(settings.clone(), None).await.unwrap();
        Self { home, engine, ended, settings, host }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs jobs side by side, all of the same source, to their ends.
    pub(crate) async fn run(&self, count: usize, spans: u32) -> Vec<(PathBuf, JobRecord)> {
        self.run_as(count, spans, |_| ()).await
    }

    /// The same, with something said about each of them; of the source that lies there, if one does.
    pub(crate) async fn run_as(&self, count: usize, spans: u32, say: fn(&mut JobSpec)) -> Vec<(PathBuf, JobRecord)> {
        let source = self.path("in.mp4");
        if !source.exists() {
            clip(&source, SECONDS);
        }
        let mut jobs = Vec::new();
        for number in 0..count {
            let out = self.path(&format!("out-{number}"));
            let mut asked = spec(&source, &out, spans);
            asked.outputs[0].request.renditions = RUNGS.iter().map(|rung| rung.parse().unwrap()).collect();
            say(&mut asked);
            let (stored, _) = self.engine.submit(asked, None).await.unwrap();
            jobs.push((out, stored.record.id));
        }
        let began = Instant::now();
        let mut over = Vec::new();
        for (out, id) in jobs {
            loop {
                let record = self.settings.store.get(id).await.unwrap().unwrap().record;
                if record.state().is_over() {
                    over.push((out, record));
                    break;
                }
                assert!(began.elapsed() < PATIENCE * 4, "it stands still: {record:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        over
    }

    /// Ends it; nothing may be held by anybody any more, and no worker be left.
    pub(crate) async fn end(self) {
        let held = || {
            let devices = self.engine.status().devices;
            let of = |device: &NodeDevice| device.capacity.iter().map(|(_, _, held)| held).sum::<u64>();
            let left = devices.iter().map(of).sum::<u64>() + self.host.open_sessions() as u64;
            left + workers_below(self.home.path()).len() as u64
        };
        until("everything to be given back", || (held() == 0).then_some(())).await;
        let spooled = everything_below(&self.path("spool"));
        assert!(spooled.is_empty(), "{spooled:?}");
        self.engine.shut_down();
        drop(self.engine);
        self.ended.await.unwrap();
    }
}

/// The device on which a rendition was encoded last.
pub(crate) fn encoded_by<'a>(record: &'a JobRecord, rung: &str) -> &'a str {
    let encode = record.placements.iter().find(|one| one.rendition == rung && one.stage == Operation::Encode);
    &encode.unwrap().actual
}

/// The job succeeded, plays, and each of its renditions has one encoder: that of where it is said to have been encoded.
pub(crate) fn check_right(out: &Path, record: &JobRecord) {
    assert_eq!(record.state(), JobState::Succeeded, "{record:#?}");
    check_whole(out, &RUNGS, &["cmaf", "ts"], SECONDS);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("reelmill.json")).unwrap()).unwrap();
    for rung in RUNGS {
        let is_it = |track: &&serde_json::Value| track["track"] == rung;
        let track = report["tracks"].as_array().unwrap().iter().find(is_it).unwrap();
        let encoder = if encoded_by(record, rung) == "cpu" { "libx264 " } else { "h264_nvenc " };
        assert!(track["encoder"].as_str().unwrap().starts_with(encoder), "{track}\n{:#?}", record.placements);
    }
    for one in &record.placements {
        assert!(!one.actual.is_empty() && !one.reason.is_empty(), "{one:?}");
        assert_eq!(one.faults > 0, !one.fault.is_empty(), "{one:?}");
    }
}

#[tokio::test]
async fn two_cards_and_a_cpu_under_many_jobs_with_faults_end_with_every_job_right() {
    let jobs = std::env::var("REELMILL_TEST_JOBS").ok().and_then(|count| count.parse().ok()).unwrap_or(JOBS);
    let head = "[sessions]\ncap = 3\ncode = 21\ntaken = 1";
    let first = "[[devices.faults]]\nwhat = \"out_of_memory\"\noperation = \"encode\"\npercent = 20\n\
                 [[devices.faults]]\nwhat = \"hang\"\noperation = \"encode\"\nframe = 30\nopen = 3\n\
                 [[devices.faults]]\nwhat = \"corrupt\"\noperation = \"encode\"\npercent = 10\n\
                 [[devices.faults]]\nwhat = \"lost\"\noperation = \"encode\"\nframe = 40\nopen = 6\ntimes = 1\nback_after_s = 5";
    let second = "[[devices.faults]]\nwhat = \"busy\"\noperation = \"encode\"\npercent = 20\n\
                  [[devices.faults]]\nwhat = \"truncated\"\noperation = \"encode\"\nframe = 10\nopen = 4";
    let node = Node::new(&cards(head, first, second)).await;
    let over = node.run(jobs, 1).await;
    assert_eq!(over.len(), jobs);
    let mut on_devices = 0;
    for (out, record) in &over {
        check_right(out, record);
        on_devices += usize::from(record.placements.iter().any(|one| one.actual.starts_with("cuda:")));
    }
    assert!(on_devices > 0, "the cards took part");
    node.end().await;
}

#[tokio::test]
async fn a_card_that_vanishes_in_mid_span_costs_no_job() {
    let lost = "[[devices.faults]]\nwhat = \"lost\"\noperation = \"encode\"\nframe = 30\nopen = 1\ntimes = 1";
    let node = Node::new(&cards("", lost, lost)).await;
    for (out, record) in node.run(2, 2).await {
        check_right(&out, &record);
    }
    node.end().await;
}

#[tokio::test]
async fn sessions_that_another_process_holds_are_gone_without() {
    let node = Node::new(&cards("[sessions]\ncap = 2\ncode = 10\ntaken = 2", "", "")).await;
    for (out, record) in node.run(2, 1).await {
        check_right(&out, &record);
        assert_eq!((encoded_by(&record, "180p"), encoded_by(&record, "90p")), ("cpu", "cpu"));
    }
    node.end().await;
}
