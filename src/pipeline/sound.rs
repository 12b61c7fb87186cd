//! Stage: sound. Receives decoded samples; sends finished segments to the outlet; owns one rendition's graph and encoder.
//! Thread: its own. Bound: the channel. Ends: `End` drains graph and encoder and cuts the last segment.

use super::control::Control;
use super::faults;
use super::flow::{Flow, Inflow, Stopped};
use super::outlet::Outlet;
use super::wrap::AudioWrapper;
use crate::av::frame::SampleFormat;
use crate::av::{self, AudioEncoderSpec, Encoder, Frame, Graph, Packet, Polled};
use crate::model::plan::{AudioRendition, Grid};
use crate::model::time::{Ratio, rescale};
use crate::model::{Packaging, Problem};

/// What a rendition of sound is made from.
pub struct SoundSpec<'a> {
    /// The rendition.
    pub rendition: &'a AudioRendition,
    /// The segment grid.
    pub grid: Grid,
    /// Packagings that the job wants.
    pub packagings: &'a [Packaging],
}

/// Runs the stage for a rendition that is encoded.
pub fn run(
    spec: &SoundSpec<'_>,
    inflow: &Inflow<Frame, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let mut resampler = Resampler { spec, graph: None, expected: None };
    let mut coder = Coder { spec, outlet, encoder: None, wrapper: None, samples: 0 };
    loop {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        match inflow.receive()? {
            Flow::Item(frame) => resampler.push(frame, &mut coder)?,
            Flow::End(()) => {
                resampler.drain(&mut coder)?;
                return coder.finish();
            }
        }
    }
}

/// Runs the stage for a rendition whose packets are taken over as they are.
pub fn run_copy(
    spec: &SoundSpec<'_>,
    params: &av::Params,
    inflow: &Inflow<Packet, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let mut filter = if params.extradata().is_empty() {
        // ADTS, as transport streams carry it: the set-up bytes are in each packet and must move to the header.
        let filter = av::bsf::BitstreamFilter::new("aac_adtstoasc", params, spec.rendition.time_base);
        Some(filter.map_err(faults::internal)?)
    } else {
        None
    };
    let mut copier = Copier { spec, outlet, wrapper: None, packets: 0, last_end: None };
    loop {
        if control.stopped() {
            return Err(Stopped::Neighbour);
        }
        match inflow.receive()? {
            Flow::Item(packet) => match &mut filter {
                Some(filter) => copier.push_filtered(filter, packet)?,
                None => copier.push(params, packet)?,
            },
            Flow::End(()) => return copier.finish(),
        }
    }
}

/// Decoded samples to samples as the encoder wants them, on the output timeline without gaps.
struct Resampler<'a> {
    spec: &'a SoundSpec<'a>,
    graph: Option<(SampleFormat, Graph)>,
    /// Where the next frame should start, input samples, if its own timestamp is missing.
    expected: Option<i64>,
}

impl Resampler<'_> {
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
            let text = continued(&rendition.graph, coder.samples);
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

/// The graph's text for sound that goes on at `samples`: the resampler aligns its start to that instead of to zero.
fn continued(text: &str, samples: i64) -> String {
    text.replace("first_pts=0", &format!("first_pts={samples}"))
}

/// The encoder of a rendition with all that follows it.
struct Coder<'a> {
    spec: &'a SoundSpec<'a>,
    outlet: &'a dyn Outlet,
    encoder: Option<Encoder>,
    // Made with the first packet: the priming that the header must tell is known only then.
    wrapper: Option<AudioWrapper>,
    samples: i64,
}

impl Coder<'_> {
    fn frame_samples(&mut self) -> Result<u32, Problem> {
        if let Some(encoder) = &self.encoder {
            return Ok(encoder.frame_samples());
        }
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

    fn encode(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        // Counted, not taken from the graph: one unbroken row of samples from zero on, as the graph has filled gaps.
        frame.set_pts(Some(self.samples));
        self.samples += frame.samples();
        self.send(Some(&frame))?;
        let own_time = Ratio::new(1, i64::from(self.spec.rendition.sample_rate));
        let media_us = rescale(self.samples, own_time, Ratio::new(1, 1_000_000));
        self.outlet.progress(&self.spec.rendition.id, self.wrapper.as_ref().map_or(0, AudioWrapper::packets), media_us);
        Ok(())
    }

    fn send(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let id = &self.spec.rendition.id;
        loop {
            let Some(encoder) = &mut self.encoder else { return Ok(()) };
            let taken = encoder.send(frame).map_err(|error| faults::encoder(id, error))?;
            self.receive()?;
            if taken != Polled::NeedInput {
                return Ok(());
            }
        }
    }

    fn receive(&mut self) -> Result<(), Stopped> {
        let id = &self.spec.rendition.id;
        loop {
            let Some(encoder) = &mut self.encoder else { return Ok(()) };
            let mut packet = Packet::new().map_err(faults::internal)?;
            if encoder.receive(&mut packet).map_err(|error| faults::encoder(id, error))? != Polled::Ready {
                return Ok(());
            }
            if self.wrapper.is_none() {
                let params = encoder.params().map_err(faults::internal)?;
                let wrapper = AudioWrapper::new(self.spec, params, &packet, &self.spec.rendition.encoder)?;
                self.outlet.init(wrapper.init())?;
                self.wrapper = Some(wrapper);
            }
            if let Some(wrapper) = &mut self.wrapper
                && let Some(segment) = wrapper.push(packet)?
            {
                self.outlet.segment(segment)?;
            }
        }
    }

    fn finish(&mut self) -> Result<(), Stopped> {
        self.send(None)?;
        if let Some(wrapper) = &mut self.wrapper
            && let Some(segment) = wrapper.finish(self.samples)?
        {
            self.outlet.segment(segment)?;
        }
        Ok(())
    }
}

/// Packets taken over, put on the output timeline.
struct Copier<'a> {
    spec: &'a SoundSpec<'a>,
    outlet: &'a dyn Outlet,
    wrapper: Option<AudioWrapper>,
    packets: u64,
    last_end: Option<i64>,
}

impl Copier<'_> {
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
        let pts = self.last_end.map_or(pts.max(0), |end| if (pts - end).abs() <= duration / 2 { end } else { pts });
        packet.set_times(Some(pts), Some(pts), duration);
        self.last_end = Some(pts + duration);
        if self.wrapper.is_none() {
            let wrapper = AudioWrapper::new(self.spec, params.duplicate().map_err(faults::internal)?, &packet, "copy")?;
            self.outlet.init(wrapper.init())?;
            self.wrapper = Some(wrapper);
        }
        self.packets += 1;
        self.outlet.progress(&rendition.id, self.packets, rescale(pts + duration, own_time, Ratio::new(1, 1_000_000)));
        if let Some(wrapper) = &mut self.wrapper
            && let Some(segment) = wrapper.push(packet)?
        {
            self.outlet.segment(segment)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stopped> {
        if let Some(wrapper) = &mut self.wrapper
            && let Some(end) = self.last_end
            && let Some(segment) = wrapper.finish(end)?
        {
            self.outlet.segment(segment)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_made_anew_goes_on_where_the_last_one_ended() {
        assert_eq!(
            continued("aresample=48000:first_pts=0,aformat=x", 4096),
            "aresample=48000:first_pts=4096,aformat=x"
        );
    }
}
