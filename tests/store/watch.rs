//! Watching: what was and what comes, each change once, and the end for certain.

use crate::fixture::{CREATED, change, create, events, get, history, in_state, job, problem, way_to};
use reelmill::model::JobId;
use reelmill::model::job::{Change, Subject};
use reelmill::model::state::{JobEvent, JobState, OutputState};
use reelmill::store::{CHANGES_IN_FLIGHT, Store, Told};
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// Reads what a watcher does not have yet, in parts, and gives the last revision.
async fn catch_up(store: &dyn Store, id: JobId, seen: &mut Vec<Change>) {
    loop {
        let after = seen.last().map_or(0, |change| change.revision);
        let part = store.history(id, after, 7).await.unwrap();
        if part.is_empty() {
            return;
        }
        seen.extend(part);
    }
}

/// Watches as the service does: subscribes, reads the history, then takes what is newer, until the end.
async fn watch(store: Arc<dyn Store>, id: JobId) -> Vec<Change> {
    let mut told = store.subscribe(id);
    let mut seen = Vec::new();
    catch_up(&*store, id, &mut seen).await;
    while !over(&seen) {
        match told.recv().await {
            Ok(next) => {
                if seen.last().is_none_or(|last| last.revision < next.change.revision) {
                    seen.push(next.change.clone());
                }
            }
            Err(RecvError::Lagged(_)) => catch_up(&*store, id, &mut seen).await,
            Err(RecvError::Closed) => panic!("closed before the end"),
        }
    }
    seen
}

fn over(seen: &[Change]) -> bool {
    matches!(seen.last(), Some(Change { subject: Subject::Job(state), .. }) if state.is_over())
}

/// Begins and suspends, many times over.
async fn go_around(store: &dyn Store, id: JobId, times: usize) {
    for _ in 0..times {
        events(store, id, &[JobEvent::Begin, JobEvent::Suspend], CREATED).await;
    }
}

pub(crate) async fn history_and_subscription_give_every_change_once_and_in_order(store: Arc<dyn Store>) {
    let id = job(1).id;
    create(&*store, job(1)).await;
    let mut watchers = tokio::task::JoinSet::new();
    for _ in 0..12 {
        watchers.spawn(watch(Arc::clone(&store), id));
        go_around(&*store, id, 10).await;
    }
    events(&*store, id, way_to(JobState::Succeeded), CREATED).await;
    watchers.spawn(watch(Arc::clone(&store), id));
    let all = history(&*store, id).await;
    assert_eq!(all.len(), 1 + 12 * 20 + 3);
    assert!(all.is_sorted_by(|a, b| a.revision < b.revision));
    assert_eq!(all.last().unwrap().revision, get(&*store, id).await.revision);
    for seen in watchers.join_all().await {
        assert!(seen == all, "a watcher saw {} of {} changes", seen.len(), all.len());
    }
}

pub(crate) async fn the_history_is_read_in_parts(store: Arc<dyn Store>) {
    let id = job(1).id;
    create(&*store, job(1)).await;
    go_around(&*store, id, 5).await;
    create(&*store, job(2)).await;
    let all = history(&*store, id).await;
    assert_eq!(all.len(), 11);
    assert_eq!(store.history(id, all[3].revision, 4).await.unwrap(), all[4..8]);
    assert_eq!(store.history(id, all[10].revision, 4).await, Ok(Vec::new()));
    assert_eq!(store.history(id, u64::MAX, 4).await, Ok(Vec::new()));
    assert_eq!(store.history(id, 0, 0).await, Ok(Vec::new()));
    assert_eq!(store.history(job(3).id, 0, 4).await, Ok(Vec::new()));
}

