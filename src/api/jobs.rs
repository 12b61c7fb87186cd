//! `reelmill.v1.JobService`.

use super::gate::Caller;
use super::shared::{Shared, caller, checked, failed};
use super::status::{refused, status};
use super::validate::Found;
use super::watch::{self, Changes};
use super::{convert, page, v1, validate};
use crate::dispatch::{StopOutcome, now_unix_ms};
use crate::model::{JobId, JobSpec, Problem};
use crate::report::traces::is_trace_parent;
use crate::store::{LogQuery, StoreError, Stored};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use v1::job_service_server::JobService;

/// Most ids in one call.
const IDS_MAX: usize = 500;
/// Most changes in one answer: some hundred kilobytes.
const CHANGES_MAX: usize = 1000;
/// Most lines of a log in one answer.
const LINES_MAX: usize = 1000;
/// Stops that are stored side by side, so that one sync of the disk serves several.
const STOPS_AT_ONCE: usize = 16;

/// Answers calls about jobs.
pub(super) struct Jobs(pub(super) Arc<Shared>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl JobService for Jobs {
    type WatchJobStream = Changes;

    async fn create_job(&self, request: Request<v1::CreateJobRequest>) -> Answer<v1::CreateJobResponse> {
        let caller = caller(&request)?;
        let parent = trace_parent(request.metadata());
        let request = request.into_inner();
        let mut found = Found::default();
        let key = validate::idempotency(&request, &caller.owner, &mut found);
        let spec = validate::job(request.job.as_ref(), &caller.owner, &self.0.settings);
        let spec = match spec {
            Ok(spec) if found.problems.is_empty() => spec,
            Ok(_) => return Err(refused(&found.problems)),
            Err(problems) => {
                found.problems.extend(problems);
                return Err(refused(&found.problems));
            }
        };
        if key.is_none() {
            validate::has_passed(spec.deadline_unix_ms, now_unix_ms(), &mut found);
            checked(&found)?;
        }
        let spec = JobSpec { trace_parent: parent, ..spec };
        let (stored, existed) = self.0.appliance.submit(spec, key).await.map_err(|problem| status(&problem))?;
        let job = Some(self.0.shown(&stored).await?);
        Ok(Response::new(v1::CreateJobResponse { job, existed }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Answer<v1::GetJobResponse> {
        let caller = caller(&request)?;
        let stored = self.0.job(&request.get_ref().id, &caller).await?;
        Ok(Response::new(v1::GetJobResponse { job: Some(self.0.shown(&stored).await?) }))
    }

    async fn batch_get_jobs(&self, request: Request<v1::BatchGetJobsRequest>) -> Answer<v1::BatchGetJobsResponse> {
        use v1::batch_get_jobs_response::{Result as One, result};
        let caller = caller(&request)?;
        let ids = request.into_inner().ids;
        let jobs = self.jobs(&ids, &caller).await?;
        let mut results = Vec::with_capacity(ids.len());
        for (id, job) in ids.into_iter().zip(jobs) {
            let result = match job {
                Ok(stored) => result::Result::Job(self.0.shown(&stored).await?),
                Err(problem) => result::Result::Problem(convert::problem(&problem)),
            };
            results.push(One { id, result: Some(result) });
        }
        Ok(Response::new(v1::BatchGetJobsResponse { results }))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Answer<v1::ListJobsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut found = Found::default();
        let query = page::query(&request, (!caller.admin).then(|| caller.owner.clone()), &mut found);
        checked(&found)?;
        let page = self.0.store().list(query).await.map_err(failed)?;
        let last = page.jobs.last().filter(|_| page.more);
        let next_page_token = last.map(|last| page::token(&request, last.record.id)).unwrap_or_default();
        let jobs = page.jobs.iter().map(convert::summary).collect();
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token }))
    }

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Answer<Changes> {
        let caller = caller(&request)?;
        watch::open(Arc::clone(&self.0), &caller, request.into_inner()).await.map(Response::new)
    }

    async fn stop_jobs(&self, request: Request<v1::StopJobsRequest>) -> Answer<v1::StopJobsResponse> {
        let caller = caller(&request)?;
        let ids = request.into_inner().ids;
        let jobs = self.jobs(&ids, &caller).await?;
        let stops = ids.into_iter().zip(jobs).map(|(id, job)| async move {
            match job {
                Ok(stored) => stop_result(id, self.0.appliance.stop_job(stored.record.id).await),
                Err(problem) if problem.code == "job.not_found" => stop_result(id, Ok(StopOutcome::NotFound)),
                Err(problem) => stop_result(id, Err(problem)),
            }
        });
        let results = stream::iter(stops).buffered(STOPS_AT_ONCE).collect().await;
        Ok(Response::new(v1::StopJobsResponse { results }))
    }

    async fn stop_outputs(&self, request: Request<v1::StopOutputsRequest>) -> Answer<v1::StopOutputsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut found = Found::default();
        found.count("output_ids", "ids of outputs", request.output_ids.len(), 1, IDS_MAX);
        checked(&found)?;
        let stored = self.0.job(&request.id, &caller).await?;
        let known = index_of(&stored);
        let mut indices: Vec<usize> = request.output_ids.iter().filter_map(|id| known.get(id).copied()).collect();
        indices.sort_unstable();
        indices.dedup();
        let stopped = self.0.appliance.stop_outputs(stored.record.id, indices.clone()).await;
        let outcomes = stopped.map_err(|problem| status(&problem))?;
        let came_of: BTreeMap<usize, StopOutcome> = indices.into_iter().zip(outcomes).collect();
        let results = request.output_ids.into_iter().map(|id| {
            let outcome = known.get(&id).and_then(|index| came_of.get(index)).copied();
            let result = stop_result(id, Ok(outcome.unwrap_or(StopOutcome::NotFound)));
            in_words_of_outputs(result)
        });
        Ok(Response::new(v1::StopOutputsResponse { results: results.collect() }))
    }

    async fn retry_job(&self, request: Request<v1::RetryJobRequest>) -> Answer<v1::RetryJobResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let stored = self.0.job(&request.id, &caller).await?;
        let known = index_of(&stored);
        let mut found = Found::default();
        found.count("output_ids", "ids of outputs", request.output_ids.len(), 0, IDS_MAX);
        let mut outputs = Vec::new();
        for (index, id) in request.output_ids.iter().enumerate().take(IDS_MAX) {
            match known.get(id) {
                Some(output) => outputs.push(*output),
                None => {
                    let message = "the job has no output of this id: name one of its outputs";
                    found.add(format!("output_ids[{index}]"), "request.unknown_output", message);
                }
            }
        }
        checked(&found)?;
        outputs.sort_unstable();
        outputs.dedup();
        let stored = self.0.appliance.retry(stored.record.id, outputs).await.map_err(|problem| status(&problem))?;
        Ok(Response::new(v1::RetryJobResponse { job: Some(self.0.shown(&stored).await?) }))
    }

    async fn delete_job(&self, request: Request<v1::DeleteJobRequest>) -> Answer<v1::DeleteJobResponse> {
        let caller = caller(&request)?;
        let stored = self.0.job(&request.get_ref().id, &caller).await?;
        self.0.appliance.delete(stored.record.id).await.map_err(|problem| status(&problem))?;
        Ok(Response::new(v1::DeleteJobResponse {}))
    }

    async fn list_changes(&self, request: Request<v1::ListChangesRequest>) -> Answer<v1::ListChangesResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let stored = self.0.job(&request.id, &caller).await?;
        let history = self.0.store().history(stored.record.id, request.after_revision, CHANGES_MAX);
        let names = convert::Names::of(&stored.record);
        let changes = history.await.map_err(failed)?;
        let changes = changes.iter().map(|change| convert::change(change, &names)).collect();
        Ok(Response::new(v1::ListChangesResponse { changes }))
    }

    async fn list_deliveries(&self, request: Request<v1::ListDeliveriesRequest>) -> Answer<v1::ListDeliveriesResponse> {
        let caller = caller(&request)?;
        let stored = self.0.job(&request.get_ref().id, &caller).await?;
        let effects = self.0.store().effects(stored.record.id).await.map_err(failed)?;
        let deliveries = effects.iter().filter_map(convert::delivery).collect();
        Ok(Response::new(v1::ListDeliveriesResponse { deliveries }))
    }

    async fn list_logs(&self, request: Request<v1::ListLogsRequest>) -> Answer<v1::ListLogsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let stored = self.0.job(&request.id, &caller).await?;
        let mut found = Found::default();
        let output = index_of(&stored).get(&request.output_id).copied();
        if output.is_none() && !request.output_id.is_empty() {
            let message = "the job has no output of this id: name one of its outputs";
            found.add("output_id", "request.unknown_output", message);
        }
        let level = convert::level(request.level);
        if level.is_none() {
            let message = format!("{} is no level: use a named value of the API", request.level);
            found.add("level", "request.value", message);
        }
        checked(&found)?;
        let limit = match request.page_size as usize {
            0 => LINES_MAX,
            size => size.min(LINES_MAX),
        };
        let query = LogQuery { after: request.after_number, output, level: level.unwrap_or_default(), limit };
        let page = self.0.store().log(stored.record.id, query).await.map_err(failed)?;
        Ok(Response::new(convert::lines(page, &stored.record)))
    }

    async fn list_profiles(&self, _: Request<v1::ListProfilesRequest>) -> Answer<v1::ListProfilesResponse> {
        let profiles = self.0.settings.profiles.all().iter().map(convert::profile).collect();
        Ok(Response::new(v1::ListProfilesResponse { profiles }))
    }
}

