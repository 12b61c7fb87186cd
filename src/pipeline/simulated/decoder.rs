//! A decoder of a simulated device: software decodes, and its pictures are declared to be surfaces of a bounded pool.

use super::session::{Session, Sessions, failure};
use super::{Simulated, Transfers};
use crate::av::surface::Pool;
use crate::av::{Decoder, Frame, Packet, Params, Polled, names};
use crate::model::Ratio;
use crate::model::classify::averror;
use crate::model::device::{Memory, Operation};
use crate::model::simulated::{Effect, Opening};
use crate::pipeline::accel::{DeviceError, PictureDecoder};
use crate::pipeline::hardware::LEFT_DEVICE;
use crate::pipeline::simulated::graph::Converter;
use std::sync::Arc;

const WHAT: &str = "decode";

/// The decoder.
pub(super) struct Decoding {
    inner: Decoder,
    codec: String,
    time_base: Ratio,
    memory: Memory,
    sessions: Sessions,
    /// As in FFmpeg, the device is asked when the first picture's shape is known.
    session: Option<Session>,
    pool: Arc<Pool>,
    extra_frames: u32,
    transfers: Arc<Transfers>,
    /// To the layout that surfaces have here, or to wrong pictures.
    converter: Converter,
}

impl Decoding {
    pub(super) fn open(
        device: &Simulated,
        params: &Params,
        time_base: Ratio,
        threads: u32,
        memory: Memory,
    ) -> Result<Self, DeviceError> {
        Ok(Self {
            inner: Decoder::open(params, time_base, threads)?,
            codec: params.codec_name(),
            time_base,
            memory,
            sessions: device.sessions.clone(),
            session: None,
            pool: Arc::clone(&device.decoded),
            extra_frames: device.device.extra_frames,
            transfers: Arc::clone(&device.transfers),
            converter: Converter::default(),
        })
    }

    fn ask(&mut self, frame: &Frame) -> Result<&mut Session, DeviceError> {
        if self.session.is_none() {
            let format = frame.picture_format();
            let name = names::pixel_format_name(format.format);
            if !["yuv420p", "yuvj420p", "yuv420p10le"].contains(&name.as_str()) {
                let lines = vec!["Hardware is lacking required capabilities".to_owned()];
                return Err(failure(WHAT, averror::EINVAL, lines, false));
            }
            let opening = Opening {
                device: self.sessions.device.clone(),
                operation: Operation::Decode,
                codec: self.codec.clone(),
                depth: if names::bit_depth(format.format) > 8 { 10 } else { 8 },
                width: format.width,
                height: format.height,
                speed: None,
                track: String::new(),
            };
            self.session = Some(self.sessions.open(WHAT, opening)?);
        }
        self.session.as_mut().ok_or_else(|| failure(WHAT, averror::EINVAL, Vec::new(), false))
    }

    /// Does the picture on the device. False when it is swallowed.
    fn place(&mut self, frame: &mut Frame) -> Result<bool, DeviceError> {
        let format = frame.picture_format();
        let (pool, extra, memory) = (Arc::clone(&self.pool), self.extra_frames, self.memory);
        let session = self.ask(frame)?;
        if session.opened.software {
            // The real one is kept from it, and says so in these words.
            return Err(failure(WHAT, averror::EINVAL, vec![LEFT_DEVICE.to_owned()], session.after_first));
        }
        if memory == Memory::Device && pool.outstanding() >= session.opened.surfaces + extra {
            let lines = vec!["No decoder surfaces left".to_owned()];
            return Err(failure(WHAT, averror::ENOMEM, lines, session.after_first));
        }
        let effect = session.work(u64::from(format.width) * u64::from(format.height))?;
        session.after_first = true;
        if effect == Effect::Drop {
            return Ok(false);
        }
        if effect == Effect::Corrupt {
            self.converter.convert(frame, "negate", self.time_base)?;
        }
        match memory {
            Memory::Device => frame.mark(&pool)?,
            Memory::System => self.transfers.count(0, 1, frame),
        }
        Ok(true)
    }

    fn with_lines(&self, error: crate::av::AvError) -> DeviceError {
        let after_first = self.session.as_ref().is_some_and(|session| session.after_first);
        DeviceError { after_first, ..DeviceError::from(error) }
    }
}

impl PictureDecoder for Decoding {
    fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, DeviceError> {
        self.inner.send(packet).map_err(|error| self.with_lines(error))
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        loop {
            let polled = self.inner.receive(frame).map_err(|error| self.with_lines(error))?;
            if polled != Polled::Ready || self.place(frame)? {
                return Ok(polled);
            }
        }
    }
}
