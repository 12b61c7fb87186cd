//! Traces as a collector gets them, and the log that is kept of a job, from a real daemon with real workers.

use crate::daemon::{Daemon, PATIENCE, Setup, end_of, get, job, output, submit, until};
use crate::media::clip;
use reelmill::api::v1::{self, JobState, ListLogsRequest, LogLine};
use reelmill::report::traces::otlp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<otlp::Span>>>,
    headers: Arc<Mutex<BTreeSet<String>>>,
    /// So many messages are refused first.
    refusals: Arc<Mutex<u32>>,
}

#[tonic::async_trait]
impl otlp::trace_service_server::TraceService for Collector {
    async fn export(
        &self,
        request: Request<otlp::ExportTraceServiceRequest>,
    ) -> Result<Response<otlp::ExportTraceServiceResponse>, Status> {
        let refused = {
            let mut left = self.refusals.lock().unwrap();
            let refused = *left > 0;
            *left = left.saturating_sub(1);
            refused
        };
        if refused {
            return Err(Status::unavailable("not now"));
        }
        if let Some(tenant) = request.metadata().get("x-tenant") {
            self.headers.lock().unwrap().insert(tenant.to_str().unwrap().to_owned());
        }
        let resources = request.into_inner().resource_spans;
        let scopes = resources.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(otlp::ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Listens; the second value is its address.
    async fn start(refusals: u32) -> (Self, String) {
        let collector = Self { refusals: Arc::new(Mutex::new(refusals)), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = otlp::trace_service_server::TraceServiceServer::new(collector.clone());
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        (collector, address)
    }

    /// All spans of a trace, once that of the job is among them.
    async fn trace(&self, id: &str) -> Trace {
        let of = |span: &&otlp::Span| hex(&span.trace_id) == id;
        let whole = || self.spans.lock().unwrap().iter().filter(of).any(|span| span.name == "job").then_some(());
        until("the span of the whole job", whole).await;
        Trace(self.spans.lock().unwrap().iter().filter(of).cloned().collect())
    }
}

struct Trace(Vec<otlp::Span>);

impl Trace {
    fn named(&self, name: &str) -> Vec<&otlp::Span> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    /// The one span of this name.
    fn one(&self, name: &str) -> &otlp::Span {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0]
    }

    fn parent(&self, span: &otlp::Span) -> Option<&otlp::Span> {
        self.0.iter().find(|other| other.span_id == span.parent_span_id)
    }

    /// Each span as the path of names that leads to it.
    fn paths(&self) -> BTreeSet<String> {
        let path = |span: &otlp::Span| {
            let (mut path, mut at) = (span.name.clone(), span);
            while let Some(parent) = self.parent(at) {
                path = format!("{}/{path}", parent.name);
                at = parent;
            }
            path
        };
        self.0.iter().map(path).collect()
    }

    /// Every span lies within its parent, ends after it began, and has an id of its own.
    fn check(&self) {
        let ids: BTreeSet<_> = self.0.iter().map(|span| span.span_id.clone()).collect();
        assert_eq!(ids.len(), self.0.len(), "ids are used once");
        for span in &self.0 {
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            assert!(start <= end, "{span:?}");
            if let Some(parent) = self.parent(span) {
                let (from, to) = (parent.start_time_unix_nano, parent.end_time_unix_nano);
                assert!(from <= start && end <= to, "{} is not within {}: {span:?} {parent:?}", span.name, parent.name);
            } else {
                assert_eq!(span.name, "job", "{span:?} has no parent");
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(span: &otlp::Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(otlp::any_value::Value::StringValue(text)) => text.clone(),
        Some(otlp::any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?} in {span:?}"),
    }
}

async fn lines(daemon: &Daemon, request: ListLogsRequest) -> Vec<LogLine> {
    daemon.jobs().await.list_logs(request).await.unwrap().into_inner().lines
}

#[tokio::test]
async fn a_job_is_one_trace_with_a_span_for_each_step() {
    // What may pass is tried again.
    let (collector, address) = Collector::start(1).await;
    let daemon = Setup::default()
        .set(format!("traces.otlp_endpoint={address}"))
        .env("REELMILL_TRACES__HEADERS", "x-tenant=films")
        .start()
        .await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &daemon.path("out"))).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.trace_id.as_str()), (JobState::Succeeded, id.as_str()));
    let trace = collector.trace(&id).await;
    trace.check();
    let paths = trace.paths();
    for path in [
        "job",
        "job/queue",
        "job/input",
        "job/input/open",
        "job/input/probe",
        "job/plan",
        "job/schedule",
        "job/part",
        "job/part/decode",
        "job/part/filter",
        "job/part/encode",
        "job/part/package",
        "job/publish",
        "job/publish/upload",
        "job/publish/verify",
        "job/publish/manifests",
        "job/publish/report",
    ] {
        assert!(paths.contains(path), "{path} is not in {paths:?}");
    }
    assert!(trace.0.iter().all(|span| span.status.is_none() && text(span, "reelmill.job") == id));
    for part in trace.named("part") {
        assert_eq!((text(part, "reelmill.device").as_str(), text(part, "reelmill.attempt").as_str()), ("cpu", "1"));
        let steps: Vec<_> = trace.0.iter().filter(|span| span.parent_span_id == part.span_id).collect();
        assert!(steps.iter().any(|step| step.name == "decode"), "{steps:?}");
        let renditions = text(part, "reelmill.renditions");
        for step in steps.iter().filter(|step| step.name != "decode") {
            assert!(renditions.split(',').any(|id| id == text(step, "reelmill.rendition")), "{step:?} {renditions}");
        }
    }
    let video: Vec<_> = trace.named("filter").into_iter().map(|span| text(span, "reelmill.frames")).collect();
    assert!(video.iter().all(|frames| frames.parse::<u64>().unwrap() > 0), "{video:?}");
    let ends = |name| trace.one(name).end_time_unix_nano;
    let starts = |name| trace.named(name).iter().map(|span| span.start_time_unix_nano).min().unwrap();
    assert!(ends("queue") <= starts("input") && ends("input") <= starts("plan") && ends("plan") <= starts("schedule"));
    assert!(starts("schedule") <= starts("part") && ends("verify") <= starts("manifests"));
    assert_eq!(text(trace.one("publish"), "reelmill.output"), ended.outputs[0].id);
    assert_eq!(*collector.headers.lock().unwrap(), BTreeSet::from(["films".to_owned()]));
    // Nothing is in a trace of nobody's.
    let traces: BTreeSet<_> = collector.spans.lock().unwrap().iter().map(|span| hex(&span.trace_id)).collect();
    assert_eq!(traces, BTreeSet::from([id]));
}

#[tokio::test]
async fn a_job_that_fails_says_where_and_belongs_to_the_clients_trace() {
    let (collector, address) = Collector::start(0).await;
    let daemon = Setup::default().set(format!("traces.otlp_endpoint={address}")).start().await;
    let source = daemon.path("in.mp4");
    std::fs::write(&source, vec![7; 100_000]).unwrap();
    let mut client = daemon.jobs().await;
    let (trace_id, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let create = |flags: &str| {
        let asked = v1::CreateJobRequest {
            job: Some(job(&source, &daemon.path(format!("out-{flags}")))),
            idempotency_key: String::new(),
        };
        let mut request = Request::new(asked);
        let told = format!("00-{trace_id}-{parent}-{flags}");
        request.metadata_mut().insert("traceparent", told.parse().unwrap());
        request
    };
    let id = client.create_job(create("01")).await.unwrap().into_inner().job.unwrap().id;
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.trace_id.as_str()), (JobState::Failed, trace_id));
    let trace = collector.trace(trace_id).await;
    let root = trace.one("job");
    assert_eq!(hex(&root.parent_span_id), parent);
    let code = ended.problem.unwrap().code;
    for failed in [root, trace.one("input")] {
        assert_eq!(failed.status.as_ref().unwrap().code(), otlp::status::StatusCode::Error, "{failed:?}");
        assert_eq!((text(failed, "error.type"), text(failed, "reelmill.fault")), (code.clone(), "input".into()));
    }
    // A client that does not want its call recorded decides for the job as well.
    let id = client.create_job(create("00")).await.unwrap().into_inner().job.unwrap().id;
    assert_eq!(end_of(&mut client, &id).await.trace_id, "");
    // The log tells the same story.
    let told = lines(&daemon, ListLogsRequest { id, level: 1, ..ListLogsRequest::default() }).await;
    assert!(told.iter().any(|line| line.text.contains(&code) && line.output_ids.len() == 1), "{told:?}");
    assert!(told.last().unwrap().text.starts_with("the job has ended, failed"), "{told:?}");
}

