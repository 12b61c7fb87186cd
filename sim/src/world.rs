//! The simulated day: fleet, load and faults in one loop of events, with the scheduler in the middle.
//!
//! The world plays the dispatcher and everything below it: it tells the scheduler what happens and does what it answers.
//! Time is a number; nothing waits. Every answer is checked against [`Books`]; what does not hold is noted, and the run
//! fails in the end.

use crate::books::Books;
use crate::bound::Bound;
use crate::cost::Way;
use crate::digest::{self, Digest};
use crate::faults::{Content, Fate, Faults};
use crate::figures::{Figures, class_index, mean_bound};
use crate::fleet::Fleet;
use crate::job::Job;
use crate::load::{Load, Shape, catalogue};
use crate::log::Recorder;
use crate::queue::{Due, Queue};
use crate::rng::Rng;
use crate::words;
use reelmill_scheduler::{Event, LeaseId, Scheduler};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What chance starts from.
    pub seed: u64,
    /// Devices.
    pub devices: usize,
    /// How long jobs arrive, hours.
    pub hours: f64,
    /// Offered load in percent of the bound.
    pub load: f64,
    /// How far the load goes up and down over the day, as a part of it.
    pub swing: f64,
    /// What goes wrong.
    pub faults: Faults,
}

/// A run of a span.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) generation: u32,
    pub(crate) live: bool,
    pub(crate) job: u64,
    pub(crate) span: u32,
    /// An index of the shape's ways; `None` for sound.
    pub(crate) way: Option<usize>,
    pub(crate) device: Option<u32>,
    pub(crate) lease: LeaseId,
    pub(crate) from_ms: u64,
    pub(crate) content: Content,
}

/// A device as it really is.
#[derive(Clone, Default, Debug)]
pub(crate) struct Reality {
    /// Since when it is gone, ms.
    pub(crate) gone_ms: Option<u64>,
    /// Since when it fails what it encodes, ms, and whether it passes probes.
    pub(crate) hole: Option<(u64, bool)>,
    /// Slots of what runs on it.
    pub(crate) runs: Vec<usize>,
}

/// Everything.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) fleet: Fleet,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) fate: Fate,
    pub(crate) load: Load,
    pub(crate) mean: Bound,
    pub(crate) scheduler: Scheduler,
    pub(crate) books: Books,
    pub(crate) figures: Figures,
    pub(crate) queue: Queue,
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) wake_ms: u64,
    /// By id; `None` once it has ended.
    pub(crate) jobs: Vec<Option<Box<Job>>>,
    pub(crate) alive: usize,
    pub(crate) runs: Vec<Run>,
    pub(crate) free: Vec<usize>,
    pub(crate) devices: Vec<Reality>,
    pub(crate) all_arrived: bool,
    digest: Digest,
    recorder: Option<Recorder>,
    record_error: Option<io::Error>,
    progress: Option<Progress>,
}

/// Is told, at each full hour, the hours that have passed and the spans that were started in them.
pub type Progress = Box<dyn FnMut(u64, u64)>;

/// What a run comes to.
pub struct Outcome {
    /// What was simulated.
    pub scenario: Scenario,
    /// What was measured.
    pub figures: Figures,
    /// The part of the bound that was reached.
    pub utilisation: f64,
    /// What must never be and was, the first few, and how many in all.
    pub violations: (Vec<String>, u64),
    /// One number for all events and answers.
    pub digest: Digest,
}

/// Jobs must all have ended this long after the last one came, ms: five times the longest day.
const PATIENCE_MS: u64 = 5 * 24 * 3_600_000;
const HOUR_MS: u64 = 3_600_000;

