//! A daemon that answers from a script, and writes down what it was asked.

use crate::sample;
use reelmill::api::v1;
use reelmill::api::v1::job_service_server::{JobService, JobServiceServer};
use reelmill::api::v1::media_service_server::{MediaService, MediaServiceServer};
use reelmill::api::v1::node_service_server::{NodeService, NodeServiceServer};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Jobs of a list that the daemon gives on one page.
const PAGE: usize = 2;

/// A running daemon; it ends when this is dropped.
pub(crate) struct Fake {
    /// Where it listens.
    pub(crate) endpoint: String,
    script: Script,
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
    created: Arc<Mutex<Option<v1::CreateJobRequest>>>,
    token: Option<&'static str>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        Self::with_token(None)
    }

    /// A daemon that wants a token.
    pub(crate) fn with_token(token: Option<&'static str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let script = Script { token, ..Script::default() };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(JobServiceServer::new(script.clone()))
            .add_service(MediaServiceServer::new(script.clone()))
            .add_service(NodeServiceServer::new(script.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        runtime.spawn(server);
        Self { endpoint, script, _runtime: runtime }
    }

    /// What was asked, one request each.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.script.asked.lock().unwrap().clone()
    }

    /// The last job that was handed in.
    pub(crate) fn created(&self) -> v1::CreateJobRequest {
        self.script.created.lock().unwrap().clone().unwrap()
    }
}

impl Script {
    /// Writes down a request, and refuses it without the token.
    fn hear<T: Debug>(&self, request: Request<T>) -> Result<T, Status> {
        let shown = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        if self.token.is_some_and(|token| shown != Some(format!("Bearer {token}"))) {
            return Err(Status::unauthenticated("no token"));
        }
        let message = request.into_inner();
        self.asked.lock().unwrap().push(format!("{message:?}"));
        Ok(message)
    }
}

fn refusal(code: Code, fault: &str, reason: &str, message: &str, fields: &[(&str, &str)]) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, "reelmill", [("fault".to_owned(), fault.to_owned())]);
    for (field, what) in fields {
        details.add_bad_request_violation(*field, *what);
    }
    Status::with_error_details(code, message, details)
}

