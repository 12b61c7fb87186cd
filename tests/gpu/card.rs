//! The first card of this machine, and media to give to it.

use reelmill::av::{Frame, names};
use reelmill::model::device::{Accelerator as Placed, DeviceId, DeviceKind};
use reelmill::pipeline::accel::Accelerator;
use reelmill::pipeline::hardware;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The first card, as a plan names it.
pub(crate) fn placed(decode: bool) -> Placed {
    Placed {
        id: DeviceId("cuda:first".to_owned()),
        kind: DeviceKind::Cuda,
        address: "0".to_owned(),
        simulated: false,
        decode,
        extra_frames: 8,
    }
}

/// The first card, open; without one says that the test was skipped.
pub(crate) fn open() -> Option<Box<dyn Accelerator>> {
    match hardware::open(&placed(true)) {
        Ok(card) => Some(card),
        Err(error) => {
            println!("no GPU: skipped ({})", error.lines.last().map_or_else(|| error.error.to_string(), Clone::clone));
            None
        }
    }
}

/// A grey picture, brighter with each.
pub(crate) fn picture(width: u32, height: u32, at: i64) -> Frame {
    let mut frame = Frame::picture(width, height, names::pixel_format("yuv420p").unwrap()).unwrap();
    frame.paint(0, 16 + (at % 200) as u8);
    frame.set_pts(Some(at));
    frame
}

/// Runs the ffmpeg program; what it told.
pub(crate) fn ffmpeg(arguments: &[&str]) -> String {
    let output = Command::new("ffmpeg").args(["-hide_banner", "-nostdin", "-y"]).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ffmpeg {arguments:?}:\n{told}");
    told
}

/// A moving picture of 1280x720, 25 a second, for `seconds`, as H.264 in MP4.
pub(crate) fn moving(directory: &Path, seconds: u32) -> Arc<Vec<u8>> {
    let path = directory.join("source.mp4");
    let input = format!("testsrc2=size=1280x720:rate=25:duration={seconds}");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        &input,
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "12",
        path.to_str().unwrap(),
    ]);
    Arc::new(std::fs::read(path).unwrap())
}

/// How alike two films are: structural similarity over all planes.
pub(crate) fn similarity(one: &Path, other: &Path) -> f64 {
    let told = ffmpeg(&[
        "-i",
        one.to_str().unwrap(),
        "-i",
        other.to_str().unwrap(),
        "-lavfi",
        "[0:v][1:v]ssim",
        "-f",
        "null",
        "-",
    ]);
    let all = told.rsplit("All:").next().unwrap();
    all.split(' ').next().unwrap().parse().unwrap()
}
