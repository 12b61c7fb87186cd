//! Sources on the web, by way of a real daemon.

use crate::bucket::{job, quick};
use crate::daemon::{Setup, end_of, submit};
use crate::heavy::{QUICK, noisy};
use crate::media::{check_whole, clip};
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use reelmill::api::v1::{self, JobState};
use reelmill_testkit::FaultProxy;
use std::path::Path;
use tonic_types::StatusExt;
use tower_http::services::ServeDir;

/// `reader:s3cret-word`, as Basic authentication has it.
const BASIC: &str = "Basic cmVhZGVyOnMzY3JldC13b3Jk";

/// Serves a directory on loopback: at `/files/`, at `/private/` to whoever knows the password, and by way of a redirect.
async fn web(directory: &Path) -> (String, tokio::task::JoinHandle<()>) {
    let private = Router::new().fallback_service(ServeDir::new(directory)).layer(from_fn(known));
    let router = Router::new()
        .nest_service("/files", ServeDir::new(directory))
        .nest("/private", private)
        .route("/moved", get(|| async { Redirect::temporary("/files/in.mp4") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address.to_string(), task)
}

async fn known(request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(BASIC) { next.run(request).await } else { StatusCode::UNAUTHORIZED.into_response() }
}

#[tokio::test]
async fn an_allowed_address_is_read_by_ranges_through_redirects_and_with_credentials_that_never_show() {
    let files = tempfile::tempdir().unwrap();
    noisy(&files.path().join("large.mp4"), QUICK);
    clip(&files.path().join("in.mp4"), 2);
    let (address, _serving) = web(files.path()).await;
    let proxy = FaultProxy::start(&address);
    let at = proxy.address();
    let setup = Setup::default().set("sources.allow=127.0.0.1").set("log=debug");
    let daemon = quick(setup).start().await;
    let mut client = daemon.jobs().await;
    let mut media = daemon.media().await;
    let large = v1::ProbeMediaRequest { uri: format!("http://{at}/files/large.mp4") };
    media.probe_media(large).await.unwrap();
    // Of 24 MB, in ranges of 1 MiB each.
    let ranges: Vec<_> = proxy.requests().iter().map(|seen| seen.header("range").unwrap().to_owned()).collect();
    assert!(ranges.len() <= 16, "{ranges:?}");
    for (path, credentials) in [("moved", ""), ("private/in.mp4", "reader:s3cret-word@")] {
        let uri = format!("http://{credentials}{at}/{path}?token=s3cret-token");
        let out = daemon.path(path.replace('/', "-"));
        let id = submit(&mut client, job(&uri, out.to_str().unwrap())).await;
        let ended = end_of(&mut client, &id).await;
        assert_eq!(ended.state(), JobState::Succeeded, "{path}: {ended:?}");
        check_whole(&out, &["90p"], &["cmaf", "ts"], 2);
        let report = std::fs::read_to_string(out.join("reelmill.json")).unwrap();
        let shown = daemon.command(&["get", &id, "--json"]).unwrap() + &daemon.command(&["get", &id]).unwrap();
        for text in [report, shown, format!("{ended:?}"), daemon.command(&["list", "--json"]).unwrap(), daemon.log()] {
            assert!(!text.contains("s3cret"), "{path}: {text}");
        }
    }
    let uri = format!("http://reader:wrong-w0rd@{at}/private/in.mp4");
    let id = submit(&mut client, job(&uri, daemon.path("no").to_str().unwrap())).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.problem.as_ref().unwrap().code, "source.forbidden", "{ended:?}");
    assert!(!format!("{ended:?}{}", daemon.log()).contains("wrong-w0rd"));
}

#[tokio::test]
async fn loopback_is_refused_until_it_is_allowed() {
    let daemon = quick(Setup::default()).start().await;
    let mut client = daemon.jobs().await;
    let uri = "http://127.0.0.1:9/in.mp4";
    let request = v1::CreateJobRequest { job: Some(job(uri, "/tmp/never")), idempotency_key: String::new() };
    let refused = client.create_job(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    let fields = refused.get_error_details().bad_request().unwrap().field_violations.clone();
    assert_eq!(fields[0].field, "job.sources[0].uri", "{fields:?}");
    let said = daemon.command(&["submit", uri, "/tmp/never"]).unwrap_err();
    assert!(said.contains("request.url") && said.contains("127.0.0.1"), "{said}");
    // A name that leads there is judged when it is connected to.
    let id = submit(&mut client, job("http://localhost:9/in.mp4", daemon.path("out").to_str().unwrap())).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Failed);
    assert_eq!(ended.problem.unwrap().code, "source.address_refused");
}
