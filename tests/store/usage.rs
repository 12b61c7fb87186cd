//! Bills: they outlive their jobs, are replaced as a whole, and come in order.

use crate::fixture::{CREATED, in_state, job};
use reelmill::model::JobId;
use reelmill::model::bill::{OutputUsage, UsageRow};
use reelmill::model::state::JobState;
use reelmill::model::usage::{Figure, Method};
use reelmill::store::{Created, Store, StoreError, UsagePlace, UsageQuery};
use std::sync::Arc;

/// A bill of a job, of so many bytes.
fn bill(number: u128, output: usize, owner: &str, ended_unix_ms: i64, bytes: u64) -> UsageRow {
    UsageRow {
        job: JobId::from_number(number),
        output,
        owner: owner.into(),
        reference_id: "film".into(),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        ended_unix_ms,
        usage: OutputUsage {
            output: format!("output-{output}"),
            read_bytes: Some(Figure::new(bytes, Method::Counted)),
            ..OutputUsage::default()
        },
    }
}

async fn running(store: &dyn Store, number: u128) -> JobId {
    let record = in_state(job(number), JobState::Running, CREATED);
    let id = record.id;
    assert!(matches!(store.create(record, None).await, Ok(Created::New(_))));
    id
}

/// Three jobs of two owners.
async fn some(store: &dyn Store) {
    for (number, owner, ended) in [(1, "bob", 100), (2, "ann", 200), (3, "bob", 300)] {
        let id = running(store, number).await;
        let rows = vec![bill(number, 0, owner, ended, 1), bill(number, 1, owner, ended, 2)];
        store.put_usage(id, 1, rows).await.unwrap();
    }
}

fn places(rows: &[UsageRow]) -> Vec<(u128, usize)> {
    rows.iter().map(|row| (row.job.number(), row.output)).collect()
}

pub(crate) async fn bills_come_back_as_they_were_and_in_order(store: Arc<dyn Store>) {
    some(&*store).await;
    let all = UsageQuery { limit: 99, ..UsageQuery::default() };
    let rows = store.usage(all.clone()).await.unwrap();
    assert_eq!(places(&rows), [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]);
    assert_eq!(rows[3], bill(2, 1, "ann", 200, 2));
    let rows = store.usage(UsageQuery { by_owner: true, ..all.clone() }).await.unwrap();
    assert_eq!(places(&rows), [(2, 0), (2, 1), (1, 0), (1, 1), (3, 0), (3, 1)]);
    let of = |owner: &str| UsageQuery { owner: Some(owner.into()), ..all.clone() };
    assert_eq!(places(&store.usage(of("bob")).await.unwrap()), [(1, 0), (1, 1), (3, 0), (3, 1)]);
    assert!(store.usage(of("")).await.unwrap().is_empty());
    let time = UsageQuery { from_unix_ms: Some(200), to_unix_ms: Some(300), ..all };
    assert_eq!(places(&store.usage(time).await.unwrap()), [(2, 0), (2, 1)]);
}

pub(crate) async fn pages_of_bills_follow_one_another(store: Arc<dyn Store>) {
    some(&*store).await;
    for by_owner in [false, true] {
        let whole = store.usage(UsageQuery { by_owner, limit: 99, ..UsageQuery::default() }).await.unwrap();
        for limit in 1..7 {
            let (mut rows, mut after) = (Vec::new(), None);
            loop {
                let page = store.usage(UsageQuery { by_owner, limit, after, ..UsageQuery::default() }).await.unwrap();
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(UsagePlace::of(last, by_owner));
                rows.extend(page);
            }
            assert_eq!(rows, whole);
        }
    }
    let after = Some(UsagePlace::behind("ann".into()));
    let rest = store.usage(UsageQuery { by_owner: true, after, limit: 1, ..UsageQuery::default() }).await.unwrap();
    assert_eq!(places(&rest), [(1, 0)]);
}

pub(crate) async fn a_job_that_ends_again_has_one_bill(store: Arc<dyn Store>) {
    let id = running(&*store, 1).await;
    store.put_usage(id, 1, vec![bill(1, 0, "ann", 100, 1)]).await.unwrap();
    store.put_usage(id, 1, vec![bill(1, 0, "ann", 200, 5)]).await.unwrap();
    let rows = store.usage(UsageQuery { limit: 9, ..UsageQuery::default() }).await.unwrap();
    assert_eq!(rows, [bill(1, 0, "ann", 200, 5)]);
    let refused = store.put_usage(id, 2, vec![bill(1, 0, "ann", 300, 9)]).await;
    assert_eq!(refused, Err(StoreError::Fenced), "an attempt that is over writes nothing");
    let refused = store.put_usage(JobId::from_number(7), 1, Vec::new()).await;
    assert_eq!(refused, Err(StoreError::NotFound));
    assert_eq!(store.usage(UsageQuery { limit: 9, ..UsageQuery::default() }).await.unwrap(), rows);
}

pub(crate) async fn bills_outlive_their_jobs_until_they_are_forgotten(store: Arc<dyn Store>) {
    let revision = crate::ending::whole(&*store, 1).await;
    let id = JobId::from_number(1);
    store.put_usage(id, 1, vec![bill(1, 0, "ann", 100, 1), bill(1, 1, "ann", 100, 2)]).await.unwrap();
    store.delete(id, revision, Vec::new()).await.unwrap();
    let all = UsageQuery { limit: 9, ..UsageQuery::default() };
    assert_eq!(places(&store.usage(all.clone()).await.unwrap()), [(1, 0), (1, 1)]);
    assert_eq!(store.forget_usage(100, 9).await, Ok(0), "what ended at the time is kept");
    assert_eq!(store.forget_usage(101, 1).await, Ok(1));
    assert_eq!(places(&store.usage(all.clone()).await.unwrap()), [(1, 1)]);
    assert_eq!(store.forget_usage(101, 9).await, Ok(1));
    assert!(store.usage(all).await.unwrap().is_empty());
}
