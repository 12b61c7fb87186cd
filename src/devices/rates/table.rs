//! Rates of devices: what was measured or is believed, times a correction that follows what jobs take. Pure.

use super::prior::prior;
use crate::model::device::{Ability, DeviceInfo, DeviceKind, Operation, RateKey, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A correction that changes nothing, thousandths.
const ONE: u64 = 1000;
/// Smallest and largest correction, thousandths: whatever jobs seem to take, nothing is four times off what was measured.
const CORRECTION: (u64, u64) = (250, 4000);
/// How much of a correction one piece of work may be worth, thousandths: about ten of a kind settle it.
const WEIGHT: u64 = 200;
/// Work that should take less tells more of starting a process than of rates, µs.
const OBSERVED_US_MIN: u128 = 300_000;
/// Devices that are remembered: more than any box has over its life.
const DEVICES_MAX: usize = 256;
/// Kinds of work that are remembered of a device: operations, codecs, depths and speed classes leave fewer.
const KINDS_MAX: usize = 128;

/// All devices.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Table(pub(super) BTreeMap<String, Known>);

/// What is known of a device with one driver.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Known {
    /// The FFmpeg that measured; empty where nothing was measured.
    pub(super) ffmpeg: String,
    /// The version of ours that did.
    pub(super) reelmill: String,
    /// It is not kept: a simulated one measures itself.
    pub(super) passing: bool,
    pub(super) kinds: BTreeMap<RateKey, Kind>,
}

/// What is known of one kind of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Kind {
    /// Pixels a second; 0 where it was not measured.
    pub(super) measured: u64,
    /// Thousandths.
    pub(super) correction: u64,
}

impl Default for Kind {
    fn default() -> Self {
        Self { measured: 0, correction: ONE }
    }
}

impl Kind {
    /// The same within the bounds, whatever a file says.
    pub(super) fn bounded(self) -> Self {
        Self { measured: self.measured, correction: self.correction.clamp(CORRECTION.0, CORRECTION.1) }
    }
}

/// What rates belong to: the device with its driver.
pub(super) fn identity(device: &DeviceInfo) -> String {
    format!("{}/{}/{}", device.id, device.model, device.driver)
}

impl Table {
    pub(super) fn rate(&self, device: &DeviceInfo, key: &RateKey) -> Option<u64> {
        let base = self.base(device, key)?;
        let kind = self.0.get(&identity(device)).and_then(|known| known.kinds.get(key));
        let correction = u128::from(kind.map_or(ONE, |kind| kind.correction));
        let rate = u128::from(base) * correction / u128::from(ONE);
        Some(u64::try_from(rate).unwrap_or(u64::MAX).max(1))
    }

    /// What was measured; else what is believed, as much off as the same in another depth was found to be.
    pub(super) fn base(&self, device: &DeviceInfo, key: &RateKey) -> Option<u64> {
        let kinds = self.0.get(&identity(device)).map(|known| &known.kinds);
        let measured = |key: &RateKey| kinds?.get(key).map(|kind| kind.measured).filter(|rate| *rate > 0);
        if let Some(rate) = measured(key) {
            return Some(rate);
        }
        let believed = prior(device, key)?;
        let other = RateKey { depth: if key.depth > 8 { 8 } else { 10 }, ..key.clone() };
        match (measured(&other), prior(device, &other)) {
            (Some(found), Some(expected)) => {
                let rate = u128::from(believed) * u128::from(found) / u128::from(expected.max(1));
                Some(u64::try_from(rate).unwrap_or(u64::MAX).max(1))
            }
            _ => Some(believed),
        }
    }

