//! How many decisions a second the scheduler makes: 10,000 devices of 6 kinds, tens of thousands of jobs that wait, all of
//! it busy. One decision is a span that ends and the one that takes its room.
//!
//! `cargo run --release -p reelmill-scheduler --example decisions`
#![expect(clippy::print_stdout, reason = "it is a program that prints a figure")]

use reelmill_scheduler::{
    Ability, Action, CPU_THREADS, Choice, DECODE_SHARE, DEVICE_MEMORY_MIB, Device, DeviceId, ENCODE_SHARE, Event,
    Group, GroupId, JobDemand, JobId, KindId, Priority, Scheduler, SpanId, Vector,
};
use std::collections::VecDeque;
use std::time::Instant;

const DEVICES: u32 = 10_000;
const KINDS: u32 = 6;
const WAITING: usize = 40_000;
const DECISIONS: u64 = 200_000;

/// Xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn group(dice: &mut Dice) -> Group {
    let size = 1 + dice.roll(8);
    let first = dice.roll(u64::from(KINDS)) as u32;
    let on = |kind: u32, identity: u32| Choice {
        kind: Some(KindId(kind % KINDS)),
        abilities: vec![Ability("encode.h264".into()), Ability("decode.h264".into())],
        device: Vector::of(ENCODE_SHARE, 100 * size).with(DECODE_SHARE, 60 * size).with(DEVICE_MEMORY_MIB, 300 * size),
        host: Vector::of(CPU_THREADS, 1),
        identity,
        run_ms: 1_000 * size * u64::from(1 + identity),
    };
    let cpu = Choice {
        kind: None,
        abilities: vec![],
        device: Vector::default(),
        host: Vector::of(CPU_THREADS, 4 * size),
        identity: 2,
        run_ms: 10_000 * size,
    };
    Group { choices: vec![on(first, 0), on(first + 1, 1), cpu] }
}

fn job(id: u64, dice: &mut Dice) -> Event {
    let priority = [Priority::High, Priority::Normal, Priority::Normal, Priority::Batch][dice.roll(4) as usize];
    let spans = vec![GroupId(0); 1 + dice.roll(6) as usize];
    let owner = format!("owner-{}", dice.roll(200)).as_str().into();
    let deadline_ms = (dice.roll(4) == 0).then(|| 600_000 + dice.roll(6_000_000));
    let groups = vec![group(dice)];
    Event::JobSubmitted { job: JobDemand { job: JobId(id), priority, owner, deadline_ms, groups, spans } }
}

struct Fleet {
    scheduler: Scheduler,
    dice: Dice,
    submitted: u64,
    running: VecDeque<(JobId, SpanId)>,
    started: u64,
    said: u64,
}

impl Fleet {
    fn tell(&mut self, event: Event, now: u64) {
        for action in self.scheduler.step(event, now) {
            match action {
                Action::Start { job, span, .. } => {
                    self.started += 1;
                    // Somewhere in the line, since spans take times of their own.
                    self.running.push_back((job, span));
                    let (last, other) = (self.running.len() - 1, self.dice.roll(self.running.len() as u64) as usize);
                    self.running.swap(last, other);
                }
                Action::Wait { .. } => self.said += 1,
                _ => {}
            }
        }
    }

    fn submit(&mut self, now: u64) {
        let event = job(self.submitted, &mut self.dice);
        self.submitted += 1;
        self.tell(event, now);
    }
}

fn main() {
    let scheduler = Scheduler::new(Vector::of(CPU_THREADS, 200_000));
    let mut fleet = Fleet { scheduler, dice: Dice(42), submitted: 0, running: VecDeque::new(), started: 0, said: 0 };
    for id in 0..DEVICES {
        let kind = id % KINDS;
        let capacity = Vector::of(ENCODE_SHARE, 1000 * u64::from(1 + kind % 3))
            .with(DECODE_SHARE, 1000)
            .with(DEVICE_MEMORY_MIB, 16_000);
        fleet.tell(Event::DeviceUp { device: Device { id: DeviceId(id), kind: KindId(kind), capacity } }, 0);
    }
    let began = Instant::now();
    while fleet.scheduler.waiting().iter().sum::<usize>() < WAITING {
        fleet.submit(0);
    }
    println!("{} jobs taken in {:.2?}; {} spans run", fleet.submitted, began.elapsed(), fleet.running.len());
    let (first, began) = (fleet.started, Instant::now());
    let mut now = 0;
    while fleet.started - first < DECISIONS {
        now += 1;
        if let Some((job, span)) = fleet.running.pop_front() {
            fleet.tell(Event::SpanFinished { job, span }, now);
        }
        while fleet.scheduler.waiting().iter().sum::<usize>() < WAITING {
            fleet.submit(now);
        }
    }
    let (took, made) = (began.elapsed(), fleet.started - first);
    println!("{made} decisions in {took:.2?}, {} jobs submitted meanwhile, {} waits said", fleet.submitted, fleet.said);
    println!("waiting {:?}, running {}", fleet.scheduler.waiting(), fleet.running.len());
    println!("{} decisions a second", u128::from(made) * 1_000_000 / took.as_micros().max(1));
}
