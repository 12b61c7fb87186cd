//! The parts of a job: starting an attempt at one, and what follows when it ends.

use super::job::{JOB, Job};
use super::shared::blocking;
use crate::model::plan::SpanRange;
use crate::model::{Fault, Problem};
use crate::publish::Part;
use crate::report::JobEvent;
use crate::supervise::{self, Exit, Launch, Worker};
use crate::wire::v1::{self, order::Work};
use reelmill_scheduler::{self as scheduler, CPU_THREADS, Event, SpanId, Vector};
use std::path::PathBuf;

/// An attempt that runs.
pub(super) struct Running {
    pub(super) worker: Worker,
    pub(super) spool: PathBuf,
    pub(super) attempt: u32,
}

impl Job {
    /// Starts an attempt at a part; what comes of it at once, if anything.
    pub(super) async fn start(&mut self, span: SpanId, attempt: u32, reason: String) -> Option<Event> {
        let part = self.parts[span.0 as usize];
        if attempt > 1 {
            self.outcome.retries += 1;
        }
        self.listener.tell(JobEvent::PartStarted { part: self.part_name(span), attempt, reason }).await;
        match self.launch(span, part, attempt).await {
            Ok(Some(running)) => {
                self.running.insert(span, running);
                None
            }
            Ok(None) => Some(self.part_done(span, part).await),
            Err(problem) => Some(self.part_failed(span, attempt, problem).await),
        }
    }

    /// Starts the worker for what is missing of a part; `None` when nothing is.
    async fn launch(&self, span: SpanId, part: Part, attempt: u32) -> Result<Option<Running>, Problem> {
        let plan = self.plan.clone();
        let name = format!("{}-{attempt}", self.part_name(span));
        let prepared = self.publisher.with(move |publisher| match publisher.resume_point(part, &plan) {
            Some(first) => Ok(Some((first, publisher.make_spool(&name)?))),
            None => Ok(None),
        });
        let Some((first, spool)) = prepared.await? else { return Ok(None) };
        let plan_json = self.plan_json.clone();
        let work = match self.range(part) {
            Some(range) => Work::Video(v1::VideoOrder { plan_json, first, end: range.end.unwrap_or(0) }),
            None => Work::Audio(v1::AudioOrder { plan_json }),
        };
        let launch = Launch::new(&self.program, &spool, &self.source, self.transport, work);
        let worker = supervise::start(launch, (span, attempt), self.reports.clone())?;
        Ok(Some(Running { worker, spool, attempt }))
    }

    /// A worker is gone: what the scheduler has to know.
    pub(super) async fn exited(&mut self, span: SpanId, exit: Exit) -> Event {
        let part = self.parts[span.0 as usize];
        let Some(running) = self.running.remove(&span) else { return finished(span) };
        // Nothing in it is of use: what was announced has left it. It is inside the job's spool, which goes anyway.
        let spool = running.spool;
        let _ = blocking(move || Ok(std::fs::remove_dir_all(&spool))).await;
        match (exit.problem(), exit) {
            (Some(problem), _) => self.part_failed(span, running.attempt, problem).await,
            (None, Exit::Finished(stats)) => {
                self.tracker.finished(part, stats.decode_errors);
                self.part_done(span, part).await
            }
            (None, _) => self.part_done(span, part).await,
        }
    }

    async fn part_done(&mut self, span: SpanId, part: Part) -> Event {
        match self.publisher.with(move |publisher| publisher.part_done(part)).await {
            Ok((recorded, notes)) => {
                self.tell_recorded(recorded).await;
                for note in notes {
                    self.outcome.warnings.push(note.clone());
                    self.listener.tell(JobEvent::Warning(note)).await;
                }
                self.listener.tell(JobEvent::PartFinished { part: self.part_name(span) }).await;
                finished(span)
            }
            Err(problem) => self.part_failed(span, 0, problem).await,
        }
    }

    async fn part_failed(&mut self, span: SpanId, attempt: u32, problem: Problem) -> Event {
        let fault = fault_of(problem.fault);
        // A part that was stopped because of another has nothing to tell.
        if problem.fault != Fault::Cancelled {
            let part = self.part_name(span);
            self.listener.tell(JobEvent::PartFailed { part, attempt, problem: problem.clone() }).await;
        }
        self.problems.insert(span, problem);
        Event::SpanFailed { job: JOB, span, fault }
    }

    /// The stretch of the grid that a video part makes.
    pub(super) fn range(&self, part: Part) -> Option<SpanRange> {
        match part {
            Part::Video(span) => self.plan.spans.get(span).copied(),
            Part::Audio => None,
        }
    }

    /// What people and spool directories call a part.
    pub(super) fn part_name(&self, span: SpanId) -> String {
        match self.parts[span.0 as usize] {
            Part::Video(number) => format!("video-{number}"),
            Part::Audio => "audio".to_owned(),
        }
    }
}

/// What a part needs while it runs. Video spans share the threads evenly, so that all of them run side by side where
/// there are as many threads. The audio pass needs a small part of one, so it is let in beside them.
pub(super) fn demand(part: Part, threads: u64, spans: usize) -> Vector {
    match part {
        Part::Video(_) => Vector::of(CPU_THREADS, (threads / spans.max(1) as u64).max(1)),
        Part::Audio => Vector::default(),
    }
}

fn finished(span: SpanId) -> Event {
    Event::SpanFinished { job: JOB, span }
}

fn fault_of(fault: Fault) -> scheduler::Fault {
    match fault {
        Fault::Input => scheduler::Fault::Input,
        Fault::Capacity => scheduler::Fault::Capacity,
        Fault::Device => scheduler::Fault::Device,
        Fault::Sink => scheduler::Fault::Sink,
        Fault::Cancelled => scheduler::Fault::Cancelled,
        Fault::Bug => scheduler::Fault::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_spans_as_asked_run_side_by_side_where_there_are_threads() {
        let fit = |threads: u64, spans: usize| threads / demand(Part::Video(0), threads, spans).get(&CPU_THREADS);
        for (threads, spans, side_by_side) in [(8, 1, 1), (8, 3, 4), (8, 8, 8), (2, 3, 2), (1, 1, 1)] {
            assert_eq!(fit(threads, spans), side_by_side, "{spans} spans on {threads} threads");
        }
        assert!(demand(Part::Audio, 8, 1).is_zero());
    }
}