    pub(super) fn observe(&mut self, device: &DeviceInfo, work: &[(RateKey, u64)], busy_ms: u64) {
        let expected: Vec<(&RateKey, u128)> = work
            .iter()
            .filter_map(|(key, pixels)| {
                let rate = self.base(device, key)?;
                Some((key, u128::from(*pixels) * 1_000_000 / u128::from(rate.max(1))))
            })
            .collect();
        let all: u128 = expected.iter().map(|(_, us)| us).sum();
        if all < OBSERVED_US_MIN {
            return;
        }
        let found = all * u128::from(ONE) / (u128::from(busy_ms).max(1) * 1000);
        let found = u64::try_from(found).unwrap_or(u64::MAX).clamp(CORRECTION.0, CORRECTION.1);
        let shares: Vec<(RateKey, u64)> = expected
            .iter()
            .map(|(key, us)| ((*key).clone(), u64::try_from(us * u128::from(ONE) / all).unwrap_or(ONE)))
            .collect();
        let Some(known) = self.known(device) else { return };
        for (key, share) in shares {
            if known.kinds.len() >= KINDS_MAX && !known.kinds.contains_key(&key) {
                continue;
            }
            let kind = known.kinds.entry(key).or_default();
            // In proportion, since nobody knows which part of the work took longer than expected.
            let weight = WEIGHT * share / ONE;
            let (before, toward) = (kind.correction * (ONE - weight), found * weight);
            kind.correction = ((before + toward) / ONE).clamp(CORRECTION.0, CORRECTION.1);
        }
    }

    pub(super) fn measured(&mut self, device: &DeviceInfo, ffmpeg: &str, rates: &[(RateKey, u64)]) {
        let Some(known) = self.known(device) else { return };
        let of = |(key, rate): &(RateKey, u64)| (key.clone(), Kind { measured: (*rate).max(1), ..Kind::default() });
        known.kinds = rates.iter().take(KINDS_MAX).map(of).collect();
        ffmpeg.clone_into(&mut known.ffmpeg);
        env!("CARGO_PKG_VERSION").clone_into(&mut known.reelmill);
    }

    pub(super) fn is_measured(&self, device: &DeviceInfo, ffmpeg: &str) -> bool {
        let same = |known: &Known| known.ffmpeg == ffmpeg && known.reelmill == env!("CARGO_PKG_VERSION");
        self.0.get(&identity(device)).is_some_and(|known| same(known) && known.kinds.values().any(|k| k.measured > 0))
    }

    pub(super) fn measurements(&self, device: &DeviceInfo) -> Vec<(RateKey, u64)> {
        let kinds = self.0.get(&identity(device)).into_iter().flat_map(|known| &known.kinds);
        kinds.filter(|(_, kind)| kind.measured > 0).map(|(key, kind)| (key.clone(), kind.measured)).collect()
    }

    fn known(&mut self, device: &DeviceInfo) -> Option<&mut Known> {
        let name = identity(device);
        if self.0.len() >= DEVICES_MAX && !self.0.contains_key(&name) {
            return None;
        }
        let known = self.0.entry(name).or_default();
        known.passing = device.simulated;
        Some(known)
    }
}

/// What is measured of a kind of device, as far as tables say that it can do it and no try has shown otherwise. Ten bits by
/// themselves, since engines and software differ in what they cost; H.264 of ten bits is what no device here makes or takes.
pub(in crate::devices) fn worth_measuring(device: &DeviceInfo) -> Vec<RateKey> {
    use crate::model::Speed::{Balanced, Fast, Quality};
    const CODECS: [(&str, u8); 5] = [("h264", 8), ("hevc", 8), ("hevc", 10), ("av1", 8), ("av1", 10)];
    let key = |operation, (codec, depth): (&str, u8), speed| RateKey { operation, codec: codec.into(), depth, speed };
    let mut keys: Vec<RateKey> = CODECS.map(|codec| key(Operation::Decode, codec, None)).into();
    if device.kind == DeviceKind::Cpu || device.encode_engines > 0 {
        for codec in CODECS {
            keys.extend([Fast, Balanced, Quality].map(|speed| key(Operation::Encode, codec, Some(speed))));
        }
    }
    if device.kind == DeviceKind::Cpu {
        keys.push(key(Operation::Filter, ("", 8), None));
    }
    keys.retain(|key| prior(device, key).is_some() && !is_refused(device, key));
    keys
}

/// Whether a try has shown that the device cannot do it.
fn is_refused(device: &DeviceInfo, key: &RateKey) -> bool {
    let same = |ability: &&Ability| {
        (ability.operation, &ability.codec, ability.depth) == (key.operation, &key.codec, key.depth)
    };
    device.abilities.iter().find(same).is_some_and(|ability| matches!(ability.verdict, Verdict::No { .. }))
}