fn known(id: &str) -> Result<v1::Job, Status> {
    let unknown =
        || refusal(Code::NotFound, "input", "job.not_found", "there is no such job: look it up with `list`", &[]);
    sample::ALL.contains(&id).then(|| sample::job(id)).ok_or_else(unknown)
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl JobService for Script {
    type WatchJobStream = ReceiverStream<Result<v1::WatchJobResponse, Status>>;

    async fn create_job(&self, request: Request<v1::CreateJobRequest>) -> Reply<v1::CreateJobResponse> {
        let request = self.hear(request)?;
        let uri = request.job.iter().flat_map(|job| &job.sources).map(|source| source.uri.clone()).next();
        let uri = uri.unwrap_or_default();
        *self.created.lock().unwrap() = Some(request);
        if uri.contains("refused") {
            let fields = [
                ("sources[0].uri", "a path must lie under the roots of this node"),
                ("outputs[0].spans", "ask for 1 to 256"),
            ];
            return Err(refusal(Code::InvalidArgument, "input", "request.field", "2 fields are wrong", &fields));
        }
        if uri.contains("full") {
            return Err(refusal(
                Code::ResourceExhausted,
                "capacity",
                "capacity.queue",
                "too many jobs wait; try later",
                &[],
            ));
        }
        let id = if uri.contains("fails") {
            sample::BAD
        } else if uri.contains("endless") {
            sample::ENDLESS
        } else {
            sample::GOOD
        };
        let job = v1::Job { id: id.into(), state: v1::JobState::Queued as i32, outputs_total: 1, ..v1::Job::default() };
        Ok(Response::new(v1::CreateJobResponse { job: Some(job), existed: uri.contains("existed") }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Reply<v1::GetJobResponse> {
        let job = known(&self.hear(request)?.id)?;
        Ok(Response::new(v1::GetJobResponse { job: Some(job) }))
    }

    async fn batch_get_jobs(&self, _: Request<v1::BatchGetJobsRequest>) -> Reply<v1::BatchGetJobsResponse> {
        Err(Status::unimplemented("no client asks"))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Reply<v1::ListJobsResponse> {
        let request = self.hear(request)?;
        let from: usize = request.page_token.parse().unwrap_or(0);
        let to = (from + PAGE.min(request.page_size as usize)).min(sample::ALL.len());
        let jobs = sample::ALL[from..to].iter().map(|id| sample::job(id)).collect();
        let next_page_token = if to < sample::ALL.len() { to.to_string() } else { String::new() };
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token }))
    }

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Reply<Self::WatchJobStream> {
        let request = self.hear(request)?;
        known(&request.id)?;
        let (told, stream) = mpsc::channel(64);
        let story = sample::story(&request.id, request.after_revision);
        tokio::spawn(async move {
            let mut story = tokio_stream::iter(story);
            let mut heard = 0;
            while let Some(message) = story.next().await {
                if request.id == sample::BREAKS && request.after_revision == 0 && heard == 4 {
                    let _ = told.send(Err(Status::unavailable("the daemon is being replaced"))).await;
                    return;
                }
                heard += 1;
                if told.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            if request.id == sample::ENDLESS {
                told.closed().await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn stop_jobs(&self, request: Request<v1::StopJobsRequest>) -> Reply<v1::StopJobsResponse> {
        use v1::stop_result::Outcome;
        let ids = self.hear(request)?.ids;
        let one = |id: String| {
            let outcome = match id.as_str() {
                sample::ENDLESS => Outcome::Stopping,
                id if sample::ALL.contains(&id) => Outcome::AlreadyEnded,
                _ => Outcome::NotFound,
            };
            v1::StopResult { id, outcome: outcome as i32, problem: None }
        };
        Ok(Response::new(v1::StopJobsResponse { results: ids.into_iter().map(one).collect() }))
    }

    async fn stop_outputs(&self, request: Request<v1::StopOutputsRequest>) -> Reply<v1::StopOutputsResponse> {
        let ids = self.hear(request)?.output_ids;
        let one = |id| v1::StopResult { id, outcome: v1::stop_result::Outcome::Stopping as i32, problem: None };
        Ok(Response::new(v1::StopOutputsResponse { results: ids.into_iter().map(one).collect() }))
    }

    async fn retry_job(&self, request: Request<v1::RetryJobRequest>) -> Reply<v1::RetryJobResponse> {
        let job = known(&self.hear(request)?.id)?;
        if job.state() == v1::JobState::Running {
            return Err(refusal(
                Code::FailedPrecondition,
                "input",
                "job.not_over",
                "the job still runs; stop it first",
                &[],
            ));
        }
        let job = v1::Job { state: v1::JobState::Queued as i32, ..job };
        Ok(Response::new(v1::RetryJobResponse { job: Some(job) }))
    }

    async fn delete_job(&self, request: Request<v1::DeleteJobRequest>) -> Reply<v1::DeleteJobResponse> {
        known(&self.hear(request)?.id)?;
        Ok(Response::new(v1::DeleteJobResponse {}))
    }

    async fn list_changes(&self, _: Request<v1::ListChangesRequest>) -> Reply<v1::ListChangesResponse> {
        Err(Status::unimplemented("no client asks"))
    }

    async fn list_deliveries(&self, request: Request<v1::ListDeliveriesRequest>) -> Reply<v1::ListDeliveriesResponse> {
        known(&self.hear(request)?.id)?;
        Ok(Response::new(v1::ListDeliveriesResponse { deliveries: vec![sample::delivery()] }))
    }

    async fn list_logs(&self, request: Request<v1::ListLogsRequest>) -> Reply<v1::ListLogsResponse> {
        let request = self.hear(request)?;
        known(&request.id)?;
        let (lines, more) = sample::log(request.after_number);
        Ok(Response::new(v1::ListLogsResponse { lines, more }))
    }

    async fn list_profiles(&self, _: Request<v1::ListProfilesRequest>) -> Reply<v1::ListProfilesResponse> {
        Err(Status::unimplemented("no client asks"))
    }
}

#[tonic::async_trait]
impl MediaService for Script {
    async fn probe_media(&self, request: Request<v1::ProbeMediaRequest>) -> Reply<v1::ProbeMediaResponse> {
        if self.hear(request)?.uri.contains("nothing") {
            return Err(refusal(
                Code::NotFound,
                "input",
                "source.not_found",
                "there is no such object: check the key",
                &[],
            ));
        }
        Ok(Response::new(v1::ProbeMediaResponse { facts: Some(sample::facts()) }))
    }

    async fn plan_job(&self, request: Request<v1::PlanJobRequest>) -> Reply<v1::PlanJobResponse> {
        self.hear(request)?;
        Ok(Response::new(sample::plan()))
    }
}

#[tonic::async_trait]
impl NodeService for Script {
    async fn get_node(&self, request: Request<v1::GetNodeRequest>) -> Reply<v1::GetNodeResponse> {
        self.hear(request)?;
        Ok(Response::new(sample::node()))
    }

    async fn drain_node(&self, request: Request<v1::DrainNodeRequest>) -> Reply<v1::DrainNodeResponse> {
        let draining = self.hear(request)?.drain;
        Ok(Response::new(v1::DrainNodeResponse { draining, jobs_active: 1, spans_running: 0 }))
    }
}
