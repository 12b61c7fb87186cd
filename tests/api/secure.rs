//! Tokens, TLS, health, reflection.

use crate::harness::{Server, job, made, refusal, request, settings};
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::node_service_client::NodeServiceClient;
use reelmill::api::v1::*;
use reelmill::api::{ApiSettings, Tls, Token};
use std::path::Path;
use std::process::Command;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1 as reflection, v1alpha};

fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value: MetadataValue<Ascii> = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test]
async fn a_token_is_an_owner_who_sees_its_own_jobs() {
    let tokens = vec![
        Token::of_secret("ann", false, "a-secret"),
        Token::of_secret("bob", false, "b-secret"),
        Token::of_secret("root", true, "r-secret"),
    ];
    let server = Server::with(ApiSettings { tokens, ..settings() }).await;
    let mut client = server.jobs().await;
    for (call, code) in [(Request::new(request(job())), "auth.missing"), (with("x", request(job())), "auth.unknown")] {
        let told = refusal(&client.create_job(call).await.unwrap_err());
        assert_eq!((told.code, told.reason.as_str()), (Code::Unauthenticated, code));
    }
    let keyed = CreateJobRequest { job: Some(job()), idempotency_key: "same".into() };
    let of = async |client: &mut JobServiceClient<_>, token: &str| {
        client.create_job(with(token, keyed.clone())).await.unwrap().into_inner().job.unwrap().id
    };
    let (anns, bobs) = (of(&mut client, "a-secret").await, of(&mut client, "b-secret").await);
    assert_ne!(anns, bobs, "keys of two owners have nothing to do with each other");

    let get = GetJobRequest { id: bobs.clone() };
    assert_eq!(client.get_job(with("a-secret", get.clone())).await.unwrap_err().code(), Code::NotFound);
    assert!(client.get_job(with("r-secret", get)).await.is_ok());
    let logs = ListLogsRequest { id: bobs.clone(), ..ListLogsRequest::default() };
    assert_eq!(client.list_logs(with("a-secret", logs.clone())).await.unwrap_err().code(), Code::NotFound);
    assert!(client.list_logs(with("r-secret", logs)).await.is_ok());
    let watch = WatchJobRequest { id: bobs.clone(), ..WatchJobRequest::default() };
    assert_eq!(client.watch_job(with("a-secret", watch)).await.unwrap_err().code(), Code::NotFound);
    let stop = StopJobsRequest { ids: vec![bobs] };
    let stopped = client.stop_jobs(with("a-secret", stop)).await.unwrap().into_inner();
    assert_eq!(stopped.results[0].outcome(), stop_result::Outcome::NotFound);
    let listed = async |client: &mut JobServiceClient<_>, token: &str| {
        client.list_jobs(with(token, ListJobsRequest::default())).await.unwrap().into_inner().jobs.len()
    };
    assert_eq!((listed(&mut client, "a-secret").await, listed(&mut client, "r-secret").await), (1, 2));

    let mut node = NodeServiceClient::new(server.channel().await);
    let drain = DrainNodeRequest { drain: true, ..DrainNodeRequest::default() };
    let told = refusal(&node.drain_node(with("a-secret", drain)).await.unwrap_err());
    assert_eq!((told.code, told.reason.as_str()), (Code::PermissionDenied, "auth.not_allowed"));
    assert!(node.drain_node(with("r-secret", drain)).await.unwrap().into_inner().draining);
}

#[tokio::test]
async fn health_is_told_to_everybody_until_the_node_closes() {
    let tokens = vec![Token::of_secret("ann", false, "a-secret")];
    let mut server = Server::with(ApiSettings { tokens, ..settings() }).await;
    let mut client = HealthClient::new(server.channel().await);
    for service in ["", "reelmill.v1.JobService", "reelmill.v1.MediaService", "reelmill.v1.NodeService"] {
        let asked = HealthCheckRequest { service: service.into() };
        assert_eq!(client.check(asked).await.unwrap().into_inner().status(), ServingStatus::Serving, "{service}");
    }
    let mut watched = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.close();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop((watched, client));
    assert_eq!(server.ended().await, Ok(()));
}

