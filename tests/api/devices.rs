//! What a job says of devices, asked by a client: taken as it is meant, or refused with the field and the nearest name.

use crate::harness::{Server, job, refusal, request};
use prost_types::Timestamp;
use reelmill::api::v1::*;
use tonic::Code;

/// The year 2100.
const FAR: i64 = 4_102_444_800;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[tokio::test]
async fn what_is_good_comes_back_as_it_was_said() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    for devices in [&["cuda"][..], &["cpu", "vaapi"], &["cuda:GPU-7f3c", "cuda:GPU-11aa"], &[]] {
        let devices: Vec<String> = devices.iter().map(|name| (*name).to_owned()).collect();
        let asked = JobSpec {
            deadline: at(FAR),
            fallback: Fallback::Never.into(),
            devices: devices.clone(),
            start_time: at(FAR - 10),
            ..job()
        };
        let made = client.create_job(request(asked)).await.unwrap().into_inner().job.unwrap();
        let got = client.get_job(GetJobRequest { id: made.id }).await.unwrap().into_inner().job.unwrap();
        let spec = got.spec.unwrap();
        assert_eq!((spec.deadline, spec.fallback(), spec.devices), (at(FAR), Fallback::Never, devices));
    }
}

#[tokio::test]
async fn what_is_bad_is_refused_by_field_and_code() {
    type Spoil = fn(&mut JobSpec);
    let cases: [(&str, &str, &str, Spoil); 8] = [
        ("job.devices[0]", "request.device", "the nearest kind is `cuda`", |job| job.devices = vec!["cdua".into()]),
        ("job.devices[1]", "request.device", "the nearest kind is `vaapi`", |job| {
            job.devices = vec!["cpu".into(), "vapi:0000:00:02.0".into()];
        }),
        ("job.devices[0]", "request.device", "GetNode", |job| job.devices = vec!["cuda:".into()]),
        ("job.devices[0]", "request.device", "128", |job| job.devices = vec![format!("cuda:{}", "a".repeat(128))]),
        ("job.fallback", "request.value", "9", |job| job.fallback = 9),
        ("job.deadline", "request.time", "has passed", |job| job.deadline = at(1_500_000_000)),
        ("job.deadline", "request.time", "after `start_time`", |job| {
            (job.start_time, job.deadline) = (at(FAR), at(FAR - 1));
        }),
        ("job.deadline", "request.time", "no time from 1970 to 9999", |job| job.deadline = at(-1)),
    ];
    let server = Server::start().await;
    let mut client = server.jobs().await;
    for (field, code, part, spoil) in cases {
        let mut asked = job();
        spoil(&mut asked);
        let told = refusal(&client.create_job(request(asked)).await.expect_err(field));
        assert_eq!((told.code, told.reason.as_str()), (Code::InvalidArgument, code), "{field}");
        let [(at, reason, sentence)] = &told.violations[..] else { panic!("{:?}", told.violations) };
        assert_eq!((at.as_str(), reason.as_str()), (field, code));
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[tokio::test]
async fn a_repeated_request_is_not_refused_for_the_time_that_went_by() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let asked = JobSpec { deadline: at(1_500_000_000), ..job() };
    let request = CreateJobRequest { job: Some(asked), idempotency_key: "key-1".into() };
    client.create_job(request).await.unwrap();
}
