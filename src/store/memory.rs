//! The store of one command: everything in memory, gone with the process.
//!
//! The same rules as in SQLite, under one lock. A method checks everything before it changes anything, so what is refused
//! leaves nothing behind. Bounded by what one command does: it makes one job.

use super::hub::{self, Hub, News};
use super::memory_log::Log;
use super::{
    Answer, Created, Effect, EffectAttempt, EffectState, IdempotencyKey, LedgerEntry, LedgerRow, LogEntry, LogPage,
    LogQuery, PAGE_MAX, Page, Query, Store, StoreError, Stored, StoredEffect, Told, Waiting,
};
use super::{UsagePlace, UsageQuery};
use crate::model::bill::UsageRow;
use crate::model::job::Change;
use crate::model::state::JobState;
use crate::model::{JobId, JobRecord, Revision};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::broadcast;

/// Keeps jobs for as long as the process lives.
#[derive(Debug)]
pub struct Memory {
    kept: Mutex<Kept>,
    hub: Hub,
    clock: fn() -> i64,
}

#[derive(Debug, Default)]
struct Kept {
    jobs: BTreeMap<JobId, Job>,
    /// By owner and key: the body and the job.
    keys: BTreeMap<(String, String), ([u8; 32], JobId)>,
    effects: BTreeMap<u64, StoredEffect>,
    usage: BTreeMap<(JobId, usize), UsageRow>,
    /// The last one given out.
    revision: Revision,
    /// The last one given out.
    effect: u64,
}

#[derive(Debug)]
struct Job {
    record: JobRecord,
    revision: Revision,
    changes: Vec<Change>,
    /// By output: its tracks, in the order in which they began.
    ledger: BTreeMap<usize, Vec<Track>>,
    documents: BTreeMap<&'static str, Vec<u8>>,
    log: Log,
}

