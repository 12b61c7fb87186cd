//! The daemon is killed while cards encode and a rendition has been moved to the CPU; and what is told of both.

use crate::daemon::{Setup, end_of, get, job_of, job_that, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, check_whole, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, JobState};

/// Where a rendition is encoded.
fn encode<'a>(job: &'a v1::Job, rung: &str) -> Option<&'a v1::Placement> {
    job.placements.iter().find(|one| one.stage == "encode" && one.track == rung)
}

#[tokio::test]
async fn killed_with_a_rendition_that_had_fallen_back_it_goes_on_with_one_encoder_each() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("devices.toml");
    // The smaller rendition's encoder is the second that is opened.
    let fault = "[[devices.faults]]\nwhat = \"unsupported\"\noperation = \"encode\"\nopen = 2\nframe = 40";
    std::fs::write(&file, crate::accelerators::cards("", fault, fault)).unwrap();
    let devices = format!("devices=sim:{}", file.display());
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").set("threads=8").set(devices).start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, 0).await;
    slow.allow(HALF);
    let (out, mut client) = (daemon.path("out"), daemon.jobs().await);
    let id = submit(&mut client, job_of(&slow.uri(), &out)).await;

    // What was moved waits for the threads of the CPU, of which the rest holds one until it is done.
    job_that(&mut client, &id, |job| job.placements.iter().any(|one| one.faults > 0)).await;
    slow.release();
    let moved = |job: &v1::Job| job.placements.iter().any(|one| one.faults > 0 && one.actual_device == "cpu");
    let before = job_that(&mut client, &id, moved).await;
    let who = |job: &v1::Job| ["180p", "90p"].map(|rung| encode(job, rung).unwrap().actual_device == "cpu");
    assert_eq!(who(&before).iter().filter(|by_cpu| **by_cpu).count(), 1, "{:#?}", before.placements);
    // Both have something that is published.
    let some = |rung: &str| !identities(&out.join("cmaf").join(rung)).is_empty();
    until("segments of both", || (some("180p") && some("90p")).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    daemon.restart().await;

    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    for rung in ["180p", "90p"] {
        let track = ended.outputs[0].tracks.iter().find(|track| track.id == rung).unwrap();
        let by = if encode(&ended, rung).unwrap().actual_device == "cpu" { "libx264 " } else { "h264_nvenc " };
        assert!(track.encoder.starts_with(by), "{track:?}\n{:#?}", ended.placements);
    }
    assert_eq!(get(&mut client, &id).await.attempt, 2);
    let told = daemon.command(&["get", &id, "--explain"]).unwrap();
    assert!(told.contains("failed on cuda:") && told.contains("it cannot do this"), "{told}");
    let log = daemon.log();
    for said in ["a device failed", "renditions are made elsewhere", "\"placed\""] {
        assert!(log.contains(said), "the log does not say `{said}`");
    }
    until("the workers' end", || daemon.workers().is_empty().then_some(())).await;
}
