//! Frames through `hwupload`, `scale_vaapi` and `h264_vaapi`, one call at a time.

use crate::child::{device, on_fake_device};
use reelmill::av::{Encoder, Frame, Packet, Polled, VideoEncoderSpec, names};
use reelmill::model::Ratio;
use reelmill::model::classify::classify;
use reelmill::model::device::{Accelerator as Placed, DeviceFault, Memory, Operation};
use reelmill::model::facts::ColorTags;
use reelmill::pipeline::accel::{Accelerator, DeviceError, PictureGraph};
use reelmill::pipeline::{DeviceTrouble, hardware};

const TICK: Ratio = Ratio::new(1, 25);

fn open() -> Box<dyn Accelerator> {
    hardware::open(&device(false)).map_err(|error| format!("{error:?}")).unwrap()
}

fn picture(width: u32, height: u32, at: i64) -> Frame {
    let mut frame = Frame::picture(width, height, names::pixel_format("yuv420p").unwrap()).unwrap();
    frame.paint(0, 30 + at as u8);
    frame.paint(1, 60 + at as u8);
    frame.paint(2, 90 + at as u8);
    frame.set_pts(Some(at));
    frame.set_forced_key(at == 0);
    frame
}

fn through(graph: &mut dyn PictureGraph, frame: &Frame) -> Result<Option<Frame>, DeviceError> {
    graph.send(Some(frame))?;
    let mut out = Frame::new().unwrap();
    Ok((graph.receive(&mut out)? == Polled::Ready).then_some(out))
}

fn spec<'a>(color: &'a ColorTags, options: &'a [(String, String)]) -> VideoEncoderSpec<'a> {
    VideoEncoderSpec {
        encoder: "h264_vaapi",
        width: 160,
        height: 120,
        pixel_format: "nv12",
        timescale: 25,
        frame_rate: Ratio::new(25, 1),
        color,
        options,
    }
}

/// Uploads, scales and encodes 25 pictures; how many packets came out.
fn encode() -> Result<usize, DeviceError> {
    let device = open();
    let (color, options) = (ColorTags::default(), [("qp".to_owned(), "26".to_owned())]);
    let mut graph = device.graph("format=nv12,hwupload,scale_vaapi=w=160:h=120", &picture(320, 240, 0), TICK)?;
    let (mut encoder, mut packets, mut packet) = (None, 0, Packet::new().unwrap());
    for at in 0..=25 {
        let frame = if at < 25 { through(graph.as_mut(), &picture(320, 240, at))? } else { None };
        if let (Some(first), None) = (&frame, &encoder) {
            assert!(first.pool().is_some());
            assert_eq!(first.software_format(), names::pixel_format("nv12"));
            encoder = Some(device.encoder(&spec(&color, &options), "v0", first)?);
        }
        let encoder = encoder.as_mut().unwrap();
        encoder.send(frame.as_ref())?;
        while encoder.receive(&mut packet)? == Polled::Ready {
            packets += 1;
        }
    }
    Ok(packets)
}

#[test]
fn pictures_are_uploaded_scaled_and_encoded_without_a_loss() {
    on_fake_device("vaapi::child_encodes", "");
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_encodes() {
    assert_eq!(encode().map_err(|error| format!("{error:?}")).unwrap(), 25);
}

#[test]
fn what_comes_down_is_what_went_up() {
    on_fake_device("vaapi::child_compares", "");
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_compares() {
    let device = open();
    let text = "format=nv12,hwupload,scale_vaapi=w=160:h=120,hwdownload,format=nv12,format=yuv420p";
    let mut graph = device.graph(text, &picture(320, 240, 0), TICK).unwrap();
    for at in 0..25 {
        let frame = through(graph.as_mut(), &picture(320, 240, at)).unwrap().unwrap();
        assert_eq!((frame.pool(), frame.pts()), (None, Some(at)));
        assert_eq!((frame.picture_format().width, frame.picture_format().height), (160, 120));
        let planes = [0, 1, 2].map(|plane| frame.painted(plane).unwrap());
        assert_eq!(planes, [30, 60, 90].map(|value: u8| value + at as u8));
    }
}

#[test]
fn each_step_that_fails_says_what_the_driver_said() {
    let cases = ["surfaces:1", "encoder:1", "scale:5", "encode:5"];
    cases.into_iter().for_each(|fault| on_fake_device("vaapi::child_fails", fault));
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_fails() {
    let error = encode().unwrap_err();
    let (operation, fault, line, after_first) = match crate::child::fault().as_str() {
        "surfaces:1" => (Operation::Filter, DeviceFault::OutOfMemory, "Failed to create surface", false),
        "encoder:1" => (Operation::Encode, DeviceFault::OutOfMemory, "Failed to create encode pipeline", false),
        "scale:5" => (Operation::Filter, DeviceFault::Lost, "Failed to start picture processing", true),
        _ => (Operation::Encode, DeviceFault::Lost, "Failed to end picture encode issue", true),
    };
    assert!(error.lines.iter().any(|told| told.contains(line)), "{error:?}");
    assert_eq!(error.after_first, after_first, "{error:?}");
    assert_eq!(classify(operation, Some(error.error.code), &error.lines, error.after_first), Some(fault), "{error:?}");
}

#[test]
fn a_stream_that_no_device_takes_is_refused_and_not_decoded_in_software() {
    on_fake_device("vaapi::child_refuses", "");
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_refuses() {
    let color = ColorTags::default();
    let spec = VideoEncoderSpec { encoder: "libx264", pixel_format: "yuv444p", ..spec(&color, &[]) };
    let mut encoder = Encoder::video(&spec).unwrap();
    let mut frame = Frame::picture(160, 120, names::pixel_format("yuv444p").unwrap()).unwrap();
    frame.set_pts(Some(0));
    encoder.send(Some(&frame)).unwrap();
    encoder.send(None).unwrap();
    let mut packet = Packet::new().unwrap();
    assert_eq!(encoder.receive(&mut packet).unwrap(), Polled::Ready);

    let mut decoder = open().decoder(&encoder.params().unwrap(), TICK, 4, Memory::Device).unwrap();
    let refused = decoder.send(Some(&packet)).err().or_else(|| decoder.receive(&mut frame).err()).unwrap();
    let trouble = DeviceTrouble::of(Operation::Decode, "h264", "the source", &refused).unwrap();
    assert_eq!(trouble.fault, DeviceFault::SoftwareFallback, "{refused:?}");
}

#[test]
fn a_render_node_that_is_not_there_is_a_missing_device() {
    let error = hardware::open(&Placed { address: "/dev/dri/no such node".to_owned(), ..device(true) }).err().unwrap();
    let fault = classify(Operation::Decode, Some(error.error.code), &error.lines, error.after_first);
    assert_eq!(fault, Some(DeviceFault::Missing), "{error:?}");
    assert!(error.lines.iter().any(|line| line.contains("No VA display found")), "{error:?}");
}
