//! Many jobs: metrics stay as many, and answer at once.

use crate::daemon::{PATIENCE, Setup, job, submit};
use crate::prometheus::get;
use reelmill::api::Appliance;
use reelmill::dispatch::{Engine, Settings, Sinks};
use reelmill::input::{Opener, OpenerOptions, Transport};
use reelmill::model::request::Request;
use reelmill::model::spec::{IfExists, OutputSpec, Priority, SourceSpec, UploadOptions};
use reelmill::model::state::JobState;
use reelmill::model::{BackOff, JobSpec, Locator};
use reelmill::net;
use reelmill::publish::sink::Durability;
use reelmill::report::Telemetry;
use reelmill::report::metrics::{Metrics, Scraped};
use reelmill::store::Memory;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const JOBS: usize = 10_000;
const ONCE: BackOff = BackOff { first_ms: 1, factor: 1, max_ms: 1, attempts_max: 1, jitter_percent: 0 };

fn settings(home: &Path, telemetry: Telemetry) -> Settings {
    let http = net::Client::new(net::AddressRules::default(), &net::Options::default()).unwrap();
    let opener = OpenerOptions {
        roots: Vec::new(),
        http,
        cache_dir: home.join("cache"),
        cache_bytes_max: 1 << 20,
        retry: ONCE,
        s3: None,
    };
    Settings {
        store: Arc::new(Memory::new()),
        effects: Arc::default(),
        opener: Arc::new(Opener::new(opener)),
        sinks: Sinks { roots: Vec::new(), durability: Durability::AtEnd, buckets: None },
        transport: Transport::Descriptor,
        worker: PathBuf::from(env!("CARGO_BIN_EXE_reelmill-worker")),
        threads: 2,
        devices: reelmill::dispatch::cpu_alone(2),
        rates: Arc::default(),
        simulated: None,
        silence: PATIENCE,
        spool: Some(home.join("spool")),
        spool_bytes_max: 1 << 20,
        uploads: 1,
        upload_retry: ONCE,
        active_max: 32,
        queue_max: JOBS as u64,
        keep_failed: false,
        telemetry,
    }
}

/// A job of an owner of its own whose source is not there.
fn failing(home: &Path, number: usize) -> JobSpec {
    let source = Locator::File(home.join(format!("missing-{number}.mp4")));
    JobSpec {
        reference_id: format!("reference-{number}"),
        trace_parent: String::new(),
        owner: format!("owner-{number}"),
        profile: String::new(),
        priority: Priority::ALL[number % 3],
        start_unix_ms: 0,
        sources: vec![SourceSpec { id: "source".into(), locator: Some(source), ..SourceSpec::default() }],
        outputs: vec![OutputSpec {
            id: "output".into(),
            destination: Locator::File(home.join(format!("out-{number}"))),
            if_exists: IfExists::Fail,
            source: 0,
            audio_sources: Vec::new(),
            rendition_sources: BTreeMap::new(),
            request: Request::default(),
            upload: UploadOptions::default(),
        }],
        webhooks: Vec::new(),
        stop_on_failure: false,
        retry: ONCE,
        expire_after_s: 3600,
        labels: BTreeMap::new(),
        deadline_unix_ms: None,
        fallback: Default::default(),
        devices: Vec::new(),
    }
}

/// Submits jobs, and waits until so many have ended in all.
async fn run(engine: &Engine, home: &Path, numbers: std::ops::Range<usize>) {
    let end = numbers.end as u64;
    for number in numbers {
        engine.submit(failing(home, number), None).await.unwrap();
    }
    let began = Instant::now();
    loop {
        let counts = engine.store().counts().await.unwrap();
        if counts.get(&JobState::Failed) == Some(&end) {
            return;
        }
        assert!(began.elapsed() < PATIENCE * 2, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The series of a page: all of a line but its value.
fn names(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn ten_thousand_jobs_add_no_series() {
    let home = tempfile::tempdir().unwrap();
    let telemetry = Telemetry { metrics: Metrics::new(3), ..Telemetry::default() };
    let metrics = telemetry.metrics.clone();
    let (engine, ended) = Engine::start(settings(home.path(), telemetry), None).await.unwrap();
    run(&engine, home.path(), 0..100).await;
    let few = names(&metrics.text(&Scraped::default()).unwrap());
    run(&engine, home.path(), 100..JOBS).await;
    let text = metrics.text(&Scraped::default()).unwrap();
    let many = names(&text);
    assert_eq!(many.difference(&few).collect::<Vec<_>>(), Vec::<&String>::new());
    let ended_in = |class: &str| format!("reelmill_jobs_ended_total{{class=\"{class}\",state=\"failed\"}} 333");
    assert!(["high", "normal", "batch"].iter().all(|class| text.contains(&ended_in(class))), "{text}");
    // Whichever three come to their end first have a name of their own.
    let named = text.lines().filter(|line| line.starts_with("reelmill_owner_jobs_ended_total{owner=\"owner-"));
    let named: Vec<&str> = named.collect();
    assert!(named.len() == 3 && named.iter().all(|line| line.ends_with(",state=\"failed\"} 1")), "{named:?}");
    assert!(text.contains("reelmill_owner_jobs_ended_total{owner=\"other\",state=\"failed\"} 9997\n"), "{text}");
    assert!(text.contains("reelmill_outputs_failed_total{fault=\"input\"} 10000\n"), "{text}");
    engine.shut_down();
    ended.await.unwrap();
}

#[tokio::test]
async fn metrics_answer_at_once_while_many_jobs_wait() {
    let daemon = Setup::default().set("jobs.active_max=1").start().await;
    let mut client = daemon.jobs().await;
    let later = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    for number in 0..300 {
        let mut spec = job(&daemon.path("missing.mp4"), &daemon.path(format!("out-{number}")));
        spec.start_time = Some(later);
        submit(&mut client, spec).await;
    }
    let mut fastest = Duration::MAX;
    // Other tests run beside this one: what the daemon takes is what it takes when nobody is in the way.
    for _ in 0..20 {
        let began = Instant::now();
        let text = get(daemon.http(), "/metrics").await.unwrap();
        fastest = fastest.min(began.elapsed());
        assert!(text.contains("reelmill_jobs{state=\"queued\"} 300\n"), "{text}");
        assert!(text.contains("reelmill_jobs_queued{class=\"normal\"} 300\n"), "{text}");
        assert!(text.contains("reelmill_api_calls_total{code=\"ok\",method=\"JobService/CreateJob\"} 300\n"), "{text}");
    }
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
}