/// A track: its name, its header, its segments by index.
#[derive(Debug)]
struct Track {
    name: String,
    header: Option<LedgerEntry>,
    segments: BTreeMap<u32, (i64, LedgerEntry)>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_clock(super::now_unix_ms)
    }

    /// An empty store that asks `clock` for the time of day, ms since 1970, when an effect comes without a change.
    pub fn with_clock(clock: fn() -> i64) -> Self {
        Self { kept: Mutex::default(), hub: Hub::default(), clock }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Kept>, StoreError> {
        self.kept.lock().map_err(|_| StoreError::Broken("the store has ended after a fault of its own".into()))
    }

    /// An answer that is there at once, once it is asked for.
    fn answer<'a, T: 'a>(
        &'a self,
        make: impl FnOnce(&mut Kept, &Self) -> Result<T, StoreError> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move { make(&mut *self.lock()?, self) })
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    fn job(&self, id: JobId) -> Result<&Job, StoreError> {
        self.jobs.get(&id).ok_or(StoreError::NotFound)
    }

    fn fenced(&mut self, id: JobId, attempt: u32) -> Result<&mut Job, StoreError> {
        let job = self.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        if job.record.attempt == attempt { Ok(job) } else { Err(StoreError::Fenced) }
    }

    fn get(&self, id: JobId) -> Option<Stored> {
        self.jobs.get(&id).map(|job| Stored { record: job.record.clone(), revision: job.revision })
    }

    fn add_effects(&mut self, job: JobId, effects: Vec<Effect>, created_unix_ms: i64) {
        for effect in effects {
            self.effect += 1;
            let (id, state) = (self.effect, EffectState::Due(created_unix_ms));
            self.effects.insert(id, StoredEffect { id, job, created_unix_ms, effect, state, attempts: Vec::new() });
        }
    }

    fn create(&mut self, mut record: JobRecord, key: Option<IdempotencyKey>, hub: &Hub) -> Result<Created, StoreError> {
        if let Some(key) = &key
            && let Some((body, job)) = self.keys.get(&(key.owner.clone(), key.key.clone()))
        {
            return if *body == key.body_sha256 { Ok(Created::Existed(*job)) } else { Err(StoreError::KeyReused) };
        }
        let Entry::Vacant(place) = self.jobs.entry(record.id) else { return Err(StoreError::Conflict) };
        let mut changes = record.take_changes();
        self.revision = hub::number(&mut changes, self.revision);
        if let Some(key) = key {
            self.keys.insert((key.owner, key.key), (key.body_sha256, record.id));
        }
        hub.tell(News::of(&record, changes.clone()));
        let (ledger, documents) = (BTreeMap::new(), BTreeMap::new());
        let (revision, log) = (self.revision, Log::default());
        place.insert(Job { record, revision, changes, ledger, documents, log });
        Ok(Created::New(self.revision))
    }

    fn save(
        &mut self,
        over: Revision,
        mut record: JobRecord,
        effects: Vec<Effect>,
        store: &Memory,
    ) -> Result<Revision, StoreError> {
        let id = record.id;
        let job = self.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        if job.revision != over {
            return Err(StoreError::Conflict);
        }
        let mut changes = record.take_changes();
        self.revision = hub::number(&mut changes, self.revision);
        store.hub.tell(News::of(&record, changes.clone()));
        let caused = hub::caused_unix_ms(&changes, store.clock);
        (job.record, job.revision) = (record, self.revision);
        job.changes.extend(changes);
        self.add_effects(id, effects, caused);
        Ok(self.revision)
    }

    fn list(&self, query: &Query) -> Page {
        let limit = query.limit.min(PAGE_MAX);
        let older = self.jobs.iter().rev().filter(|(id, _)| query.before.is_none_or(|before| **id < before));
        let mut found = older.filter(|(_, job)| matches(&job.record, query));
        let jobs = found.by_ref().take(limit).map(|(_, job)| {
            let mut record = job.record.clone();
            record.inputs.iter_mut().for_each(|input| input.facts = None);
            Stored { record, revision: job.revision }
        });
        Page { jobs: jobs.collect(), more: found.next().is_some() }
    }

    fn settle(&mut self, effect: u64, attempt: EffectAttempt, state: EffectState) -> Result<(), StoreError> {
        let kept = self.effects.get_mut(&effect).ok_or(StoreError::NotFound)?;
        kept.attempts.push(attempt);
        kept.state = state;
        if !is_due(kept) && !self.jobs.contains_key(&kept.job) {
            self.effects.remove(&effect);
        }
        Ok(())
    }

    fn due(&self, now_unix_ms: i64, limit: usize) -> (Vec<StoredEffect>, Option<i64>) {
        let due = self.effects.values().filter_map(|effect| match effect.state {
            EffectState::Due(at) => Some((at, effect)),
            _ => None,
        });
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(at, effect)| (*at, effect.id));
        let ready = due.iter().take_while(|(at, _)| *at <= now_unix_ms).count().min(limit);
        let next = due.get(ready).map(|(at, _)| *at);
        (due[..ready].iter().map(|(_, effect)| (*effect).clone()).collect(), next)
    }

    fn delete(&mut self, id: JobId, over: Revision, effects: Vec<Effect>, store: &Memory) -> Result<(), StoreError> {
        let job = self.job(id)?;
        if job.revision != over || !job.record.state().is_over() {
            return Err(StoreError::Conflict);
        }
        self.jobs.remove(&id);
        self.keys.retain(|_, (_, job)| *job != id);
        self.effects.retain(|_, effect| effect.job != id || is_due(effect));
        self.add_effects(id, effects, (store.clock)());
        store.hub.tell([News::Deleted(id)]);
        Ok(())
    }
}

impl Job {
    fn append(&mut self, rows: Vec<LedgerRow>) {
        for row in rows {
            let tracks = self.ledger.entry(row.output).or_default();
            let at = tracks.iter().position(|track| track.name == row.track).unwrap_or_else(|| {
                tracks.push(Track { name: row.track, header: None, segments: BTreeMap::new() });
                tracks.len() - 1
            });
            let index = match &row.entry {
                LedgerEntry::Track(_) => None,
                LedgerEntry::Segment(segment) => Some((segment.record.index, segment.record.start)),
                LedgerEntry::Picture(picture) => Some((picture.number, i64::from(picture.number))),
            };
            match index {
                None => tracks[at].header = Some(row.entry),
                Some((index, start)) => drop(tracks[at].segments.insert(index, (start, row.entry))),
            }
        }
    }

