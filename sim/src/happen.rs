//! What happens in the world, and what the scheduler is told of it.

use crate::faults::Strike;
use crate::figures::class_index;
use crate::fleet::{ENCODE, NAMES, SESSIONS};
use crate::job::{self, Job, State};
use crate::queue::{Due, How};
use crate::world::{Run, World};
use reelmill_scheduler::{Ability, DeviceId, Event, GroupId, JobId, SpanId};

/// A span that a device failed so often is made again in software.
const BLAMED_MOST: u8 = 3;
/// Once so many spans of a job were made again, its pictures keep off that kind of device.
const REDONE_MOST: u32 = 5;
/// Waits between attempts, ms: the first, and the longest.
const AGAIN_FIRST_MS: u64 = 1000;
const AGAIN_MOST_MS: u64 = 60_000;
/// Of a hundred jobs, how many are cancelled, and of a thousand how many are lost with their node.
const CANCELLED: f64 = 0.02;
const LOST: f64 = 0.001;

impl World {
    pub(crate) fn happen(&mut self, due: Due) {
        match due {
            Due::End { slot, generation, how } => self.end(slot, generation, how),
            Due::Cancel(id) => self.cancel(id),
            Due::Lose(id) => self.lose(id),
            Due::Strike(at) => self.strike(at),
            Due::Noticed(device) => self.noticed(device),
            Due::Wake => self.wake(),
            Due::Probed(device, ability) => self.probed(device, ability),
            Due::Hour => self.hour(),
            Due::Submit(arrival) => {
                self.submit(Job::new(*arrival));
                self.arrive_next();
            }
        }
    }

    /// Puts the next job's arrival into the queue.
    pub(crate) fn arrive_next(&mut self) {
        match self.load.next_job(&self.shapes) {
            Some(arrival) => self.queue.put(arrival.at_ms, Due::Submit(Box::new(arrival))),
            None => self.all_arrived = true,
        }
    }

    fn submit(&mut self, job: Job) {
        let id = self.jobs.len() as u64;
        let demand = job.demand(JobId(id), &self.shapes[job.arrival.shape]);
        let work = f64::from(job.arrival.spans) * self.mean.prices[job.arrival.shape];
        let class = class_index(job.arrival.priority);
        self.figures.fairness.wants(class, job.arrival.owner, work);
        self.figures.counts.arrived += 1;
        if self.scenario.faults.cancels {
            let after = self.rng.exponential(1_200_000.0) as u64;
            match self.rng.unit() {
                chance if chance < LOST => self.queue.put(self.now + after, Due::Lose(id)),
                chance if chance < LOST + CANCELLED => self.queue.put(self.now + after, Due::Cancel(id)),
                _ => {}
            }
        }
        self.jobs.push(Some(Box::new(job)));
        self.alive += 1;
        self.tell(Event::JobSubmitted { job: demand });
    }

    fn cancel(&mut self, id: u64) {
        if let Some(job) = self.job(id) {
            job.cancelled = true;
            self.tell(Event::JobCancelled { job: JobId(id) });
        }
    }

    /// Whoever ran the job is gone, and its processes with it.
    fn lose(&mut self, id: u64) {
        let Some(job) = self.job(id) else { return };
        for slot in std::mem::take(&mut job.running) {
            self.vacate(slot, true);
        }
        self.figures.counts.lost += 1;
        self.ended(id);
        self.tell(Event::JobLost { job: JobId(id) });
    }

    fn wake(&mut self) {
        if self.now == self.wake_ms {
            self.wake_ms = u64::MAX;
            self.tell(Event::Tick);
        }
    }

    /// A run ends: its lease is free, and what it did, or wasted, is counted.
    fn end(&mut self, slot: usize, generation: u32, how: How) {
        if !self.runs[slot].live || self.runs[slot].generation != generation {
            return;
        }
        if let (How::Refused, Some(device)) = (how, self.runs[slot].device) {
            self.figures.counts.sessions_refused += 1;
            self.tell(Event::Refused { dimension: NAMES[SESSIONS].clone(), device: Some(DeviceId(device)) });
        }
        let run = self.vacate(slot, how != How::Finished);
        let (job, span) = (JobId(run.job), SpanId(run.span));
        if how == How::Finished {
            self.finished(&run);
            self.tell(Event::SpanFinished { job, span });
        } else {
            self.failed(&run, how);
        }
    }

    fn finished(&mut self, run: &Run) {
        let (now, figures) = (self.now, &mut self.figures);
        let Some(job) = self.jobs.get_mut(run.job as usize).and_then(Option::as_deref_mut) else { return };
        job.spans[run.span as usize].state = State::Ended;
        figures.counts.finished += 1;
        let shape = job.arrival.shape;
        if job.is_sound(run.span) {
            figures.did_sound(&job.sound(&self.shapes[shape]).host, run.from_ms, now);
            return;
        }
        figures.did(shape, run.content.factor, run.content.slow_ms, run.from_ms, now);
        figures.fairness.did(class_index(job.arrival.priority), job.arrival.owner, self.mean.prices[shape]);
    }

