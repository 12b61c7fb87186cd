//! Calls that are refused for other reasons than one field of a job.

use crate::harness::{Server, job, made, output, refusal, request, settings};
use reelmill::api::ApiSettings;
use reelmill::api::v1::*;
use reelmill::model::{JobId, Problem};
use tonic::Code;

#[tokio::test]
async fn all_mistakes_of_a_request_are_told_at_once() {
    let server = Server::start().await;
    let mut bad = job();
    bad.priority = 9;
    bad.sources[0].uri.clear();
    bad.outputs = vec![output(""), output("/a")];
    bad.outputs[1].spans = 1000;
    bad.outputs[1].rate_control = Some(RateControl { mode: 3, crf: 99 });
    let bad = CreateJobRequest { job: Some(bad), idempotency_key: "no\tkey".into() };
    let told = refusal(&server.jobs().await.create_job(bad).await.unwrap_err());
    let fields: Vec<_> = told.violations.iter().map(|(field, code, _)| format!("{field} {code}")).collect();
    let expected = [
        "idempotency_key request.key",
        "job.sources[0].uri request.locator",
        "job.outputs[0].destination request.destination",
        "job.outputs[1].spans request.spans",
        "job.outputs[1].rate_control.crf request.crf",
        "job.priority request.value",
    ];
    assert_eq!(fields, expected);
    assert!(told.message.ends_with("(and 5 more, see the details)"), "{}", told.message);
    let none = refusal(&server.jobs().await.create_job(CreateJobRequest::default()).await.unwrap_err());
    assert_eq!((none.reason.as_str(), none.violations[0].0.as_str()), ("request.missing", "job"));
}

#[tokio::test]
async fn a_job_of_four_megabytes_is_refused_with_the_limit() {
    let server = Server::start().await;
    let mut big = job();
    big.reference_id = "x".repeat(4 << 20);
    let told = refusal(&server.jobs().await.create_job(request(big)).await.unwrap_err());
    assert_eq!((told.code, told.reason.as_str()), (Code::ResourceExhausted, "request.message_size"));
    assert!(told.message.contains("more than 1048576 bytes"), "{}", told.message);
}

#[tokio::test]
async fn a_key_makes_one_job_and_no_other() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let mut first = job();
    first.labels = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into();
    let keyed = |job: JobSpec| CreateJobRequest { job: Some(job), idempotency_key: "key 1".into() };
    let one = client.create_job(keyed(first.clone())).await.unwrap().into_inner();
    let again = client.create_job(keyed(first.clone())).await.unwrap().into_inner();
    assert_eq!((one.existed, again.existed), (false, true));
    assert_eq!(one.job.unwrap().id, again.job.unwrap().id);
    let other = JobSpec { reference_id: "another".into(), ..first };
    let told = refusal(&client.create_job(keyed(other)).await.unwrap_err());
    assert_eq!((told.code, told.reason.as_str()), (Code::AlreadyExists, "request.key_reused"));
    let too_long = CreateJobRequest { job: Some(job()), idempotency_key: "k".repeat(129) };
    assert_eq!(refusal(&client.create_job(too_long).await.unwrap_err()).reason, "request.key");
}

#[tokio::test]
async fn what_is_not_there_or_not_possible_has_its_own_status() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let unknown = JobId::new().to_string();
    for bad in [unknown.as_str(), "", "no id", &id.to_uppercase().replace('0', "G")] {
        let status = client.get_job(GetJobRequest { id: bad.into() }).await.unwrap_err();
        let told = refusal(&status);
        assert_eq!((told.code, told.reason.as_str()), (Code::NotFound, "job.not_found"), "{bad}");
    }
    let delete = client.delete_job(DeleteJobRequest { id: id.clone() }).await.unwrap_err();
    let told = refusal(&delete);
    assert_eq!((told.code, told.reason.as_str()), (Code::FailedPrecondition, "job.not_over"));
    let retry = RetryJobRequest { id: id.clone(), output_ids: vec!["output-1".into(), "x".into()] };
    let told = refusal(&client.retry_job(retry).await.unwrap_err());
    assert_eq!((told.violations[0].0.as_str(), told.reason.as_str()), ("output_ids[1]", "request.unknown_output"));
    let told = refusal(&client.stop_outputs(StopOutputsRequest { id, output_ids: vec![] }).await.unwrap_err());
    assert_eq!((told.violations[0].0.as_str(), told.reason.as_str()), ("output_ids", "request.count"));
    let many = BatchGetJobsRequest { ids: vec![unknown; 501] };
    let told = refusal(&client.batch_get_jobs(many).await.unwrap_err());
    assert_eq!(told.violations[0].2, "501 ids are too many: give at most 500");
}

#[tokio::test]
async fn a_bad_source_is_a_status_when_it_is_probed() {
    let server = Server::start().await;
    let mut client = media_service_client::MediaServiceClient::new(server.channel().await);
    let told = refusal(&client.probe_media(ProbeMediaRequest { uri: "in.mp4".into() }).await.unwrap_err());
    assert_eq!((told.code, told.violations[0].0.as_str()), (Code::InvalidArgument, "uri"));
    *server.fake.probed.lock().unwrap() = Err(Problem::input("source.empty", "the source has 0 bytes: send it again"));
    let told = refusal(&client.probe_media(ProbeMediaRequest { uri: "/in.mp4".into() }).await.unwrap_err());
    assert_eq!((told.code, told.reason.as_str()), (Code::FailedPrecondition, "source.empty"));
    let told = refusal(&client.plan_job(PlanJobRequest { job: Some(job()) }).await.unwrap_err());
    assert_eq!((told.code, told.reason.as_str()), (Code::NotFound, "source.not_found"));
    let mut bad = job();
    bad.outputs.clear();
    let told = refusal(&client.plan_job(PlanJobRequest { job: Some(bad) }).await.unwrap_err());
    assert_eq!(told.violations[0].0, "job.outputs");
}

#[tokio::test]
async fn too_many_calls_and_watchers_are_told_so() {
    let server = Server::with(ApiSettings { watchers_max: 1, ..settings() }).await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let watch = WatchJobRequest { id, ..WatchJobRequest::default() };
    let first = client.watch_job(watch.clone()).await.unwrap();
    let told = refusal(&client.watch_job(watch.clone()).await.unwrap_err());
    assert_eq!((told.code, told.reason.as_str()), (Code::ResourceExhausted, "capacity.watchers"));
    drop(first);
    let closed = Server::with(ApiSettings { calls_max: 0, ..settings() }).await;
    let told = refusal(&closed.jobs().await.create_job(request(job())).await.unwrap_err());
    assert_eq!((told.reason.as_str(), told.fault.as_str()), ("capacity.calls", "capacity"));
}
