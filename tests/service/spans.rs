//! Spans that run side by side while an earlier one has to be made again: what is behind it must not stand in its way.
//!
//! The engine is run in this process, with a spool far smaller than a daemon may be given, so that it is full at once.

use crate::daemon::{Daemon, PATIENCE};
use crate::media::{check_whole, clip};
use reelmill::api::Appliance;
use reelmill::dispatch::{Engine, Settings, Sinks};
use reelmill::input::{Opener, OpenerOptions, Transport};
use reelmill::model::request::Request;
use reelmill::model::spec::{IfExists, OutputSpec, Priority, SourceSpec, UploadOptions};
use reelmill::model::state::JobState;
use reelmill::model::{BackOff, JobSpec, Locator, Speed};
use reelmill::net;
use reelmill::publish::sink::Durability;
use reelmill::store::Memory;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds of the source, and segments.
const SECONDS: usize = 16;
/// The first attempt at the second run of segments dies, after those behind it had time to begin.
const DIES: &str = "case $part in video-1-1) sleep 1; kill -ABRT $$;; esac";
const RETRY: BackOff = BackOff { first_ms: 1_500, factor: 1, max_ms: 1_500, attempts_max: 3, jitter_percent: 0 };

fn settings(home: &Path, threads: u32, spool_bytes_max: u64) -> Settings {
    settings_of(home, threads, spool_bytes_max, Daemon::wrapper(home, DIES))
}

/// A node in this process.
pub(crate) fn settings_of(home: &Path, threads: u32, spool_bytes_max: u64, worker: PathBuf) -> Settings {
    let http = net::Client::new(net::AddressRules::default(), &net::Options::default()).unwrap();
    let opener = OpenerOptions {
        roots: Vec::new(),
        http,
        cache_dir: home.join("cache"),
        cache_bytes_max: 64 << 20,
        retry: Opener::RETRY,
        s3: None,
    };
    Settings {
        store: Arc::new(Memory::new()),
        effects: Arc::default(),
        opener: Arc::new(Opener::new(opener)),
        sinks: Sinks { roots: Vec::new(), durability: Durability::Each, buckets: None },
        transport: Transport::Descriptor,
        worker,
        threads,
        devices: reelmill::dispatch::cpu_alone(threads),
        rates: Arc::default(),
        simulated: None,
        silence: PATIENCE,
        spool: Some(home.join("spool")),
        spool_bytes_max,
        uploads: 4,
        upload_retry: RETRY,
        active_max: 1,
        queue_max: 10,
        keep_failed: true,
        telemetry: reelmill::report::Telemetry::default(),
    }
}

/// A job of one small rung.
pub(crate) fn spec(source: &Path, out: &Path, spans: u32) -> JobSpec {
    let renditions = vec!["180p@2M".parse().unwrap()];
    let request = Request { renditions, speed: Speed::Fast, segment_ms: 1000, spans, ..Request::default() };
    JobSpec {
        reference_id: String::new(),
        owner: String::new(),
        profile: String::new(),
        priority: Priority::Normal,
        start_unix_ms: 0,
        sources: vec![SourceSpec {
            id: "source".into(),
            locator: Some(Locator::File(source.to_owned())),
            ..SourceSpec::default()
        }],
        outputs: vec![OutputSpec {
            id: "output".into(),
            destination: Locator::File(out.to_owned()),
            if_exists: IfExists::Fail,
            source: 0,
            audio_sources: Vec::new(),
            rendition_sources: BTreeMap::new(),
            request,
            upload: UploadOptions::default(),
        }],
        webhooks: Vec::new(),
        stop_on_failure: false,
        retry: RETRY,
        expire_after_s: 3600,
        labels: BTreeMap::new(),
        deadline_unix_ms: None,
        fallback: Default::default(),
        devices: Vec::new(),
        trace_parent: String::new(),
    }
}

/// Runs a job of so many spans on so many threads, with room for so much, and gives the most that was in the spool.
async fn run(threads: u32, spans: u32, spool_bytes_max: u64) -> u64 {
    let home = tempfile::tempdir().unwrap();
    let (source, out) = (home.path().join("in.mp4"), home.path().join("out"));
    clip(&source, SECONDS);
    let settings = settings(home.path(), threads, spool_bytes_max);
    let store = Arc::clone(&settings.store);
    let (engine, ended) = Engine::start(settings, None).await.unwrap();
    let (stored, _) = engine.submit(spec(&source, &out, spans), None).await.unwrap();
    let (began, mut most) = (Instant::now(), 0);
    let record = loop {
        let record = store.get(stored.record.id).await.unwrap().unwrap().record;
        if record.state().is_over() {
            break record;
        }
        assert!(began.elapsed() < PATIENCE, "it stands still: {:?}", crate::daemon::everything_below(home.path()));
        let files = crate::daemon::everything_below(&home.path().join("spool"));
        most = files
            .iter()
            .filter_map(|file| file.metadata().ok())
            .filter(|m| m.is_file())
            .map(|m| m.len())
            .sum::<u64>()
            .max(most);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(record.state(), JobState::Succeeded, "{record:?}");
    check_whole(&out, &["180p"], &["cmaf", "ts"], SECONDS);
    engine.shut_down();
    drop(engine);
    ended.await.unwrap();
    most
}

#[tokio::test]
async fn a_part_that_is_made_again_gets_the_place_of_those_behind_it() {
    // Two at a time; those that come in its place fill their share of the spool and wait for it.
    let spool = 1_600_000;
    let most = run(2, 4, spool).await;
    assert!(most > spool / 4, "{most} bytes: the spool was never the limit");
}

#[tokio::test]
async fn a_part_that_is_made_again_finds_room_in_a_spool_that_is_full_of_what_waits_for_it() {
    // All at a time; together they fill the spool.
    let spool = 300_000;
    let most = run(8, 8, spool).await;
    assert!(most >= spool, "{most} bytes: the spool was never full");
    // A worker may always have one segment.
    assert!(most < 4_000_000, "{most} bytes");
}
