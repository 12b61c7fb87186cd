//! What must hold in worlds with devices: seeded ones in which devices vanish and return, drivers refuse, abilities fail
//! and prove themselves, and jobs come, change and go.
#![expect(clippy::unwrap_used, reason = "a world that is not as it was made is a failed test")]

mod common;

use common::MINUTE;
use reelmill_scheduler::{
    Ability, Action, BreakerState, CPU_THREADS, Choice, DEVICE_MEMORY_MIB, Device, DeviceId, ENCODE_SHARE, Event,
    Group, GroupId, JobDemand, JobId, KindId, NVENC_SESSIONS, Priority, Scheduler, SpanId, Vector,
};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 150;
const EVENTS: usize = 300;
const DEVICES: u64 = 5;
const KINDS: u64 = 3;

/// Xorshift.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn ability(&mut self) -> Ability {
        Ability(["encode.h264", "encode.hevc", "decode.h264"][self.roll(3) as usize].into())
    }

    fn choice(&mut self) -> Choice {
        let kind = (self.roll(4) > 0).then(|| KindId(self.roll(KINDS) as u32));
        let device = Vector::of(ENCODE_SHARE, 100 * self.roll(9)).with(DEVICE_MEMORY_MIB, 100 * self.roll(5));
        let host = Vector::of(CPU_THREADS, self.roll(4)).with(NVENC_SESSIONS, self.roll(2));
        let abilities = if kind.is_some() { vec![self.ability()] } else { vec![] };
        let device = if kind.is_some() { device } else { Vector::default() };
        Choice { kind, abilities, device, host, identity: self.roll(2) as u32, run_ms: 1000 * self.roll(9) }
    }

    fn group(&mut self) -> Group {
        Group { choices: (0..1 + self.roll(3)).map(|_| self.choice()).collect() }
    }

    fn host(&mut self) -> Vector {
        Vector::of(CPU_THREADS, 3 + self.roll(6)).with(NVENC_SESSIONS, self.roll(5))
    }

    fn device(&mut self) -> Device {
        let id = self.roll(DEVICES) as u32;
        let capacity = Vector::of(ENCODE_SHARE, 400 + 200 * self.roll(4)).with(DEVICE_MEMORY_MIB, 600);
        Device { id: DeviceId(id), kind: KindId(id % KINDS as u32), capacity }
    }
}

struct Known {
    groups: Vec<Group>,
    identities: Vec<Option<u32>>,
    spans: Vec<GroupId>,
}

type Running = BTreeMap<(JobId, SpanId), (Choice, Option<DeviceId>)>;

#[derive(Default)]
struct World {
    now: u64,
    submitted: u64,
    jobs: BTreeMap<JobId, Known>,
    running: Running,
    ended: BTreeSet<JobId>,
    probes: Vec<(DeviceId, Ability)>,
}

impl World {
    fn event(&mut self, dice: &mut Dice) -> Event {
        self.now += dice.roll(MINUTE / 2);
        let any = JobId(dice.roll(self.submitted + 1));
        match dice.roll(20) {
            0..=3 => self.submit(dice),
            4..=11 if !self.running.is_empty() => self.report(dice),
            12 => Event::HostChanged { capacity: dice.host() },
            13 => Event::DeviceUp { device: dice.device() },
            14 => Event::DeviceDown { device: DeviceId(dice.roll(DEVICES) as u32) },
            15 => match (dice.roll(2), dice.roll(DEVICES) as u32) {
                (0, _) => Event::Refused { dimension: NVENC_SESSIONS, device: None },
                (_, id) => Event::Refused { dimension: ENCODE_SHARE, device: Some(DeviceId(id)) },
            },
            16 if !self.probes.is_empty() => {
                let (device, ability) = self.probes.remove(0);
                Event::Probed { device, ability, sound: dice.roll(2) == 0 }
            }
            17 => match dice.roll(3) {
                0 => Event::JobCancelled { job: any },
                1 => Event::SpanDropped { job: any, span: SpanId(dice.roll(4) as u32) },
                _ => self.change(any, dice),
            },
            18 => self.lose(any),
            _ => Event::Tick,
        }
    }

