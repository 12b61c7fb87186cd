//! An accelerator whose calls are timed: one that does not come back shows, so that the worker can stop its heartbeat and
//! be ended. A driver that hangs cannot be called off from within.

use super::accel::{Accelerator, DeviceError, PictureDecoder, PictureEncoder, PictureGraph};
use crate::av::{Frame, Packet, Params, Polled, VideoEncoderSpec};
use crate::model::Ratio;
use crate::model::device::Memory;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The calls to the device that have not come back yet.
#[derive(Default, Debug)]
pub struct OpenCalls {
    // One a thread of the pipeline at most.
    since: Mutex<(u64, BTreeMap<u64, Instant>)>,
}

impl OpenCalls {
    /// How long the longest of them has been open; zero when there is none.
    pub fn longest(&self) -> Duration {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.1.values().map(Instant::elapsed).max().unwrap_or_default()
    }

    /// Makes a call that shows for as long as it is open.
    pub fn timed<R>(&self, call: impl FnOnce() -> R) -> R {
        let id = {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            since.0 += 1;
            let id = since.0;
            since.1.insert(id, Instant::now());
            id
        };
        let result = call();
        self.since.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&id);
        result
    }
}

/// An accelerator, with its calls in a register.
pub struct Watched {
    inner: Box<dyn Accelerator>,
    calls: Arc<OpenCalls>,
}

impl Watched {
    /// Times every call of `inner`.
    pub fn new(inner: Box<dyn Accelerator>, calls: Arc<OpenCalls>) -> Self {
        Self { inner, calls }
    }
}

impl Accelerator for Watched {
    fn decoder(
        &self,
        params: &Params,
        time_base: Ratio,
        threads: u32,
        memory: Memory,
    ) -> Result<Box<dyn PictureDecoder>, DeviceError> {
        let made = self.calls.timed(|| self.inner.decoder(params, time_base, threads, memory))?;
        Ok(Box::new(Timed { inner: made, calls: Arc::clone(&self.calls) }))
    }

    fn graph(&self, text: &str, first: &Frame, time_base: Ratio) -> Result<Box<dyn PictureGraph>, DeviceError> {
        let made = self.calls.timed(|| self.inner.graph(text, first, time_base))?;
        Ok(Box::new(Timed { inner: made, calls: Arc::clone(&self.calls) }))
    }

    fn encoder(
        &self,
        spec: &VideoEncoderSpec<'_>,
        track: &str,
        first: &Frame,
    ) -> Result<Box<dyn PictureEncoder>, DeviceError> {
        let made = self.calls.timed(|| self.inner.encoder(spec, track, first))?;
        Ok(Box::new(Timed { inner: made, calls: Arc::clone(&self.calls) }))
    }

    fn download(&self, frame: &Frame) -> Result<Frame, DeviceError> {
        self.calls.timed(|| self.inner.download(frame))
    }
}

struct Timed<T: ?Sized> {
    calls: Arc<OpenCalls>,
    inner: Box<T>,
}

impl PictureDecoder for Timed<dyn PictureDecoder> {
    fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, DeviceError> {
        self.calls.timed(|| self.inner.send(packet))
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        self.calls.timed(|| self.inner.receive(frame))
    }
}

impl PictureGraph for Timed<dyn PictureGraph> {
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), DeviceError> {
        self.calls.timed(|| self.inner.send(frame))
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        self.calls.timed(|| self.inner.receive(frame))
    }

    fn time_base(&self) -> Ratio {
        self.inner.time_base()
    }
}

impl PictureEncoder for Timed<dyn PictureEncoder> {
    fn send(&mut self, frame: Option<&Frame>) -> Result<Polled, DeviceError> {
        self.calls.timed(|| self.inner.send(frame))
    }

    fn receive(&mut self, packet: &mut Packet) -> Result<Polled, DeviceError> {
        self.calls.timed(|| self.inner.receive(packet))
    }

    fn params(&self) -> Result<Params, DeviceError> {
        self.inner.params()
    }

    fn reorder_frames(&self) -> u32 {
        self.inner.reorder_frames()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_shows_for_as_long_as_it_is_open() {
        let calls = OpenCalls::default();
        assert_eq!(calls.longest(), Duration::ZERO);
        calls.timed(|| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(5) {
                std::thread::yield_now();
            }
            assert!(calls.longest() >= Duration::from_millis(5));
        });
        assert_eq!(calls.longest(), Duration::ZERO);
    }
}
