//! The outbox: effects stored with their cause, due until they are settled.

use crate::fixture::{CREATED, change, create, effect, get, in_state, job};
use reelmill::model::state::{JobEvent, JobState};
use reelmill::store::{Effect, EffectAttempt, EffectState, Store, StoreError, StoredEffect};
use std::sync::Arc;

pub(crate) fn attempt(unix_ms: i64) -> EffectAttempt {
    EffectAttempt { unix_ms, status: Some(503), error: "busy\0".into(), elapsed_ms: u32::MAX }
}

/// Has a change at `unix_ms` cause an effect, and gives the effect.
async fn cause(store: &dyn Store, number: u128, body: &str, unix_ms: i64) -> StoredEffect {
    change(store, job(number).id, vec![effect(body)], |record| record.playable(0, unix_ms)).await;
    store.effects(job(number).id).await.unwrap().pop().unwrap()
}

fn bodies(effects: &[StoredEffect]) -> Vec<String> {
    let body = |effect: &StoredEffect| match &effect.effect {
        Effect::Webhook { body, .. } => body.clone(),
        Effect::Remove { paths, .. } => paths.join(" "),
    };
    effects.iter().map(body).collect()
}

pub(crate) async fn effects_come_with_their_save_or_not_at_all(store: Arc<dyn Store>) {
    let revision = create(&*store, job(1)).await;
    let remove = Effect::Remove {
        output: 1,
        destination: "s3://out/second".parse().unwrap(),
        paths: vec!["cmaf/a.m4s".into(), "🎬\0".into()],
    };
    let begun = in_state(get(&*store, job(1).id).await.record, JobState::Preparing, CREATED + 5);
    store.save(revision, begun.clone(), vec![effect("first"), remove.clone()]).await.unwrap();
    assert_eq!(store.save(revision, begun, vec![effect("late")]).await, Err(StoreError::Conflict));

    let effects = store.effects(job(1).id).await.unwrap();
    assert_eq!(effects.iter().map(|e| e.effect.clone()).collect::<Vec<_>>(), [effect("first"), remove]);
    assert!(effects[0].id < effects[1].id);
    for stored in &effects {
        // Due at once: at the time of the change that caused it.
        let wanted = (job(1).id, CREATED + 5, EffectState::Due(CREATED + 5));
        assert_eq!((stored.job, stored.created_unix_ms, stored.state), wanted);
        assert!(stored.attempts.is_empty());
    }
    assert_eq!(store.due(CREATED + 5, 9).await, Ok((effects, None)));
    // Without a change the clock says when.
    change(&*store, job(1).id, vec![effect("third")], |_| {}).await;
    let third = store.effects(job(1).id).await.unwrap().pop().unwrap();
    assert!(third.created_unix_ms > CREATED && third.state == EffectState::Due(third.created_unix_ms));
}

pub(crate) async fn the_longest_due_comes_first_and_the_next_is_told(store: Arc<dyn Store>) {
    assert_eq!(store.due(i64::MAX, 9).await, Ok((Vec::new(), None)));
    for (number, (body, at)) in (1..).zip([("c", 30), ("a", 10), ("b", 20), ("a2", 10), ("d", -5)]) {
        create(&*store, job(number)).await;
        cause(&*store, number, body, at).await;
    }
    for (now, limit, wanted, next) in [
        (-6, 9, vec![], Some(-5)),
        (-5, 9, vec!["d"], Some(10)),
        (20, 9, vec!["d", "a", "a2", "b"], Some(30)),
        // What did not fit is due already.
        (20, 2, vec!["d", "a"], Some(10)),
        (20, 0, vec![], Some(-5)),
        (i64::MAX, usize::MAX, vec!["d", "a", "a2", "b", "c"], None),
    ] {
        let (due, at) = store.due(now, limit).await.unwrap();
        assert_eq!((bodies(&due), at), (wanted.into_iter().map(str::to_owned).collect(), next), "{now} {limit}");
    }
}

