//! Messages that arrive: what is in them, how often, in which order.

use crate::bench::{Bench, SECRET, message, settings, signed_with};
use crate::receiver::{Answer, Receiver};
use crate::signed::{KEY, is_signed, other_key};
use crate::store::{Effects, now};
use reelmill::model::JobId;
use reelmill::store::{EffectState, Store};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

#[tokio::test]
async fn a_message_is_repeated_until_it_is_taken_with_the_same_id_and_a_new_signature() {
    let receiver = Receiver::script(&[Answer::saying(500, "not\n now\u{7}"), Answer::status(204)]).await;
    let mut patient = settings();
    // Time stamps are in seconds, and two that differ are wanted.
    patient.retry.first_ms = 1_100;
    patient.retry.max_ms = 1_100;
    let bench = Bench::new(patient);
    let before = now();
    let id = bench.add(0xabc, message(receiver.url("/hook?x=1")));
    let effect = bench.store.until_done(id).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?x=1"));
        assert_eq!(request.id(), format!("msg_{:032x}_{id}", 0xabc));
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.headers["user-agent"].starts_with("reelmill/"));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["data"]["id"], "ü");
        assert!(is_signed(request, &KEY) && !is_signed(request, &other_key()));
        let seconds: i64 = request.headers["webhook-timestamp"].parse().unwrap();
        assert!((before / 1000..=now() / 1000).contains(&seconds), "{seconds}");
    }
    assert_ne!(seen[0].headers["webhook-timestamp"], seen[1].headers["webhook-timestamp"]);
    let [failed, taken] = &effect.attempts[..] else { panic!("{:?}", effect.attempts) };
    assert_eq!((failed.status, taken.status, taken.error.as_str()), (Some(500), Some(204), ""));
    assert!(failed.error.contains("(status 500, and said: not now) [webhook.failed]"), "{}", failed.error);
    assert!(failed.unix_ms >= before && taken.unix_ms >= failed.unix_ms + 1_000);
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_keys_sign() {
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let bench = Bench::new(settings());
    let id = bench.add(1, signed_with(receiver.url("/"), "changing"));
    bench.store.until_done(id).await;
    let seen = receiver.seen();
    assert!(is_signed(&seen[0], &KEY) && is_signed(&seen[0], &other_key()));
    assert_eq!(seen[0].headers["webhook-signature"].split(' ').count(), 2);
}

#[tokio::test]
async fn the_example_in_the_documentation_tells_true_from_false() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 here to run the example with");
        return;
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/WEBHOOKS.md")).unwrap();
    let example = text.split_once("```python\n").unwrap().1.split_once("```").unwrap().0.to_owned();
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let bench = Bench::new(settings());
    bench.store.until_done(bench.add(1, signed_with(receiver.url("/"), "changing"))).await;
    let seen = receiver.seen().remove(0);
    let verified = |secret: &str, body: &[u8]| {
        let driver = "import sys\nheaders = dict(zip(sys.argv[2::2], sys.argv[3::2]))\n\
             message = verify(sys.argv[1], headers, sys.stdin.buffer.read())\nprint(message['type'])";
        let mut command = Command::new("python3");
        command.arg("-c").arg(format!("{example}\n{driver}")).arg(secret);
        for (name, value) in &seen.headers {
            command.args([name, value]);
        }
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        child.stdin.take().unwrap().write_all(body).unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() { Ok(told) } else { Err(error) }
    };
    assert_eq!(verified(SECRET, &seen.body), Ok("job.succeeded".to_owned()));
    let forged = seen.body.iter().map(|b| if *b == b'2' { b'3' } else { *b }).collect::<Vec<_>>();
    assert!(verified(SECRET, &forged).unwrap_err().contains("ValueError"));
    assert!(verified("whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", &seen.body).unwrap_err().contains("ValueError"));
}

#[tokio::test]
async fn messages_of_a_job_arrive_in_order_as_long_as_all_are_taken() {
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let store = Arc::<Effects>::default();
    let created = now();
    let ids: Vec<_> =
        (0..30).map(|_| store.add_at(JobId::from_number(5), message(receiver.url("/")), created)).collect();
    let bench = Bench::over(store, settings());
    for id in &ids {
        bench.store.until_done(*id).await;
    }
    let order: Vec<_> = receiver.seen().iter().map(|seen| seen.id().to_owned()).collect();
    let expected: Vec<_> = ids.iter().map(|id| format!("msg_{:032x}_{id}", 5)).collect();
    assert_eq!(order, expected);
}

#[tokio::test]
async fn what_a_stop_cuts_off_is_told_after_the_next_start_with_the_same_id() {
    let receiver = Receiver::script(&[Answer::Silence, Answer::status(200)]).await;
    let bench = Bench::new(settings());
    let id = bench.add(1, message(receiver.url("/")));
    receiver.until(1).await;
    let store = bench.stop().await;
    assert!(matches!(store.get(id).state, EffectState::Due(_)) && store.get(id).attempts.is_empty());
    let again = Bench::over(store, settings());
    again.store.until_done(id).await;
    let seen = receiver.seen();
    assert_eq!((seen.len(), seen[0].id()), (2, seen[1].id()));
}

#[tokio::test]
async fn a_burst_is_told_once_each() {
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let bench = Bench::new(settings());
    let ids: Vec<_> = (0..300).map(|job| bench.add(job, message(receiver.url("/")))).collect();
    for id in ids {
        bench.store.until_done(id).await;
    }
    let mut told: Vec<_> = receiver.seen().iter().map(|seen| seen.id().to_owned()).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!((told.len(), receiver.seen().len()), (300, 300));
    assert_eq!(bench.store.due(i64::MAX, 10).await.unwrap(), (Vec::new(), None));
}