    fn ledger(&self) -> Vec<LedgerRow> {
        let mut rows = Vec::new();
        for (output, track) in self.ledger.iter().flat_map(|(output, tracks)| tracks.iter().map(move |t| (*output, t)))
        {
            let mut segments: Vec<_> = track.segments.iter().collect();
            segments.sort_by_key(|(index, (start, _))| (*start, **index));
            let entries = track.header.iter().chain(segments.into_iter().map(|(_, (_, entry))| entry));
            rows.extend(entries.map(|entry| LedgerRow { output, track: track.name.clone(), entry: entry.clone() }));
        }
        rows
    }
}

fn is_due(effect: &StoredEffect) -> bool {
    matches!(effect.state, EffectState::Due(_))
}

/// Whether a record is one that the query asks for, but for its place.
fn matches(record: &JobRecord, query: &Query) -> bool {
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    (query.states.is_empty() || query.states.contains(&record.state()))
        && is(&query.owner, &record.spec.owner)
        && is(&query.reference_id, &record.spec.reference_id)
        && query.labels.iter().all(|(name, value)| record.spec.labels.get(name) == Some(value))
        && query.created_from_unix_ms.is_none_or(|from| record.created_unix_ms >= from)
        && query.created_to_unix_ms.is_none_or(|to| record.created_unix_ms < to)
}

