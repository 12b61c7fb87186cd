//! How long a device takes for a number of pictures: to encode them as a job would, to decode what our encoder made of
//! them, or to scale them.
//!
//! They are drawn, and brought to where the device wants them, before the clock starts: a moving texture that is neither
//! flat nor noise, a few pictures back and forth. Of the CPU its CPU time counts, since others may use it too.

use super::trial::{Through, upload};
use super::{Failure, Trial, picture};
use crate::av::{AvError, Frame, Packet, Params, Polled, VideoEncoderSpec};
use crate::model::Ratio;
use crate::model::device::{DeviceKind, Memory, Operation};
use crate::model::plan::VideoRendition;
use crate::pipeline::accel::{Accelerator, Host, PictureEncoder};
use crate::sys::clock;
use std::time::{Duration, Instant};

/// Pictures that are drawn.
const DRAWN: usize = 8;
/// Ticks a second here, as of most outputs.
const TIMESCALE: u32 = 90_000;
/// Pictures a second.
const RATE: u32 = 25;
/// Pictures that are encoded to have something to decode.
const CLIP: u32 = 25;

/// What is to be measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Paced {
    pub(super) rendition: VideoRendition,
    pub(super) frames: u32,
}

/// How long the device is busy with it.
pub(super) fn run(
    device: &dyn Accelerator,
    kind: DeviceKind,
    trial: &Trial,
    paced: &Paced,
    drawn: &mut Drawn,
) -> Result<Duration, Failure> {
    let rendition = &paced.rendition;
    match trial.operation {
        Operation::Encode => {
            let frames = uploaded(device, kind, rendition, drawn)?;
            Ok(encode(device, rendition, &frames, paced.frames)?.2)
        }
        Operation::Decode => {
            let frames = uploaded(&Host, DeviceKind::Cpu, rendition, drawn)?;
            let (params, packets, _) = encode(&Host, rendition, &frames, CLIP)?;
            decode(device, kind, &params, &packets, paced.frames)
        }
        Operation::Filter => {
            // From twice the size, as the daemon plans it.
            let frames = drawn.of(2 * rendition.width, 2 * rendition.height)?;
            filter(device, &rendition.graph, frames, paced.frames)
        }
    }
}

/// The clock of a device, or that of this process where the CPU does it.
struct Watch(Instant, Duration, bool);

impl Watch {
    fn start(by_cpu: bool) -> Self {
        Self(Instant::now(), clock::cpu_time(), by_cpu)
    }

    fn stop(&self) -> Duration {
        if self.2 { clock::cpu_time().saturating_sub(self.1) } else { self.0.elapsed() }
    }
}

/// Number `at` of the frames, back and forth, shown at that time.
fn frame(frames: &[Frame], at: u32, ticks: u32) -> Result<Frame, AvError> {
    let turn = (2 * frames.len()).saturating_sub(2).max(1);
    let place = at as usize % turn;
    let place = if place < frames.len() { place } else { turn - place };
    let mut frame = frames.get(place).map_or_else(Frame::new, Frame::reference)?;
    frame.set_pts(Some(i64::from(at) * i64::from(ticks)));
    Ok(frame)
}

fn uploaded(
    device: &dyn Accelerator,
    kind: DeviceKind,
    rendition: &VideoRendition,
    drawn: &mut Drawn,
) -> Result<Vec<Frame>, Failure> {
    let depth = if rendition.pixel_format.contains("10") { 10 } else { 8 };
    let text = upload(kind, depth);
    let mut through = Through::new(device, &text);
    let mut frames = Vec::new();
    let pictures = drawn.of(rendition.width, rendition.height)?;
    for picture in pictures.iter().map(Some).chain([None]) {
        through.give(picture, &mut |frame| {
            frames.push(frame.reference()?);
            Ok(())
        })?;
    }
    Ok(frames)
}

