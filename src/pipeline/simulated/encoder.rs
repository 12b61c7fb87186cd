//! An encoder of a simulated device: it checks what a real one checks, holds as many frames as one holds, and lets fast
//! software make the packets.

use super::graph::Converter;
use super::session::{Session, failure};
use super::{Simulated, Transfers, memory_of, options};
use crate::av::{Encoder, Frame, Packet, Params, Polled, VideoEncoderSpec, names};
use crate::model::Ratio;
use crate::model::classify::averror;
use crate::model::device::{DeviceKind, Memory, Operation};
use crate::model::simulated::{Effect, Opening};
use crate::pipeline::accel::{DeviceError, PictureEncoder};
use std::collections::VecDeque;
use std::sync::Arc;

const OPEN: &str = "open the encoder";

/// The encoder.
pub(super) struct Encoding {
    inner: Encoder,
    session: Session,
    kind: DeviceKind,
    input: Memory,
    transfers: Arc<Transfers>,
    time_base: Ratio,
    /// What the software takes.
    format: &'static str,
    converter: Converter,
    /// Frames that the device holds; their surfaces are not free yet.
    held: VecDeque<(Frame, Effect)>,
    /// Frames that were given, and no more come.
    drained: bool,
}

impl Encoding {
    pub(super) fn open(
        device: &Simulated,
        spec: &VideoEncoderSpec<'_>,
        track: &str,
        first: &Frame,
    ) -> Result<Self, DeviceError> {
        let kind = device.device.kind;
        let Some(named) = options::named(spec.encoder, kind) else {
            return Err(failure("find the encoder", averror::ENCODER_NOT_FOUND, Vec::new(), false));
        };
        if let Some(option) = options::unknown(named, spec.options) {
            let lines = vec![format!("Option '{option}' not found")];
            return Err(failure("open the encoder: unknown option", averror::OPTION_NOT_FOUND, lines, false));
        }
        let input = memory_of(first);
        check_format(kind, spec, input)?;
        let depth = depth(spec, first);
        let opening = Opening {
            device: device.sessions.device.clone(),
            operation: Operation::Encode,
            codec: named.codec.to_owned(),
            depth,
            width: spec.width,
            height: spec.height,
            speed: Some(options::speed(named, spec.options)),
            track: track.to_owned(),
        };
        let session = device.sessions.open(OPEN, opening)?;
        let format = if depth > 8 { "yuv420p10le" } else { "yuv420p" };
        let inner = Encoder::video(&VideoEncoderSpec {
            encoder: named.software,
            pixel_format: format,
            options: &options::software(named, spec.width, spec.options),
            ..*spec
        })?;
        Ok(Self {
            inner,
            session,
            kind,
            input,
            transfers: Arc::clone(&device.transfers),
            time_base: Ratio::new(1, i64::from(spec.timescale)),
            format,
            converter: Converter::default(),
            held: VecDeque::new(),
            drained: false,
        })
    }

    /// Gives the software what the device has held for long enough. `NeedInput` when packets must be taken out first.
    fn feed(&mut self, keep: usize) -> Result<Polled, DeviceError> {
        while self.held.len() > keep {
            if let Some((frame, effect)) = self.held.front_mut()
                && *effect != Effect::Drop
            {
                let text = if *effect == Effect::Corrupt { "negate," } else { "" };
                let wrong = names::pixel_format(self.format) != Some(frame.picture_format().format);
                if wrong || *effect == Effect::Corrupt {
                    self.converter.convert(frame, &format!("{text}format={}", self.format), self.time_base)?;
                    *effect = Effect::None;
                }
                if self.inner.send(Some(frame)).map_err(|error| self.session.failed(error))? == Polled::NeedInput {
                    return Ok(Polled::NeedInput);
                }
            }
            self.held.pop_front();
        }
        Ok(Polled::Ready)
    }
}

impl PictureEncoder for Encoding {
    fn send(&mut self, frame: Option<&Frame>) -> Result<Polled, DeviceError> {
        let Some(frame) = frame else {
            if self.feed(0)? == Polled::NeedInput {
                return Ok(Polled::NeedInput);
            }
            if !self.drained {
                let polled = self.inner.send(None).map_err(|error| self.session.failed(error))?;
                self.drained = polled != Polled::NeedInput;
                return Ok(polled);
            }
            return Ok(Polled::Ready);
        };
        if memory_of(frame) != self.input {
            let lines = vec!["hw_frames_ctx must match the one of the encoder".to_owned()];
            return Err(failure("encode", averror::EINVAL, lines, self.session.after_first));
        }
        // Nothing was taken yet when packets must be taken out first: the same frame will come again.
        if self.feed(self.session.opened.delay_frames as usize)? == Polled::NeedInput {
            return Ok(Polled::NeedInput);
        }
        let format = frame.picture_format();
        let effect = self.session.work(u64::from(format.width) * u64::from(format.height))?;
        if self.input == Memory::System && self.kind == DeviceKind::Cuda {
            self.transfers.count(1, 0, frame);
        }
        self.held.push_back((frame.reference()?, effect));
        Ok(Polled::Ready)
    }

    fn receive(&mut self, packet: &mut Packet) -> Result<Polled, DeviceError> {
        if !self.drained {
            self.feed(self.session.opened.delay_frames as usize)?;
        }
        let polled = self.inner.receive(packet).map_err(|error| self.session.failed(error))?;
        self.session.after_first |= polled == Polled::Ready;
        Ok(polled)
    }

    fn params(&self) -> Result<Params, DeviceError> {
        Ok(self.inner.params()?)
    }

    fn reorder_frames(&self) -> u32 {
        self.inner.reorder_frames()
    }
}

/// VAAPI encodes surfaces alone; NVENC takes frames of the host's memory too, and loads them up itself.
fn check_format(kind: DeviceKind, spec: &VideoEncoderSpec<'_>, input: Memory) -> Result<(), DeviceError> {
    let surfaces = spec.pixel_format == kind.name();
    let wrong = match input {
        Memory::System => surfaces || kind == DeviceKind::Vaapi,
        Memory::Device => false,
    };
    if wrong {
        let lines = vec![format!("Specified pixel format {} is invalid or not supported", spec.pixel_format)];
        return Err(failure(OPEN, averror::EINVAL, lines, false));
    }
    Ok(())
}

/// Bits a sample: of the format that is asked for, or of the surfaces.
fn depth(spec: &VideoEncoderSpec<'_>, first: &Frame) -> u8 {
    let own = |name: &str| names::pixel_format(name).map(names::bit_depth).filter(|depth| *depth > 0);
    let surfaces = matches!(spec.pixel_format, "cuda" | "vaapi");
    let bits = own(spec.pixel_format).filter(|_| !surfaces);
    let bits = bits.unwrap_or_else(|| names::bit_depth(first.picture_format().format));
    if bits > 8 { 10 } else { 8 }
}
