//! Stores to test, and jobs to put into them.

use reelmill::model::backoff::BackOff;
use reelmill::model::job::Change;
use reelmill::model::request::Request;
use reelmill::model::spec::{IfExists, OutputSpec, Priority, SourceSpec, UploadOptions};
use reelmill::model::state::{JobEvent, JobState};
use reelmill::model::{JobId, JobRecord, JobSpec, Problem, Revision};
use reelmill::store::{Created, Effect, Memory, Sqlite, Store, Stored};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// A store, and the directory in which it lies, which goes after it.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    _dir: Option<TempDir>,
}

pub(crate) fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    Fixture { store: Arc::new(Sqlite::open(dir.path()).unwrap()), _dir: Some(dir) }
}

pub(crate) fn memory() -> Fixture {
    Fixture { store: Arc::new(Memory::new()), _dir: None }
}

/// When the jobs of these tests are accepted, ms since 1970.
pub(crate) const CREATED: i64 = 1_700_000_000_000;

/// A job with this number as its id, accepted `number` ms after [`CREATED`].
pub(crate) fn job(number: u128) -> JobRecord {
    JobRecord::new(JobId::from_number(number), spec(), CREATED + number as i64)
}

pub(crate) fn spec() -> JobSpec {
    let source =
        SourceSpec { id: "source".into(), locator: Some("s3://films/a.mp4".parse().unwrap()), ..SourceSpec::default() };
    let output = |id: &str| OutputSpec {
        id: id.into(),
        destination: format!("s3://out/{id}").parse().unwrap(),
        if_exists: IfExists::Fail,
        source: 0,
        audio_sources: vec![0],
        rendition_sources: BTreeMap::from([(1, 0)]),
        request: Request::default(),
        upload: UploadOptions::default(),
    };
    JobSpec {
        reference_id: String::new(),
        owner: String::new(),
        profile: "web@1".into(),
        priority: Priority::Normal,
        start_unix_ms: 0,
        sources: vec![source],
        outputs: vec![output("first"), output("second")],
        webhooks: Vec::new(),
        stop_on_failure: false,
        retry: BackOff::default(),
        expire_after_s: 3600,
        labels: BTreeMap::new(),
        deadline_unix_ms: None,
        fallback: Default::default(),
        devices: Vec::new(),
        trace_parent: String::new(),
    }
}

/// The events that lead from the start to a state.
pub(crate) fn way_to(state: JobState) -> &'static [JobEvent] {
    use JobEvent::*;
    match state {
        JobState::Queued => &[],
        JobState::Preparing => &[Begin],
        JobState::Running => &[Begin, Prepared],
        JobState::Stopping => &[Begin, Prepared, Stop],
        JobState::Succeeded => &[Begin, Prepared, Succeed],
        JobState::Partial => &[Begin, Prepared, SucceedInPart],
        JobState::Failed => &[Begin, Fail],
        JobState::Stopped => &[Stop, EndStopped],
    }
}

/// The same record, in a state that it reached at `unix_ms`.
pub(crate) fn in_state(mut record: JobRecord, state: JobState, unix_ms: i64) -> JobRecord {
    for event in way_to(state) {
        assert!(record.job(*event, unix_ms, None), "{event:?}");
    }
    assert_eq!(record.state(), state);
    record
}

/// Stores a new job.
pub(crate) async fn create(store: &dyn Store, record: JobRecord) -> Revision {
    match store.create(record, None).await.unwrap() {
        Created::New(revision) => revision,
        Created::Existed(id) => panic!("{id} was there"),
    }
}

/// A job that must be there.
pub(crate) async fn get(store: &dyn Store, id: JobId) -> Stored {
    store.get(id).await.unwrap().unwrap()
}

/// Reads a job, changes it, saves it.
pub(crate) async fn change(
    store: &dyn Store,
    id: JobId,
    effects: Vec<Effect>,
    how: impl FnOnce(&mut JobRecord),
) -> Revision {
    let Stored { mut record, revision } = get(store, id).await;
    how(&mut record);
    store.save(revision, record, effects).await.unwrap()
}

/// Has events happen to a job, each saved alone.
pub(crate) async fn events(store: &dyn Store, id: JobId, events: &[JobEvent], unix_ms: i64) {
    for event in events {
        change(store, id, Vec::new(), |record| assert!(record.job(*event, unix_ms, None))).await;
    }
}

/// All changes of a job.
pub(crate) async fn history(store: &dyn Store, id: JobId) -> Vec<Change> {
    store.history(id, 0, usize::MAX).await.unwrap()
}

/// A webhook's call, told apart by its body.
pub(crate) fn effect(body: &str) -> Effect {
    Effect::Webhook {
        webhook: 0,
        url: "https://example.org/hook".into(),
        secret_name: "hook".into(),
        event: "job.ended".into(),
        body: body.into(),
    }
}

pub(crate) fn problem() -> Problem {
    Problem::input("source.empty", "the source is empty; \"check\" it\0\n").at("sources[0]")
}

/// Texts that break what is put together from strings.
pub(crate) const ODD: [&str; 10] = [
    "",
    "\0",
    "a\0b",
    "a",
    "'; DROP TABLE jobs; --",
    "\"quoted\" and \\ back",
    "🎬 film",
    "%_*?",
    "line\nbreak\r\t",
    "\u{202e}right to left\u{fffd}",
];
