//! How far the job is, for those who watch: from what workers say is encoded and what outputs say is published.

use super::Job;
use crate::model::plan::JobPlan;
use crate::model::time::scale_round;
use crate::publish::Part;
use crate::report::{JobEvent, JobProgress, OutputProgress, Tracker};
use crate::store::{LedgerEntry, LedgerRow};
use crate::wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What has been heard.
pub(super) struct Figures {
    shows: watch::Sender<Arc<JobProgress>>,
    /// One for each work of the plan.
    pub(super) trackers: Vec<Tracker>,
    /// End of what is published, µs, by output and track.
    published: BTreeMap<(usize, String), i64>,
    /// Media that was published before this attempt, µs, by output.
    head_start: BTreeMap<usize, i64>,
    /// Attempts at parts that failed and were made up for.
    pub(super) retries: u32,
    /// Decoders that fell back to software by themselves.
    pub(super) software_fallbacks: u32,
}

impl Figures {
    pub(super) fn new(shows: watch::Sender<Arc<JobProgress>>) -> Self {
        Self {
            shows,
            trackers: Vec::new(),
            published: BTreeMap::new(),
            head_start: BTreeMap::new(),
            retries: 0,
            software_fallbacks: 0,
        }
    }

    /// The plan is known.
    pub(super) fn planned(&mut self, plan: &JobPlan) {
        let tracker = |plan: &crate::model::Plan| {
            // Single pictures are no measure of how far the rest is.
            let is_alone = plan.video.is_none() && plan.audio.is_empty();
            let sets = plan.stills.iter().flat_map(|stills| &stills.sets).map(|set| set.id.as_str());
            let sets: Vec<&str> = if is_alone { Vec::new() } else { sets.collect() };
            let tracks = plan.rendition_ids().filter(|id| !sets.contains(id)).map(str::to_owned).collect();
            Tracker::new(tracks, plan.duration_us)
        };
        self.trackers = plan.works.iter().map(|work| tracker(&work.plan)).collect();
    }

    /// What an earlier attempt had published of a track of an output.
    pub(super) fn resume(&mut self, output: usize, rows: &[LedgerRow], timescale: impl Fn(&str) -> u32) {
        for row in rows {
            let LedgerEntry::Segment(segment) = &row.entry else { continue };
            let end_us = scale_round(segment.record.end(), 1_000_000, i64::from(timescale(&row.track).max(1)));
            self.published(output, &row.track, end_us);
        }
    }

    /// A segment is published.
    pub(super) fn published(&mut self, output: usize, track: &str, end_us: i64) {
        self.published.insert((output, track.to_owned()), end_us);
    }

    /// Ends of what is published of an output, µs, by track.
    pub(super) fn published_of(&self, output: usize) -> Vec<(String, i64)> {
        let ours = self.published.iter().filter(|((of, _), _)| *of == output);
        ours.map(|((_, track), us)| (track.clone(), *us)).collect()
    }

    /// A worker said how far it is.
    pub(super) fn heard(&mut self, work: usize, part: Part, from_us: i64, progress: &v1::Progress) {
        if let Some(tracker) = self.trackers.get_mut(work) {
            tracker.heard(part, from_us, progress);
        }
    }

    /// A rendition of a work starts over: what was made and published of it counts no more.
    pub(super) fn starts_over(&mut self, plan: &JobPlan, work: usize, rendition: &str) {
        if let Some(tracker) = self.trackers.get_mut(work) {
            tracker.starts_over(rendition);
        }
        let is_it = |output: usize, id: &str| {
            let mut tracks = plan.outputs.get(output).into_iter().flatten().flat_map(|planned| &planned.tracks);
            tracks.any(|used| used.id == id && (used.work, used.rendition.as_str()) == (work, rendition))
        };
        self.published.retain(|(output, id), _| !is_it(*output, id));
    }

    /// A part is made.
    pub(super) fn finished(&mut self, work: usize, part: Part, decode_errors: u64) {
        if let Some(tracker) = self.trackers.get_mut(work) {
            tracker.finished(part, decode_errors);
        }
    }

    /// Packets that could not be decoded, over all works.
    pub(super) fn decode_errors(&self) -> u64 {
        self.trackers.iter().map(Tracker::decode_errors).sum()
    }
}

impl Job {
    /// Tells how far the job is to whoever looks.
    pub(super) fn tell_progress(&mut self) {
        let elapsed_ms = self.elapsed_ms();
        let progress = JobProgress {
            elapsed_ms,
            read_bytes: self.read_so_far(),
            decode_errors: self.figures.decode_errors(),
            outputs: (0..self.outputs.len()).filter_map(|output| self.output_progress(output, elapsed_ms)).collect(),
            usage: Some(self.bill()),
        };
        // Nobody looking is fine.
        let _ = self.figures.shows.send(Arc::new(progress));
        if let (Some(listener), Some(tracker)) = (&self.listener, self.figures.trackers.first()) {
            // Left out when the receiver lags: the next one says more.
            let _ = listener.try_send(JobEvent::Progress(tracker.snapshot(elapsed_ms)));
        }
    }

    fn output_progress(&mut self, output: usize, elapsed_ms: u64) -> Option<OutputProgress> {
        let live = self.outputs[output].as_ref()?;
        let planned = self.plan.outputs.get(output)?.as_ref()?;
        let alone = planned.pictures.iter().filter(|_| planned.tracks.is_empty());
        let made = planned.tracks.iter().map(|track| (track.work, &track.rendition));
        let encoded = made.chain(alone.map(|pictures| (pictures.work, &pictures.set))).map(|(work, rendition)| {
            let tracker = self.figures.trackers.get(work);
            tracker.map_or(0, |tracker| tracker.media_us(rendition))
        });
        let published = |track: &str| self.figures.published.get(&(output, track.to_owned())).copied().unwrap_or(0);
        let published_us = planned.tracks.iter().map(|track| published(&track.id)).min().unwrap_or(0);
        let done_us = encoded.min().unwrap_or(0).max(published_us);
        let began_us = *self.figures.head_start.entry(output).or_insert(published_us);
        let gained = u64::try_from(done_us - began_us).unwrap_or(0);
        let rest = planned.duration_us.map(|total| u64::try_from(total - done_us).unwrap_or(0));
        Some(OutputProgress {
            output,
            media_done_us: done_us,
            media_published_us: published_us,
            total_us: planned.duration_us,
            speed_percent: gained / (elapsed_ms.max(1) * 10),
            eta_ms: rest.filter(|_| gained > 0).map(|rest| {
                let wait = scale_round(rest as i64, elapsed_ms as i64, gained as i64);
                u64::try_from(wait).unwrap_or(0)
            }),
            uploaded_bytes: live.uploaded_bytes(),
        })
    }
}
