//! What carries the stages of a span out: the worker's accelerator for what the plan has placed on it, the CPU for the
//! rest.

use super::accel::{Accelerator, DeviceError, Host};
use super::faults;
use super::hardware;
use super::trouble::DeviceTrouble;
use crate::av::Frame;
use crate::model::device::{self, DeviceKind, Memory, Operation};
use crate::model::plan::{VideoPlan, VideoRendition};

/// The accelerator of a plan, opened by this process.
///
/// # Errors
/// What the device failed at, for the whole span: nothing of it can be made without its device.
pub fn open(placed: &device::Accelerator) -> Result<Box<dyn Accelerator>, DeviceTrouble> {
    opened(placed, hardware::open(placed))
}

/// What it means that a device could, or could not, be opened.
///
/// # Errors
/// As [`open`].
pub fn opened(
    placed: &device::Accelerator,
    opened: Result<Box<dyn Accelerator>, DeviceError>,
) -> Result<Box<dyn Accelerator>, DeviceTrouble> {
    // Of what it was to do, decoding comes first.
    let operation = if placed.decode { Operation::Decode } else { Operation::Filter };
    opened.map_err(|error| faults::device(operation, "", &format!("the device {}", placed.id), &error))
}

/// The worker's accelerator, if it has one, beside the CPU.
#[derive(Clone, Copy, Default)]
pub struct Equipment<'a> {
    device: Option<(DeviceKind, &'a dyn Accelerator)>,
}

/// Who does something.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    /// Through which it is opened.
    pub by: &'a dyn Accelerator,
    /// It is the device, so that its failures are the device's.
    pub on_device: bool,
}

impl<'a> Equipment<'a> {
    /// A device beside the CPU.
    pub const fn with(kind: DeviceKind, device: &'a dyn Accelerator) -> Self {
        Self { device: Some((kind, device)) }
    }

    /// How the device is driven, where there is one.
    pub fn kind(self) -> Option<DeviceKind> {
        self.device.map(|(kind, _)| kind)
    }

    /// Who decodes, and where its frames are wanted: in the device's memory when the next thing that is done to them is
    /// done there.
    pub fn decoder(self, video: &VideoPlan) -> (Chosen<'a>, Memory) {
        let decodes = video.accelerator.as_ref().is_some_and(|placed| placed.decode);
        let there = video.memory == Memory::Device || uses_device(&video.prepare);
        let memory = if decodes && there { Memory::Device } else { Memory::System };
        (self.choose(decodes), memory)
    }

    /// Who filters frames like `first`.
    pub fn graph(self, text: &str, first: &Frame) -> Chosen<'a> {
        self.choose(first.pool().is_some() || uses_device(text))
    }

    /// The frame in the host's memory: itself, or a copy where it lies in the device's.
    ///
    /// # Errors
    /// What the device says that cannot give it out.
    pub fn download(self, frame: &Frame) -> Result<Frame, DeviceError> {
        match self.device.filter(|_| frame.pool().is_some()) {
            Some((_, device)) => device.download(frame),
            None => Ok(frame.reference()?),
        }
    }

    /// Who encodes a rendition.
    pub fn encoder(self, rendition: &VideoRendition) -> Chosen<'a> {
        self.choose(rendition.on_device)
    }

    fn choose(self, on_device: bool) -> Chosen<'a> {
        match self.device.filter(|_| on_device) {
            Some((_, device)) => Chosen { by: device, on_device: true },
            None => Chosen { by: &Host, on_device: false },
        }
    }
}

/// Whether a graph has a filter that works on a device, or moves frames to or from one.
fn uses_device(text: &str) -> bool {
    let names = text.split([',', ';']).map(|filter| filter.rsplit(']').find(|part| !part.is_empty()).unwrap_or(filter));
    names.map(|filter| filter.split(['=', '@', '[']).next().unwrap_or(filter).trim()).any(|name| {
        name.ends_with("_cuda") || name.ends_with("_vaapi") || ["hwupload", "hwdownload", "hwmap"].contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_the_devices_when_any_of_its_filters_is() {
        for text in [
            "scale_cuda=w=1280:h=720",
            "format=nv12,hwupload",
            "[in]hwupload[a];[a]scale_vaapi=w=2:h=2[out]",
            "deinterlace_vaapi",
            "hwdownload,format=nv12",
            "yadif_cuda@first=mode=send_frame,scale=w=2:h=2",
        ] {
            assert!(uses_device(text), "{text}");
        }
        for text in ["", "scale=w=1280:h=720,format=yuv420p", "bwdif", "drawtext=text=no hwupload here"] {
            assert!(!uses_device(text), "{text}");
        }
    }
}
