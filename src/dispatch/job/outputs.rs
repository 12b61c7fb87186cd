//! The outputs of a job that runs: begun, heard, ended; and what is no longer made when one of them is gone.

use super::report::Made;
use super::traced::PublishTrace;
use super::{Broken, Job};
use crate::dispatch::now_unix_ms;
use crate::model::plan::OutputPlan;
use crate::model::state::{OutputEvent, OutputState};
use crate::model::{Packaging, Problem};
use crate::publish::sink::{Leave, Sink};
use crate::publish::{self, Assignment, Ending, OutputTask, Recorded, Told};
use crate::report::JobEvent;
use crate::store::{LedgerRow, LogLevel};
use reelmill_scheduler::{Event, SpanId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that the job waits for what a destination has to be removed of.
const TAKE_AWAY_MAX: Duration = Duration::from_secs(60);

/// An output whose task runs.
pub(super) struct Live {
    task: OutputTask,
    /// Parts of the job that it still waits for, by index.
    pub(super) waits_for: BTreeSet<usize>,
    ending: Option<Ending>,
    /// The task has not been told yet: workers still write to a spool that goes with the destination.
    untold: bool,
    made: Made,
    trace: PublishTrace,
}

impl Live {
    /// Begins the end of the task, once; `later` when it is to be told only by [`Live::tell`].
    fn end(&mut self, ending: Ending, later: bool) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.untold = true;
            if !later {
                self.tell();
            }
        }
    }

    fn tell(&mut self) {
        if let Some(ending) = self.ending.filter(|_| std::mem::take(&mut self.untold)) {
            self.task.end(ending);
        }
    }

    /// The task, while the output is wanted.
    pub(super) fn wanted(&self) -> Option<&OutputTask> {
        self.ending.is_none().then_some(&self.task)
    }

    /// What the daemon spends on it.
    pub(super) const fn meter(&self) -> &Arc<publish::Meter> {
        self.task.meter()
    }

    pub(super) fn uploaded_bytes(&self) -> u64 {
        self.task.uploaded_bytes()
    }
}

impl Job {
    /// Begins the end of an output that has a task. Where segments wait inside the destination, the workers go first:
    /// nothing can be taken away under those who still write there.
    pub(super) fn end_output(&mut self, output: usize, ending: Ending) {
        let later = self.settings.spool.is_none() && !self.running.is_empty();
        if let Some(live) = &mut self.outputs[output] {
            live.end(ending, later);
        }
    }

    /// A segment is on its way to the outputs.
    pub(super) fn segment_came(&mut self) {
        self.outputs.iter_mut().flatten().for_each(|live| live.trace.came());
    }

    /// The last worker is gone: outputs whose end waited for that go on to it.
    pub(super) fn end_what_waited(&mut self) {
        if self.running.is_empty() {
            self.outputs.iter_mut().flatten().for_each(Live::tell);
        }
    }

    /// Where an output goes; opened once.
    pub(super) fn sink(&mut self, output: usize) -> Result<Arc<dyn Sink>, Problem> {
        if let Some(sink) = &self.sinks[output] {
            return Ok(Arc::clone(sink));
        }
        let spec = &self.keeper.record.spec.outputs[output];
        let sink = self.settings.sinks.open(&spec.destination, &spec.upload, self.keeper.record.id)?;
        self.sinks[output] = Some(Arc::clone(&sink));
        Ok(sink)
    }

    /// Starts the task of an output with what the ledger holds of it.
    pub(super) fn start_output(&mut self, output: usize, rows: Vec<LedgerRow>) -> Result<(), Problem> {
        let sink = self.sink(output)?;
        let record = &self.keeper.record;
        let assignment = Assignment {
            job: record.id,
            attempt: record.attempt,
            output,
            plan: Arc::clone(&self.plan),
            sink,
            store: Arc::clone(&self.settings.store),
            rows,
            generations: self.generations.clone(),
            scratch: self.spool.join(format!("output-{output}")),
            spooled: Arc::clone(&self.spooled),
            retry: self.settings.upload_retry,
            started_unix_ms: record.begun_unix_ms.unwrap_or_else(now_unix_ms),
            uploads: self.settings.uploads,
            cover: self.covers[output].clone(),
        };
        let task = publish::start(assignment, self.tell.clone());
        let (waits_for, made, trace) = (BTreeSet::new(), Made::default(), self.trace_publish(output));
        self.outputs[output] = Some(Live { task, waits_for, ending: None, untold: false, made, trace });
        Ok(())
    }

