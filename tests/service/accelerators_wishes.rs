//! What jobs wish of devices: met, or refused at once with the reason; and jobs that stand in each other's way.

use crate::accelerators::{Node, cards, check_right, encoded_by};
use crate::daemon::PATIENCE;
use crate::media::{clip, ffmpeg};
use crate::spans::{settings_of, spec};
use reelmill::api::Appliance;
use reelmill::dispatch::Engine;
use reelmill::model::device::{DeviceKind, Operation, Verdict};
use reelmill::model::job::JobRecord;
use reelmill::model::spec::Fallback;
use reelmill::model::state::JobState;
use reelmill::model::{JobSpec, VideoCodec};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs one job on a node of which the wish can never be met; gives what it says.
async fn refused(devices: &str, say: fn(&mut JobSpec)) -> String {
    let node = Node::new(devices).await;
    let (_, record): (_, JobRecord) = node.run_as(1, 1, say).await.remove(0);
    assert_eq!(record.state(), JobState::Failed);
    let problem = record.outputs[0].problem.clone().unwrap();
    assert_eq!(problem.code, "placement.unmet", "{problem}");
    assert!(
        record.placements.iter().all(|one| one.rendition == "audio-1" || one.actual.is_empty()),
        "{:#?}",
        record.placements
    );
    node.end().await;
    problem.message
}

#[tokio::test]
async fn a_job_that_wants_a_card_fails_at_once_where_there_is_none() {
    let home = tempfile::tempdir().unwrap();
    let worker = PathBuf::from(env!("CARGO_BIN_EXE_reelmill-worker"));
    let settings = settings_of(home.path(), 2, 64 << 20, worker);
    let (source, store) = (home.path().join("in.mp4"), Arc::clone(&settings.store));
    clip(&source, 4);
    let (engine, ended) = Engine::start(settings, None).await.unwrap();
    let mut asked = spec(&source, &home.path().join("out"), 1);
    (asked.devices, asked.fallback) = (vec!["cuda".into()], Fallback::Never);
    let (stored, _) = engine.submit(asked, None).await.unwrap();
    let mut changes = store.subscribe(stored.record.id);
    let record = loop {
        let record = store.get(stored.record.id).await.unwrap().unwrap().record;
        if record.state().is_over() {
            break record;
        }
        tokio::time::timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    };
    let problem = record.outputs[0].problem.clone().unwrap();
    assert_eq!((record.state(), problem.code.as_str()), (JobState::Failed, "placement.unmet"), "{problem}");
    let why = problem.message;
    assert!(why.contains("cuda") && why.contains("h264 8-bit") && why.contains("cpu"), "{why}");
    engine.shut_down();
    drop(engine);
    ended.await.unwrap();
}

#[tokio::test]
async fn a_codec_that_no_card_here_encodes_is_named() {
    let why = refused(&cards("", "", ""), |job| {
        job.devices = vec!["cuda".into()];
        job.outputs[0].request.codecs = vec![VideoCodec::Hevc];
    })
    .await;
    assert!(why.contains("hevc") && why.contains("HEVC"), "{why}");
}

/// Cards that make HEVC of eight bits, and a source of ten, which the ladder keeps.
#[tokio::test]
async fn a_depth_that_no_card_here_encodes_is_named() {
    let hevc = "[[devices.encode]]\ncodec = \"hevc\"\nmpix = 400";
    let node = Node::new(&cards("", hevc, hevc)).await;
    let source = node.path("in.mp4");
    let made = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4", "-c:v", "libx264"];
    let end = ["-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p10le", source.to_str().unwrap()];
    ffmpeg(&[&made[..], &end].concat());
    let say = |job: &mut JobSpec| {
        (job.devices, job.fallback) = (vec!["cuda".into()], Fallback::Never);
        job.outputs[0].request.codecs = vec![VideoCodec::Hevc];
    };
    let (_, record) = node.run_as(1, 1, say).await.remove(0);
    assert_eq!(record.state(), JobState::Failed);
    let problem = record.outputs[0].problem.clone().unwrap();
    assert_eq!(problem.code, "placement.unmet", "{problem}");
    let why = problem.message;
    assert!(why.contains("hevc 10-bit") && why.contains("cuda"), "{why}");
    assert!(record.placements.iter().all(|one| one.actual.is_empty()), "{:#?}", record.placements);
    node.end().await;
}

#[tokio::test]
async fn without_a_fallback_a_failure_of_the_card_is_the_outputs() {
    let fault = "[[devices.faults]]\nwhat = \"unsupported\"\noperation = \"encode\"";
    let node = Node::new(&cards("", fault, fault)).await;
    let (_, record) = node.run_as(1, 1, |job| job.fallback = Fallback::Never).await.remove(0);
    assert_eq!(record.state(), JobState::Failed);
    let problem = record.outputs[0].problem.clone().unwrap();
    assert!(problem.message.contains("`fallback` is `never`"), "{problem}");
    node.end().await;
}

#[tokio::test]
async fn jobs_that_each_need_all_sessions_of_the_host_run_one_after_the_other() {
    let node = Node::new(&cards("[sessions]\ncap = 2", "", "")).await;
    for (out, record) in node.run_as(3, 2, |job| job.devices = vec!["cuda".into()]).await {
        check_right(&out, &record);
        assert!(encoded_by(&record, "180p").starts_with("cuda:"), "{:#?}", record.placements);
    }
    node.end().await;
}

/// NVML tells of a card, and CUDA is not there: a container that was given only the one library.
#[tokio::test]
async fn a_card_that_only_nvml_knows_is_of_no_use_and_says_why() {
    let host = tempfile::tempdir().unwrap();
    let file = host.path().join("devices.toml");
    std::fs::write(&file, cards("", "", "")).unwrap();
    let mut card = reelmill::simulate::Host::new(reelmill::simulate::load(&file).unwrap()).devices().remove(0);
    assert_eq!(card.kind, DeviceKind::Cuda);
    // As NVML would have told of it. No machine has so many, where there is a driver.
    (card.simulated, card.address) = (false, "99".to_owned());
    card.abilities.clear();
    let trial = |operation| reelmill::devices::Trial { operation, codec: "h264", depth: 8 };
    let worker = Path::new(env!("CARGO_BIN_EXE_reelmill-worker"));
    let trials = [trial(Operation::Decode), trial(Operation::Encode)];
    let proof = reelmill::devices::prove(worker, &card, &trials).await.unwrap();
    assert_eq!(proof.abilities.len(), 2);
    for ability in &proof.abilities {
        let Verdict::No { code, reason, remedy } = &ability.verdict else { panic!("{ability:?}") };
        assert!(code.starts_with("device.") && !reason.is_empty() && !remedy.is_empty(), "{ability:?}");
    }
}
