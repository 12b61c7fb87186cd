//! Stage: sound. Receives decoded samples; sends finished segments to the outlet; owns one rendition's graph and encoder.
//! Thread: its own. Bound: the channel. Ends: `End`, or the last sample before the plan's end, drains the encoder and cuts
//! the last segment; a rendition that is dropped lets its sender go. Counters: packets and media time, through the outlet.

use super::control::Control;
use super::encode::encode;
use super::faults;
use super::flow::{Flow, Inflow, Stopped};
use super::outlet::{Outlet, TrackOutlet};
use super::wrap::AudioWrapper;
use crate::av::frame::SampleFormat;
use crate::av::{self, AudioEncoderSpec, Encoder, Frame, Graph, Packet, Polled};
use crate::model::Problem;
use crate::model::plan::{AudioRendition, Grid};
use crate::model::time::{Ratio, rescale};

/// What a rendition of sound is made from.
pub struct SoundSpec<'a> {
    /// The rendition.
    pub rendition: &'a AudioRendition,
    /// The segment grid.
    pub grid: Grid,
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

/// Runs the stage for a rendition whose packets are taken over as they are.
pub fn run_copy(
    spec: &SoundSpec<'_>,
    params: &av::Params,
    inflow: Inflow<Packet, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let outlet = TrackOutlet::new(&spec.rendition.id, outlet, control);
    let _packaging = outlet.accounts.packaging();
    let mut copier = Copier { spec, outlet, wrapper: None, packets: 0, last_end: None, full: false };
    let result = copier.receive_all(params, &inflow, control);
    inflow.settle(result)?;
    copier.finish()
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
            let text = graph_text(rendition, coder.samples);
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
        let id = &coder.spec.rendition.id;
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
    let whole = if rendition.whole.is_empty() { String::new() } else { format!(",{}", rendition.whole) };
    format!("{cut}{text}{whole}")
}

/// The encoder of a rendition with all that follows it.
pub(super) struct Coder<'a> {
    spec: &'a SoundSpec<'a>,
    pub(super) outlet: TrackOutlet<'a>,
    encoder: Option<Encoder>,
    // Made with the first packet: the priming that the header must tell is known only then.
    wrapper: Option<AudioWrapper>,
    samples: i64,
}

impl<'a> Coder<'a> {
    /// An encoder that opens with its first frame.
    pub(super) const fn new(spec: &'a SoundSpec<'a>, outlet: TrackOutlet<'a>) -> Self {
        Self { spec, outlet, encoder: None, wrapper: None, samples: 0 }
    }

    /// Samples that the encoder takes at once; 0 for any number.
    pub(super) fn frame_samples(&mut self) -> Result<u32, Problem> {
        if let Some(encoder) = &self.encoder {
            return Ok(encoder.frame_samples());
        }
        let _encoding = self.outlet.accounts.encoding();
        let rendition = self.spec.rendition;
        let format = av::names::sample_format(rendition.codec.traits().sample_format).unwrap_or(-1);
        let input = SampleFormat {
            rate: rendition.sample_rate,
            format,
            channels: rendition.channels,
            layout: rendition.layout.clone(),
        };
        let spec = AudioEncoderSpec { encoder: &rendition.encoder, input: &input, options: &rendition.options };
        let encoder = Encoder::audio(&spec).map_err(|error| faults::encoder(&rendition.id, error))?;
        let samples = encoder.frame_samples();
        self.encoder = Some(encoder);
        Ok(samples)
    }

    /// Whether all samples up to the plan's end are there.
    fn is_full(&self) -> bool {
        self.spec.rendition.end.is_some_and(|end| self.samples >= end)
    }

    /// Encodes the next samples, whatever time they say.
    pub(super) fn encode(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        if let Some(end) = self.spec.rendition.end {
            frame.keep_samples(end - self.samples);
        }
        if frame.samples() == 0 {
            return Ok(());
        }
        let _encoding = self.outlet.accounts.encoding();
        // Counted, not taken from the graph: one unbroken row of samples from zero on, as the graph has filled gaps.
        frame.set_pts(Some(self.samples));
        self.samples += frame.samples();
        self.pass(Some(&frame))?;
        let own_time = Ratio::new(1, i64::from(self.spec.rendition.sample_rate));
        let media_us = rescale(self.samples, own_time, Ratio::new(1, 1_000_000));
        self.outlet.progress(self.wrapper.as_ref().map_or(0, AudioWrapper::packets), media_us);
        Ok(())
    }

    fn pass(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let Self { spec, outlet, encoder, wrapper, samples } = self;
        let Some(encoder) = encoder else { return Ok(()) };
        let name = &spec.rendition.encoder;
        encode(encoder, &spec.rendition.id, frame, &mut |encoder, packet| {
            let wrapper = match wrapper {
                // The encoder fills its last packets up with silence: what starts after the end is only that.
                Some(_) if packet.pts().is_some_and(|pts| pts >= *samples) => return Ok(()),
                Some(wrapper) => wrapper,
                None => {
                    let params = encoder.params().map_err(faults::internal)?;
                    let made = wrapper.insert(AudioWrapper::new(spec, params, &packet, (name, outlet.accounts))?);
                    outlet.init(made.init())?;
                    made
                }
            };
            wrapper.push(packet)?.map_or(Ok(()), |segment| outlet.segment(segment))
        })
    }

