//! Stage: channels put together. Receives decoded samples of several streams, each with its stream's index; sends finished
//! segments to the outlet; owns a graph for each channel, one for all of them, and an encoder. Thread: its own. Bound: the
//! channel, and [`LAG_SECONDS_MAX`] of samples of each channel that wait for another one. Ends: `End`, or the last sample
//! before the plan's end; a channel that ends sooner than another is silent from there on; a rendition that is dropped lets
//! its sender go. Counters: packets and media time, through the outlet.

use super::coder::Coder;
use super::control::Control;
use super::faults;
use super::flow::{Flow, Inflow, Stopped};
use super::outlet::{Outlet, TrackOutlet};
use super::sound::SoundSpec;
use crate::av::frame::SampleFormat;
use crate::av::{self, Frame, Graph, Polled};
use crate::model::plan::ChannelInput;
use crate::model::time::{Ratio, rescale};

/// Seconds by which a channel may be behind another one in the file: beyond it, it is taken to have nothing there. At 8
/// channels of 48 kHz 46 MB wait at most; containers interleave within a second or two.
const LAG_SECONDS_MAX: usize = 30;
/// Samples of all channels that are put together at a time, at least, until the end.
const AT_ONCE: usize = 1024;

/// Runs the stage.
pub(super) fn run(
    spec: &SoundSpec<'_>,
    inflow: Inflow<(u32, Frame), ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let outlet = TrackOutlet::new(&spec.rendition.id, outlet, control);
    let _filtering = outlet.accounts.filtering();
    let inputs = &spec.rendition.channel_inputs;
    let mut mixer = Mixer {
        spec,
        channels: inputs.iter().map(|input| Channel::new(input, spec)).collect(),
        graph: None,
        made: 0,
        coder: Coder::new(spec, outlet),
    };
    let result = mixer.receive_all(&inflow, control);
    inflow.settle(result)?;
    mixer.coder.finish()
}

/// All channels of a rendition.
struct Mixer<'a> {
    spec: &'a SoundSpec<'a>,
    channels: Vec<Channel<'a>>,
    /// From all channels to what the encoder takes.
    graph: Option<Graph>,
    /// Samples put together.
    made: i64,
    coder: Coder<'a>,
}

impl Mixer<'_> {
    fn receive_all(&mut self, inflow: &Inflow<(u32, Frame), ()>, control: &Control) -> Result<(), Stopped> {
        while !self.coder.is_full() {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            match inflow.receive()? {
                Flow::Item((stream, frame)) => {
                    self.coder.outlet.wanted()?;
                    for channel in self.channels.iter_mut().filter(|channel| channel.input.stream == stream) {
                        channel.push(&frame)?;
                    }
                    self.put_together(false)?;
                }
                Flow::End(()) => {
                    self.channels.iter_mut().try_for_each(Channel::drain)?;
                    self.put_together(true)?;
                    return self.pass(None);
                }
            }
        }
        Ok(())
    }

    /// Puts together what is there of all channels; at the end all that is there of any.
    fn put_together(&mut self, all: bool) -> Result<(), Stopped> {
        let most = self.channels.iter().map(|channel| channel.samples.len()).max().unwrap_or(0);
        let lag = LAG_SECONDS_MAX * self.spec.rendition.sample_rate as usize;
        let least = if all { most } else { most.saturating_sub(lag) };
        for channel in &mut self.channels {
            channel.fill_up(least);
        }
        let ready = self.channels.iter().map(|channel| channel.samples.len()).min().unwrap_or(0);
        if ready == 0 || (ready < AT_ONCE && !all) {
            return Ok(());
        }
        let mut from = 0;
        while from < ready {
            // Frames of any size would do; this keeps them small at the end of a long lag.
            let count = (ready - from).min(16 * AT_ONCE);
            let (rate, channels) = (self.spec.rendition.sample_rate, self.channels.len() as u32);
            let mut frame = Frame::silence(rate, channels, count as u32).map_err(faults::internal)?;
            for (place, channel) in self.channels.iter().enumerate() {
                if let Some(to) = frame.channel_mut(place) {
                    to.copy_from_slice(&channel.samples[from..from + count]);
                }
            }
            frame.set_pts(Some(self.made));
            self.made += count as i64;
            from += count;
            self.pass(Some(&frame))?;
        }
        for channel in &mut self.channels {
            channel.samples.drain(..ready);
        }
        Ok(())
    }

    /// Hands samples on in what form the encoder takes them; with `None` also those that do not fill a frame.
    fn pass(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let rendition = self.spec.rendition;
        let refuse = |error| Stopped::Failed(faults::filter(&rendition.id, error));
        let graph = match (&mut self.graph, frame) {
            (Some(graph), _) => graph,
            (none, Some(frame)) => none.insert(Graph::audio(&rendition.graph, &frame.sample_format()).map_err(refuse)?),
            (None, None) => return Ok(()),
        };
        graph.send(frame).map_err(refuse)?;
        loop {
            let mut out = Frame::new().map_err(faults::internal)?;
            let polled = match self.coder.frame_samples()? {
                0 => graph.receive(&mut out),
                samples => graph.receive_samples(&mut out, samples),
            };
            if polled.map_err(refuse)? != Polled::Ready {
                return Ok(());
            }
            self.coder.encode(out)?;
        }
    }
}

