//! What a driver's library would show of a simulated device: how busy engines were, in whole percent of windows of a sixth
//! of a second, as NVML's buffers have it, and energy, as boards count it.
//!
//! Engines are told of pictures with the time at which each is done, which may lie ahead; a window is shown once nothing
//! more can fall into it.

use super::engines::BURST;
use super::spec::Watts;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A window of NVML's samples.
pub(super) const WINDOW: Duration = Duration::from_micros(166_667);
/// Windows that are kept, as drivers do for about a quarter of a minute.
const WINDOWS_MAX: usize = 100;

/// What is shown of a device.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Shown {
    /// End of the last window; asking again since then shows what is new.
    pub until: Duration,
    /// Windows: percent of the time of all engines, for decoding, filtering, encoding.
    pub windows: Vec<[u8; 3]>,
    /// The same by worker, where it did anything.
    pub workers: BTreeMap<u64, Vec<[u8; 3]>>,
    /// Energy since the start, mJ.
    pub energy_mj: u64,
    /// What it drew in the last window, mW.
    pub power_mw: u64,
    /// Memory by worker, bytes.
    pub memory_bytes: BTreeMap<u64, u64>,
    /// Encode sessions of all workers.
    pub encode_sessions: u32,
}

/// When the engines of a device were busy.
#[derive(Debug)]
pub(super) struct Timeline {
    engines: [u32; 3],
    watts: Watts,
    /// For each operation what has not been shown yet. Bounded by the pictures of one window and of those ahead.
    busy: [VecDeque<Busy>; 3],
    windows: VecDeque<Window>,
    /// End of the last window.
    until: Duration,
    energy_uj: u64,
}

#[derive(Debug)]
struct Busy {
    from: Duration,
    to: Duration,
    worker: u64,
}

#[derive(Debug)]
struct Window {
    end: Duration,
    all: [u8; 3],
    workers: BTreeMap<u64, [u8; 3]>,
    power_mw: u64,
}

impl Timeline {
    pub(super) fn new(engines: [u32; 3], watts: Watts) -> Self {
        let busy = <[VecDeque<Busy>; 3]>::default();
        let engines = engines.map(|count| count.max(1));
        Self { engines, watts, busy, windows: VecDeque::new(), until: Duration::ZERO, energy_uj: 0 }
    }

    /// An engine is busy with a picture of a worker until `to`.
    pub(super) fn add(&mut self, operation: usize, worker: u64, cost: Duration, to: Duration) {
        self.busy[operation].push_back(Busy { from: to.saturating_sub(cost), to, worker });
    }

    /// Shows the windows that are over.
    pub(super) fn advance(&mut self, now: Duration) {
        while self.until + WINDOW + BURST <= now {
            if self.busy.iter().all(VecDeque::is_empty) {
                self.skip(now);
            }
            self.window();
        }
    }

    /// Nothing was busy for long: only the last windows of it are kept.
    fn skip(&mut self, now: Duration) {
        let behind = now.saturating_sub(self.until).as_micros() / WINDOW.as_micros();
        let windows = u32::try_from(behind).unwrap_or(u32::MAX).saturating_sub(WINDOWS_MAX as u32);
        self.until += WINDOW * windows;
        self.energy_uj += u64::from(windows) * micros(WINDOW) * u64::from(self.watts.idle);
    }

    fn window(&mut self) {
        let (start, end) = (self.until, self.until + WINDOW);
        let mut busy: BTreeMap<u64, [Duration; 3]> = BTreeMap::new();
        for (operation, waiting) in self.busy.iter_mut().enumerate() {
            for picture in waiting.iter() {
                let part = picture.to.min(end).saturating_sub(picture.from.max(start));
                busy.entry(picture.worker).or_default()[operation] += part;
            }
            waiting.retain(|picture| picture.to > end);
        }
        let watts = [self.watts.decode, self.watts.filter, self.watts.encode];
        let drawn: u64 =
            busy.values().flat_map(|by| by.iter().zip(watts)).map(|(t, w)| micros(*t) * u64::from(w)).sum();
        let drawn = drawn + micros(WINDOW) * u64::from(self.watts.idle);
        let percent = |operation: usize, time: Duration| {
            let all = micros(WINDOW) * u64::from(self.engines[operation]);
            u8::try_from(((micros(time) * 100 + all / 2) / all).min(100)).unwrap_or(100)
        };
        let total = |operation: usize| busy.values().map(|by| by[operation]).sum::<Duration>();
        let all = [0, 1, 2].map(|operation| percent(operation, total(operation)));
        let workers = busy.iter().map(|(worker, by)| (*worker, [0, 1, 2].map(|at| percent(at, by[at])))).collect();
        self.windows.push_back(Window { end, all, workers, power_mw: drawn * 1000 / micros(WINDOW) });
        if self.windows.len() > WINDOWS_MAX {
            self.windows.pop_front();
        }
        self.energy_uj += drawn;
        self.until = end;
    }

    /// What is shown of the windows that ended after `since`; memory and sessions are not known here.
    pub(super) fn shown(&self, since: Duration) -> Shown {
        let new: Vec<&Window> = self.windows.iter().filter(|window| window.end > since).collect();
        let known: std::collections::BTreeSet<u64> = new.iter().flat_map(|w| w.workers.keys().copied()).collect();
        let of = |worker: u64| {
            let windows = new.iter().map(|window| window.workers.get(&worker).copied().unwrap_or_default());
            (worker, windows.collect())
        };
        Shown {
            until: self.until,
            windows: new.iter().map(|window| window.all).collect(),
            workers: known.into_iter().map(of).collect(),
            energy_mj: self.energy_uj / 1000,
            power_mw: self.windows.back().map_or(u64::from(self.watts.idle) * 1000, |window| window.power_mw),
            ..Shown::default()
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
