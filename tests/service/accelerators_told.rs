//! Wishes that no device here meets, over gRPC: the plan says so beforehand, and the job fails at once with the sentence.

use crate::accelerators::cards;
use crate::daemon::{Daemon, Setup, end_of, job, submit};
use crate::media::{clip, ffmpeg};
use reelmill::api::v1::{self, Fallback, JobState, VideoCodec};

/// A daemon on a box with two cards that encode H.264 and HEVC of eight bits.
async fn daemon() -> (tempfile::TempDir, Daemon) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("devices.toml");
    let hevc = "[[devices.encode]]\ncodec = \"hevc\"\nmpix = 400\n[[devices.decode]]\ncodec = \"hevc\"\ndepths = [8, 10]\nmpix = 800";
    std::fs::write(&file, cards("", hevc, hevc)).unwrap();
    let daemon = Setup::default().set(format!("devices=sim:{}", file.display())).start().await;
    (home, daemon)
}

/// Submits a job that must be made by a card, and gives why it is not.
async fn refused(daemon: &Daemon, mut asked: v1::JobSpec) -> String {
    (asked.devices, asked.fallback) = (vec!["cuda".into()], Fallback::Never.into());
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, asked).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Failed, "{ended:?}");
    let problem = ended.outputs[0].problem.clone().unwrap();
    assert_eq!(problem.code, "placement.unmet", "{problem:?}");
    let told = daemon.command(&["get", &id]).unwrap();
    assert!(told.contains("placement.unmet"), "{told}");
    assert!(daemon.workers().is_empty());
    problem.message
}

#[tokio::test]
async fn ten_bits_that_no_card_encodes_are_named_with_engine_codec_and_depth() {
    let (_home, daemon) = daemon().await;
    let source = daemon.path("in.mp4");
    let made =
        ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2", "-c:v", "libx264", "-preset", "ultrafast"];
    ffmpeg(&[&made[..], &["-g", "50", "-pix_fmt", "yuv420p10le", source.to_str().unwrap()]].concat());
    let mut asked = job(&source, &daemon.path("out"));
    asked.outputs[0].video_codecs = vec![VideoCodec::Hevc.into()];
    let why = refused(&daemon, asked).await;
    for part in ["hevc 10-bit", "NVENC HEVC 10-bit", "cuda"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    // Eight bits of the same are made by a card.
    let source = daemon.path("eight.mp4");
    clip(&source, 2);
    let mut asked = job(&source, &daemon.path("eight"));
    asked.outputs[0].video_codecs = vec![VideoCodec::Hevc.into()];
    (asked.devices, asked.fallback) = (vec!["cuda".into()], Fallback::Never.into());
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, asked).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let encoded = ended.placements.iter().filter(|one| one.stage == "encode" && one.track.ends_with('p'));
    assert!(encoded.clone().count() > 0 && encoded.into_iter().all(|one| one.actual_device.starts_with("cuda:")));
}

#[tokio::test]
async fn a_joined_source_says_that_the_cpu_makes_it() {
    let (_home, daemon) = daemon().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let part = v1::SourceSpec { id: "part".into(), uri: source.to_str().unwrap().into(), ..v1::SourceSpec::default() };
    let concat_source_ids = vec!["part".into(), "part".into()];
    let whole = v1::SourceSpec { id: "whole".into(), concat_source_ids, ..v1::SourceSpec::default() };
    let mut asked = v1::JobSpec { sources: vec![whole, part], ..job(&source, &daemon.path("out")) };
    asked.outputs[0].source_id = "whole".into();
    let why = refused(&daemon, asked).await;
    assert!(why.contains("joined source") && why.contains("by the CPU alone"), "{why}");
}
