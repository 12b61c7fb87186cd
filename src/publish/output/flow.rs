//! The loop of an output's task: what has come, what is stored, what is recorded.
//!
//! Everything that takes a while is a future in here, so that dropping the loop stops all of it.

use super::manifests::Manifests;
use super::pictures::Gallery;
use super::track::{self, Accepted, Lane};
use super::transfers::{Append, Done, Job, append, compare, finished, put, renumber, store};
use super::{Assignment, Context, Halt, MakeReport, Order, Summary, Told, finish, ledger};
use crate::model::hash::sha256;
use crate::model::ledger::TrackKind;
use crate::model::plan::Note;
use crate::model::{Ledger, Packaging, Problem, SegmentRecord, TrackRecord};
use crate::package::init_name;
use crate::package::language::{with_language, with_packed_language};
use crate::package::ts::Continuity;
use crate::package::ts_language::Spoken;
use crate::publish::message::broken;
use crate::publish::sink::{Body, Kind};
use crate::publish::{Part, Recorded, Spooled};
use crate::store::{LedgerEntry, LedgerRow, StoreError, TrackHeader};
use crate::wire::v1;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most rows that are recorded at once: one transaction of the store.
const ROWS_MAX: usize = 256;

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
    pictures: Gallery,
    /// What players see of tracks that are made again, until there is as much of the new generation.
    shown: BTreeMap<String, TrackRecord>,
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
    let (ledger, lanes) = ledger::of(&plan, output, &assignment.generations)?;
    let manifests = Manifests::new(Arc::clone(&context), output, assignment.started_unix_ms);
    let mut flow = Flow {
        context: Arc::clone(&context),
        uploads: assignment.uploads.max(1),
        ledger,
        lanes,
        pictures: Gallery::of(&plan, output)?,
        shown: BTreeMap::new(),
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
            Event::Done(done) => flow.job_done(done?),
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
    let made = finish::Made { ledger: flow.ledger, lanes: &flow.lanes, pictures: &flow.pictures };
    Ok(finish::finish(&context, made, &mut flow.manifests, output, report).await?)
}

impl Flow {
    /// Takes over what an earlier attempt recorded.
    fn restore(&mut self, rows: Vec<LedgerRow>) -> Result<(), Problem> {
        for row in rows.into_iter().filter(|row| row.output == self.context.output) {
            if let LedgerEntry::Picture(record) = &row.entry
                && self.pictures.recorded(&row.track, record).is_some()
            {
                continue;
            }
            let Some(position) = self.position(&row.track) else {
                let message = format!("the ledger has a track {} that the plan has not; report this", row.track);
                return Err(Problem::bug("internal.plan", message));
            };
            let (track, lane) = (&mut self.ledger.tracks[position], &mut self.lanes[position]);
            if row.entry.generation() != track.generation {
                continue;
            }
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
                // Taken over above.
                LedgerEntry::Picture(_) => {}
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
                let spoken = Spoken::of(&self.ledger.tracks[position].kind);
                self.queue.push_front(renumber(track.clone(), lane.generation(), segment, counters, spoken));
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
        self.refresh_manifests();
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
            Order::Picture { work, picture } => self.queue.extend(self.pictures.take(&self.context, work, &picture)),
            Order::PartDone { work, part, renditions } => {
                if let Part::Video(span) = part {
                    let made: Vec<_> = renditions.iter().flat_map(|rendition| self.uses(work, rendition)).collect();
                    for position in made {
                        self.lanes[position].span_done(span);
                        self.lanes[position].order();
                    }
                }
                if part == Part::Audio {
                    self.leave_out_silent_tracks(work).await;
                }
            }
            Order::Restart { work, rendition, generation } => {
                for position in self.uses(work, &rendition) {
                    self.restart(position, generation);
                }
            }
            Order::Loudness { work, rendition, figures } => {
                for position in self.uses(work, &rendition) {
                    self.ledger.tracks[position].loudness = Some(figures);
                }
            }
            Order::Finish(report) => self.report = Some(report),
        }
        Ok(())
    }

