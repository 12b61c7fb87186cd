//! An appliance that carries nothing out: jobs lie in memory, and a test says what happens to them.

use reelmill::api::{Appliance, NodeDevice, NodeStatus, Planned, Reply, StopOutcome};
use reelmill::dispatch::{Drain, DrainStatus};
use reelmill::model::bill::UsageRow;
use reelmill::model::device::{Ability, DeviceId, DeviceInfo, DeviceKind, Operation, Verdict};
use reelmill::model::job::Change;
use reelmill::model::state::{JobEvent, JobState, OutputEvent};
use reelmill::model::{JobId, JobRecord, JobSpec, Locator, MediaFacts, Problem, Revision};
use reelmill::report::JobProgress;
use reelmill::store::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, watch};

/// The time at which everything happens here.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
/// So few that a test can make a subscriber lag.
const CHANNEL: usize = 8;

#[derive(Debug, Default)]
struct Inner {
    jobs: BTreeMap<JobId, Stored>,
    changes: BTreeMap<JobId, Vec<Change>>,
    keys: HashMap<(String, String), ([u8; 32], JobId)>,
    channels: HashMap<JobId, broadcast::Sender<Arc<Told>>>,
    effects: Vec<StoredEffect>,
    documents: HashMap<(JobId, &'static str), Vec<u8>>,
    usage: Vec<UsageRow>,
    logs: HashMap<JobId, Vec<LogEntry>>,
    revision: Revision,
}

/// Jobs in memory.
#[derive(Debug, Default)]
pub(crate) struct FakeStore(Mutex<Inner>);

fn answer<'a, T: Send + 'a>(result: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

fn none<'a, T: Send + 'a>() -> Answer<'a, T> {
    answer(Err(StoreError::Broken("the fake has no such thing".into())))
}

impl Inner {
    fn keep(&mut self, mut record: JobRecord) -> Revision {
        let id = record.id;
        let over = record.state().is_over();
        let mut changes = record.take_changes();
        self.revision += u64::from(changes.is_empty());
        for change in &mut changes {
            self.revision += 1;
            change.revision = self.revision;
        }
        self.jobs.insert(id, Stored { record, revision: self.revision });
        self.changes.entry(id).or_default().extend(changes.clone());
        let last = changes.len();
        for (i, change) in changes.into_iter().enumerate() {
            let told = Told { id, change, last: over && i + 1 == last };
            // Nobody may listen.
            let _ = self.channel(id).send(Arc::new(told));
        }
        self.revision
    }

    fn channel(&mut self, id: JobId) -> &broadcast::Sender<Arc<Told>> {
        self.channels.entry(id).or_insert_with(|| broadcast::channel(CHANNEL).0)
    }
}

impl Store for FakeStore {
    fn create(&self, record: JobRecord, key: Option<IdempotencyKey>) -> Answer<'_, Created> {
        let mut inner = self.0.lock().unwrap();
        if let Some(key) = key {
            let name = (key.owner, key.key);
            match inner.keys.get(&name) {
                Some((body, id)) if *body == key.body_sha256 => return answer(Ok(Created::Existed(*id))),
                Some(_) => return answer(Err(StoreError::KeyReused)),
                None => inner.keys.insert(name, (key.body_sha256, record.id)),
            };
        }
        answer(Ok(Created::New(inner.keep(record))))
    }

