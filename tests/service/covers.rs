//! Covers through the service: two outputs with covers of their own, one whose cover cannot be used, and a daemon that was killed.

use crate::daemon::{Daemon, Setup, end_of, job_of, output, submit, until};
use crate::media::{HALF, clip, ffmpeg, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, JobState, OutputState};
use std::fs;
use std::path::Path;

/// An output of sound alone with a cover.
fn with_cover(destination: &Path, cover: &Path) -> v1::OutputSpec {
    let file_metadata = v1::FileMetadata { cover_uri: cover.to_str().unwrap().into(), ..v1::FileMetadata::default() };
    v1::OutputSpec {
        omit_video: Some(true),
        progressive_mp4: Some(true),
        file_metadata: Some(file_metadata),
        ..output(destination.to_str().unwrap(), &[])
    }
}

fn image(path: &Path, color: &str) -> Vec<u8> {
    let picture = format!("color=c={color}:size=64x32");
    ffmpeg(&["-f", "lavfi", "-i", &picture, "-frames:v", "1", "-update", "1", path.to_str().unwrap()]);
    fs::read(path).unwrap()
}

fn holds(file: &Path, bytes: &[u8]) -> bool {
    fs::read(file).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

#[tokio::test]
async fn a_cover_that_cannot_be_used_fails_the_output_that_wants_it_alone() {
    let daemon = Daemon::start().await;
    let video = daemon.path("in.mp4");
    clip(&video, 2);
    let (red, blue) = (daemon.path("red.jpg"), daemon.path("blue.png"));
    let (of_red, of_blue) = (image(&red, "red"), image(&blue, "blue"));
    fs::write(daemon.path("text.jpg"), "this is no image").unwrap();
    let mut spec = job_of(video.to_str().unwrap(), &daemon.path("unused"));
    spec.outputs = vec![
        with_cover(&daemon.path("red"), &red),
        with_cover(&daemon.path("blue"), &blue),
        with_cover(&daemon.path("text"), &daemon.path("text.jpg")),
    ];
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
    let problem = ended.outputs[2].problem.as_ref().unwrap();
    assert_eq!(
        (ended.outputs[2].state(), problem.code.as_str(), problem.field.as_str()),
        (OutputState::Failed, "cover.not_image", "outputs[2].file_metadata.cover_uri")
    );
    for (name, cover, other) in [("red", &of_red, &of_blue), ("blue", &of_blue, &of_red)] {
        let file = daemon.path(name).join("mp4/audio-1.m4a");
        assert!(holds(&file, cover) && !holds(&file, other), "{name}");
    }
    // Covers are inputs, and the specification is told as it was asked.
    assert_eq!(
        ended.inputs.iter().map(|input| input.id.as_str()).skip(1).collect::<Vec<_>>(),
        ["cover.1", "cover.2", "cover.3"]
    );
    let told = ended.spec.unwrap();
    assert_eq!(told.sources.len(), 1);
    assert_eq!(told.outputs[0].file_metadata.as_ref().unwrap().cover_uri, red.to_str().unwrap());
}

#[tokio::test]
async fn a_cover_is_there_after_the_daemon_was_killed() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (video, red) = (daemon.path("in.mp4"), daemon.path("red.jpg"));
    heavy_clip(&video);
    let of_red = image(&red, "red");
    let slow = SlowFile::start(&video, HALF).await;
    let mut spec = job_of(&slow.uri(), &daemon.path("unused"));
    spec.outputs = vec![with_cover(&daemon.path("out"), &red)];
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 4).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    daemon.restart().await;
    slow.release();
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(ended.attempt > 1 && holds(&daemon.path("out/mp4/audio-1.m4a"), &of_red));
    daemon.left_clean().await;
}
