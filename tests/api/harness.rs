//! A server on loopback, its clients, and a job that is well-formed.

use crate::fake::Fake;
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::{self, CreateJobRequest, JobSpec, OutputSpec, SourceSpec};
use reelmill::api::{ApiSettings, Rules, serve};
use reelmill::model::Problem;
use reelmill::profile::Profiles;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Problem>>,
}

impl Server {
    /// A server without TLS and tokens, with the shipped profiles and one secret.
    pub(crate) async fn start() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: ApiSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Fake::new();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, fake.clone(), settings, shutdown));
        Self { address, fake, stop: Some(stop), task }
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel().await)
    }

    /// Tells the server to close.
    pub(crate) fn close(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) -> Result<(), Problem> {
        self.task.await.unwrap()
    }
}

pub(crate) fn settings() -> ApiSettings {
    let rules = Rules { secret_names: ["default".to_owned()].into(), ..Rules::default() };
    ApiSettings { rules, profiles: Arc::new(Profiles::load(None).unwrap()), ..ApiSettings::default() }
}

/// One source, one output.
pub(crate) fn job() -> JobSpec {
    JobSpec {
        reference_id: "film 1".into(),
        sources: vec![SourceSpec { uri: "/media/in.mp4".into(), ..SourceSpec::default() }],
        outputs: vec![output("/media/out")],
        ..JobSpec::default()
    }
}

pub(crate) fn output(destination: &str) -> OutputSpec {
    OutputSpec { destination: destination.into(), ..OutputSpec::default() }
}

pub(crate) fn request(job: JobSpec) -> CreateJobRequest {
    CreateJobRequest { job: Some(job), idempotency_key: String::new() }
}

/// The id of a job that was just made.
pub(crate) async fn made(client: &mut JobServiceClient<Channel>, job: JobSpec) -> String {
    client.create_job(request(job)).await.unwrap().into_inner().job.unwrap().id
}

/// What a refusal says, in short: status, code, fault, and path, code and sentence of each violation.
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) fault: String,
    pub(crate) violations: Vec<(String, String, String)>,
    pub(crate) message: String,
}

pub(crate) fn refusal(status: &Status) -> Refusal {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.domain, "reelmill");
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    Refusal {
        code: status.code(),
        reason: info.reason,
        fault: info.metadata["fault"].clone(),
        violations: violations.into_iter().map(|v| (v.field, v.reason, v.description)).collect(),
        message: status.message().to_owned(),
    }
}

/// The event of a message of `WatchJob`, in short.
pub(crate) fn told(response: &v1::WatchJobResponse) -> String {
    use v1::change::Subject;
    use v1::watch_job_response::Event;
    let what = match response.event.as_ref().unwrap() {
        Event::Job(job) => format!("job {:?}", job.state()),
        Event::Progress(progress) => format!("progress {}", progress.read_bytes),
        Event::Change(change) => match change.subject.as_ref().unwrap() {
            Subject::Job(_) => {
                let Some(Subject::Job(state)) = change.subject else { unreachable!() };
                format!("{} job {:?}", change.revision, v1::JobState::try_from(state).unwrap())
            }
            Subject::Input(input) => format!("{} {} {:?}", change.revision, input.input_id, input.state()),
            Subject::Output(output) => format!("{} {} {:?}", change.revision, output.output_id, output.state()),
        },
    };
    if response.last { format!("{what} (last)") } else { what }
}
