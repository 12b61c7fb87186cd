//! A webhook, from the end of a job to its receiver, which is down at first.

use crate::daemon::{Setup, end_of, job, submit, until};
use crate::media::clip;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use reelmill::api::v1::{self, JobState};
use sha2::Sha256;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const KEY: &[u8] = b"a key of at least twenty-four bytes";

/// Answers every request with 204 and keeps it as text.
async fn receive(listener: TcpListener, seen: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = Vec::new();
        loop {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            request.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&request);
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = field(head, "content-length").and_then(|length| length.parse::<usize>().ok());
                length == Some(body.len())
            });
            if whole || read == 0 {
                break;
            }
        }
        seen.lock().unwrap().push(String::from_utf8(request).unwrap());
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn check_signature(request: &str) -> serde_json::Value {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let (id, time) = (field(head, "webhook-id").unwrap(), field(head, "webhook-timestamp").unwrap());
    let mut signed = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    signed.update(format!("{id}.{time}.{body}").as_bytes());
    let expected = format!("v1,{}", BASE64_STANDARD.encode(signed.finalize().into_bytes()));
    let signatures = field(head, "webhook-signature").unwrap();
    assert!(signatures.split(' ').any(|one| one == expected), "{signatures} is not {expected}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_receiver_that_is_down_at_first_is_told_in_the_end() {
    // A port that nobody listens on until later.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    let daemon = Setup::default()
        .set("webhooks.allow=127.0.0.1")
        .set("webhooks.allow_http=true")
        .env("REELMILL_WEBHOOKS__SECRETS__DEFAULT__SECRET", secret)
        .start()
        .await;
    let source = daemon.path("in.mp4");
    clip(&source, 1);
    let hook = v1::WebhookSpec {
        url: format!("http://{address}/told"),
        events: vec![v1::webhook_spec::Event::JobEnded.into(), v1::webhook_spec::Event::OutputPlayable.into()],
        secret_name: String::new(),
    };
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, v1::JobSpec { webhooks: vec![hook], ..job(&source, &daemon.path("out")) }).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let log = |id: &str| v1::ListDeliveriesRequest { id: id.into() };
    let deliveries = loop {
        let deliveries = client.list_deliveries(log(&id)).await.unwrap().into_inner().deliveries;
        if deliveries.len() == 2 && deliveries.iter().all(|delivery| !delivery.attempts.is_empty()) {
            break deliveries;
        }
        tokio::task::yield_now().await;
    };
    for delivery in &deliveries {
        assert_eq!(delivery.state(), v1::delivery::State::Pending, "{delivery:?}");
        assert!(!delivery.attempts[0].error.is_empty() && delivery.next_time.is_some(), "{delivery:?}");
    }

    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind(address).await.unwrap();
    let receiver = tokio::spawn(receive(listener, Arc::clone(&seen)));
    until("both messages", || (seen.lock().unwrap().len() >= 2).then_some(())).await;
    receiver.abort();
    let mut told: Vec<_> = seen.lock().unwrap().iter().map(|request| check_signature(request)).collect();
    told.sort_by_key(|body| body["type"].as_str().unwrap().to_owned());
    assert_eq!((&told[0]["type"], &told[1]["type"]), (&"job.succeeded".into(), &"output.playable".into()));
    assert!(told.iter().all(|body| body["data"]["id"] == id.as_str()), "{told:?}");
    loop {
        let deliveries = client.list_deliveries(log(&id)).await.unwrap().into_inner().deliveries;
        if deliveries.iter().all(|delivery| delivery.state() == v1::delivery::State::Delivered) {
            assert!(
                deliveries.iter().all(|delivery| delivery.attempts.last().unwrap().status == 204),
                "{deliveries:?}"
            );
            break;
        }
        tokio::task::yield_now().await;
    }
}
