//! A box with simulated accelerators under many jobs, with faults: every job ends right.
//!
//! The engine is run in this process, with two cards of one model that the driver's cap holds for together, and a CPU.
//! `REELMILL_TEST_JOBS` says how many jobs; a dozen otherwise.

use crate::daemon::PATIENCE;
use crate::media::{check_whole, clip};
use crate::spans::{settings_of, spec};
use reelmill::api::Appliance;
use reelmill::dispatch::{Engine, Settings, cpu_alone};
use reelmill::model::job::JobRecord;
use reelmill::model::state::JobState;
use reelmill::simulate::{Host, load};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds of each source, and segments.
const SECONDS: usize = 4;
/// Jobs of the short form.
const JOBS: usize = 12;

/// Two cards, with what goes wrong on the first and the second.
fn cards(head: &str, first: &str, second: &str) -> String {
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

struct Box {
    home: tempfile::TempDir,
    engine: Engine,
    ended: tokio::task::JoinHandle<()>,
    settings: Settings,
}

impl Box {
    async fn new(text: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("devices.toml");
        std::fs::write(&file, text).unwrap();
        let host = Host::new(load(&file).unwrap());
        let mut settings = settings_of(home.path(), 2, 64 << 20, PathBuf::from(env!("CARGO_BIN_EXE_reelmill-worker")));
        settings.active_max = 4;
        settings.queue_max = 1000;
        settings.devices = cpu_alone(2).into_iter().chain(host.devices()).collect();
        settings.simulated = Some(host);
        let (engine, ended) = Engine::start(settings.clone(), None).await.unwrap();
        Self { home, engine, ended, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs jobs side by side, all of the same source, to their ends.
    async fn run(&self, count: usize, spans: u32) -> Vec<(PathBuf, JobRecord)> {
        let source = self.path("in.mp4");
        clip(&source, SECONDS);
        let mut jobs = Vec::new();
        for number in 0..count {
            let out = self.path(&format!("out-{number}"));
            let (stored, _) = self.engine.submit(spec(&source, &out, spans), None).await.unwrap();
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

    async fn end(self) {
        self.engine.shut_down();
        drop(self.engine);
        self.ended.await.unwrap();
    }
}

/// The job succeeded, plays, and each of its renditions has one encoder.
fn check_right(out: &Path, record: &JobRecord) {
    assert_eq!(record.state(), JobState::Succeeded, "{record:#?}");
    check_whole(out, &["180p"], &["cmaf", "ts"], SECONDS);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("reelmill.json")).unwrap()).unwrap();
    let track = &report["tracks"][0];
    assert!(track["encoder"].as_str().is_some_and(|encoder| !encoder.is_empty()), "{track}");
}

#[tokio::test]
async fn two_cards_and_a_cpu_under_many_jobs_with_faults_end_with_every_job_right() {
    let jobs = std::env::var("REELMILL_TEST_JOBS").ok().and_then(|count| count.parse().ok()).unwrap_or(JOBS);
    let head = "[sessions]\ncap = 3\ncode = 21\ntaken = 1";
    let first = "[[devices.faults]]\nwhat = \"out_of_memory\"\noperation = \"encode\"\npercent = 20\n\
                 [[devices.faults]]\nwhat = \"lost\"\noperation = \"encode\"\nframe = 40\nopen = 5\ntimes = 1";
    let second = "[[devices.faults]]\nwhat = \"busy\"\noperation = \"encode\"\npercent = 20";
    let node = Box::new(&cards(head, first, second)).await;
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
    let node = Box::new(&cards("", lost, lost)).await;
    for (out, record) in node.run(2, 2).await {
        check_right(&out, &record);
    }
    node.end().await;
}

#[tokio::test]
async fn sessions_that_another_process_holds_are_gone_without() {
    let node = Box::new(&cards("[sessions]\ncap = 2\ncode = 10\ntaken = 2", "", "")).await;
    for (out, record) in node.run(2, 1).await {
        check_right(&out, &record);
        let encode = record.placements.iter().find(|one| one.rendition == "180p" && one.stage.name() == "encode");
        assert_eq!(encode.unwrap().actual, "cpu");
    }
    node.end().await;
}
