//! Who does what on which device, and what that has cost so far. Time is a value: how long ago the meter began.

use super::estimate::{Charge, Done, Estimator, Interval, OPERATIONS, slot};
use super::memory;
use super::{DeviceUse, Load, Reading, Surfaces, Work};
use crate::model::device::{DeviceId, DeviceInfo, Operation};
use crate::model::usage::{Figure, Method};
use crate::simulate::Host;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between readings that lie further apart nothing is known: the meter slept, or the box did.
const GAP_MAX: Duration = Duration::from_secs(10);
/// A reading tells of the load of a device for so long.
const FRESH: Duration = Duration::from_secs(5);
/// A process that has ended counts as ours in so many readings.
const READINGS_AFTER: u8 = 2;
/// What work of an unknown rate is compared by, pixels a second: only its proportion to others matters.
const UNKNOWN_RATE: u64 = 500_000_000;
/// Devices that are remembered: more than a box has over its life.
const DEVICES_MAX: usize = 256;

/// Everything that a meter knows.
#[derive(Default, Debug)]
pub(super) struct Book {
    devices: BTreeMap<DeviceId, Watch>,
    /// Those that run: as many as there are spans.
    laps: BTreeMap<u64, LapState>,
    last: u64,
}

#[derive(Debug)]
struct Watch {
    info: DeviceInfo,
    /// It is there, whether anything of ours works on it or not.
    listed: bool,
    estimator: Estimator,
    before: Option<(Reading, Duration)>,
    /// Spans at work at the reading before.
    at_work: BTreeSet<u64>,
    /// Work of spans that have ended, which was not measured yet.
    left: Vec<Done>,
    /// Processes of those, and for how many readings more they count as ours: drivers tell late.
    gone: Vec<(u32, u8)>,
    /// Memory in use while nothing of ours was open, bytes.
    memory_before: Option<u64>,
    energy_mj: Option<f64>,
}

#[derive(Debug)]
struct LapState {
    device: DeviceId,
    work: Vec<Work>,
    surfaces: Vec<Surfaces>,
    /// By rendition: in all, and of those the ones that were handed to the estimator.
    pictures: BTreeMap<String, (u64, u64)>,
    busy: BTreeMap<(String, Operation), Option<(f64, Method)>>,
    energy_mj: BTreeMap<String, Option<f64>>,
    memory_peak: Option<u64>,
    pid: Option<u32>,
    simulated: Option<u64>,
    /// A reading has come since it began.
    seen: bool,
}

impl Watch {
    fn new(info: &DeviceInfo) -> Self {
        Self {
            info: info.clone(),
            listed: false,
            estimator: Estimator::default(),
            before: None,
            at_work: BTreeSet::new(),
            left: Vec::new(),
            gone: Vec::new(),
            memory_before: None,
            energy_mj: None,
        }
    }
}

impl LapState {
    /// Work of pictures that were not handed to the estimator yet.
    fn pending(&self, id: u64) -> Vec<Done> {
        let each = |work: &Work| {
            let (made, taken) = self.pictures.get(&work.rendition).copied().unwrap_or_default();
            let pixels = u128::from(made.saturating_sub(taken)) * u128::from(work.pixels);
            (pixels > 0).then(|| Done {
                lap: id,
                rendition: work.rendition.clone(),
                key: work.key.clone(),
                us: pixels as f64 * 1e6 / work.rate.unwrap_or(UNKNOWN_RATE).max(1) as f64,
                measured: work.measured && work.rate.is_some(),
            })
        };
        self.work.iter().filter_map(each).collect()
    }

    fn charge(&mut self, charge: Charge) {
        let busy =
            self.busy.entry((charge.rendition.clone(), charge.operation)).or_insert(Some((0.0, Method::Counted)));
        *busy = busy.zip(charge.us).map(|((sum, method), (us, by))| (sum + us, method.max(by)));
        let energy = self.energy_mj.entry(charge.rendition).or_insert(Some(0.0));
        *energy = energy.zip(charge.energy_mj).map(|(sum, mj)| sum + mj);
    }
}

impl Book {
    /// The devices that there are now.
    pub(super) fn devices(&mut self, devices: &[DeviceInfo]) {
        for watch in self.devices.values_mut() {
            watch.listed = devices.iter().any(|info| info.id == watch.info.id);
        }
        for info in devices.iter().filter(|info| info.kind != crate::model::device::DeviceKind::Cpu) {
            if let Some(watch) = self.watch(info) {
                watch.listed = true;
            }
        }
    }

