//! All sound of a job as loud as asked: what is made in two passes is measured in a first one, which decodes and encodes
//! nothing; the second one makes everything. Who changes samples is a rendition's `Leveller`, between its resampler and
//! its encoder.

use super::control::Control;
use super::faults;
use super::flow::Stopped;
use super::joined::{self, Open};
use super::outlet::Outlet;
use super::{Pass, audio};
use crate::av::{Frame, Graph, Polled};
use crate::model::plan::AudioRendition;
use crate::model::request::Loudness;
use crate::model::{Measured, Plan, Problem};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Below this there is nothing that could be made louder, hundredths of a LUFS: the absolute gate of ITU-R BS.1770-4.
const SILENCE: i32 = -6990;

/// Makes all segments of all audio renditions of a plan.
///
/// # Errors
/// The first problem of any stage; that of a cancelled job when every rendition was dropped.
pub fn run(open: Open<'_>, plan: &Plan, outlet: &dyn Outlet, control: &Control) -> Result<(), Problem> {
    let mut pass = Pass::default();
    let twice = |rendition: &&AudioRendition| rendition.is_measured_first() && !control.is_dropped(&rendition.id);
    let first: Vec<AudioRendition> = plan.audio.iter().filter(twice).cloned().collect();
    if !first.is_empty() {
        let measured = Pass::Measure(std::sync::Mutex::default());
        let told = control.decode_errors.load(Ordering::Relaxed);
        let first = Plan { audio: first, video: None, text: Vec::new(), ..plan.clone() };
        let result = one_pass(open, &first, &measured, outlet, control);
        // What does not decode is counted when it is made.
        control.decode_errors.store(told, Ordering::Relaxed);
        // All that were to be measured may have been dropped meanwhile, and others not.
        if control.stopped() {
            result?;
        }
        pass = Pass::Make(measured.into_measured());
    }
    one_pass(open, plan, &pass, outlet, control)
}

fn one_pass(open: Open<'_>, plan: &Plan, pass: &Pass, outlet: &dyn Outlet, control: &Control) -> Result<(), Problem> {
    let is_joined = plan.audio.iter().any(|rendition| !rendition.parts.is_empty());
    if is_joined || plan.text.iter().any(|rendition| !rendition.parts.is_empty()) {
        joined::sound_pass(open, plan, pass, outlet, control)
    } else {
        audio::run_pass(open(0)?, plan, pass, outlet, control)
    }
}

/// Finds out how loud samples are.
#[derive(Default)]
pub(super) struct Meter {
    graph: Option<Graph>,
    samples: i64,
    measured: Measured,
}

impl Meter {
    /// The next samples, all of one format.
    pub(super) fn push(&mut self, frame: &Frame) -> Result<(), Stopped> {
        let graph = match &mut self.graph {
            Some(graph) => graph,
            None => {
                let made = Graph::audio("ebur128=peak=true:metadata=1", &frame.sample_format());
                self.graph.insert(made.map_err(faults::internal)?)
            }
        };
        let mut samples = frame.reference().map_err(faults::internal)?;
        samples.set_pts(Some(self.samples));
        self.samples += samples.samples();
        graph.send(Some(&samples)).map_err(faults::internal)?;
        self.read()
    }

    /// What was found.
    pub(super) fn finish(mut self) -> Result<Measured, Stopped> {
        if let Some(graph) = &mut self.graph {
            graph.send(None).map_err(faults::internal)?;
            self.read()?;
        }
        Ok(self.measured)
    }

    fn read(&mut self) -> Result<(), Stopped> {
        let Some(graph) = &mut self.graph else { return Ok(()) };
        let mut frame = Frame::new().map_err(faults::internal)?;
        while graph.receive(&mut frame).map_err(faults::internal)? == Polled::Ready {
            let number = |key: &str| frame.tag(&format!("lavfi.r128.{key}")).and_then(|text| text.parse::<f64>().ok());
            let hundredths = |value: f64| (value.is_finite()).then(|| (value * 100.0).round() as i32);
            if let Some(loudness) = number("I").and_then(hundredths).filter(|loudness| *loudness > SILENCE) {
                self.measured.integrated = Some(loudness);
                self.measured.range = number("LRA").and_then(hundredths);
            }
            // Of all so far. The last samples, which are less than 100 ms, come without figures.
            let peak = number("true_peak").filter(|peak| *peak > 0.0);
            self.measured.true_peak = peak.and_then(|peak| hundredths(20.0 * peak.log10())).or(self.measured.true_peak);
        }
        Ok(())
    }
}