pub(crate) async fn a_subscriber_that_lags_is_told_so_and_misses_nothing(store: Arc<dyn Store>) {
    let id = job(1).id;
    create(&*store, job(1)).await;
    let (mut lagging, mut seen) = (store.subscribe(id), history(&*store, id).await);
    go_around(&*store, id, CHANGES_IN_FLIGHT).await;
    assert!(matches!(lagging.recv().await, Err(RecvError::Lagged(_))));
    catch_up(&*store, id, &mut seen).await;
    assert_eq!(seen.len(), 1 + 2 * CHANGES_IN_FLIGHT);
    // What is still in the channel is known by now; what comes next is new.
    let known = seen.last().unwrap().revision;
    while let Ok(told) = lagging.try_recv() {
        assert!(told.change.revision <= known);
    }
    events(&*store, id, &[JobEvent::Begin], CREATED).await;
    let fresh = lagging.try_recv().unwrap();
    assert!(fresh.change.revision > known);
    assert_eq!(fresh.change.subject, Subject::Job(JobState::Preparing));
}

/// What was told so far. A save that was answered has been told.
fn told(receiver: &mut Receiver<Arc<Told>>) -> Vec<(Subject, bool)> {
    let mut all = Vec::new();
    while let Ok(next) = receiver.try_recv() {
        all.push((next.change.subject.clone(), next.last));
    }
    all
}

pub(crate) async fn the_end_is_marked_and_a_retry_goes_on(store: Arc<dyn Store>) {
    let id = job(1).id;
    create(&*store, job(1)).await;
    let mut receiver = store.subscribe(id);
    change(&*store, id, Vec::new(), |record| *record = in_state(record.clone(), JobState::Failed, CREATED)).await;
    events(&*store, id, &[JobEvent::Retry, JobEvent::Stop], CREATED).await;
    // The output's change belongs to the same save, so the job's end is not the last of it.
    change(&*store, id, Vec::new(), |record| {
        assert!(record.job(JobEvent::EndStopped, CREATED, Some(problem())));
        record.playable(0, CREATED);
    })
    .await;
    let job = |state, last| (Subject::Job(state), last);
    let wanted = [
        job(JobState::Preparing, false),
        job(JobState::Failed, true),
        job(JobState::Queued, false),
        job(JobState::Stopping, false),
        job(JobState::Stopped, false),
        (Subject::Playable(0, OutputState::Pending), true),
    ];
    assert_eq!(told(&mut receiver), wanted);
}

pub(crate) async fn only_what_is_stored_of_this_job_is_told(store: Arc<dyn Store>) {
    let (mut first, mut second) = (store.subscribe(job(1).id), store.subscribe(job(2).id));
    let revision = create(&*store, job(1)).await;
    assert_eq!(told(&mut first), [(Subject::Job(JobState::Queued), false)]);
    store.save(revision + 1, in_state(job(1), JobState::Running, CREATED), Vec::new()).await.unwrap_err();
    store.create(job(1), None).await.unwrap_err();
    change(&*store, job(1).id, Vec::new(), |record| record.setbacks = 9).await;
    assert_eq!(told(&mut first), []);
    assert_eq!(told(&mut second), []);

    let mut late = store.subscribe(job(1).id);
    let begun =
        change(&*store, job(1).id, Vec::new(), |record| *record = in_state(record.clone(), JobState::Preparing, 7));
    let revision = begun.await;
    let next = late.try_recv().unwrap();
    assert_eq!(next, first.try_recv().unwrap());
    assert_eq!(Some(&next.change), history(&*store, job(1).id).await.last());
    assert_eq!((next.id, next.change.revision, next.change.unix_ms), (job(1).id, revision, 7));
}

pub(crate) async fn a_channel_closes_with_its_job(store: Arc<dyn Store>) {
    let id = job(1).id;
    let mut receiver = store.subscribe(id);
    let revision = create(&*store, in_state(job(1), JobState::Stopped, CREATED)).await;
    store.delete(id, revision + 1, Vec::new()).await.unwrap_err();
    assert_eq!(told(&mut receiver).len(), 3);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    store.delete(id, revision, Vec::new()).await.unwrap();
    assert_eq!(receiver.recv().await, Err(RecvError::Closed));
}