impl Jobs {
    /// Many jobs, each of which is there or is not.
    async fn jobs(&self, ids: &[String], caller: &Caller) -> Result<Vec<Result<Stored, Problem>>, Status> {
        let mut found = Found::default();
        found.count("ids", "ids", ids.len(), 1, IDS_MAX);
        checked(&found)?;
        let read: Vec<Result<JobId, Problem>> = ids.iter().map(|id| id.parse()).collect();
        let known = read.iter().filter_map(|id| id.as_ref().ok().copied()).collect();
        let mut stored = self.0.store().get_many(known).await.map_err(failed)?.into_iter();
        let one = |id: Result<JobId, Problem>| {
            id?;
            let stored = stored.next().flatten().filter(|stored| caller.sees(&stored.record.spec.owner));
            stored.ok_or_else(|| StoreError::NotFound.into())
        };
        Ok(read.into_iter().map(one).collect())
    }
}

/// The place in a trace of the client's that a call belongs to; empty where none is told.
fn trace_parent(metadata: &MetadataMap) -> String {
    let told = metadata.get("traceparent").and_then(|value| value.to_str().ok());
    told.filter(|told| is_trace_parent(told)).unwrap_or_default().to_owned()
}

/// Index of each output by its id.
fn index_of(stored: &Stored) -> BTreeMap<String, usize> {
    stored.record.outputs.iter().enumerate().map(|(index, output)| (output.id.clone(), index)).collect()
}

fn stop_result(id: String, outcome: Result<StopOutcome, Problem>) -> v1::StopResult {
    use v1::stop_result::Outcome;
    let (outcome, problem) = match outcome {
        Ok(StopOutcome::Stopping) => (Outcome::Stopping, None),
        Ok(StopOutcome::AlreadyEnded) => {
            let message = "it is over already, so there is nothing to stop";
            (Outcome::AlreadyEnded, Some(Problem::input("job.over", message)))
        }
        Ok(StopOutcome::NotFound) => (Outcome::NotFound, Some(StoreError::NotFound.into())),
        Err(problem) => (Outcome::Unspecified, Some(problem)),
    };
    v1::StopResult { id, outcome: outcome.into(), problem: problem.as_ref().map(convert::problem) }
}

/// The same, where what is not there is an output.
fn in_words_of_outputs(mut result: v1::StopResult) -> v1::StopResult {
    if result.outcome() == v1::stop_result::Outcome::NotFound {
        let message = "the job has no output of this id: name one of its outputs";
        result.problem = Some(convert::problem(&Problem::input("request.unknown_output", message)));
    }
    result
}
