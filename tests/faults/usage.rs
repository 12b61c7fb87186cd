//! What workers tell of their use, up to the report beside the output.

use crate::dispatch::Job;
use reelmill::model::Plan;
use reelmill::model::bill::OutputUsage;
use reelmill::model::usage::{Method, Stage};
use reelmill::wire::v1::{self, from_worker::Message};

/// What an account of a fake worker holds, µs: reading and decoding, and each rendition's filter and encoder.
const DECODE_US: u64 = 1_000_000;
const FILTER_US: u64 = 10_000;
const ENCODE_US: u64 = 100_000;
/// What its process used beside.
const REST_US: u64 = 500;
/// Most memory of its process, bytes.
const MEMORY: u64 = 1 << 20;

/// What a fake worker tells once it is done.
pub(crate) fn told(plan: &Plan, audio: bool) -> Message {
    let rungs: Vec<&str> = plan.video.iter().flat_map(|video| &video.renditions).map(|rung| rung.id.as_str()).collect();
    let sounds: Vec<&str> = plan.audio.iter().map(|sound| sound.id.as_str()).collect();
    let account =
        |track: &str, stage: Stage, cpu_us| v1::Account { track: track.into(), stage: stage.name().into(), cpu_us };
    let mut accounts = vec![account("", Stage::Decode, DECODE_US)];
    for track in if audio { sounds } else { rungs } {
        accounts.push(account(track, Stage::Filter, FILTER_US));
        accounts.push(account(track, Stage::Encode, ENCODE_US));
    }
    let all: u64 = accounts.iter().map(|account| account.cpu_us).sum();
    Message::Usage(v1::Usage {
        accounts,
        cpu_us: Some(all + REST_US),
        memory_peak_bytes: Some(MEMORY),
        read_bytes: vec![10],
        ..v1::Usage::default()
    })
}

fn stage(usage: &OutputUsage, stage: Stage) -> u64 {
    let found = usage.stages.iter().find(|one| one.stage == stage);
    found.map_or(0, |one| one.cpu_us.unwrap().value)
}

#[tokio::test]
async fn the_report_says_what_the_output_has_cost() {
    let job = Job::new("work", 1);
    let report = job.run(None).await.0.unwrap();
    let usage = report.usage.unwrap();
    let tracks = report.tracks.len() as u64;
    assert_eq!(stage(&usage, Stage::Decode), 2 * DECODE_US, "of the pictures and of the sound");
    assert_eq!(stage(&usage, Stage::Filter), tracks * FILTER_US);
    assert_eq!(stage(&usage, Stage::Encode), tracks * ENCODE_US);
    assert!(stage(&usage, Stage::Package) > 0, "transport streams are continued by the daemon: {usage:?}");
    assert!(stage(&usage, Stage::Publish) > 0, "{usage:?}");
    assert_eq!(usage.cpu_us().unwrap().method, Method::ThreadClock);
    let value = |figure: Option<reelmill::model::usage::Figure>| figure.unwrap().value;
    assert_eq!((value(usage.memory_peak_bytes), value(usage.read_bytes)), (MEMORY, 20));
    assert_eq!((value(usage.device_us()), value(usage.energy_mj), value(usage.wasted_cpu_us)), (0, 0, 0));
    let segments: u64 = report.tracks.iter().flat_map(|track| &track.files).map(|files| files.bytes).sum();
    assert_eq!(value(usage.made_bytes), segments);
    assert!(value(usage.stored_bytes) > segments, "playlists and headers too");
    let media: i64 = report.tracks.iter().map(|track| track.duration_us).sum();
    assert_eq!(value(usage.media_us), media as u64);
    assert!(value(usage.normalised_milliminutes) > 0 && value(usage.wall_us) > 0);
    assert_eq!(usage.cost, None, "there is no price table");
    let written = std::fs::read(job.out().join("reelmill.json")).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["usage"]["made_bytes"]["method"], "counted");
}
