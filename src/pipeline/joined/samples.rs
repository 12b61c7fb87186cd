//! Samples of all parts of a rendition as one unbroken row: each part's begin at its start to the sample; what is missing
//! until the next one is silence, what is too much is cut off.

use crate::av::frame::SampleFormat;
use crate::av::{Frame, Graph, Polled, names};
use crate::model::joined::{AudioPart, PartSound};
use crate::model::plan::AudioRendition;
use crate::model::time::{Ratio, rescale};
use crate::pipeline::coder::Coder;
use crate::pipeline::faults;
use crate::pipeline::flow::Stopped;

/// Samples of silence that are made at a time.
const SILENCE_AT_ONCE: i64 = 4096;

/// Joins the samples of parts and hands them to the encoder in frames of its size.
pub(super) struct Samples<'a> {
    rendition: &'a AudioRendition,
    pub(super) coder: Coder<'a>,
    part: Option<&'a AudioPart>,
    /// From decoded samples of the part to those of the rendition.
    graph: Option<(SampleFormat, Graph)>,
    /// Where the next frame should start, input samples from the part's start, if its own timestamp is missing.
    expected: Option<i64>,
    /// Regroups the samples of all parts into frames of the encoder's size.
    frames: Option<Graph>,
    /// Samples made, of all parts.
    made: i64,
}

impl<'a> Samples<'a> {
    /// For a rendition and its encoder.
    pub(super) const fn new(rendition: &'a AudioRendition, coder: Coder<'a>) -> Self {
        Self { rendition, coder, part: None, graph: None, expected: None, frames: None, made: 0 }
    }

    /// The next part begins: the one before it is drained and filled up.
    pub(super) fn begin(&mut self, number: usize) -> Result<(), Stopped> {
        self.leave()?;
        self.part = self.rendition.parts.get(number);
        Ok(())
    }

    /// Decoded samples of the part.
    pub(super) fn push(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        let Some((part, sound)) = self.part.and_then(|part| Some((part, part.sound.as_ref()?))) else { return Ok(()) };
        let format = frame.sample_format();
        if self.left(part) == 0 || format.rate == 0 || format.channels == 0 || frame.samples() == 0 {
            return Ok(());
        }
        let own_time = Ratio::new(1, i64::from(format.rate));
        let named = frame.best_effort_pts();
        let from_pts = named.map(|pts| rescale(pts.saturating_sub(sound.origin), sound.time_base, own_time));
        if self.graph.as_ref().is_some_and(|(known, _)| *known != format) {
            self.drain()?;
            self.expected = None;
        }
        let pts = from_pts.or(self.expected).unwrap_or(0);
        self.expected = Some(pts + frame.samples());
        frame.set_pts(Some(pts));
        if self.graph.is_none() {
            let text = graph_text(sound, self.made - part.start);
            let graph = Graph::audio(&text, &format).map_err(|error| faults::filter(&self.rendition.id, error))?;
            self.graph = Some((format, graph));
        }
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        graph.send(Some(&frame)).map_err(|error| faults::filter(&self.rendition.id, error))?;
        self.take()
    }

    /// All parts are over.
    pub(super) fn finish(mut self) -> Result<(), Stopped> {
        self.leave()?;
        self.pass(None)?;
        self.coder.finish()
    }

    /// The part is over.
    fn leave(&mut self) -> Result<(), Stopped> {
        self.drain()?;
        self.expected = None;
        let Some(end) = self.part.take().and_then(|part| part.end) else { return Ok(()) };
        while self.made < end {
            let samples = (end - self.made).min(SILENCE_AT_ONCE);
            self.silence(samples as u32)?;
        }
        Ok(())
    }

    /// Samples that the part still has room for.
    fn left(&self, part: &AudioPart) -> i64 {
        part.end.map_or(i64::MAX, |end| (end - self.made).max(0))
    }

    fn drain(&mut self) -> Result<(), Stopped> {
        if let Some((_, graph)) = &mut self.graph {
            graph.send(None).map_err(|error| faults::filter(&self.rendition.id, error))?;
            self.take()?;
            self.graph = None;
        }
        Ok(())
    }

    /// Takes what the part's graph has made.
    fn take(&mut self) -> Result<(), Stopped> {
        let Some(part) = self.part else { return Ok(()) };
        loop {
            let Some((_, graph)) = &mut self.graph else { return Ok(()) };
            let mut frame = Frame::new().map_err(faults::internal)?;
            let polled = graph.receive(&mut frame).map_err(|error| faults::filter(&self.rendition.id, error))?;
            if polled != Polled::Ready {
                return Ok(());
            }
            frame.keep_samples(self.left(part));
            if frame.samples() > 0 {
                self.add(frame)?;
            }
        }
    }

    /// Makes `samples` of silence in the rendition's format.
    fn silence(&mut self, samples: u32) -> Result<(), Stopped> {
        let AudioRendition { sample_rate, channels, layout, codec, id, .. } = self.rendition;
        let mut silence = Frame::silence(*sample_rate, *channels, samples).map_err(faults::internal)?;
        silence.set_pts(Some(0));
        let text = format!("aformat=sample_fmts={}:channel_layouts={layout}", codec.traits().sample_format);
        let refuse = |error| Stopped::Failed(faults::filter(id, error));
        let mut graph = Graph::audio(&text, &silence.sample_format()).map_err(refuse)?;
        graph.send(Some(&silence)).map_err(refuse)?;
        graph.send(None).map_err(refuse)?;
        let mut frame = Frame::new().map_err(faults::internal)?;
        while graph.receive(&mut frame).map_err(refuse)? == Polled::Ready {
            let whole = std::mem::replace(&mut frame, Frame::new().map_err(faults::internal)?);
            self.add(whole)?;
        }
        Ok(())
    }

    /// The next samples of the row.
    fn add(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        frame.set_pts(Some(self.made));
        self.made += frame.samples();
        self.pass(Some(&frame))
    }

    /// Regroups samples, and hands on whole frames; with `None` also the last, shorter one.
    fn pass(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let id = &self.rendition.id;
        let refuse = |error| Stopped::Failed(faults::filter(id, error));
        if self.frames.is_none() {
            self.frames = Some(Graph::audio("anull", &format_of(self.rendition)).map_err(refuse)?);
        }
        let Some(graph) = &mut self.frames else { return Ok(()) };
        graph.send(frame).map_err(refuse)?;
        loop {
            let mut whole = Frame::new().map_err(faults::internal)?;
            let polled = match self.coder.frame_samples()? {
                0 => graph.receive(&mut whole),
                samples => graph.receive_samples(&mut whole, samples),
            };
            if polled.map_err(refuse)? != Polled::Ready {
                return Ok(());
            }
            self.coder.encode(whole)?;
        }
    }
}

/// What the samples of a rendition are like.
fn format_of(rendition: &AudioRendition) -> SampleFormat {
    SampleFormat {
        rate: rendition.sample_rate,
        format: names::sample_format(rendition.codec.traits().sample_format).unwrap_or(-1),
        channels: rendition.channels,
        layout: rendition.layout.clone(),
    }
}

/// The graph's text for sound that goes on `samples` into its part: cut to the sample in front of the part, and aligned to
/// what was made of it already.
fn graph_text(sound: &PartSound, samples: i64) -> String {
    let text = sound.graph.replace("first_pts=0", &format!("first_pts={samples}"));
    format!("atrim=start_pts=0,{text}")
}
