//! What workers tell of their parts, and what follows when one is gone.

use super::fallback::Failure;
use super::parts::{Ends, PARTS, Running, Tag};
use super::{Broken, Job};
use crate::dispatch::blocking;
use crate::dispatch::engine::ToEngine;
use crate::model::device::DeviceFault;
use crate::model::{Fault, Problem};
use crate::publish::{Part, Spooled};
use crate::report::JobEvent;
use crate::report::metrics::PartEnd;
use crate::supervise::{Exit, Report, ability_of, said};
use crate::wire::v1;
use crate::wire::v1::from_worker::Message;
use reelmill_scheduler::{Event, SpanId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A worker that dies so often without having got any further dies of the media or of the code, not of the device.
const CRASHES_MAX: u32 = 2;

impl Job {
    pub(super) async fn reported(&mut self, (span, attempt): Tag, report: Report) -> Result<(), Broken> {
        let index = span.0 as usize;
        // A report of an attempt that is over; its exit has been told already.
        if self.running.get(&span).is_none_or(|running| running.attempt != attempt) {
            return Ok(());
        }
        match report {
            Report::Exited(exit) => self.exited(index, exit).await,
            Report::Kernel(used) => {
                self.kernel_said(index, used.cpu_us, used.memory_peak_bytes);
                Ok(())
            }
            Report::Stderr(text) => {
                self.worker_said(index, "error".into(), String::new(), text).await;
                Ok(())
            }
            Report::Message(Message::Log(line)) => {
                self.worker_said(index, line.level, line.track, line.text).await;
                Ok(())
            }
            Report::Message(Message::TraceSpan(step)) => {
                self.trace_step(span, step);
                Ok(())
            }
            Report::Message(Message::Usage(usage)) => {
                self.used(index, &usage);
                Ok(())
            }
            Report::Message(Message::PictureNote(note)) => self.picture_note(index, note).await,
            Report::Message(Message::TrackFailed(failed)) => self.rendition_failed(index, &failed).await,
            Report::Message(message) => match self.made(index, message).await {
                Ok(()) => Ok(()),
                Err(problem) => self.fail_outputs_of(index, &problem).await,
            },
        }
    }

    /// Passes a line on that a worker has written.
    async fn worker_said(&self, index: usize, level: String, track: String, text: String) {
        let (job, part, attempt) = (self.keeper.record.id, self.part_name(index), self.parts[index].attempts);
        tracing::debug!(%job, part, attempt, level, track, "{text}");
        self.note_worker(index, &level, &track, &text).await;
        self.tell_listener(JobEvent::Log { level, track, text }).await;
    }

    /// A worker goes on without a rendition that its device could not make, or that is to have on it what is not there
    /// any more.
    async fn rendition_failed(&mut self, index: usize, failed: &v1::TrackFailed) -> Result<(), Broken> {
        if failed.device_fault.is_empty() {
            let problem = said(Fault::Input, &failed.code, &failed.message);
            return self.fail_outputs_with(index, &BTreeSet::from([failed.track.clone()]), &problem).await;
        }
        let fault = DeviceFault::from_name(&failed.device_fault).unwrap_or(DeviceFault::Unsupported);
        if fault == DeviceFault::SoftwareFallback {
            self.figures.software_fallbacks += 1;
        }
        let problem = said(Fault::Device, &failed.code, &failed.message);
        let failure = Failure { fault, ability: ability_of(&failed.ability), problem };
        self.track_failed(index, &failed.track, failure).await
    }

    /// Whether a rendition of a part's work is made by another part now.
    fn has_left(&self, index: usize, rendition: &str) -> bool {
        let ours = |id: &String| id == rendition;
        let is_planned = self.plan.works[self.parts[index].work].plan.rendition_ids().any(|id| id == rendition);
        is_planned && !self.renditions_of(index).iter().any(ours) && self.parts[index].part != Part::Audio
    }

    /// Acts on what a worker made.
    async fn made(&mut self, index: usize, message: Message) -> Result<(), Problem> {
        let (work, part) = (self.parts[index].work, self.parts[index].part);
        match message {
            Message::Init(init) if self.has_left(index, &init.track) => Ok(()),
            Message::Init(init) => {
                self.begun.insert((work, init.track.clone()));
                let init = Arc::new(init);
                for output in self.outputs_with(work, &init.track) {
                    output.init(work, Arc::clone(&init));
                }
                Ok(())
            }
            Message::Segment(segment) => {
                self.count_segment(index, &segment);
                let span = SpanId(index as u32);
                let Some(running) = self.running.get(&span) else { return Ok(()) };
                if self.has_left(index, &segment.track) {
                    // Nobody wants it: its room is given back, and it goes with the worker's spool.
                    let bytes = segment.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
                    running.worker.releaser()(bytes);
                    return Ok(());
                }
                let packagings = self.packagings_of(index, &segment.track)?;
                let (rendition, number) = (segment.track.clone(), segment.index);
                if let Some(observed) = &mut self.parts[index].observed {
                    observed.segment(&segment.track, segment.frames);
                }
                let (from, into) = (running.spool.clone(), self.spool.clone());
                let (room, waiting) = (running.worker.releaser(), Arc::clone(&self.spooled));
                let bytes = segment.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
                let both = [waiting, Arc::clone(&self.unpublished)];
                for count in &both {
                    count.fetch_add(bytes, Ordering::Relaxed);
                }
                let undo = both.clone();
                let release = Box::new(move |released| {
                    for count in &both {
                        count.fetch_sub(bytes, Ordering::Relaxed);
                    }
                    room(released);
                });
                let taken = blocking(move || Spooled::take(&from, &into, segment, &packagings, release)).await;
                let taken = taken.inspect_err(|_| {
                    for count in &undo {
                        count.fetch_sub(bytes, Ordering::Relaxed);
                    }
                })?;
                let taken = Arc::new(taken);
                self.segment_kept(index, &rendition, bytes);
                self.segment_came();
                for output in self.outputs_with(work, &rendition) {
                    output.segment(work, part, Arc::clone(&taken));
                }
                let next = self.parts[index].next.entry(rendition).or_default();
                *next = (*next).max(number.saturating_add(1));
                Ok(())
            }
            Message::Picture(picture) => self.picture_made(index, picture).await,
            Message::Loudness(told) => {
                self.heard_loudness(work, told);
                Ok(())
            }
            Message::Progress(progress) => {
                let first = self.range(index).map_or(0, |range| range.first);
                let from_us = i64::from(first) * i64::from(self.plan.works[work].plan.grid.segment_ms) * 1000;
                self.figures.heard(work, part, from_us, &progress);
                self.parts[index].observed.iter().for_each(|observed| observed.heard(&progress));
                Ok(())
            }
            _ => Err(Problem::bug("worker.protocol", "a worker answered what it was not asked; report this source")),
        }
    }

    /// A worker is gone.
    async fn exited(&mut self, index: usize, exit: Exit) -> Result<(), Broken> {
        let span = SpanId(index as u32);
        if let Exit::Finished(stats) = &exit {
            // Where the kernel has told more exactly, this adds nothing.
            self.kernel_said(index, stats.cpu_ms.saturating_mul(1000), None);
            self.parts[index].observed.iter().for_each(|observed| observed.ended(stats));
        }
        self.bill_device(index);
        let Some(running) = self.running.remove(&span) else { return Ok(()) };
        let Running { spool, dropped, yields, spending, counted, mut trace, .. } = running;
        self.settings.telemetry.metrics.worker_exited(exit.name());
        self.spent_all(spending, !matches!(exit, Exit::Finished(_)));
        if let Some(problem) = exit.problem().filter(|_| !yields) {
            trace.fail(&problem);
        }
        drop(trace);
        self.parts[index].waits_since = Instant::now();
        // Nothing in it is of use: what was announced has left it. It is inside the job's spool, which goes anyway.
        let _ = blocking(move || Ok(std::fs::remove_dir_all(spool))).await;
        self.end_what_waited();
        let observed = self.parts[index].observed.take();
        if yields && exit == Exit::Stopped {
            self.settings.telemetry.metrics.part_ended(PartEnd::Yielded);
            let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms: 0, blame: None });
            return Ok(());
        }
        if let Some(failure) = device_failure(&exit)
            && let Some(ran) = self.parts[index].ran.clone()
        {
            return self.part_failed_on(index, ran, failure).await;
        }
        if let Some(problem) = exit.problem() {
            return self.part_failed(index, problem).await;
        }
        if let Exit::Finished(stats) = exit {
            self.count_finished(index, &counted);
            self.figures.finished(self.parts[index].work, self.parts[index].part, stats.decode_errors);
            if observed.is_some_and(|observed| observed.finished(&stats)) {
                let rates = Arc::clone(&self.settings.rates);
                // Fails only by a panic; what could not be kept is told to the log by itself.
                let _ = tokio::task::spawn_blocking(move || rates.keep()).await;
            }
        }
        self.store_end(index, &dropped).await?;
        self.parts[index].done = true;
        let part = self.part_name(index);
        self.tell_listener(JobEvent::PartFinished { part }).await;
        self.keep_usage(true).await?;
        self.part_is_done(index).await?;
        self.happened(Event::SpanFinished { job: self.number, span });
        Ok(())
    }

    /// Stores where a finished part ends, so that a later attempt knows whether anything of it is missing.
    async fn store_end(&mut self, index: usize, dropped: &BTreeSet<String>) -> Result<(), Broken> {
        let id = self.keeper.record.id;
        let stored = self.settings.store.document(id, PARTS).await?;
        let mut ends: Ends = stored.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        // Of what was dropped on the way nobody knows where it would have ended.
        let made = self.parts[index].next.iter().filter(|(id, _)| !dropped.contains(*id));
        let made: Vec<_> = made.map(|(id, end)| (id.clone(), *end)).collect();
        ends.entry(self.part_key(index)).or_default().extend(made);
        if self.parts[index].part == Part::Audio {
            self.store_loudness().await?;
        }
        let json = serde_json::to_vec(&ends).unwrap_or_default();
        Ok(self.settings.store.put_document(id, self.keeper.record.attempt, PARTS, json).await?)
    }

    /// An attempt at a part failed: it is tried again where that may help, else its outputs fail.
    pub(super) async fn part_failed(&mut self, index: usize, problem: Problem) -> Result<(), Broken> {
        let span = SpanId(index as u32);
        let at = self.resume_point(index);
        let part = &mut self.parts[index];
        part.stuck = if part.stuck.0 > 0 && part.stuck.1 == at { (part.stuck.0 + 1, at) } else { (1, at) };
        part.failures += 1;
        let (attempts, failures) = (part.attempts, part.failures);
        let (stuck, done) = (part.stuck.0, part.done || self.suspended);
        if !done && problem.fault != Fault::Cancelled {
            let part = self.part_name(index);
            self.tell_listener(JobEvent::PartFailed { part, attempt: attempts, problem: problem.clone() }).await;
        }
        let again = match problem.fault {
            Fault::Device if stuck < CRASHES_MAX => self.keeper.record.spec.retry.delay_ms(failures, fastrand::u64(..)),
            Fault::Sink | Fault::Capacity => self.keeper.record.spec.retry.delay_ms(failures, fastrand::u64(..)),
            _ => None,
        };
        let again = again.filter(|_| !done);
        self.figures.retries += u32::from(again.is_some());
        self.count_failed(again.is_some(), done, problem.fault);
        let wait_ms = again.unwrap_or(0);
        if again.is_none() && !done {
            self.fail_outputs_of(index, &problem).await?;
            self.parts[index].done = true;
            self.happened(Event::SpanDropped { job: self.number, span });
        }
        let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms, blame: None });
        Ok(())
    }

    /// Fails every output that consists of a part.
    pub(super) async fn fail_outputs_of(&mut self, index: usize, problem: &Problem) -> Result<(), Broken> {
        let wanted = self.wanted_of(index);
        self.fail_outputs_with(index, &wanted, problem).await
    }

    /// Fails every output that has one of these renditions of a part's work.
    pub(super) async fn fail_outputs_with(
        &mut self,
        index: usize,
        wanted: &BTreeSet<String>,
        problem: &Problem,
    ) -> Result<(), Broken> {
        let work = self.parts[index].work;
        let plan = Arc::clone(&self.plan);
        for (output, planned) in plan.outputs.iter().enumerate() {
            let mut uses = planned.iter().flat_map(|planned| planned.uses());
            if uses.any(|(of, rendition)| of == work && wanted.contains(rendition)) {
                self.fail_output(output, problem.clone()).await?;
            }
        }
        Ok(())
    }
}

/// What a worker's end says of the device that it ran on.
fn device_failure(exit: &Exit) -> Option<Failure> {
    let (fault, ability) = match exit {
        Exit::DeviceFailed { fault, ability, .. } => (*fault, ability.clone()),
        Exit::Hung => (DeviceFault::Hung, String::new()),
        // Drivers crash the process that uses them.
        Exit::Signalled { .. } => (DeviceFault::Corrupt, String::new()),
        _ => return None,
    };
    Some(Failure { fault, ability, problem: exit.problem()? })
}
