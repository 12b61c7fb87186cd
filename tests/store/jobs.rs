//! Records: created, read, saved over the revision that was read.

use crate::fixture::{CREATED, ODD, change, create, effect, get, history, in_state, job, problem};
use reelmill::model::facts::MediaFacts;
use reelmill::model::job::Subject;
use reelmill::model::state::{InputEvent, JobEvent, JobState, OutputEvent};
use reelmill::model::{JobId, JobRecord};
use reelmill::store::{IdempotencyKey, Query, Store, StoreError, Stored};
use std::sync::Arc;

/// A record with something in every field.
fn full(number: u128) -> JobRecord {
    let mut record = in_state(job(number), JobState::Running, CREATED + 10);
    record.spec.labels.insert("team".into(), "blue".into());
    record.spec.owner = "ada".into();
    record.spec.reference_id = "film-1".into();
    assert!(record.input(0, InputEvent::Check, CREATED + 11, None));
    assert!(record.input(0, InputEvent::Accept, CREATED + 12, Some(problem())));
    record.inputs[0].facts =
        Some(MediaFacts { container: "mov".into(), size_bytes: u64::MAX, ..MediaFacts::default() });
    record.inputs[0].size_bytes = Some(u64::MAX);
    assert!(record.output(1, OutputEvent::Begin, CREATED + 13, None));
    record.playable(1, CREATED + 14);
    record.setbacks = u32::MAX;
    record.not_before_unix_ms = i64::MIN;
    record.problem = Some(problem());
    record
}

fn stored(mut record: JobRecord) -> JobRecord {
    record.take_changes();
    record
}

pub(crate) async fn a_record_comes_back_as_it_was_saved(store: Arc<dyn Store>) {
    let record = full(1);
    let revision = create(&*store, record.clone()).await;
    assert_eq!(get(&*store, record.id).await, Stored { record: stored(record.clone()), revision });
    assert_eq!(store.get(JobId::from_number(2)).await, Ok(None));

    let mut next = stored(record);
    next.inputs[0].facts = Some(MediaFacts { container: "ogg".into(), ..MediaFacts::default() });
    let revision = store.save(revision, next.clone(), Vec::new()).await.unwrap();
    assert_eq!(get(&*store, next.id).await, Stored { record: next.clone(), revision });
    next.inputs[0].facts = None;
    let revision = store.save(revision, next.clone(), Vec::new()).await.unwrap();
    assert_eq!(get(&*store, next.id).await, Stored { record: next, revision });
}

pub(crate) async fn odd_strings_are_kept_and_found(store: Arc<dyn Store>) {
    for (number, text) in (1..).zip(ODD) {
        let mut record = job(number);
        (record.spec.owner, record.spec.reference_id) = (text.into(), text.into());
        record.spec.labels = [(text.to_owned(), text.to_owned()), ("x".to_owned(), text.to_owned())].into();
        assert!(record.job(JobEvent::Begin, CREATED, Some(reelmill::model::Problem::input("a.b", text))));
        let key = IdempotencyKey { owner: text.into(), key: text.into(), body_sha256: [7; 32] };
        store.create(record.clone(), Some(key)).await.unwrap();
        assert_eq!(get(&*store, record.id).await.record, stored(record.clone()));
        assert_eq!(history(&*store, record.id).await[1].problem.as_ref().unwrap().message, text);
    }
    for (number, text) in (1..).zip(ODD) {
        let all = Query { limit: 99, ..Query::default() };
        let queries = [
            Query { owner: Some(text.into()), ..all.clone() },
            Query { reference_id: Some(text.into()), ..all.clone() },
            Query { labels: [(text.to_owned(), text.to_owned())].into(), ..all.clone() },
            Query { labels: [("x".to_owned(), text.to_owned())].into(), ..all },
        ];
        for query in queries {
            let page = store.list(query.clone()).await.unwrap();
            let ids: Vec<_> = page.jobs.iter().map(|job| job.record.id.number()).collect();
            assert_eq!(ids, [number], "{query:?}");
        }
    }
}

pub(crate) async fn many_are_got_in_the_order_of_their_ids(store: Arc<dyn Store>) {
    for number in 1..=3 {
        create(&*store, job(number)).await;
    }
    let ids: Vec<_> = [3, 9, 1, 3].into_iter().map(JobId::from_number).collect();
    let got = store.get_many(ids).await.unwrap();
    let numbers: Vec<_> = got.iter().map(|job| job.as_ref().map(|job| job.record.id.number())).collect();
    assert_eq!(numbers, [Some(3), None, Some(1), Some(3)]);
    assert_eq!(got[0], got[3]);
    assert_eq!(store.get_many(Vec::new()).await, Ok(Vec::new()));
}

