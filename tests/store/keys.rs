//! Idempotency keys: a request that is repeated makes one job.

use crate::fixture::{CREATED, get, in_state, job};
use reelmill::model::state::JobState;
use reelmill::store::{Created, IdempotencyKey, Store, StoreError};
use std::sync::Arc;

fn key(owner: &str, key: &str, body: u8) -> IdempotencyKey {
    IdempotencyKey { owner: owner.into(), key: key.into(), body_sha256: [body; 32] }
}

async fn create(store: &dyn Store, number: u128, key: IdempotencyKey) -> Result<Created, StoreError> {
    store.create(job(number), Some(key)).await
}

pub(crate) async fn a_key_makes_one_job(store: Arc<dyn Store>) {
    assert!(matches!(create(&*store, 1, key("a", "k", 1)).await, Ok(Created::New(_))));
    assert_eq!(create(&*store, 2, key("a", "k", 1)).await, Ok(Created::Existed(job(1).id)));
    // Even when the record has the same id.
    assert_eq!(create(&*store, 1, key("a", "k", 1)).await, Ok(Created::Existed(job(1).id)));
    assert_eq!(store.get(job(2).id).await, Ok(None));
}

pub(crate) async fn a_key_with_another_body_is_refused_and_stores_nothing(store: Arc<dyn Store>) {
    create(&*store, 1, key("a", "k", 1)).await.unwrap();
    assert_eq!(create(&*store, 2, key("a", "k", 2)).await, Err(StoreError::KeyReused));
    assert_eq!(store.get(job(2).id).await, Ok(None));
    assert_eq!(create(&*store, 3, key("a", "k", 1)).await, Ok(Created::Existed(job(1).id)));
}

pub(crate) async fn keys_of_other_owners_are_other_keys(store: Arc<dyn Store>) {
    create(&*store, 1, key("a", "bc", 1)).await.unwrap();
    assert!(matches!(create(&*store, 2, key("b", "bc", 2)).await, Ok(Created::New(_))));
    // Nor does it matter where the one ends and the other begins.
    assert!(matches!(create(&*store, 3, key("ab", "c", 3)).await, Ok(Created::New(_))));
    assert!(matches!(create(&*store, 4, key("", "abc", 4)).await, Ok(Created::New(_))));
}

pub(crate) async fn of_many_at_once_one_is_new(store: Arc<dyn Store>) {
    for round in 0..10_u128 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..16 {
            let store = Arc::clone(&store);
            let key = key("a", &round.to_string(), 1);
            tasks.spawn(async move { (number, create(&*store, round * 100 + number, key).await.unwrap()) });
        }
        let answers = tasks.join_all().await;
        let (new, existed): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, made)| matches!(made, Created::New(_)));
        assert_eq!(new.len(), 1);
        let id = job(round * 100 + new[0].0).id;
        assert!(existed.iter().all(|(_, made)| *made == Created::Existed(id)));
        get(&*store, id).await;
    }
}

pub(crate) async fn a_key_is_forgotten_with_its_job(store: Arc<dyn Store>) {
    let over = in_state(job(1), JobState::Succeeded, CREATED);
    let Created::New(revision) = store.create(over, Some(key("a", "k", 1))).await.unwrap() else { panic!("is new") };
    store.delete(job(1).id, revision, Vec::new()).await.unwrap();
    assert!(matches!(create(&*store, 2, key("a", "k", 2)).await, Ok(Created::New(_))));
}