/// One channel on its way into a rendition.
struct Channel<'a> {
    input: &'a ChannelInput,
    id: &'a str,
    /// Sound before zero is cut off to the sample.
    in_point: bool,
    graph: Option<(SampleFormat, Graph)>,
    /// Where the next frame should start, input samples, if its own timestamp is missing.
    expected: Option<i64>,
    /// Samples that came out of its graphs.
    made: i64,
    /// Of those that come next, so many are too late: silence stands in their place already.
    late: usize,
    /// Samples that wait for the other channels.
    samples: Vec<f32>,
}

impl<'a> Channel<'a> {
    fn new(input: &'a ChannelInput, spec: &SoundSpec<'a>) -> Self {
        let (id, in_point) = (spec.rendition.id.as_str(), spec.rendition.in_point);
        Self { input, id, in_point, graph: None, expected: None, made: 0, late: 0, samples: Vec::new() }
    }

    fn push(&mut self, frame: &Frame) -> Result<(), Stopped> {
        let format = frame.sample_format();
        if format.rate == 0 || format.channels == 0 || frame.samples() == 0 {
            return Ok(());
        }
        let own_time = Ratio::new(1, i64::from(format.rate));
        let from_pts = frame
            .best_effort_pts()
            .map(|pts| rescale(pts.saturating_sub(self.input.origin), self.input.time_base, own_time));
        if self.graph.as_ref().is_some_and(|(known, _)| *known != format) {
            self.drain()?;
        }
        let pts = from_pts.or(self.expected).unwrap_or(0);
        self.expected = Some(pts + frame.samples());
        let mut frame = frame.reference().map_err(faults::internal)?;
        frame.set_pts(Some(pts));
        if self.graph.is_none() {
            let cut = if self.in_point { "atrim=start_pts=0," } else { "" };
            let text = self.input.graph.replace("first_pts=0", &format!("first_pts={}", self.made));
            let graph = Graph::audio(&format!("{cut}{text}"), &format);
            self.graph = Some((format, graph.map_err(|error| faults::filter(self.id, error))?));
        }
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        graph.send(Some(&frame)).map_err(|error| faults::filter(self.id, error))?;
        self.take()
    }

    /// Takes out what its graph still holds; the next samples get a new one.
    fn drain(&mut self) -> Result<(), Stopped> {
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        graph.send(None).map_err(|error| faults::filter(self.id, error))?;
        self.take()?;
        (self.graph, self.expected) = (None, None);
        Ok(())
    }

    fn take(&mut self) -> Result<(), Stopped> {
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        let mut frame = Frame::new().map_err(faults::internal)?;
        while graph.receive(&mut frame).map_err(|error| faults::filter(self.id, error))? == Polled::Ready {
            let samples = frame.channel(0).unwrap_or_default();
            self.made += samples.len() as i64;
            let late = self.late.min(samples.len());
            self.late -= late;
            self.samples.extend_from_slice(&samples[late..]);
        }
        Ok(())
    }

    /// Makes it at least so long with silence.
    fn fill_up(&mut self, least: usize) {
        let missing = least.saturating_sub(self.samples.len());
        self.late += missing;
        self.samples.resize(self.samples.len() + missing, 0.0);
    }
}