    fn submit(&mut self, dice: &mut Dice) -> Event {
        let job = JobId(self.submitted);
        self.submitted += 1;
        let groups: Vec<_> = (0..1 + dice.roll(2)).map(|_| dice.group()).collect();
        let spans: Vec<_> = (0..dice.roll(6)).map(|_| GroupId(dice.roll(groups.len() as u64) as u32)).collect();
        let known = Known { groups: groups.clone(), identities: vec![None; groups.len()], spans: spans.clone() };
        self.jobs.insert(job, known);
        let priority = [Priority::High, Priority::Normal, Priority::Batch][dice.roll(3) as usize];
        let owner = ["a", "b", "c"][dice.roll(3) as usize].into();
        let deadline_ms = (dice.roll(3) == 0).then(|| self.now + dice.roll(30 * MINUTE));
        Event::JobSubmitted { job: JobDemand { job, priority, owner, deadline_ms, groups, spans } }
    }

    fn report(&mut self, dice: &mut Dice) -> Event {
        let at = dice.roll(self.running.len() as u64) as usize;
        let key = *self.running.keys().nth(at).unwrap();
        let (choice, _) = self.running.remove(&key).unwrap();
        let (job, span) = key;
        match dice.roll(3) {
            0 => {
                let blame = choice.abilities.first().cloned().filter(|_| dice.roll(2) == 0);
                Event::SpanFailed { job, span, again_ms: self.now + dice.roll(MINUTE), blame }
            }
            _ => Event::SpanFinished { job, span },
        }
    }

    fn change(&mut self, job: JobId, dice: &mut Dice) -> Event {
        let choices = dice.group();
        if let Some(known) = self.jobs.get_mut(&job).filter(|_| !self.ended.contains(&job)) {
            known.groups[0] = choices.clone();
            known.identities[0] = None;
        }
        Event::GroupChanged { job, group: GroupId(0), choices }
    }

    fn lose(&mut self, job: JobId) -> Event {
        self.running.retain(|(running, _), _| *running != job);
        if self.jobs.contains_key(&job) {
            self.ended.insert(job);
        }
        Event::JobLost { job }
    }

    /// Checks each action against the world, and does it.
    fn carry_out(&mut self, scheduler: &Scheduler, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Start { job, span, choice, device, .. } => {
                    assert!(!self.ended.contains(job), "started a span of a job that has ended");
                    let known = self.jobs.get_mut(job).unwrap();
                    let group = known.spans[span.0 as usize].0 as usize;
                    let choice = known.groups[group].choices[*choice as usize].clone();
                    let kept = *known.identities[group].get_or_insert(choice.identity);
                    assert_eq!(kept, choice.identity, "a group's identity is mixed");
                    assert_eq!(choice.kind.is_some(), device.is_some());
                    if let Some(device) = device {
                        assert_sound(scheduler, *device, &choice, self.now);
                    }
                    assert!(self.running.insert((*job, *span), (choice, *device)).is_none(), "started what runs");
                }
                Action::JobDone { job } | Action::JobStopped { job } | Action::Refuse { job, .. } => {
                    assert!(self.ended.insert(*job), "a job ended twice");
                    assert!(self.running.keys().all(|(running, _)| running != job), "a job ended while it ran");
                }
                Action::Stop { job, span } => {
                    assert!(self.running.contains_key(&(*job, *span)), "stopped an idle span")
                }
                Action::Probe { device, ability } => self.probes.push((*device, ability.clone())),
                Action::Wait { .. } => {}
            }
        }
    }

    /// The books agree with what runs, and what was started now fits.
    fn check(&self, scheduler: &Scheduler, actions: &[Action]) {
        assert_eq!(scheduler.pool().leases(), self.running.len(), "leases differ from the world");
        let mut host = Used::default();
        let mut devices: BTreeMap<DeviceId, Used> = BTreeMap::new();
        for (choice, device) in self.running.values() {
            host.add(&choice.host);
            device.map(|device| devices.entry(device).or_default().add(&choice.device));
        }
        let started = |test: &dyn Fn(&Choice, Option<DeviceId>) -> bool| {
            actions.iter().any(|action| match action {
                Action::Start { job, span, .. } => {
                    self.running.get(&(*job, *span)).is_some_and(|(choice, device)| test(choice, *device))
                }
                _ => false,
            })
        };
        for dimension in [CPU_THREADS, NVENC_SESSIONS] {
            let share = scheduler.pool().host();
            assert_eq!(share.used().get(&dimension), host.get(&dimension), "the host's books differ");
            // Capacity may shrink below what is held; nothing that needs it is started then.
            let fits = host.get(&dimension) <= most(share, &dimension);
            assert!(fits || !started(&|choice, _| choice.host.get(&dimension) > 0), "the host is oversubscribed");
        }
        for (device, share) in scheduler.pool().devices() {
            for dimension in [ENCODE_SHARE, DEVICE_MEMORY_MIB] {
                let used = devices.get(&device.id).map_or(0, |used| used.get(&dimension));
                assert_eq!(share.used().get(&dimension), used, "a device's books differ");
                let ours =
                    |choice: &Choice, on: Option<DeviceId>| on == Some(device.id) && choice.device.get(&dimension) > 0;
                assert!(used <= most(share, &dimension) || !started(&ours), "a device is oversubscribed");
            }
        }
    }
}

