//! Lists: pages, filters, and jobs that come in meanwhile.

use crate::fixture::{CREATED, change, create, events, in_state, job};
use reelmill::model::facts::MediaFacts;
use reelmill::model::state::{JobEvent, JobState};
use reelmill::model::{JobId, JobRecord};
use reelmill::store::{PAGE_MAX, Page, Query, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn numbers(page: &Page) -> Vec<u128> {
    page.jobs.iter().map(|job| job.record.id.number()).collect()
}

pub(crate) async fn pages_are_newest_first_and_say_whether_there_is_more(store: Arc<dyn Store>) {
    assert_eq!(store.list(Query { limit: 5, ..Query::default() }).await, Ok(Page::default()));
    // Ids that would sort otherwise as text, as signed numbers, or by when they came.
    let ids = [1, 300, 2, u128::MAX, 1 << 127, 255, 256];
    for number in ids {
        create(&*store, JobRecord::new(JobId::from_number(number), crate::fixture::spec(), CREATED)).await;
    }
    let wanted = [u128::MAX, 1 << 127, 300, 256, 255, 2, 1];
    let mut before = None;
    for part in wanted.chunks(3) {
        let page = store.list(Query { limit: 3, before, ..Query::default() }).await.unwrap();
        assert_eq!(numbers(&page), part);
        assert_eq!(page.more, part.len() == 3);
        before = page.jobs.last().map(|job| job.record.id);
    }
    let all = store.list(Query { limit: 7, ..Query::default() }).await.unwrap();
    assert!(all.jobs.len() == 7 && !all.more);
    let none = store.list(Query::default()).await.unwrap();
    assert!(none.jobs.is_empty() && none.more);
    // Where the page before ended need not exist any more.
    let rest = Query { limit: 9, before: Some(JobId::from_number(257)), ..Query::default() };
    assert_eq!(numbers(&store.list(rest).await.unwrap()), [256, 255, 2, 1]);

    for number in 1000..1000 + PAGE_MAX as u128 {
        create(&*store, job(number)).await;
    }
    let most = store.list(Query { limit: usize::MAX, ..Query::default() }).await.unwrap();
    assert!(most.jobs.len() == PAGE_MAX && most.more);
}

pub(crate) async fn lists_come_without_facts(store: Arc<dyn Store>) {
    let mut record = job(1);
    record.inputs[0].facts = Some(MediaFacts::default());
    let revision = create(&*store, record.clone()).await;
    let page = store.list(Query { limit: 1, ..Query::default() }).await.unwrap();
    record.inputs[0].facts = None;
    record.take_changes();
    assert_eq!(page.jobs[0].record, record);
    assert_eq!(page.jobs[0].revision, revision);
}

/// A job that is drawn by chance, from few values so that filters find several.
pub(crate) fn drawn(random: &mut fastrand::Rng, number: u128) -> JobRecord {
    let mut record = job(number);
    record.created_unix_ms = CREATED + random.i64(0..50);
    record.spec.owner = random.choice(["", "ada", "bob"]).unwrap_or_default().into();
    record.spec.reference_id = random.choice(["", "r1", "r2", "r3"]).unwrap_or_default().into();
    for name in ["team", "show"] {
        if random.bool() {
            record.spec.labels.insert(name.into(), random.choice(["x", "y"]).unwrap_or_default().into());
        }
    }
    let state = random.choice(JobState::ALL).copied().unwrap_or(JobState::Queued);
    in_state(record, state, CREATED + 100)
}

pub(crate) fn drawn_query(random: &mut fastrand::Rng) -> Query {
    let mut query = Query { limit: random.usize(0..30), ..Query::default() };
    if random.bool() {
        query.states = random.choose_multiple(JobState::ALL, random.clone().usize(1..4)).into_iter().copied().collect();
        query.states.extend(query.states.first().copied());
    }
    if random.u8(0..3) == 0 {
        query.owner = random.choice(["", "ada", "nobody"]).map(str::to_owned);
    }
    if random.u8(0..3) == 0 {
        query.reference_id = random.choice(["", "r1", "none"]).map(str::to_owned);
    }
    for name in ["team", "show"] {
        if random.u8(0..3) == 0 {
            query.labels.insert(name.into(), random.choice(["x", "y", "z"]).unwrap_or_default().into());
        }
    }
    let time = |random: &mut fastrand::Rng| (random.u8(0..3) == 0).then(|| CREATED + random.i64(0..50));
    (query.created_from_unix_ms, query.created_to_unix_ms) = (time(random), time(random));
    query.before = (random.u8(0..3) == 0).then(|| JobId::from_number(random.u128(0..250)));
    query
}

fn fits(job: &JobRecord, query: &Query) -> bool {
    (query.states.is_empty() || query.states.contains(&job.state()))
        && query.owner.as_ref().is_none_or(|owner| *owner == job.spec.owner)
        && query.reference_id.as_ref().is_none_or(|reference| *reference == job.spec.reference_id)
        && query.labels.iter().all(|label| job.spec.labels.iter().any(|has| has == label))
        && query.created_from_unix_ms.is_none_or(|from| from <= job.created_unix_ms)
        && query.created_to_unix_ms.is_none_or(|to| job.created_unix_ms < to)
        && query.before.is_none_or(|before| job.id < before)
}

pub(crate) async fn every_mix_of_filters_gives_what_it_says(store: Arc<dyn Store>) {
    let mut random = fastrand::Rng::with_seed(17);
    let mut jobs: Vec<_> = (1..250).map(|number| drawn(&mut random, number)).collect();
    for job in &jobs {
        create(&*store, job.clone()).await;
    }
    jobs.reverse();
    let mut found = 0;
    for _ in 0..600 {
        let query = drawn_query(&mut random);
        let page = store.list(query.clone()).await.unwrap();
        let wanted: Vec<_> = jobs.iter().filter(|job| fits(job, &query)).map(|job| job.id.number()).collect();
        assert_eq!(numbers(&page), wanted[..wanted.len().min(query.limit)], "{query:?}");
        assert_eq!(page.more, wanted.len() > query.limit, "{query:?}");
        found += page.jobs.len();
    }
    assert!(found > 600, "the queries found too little to mean something: {found}");
}

pub(crate) async fn filters_follow_what_is_saved(store: Arc<dyn Store>) {
    let mut record = job(1);
    record.spec.labels.insert("team".into(), "blue".into());
    create(&*store, record).await;
    events(&*store, job(1).id, &[JobEvent::Begin], CREATED).await;
    change(&*store, job(1).id, Vec::new(), |record| {
        record.spec.labels = [("team".to_owned(), "red".to_owned())].into();
        (record.spec.owner, record.spec.reference_id) = ("ada".into(), "r".into());
    })
    .await;
    let label = |value: &str| [("team".to_owned(), value.to_owned())].into();
    let all = Query { limit: 9, ..Query::default() };
    for (query, found) in [
        (Query { states: vec![JobState::Queued], ..all.clone() }, false),
        (Query { states: vec![JobState::Preparing], ..all.clone() }, true),
        (Query { labels: label("blue"), ..all.clone() }, false),
        (Query { labels: label("red"), ..all.clone() }, true),
        (Query { owner: Some(String::new()), ..all.clone() }, false),
        (Query { owner: Some("ada".into()), ..all.clone() }, true),
        (Query { reference_id: Some("r".into()), ..all }, true),
    ] {
        assert_eq!(store.list(query.clone()).await.unwrap().jobs.len(), usize::from(found), "{query:?}");
    }
}

pub(crate) async fn pages_stay_whole_while_jobs_come_in(store: Arc<dyn Store>) {
    const OLD: u128 = 300;
    let owned = |number: u128| {
        let mut record = job(number);
        record.spec.owner = "ada".into();
        record
    };
    for number in 1..=OLD {
        create(&*store, owned(number)).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let adding = tokio::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            let mut number = OLD;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                create(&*store, owned(number)).await;
            }
        }
    });
    for owner in [None, Some("ada".to_owned())] {
        let (mut seen, mut before) = (BTreeSet::new(), None);
        loop {
            let page = store.list(Query { limit: 7, before, owner: owner.clone(), ..Query::default() }).await.unwrap();
            for number in numbers(&page) {
                assert!(before.is_none_or(|before| JobId::from_number(number) < before));
                assert!(seen.insert(number), "{number} twice");
            }
            before = page.jobs.last().map(|job| job.record.id).or(before);
            if !page.more {
                break;
            }
        }
        assert!((1..=OLD).all(|number| seen.contains(&number)), "none of those that were there is missing");
    }
    done.store(true, Ordering::Relaxed);
    adding.await.unwrap();
}