    fn watch(&mut self, info: &DeviceInfo) -> Option<&mut Watch> {
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(&info.id) {
            return None;
        }
        let watch = self.devices.entry(info.id.clone()).or_insert_with(|| Watch::new(info));
        watch.info.clone_from(info);
        Some(watch)
    }

    pub(super) fn begin(&mut self, info: &DeviceInfo, work: Vec<Work>, surfaces: Vec<Surfaces>) -> u64 {
        self.watch(info);
        self.last += 1;
        let lap = LapState {
            device: info.id.clone(),
            work,
            surfaces,
            pictures: BTreeMap::new(),
            busy: BTreeMap::new(),
            energy_mj: BTreeMap::new(),
            memory_peak: None,
            pid: None,
            simulated: None,
            seen: false,
        };
        self.laps.insert(self.last, lap);
        self.last
    }

    pub(super) fn worker(&mut self, lap: u64, pid: Option<u32>, simulated: Option<u64>) {
        if let Some(lap) = self.laps.get_mut(&lap) {
            (lap.pid, lap.simulated) = (pid, simulated);
        }
    }

    pub(super) fn made(&mut self, lap: u64, rendition: &str, pictures: u64) {
        if let Some(lap) = self.laps.get_mut(&lap) {
            let made = lap.pictures.entry(rendition.to_owned()).or_default();
            // A heartbeat may be overtaken by the segments.
            made.0 = made.0.max(pictures);
        }
    }

    /// The work that a span leaves behind is still measured, so that nobody else is charged for it.
    pub(super) fn end(&mut self, id: u64) {
        let Some(lap) = self.laps.remove(&id) else { return };
        let seen = lap.seen;
        if let Some(watch) = self.devices.get_mut(&lap.device).filter(|_| seen) {
            watch.left.extend(lap.pending(id));
            watch.gone.extend(process(&lap).map(|process| (process, READINGS_AFTER)));
        }
    }

    /// Whether anything works on a device that can be read.
    pub(super) fn is_busy(&self) -> bool {
        !self.laps.is_empty()
    }

    /// The devices to be read: with work on them, or all where somebody asks.
    pub(super) fn to_read(&self, asked: bool) -> Vec<DeviceInfo> {
        let works = |id: &DeviceId| self.laps.values().any(|lap| lap.device == *id);
        let due = |watch: &&Watch| (asked && watch.listed) || watch.before.is_some() || works(&watch.info.id);
        self.devices.values().filter(due).map(|watch| watch.info.clone()).collect()
    }

    /// A device told so much; `None`: nothing at all.
    pub(super) fn read(&mut self, id: &DeviceId, reading: Option<Reading>, now: Duration) {
        let Some(watch) = self.devices.get_mut(id) else { return };
        let laps = || self.laps.iter().filter(|(_, lap)| lap.device == *id);
        let at_work: BTreeSet<u64> = laps().map(|(id, _)| *id).collect();
        let gone = watch.gone.iter().map(|(process, _)| *process);
        let own: BTreeSet<u32> = laps().filter_map(|(_, lap)| process(lap)).chain(gone).collect();
        watch.gone.retain_mut(|(_, readings)| {
            *readings -= 1;
            *readings > 0
        });
        let before = watch.before.take().filter(|(_, at)| now.saturating_sub(*at) <= GAP_MAX);
        // Nothing was measured of what came before the first reading, or in a gap.
        let first = before.is_none() && reading.is_some();
        let mut interval = between(&watch.info, before.as_ref(), reading.as_ref(), now, &own);
        interval.steady = at_work == watch.at_work;
        interval.work = std::mem::take(&mut watch.left);
        if let (Some(reading), Some(mw)) = (&reading, reading.as_ref().and_then(|reading| reading.power_mw)) {
            let idle = |permille: Option<u32>| permille == Some(0);
            if idle(reading.encode_permille) && idle(reading.decode_permille) && idle(reading.filter_permille) {
                watch.estimator.idles_at(mw as f64);
            }
        }
        if let Some(drawn) = interval.energy_mj {
            *watch.energy_mj.get_or_insert(0.0) += drawn;
        }
        if at_work.iter().all(|id| self.laps.get(id).is_some_and(|lap| !lap.seen)) {
            watch.memory_before = reading.as_ref().and_then(|reading| reading.memory_used_bytes);
        }
        // The first reading only begins: what was done before it waits for the one that follows.
        if !first {
            for id in &at_work {
                let Some(lap) = self.laps.get_mut(id) else { continue };
                interval.work.extend(lap.pending(*id));
                lap.pictures.values_mut().for_each(|(made, taken)| *taken = *made);
            }
        }
        for charge in watch.estimator.interval(interval) {
            if let Some(lap) = self.laps.get_mut(&charge.lap) {
                lap.charge(charge);
            }
        }
        let memory_before = watch.memory_before;
        watch.before = reading.map(|reading| (reading, now));
        let reading = watch.before.as_ref().map(|(reading, _)| reading.clone());
        watch.at_work.clone_from(&at_work);
        self.note_memory(&at_work, reading.as_ref(), memory_before);
    }

