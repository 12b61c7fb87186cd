//! What the job uses, as it comes in: workers' running totals, bytes made, the daemon's own time for each output. Kept as a
//! document beside the job, so that a new life of it goes on counting; at the end the bill goes where it outlives the job.

use super::billed::{Taken, by_stage};
use super::parts::Running;
use super::{Broken, Job};
use crate::model::Plan;
use crate::model::bill::{JobUsage, OutputUsage, UsageRow};
use crate::model::job::OutputRecord;
use crate::model::plan::JobPlan;
use crate::model::state::OutputState;
use crate::model::usage::Stage;
use crate::publish::{Meter, Part, Summary};
use crate::store::{LedgerEntry, StoreError};
use crate::usage::{Accounts, Attempt, Audience, DOCUMENT, Kept, Made, Prices, Told, weights};
use crate::wire::v1;
use reelmill_scheduler::SpanId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long usage may be counted without being stored: what a sudden death of the daemon loses at most.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// What the job has used.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub(super) accounts: Accounts,
    /// The bill as it was last stored.
    last: JobUsage,
    /// What workers read of each source by themselves, in this attempt.
    read: BTreeMap<usize, u64>,
    /// What was taken over of each output's meter.
    metered: BTreeMap<usize, (u64, u64)>,
    /// Outputs that are being worked for, and since when that is not counted yet.
    since: BTreeMap<usize, Instant>,
    kept: Option<Instant>,
    /// What was counted for Prometheus, µs.
    pub(super) counted: BTreeMap<Stage, u64>,
}

/// What a worker that runs uses.
#[derive(Debug)]
pub(super) struct Spending {
    pub(super) attempt: Attempt,
    made: Vec<Made>,
    /// Who wanted something of it last.
    pub(super) audience: Audience,
    /// The worker tells by itself what its device does.
    pub(super) told_of_device: bool,
    pub(super) taken: Taken,
}

impl Job {
    /// Takes over what earlier lives of the job have used.
    pub(super) async fn load_usage(&mut self) -> Result<(), Broken> {
        let stored = self.settings.store.document(self.keeper.record.id, DOCUMENT).await?;
        let kept: Kept = stored.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        self.spent.counted = by_stage(&kept.bill);
        (self.spent.accounts, self.spent.last) = (kept.accounts, kept.bill);
        Ok(())
    }

    /// A worker for a part is about to begin.
    pub(super) fn spending(&self, index: usize, placed: &Plan) -> Spending {
        let made = match self.parts[index].part {
            Part::Stills => Made::of_stills(placed),
            part => Made::of(placed, part == Part::Audio),
        };
        let audience = self.audience(index, &made);
        Spending {
            attempt: Attempt::new(self.device_names(index)),
            made,
            audience,
            told_of_device: false,
            taken: Taken::default(),
        }
    }

    /// A worker has begun: from now on its outputs are worked for.
    pub(super) fn worked_for(&mut self, index: usize) {
        let Some(running) = self.running.get(&SpanId(index as u32)) else { return };
        for output in running.spending.audience.outputs() {
            self.spent.since.entry(output).or_insert_with(Instant::now);
        }
    }

    /// A worker told what it has used.
    pub(super) fn used(&mut self, index: usize, usage: &v1::Usage) {
        self.who_wants(index);
        let span = SpanId(index as u32);
        let Some(Running { spending, .. }) = self.running.get_mut(&span) else { return };
        spending.told_of_device |= !usage.device.is_empty();
        let read = spending.attempt.heard(&mut self.spent.accounts, &spending.audience, usage);
        let work = &self.plan.works[self.parts[index].work];
        let alone = [work.source];
        let inputs = if work.inputs.is_empty() { &alone[..] } else { &work.inputs };
        for (input, bytes) in inputs.iter().zip(read) {
            *self.spent.read.entry(*input).or_default() += bytes;
        }
        self.bill_device(index);
    }

