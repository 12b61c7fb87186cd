//! The seam to devices: what the stages ask of whatever decodes, filters and encodes pictures, be it the CPU, a device,
//! or a simulated one.
//!
//! A worker has one [`Accelerator`] at most, opened before its stages start and shared by them; each decoder, graph and
//! encoder made from it belongs to the thread that made it. What is not placed on the device goes through [`Host`].

use crate::av::frame::PictureFormat;
use crate::av::{AvError, Decoder, Encoder, Frame, Graph, Packet, Params, Polled, VideoEncoderSpec};
use crate::model::Ratio;
use crate::model::classify::averror;
use crate::model::device::Memory;

/// A call to a device, or to the software in its place, that failed, with all that tells in which way.
#[derive(Clone, Debug)]
pub struct DeviceError {
    /// FFmpeg's code.
    pub error: AvError,
    /// What was written to the log about the object that failed, oldest first: it often tells more than the code.
    pub lines: Vec<String>,
    /// Something had come out of it before.
    pub after_first: bool,
}

impl From<AvError> for DeviceError {
    fn from(error: AvError) -> Self {
        Self { error, lines: Vec::new(), after_first: false }
    }
}

/// A decoder of pictures.
pub trait PictureDecoder {
    /// Gives it a packet, or with `None` tells it that no more comes. `NeedInput` means: receive first.
    fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, DeviceError>;
    /// Takes the next frame out.
    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError>;
}

/// A filter graph with one input and one output.
pub trait PictureGraph {
    /// Gives it a frame, or with `None` tells it that no more comes.
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), DeviceError>;
    /// Takes the next frame out; its times are in `time_base`.
    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError>;
    /// Seconds a tick of frames that come out.
    fn time_base(&self) -> Ratio;
}

/// An encoder of pictures.
pub trait PictureEncoder {
    /// Gives it a frame, or with `None` tells it that no more comes. `NeedInput` means: receive first.
    fn send(&mut self, frame: Option<&Frame>) -> Result<Polled, DeviceError>;
    /// Takes the next packet out.
    fn receive(&mut self, packet: &mut Packet) -> Result<Polled, DeviceError>;
    /// What it makes, parameter sets included.
    fn params(&self) -> Result<Params, DeviceError>;
    /// Frames by which decoding order can run ahead of presentation order.
    fn reorder_frames(&self) -> u32;
}

/// What decodes, filters and encodes.
pub trait Accelerator: Send + Sync {
    /// Opens a decoder whose frames come out in `memory`.
    fn decoder(
        &self,
        params: &Params,
        time_base: Ratio,
        threads: u32,
        memory: Memory,
    ) -> Result<Box<dyn PictureDecoder>, DeviceError>;

    /// Makes the graph of `text` for frames like `first`, which tells where they lie.
    fn graph(&self, text: &str, first: &Frame, time_base: Ratio) -> Result<Box<dyn PictureGraph>, DeviceError>;

    /// Opens an encoder for frames like `first`, which tells where they lie; `track` is the rendition's id.
    fn encoder(
        &self,
        spec: &VideoEncoderSpec<'_>,
        track: &str,
        first: &Frame,
    ) -> Result<Box<dyn PictureEncoder>, DeviceError>;

    /// A copy of a frame of its memory in the host's.
    fn download(&self, frame: &Frame) -> Result<Frame, DeviceError>;
}

/// The CPU.
#[derive(Clone, Copy, Default, Debug)]
pub struct Host;

impl Accelerator for Host {
    fn decoder(
        &self,
        params: &Params,
        time_base: Ratio,
        threads: u32,
        _: Memory,
    ) -> Result<Box<dyn PictureDecoder>, DeviceError> {
        Ok(Box::new(Decoder::open(params, time_base, threads)?))
    }

    fn graph(&self, text: &str, first: &Frame, time_base: Ratio) -> Result<Box<dyn PictureGraph>, DeviceError> {
        let format: PictureFormat = first.picture_format();
        Ok(Box::new(Graph::video(text, format, time_base)?))
    }

    fn encoder(&self, spec: &VideoEncoderSpec<'_>, _: &str, _: &Frame) -> Result<Box<dyn PictureEncoder>, DeviceError> {
        Ok(Box::new(Encoder::video(spec)?))
    }

    fn download(&self, frame: &Frame) -> Result<Frame, DeviceError> {
        refuse_surface("download", Some(frame))?;
        Ok(frame.reference()?)
    }
}

impl PictureDecoder for Decoder {
    fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, DeviceError> {
        Ok(Self::send(self, packet)?)
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        Ok(Self::receive(self, frame)?)
    }
}

impl PictureGraph for Graph {
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), DeviceError> {
        refuse_surface("filter", frame)?;
        Ok(Self::send(self, frame)?)
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        Ok(Self::receive(self, frame)?)
    }

    fn time_base(&self) -> Ratio {
        Self::time_base(self)
    }
}

impl PictureEncoder for Encoder {
    fn send(&mut self, frame: Option<&Frame>) -> Result<Polled, DeviceError> {
        refuse_surface("encode", frame)?;
        Ok(Self::send(self, frame)?)
    }

    fn receive(&mut self, packet: &mut Packet) -> Result<Polled, DeviceError> {
        Ok(Self::receive(self, packet)?)
    }

    fn params(&self) -> Result<Params, DeviceError> {
        Ok(Self::params(self)?)
    }

    fn reorder_frames(&self) -> u32 {
        Self::reorder_frames(self)
    }
}

/// Software cannot read a device's memory, a simulated one's neither: FFmpeg refuses surfaces by their pixel format.
fn refuse_surface(what: &'static str, frame: Option<&Frame>) -> Result<(), DeviceError> {
    if frame.is_some_and(Frame::is_marked) {
        let line = "Impossible to convert between the formats supported by the filter 'graph 0 input from stream 0:0' \
                    and the filter 'auto_scaler_0'";
        let error = AvError { what, code: averror::ENOSYS };
        return Err(DeviceError { error, lines: vec![line.to_owned()], after_first: false });
    }
    Ok(())
}
