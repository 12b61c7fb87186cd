//! The loop of an output's task: what has come, what is stored, what is recorded.
//!
//! Everything that takes a while is a future in here, so that dropping the loop stops all of it.

use super::manifests::Manifests;
use super::track::{self, Accepted, Lane};
use super::{Assignment, Context, Halt, MakeReport, Order, Summary, Told, finish, ledger};
use crate::model::hash::sha256;
use crate::model::ledger::StoredFile;
use crate::model::plan::Note;
use crate::model::{Ledger, Packaging, Problem, SegmentRecord};
use crate::package::INIT;
use crate::package::ts::Continuity;
use crate::publish::disk::refused;
use crate::publish::message::broken;
use crate::publish::retry::{patiently, put_patiently};
use crate::publish::sink::{Body, Kind, Progress};
use crate::publish::{Part, Recorded, Spooled};
use crate::store::{LedgerEntry, LedgerRow, StoreError, TrackHeader};
use crate::wire::v1;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most rows that are recorded at once: one transaction of the store.
const ROWS_MAX: usize = 256;

type Job = Pin<Box<dyn Future<Output = Result<Done, Problem>> + Send>>;
type Append = Pin<Box<dyn Future<Output = (Vec<LedgerRow>, Result<(), StoreError>)> + Send>>;

/// What a job came to; names the track by its id, since the left-out ones move the others.
enum Done {
    Init { track: String },
    Stored { track: String, index: u32, file: StoredFile },
    Renumbered { track: String, segment: Arc<Spooled>, body: Bytes, sha256: String, counters: Box<Continuity> },
    Compared,
}

enum Event {
    Order(Option<Order>),
    Done(Result<Done, Problem>),
    Appended(Vec<LedgerRow>, Result<(), StoreError>),
    Manifests(Result<bool, Problem>),
}

struct Flow {
    context: Arc<Context>,
    uploads: usize,
    ledger: Ledger,
    /// One for each track of the ledger, in its order.
    lanes: Vec<Lane>,
    done: BTreeSet<(usize, Part)>,
    /// Not begun; a job is nothing but a name until it is polled.
    queue: VecDeque<Job>,
    running: FuturesUnordered<Job>,
    rows: VecDeque<LedgerRow>,
    appending: Option<Append>,
    manifests: Manifests,
    report: Option<MakeReport>,
}