fn most(share: &reelmill_scheduler::Share, dimension: &reelmill_scheduler::Dimension) -> u64 {
    let cap = share.caps().find(|(name, _)| *name == dimension).map_or(u64::MAX, |(_, cap)| cap);
    cap.min(share.capacity().get(dimension))
}

fn assert_sound(scheduler: &Scheduler, device: DeviceId, choice: &Choice, now: u64) {
    let view = scheduler.devices(now).find(|view| view.device.id == device).unwrap();
    assert!(view.up, "placed on a device that is gone");
    assert_eq!(Some(view.device.kind), choice.kind);
    for (ability, state) in view.breakers {
        let closed = matches!(state, BreakerState::Closed { .. });
        assert!(closed || !choice.abilities.contains(&ability), "placed where {ability} is set aside");
    }
}

#[derive(Default)]
struct Used(BTreeMap<String, u64>);

impl Used {
    fn add(&mut self, vector: &Vector) {
        for (dimension, amount) in vector.iter() {
            *self.0.entry(dimension.to_string()).or_default() += amount;
        }
    }

    fn get(&self, dimension: &reelmill_scheduler::Dimension) -> u64 {
        self.0.get(&dimension.to_string()).copied().unwrap_or(0)
    }
}

/// Everything comes back and goes well until nothing is left: whatever happened before, every job ends.
fn drain(scheduler: &mut Scheduler, world: &mut World) {
    for id in 0..DEVICES as u32 {
        let capacity = Vector::of(ENCODE_SHARE, 1000).with(DEVICE_MEMORY_MIB, 1000);
        let device = Device { id: DeviceId(id), kind: KindId(id % KINDS as u32), capacity };
        let actions = scheduler.step(Event::DeviceUp { device }, world.now);
        world.carry_out(scheduler, &actions);
    }
    let plenty = Vector::of(CPU_THREADS, 100).with(NVENC_SESSIONS, 100);
    let mut next = Some(Event::HostChanged { capacity: plenty });
    let mut ticks = 0;
    while let Some(event) = next {
        let actions = scheduler.step(event, world.now);
        world.carry_out(scheduler, &actions);
        world.check(scheduler, &actions);
        next = match (world.running.keys().next().copied(), world.probes.pop()) {
            (_, Some((device, ability))) => Some(Event::Probed { device, ability, sound: true }),
            (Some((job, span)), None) => {
                world.running.remove(&(job, span));
                Some(Event::SpanFinished { job, span })
            }
            (None, None) if scheduler.jobs() > 0 => {
                world.now = scheduler.wake_ms(world.now).expect("what waits has a time to look again");
                ticks += 1;
                assert!(ticks < 500, "{} jobs wait for ever", scheduler.jobs());
                Some(Event::Tick)
            }
            (None, None) => None,
        };
    }
}

