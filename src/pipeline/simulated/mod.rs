//! Simulated accelerators, the worker's side: they take the same options and graphs as real ones, make real bitstreams by
//! fast software, and keep count of what crosses between the memories. What the host has only once is simulated in the
//! daemon and asked for through [`Calls`]; the faults that it orders come with the codes and log lines of real ones.

mod decoder;
mod encoder;
mod graph;
mod options;
mod session;
mod translate;

pub use translate::{Translated, translate};

use super::accel::{Accelerator, DeviceError, PictureDecoder, PictureEncoder, PictureGraph};
use crate::av::surface::Pool;
use crate::av::{Frame, Params, VideoEncoderSpec};
use crate::model::Ratio;
use crate::model::device::{self, Memory};
use crate::model::simulated::{Call, Reply};
use session::Sessions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The way to the daemon, which simulates what the host has only once.
pub trait Calls: Send + Sync {
    /// Asks, and waits for the answer; `None` when nobody is there to answer any more.
    fn call(&self, call: Call) -> Option<Reply>;
}

/// What crossed between the memories.
#[derive(Debug, Default)]
pub struct Transfers {
    uploads: AtomicU64,
    downloads: AtomicU64,
    bytes: AtomicU64,
}

impl Transfers {
    /// Frames that went to the device.
    pub fn uploads(&self) -> u64 {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Frames that came from the device.
    pub fn downloads(&self) -> u64 {
        self.downloads.load(Ordering::Relaxed)
    }

    /// Bytes of both.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count(&self, uploads: u64, downloads: u64, frame: &Frame) {
        if uploads + downloads == 0 {
            return;
        }
        let format = frame.picture_format();
        let sample = if crate::av::names::bit_depth(format.format) > 8 { 2 } else { 1 };
        let bytes = u64::from(format.width) * u64::from(format.height) * 3 / 2 * sample;
        self.uploads.fetch_add(uploads, Ordering::Relaxed);
        self.downloads.fetch_add(downloads, Ordering::Relaxed);
        self.bytes.fetch_add((uploads + downloads) * bytes, Ordering::Relaxed);
    }
}

/// A simulated device as a worker has it open.
pub struct Simulated {
    device: device::Accelerator,
    sessions: Sessions,
    transfers: Arc<Transfers>,
    /// Surfaces of the decoder.
    decoded: Arc<Pool>,
    /// Surfaces of everything else; they grow as needed.
    made: Arc<Pool>,
}

/// Opens a simulated device.
///
/// # Errors
/// As FFmpeg's where there is no driver or no such device.
pub fn open(device: &device::Accelerator, calls: Arc<dyn Calls>) -> Result<Box<dyn Accelerator>, DeviceError> {
    session::find(&device.id, calls.as_ref())?;
    Ok(Box::new(Simulated::new(device, calls)))
}

impl Simulated {
    /// The device, with its counters to be read.
    pub fn new(device: &device::Accelerator, calls: Arc<dyn Calls>) -> Self {
        Self {
            device: device.clone(),
            sessions: Sessions::new(device.id.clone(), calls),
            transfers: Arc::default(),
            decoded: Arc::default(),
            made: Arc::default(),
        }
    }

    /// What crossed between the memories.
    pub fn transfers(&self) -> Arc<Transfers> {
        Arc::clone(&self.transfers)
    }

    /// Surfaces that are referred to, of the decoder and of all else.
    pub fn outstanding(&self) -> (u32, u32) {
        (self.decoded.outstanding(), self.made.outstanding())
    }
}

impl Accelerator for Simulated {
    fn decoder(
        &self,
        params: &Params,
        time_base: Ratio,
        threads: u32,
        memory: Memory,
    ) -> Result<Box<dyn PictureDecoder>, DeviceError> {
        let decoder = decoder::Decoding::open(self, params, time_base, threads, memory)?;
        Ok(Box::new(decoder))
    }

    fn graph(&self, text: &str, first: &Frame, time_base: Ratio) -> Result<Box<dyn PictureGraph>, DeviceError> {
        Ok(Box::new(graph::Filtering::make(self, text, first, time_base)?))
    }

    fn encoder(
        &self,
        spec: &VideoEncoderSpec<'_>,
        track: &str,
        first: &Frame,
    ) -> Result<Box<dyn PictureEncoder>, DeviceError> {
        Ok(Box::new(encoder::Encoding::open(self, spec, track, first)?))
    }

    fn download(&self, frame: &Frame) -> Result<Frame, DeviceError> {
        let mut copy = frame.reference()?;
        copy.unmark();
        self.transfers.count(0, 1, frame);
        Ok(copy)
    }
}

/// Where a frame lies.
fn memory_of(frame: &Frame) -> Memory {
    if frame.is_marked() { Memory::Device } else { Memory::System }
}
