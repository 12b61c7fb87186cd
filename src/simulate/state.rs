//! The state of all simulated devices of a host. Time is a value that comes with each call: how long ago it all began.

use super::engines::{Engines, cost};
use super::faults::{Armed, Faults};
use super::spec::{Device, Simulated, What};
use super::telemetry::{Shown, Timeline};
use super::texts;
use crate::model::device::{DeviceId, DeviceKind, Operation};
use crate::model::simulated::{Call, Effect, Opened, Opening, Reply};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most accounts that are kept: those of the oldest workers are dropped first.
const ACCOUNTS_MAX: usize = 20_000;
/// Device memory of a process on a CUDA device, MiB: its context.
const CONTEXT_MIB: u64 = 100;

/// What an engine really did for one rendition of one worker; decoding and what is shared have an empty track.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Used {
    /// Pictures.
    pub frames: u64,
    /// Pixels.
    pub pixels: u64,
    /// For how long an engine was busy with them.
    pub engine: Duration,
    /// What that drew, µJ.
    pub energy_uj: u64,
    /// Most memory that was held at a time, bytes.
    pub memory_bytes: u64,
}

/// Worker, device, operation, track.
pub(super) type Account = (u64, DeviceId, Operation, String);

#[derive(Debug)]
pub(super) struct State {
    spec: Simulated,
    devices: Vec<DeviceState>,
    // Bounded by what workers hold open, and given back when they are gone.
    sessions: BTreeMap<u64, Session>,
    last: u64,
    chance: fastrand::Rng,
    used: BTreeMap<Account, Used>,
}

#[derive(Debug)]
struct DeviceState {
    /// By operation: decode, filter, encode.
    engines: [Engines; 3],
    opened: [u64; 3],
    /// Until when it is lost.
    lost: Option<Option<Duration>>,
    faults: Faults,
    timeline: Timeline,
}

#[derive(Debug)]
struct Session {
    worker: u64,
    device: usize,
    opening: Opening,
    memory_mib: u64,
    free_at: Duration,
    frames: u64,
    armed: Vec<Armed>,
    dead: bool,
    factor: u32,
    effect: Effect,
}

const fn slot(operation: Operation) -> usize {
    match operation {
        Operation::Decode => 0,
        Operation::Filter => 1,
        Operation::Encode => 2,
    }
}

/// Engines by operation.
const fn engines(device: &Device) -> [u32; 3] {
    [device.info.decode_engines, 1, device.info.encode_engines]
}

impl State {
    pub(super) fn new(spec: Simulated) -> Self {
        let each = |device: &Device| DeviceState {
            engines: engines(device).map(Engines::new),
            timeline: Timeline::new(engines(device), device.watts),
            opened: [0; 3],
            lost: None,
            faults: Faults::new(device),
        };
        let devices = spec.devices.iter().map(each).collect();
        let chance = fastrand::Rng::with_seed(spec.seed);
        Self { spec, devices, sessions: BTreeMap::new(), last: 0, chance, used: BTreeMap::new() }
    }

    pub(super) const fn spec(&self) -> &Simulated {
        &self.spec
    }

    /// Answers a call of a worker.
    pub(super) fn call(&mut self, worker: u64, call: Call, now: Duration) -> Reply {
        match call {
            Call::Device(id) => match self.spec.devices.iter().position(|device| device.info.id == id) {
                Some(index) if !self.is_away(index, now) => Reply::DONE,
                found => texts::missing(found.map_or(DeviceKind::Cuda, |index| self.spec.devices[index].info.kind)),
            },
            Call::Open(opening) => self.open(worker, opening, now),
            Call::Work { session, pixels } => self.work(worker, session, pixels, now),
            Call::Close { session } => {
                if self.sessions.get(&session).is_some_and(|held| held.worker == worker) {
                    self.sessions.remove(&session);
                }
                Reply::DONE
            }
        }
    }

    /// A worker's process is gone: so is all that it held, as drivers see to.
    pub(super) fn leave(&mut self, worker: u64) {
        self.sessions.retain(|_, session| session.worker != worker);
    }

    /// What engines did, by worker, device, operation and track.
    pub(super) const fn used(&self) -> &BTreeMap<Account, Used> {
        &self.used
    }

    /// The same of one worker.
    pub(super) fn used_by(&self, worker: u64) -> BTreeMap<Account, Used> {
        let first = (worker, DeviceId(String::new()), Operation::Decode, String::new());
        let theirs = self.used.range(first..).take_while(|((of, ..), _)| *of == worker);
        theirs.map(|(account, used)| (account.clone(), used.clone())).collect()
    }

