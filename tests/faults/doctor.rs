//! Devices whose drivers kill the process that tries them.

use crate::fake::FakeWorker;
use reelmill::devices::{Proof, prove, trials};
use reelmill::model::device::{DeviceId, DeviceInfo, DeviceKind, Operation, Verdict};

fn card() -> DeviceInfo {
    DeviceInfo {
        id: DeviceId("cuda:GPU-1".into()),
        kind: DeviceKind::Cuda,
        name: "NVIDIA L4".into(),
        driver: "550.54".into(),
        address: "0".into(),
        model: "NVIDIA L4".into(),
        memory_mib: 1024,
        encode_engines: 2,
        decode_engines: 4,
        sessions_counted: false,
        threads: 0,
        simulated: false,
        built: None,
        abilities: Vec::new(),
    }
}

fn code(proof: &Proof, operation: Operation, codec: &str, depth: u8) -> String {
    let same = |ability: &&reelmill::model::device::Ability| {
        (ability.operation, ability.depth) == (operation, depth) && ability.codec == codec
    };
    match &proof.abilities.iter().find(same).unwrap().verdict {
        Verdict::Works => "works".to_owned(),
        Verdict::No { code, reason, remedy } => {
            assert!(!reason.is_empty() && !remedy.is_empty(), "{code}");
            code.clone()
        }
        Verdict::Untried => "untried".to_owned(),
    }
}

#[tokio::test]
async fn the_ability_that_kills_is_named_and_the_others_are_not_blamed() {
    let fake = FakeWorker::new("doctor-crashes");
    let asked = trials(DeviceKind::Cuda);
    let proof = prove(&fake.program(), &card(), &asked).await.unwrap();
    assert_eq!((proof.abilities.len(), proof.ffmpeg.as_str(), proof.lasting), (asked.len(), "fake 1.0", false));
    assert_eq!(code(&proof, Operation::Encode, "hevc", 10), "device.crashed");
    assert_eq!(code(&proof, Operation::Encode, "av1", 8), "device.session_limit");
    let works = proof.abilities.iter().filter(|ability| ability.verdict == Verdict::Works).count();
    assert_eq!(works, asked.len() - 2, "{:?}", proof.abilities);
    let Some(Verdict::No { reason, .. }) =
        proof.abilities.iter().map(|ability| ability.verdict.clone()).find(|verdict| *verdict != Verdict::Works)
    else {
        panic!("no reason")
    };
    assert!(reason.contains("encode hevc with 10 bits died") && reason.contains("SIGABRT"), "{reason}");
    // All in one, then those without an answer one by one; each is told that it is to open a device.
    let log = fake.log();
    let killer =
        asked.iter().position(|trial| (trial.operation, trial.codec, trial.depth) == (Operation::Encode, "hevc", 10));
    assert_eq!(log.len(), 1 + asked.len() - killer.unwrap());
    assert!(log.iter().all(|line| line.starts_with("doctor --device cuda ")), "{log:?}");
}

#[tokio::test]
async fn a_device_that_kills_every_process_is_given_up() {
    let fake = FakeWorker::new("doctor-dies-at-once");
    let asked = trials(DeviceKind::Cuda);
    let proof = prove(&fake.program(), &card(), &asked).await.unwrap();
    assert_eq!(fake.log().len(), 4, "one with all, and three alone");
    let codes: Vec<_> = asked.iter().map(|t| code(&proof, t.operation, t.codec, t.depth)).collect();
    assert!(codes[..3].iter().all(|code| code == "device.crashed"), "{codes:?}");
    assert!(codes[3..].iter().all(|code| code == "device.given_up"), "{codes:?}");
    assert!(!proof.lasting && fake.alive().is_empty());
}

#[tokio::test]
async fn what_works_is_remembered_and_not_tried_again() {
    let fake = FakeWorker::new("doctor-works");
    let state = fake.home.path().join("state");
    let found = reelmill::devices::found(&"cpu".parse().unwrap()).await.unwrap().devices;
    assert_eq!((found.len(), found[0].id.0.as_str()), (1, "cpu"));
    let worker = fake.program();
    let proven = || reelmill::devices::proven(found[0].clone(), &state, &worker);
    let first = proven().await.unwrap();
    assert_eq!(fake.log().len(), 2);
    assert!(first.abilities.iter().all(|ability| ability.verdict == Verdict::Works));
    assert_eq!(proven().await.unwrap(), first);
    // The third asked only what FFmpeg is.
    let log = fake.log();
    assert_eq!((log.len(), log[2].trim()), (3, "doctor"));
    assert!(log.iter().all(|line| !line.contains("--device")), "the CPU needs no door in the wall: {log:?}");
}

#[tokio::test]
async fn a_worker_that_says_nothing_at_all_is_an_error() {
    let fake = FakeWorker::new("exit-3");
    let problem = prove(&fake.program(), &card(), &[]).await.unwrap_err();
    assert_eq!(problem.code, "worker.crashed");
}
