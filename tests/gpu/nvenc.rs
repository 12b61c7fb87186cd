//! NVENC, where the card has one: key frames that are ordered, decoding times, the driver's cap on sessions, sizes.

use crate::card::{open, picture};
use reelmill::av::{Packet, Polled, VideoEncoderSpec};
use reelmill::model::Ratio;
use reelmill::model::classify::classify;
use reelmill::model::device::{DeviceFault, Operation};
use reelmill::model::facts::ColorTags;
use reelmill::pipeline::accel::{Accelerator, DeviceError, PictureEncoder};

/// Ticks a second of the tests' frames, which are 25 a second: a frame is not one tick, as in plans.
const TIMESCALE: u32 = 12_800;
const FRAME_TICKS: i64 = 512;

/// Opens an H.264 encoder for pictures of this size in the host's memory.
fn encoder(card: &dyn Accelerator, width: u32, height: u32) -> Result<Box<dyn PictureEncoder>, DeviceError> {
    let options = [
        ("preset", "p2"),
        ("rc", "vbr"),
        ("b", "2M"),
        ("g", "250"),
        ("bf", "2"),
        ("forced-idr", "1"),
        ("no-scenecut", "1"),
    ];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let color = ColorTags::default();
    let spec = VideoEncoderSpec {
        encoder: "h264_nvenc",
        width,
        height,
        pixel_format: "yuv420p",
        timescale: TIMESCALE,
        frame_rate: Ratio::new(25, 1),
        color: &color,
        options: &options,
    };
    card.encoder(&spec, "v0", &picture(width, height, 0))
}

fn fault_of(error: &DeviceError) -> Option<DeviceFault> {
    classify(Operation::Encode, Some(error.error.code), &error.lines, error.after_first)
}

/// An open card whose NVENC works; one without says so.
fn with_nvenc() -> Option<Box<dyn Accelerator>> {
    let card = open()?;
    match encoder(card.as_ref(), 640, 360) {
        Ok(_) => Some(card),
        Err(error) => {
            let fault = fault_of(&error);
            println!("no NVENC: skipped ({fault:?}: {:?})", error.lines.last());
            assert!(matches!(fault, Some(DeviceFault::Unsupported | DeviceFault::Missing)), "{error:?}");
            None
        }
    }
}

#[test]
fn ordered_key_frames_come_where_they_were_ordered_and_none_is_lost() {
    let Some(card) = with_nvenc() else { return };
    let mut encoder = encoder(card.as_ref(), 640, 360).unwrap();
    let (mut packet, mut keys, mut times) = (Packet::new().unwrap(), Vec::new(), Vec::new());
    for at in 0..=100 {
        let frame = (at < 100).then(|| {
            let mut frame = picture(640, 360, at);
            frame.set_pts(Some(at * FRAME_TICKS));
            frame.set_forced_key(at % 30 == 0);
            frame
        });
        encoder.send(frame.as_ref()).unwrap();
        while encoder.receive(&mut packet).unwrap() == Polled::Ready {
            let pts = packet.pts().unwrap();
            times.push((pts, packet.dts().unwrap()));
            if packet.is_key() {
                keys.push(pts / FRAME_TICKS);
            }
        }
    }
    assert_eq!(keys, [0, 30, 60, 90]);
    let mut shown: Vec<_> = times.iter().map(|(pts, _)| pts / FRAME_TICKS).collect();
    shown.sort_unstable();
    assert_eq!(shown, (0..100).collect::<Vec<_>>());
    // Before FFmpeg 7.1 they are wrong where a frame is not one tick; segments have their own (`cut::place`).
    let late = times.iter().filter(|(pts, dts)| dts > pts).count();
    println!("{late} of {} packets have a decoding time behind their presentation time", times.len());
}

#[test]
fn the_cap_on_sessions_is_told_as_such() {
    let Some(card) = with_nvenc() else { return };
    let mut sessions = Vec::new();
    while sessions.len() < 32 {
        match encoder(card.as_ref(), 640, 360) {
            Ok(session) => sessions.push(session),
            Err(error) => {
                println!("{} sessions, then: {:?}", sessions.len(), error.lines);
                let fault = fault_of(&error);
                assert!(matches!(fault, Some(DeviceFault::SessionLimit | DeviceFault::OutOfMemory)), "{error:?}");
                break;
            }
        }
    }
    println!("{} sessions are open", sessions.len());
    sessions.pop();
    assert!(encoder(card.as_ref(), 640, 360).is_ok(), "a session that ends makes room for another");
}

#[test]
fn a_picture_that_is_too_small_is_told_as_such() {
    let Some(card) = with_nvenc() else { return };
    let Err(error) = encoder(card.as_ref(), 64, 32) else {
        println!("this card takes 64x32");
        return;
    };
    assert_eq!(fault_of(&error), Some(DeviceFault::FrameSize), "{error:?}");
}