    fn init(&mut self, position: usize, init: &v1::Init) -> Result<(), Problem> {
        let told = self.in_its_language(position, &init.init_segment);
        let (id, lane) = (self.ledger.tracks[position].id.clone(), &mut self.lanes[position]);
        let in_cmaf = lane.has_init();
        if in_cmaf && init.init_segment.is_empty() {
            return Err(broken(&format!("there is no initialisation segment of {id}")));
        }
        let header = TrackHeader {
            codec_string: init.codec_string.clone(),
            init_sha256: in_cmaf.then(|| sha256(&told)),
            init_bytes: if in_cmaf { told.len() as u64 } else { 0 },
            encoder: init.encoder.clone(),
            generation: lane.generation(),
        };
        if !lane.identify(&id, header)? {
            return Ok(());
        }
        let body = in_cmaf.then(|| Body::Bytes(Bytes::from(told)));
        let (context, generation) = (Arc::clone(&self.context), lane.generation());
        // In front: segments of the track can be recorded only after it.
        self.queue.push_front(Box::pin(async move {
            if let Some(body) = body {
                put(&context, &track::path(Packaging::Cmaf, &id, &init_name(generation)), body, Kind::Init).await?;
            }
            Ok(Done::Init { track: id, generation })
        }));
        Ok(())
    }

    /// An initialisation segment that says in which language the output tells the track to be; with less, or as the worker made
    /// it, where an earlier version has stored it so.
    fn in_its_language(&self, position: usize, init_segment: &[u8]) -> Vec<u8> {
        let stored = self.lanes[position].init_sha256();
        let TrackKind::Audio { language: Some(language), .. } = &self.ledger.tracks[position].kind else {
            return init_segment.to_vec();
        };
        let stored_so = |made: &Vec<u8>| stored.is_some_and(|stored| *stored == sha256(made));
        let earlier = [with_packed_language(init_segment, language), init_segment.to_vec()];
        earlier.into_iter().find(stored_so).unwrap_or_else(|| with_language(init_segment, language))
    }

    fn segment(&mut self, position: usize, part: Part, segment: &Arc<Spooled>) -> Result<(), Problem> {
        let spoken = Spoken::of(&self.ledger.tracks[position].kind);
        let (id, lane) = (&self.ledger.tracks[position].id, &mut self.lanes[position]);
        match lane.accept(part, segment)? {
            Accepted::Known => {}
            Accepted::Compare(before, stored) => {
                self.queue.push_back(compare(Arc::clone(segment), Continuity::at(&before), spoken, stored));
            }
            Accepted::New => {
                // Transport streams wait until it is known what they go on from.
                let at_once = |packaging: &Packaging| *packaging == Packaging::Cmaf || lane.is_plain();
                for packaging in lane.packagings().iter().copied().filter(at_once) {
                    let Some(file) = segment.file(packaging) else { continue };
                    let body = segment.body(file, self.context.output);
                    let sha256 = file.sha256.clone();
                    let track = (id.as_str(), lane.generation(), lane.is_plain());
                    let job = store(&self.context, track, segment, packaging, body, sha256);
                    self.queue.push_back(job);
                }
                lane.order();
            }
        }
        Ok(())
    }

    /// A track is made again. What players saw of it stays until there is as much of it again.
    fn restart(&mut self, position: usize, generation: u32) {
        let (track, lane) = (&mut self.ledger.tracks[position], &mut self.lanes[position]);
        if lane.generation() >= generation {
            return;
        }
        *lane = lane.again(generation);
        let id = track.id.clone();
        self.rows.retain(|row| row.track != id);
        let empty = TrackRecord {
            codec_string: String::new(),
            init_sha256: None,
            encoder: String::new(),
            generation,
            loudness: None,
            segments: Vec::new(),
            single: Vec::new(),
            id: id.clone(),
            kind: track.kind.clone(),
            ..*track
        };
        let old = std::mem::replace(track, empty);
        if !old.segments.is_empty() {
            self.shown.entry(id).or_insert(old);
        }
    }

