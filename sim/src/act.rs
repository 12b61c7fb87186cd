//! What the world does with the scheduler's answers.

use crate::faults::Content;
use crate::figures::class_index;
use crate::fleet::{ENCODE, SESSIONS};
use crate::job::State;
use crate::queue::{Due, How};
use crate::world::{Run, World};
use reelmill_scheduler::{Action, DeviceId, JobId, LeaseId, SpanId};
use std::sync::Arc;

/// Of ten thousand spans, how many fail though nothing is wrong.
const BAD_LUCK: f64 = 0.0005;

/// What an `Action::Start` says.
struct Start {
    job: JobId,
    span: SpanId,
    attempt: u32,
    lease: LeaseId,
    choice: u32,
    device: Option<DeviceId>,
}

impl World {
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Start { job, span, attempt, lease, choice, device, reason } => {
                if reason.is_empty() {
                    self.books.violated(|| format!("{job:?} {span:?} was started without a reason"));
                }
                self.start(&Start { job, span, attempt, lease, choice, device });
            }
            Action::Wait { .. } => self.figures.counts.waits += 1,
            Action::Refuse { job, .. } => {
                if !self.job(job.0).is_some_and(|job| job.arrival.impossible) {
                    self.books.violated(|| format!("{job:?} was refused, and could have run"));
                }
                self.figures.counts.refused += 1;
                self.ended(job.0);
            }
            Action::Stop { job, span } => self.stop(job, span),
            Action::JobDone { job } => self.done(job.0),
            Action::JobStopped { job } => {
                if !self.job(job.0).is_some_and(|job| job.cancelled) {
                    self.books.violated(|| format!("{job:?} was stopped, and nobody had cancelled it"));
                }
                self.figures.counts.stopped += 1;
                self.ended(job.0);
            }
            Action::Probe { device, ability } => {
                self.figures.counts.probes += 1;
                let after = self.rng.range(2000.0, 5000.0) as u64;
                self.queue.put(self.now + after, Due::Probed(device.0, ability));
            }
        }
    }

    fn done(&mut self, id: u64) {
        let now = self.now;
        let Some(job) = self.job(id) else {
            self.books.violated(|| format!("job {id} is done, and is not known"));
            return;
        };
        let class = class_index(job.arrival.priority);
        let deadline = job.arrival.deadline_ms;
        if let Some(span) = job.spans.iter().position(|span| span.state != State::Ended) {
            self.books.violated(|| format!("job {id} is done, and span {span} of it is not"));
        }
        if let Some(deadline) = deadline {
            let (all, met) = &mut self.figures.deadlines[class];
            *all += 1;
            *met += u64::from(now <= deadline);
        }
        self.figures.counts.done += 1;
        self.ended(id);
    }

    fn stop(&mut self, job: JobId, span: SpanId) {
        let slots = self.job(job.0).map_or_else(Vec::new, |job| job.running.clone());
        let Some(slot) = slots.into_iter().find(|slot| self.runs[*slot].span == span.0) else {
            self.books.violated(|| format!("{job:?} {span:?} was stopped, and does not run"));
            return;
        };
        let generation = self.supersede(slot);
        let after = self.rng.range(200.0, 2000.0) as u64;
        self.queue.put(self.now + after, Due::End { slot, generation, how: How::Stopped });
    }

    fn start(&mut self, start: &Start) {
        let (id, span, now) = (start.job.0, start.span.0, self.now);
        let Some(job) = self.jobs.get_mut(id as usize).and_then(Option::as_deref_mut) else {
            self.books.violated(|| format!("job {id} was started, and is not known"));
            return;
        };
        let shape = &self.shapes[job.arrival.shape];
        let way_at = if job.is_sound(span) { None } else { job.way(shape, span, start.choice) };
        let way = match way_at {
            Some(way) => Arc::clone(&shape.ways[way]),
            None => Arc::new(job.sound(shape)),
        };
        let known = if job.is_sound(span) { start.choice == 0 } else { way_at.is_some() };
        let Some(entry) = job.spans.get_mut(span as usize) else {
            self.books.violated(|| format!("job {id} has no span {span}"));
            return;
        };
        // Of a job that cannot run, the sound can.
        let possible = !job.arrival.impossible || way_at.is_none();
        let fits = known && entry.state == State::Pending && !job.cancelled && possible;
        entry.state = State::Running;
        entry.attempts += 1;
        let attempts = u32::from(entry.attempts);
        // Pictures of a group keep to the encoders that they were begun with.
        let keeps = entry.software || way_at.is_none() || *job.identity.get_or_insert(way.identity) == way.identity;
        if job.started_ms.is_none() {
            job.started_ms = Some(now);
            self.figures.waits[class_index(job.arrival.priority)].push(now - job.arrival.at_ms);
        }
        let content = match way_at {
            Some(_) => Content::of(self.scenario.seed, id, span, way.run_ms, self.scenario.faults),
            None => Content { factor: 1.0, slow_ms: 0.0 },
        };
        let run_ms = way.run_ms as f64 * content.factor * self.fate.bias[way.speed_kind()];
        let (generation, slot) = self.slot();
        let device = start.device.map(|device| device.0);
        let run = Run {
            generation,
            live: true,
            job: id,
            span,
            way: way_at,
            device,
            lease: start.lease,
            from_ms: now,
            content,
        };
        self.runs[slot] = run;
        if let Some(job) = self.job(id) {
            job.running.push(slot);
        }
        self.figures.counts.starts += 1;
        if !fits || !keeps || attempts != start.attempt {
            self.books.violated(|| {
                format!(
                    "job {id} span {span}: a start that fits: {fits}, keeps its encoders: {keeps}, attempt {attempts}"
                )
            });
        }
        self.books.take(start.lease, &way, device);
        let plain = if way_at.is_some() { run_ms + content.slow_ms } else { way.run_ms as f64 };
        let (how, after) = self.fate_of(device, way.device[ENCODE] > 0, way.device[SESSIONS], plain);
        self.queue.put(now + after, Due::End { slot, generation, how });
        if let Some(reality) = device.and_then(|device| self.devices.get_mut(device as usize)) {
            reality.runs.push(slot);
        }
    }

    /// How a run that begins now will end, and after how long, ms.
    fn fate_of(&mut self, device: Option<u32>, encodes: bool, sessions: u64, run_ms: f64) -> (How, u64) {
        let luck = self.rng.unit();
        if let Some(id) = device {
            let reality = &self.devices[id as usize];
            let short = sessions > 0 && self.books.used(id)[SESSIONS] > self.fate.sessions[id as usize];
            if reality.gone_ms.is_some() || (encodes && reality.hole.is_some()) {
                return (How::Blamed, 300 + (luck * 1000.0) as u64);
            }
            if short {
                return (How::Refused, 300 + (luck * 300.0) as u64);
            }
        }
        if luck < BAD_LUCK {
            return (How::Failed, (run_ms * luck / BAD_LUCK) as u64 + 1);
        }
        (How::Finished, run_ms as u64 + 1)
    }

    fn slot(&mut self) -> (u32, usize) {
        if let Some(slot) = self.free.pop() {
            return (self.supersede(slot), slot);
        }
        let content = Content { factor: 1.0, slow_ms: 0.0 };
        let lease = LeaseId(u64::MAX);
        let run =
            Run { generation: 0, live: false, job: 0, span: 0, way: None, device: None, lease, from_ms: 0, content };
        self.runs.push(run);
        (0, self.runs.len() - 1)
    }
}
