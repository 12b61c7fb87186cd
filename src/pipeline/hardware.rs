//! CUDA and VAAPI devices behind the seam of [`super::accel`]: NVDEC, CUDA filters and NVENC; VA decoders, filters and
//! encoders.
//!
//! A worker opens one device context and all its decoders, graphs and encoders share it: a CUDA context costs a hundred
//! MiB, and surfaces of one context are nothing to another. Each object keeps the last lines that were written about it,
//! from whichever thread, and gives them with the error when a call on it fails.

use super::accel::{Accelerator, DeviceError, PictureDecoder, PictureEncoder, PictureGraph};
use crate::av::hw::HwDevice;
use crate::av::log::{self, Recent};
use crate::av::{AvError, Decoder, Encoder, Frame, Graph, Packet, Params, Polled, VideoEncoderSpec};
use crate::model::Ratio;
use crate::model::device::{self, DeviceKind, Memory};

/// What is said beside the error of a decoder that would have gone on in software, for the classifier.
pub const LEFT_DEVICE: &str = "the decoder would have gone on in software";

/// An open device.
struct Hardware {
    device: HwDevice,
    extra_frames: u32,
}

/// Opens a device.
///
/// # Errors
/// What FFmpeg says where there is no driver, no such device, no permission, or no memory on it.
pub fn open(accelerator: &device::Accelerator) -> Result<Box<dyn Accelerator>, DeviceError> {
    log::listen();
    let options: &[(&str, &str)] = match accelerator.kind {
        // The context that the whole process has in any case.
        DeviceKind::Cuda => &[("primary_ctx", "1")],
        // Not a display server, which would be tried next.
        DeviceKind::Vaapi => &[("connection_type", "drm")],
        DeviceKind::Cpu => &[],
    };
    let kind = accelerator.kind.name();
    let device = Watched::of(|| HwDevice::open(kind, Some(&accelerator.address), options))?.inner;
    Ok(Box::new(Hardware { device, extra_frames: accelerator.extra_frames }))
}

impl Accelerator for Hardware {
    fn decoder(
        &self,
        params: &Params,
        time_base: Ratio,
        _: u32,
        memory: Memory,
    ) -> Result<Box<dyn PictureDecoder>, DeviceError> {
        let decoder = Watched::of(|| Decoder::open_on(&self.device, params, time_base, self.extra_frames))?;
        Ok(match memory {
            Memory::Device => Box::new(decoder),
            Memory::System => Box::new(Downloading(decoder)),
        })
    }

    fn graph(&self, text: &str, first: &Frame, time_base: Ratio) -> Result<Box<dyn PictureGraph>, DeviceError> {
        Ok(Box::new(Watched::of(|| Graph::video_on(&self.device, text, first, time_base))?))
    }

    fn encoder(
        &self,
        spec: &VideoEncoderSpec<'_>,
        _: &str,
        first: &Frame,
    ) -> Result<Box<dyn PictureEncoder>, DeviceError> {
        Ok(Box::new(Watched::of(|| Encoder::video_on(&self.device, spec, first))?))
    }

    fn download(&self, frame: &Frame) -> Result<Frame, DeviceError> {
        Ok(Watched::of(|| frame.download())?.inner)
    }
}

/// An object of FFmpeg with the last lines about it.
struct Watched<T> {
    inner: T,
    recent: Recent,
    /// Something has come out of it.
    gave: bool,
}

impl<T> Watched<T> {
    fn of(open: impl FnOnce() -> Result<T, AvError>) -> Result<Self, DeviceError> {
        let recent = Recent::default();
        match recent.during(open) {
            Ok(inner) => Ok(Self { inner, recent, gave: false }),
            Err(error) => Err(DeviceError { error, lines: recent.take(), after_first: false }),
        }
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R, AvError>) -> Result<R, DeviceError> {
        let Self { inner, recent, gave } = self;
        recent.during(|| call(inner)).map_err(|error| DeviceError { error, lines: recent.take(), after_first: *gave })
    }

    fn take(&mut self, call: impl FnOnce(&mut T) -> Result<Polled, AvError>) -> Result<Polled, DeviceError> {
        let polled = self.call(call)?;
        self.gave |= polled == Polled::Ready;
        Ok(polled)
    }
}

impl Watched<Decoder> {
    /// An error of a decoder that was to leave its device says so.
    fn stay<R>(&self, result: Result<R, DeviceError>) -> Result<R, DeviceError> {
        result.map_err(|mut error| {
            if self.inner.left_device() {
                error.lines.push(LEFT_DEVICE.to_owned());
            }
            error
        })
    }
}

impl PictureDecoder for Watched<Decoder> {
    fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, DeviceError> {
        let sent = self.call(|decoder| decoder.send(packet));
        self.stay(sent)
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        let received = self.take(|decoder| decoder.receive(frame));
        self.stay(received)
    }
}

/// A decoder on the device whose frames are wanted in the host's memory.
struct Downloading(Watched<Decoder>);

impl PictureDecoder for Downloading {
    fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, DeviceError> {
        self.0.send(packet)
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        let polled = self.0.receive(frame)?;
        if polled == Polled::Ready {
            *frame = self.0.call(|_| frame.download())?;
        }
        Ok(polled)
    }
}

impl PictureGraph for Watched<Graph> {
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), DeviceError> {
        self.call(|graph| graph.send(frame))
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        self.take(|graph| graph.receive(frame))
    }

    fn time_base(&self) -> Ratio {
        self.inner.time_base()
    }
}

impl PictureEncoder for Watched<Encoder> {
    fn send(&mut self, frame: Option<&Frame>) -> Result<Polled, DeviceError> {
        self.call(|encoder| encoder.send(frame))
    }

    fn receive(&mut self, packet: &mut Packet) -> Result<Polled, DeviceError> {
        self.take(|encoder| encoder.receive(packet))
    }

    fn params(&self) -> Result<Params, DeviceError> {
        Ok(self.inner.params()?)
    }

    fn reorder_frames(&self) -> u32 {
        self.inner.reorder_frames()
    }
}
