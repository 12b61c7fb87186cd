//! Stage: sound. Receives decoded samples; sends finished segments to the outlet; owns one rendition's graph and encoder.
//! Thread: its own. Bound: the channel. Ends: `End`, or the last sample before the plan's end, drains the encoder and cuts
//! the last segment; a rendition that is dropped lets its sender go. Counters: packets and media time, through the outlet.

use super::coder::Coder;
use super::control::Control;
use super::faults;
use super::flow::{Flow, Inflow, Stopped};
use super::outlet::{Outlet, TrackOutlet};
use crate::av::frame::SampleFormat;
use crate::av::{self, Frame, Graph, Polled};
use crate::model::Measured;
use crate::model::plan::{AudioRendition, Grid};
use crate::model::time::{Ratio, rescale};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What a rendition of sound is made from.
pub struct SoundSpec<'a> {
    /// The rendition.
    pub rendition: &'a AudioRendition,
    /// The segment grid.
    pub grid: Grid,
    /// What is done with its samples.
    pub pass: &'a Pass,
}

/// What is done with samples.
#[derive(Debug)]
pub enum Pass {
    /// They are encoded, as loud as asked; with what a first pass found, by rendition.
    Make(BTreeMap<String, Measured>),
    /// They are measured, and nothing else: what is found, by rendition.
    Measure(Mutex<BTreeMap<String, Measured>>),
}

impl Default for Pass {
    fn default() -> Self {
        Self::Make(BTreeMap::new())
    }
}

/// Runs the stage for a rendition that is encoded.
pub fn run(
    spec: &SoundSpec<'_>,
    inflow: Inflow<Frame, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let outlet = TrackOutlet::new(&spec.rendition.id, outlet, control);
    let _filtering = outlet.accounts.filtering();
    let mut resampler = Resampler { spec, graph: None, expected: None };
    let mut coder = Coder::new(spec, outlet);
    let result = resampler.receive_all(&inflow, &mut coder, control);
    inflow.settle(result)?;
    coder.finish()
}

/// Decoded samples to samples as the encoder wants them, on the output timeline without gaps.
struct Resampler<'a> {
    spec: &'a SoundSpec<'a>,
    graph: Option<(SampleFormat, Graph)>,
    /// Where the next frame should start, input samples, if its own timestamp is missing.
    expected: Option<i64>,
}

impl Resampler<'_> {
    fn receive_all(
        &mut self,
        inflow: &Inflow<Frame, ()>,
        coder: &mut Coder<'_>,
        control: &Control,
    ) -> Result<(), Stopped> {
        while !coder.is_full() {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            match inflow.receive()? {
                Flow::Item(frame) => {
                    coder.outlet.wanted()?;
                    self.push(frame, coder)?;
                }
                Flow::End(()) => return self.drain(coder),
            }
        }
        Ok(())
    }

    fn push(&mut self, mut frame: Frame, coder: &mut Coder<'_>) -> Result<(), Stopped> {
        let format = frame.sample_format();
        if format.rate == 0 || format.channels == 0 || frame.samples() == 0 {
            return Ok(());
        }
        let rendition = self.spec.rendition;
        let own_time = Ratio::new(1, i64::from(format.rate));
        let from_pts = frame
            .best_effort_pts()
            .map(|pts| rescale(pts.saturating_sub(rendition.origin), rendition.time_base, own_time));
        if self.graph.as_ref().is_some_and(|(known, _)| *known != format) {
            self.drain(coder)?;
            self.expected = None;
        }
        let pts = from_pts.or(self.expected).unwrap_or(0);
        self.expected = Some(pts + frame.samples());
        frame.set_pts(Some(pts));
        if self.graph.is_none() {
            let text = graph_text(rendition, coder.taken());
            let graph = Graph::audio(&text, &format).map_err(|error| faults::filter(&rendition.id, error))?;
            self.graph = Some((format, graph));
        }
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        graph.send(Some(&frame)).map_err(|error| faults::filter(&rendition.id, error))?;
        Self::receive(graph, coder)
    }

    fn drain(&mut self, coder: &mut Coder<'_>) -> Result<(), Stopped> {
        if let Some((_, mut graph)) = self.graph.take() {
            graph.send(None).map_err(|error| faults::filter(&self.spec.rendition.id, error))?;
            Self::receive(&mut graph, coder)?;
        }
        Ok(())
    }

    fn receive(graph: &mut Graph, coder: &mut Coder<'_>) -> Result<(), Stopped> {
        let id = coder.id();
        loop {
            let mut frame = Frame::new().map_err(faults::internal)?;
            let polled = match coder.frame_samples()? {
                0 => graph.receive(&mut frame),
                samples => graph.receive_samples(&mut frame, samples),
            };
            if polled.map_err(|error| faults::filter(id, error))? != Polled::Ready {
                return Ok(());
            }
            coder.encode(frame)?;
        }
    }
}

/// The graph's text for sound that goes on at `samples`: the resampler aligns its start to that instead of to zero. It
/// lets pass what is less than a millisecond off; an in point is cut before it, to the sample.
fn graph_text(rendition: &AudioRendition, samples: i64) -> String {
    let text = rendition.graph.replace("first_pts=0", &format!("first_pts={samples}"));
    let cut = if rendition.in_point { "atrim=start_pts=0," } else { "" };
    format!("{cut}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_made_anew_goes_on_where_the_last_one_ended() {
        let mut rendition = AudioRendition {
            id: "audio-1".to_owned(),
            stream: 0,
            time_base: Ratio::new(1, 48_000),
            origin: 0,
            in_point: false,
            end: None,
            codec: crate::model::AudioCodec::Aac,
            packagings: Vec::new(),
            copy: false,
            encoder: "aac".to_owned(),
            options: Vec::new(),
            sample_rate: 48_000,
            channels: 2,
            layout: "stereo".to_owned(),
            graph: "aresample=48000:first_pts=0,aformat=x".to_owned(),
            whole: String::new(),
            channel_inputs: Vec::new(),
            loudness: None,
            parts: Vec::new(),
            bit_rate: 128_000,
            language: None,
            title: String::new(),
            default: true,
            descriptive: false,
            role: None,
        };
        assert_eq!(graph_text(&rendition, 4096), "aresample=48000:first_pts=4096,aformat=x");
        rendition.in_point = true;
        assert_eq!(graph_text(&rendition, 0), "atrim=start_pts=0,aresample=48000:first_pts=0,aformat=x");
    }
}