    fn get(&self, id: JobId) -> Answer<'_, Option<Stored>> {
        answer(Ok(self.0.lock().unwrap().jobs.get(&id).cloned()))
    }

    fn get_many(&self, ids: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>> {
        let inner = self.0.lock().unwrap();
        answer(Ok(ids.iter().map(|id| inner.jobs.get(id).cloned()).collect()))
    }

    fn list(&self, query: Query) -> Answer<'_, Page> {
        let inner = self.0.lock().unwrap();
        let fits = |stored: &&Stored| {
            let (record, spec) = (&stored.record, &stored.record.spec);
            (query.states.is_empty() || query.states.contains(&record.state()))
                && query.owner.as_ref().is_none_or(|owner| *owner == spec.owner)
                && query.reference_id.as_ref().is_none_or(|reference| *reference == spec.reference_id)
                && query.labels.iter().all(|(key, value)| spec.labels.get(key) == Some(value))
                && query.created_from_unix_ms.is_none_or(|from| record.created_unix_ms >= from)
                && query.created_to_unix_ms.is_none_or(|to| record.created_unix_ms < to)
                && query.before.is_none_or(|before| record.id < before)
        };
        let mut jobs: Vec<Stored> = inner.jobs.values().rev().filter(fits).take(query.limit + 1).cloned().collect();
        let more = jobs.len() > query.limit;
        jobs.truncate(query.limit);
        answer(Ok(Page { jobs, more }))
    }

    fn save(&self, over: Revision, record: JobRecord, _: Vec<Effect>) -> Answer<'_, Revision> {
        let mut inner = self.0.lock().unwrap();
        match inner.jobs.get(&record.id) {
            Some(stored) if stored.revision == over => answer(Ok(inner.keep(record))),
            Some(_) => answer(Err(StoreError::Conflict)),
            None => answer(Err(StoreError::NotFound)),
        }
    }

    fn history(&self, id: JobId, after: Revision, limit: usize) -> Answer<'_, Vec<Change>> {
        let inner = self.0.lock().unwrap();
        let changes = inner.changes.get(&id).map(Vec::as_slice).unwrap_or_default();
        answer(Ok(changes.iter().filter(|change| change.revision > after).take(limit).cloned().collect()))
    }

    fn subscribe(&self, id: JobId) -> broadcast::Receiver<Arc<Told>> {
        self.0.lock().unwrap().channel(id).subscribe()
    }

    fn effects(&self, id: JobId) -> Answer<'_, Vec<StoredEffect>> {
        let inner = self.0.lock().unwrap();
        answer(Ok(inner.effects.iter().filter(|effect| effect.job == id).cloned().collect()))
    }

    fn delete(&self, id: JobId, _: Revision, _: Vec<Effect>) -> Answer<'_, ()> {
        let mut inner = self.0.lock().unwrap();
        inner.jobs.remove(&id);
        inner.channels.remove(&id);
        answer(Ok(()))
    }

    fn unfinished(&self) -> Answer<'_, Vec<Waiting>> {
        none()
    }
    fn append_log(&self, id: JobId, lines: Vec<LogEntry>) -> Answer<'_, ()> {
        let mut inner = self.0.lock().unwrap();
        let log = inner.logs.entry(id).or_default();
        for line in lines {
            let number = log.len() as u64 + 1;
            log.push(LogEntry { number, ..line });
        }
        answer(Ok(()))
    }
    fn log(&self, id: JobId, query: LogQuery) -> Answer<'_, LogPage> {
        let inner = self.0.lock().unwrap();
        let asked = |line: &&LogEntry| {
            line.number > query.after
                && line.level <= query.level
                && query.output.is_none_or(|output| line.outputs.contains(&output))
        };
        let found = inner.logs.get(&id).into_iter().flatten().filter(asked);
        let mut lines: Vec<_> = found.take(query.limit + 1).cloned().collect();
        let more = lines.len() > query.limit;
        lines.truncate(query.limit);
        answer(Ok(LogPage { lines, more }))
    }
    fn append(&self, _: JobId, _: u32, _: Vec<LedgerRow>) -> Answer<'_, ()> {
        none()
    }
    fn ledger(&self, _: JobId) -> Answer<'_, Vec<LedgerRow>> {
        none()
    }
    fn forget(&self, _: JobId, _: u32, _: usize) -> Answer<'_, ()> {
        none()
    }
    fn put_document(&self, _: JobId, _: u32, _: &'static str, _: Vec<u8>) -> Answer<'_, ()> {
        none()
    }
    fn document(&self, id: JobId, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        answer(Ok(self.0.lock().unwrap().documents.get(&(id, name)).cloned()))
    }
    fn put_usage(&self, _: JobId, _: u32, _: Vec<UsageRow>) -> Answer<'_, ()> {
        none()
    }
    fn usage(&self, query: UsageQuery) -> Answer<'_, Vec<UsageRow>> {
        let inner = self.0.lock().unwrap();
        let place = |row: &UsageRow| UsagePlace::of(row, query.by_owner);
        let asked = |row: &&UsageRow| {
            query.owner.as_ref().is_none_or(|owner| *owner == row.owner)
                && query.from_unix_ms.is_none_or(|from| row.ended_unix_ms >= from)
                && query.to_unix_ms.is_none_or(|to| row.ended_unix_ms < to)
                && query.after.as_ref().is_none_or(|after| place(row) > *after)
        };
        let mut rows: Vec<UsageRow> = inner.usage.iter().filter(asked).cloned().collect();
        rows.sort_by_key(place);
        // So few that a test sees several pages of the store.
        rows.truncate(query.limit.min(2));
        answer(Ok(rows))
    }
    fn forget_usage(&self, _: i64, _: usize) -> Answer<'_, usize> {
        none()
    }
    fn due(&self, _: i64, _: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)> {
        none()
    }
    fn settle(&self, _: u64, _: EffectAttempt, _: EffectState) -> Answer<'_, ()> {
        none()
    }
    fn expired(&self, _: i64, _: usize) -> Answer<'_, Vec<JobId>> {
        none()
    }
    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>> {
        none()
    }
}

