//! What a job counts for metrics beside what takes one line.

use super::Job;
use super::choices::CPU;
use crate::model::state::JobState;
use crate::model::text::TEXT_TIMESCALE;
use crate::model::{Fault, JobRecord};
use crate::publish::Part;
use crate::report::metrics::{EncodedSegment, Metrics, PartEnd, PartRun};
use crate::wire::v1;
use reelmill_scheduler::SpanId;
use std::collections::BTreeMap;
use std::time::Duration;

/// A part that runs, as it is counted.
#[derive(Debug)]
pub(super) struct Counted {
    run: PartRun,
    /// Media time that this attempt has made, of each rendition, microseconds.
    media_us: BTreeMap<String, u64>,
}

/// An attempt begins. The first one ends the wait: from when the job was accepted, or from when it was to begin.
pub(super) fn begins(metrics: &Metrics, record: &JobRecord, now_unix_ms: i64) {
    if record.attempt == 1 {
        let from = record.created_unix_ms.max(record.not_before_unix_ms);
        let waited = u64::try_from(now_unix_ms.saturating_sub(from)).unwrap_or(0);
        metrics.job_begins(record.spec.priority, Duration::from_millis(waited));
    }
}

/// The job is over.
pub(super) fn ended(metrics: &Metrics, record: &JobRecord) {
    let state: JobState = record.state();
    metrics.job_ended(record.spec.priority, state, &record.spec.owner);
}

/// What is known of a rendition of a work.
struct Known<'a> {
    codec: &'a str,
    /// Ticks a second.
    timescale: u64,
    /// Pixels of a picture; 0 for sound.
    pixels: u64,
}

impl Job {
    pub(super) fn count_start(&self, index: usize) -> Counted {
        let device = self.parts[index].ran.as_ref().map_or(CPU, |ran| ran.id.0.as_str());
        Counted { run: self.settings.telemetry.metrics.part_runs(device), media_us: BTreeMap::new() }
    }

    /// A worker made a segment.
    pub(super) fn count_segment(&mut self, index: usize, segment: &v1::Segment) {
        let Some(known) = self.known(index, &segment.track) else { return };
        // A worker is not trusted: what it says is checked later, and must not overflow here.
        let ticks = u64::try_from(segment.duration).unwrap_or(0);
        let media_us = u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(known.timescale)).unwrap_or(0);
        let pixels = known.pixels.saturating_mul(u64::from(segment.frames));
        let device = self.maker(index, &segment.track);
        let made = EncodedSegment { codec: known.codec, device, media_us, pixels };
        self.settings.telemetry.metrics.segment_made(made);
        if let Some(running) = self.running.get_mut(&SpanId(index as u32)) {
            let sum = running.counted.media_us.entry(segment.track.clone()).or_default();
            *sum = sum.saturating_add(media_us);
        }
    }

    /// A part was made to its end.
    pub(super) fn count_finished(&self, index: usize, counted: &Counted) {
        let metrics = &self.settings.telemetry.metrics;
        metrics.part_ended(PartEnd::Finished);
        for (rendition, media_us) in &counted.media_us {
            if let Some(known) = self.known(index, rendition) {
                metrics.encoded(known.codec, self.maker(index, rendition), *media_us, counted.run.elapsed());
            }
        }
    }

    /// An attempt at a part failed; nothing follows from one that nobody wanted any more.
    pub(super) fn count_failed(&self, again: bool, unwanted: bool, fault: Fault) {
        match (again, unwanted) {
            (true, _) => self.settings.telemetry.metrics.retried(fault),
            (false, false) => self.settings.telemetry.metrics.part_ended(PartEnd::Failed),
            (false, true) => {}
        }
    }

    /// The device that encodes a rendition in the part's present attempt.
    fn maker(&self, index: usize, rendition: &str) -> &str {
        let makers = self.groups[self.parts[index].group].makers.as_ref();
        let by_cpu = makers.and_then(|makers| makers.get(rendition)).is_none_or(|maker| maker == CPU);
        self.parts[index].ran.as_ref().filter(|_| !by_cpu).map_or(CPU, |ran| ran.id.0.as_str())
    }

    fn known(&self, index: usize, rendition: &str) -> Option<Known<'_>> {
        let plan = &self.plan.works[self.parts[index].work].plan;
        match self.parts[index].part {
            Part::Video(_) => {
                let video = plan.video.as_ref()?;
                let rung = video.renditions.iter().find(|rung| rung.id == rendition)?;
                let pixels = u64::from(rung.width) * u64::from(rung.height);
                Some(Known { codec: rung.codec.traits().name, timescale: u64::from(video.timescale.max(1)), pixels })
            }
            Part::Stills => None,
            Part::Audio => {
                if let Some(text) = plan.text.iter().find(|text| text.id == rendition) {
                    return Some(Known { codec: text.format.name(), timescale: u64::from(TEXT_TIMESCALE), pixels: 0 });
                }
                let audio = plan.audio.iter().find(|audio| audio.id == rendition)?;
                let timescale = u64::from(audio.sample_rate.max(1));
                Some(Known { codec: audio.codec.traits().name, timescale, pixels: 0 })
            }
        }
    }
}