    /// Most memory so far of each span: its process', where the driver tells; else its part of what all of ours hold.
    fn note_memory(&mut self, at_work: &BTreeSet<u64>, reading: Option<&Reading>, before: Option<u64>) {
        let bytes = |lap: &LapState| lap.surfaces.iter().map(|held| u128::from(held.bytes)).sum::<u128>();
        let total: u128 = at_work.iter().filter_map(|id| self.laps.get(id)).map(bytes).sum();
        let grown = reading.and_then(|reading| Some(reading.memory_used_bytes?.saturating_sub(before?)));
        for (_, lap) in self.laps.iter_mut().filter(|(id, _)| at_work.contains(id)) {
            lap.seen = true;
            let listed = reading.and_then(|reading| reading.memory_by_process.as_ref());
            let own = listed.and_then(|all| all.iter().find(|(pid, _)| Some(*pid) == process(lap)));
            let whole = Figure::new(grown.unwrap_or(0), Method::UtilisationShare);
            let part = grown.filter(|_| total > 0).map(|_| whole.share(bytes(lap), total).value);
            let held = own.map(|(_, bytes)| *bytes).or(part).filter(|bytes| *bytes > 0);
            lap.memory_peak = lap.memory_peak.max(held);
        }
    }

    /// What a span has cost so far, by rendition. `truth` is the host of simulated devices, where it is to be believed.
    pub(super) fn so_far(&self, id: u64, truth: Option<&Host>) -> BTreeMap<String, DeviceUse> {
        let Some(lap) = self.laps.get(&id) else { return BTreeMap::new() };
        let renditions: BTreeSet<&str> =
            lap.work.iter().map(|work| work.rendition.as_str()).chain(std::iter::once("")).collect();
        if let (Some(host), Some(worker)) = (truth, lap.simulated) {
            return super::simulated::truth(host, worker, &lap.device, &renditions);
        }
        let estimator = self.devices.get(&lap.device).map(|watch| &watch.estimator);
        let pending = lap.pending(id);
        let memory = lap.memory_peak.map(|peak| memory::shared(peak, &lap.surfaces));
        let of = |rendition: &str| {
            let busy = |operation| busy(lap, &pending, estimator, rendition, operation);
            let works = lap.work.iter().any(|work| work.rendition == rendition);
            let nothing = Some(Figure::new(0, Method::Counted));
            let energy = lap.energy_mj.get(rendition).copied().flatten();
            let held = lap.surfaces.iter().any(|held| held.rendition == rendition);
            let memory = memory.as_ref().and_then(|memory| memory.get(rendition).copied());
            DeviceUse {
                decode_us: busy(Operation::Decode),
                filter_us: busy(Operation::Filter),
                encode_us: busy(Operation::Encode),
                memory_bytes: if held { memory } else { nothing },
                energy_mj: if works { energy.map(|mj| figure(mj, Method::UtilisationShare)) } else { nothing },
            }
        };
        renditions.into_iter().map(|rendition| (rendition.to_owned(), of(rendition))).collect()
    }