    /// What a driver's library would show of a device.
    pub(super) fn shown(&mut self, id: &DeviceId, since: Duration, now: Duration) -> Option<Shown> {
        let index = self.spec.devices.iter().position(|device| device.info.id == *id)?;
        if self.is_away(index, now) {
            return None;
        }
        self.devices[index].timeline.advance(now);
        let mut shown = self.devices[index].timeline.shown(since);
        for session in self.sessions.values().filter(|session| session.device == index) {
            *shown.memory_bytes.entry(session.worker).or_default() += session.memory_mib << 20;
            shown.encode_sessions += u32::from(session.opening.operation == Operation::Encode);
        }
        Some(shown)
    }

    /// The most that was held for a rendition of a worker.
    fn note_memory(&mut self, (worker, device, operation, track): (u64, usize, Operation, String)) {
        let same = |session: &&Session| {
            let opening = &session.opening;
            (session.worker, session.device, opening.operation) == (worker, device, operation) && opening.track == track
        };
        let held: u64 = self.sessions.values().filter(same).map(|session| session.memory_mib << 20).sum();
        let account = (worker, self.spec.devices[device].info.id.clone(), operation, track);
        let used = self.used.entry(account).or_default();
        used.memory_bytes = used.memory_bytes.max(held);
    }

    /// Sessions that are open on devices that count them.
    pub(super) fn counted(&self) -> u32 {
        let counts = |session: &&Session| {
            session.opening.operation == Operation::Encode && self.spec.devices[session.device].info.sessions_counted
        };
        self.sessions.values().filter(counts).count() as u32
    }

    /// Sessions that are open at all.
    pub(super) fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    fn open(&mut self, worker: u64, opening: Opening, now: Duration) -> Reply {
        let Some(index) = self.spec.devices.iter().position(|device| device.info.id == opening.device) else {
            return texts::missing(DeviceKind::Cuda);
        };
        if self.is_away(index, now) {
            return texts::missing(self.spec.devices[index].info.kind);
        }
        let (device, state) = (&self.spec.devices[index], &mut self.devices[index]);
        let opened = &mut state.opened[slot(opening.operation)];
        *opened += 1;
        let mut armed = state.faults.arm(device, &opening, *opened, &mut self.chance);
        let mut software = false;
        for fault in armed.iter().filter(|armed| armed.frame == 0) {
            if !state.faults.happens(device, *fault) {
                continue;
            }
            let spec = &device.faults[fault.index];
            let (info, code) = (&device.info, self.spec.sessions.code);
            match spec.what {
                What::SoftwareFallback => software = true,
                What::Lost => {
                    let back = spec.back_after.map(|after| now + after);
                    self.lose(index, back);
                    return texts::missing(self.spec.devices[index].info.kind);
                }
                what => {
                    if let Some(reply) = texts::fault(what, info.kind, info.encode_engines, code, &opening) {
                        return reply;
                    }
                }
            }
        }
        armed.retain(|armed| armed.frame > 0);
        if let Some(reply) = self.objection(index, worker, &opening, now) {
            return reply;
        }
        self.grant(index, worker, opening, armed, software)
    }

    /// Why a session cannot be had.
    fn objection(&self, index: usize, worker: u64, opening: &Opening, now: Duration) -> Option<Reply> {
        let device = &self.spec.devices[index];
        let (kind, encodes) = (device.info.kind, opening.operation == Operation::Encode);
        if opening.operation != Operation::Filter {
            let format = device.format(opening.operation, &opening.codec).filter(|f| f.depths.contains(&opening.depth));
            let Some(format) = format else {
                return Some(texts::unsupported(kind, device.info.encode_engines, opening));
            };
            let sessions = &self.spec.sessions;
            if encodes && device.info.sessions_counted {
                let taken = if sessions.taken_until.is_none_or(|until| now < until) { sessions.taken } else { 0 };
                if sessions.cap.is_some_and(|cap| self.counted() + taken >= cap) {
                    return Some(texts::session_limit(sessions.code));
                }
            }
            if let Some(reply) = texts::frame_size(kind, format, opening) {
                return Some(reply);
            }
        }
        let held = self.sessions.values().filter(|session| session.device == index);
        let used: u64 = held.map(|session| session.memory_mib).sum();
        let wanted = self.memory_mib(index, worker, opening);
        let full = device.info.memory_mib > 0 && used + wanted > device.info.memory_mib;
        full.then(|| texts::out_of_memory(kind, opening.operation))
    }

    fn grant(&mut self, index: usize, worker: u64, opening: Opening, armed: Vec<Armed>, software: bool) -> Reply {
        let memory_mib = self.memory_mib(index, worker, &opening);
        let device = &self.spec.devices[index];
        self.last += 1;
        let reply =
            Opened { session: self.last, surfaces: device.surfaces, delay_frames: device.delay_frames, software };
        let session = Session {
            worker,
            device: index,
            opening,
            memory_mib,
            free_at: Duration::ZERO,
            frames: 0,
            armed,
            dead: false,
            factor: 1,
            effect: Effect::None,
        };
        let held = (worker, index, session.opening.operation, session.opening.track.clone());
        self.sessions.insert(self.last, session);
        self.note_memory(held);
        Reply::Opened(reply)
    }