impl World {
    /// A world in which nothing has happened yet; what the scheduler is told goes to `record` too.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn new(scenario: Scenario, record: Option<Box<dyn io::Write>>) -> io::Result<Self> {
        let end_ms = (scenario.hours * HOUR_MS as f64) as u64;
        let (fleet, shapes) = (Fleet::new(scenario.devices), catalogue());
        let fate = Fate::new(scenario.seed, &fleet, scenario.faults, end_ms);
        let (mean, rate) = offered(&scenario, &fleet, &shapes, &fate);
        let host = crate::fleet::vector(&fleet.host);
        let recorder = record.map(|to| Recorder::new(to, &host)).transpose()?;
        // Until the fleet is full for the first time nothing can be said about how well it is filled.
        let window = ((end_ms / 10).min(HOUR_MS / 2), end_ms);
        Ok(Self {
            load: Load::new(scenario.seed, &shapes, rate, scenario.swing, end_ms),
            scheduler: Scheduler::new(host),
            books: Books::new(&fleet),
            figures: Figures::new(shapes.len(), window),
            queue: Queue::default(),
            rng: Rng::new(scenario.seed, 3),
            now: 0,
            wake_ms: u64::MAX,
            jobs: vec![],
            alive: 0,
            runs: vec![],
            free: vec![],
            devices: vec![Reality::default(); fleet.kinds.len()],
            all_arrived: false,
            digest: Digest::default(),
            recorder,
            record_error: None,
            progress: None,
            scenario,
            fleet,
            shapes,
            fate,
            mean,
        })
    }

    /// Tells how far it has come while it runs.
    #[must_use]
    pub fn telling(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Lets the day go by, and all that is left of it after the last job has come.
    ///
    /// # Errors
    /// The record could not be written.
    pub fn run(mut self) -> io::Result<Outcome> {
        for id in 0..self.fleet.kinds.len() as u32 {
            self.tell(Event::DeviceUp { device: self.fleet.device(id) });
        }
        for (at, (time, _, _)) in self.fate.strikes.iter().enumerate() {
            self.queue.put(*time, Due::Strike(at));
        }
        self.queue.put(HOUR_MS, Due::Hour);
        self.arrive_next();
        let (began, began_ns) = (Instant::now(), on_cpu_ns());
        while let Some((at, due)) = self.queue.take() {
            self.now = at;
            self.happen(due);
            if self.all_arrived && self.alive == 0 {
                break;
            }
            if at > self.figures.window.1 + PATIENCE_MS {
                self.books.violated(|| "jobs are left long after the last one came".to_owned());
                break;
            }
        }
        if let (Some(before), Some(after)) = (began_ns, on_cpu_ns()) {
            // The clock ran on while others had the core: of all that time this thread had only a part.
            let part = (after - before) as f64 / began.elapsed().as_nanos().max(1) as f64;
            self.figures.scheduler_ns = (self.figures.scheduler_ns as f64 * part.min(1.0)) as u64;
        }
        self.finish()
    }

    /// Tells the scheduler something, and does what it answers.
    pub(crate) fn tell(&mut self, event: Event) {
        let words = self.recorder.is_some().then(|| words::event(&event));
        let before = Instant::now();
        let actions = self.scheduler.step(event, self.now);
        let wake = self.scheduler.wake_ms(self.now);
        self.figures.scheduler_ns += before.elapsed().as_nanos() as u64;
        self.figures.counts.events += 1;
        self.digest.number(self.now);
        self.digest.number(digest::of(&actions).0);
        if let (Some(recorder), Some(words)) = (&mut self.recorder, words)
            && let Err(error) = recorder.add(self.now, &words, &actions)
        {
            self.record_error = Some(error);
        }
        for action in actions {
            self.act(action);
        }
        if let Some(wake) = wake.map(|wake| wake.max(self.now + 1))
            && wake < self.wake_ms
        {
            self.wake_ms = wake;
            self.queue.put(wake, Due::Wake);
        }
        let (believed, held) = (self.scheduler.pool().leases(), self.books.leases());
        if believed != held {
            self.books.violated(|| format!("the scheduler has {believed} leases, and {held} are held"));
        }
    }

    /// A job of an id, while it has not ended.
    pub(crate) fn job(&mut self, id: u64) -> Option<&mut Job> {
        self.jobs.get_mut(id as usize)?.as_deref_mut()
    }

    /// The way that a run goes.
    pub(crate) fn way_of(&self, run: &Run) -> Option<Arc<Way>> {
        let job = self.jobs.get(run.job as usize)?.as_deref()?;
        let shape = &self.shapes[job.arrival.shape];
        Some(match run.way {
            Some(way) => Arc::clone(&shape.ways[way]),
            None => Arc::new(job.sound(shape)),
        })
    }

    pub(crate) fn hour(&mut self) {
        self.figures.fairness.hour();
        self.figures.backlog_most_ms = self.figures.backlog_most_ms.max(self.figures.fairness.backlog());
        if let Some(progress) = &mut self.progress {
            progress(self.now / HOUR_MS, self.figures.counts.starts);
        }
        if !self.all_arrived || self.alive > 0 {
            self.queue.put(self.now + HOUR_MS, Due::Hour);
        }
    }

    /// A job has ended.
    pub(crate) fn ended(&mut self, id: u64) {
        let Some(job) = self.jobs.get_mut(id as usize).and_then(Option::take) else {
            self.books.violated(|| format!("job {id} ended twice"));
            return;
        };
        self.alive -= 1;
        if !job.running.is_empty() {
            self.books.violated(|| format!("job {id} ended while spans of it ran"));
        }
        let class = class_index(job.arrival.priority);
        let left = job
            .spans
            .iter()
            .enumerate()
            .filter(|(at, span)| span.state != crate::job::State::Ended && !job.is_sound(*at as u32));
        let left = left.count() as f64 * self.mean.prices[job.arrival.shape];
        self.figures.fairness.leaves(class, job.arrival.owner, left);
        self.figures.end_ms = self.now;
    }

    fn finish(mut self) -> io::Result<Outcome> {
        let (jobs, leases, known) = (self.alive, self.books.leases(), self.scheduler.jobs());
        if (jobs, leases, known) != (0, 0, 0) {
            self.books.violated(|| {
                format!(
                    "at the end {jobs} jobs have not ended, {leases} leases are held, the scheduler knows {known} jobs"
                )
            });
        }
        for (kind, device) in self.fleet.kinds.iter().zip(&self.devices) {
            let until = self.figures.window.1;
            device.gone_ms.into_iter().for_each(|from| self.figures.was_lost(*kind, from, until));
            device.hole.into_iter().for_each(|(from, _)| self.figures.was_hole(*kind, from, until));
        }
        self.figures.waits.iter_mut().for_each(|waits| waits.sort_unstable());
        let utilisation = self.figures.utilisation(&self.shapes, &self.fleet, &self.fate.bias);
        let (some, count) = self.books.violations();
        let violations = (some.to_vec(), count);
        if let Some(error) = self.record_error {
            return Err(error);
        }
        self.recorder.map_or(Ok(()), Recorder::finish)?;
        let (scenario, figures, digest) = (self.scenario, self.figures, self.digest);
        Ok(Outcome { scenario, figures, utilisation, violations, digest })
    }
}

