//! Figures, by hand: `cargo nextest run --test store --run-ignored only --no-capture load::`.
#![expect(clippy::print_stdout, reason = "prints figures")]

use crate::fixture::{change, job};
use reelmill::model::JobRecord;
use reelmill::model::state::{JobEvent, JobState};
use reelmill::store::{Query, Sqlite, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Jobs in the store when lists are timed.
const JOBS: u128 = 100_000;
/// Clients that create jobs at once.
const CLIENTS: u128 = 16;

/// One of 20 owners, one of 1,000 labels, a reference of its own.
fn record(number: u128) -> JobRecord {
    let mut record = job(number);
    record.spec.owner = format!("owner-{}", number % 20);
    record.spec.reference_id = format!("reference-{number}");
    record.spec.labels =
        BTreeMap::from([("title".to_owned(), format!("t{}", number % 1000)), ("all".to_owned(), "yes".to_owned())]);
    if !number.is_multiple_of(1000) {
        for event in [JobEvent::Begin, JobEvent::Prepared, JobEvent::Succeed] {
            assert!(record.job(event, 0, None));
        }
    }
    record
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("median {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100))
}

/// Has all clients create jobs, `rate` a second together or as fast as they can, and gives how long each took.
async fn create(store: &Arc<Sqlite>, from: u128, count: u128, rate: Option<u32>) -> Vec<Duration> {
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let store = Arc::clone(store);
        clients.spawn(async move {
            let mut times = Vec::new();
            let mut clock = rate.map(|rate| tokio::time::interval(Duration::from_secs(1) * CLIENTS as u32 / rate));
            for number in (from + client..from + count).step_by(CLIENTS as usize) {
                if let Some(clock) = &mut clock {
                    clock.tick().await;
                }
                let begun = Instant::now();
                store.create(record(number), None).await.unwrap();
                times.push(begun.elapsed());
            }
            times
        });
    }
    clients.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and the figures mean something on a quiet machine only"]
async fn figures() {
    let dir = tempfile::tempdir_in(std::env::var("REELMILL_TEST_DISK").unwrap_or_else(|_| "/var/tmp".into())).unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap());
    println!("resident, empty: {} MiB", resident_mib());
    let mut times = create(&store, 0, 6_000, Some(300)).await;
    println!("300 creates a second: {}", spread(&mut times));
    let begun = Instant::now();
    let mut times = create(&store, 6_000, JOBS - 6_000, None).await;
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    println!("as many as they can: {rate:.0} a second, {}", spread(&mut times));
    println!("resident, {JOBS} jobs: {} MiB", resident_mib());

    let all = Query { limit: 50, ..Query::default() };
    let label = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let middle = job(JOBS / 2);
    let queries = [
        ("first page", all.clone()),
        ("a page in the middle", Query { before: Some(middle.id), ..all.clone() }),
        ("state, rare", Query { states: vec![JobState::Queued], ..all.clone() }),
        ("states, none", Query { states: vec![JobState::Failed, JobState::Running], ..all.clone() }),
        ("state, most", Query { states: vec![JobState::Succeeded], before: Some(middle.id), ..all.clone() }),
        ("reference", Query { reference_id: Some("reference-777".into()), ..all.clone() }),
        ("owner", Query { owner: Some("owner-7".into()), ..all.clone() }),
        ("owner and state", Query { owner: Some("owner-0".into()), states: vec![JobState::Queued], ..all.clone() }),
        ("label", Query { labels: label("title", "t77"), ..all.clone() }),
        ("label of all", Query { labels: label("all", "yes"), ..all.clone() }),
        (
            "label of all, state rare",
            Query { labels: label("all", "yes"), states: vec![JobState::Queued], ..all.clone() },
        ),
        (
            "label of all, state none",
            Query { labels: label("all", "yes"), states: vec![JobState::Failed], ..all.clone() },
        ),
        ("before all time", Query { created_to_unix_ms: Some(0), ..all.clone() }),
        (
            "state most, before all time",
            Query { states: vec![JobState::Succeeded], created_to_unix_ms: Some(0), ..all.clone() },
        ),
    ];
    for (name, query) in queries {
        let (mut times, mut found) = (Vec::new(), 0);
        for _ in 0..30 {
            let begun = Instant::now();
            found = store.list(query.clone()).await.unwrap().jobs.len();
            times.push(begun.elapsed());
        }
        println!("list, {name}: {found} found, {}", spread(&mut times));
    }
    let mut times = Vec::new();
    for number in (0..JOBS).step_by(97) {
        let begun = Instant::now();
        assert!(store.get(job(number).id).await.unwrap().is_some());
        times.push(begun.elapsed());
    }
    println!("get: {}", spread(&mut times));
    let begun = Instant::now();
    let waiting = store.unfinished().await.unwrap().len();
    println!("unfinished: {waiting} in {:?}", begun.elapsed());
    let begun = Instant::now();
    let counts = store.counts().await.unwrap();
    println!("counts: {counts:?} in {:?}", begun.elapsed());
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        change(&*store, job(0).id, Vec::new(), |record| record.setbacks += 1).await;
        times.push(begun.elapsed());
    }
    println!("get and save, one client: {}", spread(&mut times));
    println!("resident, at the end: {} MiB", resident_mib());
    let bytes = std::fs::metadata(dir.path().join("state.db")).unwrap().len();
    println!("on disk: {} bytes a job", u128::from(bytes) / JOBS);
}
