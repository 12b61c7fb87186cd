//! What a worker makes, on its way to the publisher, and manifests that follow.

use super::job::Job;
use super::now_unix_ms;
use crate::model::Problem;
use crate::publish::Recorded;
use crate::report::JobEvent;
use crate::wire::v1::from_worker::Message;
use reelmill_scheduler::SpanId;

impl Job {
    /// Acts on a message of a part that runs.
    pub(super) async fn published(&mut self, span: SpanId, message: Message) -> Result<(), Problem> {
        let part = self.parts[span.0 as usize];
        match message {
            Message::Init(init) => self.publisher.with(move |publisher| publisher.init(&init)).await,
            Message::Segment(segment) => {
                let Some(running) = self.running.get(&span) else { return Ok(()) };
                let (spool, bytes) = (running.spool.clone(), segment.files.iter().map(|file| file.bytes).sum());
                let recorded = self.publisher.with(move |publisher| publisher.segment(part, &spool, segment)).await?;
                running.worker.released(bytes);
                self.tell_recorded(recorded).await;
                self.refresh().await
            }
            Message::Progress(progress) => {
                let first = self.range(part).map_or(0, |range| range.first);
                let from_us = i64::from(first) * i64::from(self.plan.grid.segment_ms) * 1000;
                self.tracker.heard(part, from_us, &progress);
                Ok(())
            }
            _ => Err(Problem::bug("worker.protocol", "a worker answered what it was not asked; report this source")),
        }
    }

    /// Renders growing manifests where it is time to.
    pub(super) async fn refresh(&mut self) -> Result<(), Problem> {
        let now_ms = self.elapsed_ms();
        let playable = self.publisher.with(move |publisher| {
            let first = publisher.refresh(now_ms, now_unix_ms())?;
            Ok(first.then(|| super::masters(publisher.manifests())))
        });
        if let Some(manifests) = playable.await? {
            self.outcome.playable_after_ms = Some(now_ms);
            self.listener.tell(JobEvent::Playable { elapsed_ms: now_ms, manifests }).await;
        }
        Ok(())
    }

    /// Tells of segments that are now in the ledger.
    pub(super) async fn tell_recorded(&self, recorded: Vec<Recorded>) {
        for Recorded { track, index, bytes, end_us } in recorded {
            self.listener.tell(JobEvent::Segment { track, index, bytes, end_us }).await;
        }
    }
}