    /// A segment that a worker made is kept.
    pub(super) fn segment_kept(&mut self, index: usize, rendition: &str, bytes: u64) {
        self.who_wants(index);
        if let Some(Running { spending, .. }) = self.running.get_mut(&SpanId(index as u32)) {
            spending.attempt.kept();
            self.spent.accounts.made(&spending.audience, rendition, bytes);
        }
    }

    /// What is known of a worker's process at its end: CPU time, µs, and most resident memory, bytes.
    pub(super) fn kernel_said(&mut self, index: usize, cpu_us: u64, memory_peak_bytes: Option<u64>) {
        if let Some(Running { spending, .. }) = self.running.get_mut(&SpanId(index as u32)) {
            spending.attempt.gone(&mut self.spent.accounts, &spending.audience, cpu_us, memory_peak_bytes);
        }
    }

    /// A worker is gone.
    pub(super) fn spent_all(&mut self, spending: Spending, in_vain: bool) {
        spending.attempt.ended(&mut self.spent.accounts, &spending.audience, in_vain);
    }

    /// An output's task has ended, or it never had one: nothing more is done for it.
    pub(super) fn worked_no_more(&mut self, output: usize) {
        self.take_over();
        self.spent.metered.remove(&output);
        self.spent.since.remove(&output);
    }

    /// Bytes that workers read of a source by themselves, where they do not pass through the daemon.
    pub(super) fn read_by_workers(&self, input: usize) -> u64 {
        let passes = self.sources.get(input).and_then(Option::as_ref).is_none_or(|source| source.bytes_read() > 0);
        if passes { 0 } else { self.spent.read.get(&input).copied().unwrap_or(0) }
    }

    /// What each output has cost by now.
    pub(super) fn bill(&mut self) -> JobUsage {
        self.take_over();
        let told: Vec<Told> = (0..self.outputs.len()).map(|output| self.told_of(output)).collect();
        self.spent.accounts.bill(&told, self.prices())
    }