/// Makes an output, until everything of it is stored and final.
pub(super) async fn run(
    assignment: Assignment,
    context: Arc<Context>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> Result<Summary, Halt> {
    let plan = Arc::clone(&assignment.plan);
    let output = plan.outputs.get(assignment.output).and_then(Option::as_ref).ok_or_else(|| {
        Problem::bug("internal.plan", format!("the plan has no output {}; report this", assignment.output))
    })?;
    let (ledger, lanes) = ledger::of(&plan, output)?;
    let manifests = Manifests::new(Arc::clone(&context), output.packagings.clone(), assignment.started_unix_ms);
    let mut flow = Flow {
        context: Arc::clone(&context),
        uploads: assignment.uploads.max(1),
        ledger,
        lanes,
        done: BTreeSet::new(),
        queue: VecDeque::new(),
        running: FuturesUnordered::new(),
        rows: VecDeque::new(),
        appending: None,
        manifests,
        report: None,
    };
    flow.restore(assignment.rows)?;
    let mut open = true;
    let report = loop {
        flow.begin_what_can_begin();
        if flow.is_drained()
            && let Some(report) = flow.report.take()
        {
            break report;
        }
        match flow.next(&mut orders, open).await {
            Event::Order(Some(order)) => flow.order(order).await?,
            // The other end is gone, and with it whoever could say what becomes of this: `end` says so.
            Event::Order(None) => open = false,
            Event::Done(done) => flow.job_done(done?)?,
            Event::Appended(rows, result) => {
                result?;
                flow.recorded(rows).await;
            }
            Event::Manifests(first) => {
                if first? {
                    flow.context.tell(Told::Playable).await;
                }
            }
        }
    };
    Ok(finish::finish(&context, flow.ledger, &flow.lanes, &mut flow.manifests, output.progressive, report).await?)
}

impl Flow {
    /// Takes over what an earlier attempt recorded.
    fn restore(&mut self, rows: Vec<LedgerRow>) -> Result<(), Problem> {
        for row in rows.into_iter().filter(|row| row.output == self.context.output) {
            let Some(position) = self.position(&row.track) else {
                let message = format!("the ledger has a track {} that the plan has not; report this", row.track);
                return Err(Problem::bug("internal.plan", message));
            };
            let (track, lane) = (&mut self.ledger.tracks[position], &mut self.lanes[position]);
            match row.entry {
                LedgerEntry::Track(header) => {
                    track::describe(track, &header);
                    lane.restore_header(header);
                }
                LedgerEntry::Segment(segment) => {
                    lane.restore(&segment);
                    track.segments.push(segment.record);
                    self.manifests.ledger_grew();
                }
            }
        }
        Ok(())
    }

    fn position(&self, track: &str) -> Option<usize> {
        self.ledger.tracks.iter().position(|known| known.id == track)
    }

    /// The positions of the tracks that a rendition becomes.
    fn uses(&self, work: usize, rendition: &str) -> Vec<usize> {
        (0..self.lanes.len()).filter(|position| self.lanes[*position].is_of(work, rendition)).collect()
    }

    fn is_drained(&self) -> bool {
        self.queue.is_empty()
            && self.running.is_empty()
            && self.rows.is_empty()
            && self.appending.is_none()
            && self.lanes.iter().all(Lane::is_drained)
    }

    async fn next(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>, open: bool) -> Event {
        let Self { running, appending, manifests, .. } = self;
        tokio::select! {
            Some(done) = running.next(), if !running.is_empty() => Event::Done(done),
            (rows, result) = finished(appending) => Event::Appended(rows, result),
            first = manifests.next() => Event::Manifests(first),
            order = orders.recv(), if open => Event::Order(order),
        }
    }

    fn begin_what_can_begin(&mut self) {
        for position in 0..self.lanes.len() {
            let (track, lane) = (&self.ledger.tracks[position].id, &mut self.lanes[position]);
            if let Some((segment, counters)) = lane.next_to_renumber() {
                self.queue.push_front(renumber(track.clone(), segment, counters));
            }
            let row = |segment| (track.clone(), LedgerEntry::Segment(segment));
            let ready = lane.take_ready().into_iter().map(row);
            let row = |(track, entry)| LedgerRow { output: self.context.output, track, entry };
            self.rows.extend(ready.map(row));
        }
        while self.running.len() < self.uploads
            && let Some(job) = self.queue.pop_front()
        {
            self.running.push(job);
        }
        if self.appending.is_none() && !self.rows.is_empty() {
            let count = self.rows.len().min(ROWS_MAX);
            self.appending = Some(append(Arc::clone(&self.context), self.rows.drain(..count).collect()));
        }
        self.manifests.refresh(&self.ledger);
    }

    async fn order(&mut self, order: Order) -> Result<(), Problem> {
        match order {
            Order::Init { work, init } => {
                for position in self.uses(work, &init.track) {
                    self.init(position, &init)?;
                }
            }
            Order::Segment { work, part, segment } => {
                for position in self.uses(work, segment.track()) {
                    self.segment(position, part, &segment)?;
                }
            }
            Order::PartDone { work, part } => {
                self.done.insert((work, part));
                for position in 0..self.lanes.len() {
                    self.follow(position);
                }
                if part == Part::Audio {
                    self.leave_out_silent_tracks(work).await;
                }
            }
            Order::Finish(report) => self.report = Some(report),
        }
        Ok(())
    }

    fn init(&mut self, position: usize, init: &v1::Init) -> Result<(), Problem> {
        let (id, lane) = (self.ledger.tracks[position].id.clone(), &mut self.lanes[position]);
        let in_cmaf = lane.packagings().contains(&Packaging::Cmaf);
        if in_cmaf && init.init_segment.is_empty() {
            return Err(broken(&format!("there is no initialisation segment of {id}")));
        }
        let header = TrackHeader {
            codec_string: init.codec_string.clone(),
            init_sha256: in_cmaf.then(|| sha256(&init.init_segment)),
            encoder: init.encoder.clone(),
        };
        if !lane.identify(&id, header)? {
            return Ok(());
        }
        let body = in_cmaf.then(|| Body::Bytes(Bytes::from(init.init_segment.to_vec())));
        let context = Arc::clone(&self.context);
        // In front: segments of the track can be recorded only after it.
        self.queue.push_front(Box::pin(async move {
            if let Some(body) = body {
                put(&context, &track::path(Packaging::Cmaf, &id, INIT), body, Kind::Init).await?;
            }
            Ok(Done::Init { track: id })
        }));
        Ok(())
    }

    fn segment(&mut self, position: usize, part: Part, segment: &Arc<Spooled>) -> Result<(), Problem> {
        let (id, lane) = (&self.ledger.tracks[position].id, &mut self.lanes[position]);
        match lane.accept(part, segment)? {
            Accepted::Known => {}
            Accepted::Compare(before, stored) => {
                self.queue.push_back(compare(Arc::clone(segment), Continuity::at(&before), stored));
            }
            Accepted::New => {
                if let Some(file) = segment.file(Packaging::Cmaf)
                    && lane.packagings().contains(&Packaging::Cmaf)
                {
                    let body = segment.body(file, self.context.output);
                    let sha256 = file.sha256.clone();
                    let job = store(&self.context, id, segment, Packaging::Cmaf, body, sha256);
                    self.queue.push_back(job);
                }
                self.follow(position);
            }
        }
        Ok(())
    }

    /// Finds out what of a track now follows what.
    fn follow(&mut self, position: usize) {
        let (lane, done) = (&mut self.lanes[position], &self.done);
        let work = lane.work();
        lane.order(|span| (0..span).all(|earlier| done.contains(&(work, Part::Video(earlier)))));
    }

    async fn leave_out_silent_tracks(&mut self, work: usize) {
        let mut silent = Vec::new();
        for position in (0..self.lanes.len()).rev() {
            if self.lanes[position].is_silent(work) {
                self.lanes.remove(position);
                silent.push(self.ledger.tracks.remove(position).id);
                self.manifests.ledger_grew();
            }
        }
        for id in silent.into_iter().rev() {
            let message = format!("{id} has no sound that could be decoded, so it is left out");
            self.context.tell(Told::Warning(Note { code: "audio.left_out".to_owned(), message })).await;
        }
    }

    fn job_done(&mut self, done: Done) -> Result<(), Problem> {
        match done {
            Done::Compared => {}
            Done::Init { track } => {
                if let Some(position) = self.position(&track)
                    && let Some(header) = self.lanes[position].begin()
                {
                    let entry = LedgerEntry::Track(header);
                    self.rows.push_back(LedgerRow { output: self.context.output, track, entry });
                }
            }
            Done::Stored { track, index, file } => {
                if let Some(position) = self.position(&track) {
                    self.lanes[position].stored(index, file);
                }
            }
            Done::Renumbered { track, segment, body, sha256, counters } => {
                if let Some(position) = self.position(&track) {
                    self.lanes[position].renumbered(segment.index(), *counters);
                    let body = Body::Bytes(body);
                    // In front: it is in memory until it is stored.
                    self.queue.push_front(store(&self.context, &track, &segment, Packaging::Ts, body, sha256));
                }
            }
        }
        Ok(())
    }

    /// Rows are in the ledger: from now on manifests may name what they say.
    async fn recorded(&mut self, rows: Vec<LedgerRow>) {
        self.appending = None;
        for row in rows {
            let Some(position) = self.position(&row.track) else { continue };
            let track = &mut self.ledger.tracks[position];
            match row.entry {
                LedgerEntry::Track(header) => track::describe(track, &header),
                LedgerEntry::Segment(segment) => {
                    let recorded = told(&row.track, track.timescale, &segment.record);
                    track.segments.push(segment.record);
                    self.manifests.ledger_grew();
                    self.context.tell(Told::Recorded(recorded)).await;
                }
            }
        }
    }
}

fn told(track: &str, timescale: u32, segment: &SegmentRecord) -> Recorded {
    let to_us = |ticks| crate::model::time::scale_round(ticks, 1_000_000, i64::from(timescale.max(1)));
    let bytes = segment.files.iter().map(|file| file.bytes).sum();
    Recorded { track: track.to_owned(), index: segment.index, bytes, end_us: to_us(segment.end()) }
}

async fn finished(appending: &mut Option<Append>) -> (Vec<LedgerRow>, Result<(), StoreError>) {
    match appending {
        Some(append) => append.await,
        None => std::future::pending().await,
    }
}

fn append(context: Arc<Context>, rows: Vec<LedgerRow>) -> Append {
    Box::pin(async move {
        let once = || context.store.append(context.job, context.attempt, rows.clone());
        let result = patiently(context.retry, once).await;
        (rows, result)
    })
}

/// Puts a file, counted as progress.
pub(super) async fn put(context: &Context, path: &str, body: Body, kind: Kind) -> Result<(), Problem> {
    let once = || context.sink.put(path, body.clone(), kind, Progress::of(&context.uploaded));
    put_patiently(context.retry, once).await
}

/// Stores a file of a segment. The segment is kept for as long as that takes.
fn store(
    context: &Arc<Context>,
    track: &str,
    segment: &Arc<Spooled>,
    packaging: Packaging,
    body: Body,
    sha256: String,
) -> Job {
    let (context, track, segment) = (Arc::clone(context), track.to_owned(), Arc::clone(segment));
    Box::pin(async move {
        let name = track::name(packaging, &segment);
        let bytes = body.bytes();
        put(&context, &track::path(packaging, &track, &name), body, Kind::Segment).await?;
        let key_frames = segment.file(packaging).map(|file| file.key_frames.clone()).unwrap_or_default();
        let file = StoredFile { packaging, name, bytes, sha256, key_frames };
        Ok(Done::Stored { track, index: segment.index(), file })
    })
}

/// Continues the counters of the segment before in a transport stream.
fn renumber(track: String, segment: Arc<Spooled>, counters: Continuity) -> Job {
    Box::pin(async move {
        let (body, sha256, counters) = continued(&segment, counters).await?;
        Ok(Done::Renumbered { track, segment, body, sha256, counters: Box::new(counters) })
    })
}

/// Compares a transport stream that was made again with the stored one.
fn compare(segment: Arc<Spooled>, before: Continuity, stored: String) -> Job {
    Box::pin(async move {
        let (_, sha256, _) = continued(&segment, before).await?;
        if sha256 == stored { Ok(Done::Compared) } else { Err(track::not_reproducible(&segment)) }
    })
}

/// The transport stream of a segment as it goes on after `counters`, its hash, and the counters after it.
async fn continued(segment: &Arc<Spooled>, mut counters: Continuity) -> Result<(Bytes, String, Continuity), Problem> {
    let segment = Arc::clone(segment);
    let work = move || {
        let file = segment.file(Packaging::Ts).ok_or_else(|| broken("a segment has no transport stream"))?;
        let path = segment.path(file);
        let mut body = std::fs::read(&path).map_err(|error| refused(&path, &error))?;
        let renumbered = counters.renumber(&mut body);
        renumbered.map_err(|error| broken(&format!("a segment is no transport stream ({error})")))?;
        let hash = sha256(&body);
        Ok((body.into(), hash, counters))
    };
    let panicked = |_| Err(Problem::bug("internal.panic", "publishing panicked; report this with the log"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(panicked)
}