/// Makes the samples of a rendition as loud as asked.
pub(super) struct Leveller<'a> {
    rendition: &'a AudioRendition,
    text: String,
    graph: Option<Graph>,
    before: Option<Meter>,
    known: Option<Measured>,
}

impl<'a> Leveller<'a> {
    /// For a rendition whose loudness is changed, and what a first pass found; `None` for all others.
    pub(super) fn of(rendition: &'a AudioRendition, known: Option<Measured>) -> Option<Self> {
        let asked = rendition.loudness?;
        let text = if rendition.whole.is_empty() {
            linear(asked, known.unwrap_or_default(), rendition)
        } else {
            rendition.whole.clone()
        };
        let before = known.is_none().then(Meter::default);
        Some(Self { rendition, text, graph: None, before, known })
    }

    /// Takes samples, or with `None` the end, and hands on what has come of them in frames of `size`.
    pub(super) fn pass(
        &mut self,
        frame: Option<&Frame>,
        size: u32,
        each: &mut dyn FnMut(Frame) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let refuse = |error| Stopped::Failed(faults::filter(&self.rendition.id, error));
        if let (Some(meter), Some(frame)) = (&mut self.before, frame) {
            meter.push(frame)?;
        }
        let graph = match (&mut self.graph, frame) {
            (Some(graph), _) => graph,
            (none, Some(frame)) => none.insert(Graph::audio(&self.text, &frame.sample_format()).map_err(refuse)?),
            (None, None) => return Ok(()),
        };
        graph.send(frame).map_err(refuse)?;
        loop {
            let mut out = Frame::new().map_err(faults::internal)?;
            let polled = match size {
                0 => graph.receive(&mut out),
                size => graph.receive_samples(&mut out, size),
            };
            if polled.map_err(refuse)? != Polled::Ready {
                return Ok(());
            }
            each(out)?;
        }
    }

    /// How loud it was.
    pub(super) fn before(self) -> Result<Option<Measured>, Stopped> {
        match self.before {
            Some(meter) => meter.finish().map(Some),
            None => Ok(self.known),
        }
    }
}

/// One gain for all samples. Only where that would take peaks too high are those limited, at four times the rate, so that
/// what lies between samples counts too; the limiter looks ahead, and its delay is taken off again. FFmpeg's limiter spreads
/// peaks of more than two channels over all of them, so surround gets only as much gain as its peaks leave room for.
fn linear(asked: Loudness, found: Measured, rendition: &AudioRendition) -> String {
    let AudioRendition { codec, layout, sample_rate, channels, .. } = rendition;
    let format = format!("aformat=sample_fmts={}:channel_layouts={layout}", codec.traits().sample_format);
    let Some(integrated) = found.integrated else { return format };
    let gain = asked.target - integrated;
    let volume = |gain: i32| format!("volume=volume={}dB:precision=float", decimal(gain));
    let Some(peak) = found.true_peak.filter(|peak| peak + gain > asked.true_peak) else {
        return format!("{},{format}", volume(gain));
    };
    if *channels > 2 {
        return format!("{},{format}", volume(asked.true_peak - peak));
    }
    let volume = volume(gain);
    let limit = 10_f64.powf(f64::from(asked.true_peak) / 2000.0);
    format!(
        "{volume},aresample={},alimiter=level=0:limit={limit:.6}:attack=5:release=50:latency=1,\
         aresample={sample_rate},{format}",
        sample_rate * 4
    )
}

/// Hundredths as a decimal number.
fn decimal(hundredths: i32) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

impl Pass {
    /// What a measuring pass has found, by rendition.
    fn into_measured(self) -> BTreeMap<String, Measured> {
        match self {
            Self::Measure(found) => found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner),
            Self::Make(known) => known,
        }
    }
}
