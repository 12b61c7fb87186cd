//! A thousand watchers of one job, each of which notes when it got which change.

use crate::daemon::{Daemon, Jobs};
use crate::job::Makes;
use crate::{Outcome, Times};
use reelmill::api::v1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use v1::watch_job_response::Event;

/// Longest life of the job that is watched.
const PATIENCE: Duration = Duration::from_secs(60);
/// Watchers that begin at a time: a node takes 512 calls at once, and sends the others away for a moment.
const BEGIN_AT_ONCE: usize = 256;

/// What came of one job that was watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// From each change's own time to its arrival, for each change and watcher. A change's time is taken before it is
    /// stored, and cut to milliseconds.
    pub(crate) after_change: Times,
    /// From a change's arrival at the first watcher to its arrival at each.
    pub(crate) after_first: Times,
    /// Changes that each watcher had to get while it watched.
    pub(crate) changes: usize,
    /// Messages of progress, over all watchers.
    pub(crate) progress: usize,
    /// How long it took until all watched.
    pub(crate) connected_after: Duration,
}

/// What one watcher got.
#[derive(Default)]
struct Seen {
    /// Revision, the change's own time, when it came; since 1970.
    changes: Vec<(u64, Duration, Duration)>,
    progress: usize,
    ended_well: bool,
}

/// Has a job, a `large` one or not, watched from before its beginning to its end.
///
/// # Errors
/// When a watcher missed a change, got one twice or in another order, or was not told of the end.
pub(crate) async fn watch(
    daemon: &Daemon,
    clients: &[Jobs],
    makes: &Makes,
    watchers: usize,
    large: bool,
) -> Outcome<Watched> {
    let mut first = clients.first().cloned().ok_or("there is no client")?;
    daemon.drain(true).await?;
    let job = first.create_job(makes.watched(large)).await?.into_inner().job.ok_or("there is no job in the answer")?;

    let began = std::time::Instant::now();
    let (watching, mut ready) = mpsc::channel(watchers);
    let beginning = Arc::new(Semaphore::new(BEGIN_AT_ONCE));
    let mut tasks = JoinSet::new();
    for client in clients.iter().cycle().take(watchers) {
        let request = v1::WatchJobRequest { id: job.id.clone(), after_revision: job.revision, omit_progress: false };
        tasks.spawn(follow(client.clone(), request, Arc::clone(&beginning), watching.clone()));
    }
    drop(watching);
    for _ in 0..watchers {
        tokio::select! {
            Some(()) = ready.recv() => {}
            Some(ended) = tasks.join_next() => {
                ended??;
                return Err("a watcher was sent away before the job began".into());
            }
            () = tokio::time::sleep(PATIENCE) => return Err("the watchers could not all begin in time".into()),
        }
    }
    let connected_after = began.elapsed();

    daemon.drain(false).await?;
    // As soon as it is taken up, nothing else is to be.
    while state(&mut first, &job.id).await? == v1::JobState::Queued {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    daemon.drain(true).await?;
    let seen = timeout(PATIENCE, tasks.join_all()).await.map_err(|_| "the job that was watched did not end in time")?;
    let seen = seen.into_iter().collect::<Outcome<Vec<Seen>>>()?;
    if state(&mut first, &job.id).await? != v1::JobState::Succeeded {
        return Err("the job that was watched did not succeed".into());
    }
    let history = v1::ListChangesRequest { id: job.id.clone(), after_revision: job.revision };
    let history = first.list_changes(history).await?.into_inner().changes;
    let revisions: Vec<u64> = history.iter().map(|change| change.revision).collect();
    judge(&seen, &revisions, connected_after)
}

/// Where a job stands.
pub(crate) async fn state(client: &mut Jobs, id: &str) -> Outcome<v1::JobState> {
    let answer = client.get_job(v1::GetJobRequest { id: id.to_owned() }).await?.into_inner();
    Ok(answer.job.ok_or("there is no job in the answer")?.state())
}

/// Follows to the end, and says when it has begun.
async fn follow(
    mut client: Jobs,
    request: v1::WatchJobRequest,
    beginning: Arc<Semaphore>,
    watching: mpsc::Sender<()>,
) -> Outcome<Seen> {
    let place = beginning.acquire().await?;
    let mut stream = client.watch_job(request).await?.into_inner();
    drop(place);
    let mut seen = Seen::default();
    while let Some(message) = stream.message().await? {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        match message.event {
            Some(Event::Job(_)) => watching.send(()).await?,
            Some(Event::Change(change)) => {
                let time = change.time.ok_or("a change without a time")?;
                seen.changes.push((change.revision, Duration::new(time.seconds as u64, time.nanos as u32), now));
            }
            Some(Event::Progress(_)) => seen.progress += 1,
            None => return Err("a message without an event".into()),
        }
        seen.ended_well = message.last;
    }
    Ok(seen)
}

fn judge(seen: &[Seen], revisions: &[u64], connected_after: Duration) -> Outcome<Watched> {
    let mut first = BTreeMap::new();
    for one in seen {
        if !one.ended_well || !one.changes.iter().map(|(revision, ..)| revision).eq(revisions) {
            let got = one.changes.len();
            return Err(format!("a watcher got {got} of {} changes, or no end", revisions.len()).into());
        }
        for (revision, _, came) in &one.changes {
            let first = first.entry(*revision).or_insert(*came);
            *first = (*first).min(*came);
        }
    }
    let all = || seen.iter().flat_map(|one| &one.changes);
    let since_first = |(revision, _, came): &(u64, _, Duration)| Some(came.saturating_sub(*first.get(revision)?));
    Ok(Watched {
        after_change: Times::new(all().map(|(_, time, came)| came.saturating_sub(*time)).collect()),
        after_first: Times::new(all().filter_map(since_first).collect()),
        changes: revisions.len(),
        progress: seen.iter().map(|one| one.progress).sum(),
        connected_after,
    })
}
