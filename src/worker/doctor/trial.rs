//! One trial: encode, decode or filter the moving pattern, and compare what comes out with what is meant.

use super::picture::{self, FRAMES, HEIGHT, RATE, WIDTH};
use super::{Failure, Trial, sound};
use crate::av::{Frame, Packet, Params, Polled, VideoEncoderSpec};
use crate::model::Ratio;
use crate::model::device::{DeviceKind, Memory, Operation};
use crate::model::facts::ColorTags;
use crate::pipeline::accel::{Accelerator, Host, PictureGraph};

/// Seconds a tick of everything here: one picture.
const TIME_BASE: Ratio = Ratio::new(1, RATE as i64);
/// Half the size, for scaling.
const SHRINK: usize = 2;

/// A short stream.
struct Clip {
    params: Params,
    packets: Vec<Packet>,
}

/// Tries one thing.
pub(super) fn run(device: &dyn Accelerator, kind: DeviceKind, trial: &Trial) -> Result<(), Failure> {
    let Trial { operation, codec, depth, .. } = trial;
    if *depth == 0 {
        return sound::run(codec);
    }
    match operation {
        Operation::Encode => {
            let clip = encode(device, kind, codec, *depth)?;
            check(&clip, &Host, codec)
        }
        Operation::Decode => {
            let clip = encode(&Host, DeviceKind::Cpu, codec, *depth)?;
            check(&clip, device, codec)
        }
        Operation::Filter => filter(device, kind, codec, *depth),
    }
}

/// Frames through a graph that is made when the first one comes, and knows where it lies.
pub(super) struct Through<'a> {
    device: &'a dyn Accelerator,
    text: &'a str,
    graph: Option<Box<dyn PictureGraph>>,
}

impl<'a> Through<'a> {
    pub(super) fn new(device: &'a dyn Accelerator, text: &'a str) -> Self {
        Self { device, text, graph: None }
    }

    /// Gives it a frame, or `None` at the end, and gives what comes out to `sink`.
    pub(super) fn give(
        &mut self,
        frame: Option<&Frame>,
        sink: &mut dyn FnMut(&Frame) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if let (None, Some(first)) = (&self.graph, frame) {
            self.graph = Some(self.device.graph(self.text, first, TIME_BASE)?);
        }
        let Some(graph) = &mut self.graph else { return Ok(()) };
        graph.send(frame)?;
        let mut out = Frame::new()?;
        while graph.receive(&mut out)? == Polled::Ready {
            sink(&out)?;
        }
        Ok(())
    }
}

/// The format that a device takes, by its name.
const fn format(kind: DeviceKind, depth: u32) -> &'static str {
    match (kind, depth) {
        (DeviceKind::Cpu, 10) => "yuv420p10le",
        (DeviceKind::Cpu, _) => "yuv420p",
        (_, 10) => "p010le",
        _ => "nv12",
    }
}

/// What the encoder of an image format takes, as stills give it; `None` for other codecs.
fn image_format(codec: &str) -> Option<&'static str> {
    match codec {
        "mjpeg" => Some("yuvj420p"),
        "png" => Some("rgb24"),
        "webp" => Some("yuv420p"),
        _ => None,
    }
}

/// From pictures in the host's memory to where the device wants them.
pub(super) fn upload(kind: DeviceKind, depth: u32) -> String {
    let format = format(kind, depth);
    if kind == DeviceKind::Cpu { format!("format={format}") } else { format!("format={format},hwupload") }
}

fn encode(device: &dyn Accelerator, kind: DeviceKind, codec: &str, depth: u32) -> Result<Clip, Failure> {
    let image = image_format(codec);
    let text = match image {
        Some(format) => format!("format={format}"),
        None => upload(kind, depth),
    };
    let mut through = Through::new(device, &text);
    let (name, options) = encoder(kind, codec);
    let color = ColorTags::default();
    let spec = VideoEncoderSpec {
        encoder: &name,
        width: WIDTH as u32,
        height: HEIGHT as u32,
        pixel_format: image.unwrap_or_else(|| format(kind, depth)),
        timescale: RATE,
        frame_rate: Ratio::new(i64::from(RATE), 1),
        color: &color,
        options: &options,
    };
    let mut encoder = None;
    let mut packets = Vec::new();
    for at in 0..=FRAMES {
        let frame = (at < FRAMES).then(|| picture::draw(at, 1)).transpose()?;
        through.give(frame.as_ref(), &mut |frame| {
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                None => encoder.insert(device.encoder(&spec, "doctor", frame)?),
            };
            while encoder.send(Some(frame))? == Polled::NeedInput {
                drain(encoder.as_mut(), &mut packets)?;
            }
            drain(encoder.as_mut(), &mut packets)
        })?;
    }
    let Some(mut encoder) = encoder else { return Err(picture::count(0).err().unwrap_or_else(nothing)) };
    encoder.send(None)?;
    drain(encoder.as_mut(), &mut packets)?;
    Ok(Clip { params: encoder.params()?, packets })
}

