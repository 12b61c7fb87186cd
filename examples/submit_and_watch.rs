//! A client in Rust: submits a job with two outputs, follows it to its end, and prints what there is to play.
//!
//! ```sh
//! cargo run --example submit_and_watch -- /media/in.mp4 /media/out order-4711
//! ```
//!
//! `REELMILL_ENDPOINT` names the daemon (`http://127.0.0.1:7443` when it is not set), `REELMILL_TOKEN` holds the token
//! where one is needed. The third argument is the idempotency key: whoever repeats the command follows the same job.
//! A client outside this repository generates the same stubs from `proto/` with `tonic-prost-build`.
#![expect(clippy::print_stdout, reason = "a program that prints its results")]

use reelmill::api::v1;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use v1::job_service_client::JobServiceClient;
use v1::watch_job_response::Event;

/// Failures in a row after which nothing is tried any more; with the pauses between them, this is about 50 s.
const FAILURES_MAX: u32 = 8;
/// The first pause. Each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

type Client = JobServiceClient<InterceptedService<Channel, Token>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, key] = arguments.as_slice() else {
        eprintln!("usage: submit_and_watch IN OUT KEY");
        return ExitCode::from(2);
    };
    let client = match connect() {
        Ok(client) => client,
        Err(error) => {
            eprintln!("REELMILL_ENDPOINT or REELMILL_TOKEN cannot be used: {error}");
            return ExitCode::from(2);
        }
    };
    match run(client, input, output, key).await {
        Ok(job) => {
            print_job(&job);
            ExitCode::from(u8::from(job.state() != v1::JobState::Succeeded))
        }
        Err(status) => {
            print_status(&status);
            ExitCode::FAILURE
        }
    }
}

async fn run(mut client: Client, input: &str, output: &str, key: &str) -> Result<v1::Job, Status> {
    let request = v1::CreateJobRequest { job: Some(two_outputs(input, output)), idempotency_key: key.to_owned() };
    let created = create(&mut client, request).await?;
    let id = created.job.unwrap_or_default().id;
    println!("job {id} {}", if created.existed { "was there already" } else { "is accepted" });
    watch(&mut client, &id).await?;
    let reply = client.get_job(v1::GetJobRequest { id }).await?;
    Ok(reply.into_inner().job.unwrap_or_default())
}

/// A ladder with sound, and the sound alone. Whatever is left out here has the default that the `.proto` files tell.
fn two_outputs(input: &str, output: &str) -> v1::JobSpec {
    let web = v1::OutputSpec {
        id: "web".to_owned(),
        destination: format!("{output}/web"),
        packagings: vec![v1::Packaging::Cmaf as i32, v1::Packaging::Ts as i32],
        ..v1::OutputSpec::default()
    };
    let sound = v1::OutputSpec {
        id: "sound".to_owned(),
        destination: format!("{output}/sound"),
        packagings: vec![v1::Packaging::Cmaf as i32],
        omit_video: Some(true),
        ..v1::OutputSpec::default()
    };
    let source = v1::SourceSpec { uri: input.to_owned(), ..v1::SourceSpec::default() };
    v1::JobSpec { sources: vec![source], outputs: vec![web, sound], ..v1::JobSpec::default() }
}

/// Hands the job in. With its idempotency key this may be repeated without fear that two jobs are made.
async fn create(client: &mut Client, request: v1::CreateJobRequest) -> Result<v1::CreateJobResponse, Status> {
    let mut patience = Patience::default();
    loop {
        match client.create_job(request.clone()).await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => patience.wait(status).await?,
        }
    }
}

/// Follows the job to its end. A stream that breaks off is taken up again after the last change that was received.
async fn watch(client: &mut Client, id: &str) -> Result<(), Status> {
    let mut patience = Patience::default();
    let mut revision = 0;
    loop {
        match watch_once(client, id, &mut revision, &mut patience).await {
            Ok(()) => return Ok(()),
            Err(status) => patience.wait(status).await?,
        }
    }
}

async fn watch_once(client: &mut Client, id: &str, revision: &mut u64, patience: &mut Patience) -> Result<(), Status> {
    let request = v1::WatchJobRequest { id: id.to_owned(), after_revision: *revision, omit_progress: false };
    let mut stream = client.watch_job(request).await?.into_inner();
    while let Some(message) = stream.message().await? {
        *patience = Patience::default();
        match &message.event {
            Some(Event::Change(change)) => {
                *revision = change.revision;
                print_change(change);
            }
            Some(Event::Progress(progress)) => print_progress(progress),
            // The job as it stands: what led there is told by the changes.
            Some(Event::Job(_)) | None => {}
        }
        if message.last {
            return Ok(());
        }
    }
    Err(Status::unavailable("the stream ended before the job did"))
}

