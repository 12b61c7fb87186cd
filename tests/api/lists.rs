//! Pages and filters.

use crate::harness::{Server, job, made, refusal};
use reelmill::api::v1::*;

#[tokio::test]
async fn pages_follow_one_another_newest_first_and_end() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(made(&mut client, job()).await);
    }
    ids.reverse();
    let mut listed = Vec::new();
    let mut request = ListJobsRequest { page_size: 2, ..ListJobsRequest::default() };
    loop {
        let page = client.list_jobs(request.clone()).await.unwrap().into_inner();
        assert!(page.jobs.len() <= 2 && page.jobs.iter().all(|job| job.spec.is_none()));
        listed.extend(page.jobs.into_iter().map(|job| job.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn filters_are_joined_and_a_token_goes_with_its_own() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let label = |value: &str| [("k".to_owned(), value.to_owned())].into();
    let first = made(&mut client, JobSpec { labels: label("1"), ..job() }).await;
    let second = made(&mut client, JobSpec { labels: label("1"), reference_id: "x".into(), ..job() }).await;
    made(&mut client, JobSpec { labels: label("2"), ..job() }).await;
    server.fake.succeed(&first);
    let mut list = async |request: ListJobsRequest| client.list_jobs(request).await.map(tonic::Response::into_inner);
    let by_label = ListJobsRequest { labels: label("1"), page_size: 1, ..ListJobsRequest::default() };
    let page = list(by_label.clone()).await.unwrap();
    assert_eq!(page.jobs[0].id, second);
    let over = ListJobsRequest { states: vec![JobState::Succeeded.into()], ..ListJobsRequest::default() };
    assert_eq!(list(over.clone()).await.unwrap().jobs[0].id, first);
    let later = prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 };
    let late = ListJobsRequest { created_from: Some(later), ..ListJobsRequest::default() };
    assert!(list(late).await.unwrap().jobs.is_empty());

    let token = page.next_page_token;
    let next = list(ListJobsRequest { page_token: token.clone(), ..by_label }).await.unwrap();
    assert_eq!((next.jobs[0].id.as_str(), next.next_page_token.as_str()), (first.as_str(), ""));
    for (field, bad) in [
        ("page_token", ListJobsRequest { page_token: token, ..over }),
        ("page_token", ListJobsRequest { page_token: "x".into(), ..ListJobsRequest::default() }),
        ("states[0]", ListJobsRequest { states: vec![77], ..ListJobsRequest::default() }),
    ] {
        assert_eq!(refusal(&list(bad).await.unwrap_err()).violations[0].0, field);
    }
}
