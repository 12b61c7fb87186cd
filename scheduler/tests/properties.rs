//! What must hold after any sequence of events, tried on many seeded ones.

use reelmill_scheduler::{
    Action, CPU_THREADS, Dimension, Event, Group, GroupId, JobDemand, JobId, LeaseId, Priority, Scheduler, SpanId,
    Vector,
};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 300;
const EVENTS: usize = 120;
const SESSIONS: Dimension = Dimension::named("gpu0.encode_sessions");

/// Xorshift: enough to wander, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The world outside: knows what it was told to run, and with which demand.
#[derive(Default)]
struct World {
    submitted: u64,
    demands: BTreeMap<JobId, Vec<Vector>>,
    running: BTreeMap<(JobId, SpanId), LeaseId>,
    leases: BTreeSet<LeaseId>,
    ended: BTreeSet<JobId>,
}

impl World {
    fn event(&mut self, dice: &mut Dice) -> Event {
        let running: Vec<_> = self.running.keys().copied().collect();
        match dice.roll(12) {
            0..=2 => self.submit(dice),
            3..=7 if !running.is_empty() => {
                let (job, span) = running[dice.roll(running.len() as u64) as usize];
                self.running.remove(&(job, span));
                match dice.roll(8) {
                    wait @ 0..5 => Event::SpanFailed { job, span, again_ms: wait * 7, blame: None },
                    _ => Event::SpanFinished { job, span },
                }
            }
            8 => Event::HostChanged { capacity: capacity(dice) },
            // Also for jobs that are not known, or gone.
            9 => Event::JobCancelled { job: JobId(dice.roll(self.submitted + 2)) },
            10 if self.submitted > 0 => {
                Event::SpanDropped { job: JobId(dice.roll(self.submitted)), span: SpanId(dice.roll(6) as u32) }
            }
            11 => Event::Tick,
            // A repetition or a report about something that does not run.
            _ => {
                let (job, span) = (JobId(dice.roll(self.submitted + 2)), SpanId(dice.roll(6) as u32));
                self.running.remove(&(job, span));
                Event::SpanFinished { job, span }
            }
        }
    }

    fn submit(&mut self, dice: &mut Dice) -> Event {
        let job = JobId(self.submitted);
        self.submitted += 1;
        let priority = [Priority::High, Priority::Normal, Priority::Batch][dice.roll(3) as usize];
        let span = |dice: &mut Dice| Vector::of(CPU_THREADS, dice.roll(5)).with(SESSIONS, dice.roll(2));
        let spans: Vec<_> = (0..dice.roll(5)).map(|_| span(dice)).collect();
        self.demands.insert(job, spans.clone());
        let groups = (0..spans.len() as u32).map(GroupId).collect();
        let demand = JobDemand {
            job,
            priority,
            owner: "somebody".into(),
            deadline_ms: None,
            spans: groups,
            groups: spans.into_iter().map(Group::on_host).collect(),
        };
        Event::JobSubmitted { job: demand }
    }

    fn carry_out(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Start { job, span, lease, .. } => {
                    assert!(!self.ended.contains(job), "started a span of a job that has ended");
                    assert!(self.leases.insert(*lease), "a lease was given twice");
                    assert!(self.running.insert((*job, *span), *lease).is_none(), "started a span that runs");
                }
                Action::Stop { job, span } => {
                    assert!(self.running.contains_key(&(*job, *span)), "stopped an idle span")
                }
                Action::JobDone { job } | Action::JobStopped { job } | Action::Refuse { job, .. } => {
                    assert!(self.ended.insert(*job), "a job ended twice");
                    assert!(self.running.keys().all(|(running, _)| running != job), "a job ended while it ran");
                }
                Action::Wait { .. } | Action::Probe { .. } => {}
            }
        }
    }

    /// What the running spans need together.
    fn used(&self, dimension: &Dimension) -> u64 {
        self.running.keys().map(|(job, span)| self.demands[job][span.0 as usize].get(dimension)).sum()
    }
}

fn capacity(dice: &mut Dice) -> Vector {
    Vector::of(CPU_THREADS, 3 + dice.roll(6)).with(SESSIONS, dice.roll(4))
}

#[test]
fn never_oversubscribed_and_no_lease_leaked() {
    for seed in 1..=SEEDS {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut scheduler = Scheduler::new(capacity(&mut dice));
        let mut world = World::default();
        for now in 0..EVENTS {
            let event = world.event(&mut dice);
            let actions = scheduler.step(event, now as u64);
            world.carry_out(&actions);
            let started = actions.iter().any(|action| matches!(action, Action::Start { .. }));
            for dimension in [CPU_THREADS, SESSIONS] {
                let used = world.used(&dimension);
                assert_eq!(
                    scheduler.pool().host().used().get(&dimension),
                    used,
                    "seed {seed}: books differ from the world"
                );
                // Capacity may shrink below what is held; nothing is started then.
                let fits = used <= scheduler.pool().host().capacity().get(&dimension);
                assert!(
                    fits || !started || shrunk_but_free(&actions, &world, &dimension),
                    "seed {seed}: oversubscribed"
                );
            }
            assert_eq!(scheduler.pool().leases(), world.running.len(), "seed {seed}: leases differ from the world");
        }
        drain(&mut scheduler, &mut world);
        assert_eq!((scheduler.jobs(), scheduler.pool().leases()), (0, 0), "seed {seed}");
        assert!(scheduler.pool().host().used().is_zero(), "seed {seed}");
        assert_eq!(world.ended.len() as u64, world.submitted, "seed {seed}: every job ends exactly once");
    }
}

/// A span that needs nothing of an overcommitted dimension may still start.
fn shrunk_but_free(actions: &[Action], world: &World, dimension: &Dimension) -> bool {
    actions.iter().all(|action| match action {
        Action::Start { job, span, .. } => world.demands[job][span.0 as usize].get(dimension) == 0,
        _ => true,
    })
}

/// Reports everything that runs as finished until nothing is left.
fn drain(scheduler: &mut Scheduler, world: &mut World) {
    let plenty = Vector::of(CPU_THREADS, 100).with(SESSIONS, 100);
    // Late enough for every span that waits.
    let now = EVENTS as u64 + 100;
    let actions = scheduler.step(Event::HostChanged { capacity: plenty }, now);
    world.carry_out(&actions);
    while let Some(((job, span), _)) = world.running.pop_first() {
        let actions = scheduler.step(Event::SpanFinished { job, span }, now);
        world.carry_out(&actions);
    }
}

#[test]
fn the_same_events_give_the_same_actions() {
    for seed in 1..=SEEDS / 10 {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let first = capacity(&mut dice);
        let (mut one, mut two) = (Scheduler::new(first.clone()), Scheduler::new(first));
        let mut world = World::default();
        let mut log = Vec::new();
        for now in 0..EVENTS as u64 {
            let event = world.event(&mut dice);
            let actions = one.step(event.clone(), now);
            world.carry_out(&actions);
            log.push((event, now, actions));
        }
        for (event, now, actions) in log {
            assert_eq!(two.step(event, now), actions, "seed {seed} at {now}");
        }
    }
}
