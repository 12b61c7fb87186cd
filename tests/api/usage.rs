//! Bills: added up, in pages, and only those that the caller may see.

use crate::fake::NOW_MS;
use crate::harness::{Server, job, made, refusal, settings};
use reelmill::api::v1::query_usage_request::GroupBy;
use reelmill::api::v1::usage_service_client::UsageServiceClient;
use reelmill::api::v1::*;
use reelmill::api::{ApiSettings, Token};
use reelmill::model::bill::{self, UsageRow};
use reelmill::model::usage::{Figure as Known, Method, Stage};
use reelmill::model::{JobId, bill::JobUsage as Bill};
use reelmill::usage::{DOCUMENT, Kept};
use tonic::Request;
use tonic::transport::Channel;

fn row(number: u128, output: usize, owner: &str, ended_unix_ms: i64) -> UsageRow {
    let figure = |value, method| Some(Known::new(value, method));
    let cost = |micros| bill::Cost { currency: "EUR".into(), micros, measured: true };
    UsageRow {
        job: JobId::from_number(number),
        output,
        owner: owner.into(),
        reference_id: format!("film {number}"),
        labels: [("k".to_owned(), "v".to_owned())].into(),
        ended_unix_ms,
        usage: bill::OutputUsage {
            output: format!("output-{}", output + 1),
            stages: vec![bill::StageUsage {
                stage: Stage::Encode,
                cpu_us: figure(1000, Method::ThreadClock),
                device_us: figure(10, if number == 3 { Method::RateModel } else { Method::DeviceEngine }),
            }],
            read_bytes: figure(7, Method::Counted),
            energy_mj: (number != 2).then_some(Known::new(1, Method::Counted)),
            cost: Some(cost(5)),
            ..bill::OutputUsage::default()
        },
    }
}

/// Job 1 of ann and jobs 2 and 3 of bob, of two outputs each.
async fn server(tokens: Vec<Token>) -> (Server, UsageServiceClient<Channel>) {
    let server = Server::with(ApiSettings { tokens, ..settings() }).await;
    for (number, owner, ended) in [(1, "ann", 1000), (2, "bob", 2000), (3, "bob", 3000)] {
        server.fake.bill(row(number, 0, owner, ended));
        server.fake.bill(row(number, 1, owner, ended));
    }
    let client = UsageServiceClient::new(server.channel().await);
    (server, client)
}

fn by(group_by: GroupBy) -> QueryUsageRequest {
    QueryUsageRequest { group_by: group_by.into(), ..QueryUsageRequest::default() }
}