#[tokio::test]
async fn reflection_of_both_versions_describes_the_api() {
    let server = Server::start().await;
    let channel = server.channel().await;
    macro_rules! listed {
        ($pb:ident) => {{
            use $pb::server_reflection_request::MessageRequest;
            use $pb::server_reflection_response::MessageResponse;
            let message_request = Some(MessageRequest::ListServices(String::new()));
            let ask = $pb::ServerReflectionRequest { host: String::new(), message_request };
            let mut client = $pb::server_reflection_client::ServerReflectionClient::new(channel.clone());
            let answers = client.server_reflection_info(tokio_stream::once(ask)).await.unwrap();
            match answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => list.service.into_iter().map(|s| s.name).collect(),
                other => panic!("{other:?}"),
            }
        }};
    }
    let (v1, alpha): (Vec<String>, Vec<String>) = (listed!(reflection), listed!(v1alpha));
    for names in [v1, alpha] {
        for service in ["JobService", "MediaService", "NodeService"] {
            assert!(names.contains(&format!("reelmill.v1.{service}")), "{names:?}");
        }
        assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
    }
}

/// A root, and one certificate for both a server on loopback and a client, made by `openssl`.
struct Certificates {
    ca: String,
    cert: String,
    key: String,
}

fn certificates(dir: &Path) -> Certificates {
    let openssl = |args: &str| {
        let made = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=root -days 2"));
    openssl(&format!("req {key} -keyout one.key -out one.csr -subj /CN=localhost"));
    let names = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
    std::fs::write(dir.join("one.ext"), names).unwrap();
    openssl("x509 -req -in one.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile one.ext -out one.pem");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    Certificates { ca: read("ca.pem"), cert: read("one.pem"), key: read("one.key") }
}

#[tokio::test]
async fn tls_and_mutual_tls_let_in_whom_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let made_here = certificates(dir.path());
    let tls = |client_ca| Tls { cert: made_here.cert.clone(), key: made_here.key.clone(), client_ca };
    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&made_here.ca)).domain_name("localhost");
    let identified = trusting.clone().identity(Identity::from_pem(&made_here.cert, &made_here.key));
    for (client_ca, plain_client_may) in [(None, true), (Some(made_here.ca.clone()), false)] {
        let server = Server::with(ApiSettings { tls: Some(tls(client_ca)), ..settings() }).await;
        let endpoint = Endpoint::from_shared(format!("https://{}", server.address)).unwrap();
        let call = async |config: ClientTlsConfig| {
            let channel = endpoint.clone().tls_config(config).unwrap().connect().await.ok()?;
            JobServiceClient::new(channel).list_profiles(ListProfilesRequest {}).await.ok()
        };
        assert!(call(identified.clone()).await.is_some());
        assert_eq!(call(trusting.clone()).await.is_some(), plain_client_may);
        let unencrypted = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect_lazy();
        assert!(JobServiceClient::new(unencrypted).list_profiles(ListProfilesRequest {}).await.is_err());
    }
    let broken = Tls { cert: "x".into(), key: made_here.key.clone(), client_ca: None };
    let server = Server::with(ApiSettings { tls: Some(broken), ..settings() }).await;
    assert_eq!(server.ended().await.unwrap_err().code, "api.tls");
    let broken = Tls { cert: made_here.cert.clone(), key: made_here.cert.clone(), client_ca: None };
    let server = Server::with(ApiSettings { tls: Some(broken), ..settings() }).await;
    assert_eq!(server.ended().await.unwrap_err().code, "api.tls");
}

#[tokio::test]
async fn without_tokens_everybody_owns_everything() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let mut named = with("whatever", GetJobRequest { id });
    named.metadata_mut().insert("x-other", MetadataValue::from_static("1"));
    assert!(client.get_job(named).await.is_ok());
}
