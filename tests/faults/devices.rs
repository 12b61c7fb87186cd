//! Whole jobs on devices that fail: made again elsewhere, and never by two encoders in one stream.

use crate::dispatch::{Job, check_complete};
use reelmill::dispatch::cpu_alone;
use reelmill::model::device::{Ability, DeviceId, DeviceInfo, DeviceKind, Operation, Verdict};
use reelmill::model::spec::Fallback;
use reelmill::report::JobReport;
use std::collections::BTreeMap;

/// A card of a model of its own, that decodes and encodes H.264.
fn card(id: &str, model: &str) -> DeviceInfo {
    let ability = |operation| Ability {
        operation,
        codec: "h264".into(),
        depth: 8,
        verdict: Verdict::Works,
        size_min: (146, 50),
        size_max: (4096, 4096),
    };
    DeviceInfo {
        id: DeviceId(format!("cuda:{id}")),
        kind: DeviceKind::Cuda,
        name: model.into(),
        driver: "570.1".into(),
        address: "0".into(),
        model: model.into(),
        memory_mib: 16_000,
        encode_engines: 1,
        decode_engines: 1,
        sessions_counted: true,
        threads: 0,
        simulated: false,
        built: None,
        abilities: vec![ability(Operation::Decode), ability(Operation::Encode)],
    }
}

/// A job of two rungs in two spans on a box with these cards and a CPU.
fn job(script: &str, cards: Vec<DeviceInfo>) -> Job {
    let mut job = Job::new(script, 2);
    job.request.options.renditions = ["360p", "180p"].map(|rung| rung.parse().unwrap()).into();
    job.request.devices = Some(cpu_alone(4).into_iter().chain(cards).collect());
    job
}

fn encoders(report: &JobReport) -> BTreeMap<&str, &str> {
    let video = report.tracks.iter().filter(|track| track.size.is_some());
    video.map(|track| (track.track.as_str(), track.encoder.as_str())).collect()
}

/// Where attempts at a span ran, in order.
fn ran(job: &Job, span: usize) -> Vec<String> {
    let prefix = format!("on-{span} ");
    job.fake.log().iter().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// Every playlist names only what is there, and nothing of another generation lies beside it.
fn check_one_generation(job: &Job, track: &str, generation: u32) {
    for packaging in ["cmaf", "ts"] {
        let directory = job.out().join(packaging).join(track);
        let playlist = std::fs::read_to_string(directory.join("media.m3u8")).unwrap();
        let named: Vec<_> = playlist.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!named.is_empty());
        for name in named {
            assert_eq!(name.contains("-2."), generation == 2, "{name}");
            assert!(directory.join(name).is_file(), "{name}");
        }
        for entry in std::fs::read_dir(&directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_media = !name.ends_with(".m3u8");
            assert!(!is_media || name.contains("-2.") == (generation == 2), "{name} is left over");
        }
    }
}

#[tokio::test]
async fn a_sound_device_makes_all_of_it() {
    let job = job("work", vec![card("a", "T4")]);
    let report = job.run(None).await.0.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(encoders(&report), BTreeMap::from([("180p", "fake nvenc"), ("360p", "fake nvenc")]));
    assert_eq!((ran(&job, 0), ran(&job, 1)), (vec!["cuda:a".to_owned()], vec!["cuda:a".to_owned()]));
    let encode =
        report.placements.iter().find(|one| one.rendition == "360p" && one.stage == Operation::Encode).unwrap();
    assert_eq!((encode.planned.as_str(), encode.actual.as_str(), encode.faults), ("cuda:a", "cuda:a", 0));
}

#[tokio::test]
async fn a_rung_that_the_device_loses_starts_over_on_the_cpu_and_the_other_is_kept() {
    let job = job("device-loses-a-rung", vec![card("a", "T4")]);
    let report = job.run(None).await.0.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(encoders(&report), BTreeMap::from([("180p", "fake 1.0"), ("360p", "fake nvenc")]));
    check_one_generation(&job, "180p", 2);
    check_one_generation(&job, "360p", 1);
    let encode =
        report.placements.iter().find(|one| one.rendition == "180p" && one.stage == Operation::Encode).unwrap();
    assert_eq!((encode.planned.as_str(), encode.actual.as_str(), encode.faults), ("cuda:a", "cpu", 1));
    assert!(encode.fault.contains("the encoder gave up"), "{}", encode.fault);
}

#[tokio::test]
async fn a_rung_that_was_never_begun_needs_no_new_names() {
    let job = job("device-refuses-a-rung", vec![card("a", "T4")]);
    let report = job.run(None).await.0.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(encoders(&report)["360p"], "fake nvenc");
}

#[tokio::test]
async fn a_device_that_vanishes_leaves_its_work_to_one_of_its_kind() {
    let job = job("device-is-lost", vec![card("a", "T4"), card("b", "T4")]);
    let (result, _) = job.run(None).await;
    let report = match result {
        Ok(report) => report,
        Err(problem) => panic!("{problem}: {:?}", job.fake.log()),
    };
    check_complete(&report, &job.out());
    assert!(report.retries > 0);
}

#[tokio::test]
async fn the_last_device_that_vanishes_leaves_all_of_it_to_the_cpu() {
    let job = job("device-is-lost", vec![card("a", "T4")]);
    let report = job.run(None).await.0.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(encoders(&report), BTreeMap::from([("180p", "fake 1.0"), ("360p", "fake 1.0")]));
    check_one_generation(&job, "360p", 2);
}

#[tokio::test]
async fn a_driver_that_kills_its_process_is_left() {
    let job = job("device-kills", vec![card("a", "T4")]);
    let report = job.run(None).await.0.unwrap();
    check_complete(&report, &job.out());
    assert_eq!(encoders(&report)["360p"], "fake 1.0");
}

#[tokio::test]
async fn without_a_fallback_the_job_fails_with_the_devices_reason() {
    let mut job = job("device-loses-a-rung", vec![card("a", "T4")]);
    job.request.fallback = Fallback::Never;
    let problem = job.problem().await;
    assert_eq!(problem.code, "device.encoder");
    assert!(problem.message.contains("the encoder gave up") && problem.message.contains("never"), "{problem}");
    assert!(!job.out().exists());
}

#[tokio::test]
async fn what_no_device_here_can_do_fails_at_once_with_the_reason() {
    let mut job = job("work", vec![card("a", "T4")]);
    job.request.wish = vec!["vaapi".into()];
    let problem = job.problem().await;
    assert_eq!(problem.code, "placement.unmet");
    assert!(problem.message.contains("vaapi") && problem.message.contains("cuda:a"), "{problem}");
    assert!(job.fake.log().iter().all(|line| !line.starts_with("video")), "nothing was begun");
}
