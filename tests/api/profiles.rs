//! Profiles over the API: listed, applied, blamed.

use crate::harness::{Server, job, output, refusal, request};
use reelmill::api::v1::*;

#[tokio::test]
async fn they_are_listed() {
    let server = Server::start().await;
    let listed = server.jobs().await.list_profiles(ListProfilesRequest {}).await.unwrap().into_inner().profiles;
    let names: Vec<_> = listed.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!(names, ["archive", "audio-only", "mobile", "social-portrait", "web-vod"]);
    let mobile = &listed[2].outputs[0];
    assert_eq!((mobile.renditions[0].size.as_str(), mobile.renditions[0].bit_rate), ("720p", 2_000_000));
    assert_eq!((mobile.destination.as_str(), mobile.spans, mobile.copy), ("", 0, None));
}

#[tokio::test]
async fn an_output_takes_over_what_it_leaves_out() {
    let server = Server::start().await;
    let mut asked = JobSpec { profile: "archive".into(), ..job() };
    asked.outputs[0].progressive_mp4 = Some(false);
    asked.outputs[0].rate_control = Some(RateControl { mode: 2, crf: 30 });
    asked.outputs.push(output("/other"));
    let made = server.jobs().await.create_job(request(asked)).await.unwrap().into_inner().job.unwrap();
    let spec = made.spec.unwrap();
    assert_eq!(spec.profile, "archive@1");
    let first = &spec.outputs[0];
    assert_eq!(first.video_codecs, [i32::from(VideoCodec::Hevc)]);
    assert_eq!((first.renditions[0].size.as_str(), first.progressive_mp4), ("2160p", Some(false)));
    assert_eq!(first.rate_control.unwrap().crf, 30);
    assert_eq!(first.segment_duration.unwrap().seconds, 6);
    let second = &spec.outputs[1];
    assert!(second.video_codecs.is_empty() && second.segment_duration.unwrap().seconds == 4, "no counterpart");
}

#[tokio::test]
async fn a_mistake_that_comes_from_one_says_so() {
    let server = Server::start().await;
    let mut asked = JobSpec { profile: "archive".into(), ..job() };
    asked.outputs[0].packagings = vec![Packaging::Ts.into()];
    let told = refusal(&server.jobs().await.create_job(request(asked)).await.unwrap_err());
    let (field, code, sentence) = &told.violations[0];
    assert_eq!((field.as_str(), code.as_str()), ("job.outputs[0].progressive_mp4", "request.progressive"));
    assert!(sentence.ends_with("(progressive_mp4 is from the profile archive@1)"), "{sentence}");
}