#[tokio::test]
async fn attempts_after_a_restart_hang_below_the_same_span() {
    let (collector, address) = Collector::start(0).await;
    let mut daemon = Setup::default().set(format!("traces.otlp_endpoint={address}")).start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 20);
    let asked = v1::JobSpec {
        outputs: vec![output(daemon.path("out").to_str().unwrap(), &["180p"])],
        ..job(&source, &daemon.path("out"))
    };
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, asked).await;
    daemon.worker_on(&id, "video-0").await;
    // Lines are stored twice a second; those that are not die with the daemon.
    while lines(&daemon, ListLogsRequest { id: id.clone(), ..ListLogsRequest::default() }).await.is_empty() {
        tokio::task::yield_now().await;
    }
    daemon.kill();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let trace = collector.trace(&id).await;
    let root = trace.one("job");
    assert_eq!(text(root, "reelmill.job_attempt"), "2");
    let top: Vec<_> = trace.0.iter().filter(|span| span.name == "part" || span.name == "queue").collect();
    assert!(top.iter().all(|span| span.parent_span_id == root.span_id), "{top:?}");
    let told = lines(&daemon, ListLogsRequest { id, ..ListLogsRequest::default() }).await;
    let begun: Vec<_> = told.iter().filter(|line| line.text.starts_with("attempt ")).map(|line| &line.text).collect();
    assert_eq!(begun, ["attempt 1 begins", "attempt 2 begins"], "{told:?}");
}