impl Store for Memory {
    fn create(&self, record: JobRecord, key: Option<IdempotencyKey>) -> Answer<'_, Created> {
        self.answer(move |kept, store| kept.create(record, key, &store.hub))
    }

    fn get(&self, id: JobId) -> Answer<'_, Option<Stored>> {
        self.answer(move |kept, _| Ok(kept.get(id)))
    }

    fn get_many(&self, ids: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>> {
        self.answer(move |kept, _| Ok(ids.into_iter().map(|id| kept.get(id)).collect()))
    }

    fn list(&self, query: Query) -> Answer<'_, Page> {
        self.answer(move |kept, _| Ok(kept.list(&query)))
    }

    fn save(&self, over: Revision, record: JobRecord, effects: Vec<Effect>) -> Answer<'_, Revision> {
        self.answer(move |kept, store| kept.save(over, record, effects, store))
    }

    fn history(&self, id: JobId, after: Revision, limit: usize) -> Answer<'_, Vec<Change>> {
        self.answer(move |kept, _| {
            let changes = kept.jobs.get(&id).map(|job| job.changes.iter()).into_iter().flatten();
            Ok(changes.filter(|change| change.revision > after).take(limit).cloned().collect())
        })
    }

    fn subscribe(&self, id: JobId) -> broadcast::Receiver<Arc<Told>> {
        self.hub.subscribe(id)
    }

    fn unfinished(&self) -> Answer<'_, Vec<Waiting>> {
        self.answer(|kept, _| {
            let jobs = kept.jobs.iter().filter(|(_, job)| !job.record.state().is_over());
            Ok(jobs
                .map(|(id, Job { record, .. })| Waiting {
                    id: *id,
                    priority: record.spec.priority,
                    not_before_unix_ms: record.not_before_unix_ms,
                    state: record.state(),
                })
                .collect())
        })
    }

    fn append(&self, id: JobId, attempt: u32, rows: Vec<LedgerRow>) -> Answer<'_, ()> {
        self.answer(move |kept, _| kept.fenced(id, attempt).map(|job| job.append(rows)))
    }

    fn ledger(&self, id: JobId) -> Answer<'_, Vec<LedgerRow>> {
        self.answer(move |kept, _| Ok(kept.jobs.get(&id).map(Job::ledger).unwrap_or_default()))
    }

    fn forget(&self, id: JobId, attempt: u32, output: usize) -> Answer<'_, ()> {
        self.answer(move |kept, _| kept.fenced(id, attempt).map(|job| drop(job.ledger.remove(&output))))
    }

    fn put_document(&self, id: JobId, attempt: u32, name: &'static str, body: Vec<u8>) -> Answer<'_, ()> {
        self.answer(move |kept, _| kept.fenced(id, attempt).map(|job| drop(job.documents.insert(name, body))))
    }

    fn document(&self, id: JobId, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        self.answer(move |kept, _| Ok(kept.jobs.get(&id).and_then(|job| job.documents.get(name)).cloned()))
    }

    fn append_log(&self, id: JobId, lines: Vec<LogEntry>) -> Answer<'_, ()> {
        self.answer(move |kept, _| {
            let job = kept.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
            job.log.append(lines);
            Ok(())
        })
    }

    fn log(&self, id: JobId, query: LogQuery) -> Answer<'_, LogPage> {
        self.answer(move |kept, _| Ok(kept.jobs.get(&id).map(|job| job.log.read(&query)).unwrap_or_default()))
    }

    fn due(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)> {
        self.answer(move |kept, _| Ok(kept.due(now_unix_ms, limit)))
    }

    fn settle(&self, effect: u64, attempt: EffectAttempt, state: EffectState) -> Answer<'_, ()> {
        self.answer(move |kept, _| kept.settle(effect, attempt, state))
    }

    fn effects(&self, id: JobId) -> Answer<'_, Vec<StoredEffect>> {
        self.answer(move |kept, _| Ok(kept.effects.values().filter(|effect| effect.job == id).cloned().collect()))
    }

    fn delete(&self, id: JobId, over: Revision, effects: Vec<Effect>) -> Answer<'_, ()> {
        self.answer(move |kept, store| kept.delete(id, over, effects, store))
    }

    fn expired(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, Vec<JobId>> {
        self.answer(move |kept, _| {
            let expires = |(id, job): (&JobId, &Job)| job.record.expires_unix_ms().map(|at| (at, *id));
            let mut jobs: Vec<_> = kept.jobs.iter().filter_map(expires).filter(|(at, _)| *at <= now_unix_ms).collect();
            jobs.sort_unstable();
            Ok(jobs.into_iter().take(limit).map(|(_, id)| id).collect())
        })
    }

    fn put_usage(&self, id: JobId, attempt: u32, rows: Vec<UsageRow>) -> Answer<'_, ()> {
        self.answer(move |kept, _| {
            kept.fenced(id, attempt)?;
            kept.usage.extend(rows.into_iter().map(|row| ((id, row.output), row)));
            Ok(())
        })
    }

    fn usage(&self, query: UsageQuery) -> Answer<'_, Vec<UsageRow>> {
        self.answer(move |kept, _| {
            let mut rows: Vec<_> = kept.usage.values().filter(|row| query.takes(row)).cloned().collect();
            rows.sort_by_key(|row| UsagePlace::of(row, query.by_owner));
            rows.truncate(query.limit.min(PAGE_MAX));
            Ok(rows)
        })
    }

    fn forget_usage(&self, before_unix_ms: i64, limit: usize) -> Answer<'_, usize> {
        self.answer(move |kept, _| {
            let old = kept.usage.iter().filter(|(_, row)| row.ended_unix_ms < before_unix_ms);
            let mut old: Vec<_> = old.map(|(key, row)| (row.ended_unix_ms, *key)).collect();
            old.sort_unstable();
            old.truncate(limit);
            old.iter().for_each(|(_, key)| drop(kept.usage.remove(key)));
            Ok(old.len())
        })
    }

    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>> {
        self.answer(|kept, _| {
            let mut counts = BTreeMap::new();
            for job in kept.jobs.values() {
                *counts.entry(job.record.state()).or_default() += 1;
            }
            Ok(counts)
        })
    }
}