/// Time that this thread has had a core, ns; `None` where the system does not say.
fn on_cpu_ns() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Jobs in the sample that says what a mean job is.
const SAMPLE: usize = 20_000;

/// The bound for a mean job, and the jobs an hour that the offered load comes to.
fn offered(scenario: &Scenario, fleet: &Fleet, shapes: &[Shape], fate: &Fate) -> (Bound, f64) {
    let mut load = Load::new(scenario.seed ^ 0x5A, shapes, 1000.0, 0.0, u64::MAX);
    let (mut spans, mut sound_ms) = (vec![0.0; shapes.len()], 0.0);
    for arrival in (0..SAMPLE).map_while(|_| load.next_job(shapes)).filter(|arrival| !arrival.impossible) {
        spans[arrival.shape] += f64::from(arrival.spans) / SAMPLE as f64;
        if arrival.sound {
            let shape = &shapes[arrival.shape];
            sound_ms += Job::new(arrival).sound(shape).run_ms as f64 / SAMPLE as f64;
        }
    }

    let mean = mean_bound(shapes, &spans, sound_ms, fleet, &fate.bias);
    // A mean job takes the whole fleet `least` ms.
    let rate = scenario.load / 100.0 * HOUR_MS as f64 / mean.least;
    (mean, rate)
}
