//! Jobs of several sources and outputs, parts of sources, files, and places that hold something already.

use crate::daemon::{Daemon, Setup, end_of, job, output, submit};
use crate::media::{RATE, check_whole, clip, ffprobe, frames, identities, named, tone};
use reelmill::api::v1::{self, JobState, OutputState};
use std::fs;
use std::path::Path;

fn source(id: &str, path: &Path) -> v1::SourceSpec {
    v1::SourceSpec { id: id.into(), uri: path.to_str().unwrap().into(), ..v1::SourceSpec::default() }
}

#[tokio::test]
async fn what_outputs_have_in_common_is_encoded_once() {
    let directory = tempfile::tempdir().unwrap();
    let script = Daemon::wrapper(directory.path(), "case $part in *probe*) ;; *) echo $part >> $DIR/parts;; esac");
    let daemon = Setup::default().env("REELMILL_WORKER", script).start().await;
    let (video, sound) = (daemon.path("in.mp4"), daemon.path("sound.m4a"));
    clip(&video, 3);
    tone(&sound, 3);
    let place = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let mut spec = job(&video, &daemon.path("both"));
    spec.outputs.push(output(&place("large"), &["180p"]));
    spec.outputs.push(output(&place("small"), &["90p"]));
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let mut parts: Vec<_> =
        fs::read_to_string(directory.path().join("parts")).unwrap().lines().map(str::to_owned).collect();
    parts.sort();
    assert_eq!(parts, ["audio-1", "video-0-1"], "one decode, one encode of each rung, one of the sound");
    check_whole(&daemon.path("both"), &["180p", "90p"], &["cmaf", "ts"], 3);
    check_whole(&daemon.path("large"), &["180p"], &["cmaf", "ts"], 3);
    check_whole(&daemon.path("small"), &["90p"], &["cmaf", "ts"], 3);

    // Sound from a file beside the pictures.
    let mut spec = job(&video, &daemon.path("dubbed"));
    spec.sources = vec![source("picture", &video), source("sound", &sound)];
    spec.outputs[0].source_id = "picture".into();
    spec.outputs[0].audio_source_ids = vec!["sound".into()];
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert_eq!(ended.inputs.len(), 2);
    check_whole(&daemon.path("dubbed"), &["180p", "90p"], &["cmaf", "ts"], 3);
}

#[tokio::test]
async fn a_part_of_a_source_and_a_progressive_file() {
    let daemon = Daemon::start().await;
    let path = daemon.path("in.mp4");
    clip(&path, 6);
    let at = |ms: i64| Some(prost_types::Duration { seconds: ms / 1000, nanos: (ms % 1000) as i32 * 1_000_000 });
    let mut spec = job(&path, &daemon.path("out"));
    (spec.sources[0].start, spec.sources[0].end) = (at(1500), at(4500));
    spec.outputs[0].progressive_mp4 = Some(true);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], 3);
    for rung in ["180p", "90p"] {
        let file = daemon.path("out/mp4").join(format!("{rung}.mp4"));
        assert_eq!(frames(&file), 3 * RATE);
        let kinds = ffprobe(&file, &["-show_entries", "stream=codec_type"]);
        assert_eq!(kinds, ["video", "audio"]);
        let uri = file.to_str().unwrap();
        assert!(ended.outputs[0].files.iter().any(|file| file.uri == uri), "{:?}", ended.outputs[0].files);
    }
}

#[tokio::test]
async fn what_lies_at_a_destination_is_left_replaced_or_reason_to_fail() {
    let daemon = Daemon::start().await;
    let (path, out) = (daemon.path("in.mp4"), daemon.path("out"));
    clip(&path, 2);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&path, &out)).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let before = identities(&out);
    let as_asked = |if_exists: v1::IfExists| {
        let mut spec = job(&path, &out);
        spec.outputs[0].if_exists = if_exists.into();
        spec
    };

    let id = submit(&mut client, as_asked(v1::IfExists::Fail)).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.outputs[0].state()), (JobState::Failed, OutputState::Failed));
    assert_eq!(ended.outputs[0].problem.as_ref().unwrap().code, "output.exists");
    let id = submit(&mut client, as_asked(v1::IfExists::Skip)).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.outputs_skipped), (JobState::Succeeded, 1), "{ended:?}");
    assert_eq!(identities(&out), before, "it is left alone");

    let mut spec = as_asked(v1::IfExists::Replace);
    spec.outputs[0].renditions.truncate(1);
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&out, &["180p"], &["cmaf", "ts"], 2);
    assert!(named(&out.join("cmaf/master.m3u8")).iter().all(|file| !file.to_str().unwrap().contains("90p")));
    assert!(!out.join("cmaf/90p").exists(), "nothing of the earlier output is left");
    let beside = fs::read_dir(daemon.path("")).unwrap().flatten().map(|entry| entry.file_name());
    assert!(beside.into_iter().all(|name| !name.to_string_lossy().contains("reelmill-")), "nothing is left beside it");
}