    /// Acts on what the task of an output tells.
    pub(super) async fn output_told(&mut self, output: usize, told: Told) -> Result<(), Broken> {
        match told {
            Told::Recorded(Recorded { track, index, bytes, end_us, latency }) => {
                self.settings.telemetry.metrics.published(bytes, latency);
                self.figures.published(output, &track, end_us);
                if let Some(live) = &mut self.outputs[output] {
                    live.trace.stored(bytes);
                }
                self.tell_listener(JobEvent::Segment { track, index, bytes, end_us }).await;
            }
            Told::Pictured(picture) => {
                self.settings.telemetry.metrics.published(picture.bytes, Duration::ZERO);
                if let Some(live) = &mut self.outputs[output] {
                    live.trace.stored(picture.bytes);
                }
                self.tell_listener(JobEvent::Picture(picture)).await;
            }
            // Told before it heard that it is to end, and taken away by now.
            Told::Playable if self.outputs[output].as_ref().is_none_or(|live| live.ending.is_some()) => {}
            Told::Playable => {
                let elapsed_ms = self.elapsed_ms();
                self.keeper.record.playable(output, now_unix_ms());
                self.note_output(output, LogLevel::Info, "can be played from now on");
                self.keeper.save().await?;
                let manifests = self.masters(output);
                self.tell_listener(JobEvent::Playable { elapsed_ms, manifests }).await;
            }
            Told::Warning(note) => {
                self.warn(output, note).await;
                self.keeper.save().await?;
            }
            Told::Ready(summary) => {
                if let Some(live) = &self.outputs[output] {
                    live.trace.ready(&summary);
                }
                let record = &mut self.keeper.record.outputs[output];
                (record.tracks, record.files, record.pictures) = (summary.tracks, summary.files, summary.pictures);
                self.keeper.record.output(output, OutputEvent::Publish, now_unix_ms(), None);
                self.note_output(output, LogLevel::Info, "is ready");
                self.keeper.save().await?;
                self.end_output(output, Ending::Keep);
            }
            Told::Failed(problem) => self.fail_output(output, problem).await?,
            Told::Ended => {
                self.worked_no_more(output);
                let Some(live) = self.outputs[output].take() else { return Ok(()) };
                // Nobody told it to: another attempt owns the job.
                if live.ending.is_none() {
                    return Err(Broken::Fenced);
                }
                // Refused by the table unless it was asked to stop.
                self.keeper.record.output(output, OutputEvent::EndStopped, now_unix_ms(), None);
                self.keeper.save().await?;
                if let Some(report) = live.made.take().filter(|_| live.ending == Some(Ending::Keep)) {
                    self.tell_listener(JobEvent::Done(Box::new(report))).await;
                }
            }
        }
        Ok(())
    }

    /// An output cannot be made. The others go on, unless the job says otherwise.
    pub(super) async fn fail_output(&mut self, output: usize, problem: Problem) -> Result<(), Broken> {
        let fault = problem.fault;
        let problem = Self::problem_at(output, problem);
        let sentence = format!("has failed: {problem}");
        if !self.keeper.record.output(output, OutputEvent::Fail, now_unix_ms(), Some(problem.clone())) {
            return Ok(());
        }
        self.note_output(output, LogLevel::Error, sentence);
        if let Some(live) = &mut self.outputs[output] {
            live.trace.fail(&problem);
        }
        self.settings.telemetry.metrics.output_failed(fault);
        let begun = self.outputs[output].is_some();
        // What a retry can go on from is kept; a mere claim is nothing of the kind.
        let is_kept = self.settings.keep_failed && (begun || self.rows.iter().any(|row| row.output == output));
        if !begun && self.keeper.record.outputs[output].checked {
            let leave = if is_kept { Leave::Segments } else { Leave::Nothing };
            self.take_away(output, leave).await?;
        }
        let ending = if is_kept { Ending::Fail } else { Ending::Remove };
        self.end_output(output, ending);
        if self.keeper.record.spec.stop_on_failure {
            let message = format!("another output failed, and the job says to stop then: {output}");
            self.ask_to_stop(
                0..self.outputs.len(),
                &Problem::new(crate::model::Fault::Cancelled, "job.output_failed", message),
            );
        }
        self.keeper.save().await?;
        self.end_what_was_asked_to_stop().await
    }

    /// Begins the end of every output that is to be stopped, and of what was made only for those.
    pub(super) async fn end_what_was_asked_to_stop(&mut self) -> Result<(), Broken> {
        for output in 0..self.outputs.len() {
            if self.keeper.record.outputs[output].state() != OutputState::Stopping {
                continue;
            }
            if self.outputs[output].is_none() && self.keeper.record.outputs[output].checked {
                self.take_away(output, Leave::Nothing).await?;
            }
            if self.outputs[output].is_some() {
                self.end_output(output, Ending::Remove);
            } else {
                self.keeper.record.output(output, OutputEvent::EndStopped, now_unix_ms(), None);
            }
        }
        self.keeper.save().await?;
        self.shed();
        Ok(())
    }