    fn failed(&mut self, run: &Run, how: How) {
        self.figures.counts.failed += 1;
        let (now, way) = (self.now, self.way_of(run));
        let Some(job) = self.job(run.job) else { return };
        let entry = &mut job.spans[run.span as usize];
        let blame = way.and_then(|way| way.abilities.last().cloned()).filter(|_| how == How::Blamed);
        entry.state = State::Pending;
        entry.blamed += u8::from(blame.is_some());
        let (blamed, attempts) = (entry.blamed, u32::from(entry.attempts));
        let again_ms = match how {
            How::Stopped => now,
            _ => now + (AGAIN_FIRST_MS << (attempts.max(1) - 1).min(6)).min(AGAIN_MOST_MS),
        };
        let give_up = blame.is_some() && blamed >= BLAMED_MOST && !job.cancelled;
        self.tell(Event::SpanFailed { job: JobId(run.job), span: SpanId(run.span), again_ms, blame });
        if give_up {
            self.make_again(run);
        }
    }

    /// A span that devices keep failing is made in software instead; when that is many of a job, all that is left of it
    /// keeps off their kind.
    fn make_again(&mut self, run: &Run) {
        let (id, span) = (JobId(run.job), SpanId(run.span));
        let Some(job) = self.jobs.get_mut(run.job as usize).and_then(Option::as_deref_mut) else { return };
        let shape = &self.shapes[job.arrival.shape];
        let group = job.software_group();
        let groups = if job.redone == 0 { vec![job::software(shape)] } else { vec![] };
        job.redo();
        job.spans[run.span as usize].state = State::Ended;
        let kind = run.way.and_then(|way| shape.ways[way].kind).filter(|_| job.redone == REDONE_MOST);
        let changed = kind.map(|kind| {
            (job.without, job.identity) = (Some(kind), None);
            job::without(shape, kind)
        });
        self.figures.counts.redone += 1;
        self.tell(Event::SpansAdded { job: id, groups, spans: vec![group] });
        self.tell(Event::SpanDropped { job: id, span });
        if let Some(choices) = changed {
            self.tell(Event::GroupChanged { job: id, group: GroupId(0), choices });
        }
    }

    /// Takes a run off the books.
    fn vacate(&mut self, slot: usize, in_vain: bool) -> Run {
        self.runs[slot].live = false;
        let run = self.runs[slot].clone();
        if let Some(way) = self.way_of(&run) {
            self.books.give(run.lease, &way, run.device);
            let rate = self.mean.rate(&way);
            let held = rate * (self.now - run.from_ms) as f64;
            self.figures.held += held;
            self.figures.held_in_window += rate * self.figures.within(run.from_ms, self.now) as f64;
            self.figures.wasted += if in_vain { held } else { 0.0 };
        }
        if let Some(device) = run.device {
            self.devices[device as usize].runs.retain(|at| *at != slot);
        }
        if let Some(job) = self.job(run.job) {
            job.running.retain(|at| *at != slot);
        }
        self.free.push(slot);
        run
    }

    fn strike(&mut self, at: usize) {
        let (_, device, strike) = self.fate.strikes[at];
        let (kind, now) = (self.fleet.kinds[device as usize], self.now);
        let reality = &mut self.devices[device as usize];
        match strike {
            Strike::Lost => {
                reality.gone_ms = Some(now);
                // Sometimes the first to notice are the spans that fail.
                let notice = if self.rng.chance(0.5) { 0 } else { 3000 };
                self.queue.put(now + notice, Due::Noticed(device));
                for slot in reality.runs.clone() {
                    let generation = self.supersede(slot);
                    let after = self.rng.range(100.0, 2000.0) as u64;
                    self.queue.put(now + after, Due::End { slot, generation, how: How::Blamed });
                }
            }
            Strike::Back => {
                if let Some(from) = reality.gone_ms.take() {
                    self.figures.was_lost(kind, from, now);
                }
                self.books.told(device, true);
                self.tell(Event::DeviceUp { device: self.fleet.device(device) });
            }
            Strike::Hole { probes_pass } => {
                reality.hole = Some((now, probes_pass));
                for slot in reality.runs.clone() {
                    if self.way_of(&self.runs[slot]).is_some_and(|way| way.device[ENCODE] > 0) {
                        let generation = self.supersede(slot);
                        self.queue.put(now + 500, Due::End { slot, generation, how: How::Blamed });
                    }
                }
            }
            Strike::Mended => {
                if let Some((from, _)) = reality.hole.take() {
                    self.figures.was_hole(kind, from, now);
                }
            }
        }
    }

    /// A run will end otherwise than was thought: what was in the queue for it no longer holds.
    pub(crate) fn supersede(&mut self, slot: usize) -> u32 {
        self.runs[slot].generation += 1;
        self.runs[slot].generation
    }

    fn noticed(&mut self, device: u32) {
        if self.devices[device as usize].gone_ms.is_some() {
            self.books.told(device, false);
            self.tell(Event::DeviceDown { device: DeviceId(device) });
        }
    }

    fn probed(&mut self, device: u32, ability: Ability) {
        let reality = &self.devices[device as usize];
        let broken = reality.hole.is_some_and(|(_, passes)| !passes) && ability.0.starts_with("encode");
        let sound = reality.gone_ms.is_none() && !broken;
        self.tell(Event::Probed { device: DeviceId(device), ability, sound });
    }
}