pub(crate) async fn an_id_is_stored_once(store: Arc<dyn Store>) {
    let first = create(&*store, job(1)).await;
    let mut other = job(1);
    other.spec.owner = "somebody else".into();
    let key = IdempotencyKey { owner: String::new(), key: "k".into(), body_sha256: [0; 32] };
    assert_eq!(store.create(other, Some(key.clone())).await, Err(StoreError::Conflict));
    assert_eq!(get(&*store, job(1).id).await, Stored { record: stored(job(1)), revision: first });
    // The key was not used up.
    assert!(matches!(store.create(job(2), Some(key)).await, Ok(reelmill::store::Created::New(_))));
}

pub(crate) async fn a_save_over_another_revision_changes_nothing(store: Arc<dyn Store>) {
    let revision = create(&*store, job(1)).await;
    let before = get(&*store, job(1).id).await;
    let begun = in_state(before.record.clone(), JobState::Preparing, CREATED);
    for other in [0, revision - 1, revision + 1, u64::MAX] {
        let refused = store.save(other, begun.clone(), vec![effect("never")]).await;
        assert_eq!(refused, Err(StoreError::Conflict), "{other}");
    }
    assert_eq!(get(&*store, job(1).id).await, before);
    assert_eq!(history(&*store, job(1).id).await.len(), 1);
    assert_eq!(store.effects(job(1).id).await, Ok(Vec::new()));

    assert_eq!(store.save(1, job(2), vec![effect("never")]).await, Err(StoreError::NotFound));
    assert_eq!(store.get(job(2).id).await, Ok(None));
    assert_eq!(store.due(i64::MAX, 9).await, Ok((Vec::new(), None)));
}

pub(crate) async fn every_save_takes_the_next_revision_of_all_jobs(store: Arc<dyn Store>) {
    let first = create(&*store, job(1)).await;
    let second = create(&*store, in_state(job(2), JobState::Running, CREATED)).await;
    // Three changes: queued, preparing, running.
    assert_eq!(second, first + 3);
    let changes = history(&*store, job(2).id).await;
    assert_eq!(changes.iter().map(|change| change.revision).collect::<Vec<_>>(), [second - 2, second - 1, second]);
    let states = changes.iter().map(|change| change.subject.clone());
    let wanted = [JobState::Queued, JobState::Preparing, JobState::Running].map(Subject::Job);
    assert_eq!(states.collect::<Vec<_>>(), wanted);

    // A save without a change takes one too, or two who read the same could both save.
    let third = change(&*store, job(1).id, Vec::new(), |record| record.setbacks = 1).await;
    assert_eq!(third, second + 1);
    assert_eq!(history(&*store, job(1).id).await.len(), 1);
    assert_eq!(store.save(first, job(1), Vec::new()).await, Err(StoreError::Conflict));
    // What was refused took none.
    assert_eq!(create(&*store, job(3)).await, third + 1);
    assert_eq!(get(&*store, job(3).id).await.revision, third + 1);
}

pub(crate) async fn tasks_that_count_together_lose_nothing(store: Arc<dyn Store>) {
    const TASKS: u32 = 16;
    const EACH: u32 = 25;
    let id = job(1).id;
    create(&*store, job(1)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let (mut counted, mut conflicts) = (0, 0);
            while counted < EACH {
                let Stored { mut record, revision } = get(&*store, id).await;
                record.setbacks += 1;
                match store.save(revision, record, vec![effect("counted")]).await {
                    Ok(_) => counted += 1,
                    Err(StoreError::Conflict) => conflicts += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            conflicts
        });
    }
    let conflicts: u32 = tasks.join_all().await.into_iter().sum();
    assert_eq!(get(&*store, id).await.record.setbacks, TASKS * EACH);
    assert_eq!(store.effects(id).await.unwrap().len(), (TASKS * EACH) as usize, "after {conflicts} conflicts");
}

pub(crate) async fn what_is_no_longer_waited_for_is_done_whole_or_not_at_all(store: Arc<dyn Store>) {
    for number in 1..=50 {
        let mut record = job(number);
        record.spec.labels.insert("kind".into(), "left".into());
        // Asked for once, and then left.
        tokio::select! {
            biased;
            _ = store.create(record, None) => {}
            () = std::future::ready(()) => {}
        }
    }
    // Whatever is accepted before this one is done before it.
    create(&*store, job(99)).await;
    let labelled = Query { labels: [("kind".to_owned(), "left".to_owned())].into(), limit: 99, ..Query::default() };
    let found = store.list(labelled).await.unwrap().jobs;
    for number in 1..=50 {
        let id = JobId::from_number(number);
        let there = store.get(id).await.unwrap().is_some();
        assert_eq!(history(&*store, id).await.len(), usize::from(there));
        assert_eq!(found.iter().any(|job| job.record.id == id), there);
    }
}