    /// Lets manifests follow what players are to see.
    fn refresh_manifests(&mut self) {
        let Self { shown, ledger, manifests, .. } = self;
        shown.retain(|id, old| {
            let made = ledger.tracks.iter().find(|track| track.id == *id).map_or(0, |track| track.segments.len());
            made < old.segments.len()
        });
        if shown.is_empty() {
            return manifests.refresh(ledger);
        }
        let seen = |track: &TrackRecord| shown.get(&track.id).unwrap_or(track).clone();
        let tracks = ledger.tracks.iter().map(seen).collect();
        manifests.refresh(&Ledger { tracks, ..*ledger });
    }

    /// The position of a track, while it is in this generation.
    fn current(&self, track: &str, generation: u32) -> Option<usize> {
        self.position(track).filter(|position| self.lanes[*position].generation() == generation)
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

    fn job_done(&mut self, done: Done) {
        match done {
            Done::Compared => {}
            Done::Pictured { track, record } => {
                let entry = LedgerEntry::Picture(*record);
                self.rows.push_back(LedgerRow { output: self.context.output, track, entry });
            }
            Done::Init { track, generation } => {
                if let Some(position) = self.current(&track, generation)
                    && let Some(header) = self.lanes[position].begin()
                {
                    let entry = LedgerEntry::Track(header);
                    self.rows.push_back(LedgerRow { output: self.context.output, track, entry });
                }
            }
            Done::Stored { track, generation, index, file } => {
                if let Some(position) = self.current(&track, generation) {
                    self.lanes[position].stored(index, file);
                }
            }
            Done::Renumbered { track, generation, segment, body, sha256, counters } => {
                if let Some(position) = self.current(&track, generation) {
                    self.lanes[position].renumbered(segment.index(), *counters);
                    let body = Body::Bytes(body);
                    // In front: it is in memory until it is stored.
                    self.queue.push_front(store(
                        &self.context,
                        (&track, generation, false),
                        &segment,
                        Packaging::Ts,
                        body,
                        sha256,
                    ));
                }
            }
        }
    }

    /// Rows are in the ledger: from now on manifests may name what they say.
    async fn recorded(&mut self, rows: Vec<LedgerRow>) {
        self.appending = None;
        for row in rows {
            if let LedgerEntry::Picture(record) = &row.entry {
                if let Some(summary) = self.pictures.recorded(&row.track, record) {
                    self.context.tell(Told::Pictured(summary)).await;
                }
                continue;
            }
            let Some(position) = self.current(&row.track, row.entry.generation()) else { continue };
            let track = &mut self.ledger.tracks[position];
            match row.entry {
                LedgerEntry::Track(header) => track::describe(track, &header),
                LedgerEntry::Segment(segment) => {
                    let latency = self.lanes[position].latency(segment.record.index);
                    let recorded = Recorded { latency, ..told(&row.track, track.timescale, &segment.record) };
                    track.segments.push(segment.record);
                    self.manifests.ledger_grew();
                    self.context.tell(Told::Recorded(recorded)).await;
                }
                LedgerEntry::Picture(_) => {}
            }
        }
    }
}

fn told(track: &str, timescale: u32, segment: &SegmentRecord) -> Recorded {
    let to_us = |ticks| crate::model::time::scale_round(ticks, 1_000_000, i64::from(timescale.max(1)));
    let bytes = segment.files.iter().map(|file| file.bytes).sum();
    let (track, end_us, latency) = (track.to_owned(), to_us(segment.end()), std::time::Duration::ZERO);
    Recorded { track, index: segment.index, bytes, end_us, latency }
}
