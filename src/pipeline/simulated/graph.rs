//! A graph of a simulated device: its text is translated into filters of software, and what comes out is declared to lie
//! where the device's filters would have left it.

use super::session::{Session, failure};
use super::translate::{Translated, translate};
use super::{Simulated, Transfers, memory_of};
use crate::av::frame::PictureFormat;
use crate::av::surface::Pool;
use crate::av::{AvError, Frame, Graph, Polled, names};
use crate::model::Ratio;
use crate::model::device::{Memory, Operation};
use crate::model::simulated::{Effect, Opening};
use crate::pipeline::accel::{DeviceError, PictureGraph};
use std::sync::Arc;

const WHAT: &str = "filter";

/// The graph.
pub(super) struct Filtering {
    inner: Graph,
    translated: Translated,
    input: Memory,
    /// Where the device takes part.
    session: Option<Session>,
    pool: Arc<Pool>,
    transfers: Arc<Transfers>,
    /// To wrong pictures.
    converter: Converter,
}

impl Filtering {
    pub(super) fn make(device: &Simulated, text: &str, first: &Frame, time_base: Ratio) -> Result<Self, DeviceError> {
        let (input, format) = (memory_of(first), first.picture_format());
        let refused = |refusal: super::translate::Refusal| failure(WHAT, refusal.code, vec![refusal.line], false);
        let translated = translate(text, device.device.kind, input).map_err(refused)?;
        let opening = Opening {
            device: device.sessions.device.clone(),
            operation: Operation::Filter,
            codec: String::new(),
            depth: if names::bit_depth(format.format) > 8 { 10 } else { 8 },
            width: format.width,
            height: format.height,
            speed: None,
            track: String::new(),
        };
        let session = translated.on_device.then(|| device.sessions.open(WHAT, opening)).transpose()?;
        let inner = Graph::video(&translated.text, format, time_base)?;
        let (pool, transfers) = (Arc::clone(&device.made), Arc::clone(&device.transfers));
        Ok(Self { inner, translated, input, session, pool, transfers, converter: Converter::default() })
    }

    /// Does a picture on the device, and says where it lies. False when it is swallowed.
    fn place(&mut self, frame: &mut Frame) -> Result<bool, DeviceError> {
        if let Some(session) = &mut self.session {
            let format = frame.picture_format();
            let effect = session.work(u64::from(format.width) * u64::from(format.height))?;
            session.after_first = true;
            match effect {
                Effect::None => {}
                Effect::Drop => return Ok(false),
                Effect::Corrupt => self.converter.convert(frame, "negate", self.inner.time_base())?,
            }
        }
        self.transfers.count(0, self.translated.downloads, frame);
        match self.translated.output {
            Memory::Device if self.translated.on_device => frame.mark(&self.pool)?,
            // Nothing touched the pixels: they lie where they lay.
            Memory::Device => {}
            Memory::System => frame.unmark(),
        }
        Ok(true)
    }
}

impl PictureGraph for Filtering {
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), DeviceError> {
        if let Some(frame) = frame {
            if memory_of(frame) != self.input {
                let refusal = super::translate::Refusal::join("graph 0 input from stream 0:0");
                return Err(failure(WHAT, refusal.code, vec![refusal.line], true));
            }
            self.transfers.count(self.translated.uploads, 0, frame);
        }
        Ok(self.inner.send(frame)?)
    }

    fn receive(&mut self, frame: &mut Frame) -> Result<Polled, DeviceError> {
        loop {
            let polled = match (self.inner.receive(frame), &self.session) {
                (Ok(polled), _) => polled,
                (Err(error), Some(session)) => return Err(session.failed(error)),
                (Err(error), None) => return Err(error.into()),
            };
            if polled != Polled::Ready || self.place(frame)? {
                return Ok(polled);
            }
        }
    }

    fn time_base(&self) -> Ratio {
        self.inner.time_base()
    }
}

/// Filters frames one by one, with whatever graph the last ones needed.
#[derive(Default)]
pub(super) struct Converter {
    graph: Option<(PictureFormat, String, Graph)>,
}

impl Converter {
    /// Replaces the frame by what the filters of `text` make of it at once.
    pub(super) fn convert(&mut self, frame: &mut Frame, text: &str, time_base: Ratio) -> Result<(), AvError> {
        let format = frame.picture_format();
        if self.graph.as_ref().is_none_or(|(known, for_text, _)| *known != format || for_text != text) {
            self.graph = Some((format, text.to_owned(), Graph::video(text, format, time_base)?));
        }
        let Some((_, _, graph)) = &mut self.graph else { return Ok(()) };
        graph.send(Some(frame))?;
        let mut made = Frame::new()?;
        if graph.receive(&mut made)? == Polled::Ready {
            *frame = made;
        }
        Ok(())
    }
}
