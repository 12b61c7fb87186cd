//! Watermarks through the service: clean and marked outputs of one decode, images that cannot be used, profiles of them.

use crate::daemon::{Daemon, Setup, end_of, job, output, submit};
use crate::media::{check_whole, clip, ffmpeg, frames, named};
use reelmill::api::v1::{self, JobState, OutputState};
use std::fs;
use std::path::Path;

fn image(path: &Path) -> v1::WatermarkSpec {
    v1::WatermarkSpec { image_uri: path.to_str().unwrap().into(), size_permille: 300, ..v1::WatermarkSpec::default() }
}

fn logo(path: &Path) {
    ffmpeg(&["-f", "lavfi", "-i", "color=c=red:size=64x32", "-frames:v", "1", path.to_str().unwrap()]);
}

/// The mean of luma in the lower right corner of a rung's first picture.
fn corner(rung: &Path) -> f64 {
    let filter = "crop=w=60:h=20:x=240:y=140,signalstats,metadata=print:key=lavfi.signalstats.UAVG:file=-";
    let playlist = rung.join("media.m3u8");
    let text = ffmpeg(&["-i", playlist.to_str().unwrap(), "-an", "-frames:v", "1", "-vf", filter, "-f", "null", "-"]);
    text.lines().find_map(|line| line.split_once("UAVG=")?.1.parse().ok()).unwrap()
}

#[tokio::test]
async fn a_clean_ladder_and_a_marked_file_are_made_of_one_decode() {
    let directory = tempfile::tempdir().unwrap();
    let script = Daemon::wrapper(directory.path(), "case $part in *probe*) ;; *) echo $part >> $DIR/parts;; esac");
    let daemon = Setup::default().env("REELMILL_WORKER", script).start().await;
    let (video, png) = (daemon.path("in.mp4"), daemon.path("logo.png"));
    clip(&video, 3);
    logo(&png);
    let mut spec = job(&video, &daemon.path("clean"));
    let mut marked = output(daemon.path("marked").to_str().unwrap(), &["180p"]);
    marked.watermarks = vec![image(&png)];
    marked.progressive_mp4 = Some(true);
    spec.outputs.push(marked);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let mut parts: Vec<_> =
        fs::read_to_string(directory.path().join("parts")).unwrap().lines().map(str::to_owned).collect();
    parts.sort();
    assert_eq!(parts, ["audio-1", "video-0-1"], "one decode of the pictures, one of the sound");
    check_whole(&daemon.path("clean"), &["180p", "90p"], &["cmaf", "ts"], 3);
    check_whole(&daemon.path("marked"), &["180p"], &["cmaf", "ts"], 3);
    assert_eq!(frames(&daemon.path("marked/mp4/180p.mp4")), 75);
    let (clean, marked) = (daemon.path("clean/cmaf"), daemon.path("marked/cmaf"));
    assert!((corner(&clean.join("180p")) - corner(&marked.join("180p"))).abs() > 5.0, "one of them has no mark");
    for (a, b) in named(&clean.join("audio-1/media.m3u8")).iter().zip(named(&marked.join("audio-1/media.m3u8"))) {
        assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap(), "sound is the same");
    }
    // The image is an input, and the specification is told as it was asked.
    assert_eq!(ended.inputs.len(), 2);
    let told = ended.spec.unwrap();
    assert_eq!((told.sources.len(), told.outputs[1].watermarks.len()), (1, 1));
    assert_eq!(told.outputs[1].watermarks[0].image_uri, png.to_str().unwrap());
}

#[tokio::test]
async fn an_image_that_cannot_be_used_fails_the_outputs_that_want_it_alone() {
    let daemon = Daemon::start().await;
    let video = daemon.path("in.mp4");
    clip(&video, 2);
    fs::write(daemon.path("text.png"), "this is no image").unwrap();
    let mut spec = job(&video, &daemon.path("clean"));
    let text = |text: &str| v1::WatermarkSpec { text: text.into(), ..v1::WatermarkSpec::default() };
    let wrong = [
        (image(&daemon.path("text.png")), "watermark.not_image", "outputs[1].watermarks[0].image_uri"),
        (image(&daemon.path("missing.png")), "source.not_found", "outputs[2].watermarks[0].image_uri"),
        (text("\u{10ffff}"), "watermark.glyph", "outputs[3].watermarks[0]"),
    ];
    for (index, (mark, ..)) in wrong.iter().enumerate() {
        let mut output = output(daemon.path(format!("marked{index}")).to_str().unwrap(), &["90p"]);
        output.watermarks = vec![mark.clone()];
        spec.outputs.push(output);
    }
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
    assert_eq!(ended.outputs[0].state(), OutputState::Ready);
    for (output, (_, code, field)) in ended.outputs[1..].iter().zip(&wrong) {
        let problem = output.problem.as_ref().unwrap();
        assert_eq!(
            (output.state(), problem.code.as_str(), problem.field.as_str()),
            (OutputState::Failed, *code, *field)
        );
    }
    check_whole(&daemon.path("clean"), &["180p", "90p"], &["cmaf", "ts"], 2);
    // What cannot be meant is refused at once.
    let mut spec = job(&video, &daemon.path("other"));
    spec.outputs[0].watermarks = vec![v1::WatermarkSpec { image_uri: "/a.png".into(), ..text("both") }];
    let request = v1::CreateJobRequest { job: Some(spec), idempotency_key: String::new() };
    let refused = client.create_job(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn an_image_that_is_spoilt_after_planning_fails_its_output_alone() {
    let directory = tempfile::tempdir().unwrap();
    let script = Daemon::wrapper(directory.path(), "case $part in video*) echo spoilt > $DIR/logo.png;; esac");
    let daemon = Setup::default().env("REELMILL_WORKER", script).start().await;
    let (video, png, other) = (daemon.path("in.mp4"), directory.path().join("logo.png"), daemon.path("other.png"));
    clip(&video, 3);
    logo(&png);
    logo(&other);
    let mut spec = job(&video, &daemon.path("clean"));
    for (name, png) in [("spoilt", &png), ("marked", &other)] {
        let mut marked = output(daemon.path(name).to_str().unwrap(), &["180p"]);
        marked.watermarks = vec![image(png)];
        spec.outputs.push(marked);
    }
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
    let states: Vec<_> = ended.outputs.iter().map(v1::Output::state).collect();
    assert_eq!(states, [OutputState::Ready, OutputState::Failed, OutputState::Ready]);
    let problem = ended.outputs[1].problem.as_ref().unwrap();
    assert_eq!((problem.code.as_str(), problem.fault()), ("watermark.not_image", v1::Fault::Input), "{problem:?}");
    check_whole(&daemon.path("clean"), &["180p", "90p"], &["cmaf", "ts"], 3);
    check_whole(&daemon.path("marked"), &["180p"], &["cmaf", "ts"], 3);
    assert!(!daemon.path("spoilt").join("cmaf/master.m3u8").exists());
}