    /// What a session takes of the device's memory, with the context where it is the worker's first one.
    fn memory_mib(&self, index: usize, worker: u64, opening: &Opening) -> u64 {
        let device = &self.spec.devices[index];
        let surfaces = match opening.operation {
            Operation::Decode => device.surfaces,
            Operation::Filter => 4,
            Operation::Encode => device.delay_frames + 8,
        };
        let sample = if opening.depth > 8 { 2 } else { 1 };
        let surface = u64::from(opening.width) * u64::from(opening.height) * 3 / 2 * sample;
        let known = self.sessions.values().any(|session| session.device == index && session.worker == worker);
        let context = if known || device.info.kind != DeviceKind::Cuda { 0 } else { CONTEXT_MIB };
        context + (u64::from(surfaces) * surface).div_ceil(1 << 20)
    }

    /// Whether the device is not there.
    fn is_away(&mut self, index: usize, now: Duration) -> bool {
        let gone = self.spec.devices[index].gone;
        let gone = gone.is_some_and(|(from, until)| now >= from && until.is_none_or(|until| now < until));
        let state = &mut self.devices[index];
        if state.lost.is_some_and(|until| until.is_some_and(|until| now >= until)) {
            state.lost = None;
        }
        let away = gone || state.lost.is_some();
        if away {
            self.kill(index);
        }
        away
    }

    fn lose(&mut self, index: usize, until: Option<Duration>) {
        self.devices[index].lost = Some(until);
        self.kill(index);
    }

    fn kill(&mut self, index: usize) {
        for session in self.sessions.values_mut().filter(|session| session.device == index) {
            session.dead = true;
        }
    }

    fn work(&mut self, worker: u64, id: u64, pixels: u64, now: Duration) -> Reply {
        let Some(index) = self.sessions.get(&id).filter(|held| held.worker == worker).map(|held| held.device) else {
            return texts::not_open();
        };
        self.is_away(index, now);
        let device = &self.spec.devices[index];
        let (state, Some(session)) = (&mut self.devices[index], self.sessions.get_mut(&id)) else {
            return texts::not_open();
        };
        let operation = session.opening.operation;
        if session.dead {
            return texts::lost(device.info.kind, operation);
        }
        session.frames += 1;
        let due: Vec<Armed> = session.armed.iter().copied().filter(|armed| armed.frame == session.frames).collect();
        for fault in due {
            if !state.faults.happens(device, fault) {
                continue;
            }
            let spec = &device.faults[fault.index];
            match spec.what {
                What::Lost => {
                    let (until, kind) = (spec.back_after.map(|after| now + after), device.info.kind);
                    self.lose(index, until);
                    return texts::lost(kind, operation);
                }
                What::Truncated => session.effect = Effect::Drop,
                What::Corrupt => session.effect = Effect::Corrupt,
                What::Slow => session.factor = spec.factor,
                what => {
                    let (info, code) = (&device.info, self.spec.sessions.code);
                    if let Some(reply) = texts::fault(what, info.kind, info.encode_engines, code, &session.opening) {
                        return reply;
                    }
                }
            }
        }
        let format = device.format(operation, &session.opening.codec);
        let rate = match operation {
            Operation::Filter => device.filter_rate,
            _ => format.map_or(1, |format| format.rate(session.opening.speed)),
        };
        let cost = cost(pixels, rate, session.factor);
        session.free_at = state.engines[slot(operation)].take(now, session.free_at, cost);
        state.timeline.advance(now);
        state.timeline.add(slot(operation), worker, cost, session.free_at);
        let wait = session.free_at.saturating_sub(now);
        let watts = [device.watts.decode, device.watts.filter, device.watts.encode][slot(operation)];
        let account = (worker, device.info.id.clone(), operation, session.opening.track.clone());
        let effect = session.effect;
        self.account(account, pixels, cost, watts);
        Reply::Go { wait_us: u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), effect }
    }

    fn account(&mut self, account: Account, pixels: u64, cost: Duration, watts: u32) {
        let used = self.used.entry(account).or_default();
        used.frames += 1;
        used.pixels += pixels;
        used.engine += cost;
        used.energy_uj += u64::try_from(cost.as_micros()).unwrap_or(u64::MAX).saturating_mul(u64::from(watts));
        if self.used.len() > ACCOUNTS_MAX {
            self.used.pop_first();
        }
    }
}