pub(crate) async fn attempts_are_kept_and_decide_when_it_is_due_again(store: Arc<dyn Store>) {
    create(&*store, job(1)).await;
    let (first, second) = (cause(&*store, 1, "1", 10).await, {
        change(&*store, job(1).id, vec![effect("2")], |record| record.playable(1, 20)).await;
        store.effects(job(1).id).await.unwrap().pop().unwrap()
    });
    store.settle(first.id, attempt(11), EffectState::Due(500)).await.unwrap();
    store.settle(first.id, attempt(12), EffectState::Due(400)).await.unwrap();
    let (due, next) = store.due(399, 9).await.unwrap();
    assert_eq!((due, next), (vec![second.clone()], Some(400)));
    let (due, _) = store.due(400, 9).await.unwrap();
    let tried =
        StoredEffect { state: EffectState::Due(400), attempts: vec![attempt(11), attempt(12)], ..first.clone() };
    assert_eq!(due, [second.clone(), tried.clone()]);

    let done = EffectAttempt { unix_ms: 400, status: None, error: String::new(), elapsed_ms: 0 };
    store.settle(first.id, done.clone(), EffectState::Done).await.unwrap();
    store.settle(second.id, attempt(401), EffectState::Dead).await.unwrap();
    assert_eq!(store.due(i64::MAX, 9).await, Ok((Vec::new(), None)));
    let attempts = [tried.attempts.clone(), vec![done]].concat();
    let wanted = [
        StoredEffect { state: EffectState::Done, attempts, ..first.clone() },
        StoredEffect { state: EffectState::Dead, attempts: vec![attempt(401)], ..second },
    ];
    assert_eq!(store.effects(job(1).id).await, Ok(wanted.to_vec()));
    assert_eq!(store.effects(job(2).id).await, Ok(Vec::new()));
    for unknown in [0, 99, u64::MAX] {
        assert_eq!(store.settle(unknown, attempt(1), EffectState::Done).await, Err(StoreError::NotFound));
    }
}

pub(crate) async fn effects_outlive_their_job_until_they_are_settled(store: Arc<dyn Store>) {
    let id = job(1).id;
    create(&*store, in_state(job(1), JobState::Running, CREATED)).await;
    let done = cause(&*store, 1, "done", 1).await;
    store.settle(done.id, attempt(1), EffectState::Done).await.unwrap();
    let revision = change(&*store, id, vec![effect("waits"), effect("dies")], |record| {
        assert!(record.job(JobEvent::Succeed, 2, None));
    })
    .await;
    let [_, waits, dies] = &store.effects(id).await.unwrap()[..] else { panic!("three effects") };
    store.delete(id, revision, vec![effect("remains")]).await.unwrap();

    let left = store.effects(id).await.unwrap();
    assert_eq!(bodies(&left), ["waits", "dies", "remains"]);
    assert!(left[2].id > dies.id, "ids are not used again");
    assert!(left[2].created_unix_ms > CREATED, "caused now, by the clock");
    assert_eq!(left[2].state, EffectState::Due(left[2].created_unix_ms));
    assert_eq!(store.due(i64::MAX, 9).await, Ok((left.clone(), None)));

    store.settle(waits.id, attempt(3), EffectState::Due(700)).await.unwrap();
    store.settle(dies.id, attempt(3), EffectState::Dead).await.unwrap();
    store.settle(left[2].id, attempt(3), EffectState::Done).await.unwrap();
    let wanted = StoredEffect { state: EffectState::Due(700), attempts: vec![attempt(3)], ..waits.clone() };
    assert_eq!(store.effects(id).await, Ok(vec![wanted]));
    store.settle(waits.id, attempt(4), EffectState::Done).await.unwrap();
    assert_eq!(store.effects(id).await, Ok(Vec::new()));
    assert_eq!(store.settle(waits.id, attempt(5), EffectState::Done).await, Err(StoreError::NotFound));

    create(&*store, job(2)).await;
    assert!(cause(&*store, 2, "new", 9).await.id > left[2].id, "ids are not used again");
}