#[tokio::test]
async fn bills_are_added_up_by_owner_job_or_output() {
    let (_server, mut client) = server(Vec::new()).await;
    let mut groups = async |request| client.query_usage(request).await.unwrap().into_inner().groups;
    let owners = groups(QueryUsageRequest::default()).await;
    assert_eq!(owners.iter().map(|one| one.owner.as_str()).collect::<Vec<_>>(), ["ann", "bob"]);
    let bob = &owners[1];
    assert_eq!((bob.jobs, bob.outputs, bob.job_id.as_str(), bob.labels.len()), (2, 4, "", 0));
    let usage = bob.usage.as_ref().unwrap();
    let encode = &usage.stages[0];
    assert_eq!((encode.stage.as_str(), encode.cpu_us.unwrap().value), ("encode", 4000));
    let device = encode.device_us.unwrap();
    assert_eq!((device.value, device.method(), device.measured), (40, figure::Method::RateModel, false));
    assert_eq!((usage.read_bytes.unwrap().value, usage.energy_mj), (28, None), "a sum is unknown where a part is");
    assert_eq!((bob.costs.len(), bob.costs[0].micros, bob.costs[0].currency.as_str()), (1, 20, "EUR"));
    assert_eq!(bob.end_time.unwrap().seconds, 3);

    let jobs = groups(by(GroupBy::Job)).await;
    let id = |number: u128| JobId::from_number(number).to_string();
    assert_eq!(jobs.iter().map(|one| one.job_id.clone()).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    assert_eq!((jobs[0].outputs, jobs[0].reference_id.as_str(), jobs[0].labels["k"].as_str()), (2, "film 1", "v"));
    let outputs = groups(by(GroupBy::Output)).await;
    assert_eq!((outputs.len(), outputs[5].usage.as_ref().unwrap().output_id.as_str()), (6, "output-2"));

    let time = |ms: i64| Some(prost_types::Timestamp { seconds: ms / 1000, nanos: 0 });
    let within =
        QueryUsageRequest { end_from: time(2000), end_to: time(3000), owner: "bob".into(), ..by(GroupBy::Job) };
    assert_eq!(groups(within).await.iter().map(|one| one.job_id.clone()).collect::<Vec<_>>(), [id(2)]);
}

#[tokio::test]
async fn pages_of_groups_are_whole_and_a_token_goes_with_its_request() {
    let (_server, mut client) = server(Vec::new()).await;
    for group_by in [GroupBy::Owner, GroupBy::Job, GroupBy::Output] {
        let whole = client.query_usage(by(group_by)).await.unwrap().into_inner().groups;
        let mut request = QueryUsageRequest { page_size: 1, ..by(group_by) };
        let mut paged = Vec::new();
        loop {
            let page = client.query_usage(request.clone()).await.unwrap().into_inner();
            assert_eq!(page.groups.len(), 1);
            paged.extend(page.groups);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(paged, whole, "{group_by:?}");
    }
    let token = client.query_usage(QueryUsageRequest { page_size: 1, ..by(GroupBy::Job) }).await.unwrap();
    let token = token.into_inner().next_page_token;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    for (field, bad) in [
        ("page_token", QueryUsageRequest { page_token: token, ..by(GroupBy::Output) }),
        ("page_token", QueryUsageRequest { page_token: "x".into(), ..by(GroupBy::Job) }),
        ("group_by", QueryUsageRequest { group_by: 9, ..QueryUsageRequest::default() }),
        ("end_to", QueryUsageRequest { end_from: time(2), end_to: time(1), ..QueryUsageRequest::default() }),
        ("end_from", QueryUsageRequest { end_from: time(i64::MAX), ..QueryUsageRequest::default() }),
        ("owner", QueryUsageRequest { owner: "a\n".into(), ..QueryUsageRequest::default() }),
    ] {
        let refused = client.query_usage(bad).await.unwrap_err();
        assert_eq!(refusal(&refused).violations[0].0, field);
    }
}

#[tokio::test]
async fn an_owner_sees_its_own_bills() {
    let tokens = vec![Token::of_secret("ann", false, "a-secret"), Token::of_secret("root", true, "r-secret")];
    let (_server, mut client) = server(tokens).await;
    let mut owners = async |token: &str, owner: &str| -> Vec<String> {
        let mut call = Request::new(QueryUsageRequest { owner: owner.into(), ..QueryUsageRequest::default() });
        call.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let groups = client.query_usage(call).await.unwrap().into_inner().groups;
        groups.into_iter().map(|group| group.owner).collect()
    };
    assert_eq!(owners("a-secret", "").await, ["ann"]);
    assert_eq!(owners("a-secret", "ann").await, ["ann"]);
    assert!(owners("a-secret", "bob").await.is_empty());
    assert_eq!(owners("r-secret", "").await, ["ann", "bob"]);
    assert_eq!(owners("r-secret", "bob").await, ["bob"]);
}

#[tokio::test]
async fn a_job_tells_what_was_last_stored_of_its_usage() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let mut get = async || client.get_job(GetJobRequest { id: id.clone() }).await.unwrap().into_inner().job.unwrap();
    assert!(get().await.usage.is_none());
    let bill = Bill { outputs: vec![row(1, 0, "", NOW_MS).usage], ..Bill::default() };
    let kept = Kept { bill, ..Kept::default() };
    server.fake.document(&id, DOCUMENT, serde_json::to_vec(&kept).unwrap());
    let usage = get().await.usage.unwrap();
    assert_eq!(usage.outputs[0].read_bytes.unwrap().value, 7);
    assert_eq!((usage.cpu_us, usage.outputs[0].made_bytes), (None, None));
}