/// An appliance over it.
pub(crate) struct Fake {
    kept: Arc<FakeStore>,
    store: Arc<dyn Store>,
    pub(crate) progress: Mutex<HashMap<JobId, watch::Sender<Arc<JobProgress>>>>,
    /// What `plan` and `probe` answer.
    pub(crate) planned: Mutex<Option<Planned>>,
    pub(crate) probed: Mutex<Result<MediaFacts, Problem>>,
    /// What was asked of `plan` last.
    pub(crate) asked: Mutex<Option<JobSpec>>,
    drained: Mutex<Option<Drain>>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        let kept = Arc::new(FakeStore::default());
        Arc::new(Self {
            store: kept.clone(),
            kept,
            progress: Mutex::default(),
            planned: Mutex::default(),
            probed: Mutex::new(Ok(MediaFacts::default())),
            asked: Mutex::default(),
            drained: Mutex::new(None),
        })
    }

    /// Changes a job, and stores it.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut JobRecord)) {
        let mut inner = self.kept.0.lock().unwrap();
        let mut record = inner.jobs[&id.parse().unwrap()].record.clone();
        change(&mut record);
        inner.keep(record);
    }

    /// Ends a job well, in the usual steps.
    pub(crate) fn succeed(&self, id: &str) {
        self.change(id, |job| {
            assert!(job.job(JobEvent::Begin, NOW_MS, None) && job.job(JobEvent::Prepared, NOW_MS, None));
        });
        self.change(id, |job| {
            for output in 0..job.outputs.len() {
                for event in [OutputEvent::Begin, OutputEvent::Encoded, OutputEvent::Publish] {
                    assert!(job.output(output, event, NOW_MS, None));
                }
            }
            assert!(job.job(JobEvent::Succeed, NOW_MS, None));
        });
    }

    /// Remembers something to be told to a webhook.
    pub(crate) fn effect(&self, effect: StoredEffect) {
        self.kept.0.lock().unwrap().effects.push(effect);
    }

    /// Stores the bill of an output.
    pub(crate) fn bill(&self, row: UsageRow) {
        self.kept.0.lock().unwrap().usage.push(row);
    }

    /// Stores a document beside a job.
    pub(crate) fn document(&self, id: &str, name: &'static str, body: Vec<u8>) {
        self.kept.0.lock().unwrap().documents.insert((id.parse().unwrap(), name), body);
    }

    /// Forgets a job, as if its record had been deleted by somebody else.
    pub(crate) fn forget(&self, id: &str) {
        let mut inner = self.kept.0.lock().unwrap();
        let id = id.parse().unwrap();
        inner.jobs.remove(&id);
        inner.channels.remove(&id);
    }

    fn stored(&self, id: JobId) -> Option<Stored> {
        self.kept.0.lock().unwrap().jobs.get(&id).cloned()
    }
}