    /// Drains the encoder and cuts the last segment.
    pub(super) fn finish(mut self) -> Result<(), Stopped> {
        self.outlet.wanted()?;
        let _encoding = self.outlet.accounts.encoding();
        self.pass(None)?;
        let last = self.wrapper.as_mut().map_or(Ok(None), |wrapper| wrapper.finish(self.samples))?;
        last.map_or(Ok(()), |segment| self.outlet.segment(segment))
    }
}

/// Packets taken over, put on the output timeline.
struct Copier<'a> {
    spec: &'a SoundSpec<'a>,
    outlet: TrackOutlet<'a>,
    wrapper: Option<AudioWrapper>,
    packets: u64,
    last_end: Option<i64>,
    /// A packet at or after the plan's end has come.
    full: bool,
}

impl Copier<'_> {
    fn receive_all(
        &mut self,
        params: &av::Params,
        inflow: &Inflow<Packet, ()>,
        control: &Control,
    ) -> Result<(), Stopped> {
        let mut filter = if params.extradata().is_empty() {
            // ADTS, as transport streams carry it: the set-up bytes are in each packet and must move to the header.
            let filter = av::bsf::BitstreamFilter::new("aac_adtstoasc", params, self.spec.rendition.time_base);
            Some(filter.map_err(faults::internal)?)
        } else {
            None
        };
        while !self.full {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            self.outlet.wanted()?;
            match (inflow.receive()?, &mut filter) {
                (Flow::Item(packet), Some(filter)) => self.push_filtered(filter, packet)?,
                (Flow::Item(packet), None) => self.push(params, packet)?,
                (Flow::End(()), _) => break,
            }
        }
        Ok(())
    }

    fn push_filtered(&mut self, filter: &mut av::bsf::BitstreamFilter, mut packet: Packet) -> Result<(), Stopped> {
        if filter.send(Some(&mut packet)).is_err() {
            return Ok(());
        }
        loop {
            let mut out = Packet::new().map_err(faults::internal)?;
            match filter.receive(&mut out) {
                Ok(Polled::Ready) => {
                    let params = filter.params().map_err(faults::internal)?;
                    self.push(&params, out)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn push(&mut self, params: &av::Params, mut packet: Packet) -> Result<(), Stopped> {
        let rendition = self.spec.rendition;
        let own_time = Ratio::new(1, i64::from(rendition.sample_rate));
        let Some(pts) = packet.pts().or(packet.dts()) else { return Ok(()) };
        let pts = rescale(pts.saturating_sub(rendition.origin), rendition.time_base, own_time);
        let duration = rescale(packet.duration(), rendition.time_base, own_time).max(1);
        // Sound before the first picture is left out; so is what would go back in time.
        if pts + duration <= 0 || self.last_end.is_some_and(|end| pts + duration <= end) {
            return Ok(());
        }
        // The packet that an in point cuts stays where it is: the edit list takes off what lies before zero.
        let first = if rendition.in_point { pts } else { pts.max(0) };
        let pts = self.last_end.map_or(first, |end| if (pts - end).abs() <= duration / 2 { end } else { pts });
        self.full |= rendition.end.is_some_and(|end| pts >= end);
        if self.full {
            return Ok(());
        }
        packet.set_times(Some(pts), Some(pts), duration);
        self.last_end = Some(pts + duration);
        let wrapper = match &mut self.wrapper {
            Some(wrapper) => wrapper,
            None => {
                let params = params.duplicate().map_err(faults::internal)?;
                let made =
                    self.wrapper.insert(AudioWrapper::new(self.spec, params, &packet, ("copy", self.outlet.accounts))?);
                self.outlet.init(made.init())?;
                made
            }
        };
        self.packets += 1;
        self.outlet.progress(self.packets, rescale(pts + duration, own_time, Ratio::new(1, 1_000_000)));
        wrapper.push(packet)?.map_or(Ok(()), |segment| self.outlet.segment(segment))
    }

    fn finish(mut self) -> Result<(), Stopped> {
        let (Some(wrapper), Some(last_end)) = (&mut self.wrapper, self.last_end) else { return Ok(()) };
        let end = self.spec.rendition.end.map_or(last_end, |end| end.min(last_end));
        wrapper.finish(end)?.map_or(Ok(()), |segment| self.outlet.segment(segment))
    }
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
            parts: Vec::new(),
            bit_rate: 128_000,
            language: None,
            title: String::new(),
            default: true,
            descriptive: false,
        };
        assert_eq!(graph_text(&rendition, 4096), "aresample=48000:first_pts=4096,aformat=x");
        rendition.in_point = true;
        assert_eq!(graph_text(&rendition, 0), "atrim=start_pts=0,aresample=48000:first_pts=0,aformat=x");
    }
}