    /// How loaded the devices are.
    pub(super) fn loads(&self, now: Duration) -> Vec<Load> {
        let each = |watch: &Watch| {
            let fresh = watch.before.as_ref().filter(|(_, at)| now.saturating_sub(*at) <= FRESH);
            let told = fresh.map(|(reading, _)| reading.clone()).unwrap_or_default();
            let sums = |us: [f64; 3]| OPERATIONS.into_iter().zip(us.map(|us| us.max(0.0) as u64)).collect();
            Load {
                device: watch.info.id.clone(),
                encode_permille: told.encode_permille,
                decode_permille: told.decode_permille,
                filter_permille: told.filter_permille,
                encode_sessions: told.encode_sessions,
                memory_used_bytes: told.memory_used_bytes,
                power_mw: told.power_mw,
                energy_mj: watch.energy_mj.map(|mj| mj.max(0.0) as u64),
                unattributed_us: sums(watch.estimator.unattributed_us()),
                foreign_us: sums(watch.estimator.foreign_us()),
                spans: self.laps.values().filter(|lap| lap.device == watch.info.id).count() as u32,
            }
        };
        self.devices.values().filter(|watch| watch.listed || watch.before.is_some()).map(each).collect()
    }
}

/// A worker as its device's driver numbers it.
fn process(lap: &LapState) -> Option<u32> {
    lap.simulated.and_then(|number| u32::try_from(number).ok()).or(lap.pid)
}

fn figure(amount: f64, method: Method) -> Figure {
    Figure::new(amount.max(0.0).round() as u64, method)
}

/// Busy time of one operation for one rendition: what was charged, and what will about be charged for the rest.
fn busy(
    lap: &LapState,
    pending: &[Done],
    estimator: Option<&Estimator>,
    rendition: &str,
    operation: Operation,
) -> Option<Figure> {
    let mut sum = Figure::new(0, Method::Counted);
    if !lap.work.iter().any(|work| work.rendition == rendition && work.key.operation == operation) {
        return Some(sum);
    }
    if let Some(charged) = lap.busy.get(&(rendition.to_owned(), operation)) {
        let (us, method) = (*charged)?;
        sum = sum.plus(figure(us, method));
    }
    for done in pending.iter().filter(|done| done.rendition == rendition && done.key.operation == operation) {
        let estimator = estimator?;
        let expected = estimator.expected_us(done).map(|us| figure(us, Method::UtilisationShare));
        sum = sum.plus(expected.or_else(|| Some(figure(estimator.known_us(done)?, Method::RateModel)))?);
    }
    Some(sum)
}

/// What happened between two readings.
fn between(
    info: &DeviceInfo,
    before: Option<&(Reading, Duration)>,
    reading: Option<&Reading>,
    now: Duration,
    own: &BTreeSet<u32>,
) -> Interval {
    let engines = OPERATIONS.map(|operation| match operation {
        Operation::Decode => info.decode_engines.max(1),
        Operation::Filter => 1,
        Operation::Encode => info.encode_engines.max(1),
    });
    let mut interval = Interval { engines, ..Interval::default() };
    let (Some((before, at)), Some(reading)) = (before, reading) else { return interval };
    let elapsed_us = now.saturating_sub(*at).as_secs_f64() * 1e6;
    interval.elapsed_us = elapsed_us;
    let us =
        |place: usize, permille: u32| f64::from(permille.min(1000)) / 1000.0 * elapsed_us * f64::from(engines[place]);
    let told = OPERATIONS.map(|operation| match operation {
        Operation::Decode => reading.decode_permille,
        Operation::Filter => reading.filter_permille,
        Operation::Encode => reading.encode_permille,
    });
    for operation in OPERATIONS {
        let place = slot(operation);
        interval.busy_us[place] = told[place].map(|permille| us(place, permille));
        let Some(processes) = &reading.processes else { continue };
        let permille = |pid_is_own: bool| -> u32 {
            let theirs = processes.iter().filter(|process| own.contains(&process.pid) == pid_is_own);
            theirs.map(|process| process.permille(operation)).fold(0, u32::saturating_add)
        };
        // Where none of ours is among them, the driver numbers processes otherwise: nobody can be told apart.
        let ours = processes.iter().any(|process| own.contains(&process.pid));
        interval.foreign_us[place] = (ours || processes.is_empty()).then(|| us(place, permille(false)));
    }
    let counted = before.energy_mj.zip(reading.energy_mj).and_then(|(before, now)| now.checked_sub(before));
    // Older cards count no energy: between two readings power is taken to have changed evenly.
    let drawn = before.power_mw.zip(reading.power_mw).map(|(one, two)| (one + two) as f64 / 2.0 * elapsed_us / 1e6);
    let counts = before.energy_mj.is_some() || reading.energy_mj.is_some();
    interval.energy_mj = if counts { counted.map(|mj| mj as f64) } else { drawn };
    interval
}