fn reply<'a, T: Send + 'a>(result: Result<T, Problem>) -> Reply<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Appliance for Fake {
    fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn submit(&self, spec: JobSpec, key: Option<IdempotencyKey>) -> Reply<'_, (Stored, bool)> {
        Box::pin(async move {
            let record = JobRecord::new(JobId::new(), spec, NOW_MS);
            let id = record.id;
            Ok(match self.store.create(record, key).await? {
                Created::New(_) => (self.stored(id).unwrap(), false),
                Created::Existed(id) => (self.stored(id).unwrap(), true),
            })
        })
    }

    fn stop_job(&self, id: JobId) -> Reply<'_, StopOutcome> {
        let Some(stored) = self.stored(id) else { return reply(Ok(StopOutcome::NotFound)) };
        if stored.record.state().is_over() {
            return reply(Ok(StopOutcome::AlreadyEnded));
        }
        self.change(&id.to_string(), |job| assert!(job.job(JobEvent::Stop, NOW_MS, Some(Problem::cancelled()))));
        reply(Ok(StopOutcome::Stopping))
    }

    fn stop_outputs(&self, id: JobId, outputs: Vec<usize>) -> Reply<'_, Vec<StopOutcome>> {
        let mut outcomes = Vec::new();
        self.change(&id.to_string(), |job| {
            for output in outputs {
                let stopped = job.output(output, OutputEvent::Stop, NOW_MS, Some(Problem::cancelled()));
                outcomes.push(if stopped { StopOutcome::Stopping } else { StopOutcome::AlreadyEnded });
            }
        });
        reply(Ok(outcomes))
    }

    fn retry(&self, id: JobId, _: Vec<usize>) -> Reply<'_, Stored> {
        let stored = self.stored(id).unwrap();
        if !stored.record.state().is_over() {
            return reply(Err(Problem::input("job.not_over", "the job is not over: stop it first")));
        }
        self.change(&id.to_string(), |job| assert!(job.job(JobEvent::Retry, NOW_MS, None)));
        reply(Ok(self.stored(id).unwrap()))
    }

    fn delete(&self, id: JobId) -> Reply<'_, ()> {
        match self.stored(id) {
            Some(stored) if stored.record.state().is_over() => {
                Box::pin(async move { Ok(self.store.delete(id, stored.revision, Vec::new()).await?) })
            }
            _ => reply(Err(Problem::input("job.not_over", "the job is not over: stop it first"))),
        }
    }

    fn progress(&self, id: JobId) -> Option<watch::Receiver<Arc<JobProgress>>> {
        self.progress.lock().unwrap().get(&id).map(watch::Sender::subscribe)
    }

    fn probe(&self, _: Locator) -> Reply<'_, MediaFacts> {
        reply(self.probed.lock().unwrap().clone())
    }

    fn plan(&self, spec: JobSpec) -> Reply<'_, Planned> {
        *self.asked.lock().unwrap() = Some(spec);
        let planned = self.planned.lock().unwrap().clone();
        reply(planned.ok_or_else(|| Problem::input("source.not_found", "there is no such file: check its name")))
    }

    fn status(&self) -> NodeStatus {
        NodeStatus {
            started_unix_ms: NOW_MS,
            devices: vec![NodeDevice {
                id: "cpu".into(),
                kind: "cpu",
                name: "two cores".into(),
                capacity: vec![("cpu.threads".into(), 2, 1)],
                stages: vec!["decode", "encode"],
                info: Some(device_info()),
            }],
            jobs_queued: 3,
            jobs_active: 1,
            spans_running: 2,
            drain: self.drained.lock().unwrap().map(|drain| DrainStatus {
                since_unix_ms: NOW_MS,
                deadline_unix_ms: drain.deadline.map(|deadline| NOW_MS + deadline.as_millis() as i64),
                hand_back: drain.hand_back,
                handed_back: 0,
            }),
        }
    }

    fn drain(&self, drain: Option<Drain>) {
        *self.drained.lock().unwrap() = drain;
    }
}

/// A device of which something is known.
fn device_info() -> DeviceInfo {
    let ability = |depth, verdict| Ability {
        operation: Operation::Encode,
        codec: "hevc".into(),
        depth,
        verdict,
        size_min: (16, 16),
        size_max: (8192, 8192),
    };
    let no = Verdict::No { code: "device.no_engine".into(), reason: "none".into(), remedy: "another".into() };
    DeviceInfo {
        id: DeviceId("cpu".into()),
        kind: DeviceKind::Cpu,
        name: "two cores".into(),
        driver: "a driver".into(),
        address: String::new(),
        model: "a model".into(),
        memory_mib: 2048,
        encode_engines: 1,
        decode_engines: 2,
        sessions_counted: false,
        threads: 2,
        simulated: true,
        built: None,
        abilities: vec![ability(8, Verdict::Works), ability(10, no), ability(0, Verdict::Untried)],
    }
}
