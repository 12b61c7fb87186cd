//! The phases, in order: a job watched on an idle node; jobs handed in as fast as they are taken, until many are stored;
//! reads among those; jobs handed in at a rate; the same, and a job watched, while the node encodes; a restart.
//!
//! Jobs that are handed in to be measured are valid and could start at once, but the node is drained, or busy with a
//! job of a higher class, so none of them is run. They wait in the queue, all of them.

use crate::daemon::{Daemon, Jobs};
use crate::job::Makes;
use crate::machine::{self, Machine, Quiet};
use crate::process::{Cpu, Memory};
use crate::read::{self, Read};
use crate::stats::ms;
use crate::submit::{self, Round};
use crate::watch::{self, Watched};
use crate::{Outcome, Scale};
use reelmill::api::v1;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients that hand in jobs, each over a connection of its own.
pub(crate) const CLIENTS: usize = 16;
/// Jobs that they hand in a second, together.
pub(crate) const RATE: f64 = 300.0;
/// Watchers of one job.
pub(crate) const WATCHERS: usize = 1000;
/// Requests of each client under way at a time, when many jobs are to be stored soon.
const FILLING_AT_ONCE: usize = 4;
/// One in so many of the stored jobs is stopped before reads are measured.
const STOPPED_OF: usize = 10;

/// What a phase cost.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
}

impl Phase {
    /// The share of the machine that others took.
    pub(crate) fn others(&self) -> f64 {
        self.cpu.others / (self.took.as_secs_f64() * machine::cores())
    }
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) quiet: Quiet,
    pub(crate) phases: Vec<Phase>,
    pub(crate) watched_idle: Vec<Watched>,
    pub(crate) watched_busy: Vec<Watched>,
    pub(crate) at_most: Vec<Round>,
    pub(crate) at_a_rate: Vec<Round>,
    pub(crate) at_a_rate_busy: Vec<Round>,
    pub(crate) reads: Vec<Read>,
    /// Jobs in the queue when submissions at a rate began.
    pub(crate) stored: usize,
    /// From the start of the process to its first answer, with nothing stored and with everything.
    pub(crate) ready_empty: Duration,
    pub(crate) ready_full: Duration,
    /// From SIGTERM to the end.
    pub(crate) ended_after: Duration,
}

struct Campaign {
    daemon: Daemon,
    clients: Vec<Jobs>,
    makes: Arc<Makes>,
    scale: Scale,
    phases: Vec<Phase>,
    quiet: Quiet,
}

/// Runs all of it.
pub(crate) async fn run(program: &Path, work: &Path, scale: Scale) -> Outcome<Results> {
    println!("bench-api: sources are made");
    let makes = Arc::new(Makes::new(work).await?);
    let machine = Machine::look(work)?;
    let daemon = Daemon::start(program, work).await?;
    let ready_empty = daemon.ready_after;
    let clients = daemon.connect_all(CLIENTS).await?;
    let mut on = Campaign { daemon, clients, makes, scale, phases: Vec::new(), quiet: Quiet::begin() };

    let watched_idle = on.watch("watch a small job", false).await?;
    let at_most = on.fill().await?;
    let reads = on.read().await?;
    let at_a_rate = on.submit("submit at a rate, idle node").await?;
    let (at_a_rate_busy, watched_busy) = on.while_encoding().await?;
    let ended_after = on.daemon.end().await?;
    let again = Daemon::start(program, work).await?;
    // Long enough for the queue to be whole again. Dropped, it is killed with what it has begun by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ready_full, memory) = (again.ready_after, again.memory());
    let cpu = Cpu { daemon: again.cpu().daemon, ..Cpu::default() };
    on.phases.push(Phase { name: "start over what is stored", took: ready_full, cpu, memory });
    on.quiet.end();
    drop(again);
    Ok(Results {
        machine,
        quiet: on.quiet,
        phases: on.phases,
        watched_idle,
        watched_busy,
        at_most,
        at_a_rate,
        at_a_rate_busy,
        reads,
        stored: scale.stored,
        ready_empty,
        ready_full,
        ended_after,
    })
}