fn drain(encoder: &mut dyn crate::pipeline::accel::PictureEncoder, packets: &mut Vec<Packet>) -> Result<(), Failure> {
    let mut packet = Packet::new()?;
    while encoder.receive(&mut packet)? == Polled::Ready {
        packets.push(packet.reference()?);
    }
    Ok(())
}

/// FFmpeg's encoder, with the fewest options that any driver takes.
fn encoder(kind: DeviceKind, codec: &str) -> (String, Vec<(String, String)>) {
    let (name, options): (String, &[(&str, &str)]) = match (kind, codec) {
        (DeviceKind::Cuda, _) => (format!("{codec}_nvenc"), &[("rc", "constqp"), ("qp", "24"), ("g", "15")]),
        (DeviceKind::Vaapi, _) => {
            (format!("{codec}_vaapi"), &[("rc_mode", "CQP"), ("global_quality", "24"), ("g", "15")])
        }
        (_, "h264") => ("libx264".to_owned(), &[("preset", "veryfast"), ("crf", "18"), ("threads", "1")]),
        (_, "hevc") => (
            "libx265".to_owned(),
            &[
                ("preset", "ultrafast"),
                ("crf", "18"),
                ("x265-params", "info=0:log-level=warning:pools=none:wpp=0:lookahead-slices=0:frame-threads=1"),
            ],
        ),
        (_, "av1") => ("libsvtav1".to_owned(), &[("preset", "10"), ("crf", "25"), ("svtav1-params", "lp=1")]),
        (_, "vp9") => (
            "libvpx-vp9".to_owned(),
            &[("deadline", "realtime"), ("cpu-used", "8"), ("b", "4000000"), ("threads", "1")],
        ),
        // Closed groups, which a picture by itself has no use for, are refused by this encoder.
        (_, "mjpeg") => ("mjpeg".to_owned(), &[("flags", "-cgop"), ("qmin", "1"), ("qmax", "3")]),
        (_, "png") => ("png".to_owned(), &[]),
        (_, "webp") => ("libwebp".to_owned(), &[("quality", "95")]),
        // Its closed groups, which every encoder here makes, go with no search for scene changes.
        (_, "mpeg2video") => ("mpeg2video".to_owned(), &[("b", "6000000"), ("sc_threshold", "1000000000")]),
        (_, codec) => (codec.to_owned(), &[("b", "6000000")]),
    };
    (name, options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

/// Decodes a clip and compares each picture.
fn check(clip: &Clip, device: &dyn Accelerator, codec: &str) -> Result<(), Failure> {
    let mut decoder = device.decoder(&clip.params, TIME_BASE, 1, Memory::System)?;
    let mut through = Through::new(&Host, "format=yuv420p");
    let (mut seen, error_max) = (0, picture::error_max(codec));
    let mut compare = |frame: &Frame| {
        // One too many is counted, not compared.
        let result = if seen < FRAMES { picture::compare(frame, seen, 1, error_max) } else { Ok(()) };
        seen += 1;
        result
    };
    let mut frame = Frame::new()?;
    for packet in clip.packets.iter().map(Some).chain([None]) {
        loop {
            let taken = decoder.send(packet)?;
            while decoder.receive(&mut frame)? == Polled::Ready {
                through.give(Some(&frame), &mut compare)?;
            }
            if taken != Polled::NeedInput {
                break;
            }
        }
    }
    through.give(None, &mut compare)?;
    picture::count(seen)
}

/// Scales to half the size, in the device's memory, and compares.
fn filter(device: &dyn Accelerator, kind: DeviceKind, name: &str, depth: u32) -> Result<(), Failure> {
    let (width, height) = (WIDTH / SHRINK, HEIGHT / SHRINK);
    let text = match kind {
        DeviceKind::Cpu => format!("{},{name}=w={width}:h={height},format=yuv420p", upload(kind, depth)),
        _ => {
            let back = format(kind, depth);
            format!("{},{name}=w={width}:h={height},hwdownload,format={back}", upload(kind, depth))
        }
    };
    let mut through = Through::new(device, &text);
    let mut to_host = Through::new(&Host, "format=yuv420p");
    let mut seen = 0;
    for at in 0..=FRAMES {
        let frame = (at < FRAMES).then(|| picture::draw(at, 1)).transpose()?;
        let mut compare = |frame: &Frame| {
            let result =
                if seen < FRAMES { picture::compare(frame, seen, SHRINK, picture::error_max(name)) } else { Ok(()) };
            seen += 1;
            result
        };
        through.give(frame.as_ref(), &mut |frame| to_host.give(Some(frame), &mut compare))?;
    }
    picture::count(seen)
}

fn nothing() -> Failure {
    Failure::of_result(crate::model::device::DeviceFault::Truncated, "nothing came out".to_owned())
}