fn encode(
    device: &dyn Accelerator,
    rendition: &VideoRendition,
    frames: &[Frame],
    count: u32,
) -> Result<(Params, Vec<Packet>, Duration), Failure> {
    let spec = VideoEncoderSpec {
        encoder: &rendition.encoder,
        width: rendition.width,
        height: rendition.height,
        pixel_format: &rendition.pixel_format,
        timescale: TIMESCALE,
        frame_rate: Ratio::new(i64::from(RATE), 1),
        color: &rendition.color,
        options: &rendition.options,
    };
    let watch = Watch::start(rendition.memory == Memory::System);
    let mut encoder = device.encoder(&spec, "measure", &frame(frames, 0, 0)?)?;
    let mut packets = Vec::new();
    for at in 0..count {
        let frame = frame(frames, at, TIMESCALE / RATE)?;
        while encoder.send(Some(&frame))? == Polled::NeedInput {
            drain(encoder.as_mut(), &mut packets)?;
        }
        drain(encoder.as_mut(), &mut packets)?;
    }
    encoder.send(None)?;
    drain(encoder.as_mut(), &mut packets)?;
    let busy = watch.stop();
    if packets.len() != count as usize {
        let message = format!("{count} pictures went in and {} came out", packets.len());
        return Err(Failure::of_result(crate::model::device::DeviceFault::Truncated, message));
    }
    Ok((encoder.params()?, packets, busy))
}

fn drain(encoder: &mut dyn PictureEncoder, packets: &mut Vec<Packet>) -> Result<(), Failure> {
    let mut packet = Packet::new()?;
    while encoder.receive(&mut packet)? == Polled::Ready {
        packets.push(packet.reference()?);
    }
    Ok(())
}

/// Decodes the clip again and again, until enough came out.
fn decode(
    device: &dyn Accelerator,
    kind: DeviceKind,
    params: &Params,
    packets: &[Packet],
    count: u32,
) -> Result<Duration, Failure> {
    let by_cpu = kind == DeviceKind::Cpu;
    let memory = if by_cpu { Memory::System } else { Memory::Device };
    let mut decoder = device.decoder(params, Ratio::new(1, i64::from(TIMESCALE)), 1, memory)?;
    let (mut frame, mut out) = (Frame::new()?, 0);
    let watch = Watch::start(by_cpu);
    // Twice as many packets as pictures that are waited for are enough, or nothing comes.
    for packet in packets.iter().cycle().take(2 * count as usize + packets.len()) {
        loop {
            let taken = decoder.send(Some(packet))?;
            while decoder.receive(&mut frame)? == Polled::Ready {
                out += 1;
            }
            if taken != Polled::NeedInput {
                break;
            }
        }
        if out >= count {
            return Ok(watch.stop());
        }
    }
    let message = format!("only {out} pictures came out of the decoder");
    Err(Failure::of_result(crate::model::device::DeviceFault::Truncated, message))
}

fn filter(device: &dyn Accelerator, text: &str, frames: &[Frame], count: u32) -> Result<Duration, Failure> {
    let mut through = Through::new(device, text);
    let watch = Watch::start(true);
    for at in 0..count {
        through.give(Some(&frame(frames, at, 1)?), &mut |_| Ok(()))?;
    }
    through.give(None, &mut |_| Ok(()))?;
    Ok(watch.stop())
}

/// The pictures of the last size that was asked for: drawing takes longer than most of what is measured.
#[derive(Default)]
pub(super) struct Drawn {
    size: (u32, u32),
    frames: Vec<Frame>,
}

impl Drawn {
    fn of(&mut self, width: u32, height: u32) -> Result<&[Frame], AvError> {
        if self.size != (width, height) {
            self.frames =
                (0..DRAWN).map(|at| picture::painted(at, (width, height), value)).collect::<Result<_, _>>()?;
            self.size = (width, height);
        }
        Ok(&self.frames)
    }
}

/// Waves that drift one way, a texture of blocks that drifts another, and a little grain that is new in each picture.
fn value(plane: usize, x: usize, y: usize, at: usize) -> u8 {
    let fold = |v: usize| if v % 128 < 64 { v % 64 } else { 63 - v % 64 };
    let waves = fold(x + 3 * at) + fold(y + 2 * at);
    if plane > 0 {
        return (96 + waves / 2) as u8;
    }
    let block = ((x + 512 - 5 * at) / 4).wrapping_mul(0x9E37).wrapping_add(((y + at) / 4).wrapping_mul(0x85EB));
    let grain = (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729) ^ at.wrapping_mul(31_337)).wrapping_mul(0x9E37) >> 9;
    (48 + waves + (block >> 5) % 48 + grain % 4) as u8
}