#[test]
fn in_any_world_nothing_is_oversubscribed_leaked_mixed_or_lost() {
    let mut started = 0;
    for seed in 1..=SEEDS {
        let mut dice = Dice::new(seed);
        let mut scheduler = Scheduler::new(dice.host());
        let mut world = World::default();
        for _ in 0..EVENTS {
            let event = world.event(&mut dice);
            let actions = scheduler.step(event, world.now);
            started += actions.iter().filter(|action| matches!(action, Action::Start { .. })).count();
            world.carry_out(&scheduler, &actions);
            world.check(&scheduler, &actions);
        }
        drain(&mut scheduler, &mut world);
        assert_eq!((scheduler.jobs(), scheduler.pool().leases()), (0, 0), "seed {seed}");
        assert!(scheduler.pool().host().used().is_zero(), "seed {seed}");
        assert!(scheduler.pool().devices().all(|(_, share)| share.used().is_zero()), "seed {seed}");
        assert_eq!(world.ended.len() as u64, world.submitted, "seed {seed}: every job ends exactly once");
        assert_eq!(scheduler.owners().count(), 0, "seed {seed}: nobody is left");
    }
    assert!(started as u64 > 20 * SEEDS, "the worlds are busy: {started}");
}

#[test]
fn a_recorded_log_replays_in_any_world() {
    for seed in 1..=SEEDS / 10 {
        let mut dice = Dice::new(seed + 1000);
        let first = dice.host();
        let (mut one, mut two) = (Scheduler::new(first.clone()), Scheduler::new(first));
        let mut world = World::default();
        let mut log = Vec::new();
        for _ in 0..EVENTS {
            let event = world.event(&mut dice);
            let actions = one.step(event.clone(), world.now);
            world.carry_out(&one, &actions);
            log.push((event, world.now, actions));
        }
        for (event, now, actions) in log {
            assert_eq!(two.step(event, now), actions, "seed {seed} at {now}");
        }
    }
}

fn without_times(mut event: Event) -> Event {
    match &mut event {
        Event::JobSubmitted { job } => {
            job.groups.iter_mut().flat_map(|group| &mut group.choices).for_each(|choice| choice.run_ms = 0);
        }
        Event::GroupChanged { choices, .. } => choices.choices.iter_mut().for_each(|choice| choice.run_ms = 0),
        _ => {}
    }
    event
}

#[test]
fn nothing_that_could_run_is_left_waiting() {
    // When nothing is kept for others and nobody waits for something better by choice.
    for seed in 1..=SEEDS {
        let mut dice = Dice::new(seed + 5000);
        let policy = reelmill_scheduler::Policy { reserve_ms: u64::MAX / 4, ..Default::default() };
        let mut scheduler = Scheduler::with_policy(dice.host(), policy);
        let mut world = World::default();
        for _ in 0..EVENTS {
            let event = without_times(world.event(&mut dice));
            let actions = scheduler.step(event, world.now);
            world.carry_out(&scheduler, &actions);
            // Being told once more of everything that is there must not bring up a start that was overlooked.
            let mut fresh = scheduler.clone();
            let host = Event::HostChanged { capacity: scheduler.pool().host().capacity().clone() };
            let devices = scheduler.pool().devices().map(|(device, _)| Event::DeviceUp { device: device.clone() });
            let told = devices.chain([host]).collect::<Vec<_>>();
            let more: Vec<_> = told.into_iter().flat_map(|event| fresh.step(event, world.now)).collect();
            assert!(more.iter().all(|action| !matches!(action, Action::Start { .. })), "seed {seed}: {more:?}");
        }
    }
}
