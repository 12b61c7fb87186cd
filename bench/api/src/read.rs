//! What reads cost when many jobs are stored: pages of lists, single jobs, jobs in bulk.

use crate::daemon::{Jobs, timed};
use crate::job::reference;
use crate::{Outcome, Times};
use reelmill::api::v1;
use std::collections::BTreeMap;

/// Jobs on a page when no number is asked for, and on the largest.
const PAGE_USUAL: usize = 50;
const PAGE_MAX: u32 = 500;
/// Jobs that are got at once.
const BATCH: usize = 100;

/// One kind of read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) what: String,
    /// Jobs in the answer.
    pub(crate) jobs: usize,
    pub(crate) times: Times,
    /// The promise is about it: a page of the usual length.
    pub(crate) promised: bool,
}

/// Reads in every way, each `calls` times, one call after another on one connection.
pub(crate) async fn reads(client: &Jobs, calls: usize) -> Outcome<Vec<Read>> {
    let (walk, ids, middle) = walk(client).await?;
    let label = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let (stopped, queued) = (vec![v1::JobState::Stopped.into()], vec![v1::JobState::Queued.into()]);
    let all = v1::ListJobsRequest::default;
    let lists = [
        ("first page", all()),
        ("page in the middle", v1::ListJobsRequest { page_token: middle, ..all() }),
        ("of a state that most have", v1::ListJobsRequest { states: queued.clone(), ..all() }),
        ("of a state that one in ten has", v1::ListJobsRequest { states: stopped.clone(), ..all() }),
        ("of a label that one in a hundred has", v1::ListJobsRequest { labels: label("batch", "batch-3"), ..all() }),
        ("of a label that all have", v1::ListJobsRequest { labels: label("kind", "upload"), ..all() }),
        (
            "of a label that one in twenty has, and a state",
            v1::ListJobsRequest { labels: label("tenant", "tenant-7"), states: stopped, ..all() },
        ),
        ("of a reference", v1::ListJobsRequest { reference_id: reference(ids.len() as u64 / 2), ..all() }),
        ("largest page", v1::ListJobsRequest { page_size: PAGE_MAX, ..all() }),
    ];
    let mut reads = Vec::new();
    for (what, request) in lists {
        let (times, jobs) =
            timed(calls, async |_| list(client, request.clone()).await.map(|page| page.0.len())).await?;
        let promised = request.page_size == 0;
        reads.push(Read { what: format!("list: {what}"), jobs, times, promised });
    }
    reads.push(Read { what: "list: every page, largest".into(), jobs: ids.len(), times: walk, promised: false });
    let any = |number: usize| ids.get(number * 7919 % ids.len()).cloned().unwrap_or_default();
    let (times, _) = timed(calls * 10, async |number| {
        Ok(client.clone().get_job(v1::GetJobRequest { id: any(number) }).await?.into_inner().job.is_some())
    })
    .await?;
    reads.push(Read { what: "get".into(), jobs: 1, times, promised: false });
    let (times, jobs) = timed(calls, async |number| {
        let ids = (0..BATCH).map(|at| any(number * BATCH + at)).collect();
        Ok(client.clone().batch_get_jobs(v1::BatchGetJobsRequest { ids }).await?.into_inner().results.len())
    })
    .await?;
    reads.push(Read { what: "get in bulk".into(), jobs, times, promised: false });
    Ok(reads)
}

/// Reads the whole list: how long each page took, all ids, and the token of a page in the middle.
async fn walk(client: &Jobs) -> Outcome<(Times, Vec<String>, String)> {
    let (mut times, mut ids, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    let mut request = v1::ListJobsRequest { page_size: PAGE_MAX, ..v1::ListJobsRequest::default() };
    loop {
        let began = std::time::Instant::now();
        let (page, next) = list(client, request.clone()).await?;
        times.push(began.elapsed());
        ids.extend(page);
        if next.is_empty() {
            break;
        }
        tokens.push(next.clone());
        request.page_token = next;
    }
    if ids.len() < PAGE_USUAL {
        return Err("too few jobs are stored".into());
    }
    let middle = tokens.get(tokens.len() / 2).cloned().unwrap_or_default();
    Ok((Times::new(times), ids, middle))
}

/// Ids on a page, and the token of the next.
async fn list(client: &Jobs, request: v1::ListJobsRequest) -> Outcome<(Vec<String>, String)> {
    let page = client.clone().list_jobs(request).await?.into_inner();
    Ok((page.jobs.into_iter().map(|job| job.id).collect(), page.next_page_token))
}

/// Stops the oldest jobs, `count` of them, so that jobs of another state are stored too.
pub(crate) async fn stop_oldest(client: &Jobs, count: usize) -> Outcome<usize> {
    let (_, ids, _) = walk(client).await?;
    let mut stopped = 0;
    for ids in ids.rchunks(PAGE_MAX as usize).take(count.div_ceil(PAGE_MAX as usize)) {
        let results = client.clone().stop_jobs(v1::StopJobsRequest { ids: ids.to_vec() }).await?.into_inner().results;
        stopped += results.iter().filter(|one| one.outcome() == v1::stop_result::Outcome::Stopping).count();
    }
    Ok(stopped)
}
