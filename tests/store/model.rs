//! SQLite and memory give the same answers, whatever is done to them.

use crate::fixture::effect;
use crate::ledger::{header, segment};
use crate::lists::{drawn, drawn_query};
use crate::outbox::attempt;
use fastrand::Rng;
use reelmill::model::state::{InputEvent, JobEvent, OutputEvent};
use reelmill::model::{JobId, JobRecord};
use reelmill::store::{
    Effect, EffectState, IdempotencyKey, LedgerRow, Memory, Options, Query, Sqlite, Store, StoreError, Told,
};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;

/// Seeds that are tried; another one is taken with this variable.
const SEEDS: u64 = 24;
const SEED: &str = "REELMILL_TEST_SEED";
/// Operations on a pair of stores.
const STEPS: usize = 300;
/// Jobs that come and go.
const IDS: u128 = 6;

/// Both stores ask the same clock.
const fn clock() -> i64 {
    5_000
}

/// Something that is asked of a store.
#[derive(Clone, Debug)]
enum Operation {
    Create(Box<JobRecord>, Option<IdempotencyKey>),
    Save(u64, Box<JobRecord>, Vec<Effect>),
    Delete(JobId, u64, Vec<Effect>),
    Append(JobId, u32, Vec<LedgerRow>),
    Forget(JobId, u32, usize),
    Put(JobId, u32, &'static str, Vec<u8>),
    Settle(u64, EffectState),
    Read(JobId, u64, usize),
    List(Query),
    Queue(i64, usize),
}

/// An answer of any type, to be compared.
fn told(answer: Result<impl Debug, StoreError>) -> String {
    format!("{answer:?}\n")
}

impl Operation {
    async fn on(self, store: &dyn Store) -> String {
        match self {
            Self::Create(record, key) => told(store.create(*record, key).await),
            Self::Save(over, record, effects) => told(store.save(over, *record, effects).await),
            Self::Delete(id, over, effects) => told(store.delete(id, over, effects).await),
            Self::Append(id, attempt, rows) => told(store.append(id, attempt, rows).await),
            Self::Forget(id, attempt, output) => told(store.forget(id, attempt, output).await),
            Self::Put(id, attempt, name, body) => told(store.put_document(id, attempt, name, body).await),
            Self::Settle(id, state) => told(store.settle(id, attempt(1), state).await),
            Self::Read(id, after, limit) => {
                let all = (1..=IDS).rev().map(JobId::from_number).collect();
                told(store.get(id).await)
                    + &told(store.get_many(all).await)
                    + &told(store.history(id, after, limit).await)
                    + &told(store.ledger(id).await)
                    + &told(store.effects(id).await)
                    + &told(store.document(id, "plan").await)
            }
            Self::List(query) => told(store.list(query).await),
            Self::Queue(now, limit) => {
                told(store.due(now, limit).await)
                    + &told(store.expired(now, limit).await)
                    + &told(store.unfinished().await)
                    + &told(store.counts().await)
            }
        }
    }
}

/// Anything may happen to a record.
fn changed(random: &mut Rng, record: &mut JobRecord, now: i64) {
    use JobEvent::*;
    for _ in 0..random.usize(0..4) {
        let events = [Begin, Prepared, Suspend, Stop, Succeed, SucceedInPart, Fail, EndStopped, Retry];
        match random.u8(0..6) {
            0 => drop(record.input(0, random.choice([InputEvent::Check, InputEvent::Accept]).unwrap(), now, None)),
            1 => drop(record.output(
                random.usize(0..3),
                random.choice([OutputEvent::Begin, OutputEvent::Fail]).unwrap(),
                now,
                None,
            )),
            2 => record.inputs[0].facts = random.bool().then(Default::default),
            3 => drop(record.spec.labels.insert("team".into(), random.u8(0..3).to_string())),
            _ => drop(record.job(random.choice(events).unwrap(), now, None)),
        }
    }
}

fn effects(random: &mut Rng) -> Vec<Effect> {
    (0..random.usize(0..3)).map(|n| effect(&n.to_string())).collect()
}

/// Draws the next operation; `reference` says what there is.
async fn draw(random: &mut Rng, reference: &dyn Store) -> Operation {
    let id = JobId::from_number(random.u128(1..=IDS));
    let now = random.i64(0..10_000);
    let found = reference.get(id).await.unwrap();
    let (revision, attempt) = found.as_ref().map_or((1, 1), |found| (found.revision, found.record.attempt));
    // Mostly what is right; sometimes what is late or early.
    let near = |random: &mut Rng, right: u64| {
        if random.u8(0..6) == 0 { (right + random.u64(0..3)).saturating_sub(1) } else { right }
    };
    let attempt = near(random, attempt.into()) as u32;
    let over = near(random, revision);
    match random.u8(0..14) {
        0 | 1 => {
            let number = random.u8(0..4);
            let key =
                IdempotencyKey { owner: "ada".into(), key: number.to_string(), body_sha256: [random.u8(0..2); 32] };
            Operation::Create(Box::new(drawn(random, id.number())), random.bool().then_some(key))
        }
        2..=5 => {
            let mut record = found.map_or_else(|| drawn(random, id.number()), |found| found.record);
            changed(random, &mut record, now);
            Operation::Save(over, Box::new(record), effects(random))
        }
        6 => Operation::Delete(id, over, effects(random)),
        7 | 8 => {
            let mut row = |_| {
                let (output, track) = (random.usize(0..2), random.choice(["a", "b", "\0"]).unwrap());
                let (index, start) = (random.u32(0..5), random.i64(-3..3));
                if random.u8(0..4) == 0 {
                    header(output, track, &index.to_string())
                } else {
                    segment(output, track, index, start)
                }
            };
            Operation::Append(id, attempt, (0..6).map(&mut row).collect())
        }
        9 => Operation::Forget(id, attempt, random.usize(0..2)),
        10 => Operation::Put(id, attempt, "plan", vec![random.u8(..)]),
        11 => {
            let state = random.choice([EffectState::Due(now), EffectState::Done, EffectState::Dead]).unwrap();
            Operation::Settle(random.u64(0..30), state)
        }
        12 => Operation::List(drawn_query(random)),
        _ => Operation::Queue(random.i64(0..2_000_000_000_000), random.usize(0..20)),
    }
}

/// What a subscriber was told since it was last asked.
fn heard(receiver: &mut Receiver<Arc<Told>>) -> String {
    let mut text = String::new();
    loop {
        match receiver.try_recv() {
            Ok(told) => text += &format!("{told:?}\n"),
            Err(error) => return text + &error.to_string(),
        }
    }
}

#[tokio::test]
async fn both_stores_answer_alike() {
    let chosen = std::env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok());
    let (mut done, mut refused) = (0, 0);
    for seed in chosen.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let mut random = Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open_with(dir.path(), Options { clock, ..Options::default() }).unwrap();
        let memory = Memory::with_clock(clock);
        let watched = JobId::from_number(1);
        let mut watchers = (sqlite.subscribe(watched), memory.subscribe(watched));
        for step in 0..STEPS {
            let operation = draw(&mut random, &memory).await;
            let place = format!("{SEED}={seed}, step {step}, {operation:#?}");
            let (ours, theirs) = (operation.clone().on(&sqlite).await, operation.on(&memory).await);
            assert_eq!(ours, theirs, "{place}");
            if ours.starts_with("Ok") {
                done += 1
            } else {
                refused += 1
            }
            let read = Operation::Read(JobId::from_number(random.u128(1..=IDS)), random.u64(0..50), random.usize(0..9));
            assert_eq!(read.clone().on(&sqlite).await, read.on(&memory).await, "after {place}");
            assert_eq!(heard(&mut watchers.0), heard(&mut watchers.1), "after {place}");
            if random.u8(0..20) == 0 {
                watchers = (sqlite.subscribe(watched), memory.subscribe(watched));
            }
        }
    }
    assert!(done > refused && refused > 0, "{done} done, {refused} refused");
}
