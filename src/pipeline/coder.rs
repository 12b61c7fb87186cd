//! From samples of a rendition to its segments: their loudness changed where that is asked, encoded, cut and wrapped; or, in
//! a measuring pass, measured and nothing else. Used by the stages that make sound, on their threads.

use super::encode::encode;
use super::faults;
use super::flow::Stopped;
use super::loudness::{Leveller, Meter};
use super::outlet::TrackOutlet;
use super::sound::{Pass, SoundSpec};
use super::wrap::AudioWrapper;
use crate::av::frame::SampleFormat;
use crate::av::{self, AudioEncoderSpec, Encoder, Frame};
use crate::model::time::{Ratio, rescale};
use crate::model::{LoudnessFigures, Problem};
use std::sync::PoisonError;

/// The encoder of a rendition with all that follows it.
pub(super) struct Coder<'a> {
    spec: &'a SoundSpec<'a>,
    level: Option<Leveller<'a>>,
    /// Measures what is encoded where loudness is changed, or all there is in a measuring pass.
    meter: Option<Meter>,
    /// Samples that came before their loudness was changed.
    taken: i64,
    pub(super) outlet: TrackOutlet<'a>,
    encoder: Option<Encoder>,
    // Made with the first packet: the priming that the header must tell is known only then.
    wrapper: Option<AudioWrapper>,
    samples: i64,
    /// Samples that the encoder was given, silence behind the last one included.
    given: i64,
}

impl<'a> Coder<'a> {
    /// An encoder that opens with its first frame.
    pub(super) fn new(spec: &'a SoundSpec<'a>, outlet: TrackOutlet<'a>) -> Self {
        let level = match spec.pass {
            Pass::Make(known) => Leveller::of(spec.rendition, known.get(&spec.rendition.id).copied()),
            Pass::Measure(_) => None,
        };
        let measured = level.is_some() || matches!(spec.pass, Pass::Measure(_));
        let meter = measured.then(Meter::default);
        Self { spec, level, meter, taken: 0, outlet, encoder: None, wrapper: None, samples: 0, given: 0 }
    }

    /// Samples that it takes at once; 0 for any number.
    pub(super) fn frame_samples(&mut self) -> Result<u32, Problem> {
        if self.level.is_some() || matches!(self.spec.pass, Pass::Measure(_)) { Ok(0) } else { self.encoder_samples() }
    }

    fn encoder_samples(&mut self) -> Result<u32, Problem> {
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
    pub(super) fn is_full(&self) -> bool {
        self.spec.rendition.end.is_some_and(|end| self.taken >= end)
    }

    /// The rendition's id.
    pub(super) fn id(&self) -> &'a str {
        &self.spec.rendition.id
    }

    /// Samples that were taken.
    pub(super) const fn taken(&self) -> i64 {
        self.taken
    }

    /// Takes the next samples, whatever time they say: measures or encodes them.
    pub(super) fn encode(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        if let Some(end) = self.spec.rendition.end {
            frame.keep_samples(end - self.taken);
        }
        if frame.samples() == 0 {
            return Ok(());
        }
        self.taken += frame.samples();
        if let (Pass::Measure(_), Some(meter)) = (self.spec.pass, &mut self.meter) {
            return meter.push(&frame);
        }
        if self.level.is_some() { self.level(Some(&frame)) } else { self.encode_whole(frame) }
    }

    /// Changes the loudness of samples, or with `None` of those that are left, and encodes them.
    fn level(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let Some(mut level) = self.level.take() else { return Ok(()) };
        let size = self.encoder_samples()?;
        let result = level.pass(frame, size, &mut |frame| self.encode_whole(frame));
        self.level = Some(level);
        result
    }

    /// Encodes as many samples as the encoder takes at once.
    fn encode_whole(&mut self, mut frame: Frame) -> Result<(), Stopped> {
        if let Some(end) = self.spec.rendition.end {
            frame.keep_samples(end - self.samples);
        }
        if frame.samples() == 0 {
            return Ok(());
        }
        if let Some(meter) = &mut self.meter {
            meter.push(&frame)?;
        }
        let _encoding = self.outlet.accounts.encoding();
        // Counted, not taken from the graph: one unbroken row of samples from zero on, as the graph has filled gaps.
        frame.set_pts(Some(self.samples));
        self.samples += frame.samples();
        let owed = self.encoder.as_ref().map_or(0, Encoder::owed_samples);
        if owed > 0 && frame.samples() < i64::from(self.encoder_samples()?) {
            // It would take nothing more behind a short frame, and still owe the end of this one.
            frame = frame.filled_up(self.encoder_samples()?).map_err(faults::internal)?;
            frame.set_pts(Some(self.given));
        }
        self.given += frame.samples();
        self.pass(Some(&frame))?;
        let own_time = Ratio::new(1, i64::from(self.spec.rendition.sample_rate));
        let media_us = rescale(self.samples, own_time, Ratio::new(1, 1_000_000));
        self.outlet.progress(self.wrapper.as_ref().map_or(0, AudioWrapper::packets), media_us);
        Ok(())
    }

    fn pass(&mut self, frame: Option<&Frame>) -> Result<(), Stopped> {
        let Self { spec, outlet, encoder, wrapper, samples, .. } = self;
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
        if let Pass::Measure(found) = self.spec.pass {
            let measured = self.meter.take().unwrap_or_default().finish()?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(self.spec.rendition.id.clone(), measured);
            return Ok(());
        }
        self.level(None)?;
        self.tell_loudness()?;
        let _encoding = self.outlet.accounts.encoding();
        self.pay_off()?;
        self.pass(None)?;
        let last = self.wrapper.as_mut().map_or(Ok(None), |wrapper| wrapper.finish(self.samples))?;
        last.map_or(Ok(()), |segment| self.outlet.segment(segment))
    }
}

impl Coder<'_> {
    fn tell_loudness(&mut self) -> Result<(), Stopped> {
        let (Some(level), Some(meter)) = (self.level.take(), self.meter.take()) else { return Ok(()) };
        let figures = LoudnessFigures { before: level.before()?, after: Some(meter.finish()?) };
        self.outlet.loudness(figures);
        Ok(())
    }

    /// Gives silence to an encoder that comes out with samples later than it takes them and does not drain, until all that
    /// count have come out.
    fn pay_off(&mut self) -> Result<(), Stopped> {
        let owed = self.encoder.as_ref().map_or(0, Encoder::owed_samples);
        while self.samples > 0 && self.given - owed < self.samples {
            let rendition = self.spec.rendition;
            let samples = self.encoder_samples()?.max(1);
            let mut silence =
                Frame::silence(rendition.sample_rate, rendition.channels, samples).map_err(faults::internal)?;
            silence.set_pts(Some(self.given));
            self.given += i64::from(samples);
            self.pass(Some(&silence))?;
        }
        Ok(())
    }
}
