//! What a part teaches about rates, its frames and sizes against the time that it took; and what it costs of its device.

use super::needs::{self, Decoded, Step};
use crate::devices::usage::{self, DeviceUse};
use crate::devices::{Lap, Rates};
use crate::model::device::{DeviceInfo, Operation, Placement, RateKey};
use crate::model::plan::VideoPlan;
use crate::supervise::Worker;
use crate::wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An attempt at pictures that runs.
#[derive(Debug)]
pub(super) struct Observed {
    rates: Arc<Rates>,
    cpu: DeviceInfo,
    device: Option<(DeviceInfo, Lap)>,
    steps: Vec<Step>,
    /// What it costs of its device.
    metered: Option<usage::Lap>,
    /// Frames of each rendition so far.
    frames: BTreeMap<String, u64>,
}

impl Observed {
    pub(super) fn begin(
        rates: &Arc<Rates>,
        (video, source): (&VideoPlan, &Decoded),
        placement: &Placement,
        device: Option<&DeviceInfo>,
        cpu: DeviceInfo,
    ) -> Self {
        let device = device.map(|info| (info.clone(), rates.begin(info)));
        let steps = needs::steps(video, source, placement);
        Self { rates: Arc::clone(rates), cpu, device, steps, metered: None, frames: BTreeMap::new() }
    }

    /// What it costs of its device is measured, too.
    pub(super) fn metered(self, lap: Option<usage::Lap>) -> Self {
        Self { metered: lap, ..self }
    }

    /// This process does it.
    pub(super) fn done_by(&self, worker: &Worker) {
        if let Some(lap) = &self.metered {
            lap.worker(worker.pid(), worker.simulated());
        }
    }

    /// How far it is.
    pub(super) fn heard(&self, progress: &v1::Progress) {
        let Some(lap) = &self.metered else { return };
        lap.decoded(progress.frames_decoded);
        for track in &progress.tracks {
            lap.made(&track.track, track.frames);
        }
    }

    /// What it has cost of its device so far, by rendition; under the empty name what all of them share. Empty where no
    /// device takes part.
    pub(super) fn device_use(&self) -> BTreeMap<String, DeviceUse> {
        self.metered.as_ref().map(usage::Lap::so_far).unwrap_or_default()
    }

    /// A segment of a rendition is made.
    pub(super) fn segment(&mut self, rendition: &str, frames: u32) {
        let made = self.frames.entry(rendition.to_owned()).or_default();
        *made += u64::from(frames);
        if let Some(lap) = &self.metered {
            lap.made(rendition, *made);
        }
    }

    /// The worker said how much it has decoded in all.
    pub(super) fn ended(&self, told: &v1::Finished) {
        if let Some(lap) = &self.metered {
            lap.decoded(told.frames_decoded);
        }
    }

    /// All of it is made. True when that was worth telling.
    pub(super) fn finished(&self, told: &v1::Finished) -> bool {
        let Some((info, lap)) = &self.device else {
            self.rates.observe(&self.cpu, &self.work(told, |step| !step.on_device), told.cpu_ms);
            return true;
        };
        // The engines that are busiest made the others wait. How busy they were nobody says, but no longer than all of it
        // took, with as many of them as there were sessions.
        let encodes = |step: &Step| step.on_device && step.key.operation == Operation::Encode;
        let decodes = |step: &Step| step.on_device && step.key.operation == Operation::Decode;
        let sessions = self.steps.iter().filter(|step| encodes(step)).count() as u64;
        let engines = u64::from(info.encode_engines).min(sessions).max(1);
        let (encode, decode) = (self.work(told, encodes), self.work(told, decodes));
        let busiest = |work: &[(RateKey, u64)], engines| self.believed_ms(info, work) / engines;
        let (work, engines) =
            if busiest(&encode, engines) >= busiest(&decode, 1) { (encode, engines) } else { (decode, 1) };
        let busy_ms = u64::try_from(lap.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(engines);
        let faster = busy_ms < self.believed_ms(info, &work);
        // Slower than believed says something of the device only where nothing else can have been the reason.
        let by_device = lap.is_alone() && self.steps.iter().all(|step| step.on_device);
        let tells = faster || by_device;
        if tells {
            self.rates.observe(info, &work, busy_ms);
        }
        tells
    }

    fn believed_ms(&self, info: &DeviceInfo, work: &[(RateKey, u64)]) -> u64 {
        let ms = |(key, pixels): &(RateKey, u64)| {
            let rate = u128::from(self.rates.rate(info, key).unwrap_or(u64::MAX).max(1));
            u64::try_from(u128::from(*pixels) * 1000 / rate).unwrap_or(u64::MAX)
        };
        work.iter().map(ms).fold(0, u64::saturating_add)
    }

    /// Pixels of each kind of work.
    fn work(&self, told: &v1::Finished, counts: impl Fn(&Step) -> bool) -> Vec<(RateKey, u64)> {
        let mut work: BTreeMap<&RateKey, u64> = BTreeMap::new();
        // Frames that are decoded for a first pass are among all that the worker tells of.
        let is_told = |step: &&Step| step.again && step.rendition.is_none();
        for step in self.steps.iter().filter(|step| counts(step) && !is_told(step)) {
            let frames = match &step.rendition {
                Some(rendition) => self.frames.get(rendition).copied().unwrap_or(0),
                None => told.frames_decoded,
            };
            let pixels = work.entry(&step.key).or_default();
            *pixels = pixels.saturating_add(frames.saturating_mul(step.pixels));
        }
        work.into_iter().map(|(key, pixels)| (key.clone(), pixels)).collect()
    }
}