/// How long to wait after how many failures in a row.
#[derive(Default)]
struct Patience {
    failures: u32,
}

impl Patience {
    /// Waits after a failure that may pass; gives back every other one, and one too many.
    async fn wait(&mut self, status: Status) -> Result<(), Status> {
        if !may_pass(&status) || self.failures == FAILURES_MAX {
            return Err(status);
        }
        eprintln!("{:?}: {}; trying again", status.code(), status.message());
        tokio::time::sleep(PAUSE_FIRST * 2_u32.pow(self.failures)).await;
        self.failures += 1;
        Ok(())
    }
}

/// Whether trying again may help. A connection that breaks in the middle of an answer has no status of the daemon's, and
/// tonic gives it various codes, but always tells its cause.
fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Aborted | Code::DeadlineExceeded => true,
        Code::ResourceExhausted => {
            status.get_details_error_info().is_none_or(|info| info.reason != "request.message_size")
        }
        _ => status.source().is_some(),
    }
}

fn print_change(change: &v1::Change) {
    let why = change.problem.as_ref().map(|problem| format!(": {} [{}]", problem.message, problem.code));
    let why = why.unwrap_or_default();
    match &change.subject {
        Some(v1::change::Subject::Job(state)) => println!("job {}{why}", job_state(*state)),
        Some(v1::change::Subject::Input(input)) => {
            println!("{} {}{why}", input.input_id, short(input.state().as_str_name(), "INPUT_STATE_"));
        }
        Some(v1::change::Subject::Output(output)) if output.playable => println!("{} can be played", output.output_id),
        Some(v1::change::Subject::Output(output)) => {
            println!("{} {}{why}", output.output_id, short(output.state().as_str_name(), "OUTPUT_STATE_"));
        }
        None => {}
    }
}

fn print_progress(progress: &v1::Progress) {
    let ms =
        |time: &Option<prost_types::Duration>| time.map_or(0, |t| t.seconds * 1000 + i64::from(t.nanos) / 1_000_000);
    for output in &progress.outputs {
        let (done, total) = (ms(&output.media_done), ms(&output.media_total));
        if total > 0 {
            println!("{} {} %", output.output_id, done * 100 / total);
        }
    }
}

/// What there is to play; for each output that has nothing, why.
fn print_job(job: &v1::Job) {
    println!("job {} {}", job.id, job_state(job.state));
    for output in &job.outputs {
        for file in &output.files {
            println!("{} {} {}", output.id, short(file.role().as_str_name(), "ROLE_"), file.uri);
        }
        if let Some(problem) = &output.problem {
            println!("{} {} [{}]", output.id, problem.message, problem.code);
        }
    }
}

/// A refusal: its code, and every field that is wrong, from the `google.rpc` details.
fn print_status(status: &Status) {
    eprintln!("{:?}: {}", status.code(), status.message());
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        let fault = info.metadata.get("fault").map_or("unknown", String::as_str);
        eprintln!("  reason {}, fault {fault}", info.reason);
    }
    for wrong in details.bad_request().map_or(&[][..], |bad| &bad.field_violations) {
        eprintln!("  {}: {} [{}]", wrong.field, wrong.description, wrong.reason);
    }
}

fn job_state(state: i32) -> String {
    v1::JobState::try_from(state).map_or_else(|_| state.to_string(), |state| short(state.as_str_name(), "JOB_STATE_"))
}

fn short(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// Nothing is connected yet: the first call does that, and every call after the connection was lost.
fn connect() -> Result<Client, Box<dyn Error>> {
    let endpoint = std::env::var("REELMILL_ENDPOINT").unwrap_or_else(|_| "http://127.0.0.1:7443".to_owned());
    let token = std::env::var("REELMILL_TOKEN").ok().filter(|token| !token.is_empty());
    let token = token.map(|token| MetadataValue::try_from(format!("Bearer {token}"))).transpose()?;
    let mut way = Endpoint::from_shared(endpoint.clone())?.http2_keep_alive_interval(Duration::from_secs(15));
    if endpoint.starts_with("https://") {
        way = way.tls_config(ClientTlsConfig::new().with_native_roots())?;
    }
    Ok(JobServiceClient::with_interceptor(way.connect_lazy(), Token(token)))
}

/// Adds the token to each call.
struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}