#[tokio::test]
async fn no_collector_costs_no_job() {
    // One that refuses connections, and one that takes them and says nothing.
    let refuses = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut took = BTreeMap::new();
    for (name, address) in [("refuses", Some(refuses)), ("silent", Some(silent.local_addr().unwrap())), ("off", None)] {
        let mut setup = Setup::default();
        if let Some(address) = address {
            setup = setup.set(format!("traces.otlp_endpoint=http://{address}"));
        }
        let mut daemon = setup.start().await;
        let source = daemon.path("in.mp4");
        clip(&source, 1);
        let mut client = daemon.jobs().await;
        let began = Instant::now();
        let id = submit(&mut client, job(&source, &daemon.path("out"))).await;
        let ended = end_of(&mut client, &id).await;
        took.insert(name, began.elapsed());
        assert_eq!((ended.state(), ended.trace_id.is_empty()), (JobState::Succeeded, address.is_none()), "{name}");
        let began = Instant::now();
        assert!(daemon.terminate().await.success(), "{name}");
        assert!(began.elapsed() < PATIENCE / 2, "{name}: the end waits for nobody");
    }
    // Far from what an answer, or a connection, may take.
    let most = took["off"] * 3 + Duration::from_secs(5);
    assert!(took.values().all(|took| *took < most), "{took:?}");
}

#[tokio::test]
async fn the_encoders_lines_are_kept_with_their_output_and_survive_the_daemon() {
    let mut daemon = Daemon::start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 6);
    // Bytes in the middle that no decoder likes.
    let mut bytes = std::fs::read(&source).unwrap();
    let (from, to) = (bytes.len() / 3, bytes.len() / 2);
    bytes[from..to].iter_mut().step_by(7).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&source, bytes).unwrap();
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &daemon.path("out"))).await;
    let ended = end_of(&mut client, &id).await;
    let all = || ListLogsRequest { id: id.clone(), ..ListLogsRequest::default() };
    let told = lines(&daemon, all()).await;
    assert_eq!(told[0].text, "attempt 1 begins");
    assert!(
        told.is_sorted_by(
            |one, next| one.number < next.number && one.time.unwrap().seconds <= next.time.unwrap().seconds
        )
    );
    let library: Vec<_> = told.iter().filter(|line| line.origin() == v1::log_line::Origin::Library).collect();
    assert!(!library.is_empty() && library.iter().all(|line| !line.part.is_empty() && line.attempt > 0), "{told:?}");
    // A decoder's lines are the job's own.
    assert!(library.iter().any(|line| line.output_ids.is_empty()), "{library:?}");
    let output = ended.outputs[0].id.clone();
    let of_output = lines(&daemon, ListLogsRequest { output_id: output.clone(), ..all() }).await;
    assert!(!of_output.is_empty() && of_output.iter().all(|line| line.output_ids == [output.clone()]), "{of_output:?}");
    let refused = client.list_logs(ListLogsRequest { output_id: "none".into(), ..all() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    daemon.kill();
    daemon.restart().await;
    assert_eq!(lines(&daemon, all()).await, told);
    let shown = daemon.command(&["logs", &id, "--follow", "--level", "warning"]).unwrap();
    assert!(shown.lines().count() < told.len() && shown.contains("[video-0]"), "{shown}");
    let mut client = daemon.jobs().await;
    assert!(get(&mut client, &id).await.trace_id.is_empty());
}
