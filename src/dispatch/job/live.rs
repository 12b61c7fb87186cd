//! The loop of a job that runs, and what it can be asked meanwhile.

use super::{Broken, Job, Tag};
use crate::dispatch::command::Command;
use crate::dispatch::engine::{ToEngine, ToJob};
use crate::dispatch::now_unix_ms;
use crate::model::Problem;
use crate::model::state::{JobEvent as On, OutputEvent};
use crate::publish::{Ending, Told};
use crate::supervise::Report;
use reelmill_scheduler::Event;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often progress is told.
const TICK: Duration = Duration::from_millis(500);

impl Job {
    /// Does what comes until every output is over and every worker gone.
    pub(super) async fn watch(
        &mut self,
        mut heard: mpsc::Receiver<(Tag, Report)>,
        mut told: mpsc::Receiver<(usize, Told)>,
        actions: Option<mpsc::UnboundedReceiver<ToJob>>,
    ) -> Result<(), Broken> {
        // Without spans there are no actions, and a closed channel would be read for ever.
        let (_open, silent) = mpsc::unbounded_channel();
        let mut actions = actions.unwrap_or(silent);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.is_quiet() {
            self.hand_back_if_idle();
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => self.command(command).await?,
                Some(told) = actions.recv() => self.told(told).await?,
                // Before reports, since a worker that floods the log must not hold back what is published.
                Some((output, told)) = told.recv() => self.output_told(output, told).await?,
                _ = tick.tick() => {
                    self.tell_progress();
                    self.keep_usage(false).await?;
                    self.store_story().await;
                }
                Some((tag, report)) = heard.recv() => self.reported(tag, report).await?,
            }
        }
        Ok(())
    }

    /// Whether nothing of the job runs here any more.
    fn is_quiet(&self) -> bool {
        let idle = self.running.is_empty() && self.outputs.iter().all(Option::is_none);
        idle && (self.suspended || self.all_over())
    }

    /// Does what the job is asked, and answers once it is stored.
    pub(super) async fn command(&mut self, command: Command) -> Result<(), Broken> {
        match command {
            Command::Stop(answer) => {
                let now = now_unix_ms();
                self.ask_to_stop(0..self.outputs.len(), &Problem::cancelled());
                self.keeper.record.job(On::Stop, now, Some(Problem::cancelled()));
                self.keeper.save().await?;
                // Whoever asked may have gone away.
                let _ = answer.send(Ok(self.keeper.stored().revision));
                self.end_what_was_asked_to_stop().await
            }
            Command::StopOutputs(outputs, answer) => {
                let asked = self.ask_to_stop(outputs, &Problem::cancelled());
                self.keeper.save().await?;
                let _ = answer.send(Ok(asked));
                self.end_what_was_asked_to_stop().await
            }
            Command::Suspend => {
                self.suspend_now();
                Ok(())
            }
            Command::HoldSpans(hold) => {
                self.hold_spans(hold);
                Ok(())
            }
            Command::HandBack => {
                self.hand_back();
                Ok(())
            }
        }
    }

    /// Begins the end of the attempt, and keeps everything for the next one.
    pub(super) fn suspend_now(&mut self) {
        self.suspended = true;
        for output in 0..self.outputs.len() {
            self.end_output(output, Ending::Suspend);
        }
        self.happened(Event::JobCancelled { job: self.number });
    }

    /// Marks outputs as to be stopped; for each whether it was still to be stopped.
    pub(super) fn ask_to_stop(&mut self, outputs: impl IntoIterator<Item = usize>, why: &Problem) -> Vec<bool> {
        let now = now_unix_ms();
        let record = &mut self.keeper.record;
        outputs.into_iter().map(|index| record.output(index, OutputEvent::Stop, now, Some(why.clone()))).collect()
    }

    /// Tells the engine what happened to the job's spans.
    pub(super) fn happened(&self, event: Event) {
        // Fails only when the engine has ended, which it does after its jobs.
        let _ = self.engine.send(ToEngine::Happened(event));
    }
}