    /// Has what an output without a task left at its destination removed, as far as it is to go.
    async fn take_away(&mut self, output: usize, leave: Leave) -> Result<(), Broken> {
        let gone = match self.sink(output) {
            Ok(sink) => match tokio::time::timeout(TAKE_AWAY_MAX, sink.abandon(leave)).await {
                Ok(gone) => gone.map_err(|error| error.problem),
                Err(_) => Err(Problem::sink("output.left_behind", "removing what was published took too long")),
            },
            Err(problem) => Err(problem),
        };
        if let Err(problem) = gone {
            let output = self.keeper.record.outputs[output].id.as_str();
            tracing::error!(job = %self.keeper.record.id, output, %problem, "what was published could not be removed");
        }
        if leave == Leave::Nothing {
            let record = &self.keeper.record;
            self.settings.store.forget(record.id, record.attempt, output).await?;
            self.keeper.record.outputs[output].checked = false;
        }
        Ok(())
    }

    /// The manifests of an output that players are given, by path below its destination.
    fn masters(&self, output: usize) -> Vec<String> {
        let planned = self.plan.outputs.get(output).and_then(Option::as_ref);
        let of = |packaging: &Packaging| match packaging {
            Packaging::Cmaf => &["cmaf/manifest.mpd", "cmaf/master.m3u8"][..],
            Packaging::Ts => &["ts/master.m3u8"][..],
        };
        let paths = planned.iter().flat_map(|planned| &planned.packagings).flat_map(of);
        paths.map(|path| (*path).to_owned()).collect()
    }

    /// Has nothing made any more that no output wants.
    pub(super) fn shed(&mut self) {
        for index in 0..self.parts.len() {
            if self.parts[index].done {
                continue;
            }
            let wanted = self.wanted_of(index);
            let span = SpanId(index as u32);
            if wanted.is_empty() {
                self.parts[index].done = true;
                self.happened(Event::SpanDropped { job: self.number, span });
                continue;
            }
            let unwanted: Vec<String> =
                self.renditions_of(index).into_iter().filter(|rendition| !wanted.contains(rendition)).collect();
            if let Some(running) = self.running.get_mut(&span) {
                running.drop_tracks(unwanted);
            }
        }
    }

    /// The renditions of a part that some output still wants.
    pub(super) fn wanted_of(&self, part: usize) -> BTreeSet<String> {
        let work = self.parts[part].work;
        let made: BTreeSet<String> = self.renditions_of(part).into_iter().collect();
        let wanted = |output: usize| self.outputs[output].as_ref().is_some_and(|live| live.wanted().is_some());
        let live = self.plan.outputs.iter().enumerate().filter(|(index, _)| wanted(*index));
        let uses = live.flat_map(|(_, output)| output.iter().flat_map(OutputPlan::uses));
        let used = uses.filter(|(of, rendition)| *of == work && made.contains(*rendition));
        used.map(|(_, rendition)| rendition.to_owned()).collect()
    }

    /// A part is done: outputs that waited only for it are finished.
    pub(super) async fn part_is_done(&mut self, part: usize) -> Result<(), Broken> {
        let (work, which) = (self.parts[part].work, self.parts[part].part);
        let made: BTreeSet<String> = self.renditions_of(part).into_iter().collect();
        let mut encoded = Vec::new();
        for (index, live) in self.outputs.iter_mut().enumerate() {
            let Some(live) = live else { continue };
            if !live.waits_for.remove(&part) {
                continue;
            }
            live.task.part_done(work, which, made.clone());
            if live.waits_for.is_empty() && live.ending.is_none() {
                encoded.push(index);
            }
        }
        for output in encoded {
            self.finish_output(output).await?;
        }
        Ok(())
    }

    /// Everything of an output is encoded.
    pub(super) async fn finish_output(&mut self, output: usize) -> Result<(), Broken> {
        self.keeper.record.output(output, OutputEvent::Encoded, now_unix_ms(), None);
        self.keeper.save().await?;
        if let Some(made) = self.outputs[output].as_ref().map(|live| live.made.clone()) {
            let report = self.report_maker(output, made);
            if let Some(live) = &self.outputs[output] {
                live.task.finish(report);
            }
        }
        Ok(())
    }
}