impl Campaign {
    async fn watch(&mut self, name: &'static str, large: bool) -> Outcome<Vec<Watched>> {
        let mark = Mark::set(&self.daemon);
        let mut all = Vec::new();
        for _ in 0..self.scale.rounds {
            let watched = watch::watch(&self.daemon, &self.clients, &self.makes, WATCHERS, large).await?;
            let times = &watched.after_change;
            println!("  {name}: p99 {}, longest {}", ms(times.p99()), ms(times.longest()));
            all.push(watched);
        }
        self.note(name, mark);
        Ok(all)
    }

    /// Stores jobs as fast as they are taken. What is measured is a fifth of them each time.
    async fn fill(&mut self) -> Outcome<Vec<Round>> {
        self.daemon.drain(true).await?;
        let mut left = self.scale.stored;
        let (warm_up, part) = (left / 50, left / 5);
        submit::at_most(&self.clients, &self.makes, 1, warm_up).await?;
        left -= warm_up;
        let mark = Mark::set(&self.daemon);
        let mut rounds = Vec::new();
        for _ in 0..self.scale.rounds {
            let round = submit::at_most(&self.clients, &self.makes, 1, part).await?;
            println!("  submit as fast as they are taken: {:.0} a second, p99 {}", round.rate(), ms(round.times.p99()));
            rounds.push(round);
            left -= part;
        }
        self.note("submit as fast as they are taken", mark);
        let mark = Mark::set(&self.daemon);
        let rest = submit::at_most(&self.clients, &self.makes, FILLING_AT_ONCE, left).await?;
        println!("  submit the rest, {FILLING_AT_ONCE} requests a client at once: {:.0} a second", rest.rate());
        self.note("submit the rest", mark);
        Ok(rounds)
    }

    async fn read(&mut self) -> Outcome<Vec<Read>> {
        let stopped = read::stop_oldest(&self.clients[0], self.scale.stored / STOPPED_OF).await?;
        println!("  {stopped} jobs stopped");
        let mark = Mark::set(&self.daemon);
        let reads = read::reads(&self.clients[0], self.scale.reads).await?;
        self.note("read", mark);
        Ok(reads)
    }

    async fn submit(&mut self, name: &'static str) -> Outcome<Vec<Round>> {
        let mark = Mark::set(&self.daemon);
        let lasting = Duration::from_secs(self.scale.round_s);
        let mut rounds = Vec::new();
        for _ in 0..self.scale.rounds {
            let round = submit::at_a_rate(&self.clients, &self.makes, RATE, lasting).await?;
            println!("  {name}: {:.0} a second, p99 {}", round.rate(), ms(round.times.p99()));
            rounds.push(round);
        }
        self.note(name, mark);
        Ok(rounds)
    }

    /// Submits while a job encodes that takes all the time that there is, and has a job watched that does so too.
    async fn while_encoding(&mut self) -> Outcome<(Vec<Round>, Vec<Watched>)> {
        let answer = self.clients[0].create_job(self.makes.endless()).await?.into_inner();
        let endless = answer.job.ok_or("there is no job in the answer")?.id;
        self.daemon.drain(false).await?;
        self.running(&endless).await?;
        let rounds = self.submit("submit at a rate, node encoding").await?;
        self.daemon.drain(true).await?;
        self.clients[0].stop_jobs(v1::StopJobsRequest { ids: vec![endless] }).await?;
        self.daemon.active(0).await?;
        let watched = self.watch("watch a large job", true).await?;
        Ok((rounds, watched))
    }

    /// Waits until a job encodes.
    async fn running(&mut self, id: &str) -> Outcome<()> {
        let began = Instant::now();
        loop {
            let state = watch::state(&mut self.clients[0], id).await?;
            if state == v1::JobState::Running {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(60) {
                return Err(format!("a job that was to encode is {state:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn note(&mut self, name: &'static str, mark: Mark) {
        let phase =
            Phase { name, took: mark.at.elapsed(), cpu: self.daemon.cpu() - mark.cpu, memory: self.daemon.memory() };
        self.quiet.note(&phase);
        self.phases.push(phase);
    }
}

/// Where a phase began.
struct Mark {
    at: Instant,
    cpu: Cpu,
}

impl Mark {
    fn set(daemon: &Daemon) -> Self {
        daemon.reset_peak();
        Self { at: Instant::now(), cpu: daemon.cpu() }
    }
}
