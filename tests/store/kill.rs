//! `kill -9` at any moment: what was answered is there afterwards, and nothing is half there.

use crate::fixture::{CREATED, effect, get, history, in_state, job};
use crate::ledger::{header, segment};
use reelmill::model::JobId;
use reelmill::model::facts::MediaFacts;
use reelmill::model::job::Subject;
use reelmill::model::state::{JobEvent, JobState};
use reelmill::store::{Created, IdempotencyKey, Query, Sqlite, Store};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The state directory of the child.
const DIR: &str = "REELMILL_TEST_STATE_DIR";
/// Where its ids begin.
const FIRST: &str = "REELMILL_TEST_FIRST_ID";
/// Rounds; more by hand.
const ROUNDS: &str = "REELMILL_TEST_ROUNDS";
/// Ids of a round, at most.
const IDS: u128 = 1_000_000;

/// How far the child says that it got with a job. Each step is written once it is answered; `Deleting` before it is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Created,
    Begun,
    Appended,
    Planned,
    Over,
    Deleting,
    Deleted,
}

const STEPS: [Step; 7] =
    [Step::Created, Step::Begun, Step::Appended, Step::Planned, Step::Over, Step::Deleting, Step::Deleted];

fn key(id: JobId) -> IdempotencyKey {
    IdempotencyKey { owner: "ada".into(), key: id.to_string(), body_sha256: [1; 32] }
}

#[test]
#[ignore = "started by the test below, in a process that it kills"]
fn child() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else { return };
    let first: u128 = first.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(Sqlite::open(Path::new(&dir)).unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                for number in (first + task..).step_by(8) {
                    live(&*store, number).await;
                }
            });
        }
        tasks.join_all().await;
    });
}

/// A job's life, told step by step.
#[expect(clippy::print_stdout, reason = "read by the parent")]
async fn live(store: &dyn Store, number: u128) {
    let mut record = job(number);
    let id = record.id;
    let tell = |step: Step| println!("\n{id} {step:?}");
    record.spec.labels.insert("kind".into(), "killed".into());
    record.inputs[0].facts = Some(MediaFacts::default());
    let Created::New(revision) = store.create(record.clone(), Some(key(id))).await.unwrap() else { panic!("is new") };
    tell(Step::Created);
    record.take_changes();
    let mut record = in_state(record, JobState::Running, CREATED);
    let revision = store.save(revision, record.clone(), vec![effect("begun")]).await.unwrap();
    tell(Step::Begun);
    store.append(id, 1, vec![header(0, "a", "e"), segment(0, "a", 0, 0), segment(0, "a", 1, 1)]).await.unwrap();
    tell(Step::Appended);
    store.put_document(id, 1, "plan", b"plan".to_vec()).await.unwrap();
    tell(Step::Planned);
    record.take_changes();
    assert!(record.job(JobEvent::Succeed, CREATED, None));
    let revision = store.save(revision, record, vec![effect("over")]).await.unwrap();
    tell(Step::Over);
    if number.is_multiple_of(3) {
        tell(Step::Deleting);
        store.delete(id, revision, Vec::new()).await.unwrap();
        tell(Step::Deleted);
    }
}

/// Lets a child work until it has told of so many steps, kills it, and gives the last step of each job.
fn killed(dir: &Path, first: u128, steps: usize) -> BTreeMap<JobId, Step> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut last, mut told, mut line) = (BTreeMap::new(), 0, String::new());
    loop {
        line.clear();
        output.read_line(&mut line).unwrap();
        if line.is_empty() {
            break;
        }
        // A line that the kill has cut counts for nothing.
        let Some((id, name)) = line.strip_suffix('\n').and_then(|line| line.split_once(' ')) else { continue };
        let (Ok(id), Some(step)) = (id.parse(), STEPS.into_iter().find(|step| format!("{step:?}") == name)) else {
            continue;
        };
        last.insert(id, step);
        told += 1;
        if told == steps {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(told >= steps, "the child ended by itself, after {told} steps: {status}");
    last
}

/// What was answered is there.
async fn check_job(store: &dyn Store, id: JobId, step: Step) {
    if step >= Step::Deleting {
        let found = store.get(id).await.unwrap();
        assert!(found.is_none() || step == Step::Deleting, "{id} was deleted");
        return;
    }
    let found = get(store, id).await;
    assert_eq!(found.record.inputs[0].facts, Some(MediaFacts::default()));
    assert_eq!(store.create(job(0), Some(key(id))).await, Ok(Created::Existed(id)), "its key is there");
    let state = found.record.state();
    if step >= Step::Begun {
        assert!(state >= JobState::Running, "{id} {state:?}");
    }
    if step >= Step::Appended {
        assert_eq!(store.ledger(id).await.unwrap().len(), 3);
    }
    if step >= Step::Planned {
        assert_eq!(store.document(id, "plan").await, Ok(Some(b"plan".to_vec())));
    }
    assert!(step < Step::Over || state == JobState::Succeeded, "{id} {state:?}");
}

/// Whatever is there is whole, told or not.
async fn check_whole(store: &dyn Store, dir: &Path) -> usize {
    let (mut jobs, mut before) = (0, None);
    loop {
        let labels = BTreeMap::from([("kind".to_owned(), "killed".to_owned())]);
        let page = store.list(Query { labels, limit: 500, before, ..Query::default() }).await.unwrap();
        for found in &page.jobs {
            let (id, state) = (found.record.id, found.record.state());
            let changes = history(store, id).await;
            assert_eq!(changes.last().unwrap().revision, found.revision);
            assert_eq!(changes.last().unwrap().subject, Subject::Job(state));
            let (changes_wanted, effects_wanted) = match state {
                JobState::Queued => (1, 0),
                JobState::Running => (3, 1),
                _ => (4, 2),
            };
            assert_eq!(changes.len(), changes_wanted, "{id} {state:?}");
            assert_eq!(store.effects(id).await.unwrap().len(), effects_wanted, "{id} {state:?}");
            assert!([0, 3].contains(&store.ledger(id).await.unwrap().len()), "{id}: half of an append");
        }
        jobs += page.jobs.len();
        before = page.jobs.last().map(|job| job.record.id).or(before);
        if !page.more {
            break;
        }
    }
    let db = rusqlite::Connection::open(dir.join("state.db")).unwrap();
    let number = |sql: &str| db.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    let whole: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    for table in ["jobs", "bodies", "facts", "labels", "idempotency_keys"] {
        assert_eq!(number(&format!("SELECT count(*) FROM {table}")), jobs as i64, "{table}");
    }
    assert!(number("SELECT revision FROM sequence") >= number("SELECT max(revision) FROM jobs"));
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_kill_at_any_moment() {
    let rounds: u128 = std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut all = BTreeMap::new();
    let mut there = 0;
    for round in 1..=rounds {
        let steps = random.usize(1..600);
        all.extend(killed(dir.path(), round * IDS, steps));
        let store = Sqlite::open(dir.path()).unwrap();
        for (id, step) in &all {
            check_job(&store, *id, *step).await;
        }
        there = check_whole(&store, dir.path()).await;
    }
    assert!(there > rounds as usize, "{there} jobs after {rounds} rounds, seed {seed}");
}