    /// Stores what was used, where that is due or `now` is the time.
    pub(super) async fn keep_usage(&mut self, now: bool) -> Result<(), Broken> {
        let due = self.spent.kept.is_none_or(|kept| kept.elapsed() >= KEEP_EVERY);
        if !now && (!due || self.running.is_empty()) {
            return Ok(());
        }
        let bill = self.bill();
        self.count_usage(&bill);
        self.spent.kept = Some(Instant::now());
        self.spent.last = bill.clone();
        let kept = Kept { accounts: self.spent.accounts.clone(), bill };
        let json = serde_json::to_vec(&kept).unwrap_or_default();
        let record = &self.keeper.record;
        match self.settings.store.put_document(record.id, record.attempt, DOCUMENT, json).await {
            // A job is not ended because its usage cannot be written: the next time tells all of it.
            Err(error @ (StoreError::Full(_) | StoreError::Broken(_))) => {
                tracing::error!(job = %record.id, %error, "what the job has used could not be stored");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// The job is about to be over at this time: its bill goes where it outlives the job, in place of an earlier one.
    pub(super) async fn close_the_books(&mut self, ended_unix_ms: i64) -> Result<(), Broken> {
        self.note_left_behind().await?;
        self.keep_usage(true).await?;
        let record = &self.keeper.record;
        let row = |(output, usage): (usize, OutputUsage)| UsageRow {
            job: record.id,
            output,
            owner: record.spec.owner.clone(),
            reference_id: record.spec.reference_id.clone(),
            labels: record.spec.labels.clone(),
            ended_unix_ms,
            usage,
        };
        let rows = self.spent.last.outputs.clone().into_iter().enumerate().map(row).collect();
        Ok(self.settings.store.put_usage(record.id, record.attempt, rows).await?)
    }

    /// What makes the bill of an output that is about to be final, from what was published by then.
    pub(super) fn last_bill(&mut self, output: usize) -> impl FnOnce(&Summary) -> Option<OutputUsage> + Send + 'static {
        self.take_over();
        let mut accounts = self.spent.accounts.clone();
        let told = Told { id: self.keeper.record.spec.outputs[output].id.clone(), ..Told::default() };
        let mut outputs = vec![Told::default(); self.outputs.len()];
        let weights = weights_of(&self.plan, output);
        let meter: Option<Arc<Meter>> = self.outputs[output].as_ref().map(|live| Arc::clone(live.meter()));
        let before = self.spent.metered.get(&output).copied().unwrap_or_default();
        let prices = self.settings.telemetry.prices.clone();
        let began = Instant::now();
        move |summary| {
            let (package, publish) = meter.map(|meter| meter.read()).unwrap_or_default();
            accounts.published(output, package.saturating_sub(before.0), publish.saturating_sub(before.1));
            accounts.wall(output, micros(began.elapsed()));
            let lengths = summary.tracks.iter().map(|track| (track.id.as_str(), track.duration_us));
            let bytes =
                summary.tracks.iter().map(|track| track.bytes).chain(summary.files.iter().map(|file| file.bytes));
            let bytes = bytes.chain(summary.pictures.iter().map(|picture| picture.bytes));
            let told = Told { stored_bytes: Some(bytes.sum()), ..with_media(told, &weights, lengths) };
            *outputs.get_mut(output)? = told;
            accounts.bill(&outputs, prices.as_deref()).outputs.into_iter().nth(output)
        }
    }

    fn prices(&self) -> Option<&Prices> {
        self.settings.telemetry.prices.as_deref()
    }

    /// Notes who wants what a worker makes now. What nobody wants any more stays with those who wanted it last.
    fn who_wants(&mut self, index: usize) {
        let span = SpanId(index as u32);
        let Some(running) = self.running.get(&span) else { return };
        let audience = self.audience(index, &running.spending.made);
        if !audience.is_empty()
            && let Some(running) = self.running.get_mut(&span)
        {
            running.spending.audience = audience;
        }
    }

    fn audience(&self, index: usize, made: &[Made]) -> Audience {
        let work = self.parts[index].work;
        let source = self.plan.works[work].source;
        let source = self.keeper.record.spec.sources.get(source).map_or("", |source| source.id.as_str());
        let wants = |output: &usize, rendition: &str| {
            let planned = self.plan.outputs.get(*output).and_then(Option::as_ref);
            self.outputs[*output].as_ref().is_some_and(|live| live.wanted().is_some())
                && planned.is_some_and(|planned| planned.has(work, rendition))
        };
        Audience::of(source, made, |rendition| {
            (0..self.outputs.len()).filter(|output| wants(output, rendition)).collect()
        })
    }

    /// Model and kind of the device that a part runs on; nothing for the CPU.
    fn device_names(&self, index: usize) -> Vec<String> {
        let Some(ran) = &self.parts[index].ran else { return Vec::new() };
        let fleet = self.shown.devices.now();
        let Some(info) = fleet.infos().find(|info| info.id == ran.id) else { return vec![ran.kind.clone()] };
        let model = if info.model.is_empty() { &info.name } else { &info.model };
        vec![slug(model), info.kind.name().to_owned()]
    }

    /// Takes over what meters and clocks show by now.
    fn take_over(&mut self) {
        let Self { spent, outputs, .. } = self;
        for (output, live) in outputs.iter().enumerate() {
            let Some(live) = live else { continue };
            let now = live.meter().read();
            let before = spent.metered.insert(output, now).unwrap_or_default();
            spent.accounts.published(output, now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
        }
        for (output, since) in &mut spent.since {
            let now = Instant::now();
            spent.accounts.wall(*output, micros(now.saturating_duration_since(*since)));
            *since = now;
        }
    }

    /// What is known of an output beside what was used for it.
    fn told_of(&self, output: usize) -> Told {
        let record = &self.keeper.record.outputs[output];
        let before = self.spent.last.outputs.get(output);
        let value = |figure: Option<crate::model::usage::Figure>| figure.map_or(0, |figure| figure.value);
        let told = Told { id: record.id.clone(), stored_bytes: self.stored(output), ..Told::default() };
        let weights = weights_of(&self.plan, output);
        let told = if record.tracks.is_empty() {
            let lengths = self.figures.published_of(output);
            with_media(told, &weights, lengths.iter().map(|(track, us)| (track.as_str(), *us)))
        } else {
            with_media(told, &weights, record.tracks.iter().map(|track| (track.id.as_str(), track.duration_us)))
        };
        // What was published once stays on the bill, and a life that only tidies up has no plan to weigh it by.
        Told {
            media_us: told.media_us.max(before.map_or(0, |before| value(before.media_us))),
            normalised_milliminutes: told
                .normalised_milliminutes
                .max(before.map_or(0, |before| value(before.normalised_milliminutes))),
            ..told
        }
    }

    /// Bytes that are stored of an output.
    fn stored(&self, output: usize) -> Option<u64> {
        let record = &self.keeper.record.outputs[output];
        match record.state() {
            OutputState::Ready => Some(bytes_of(record)),
            OutputState::Pending | OutputState::Skipped | OutputState::Stopped => Some(0),
            OutputState::Failed => self.left_behind.get(&output).copied(),
            _ => self.outputs[output].as_ref().map(super::outputs::Live::uploaded_bytes),
        }
    }

    /// Looks up what failed outputs keep for a retry.
    async fn note_left_behind(&mut self) -> Result<(), Broken> {
        let failed = |output: &usize| self.keeper.record.outputs[*output].state() == OutputState::Failed;
        let failed: Vec<usize> = (0..self.outputs.len()).filter(failed).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let rows = self.settings.store.ledger(self.keeper.record.id).await?;
        for output in failed {
            let bytes = rows.iter().filter(|row| row.output == output).map(|row| match &row.entry {
                LedgerEntry::Track(header) => header.init_bytes,
                LedgerEntry::Segment(segment) => segment.record.files.iter().map(|file| file.bytes).sum(),
                LedgerEntry::Picture(picture) => picture.bytes,
            });
            self.left_behind.insert(output, bytes.sum());
        }
        Ok(())
    }
}

/// Weights of an output's tracks, by their id in it.
fn weights_of(plan: &JobPlan, output: usize) -> BTreeMap<String, u64> {
    let planned = plan.outputs.get(output).and_then(Option::as_ref);
    let weight = |track: &crate::model::plan::TrackUse| {
        let made = &plan.works.get(track.work)?.plan;
        let rungs = made.video.iter().flat_map(|video| &video.renditions);
        let rung = rungs.into_iter().find(|rung| rung.id == track.rendition).map(weights::of_rung);
        let sound = || made.audio.iter().find(|sound| sound.id == track.rendition).map(weights::of_sound);
        Some((track.id.clone(), rung.or_else(sound)?))
    };
    planned.into_iter().flat_map(|planned| &planned.tracks).filter_map(weight).collect()
}

fn with_media<'a>(told: Told, weights: &BTreeMap<String, u64>, lengths: impl Iterator<Item = (&'a str, i64)>) -> Told {
    let lengths: Vec<(&str, u64)> = lengths.map(|(track, us)| (track, u64::try_from(us).unwrap_or(0))).collect();
    let weighed = lengths.iter().map(|(track, us)| (*us, weights.get(*track).copied().unwrap_or(0)));
    let normalised_milliminutes = weights::milliminutes(weighed);
    Told { media_us: lengths.iter().map(|(_, us)| *us).fold(0, u64::saturating_add), normalised_milliminutes, ..told }
}

fn bytes_of(record: &OutputRecord) -> u64 {
    let tracks = record.tracks.iter().map(|track| track.bytes);
    let pictures = record.pictures.iter().map(|picture| picture.bytes);
    tracks.chain(record.files.iter().map(|file| file.bytes)).chain(pictures).fold(0, u64::saturating_add)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A model as it is written in the price table: `NVIDIA L4` is `nvidia-l4`.
fn slug(model: &str) -> String {
    let plain = model.to_lowercase();
    let words: Vec<&str> = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}
