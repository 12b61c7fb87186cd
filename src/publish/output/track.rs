//! One track on its way into the ledger.
//!
//! Segments come in order from each span, but spans come side by side. A lane takes every segment at once, and lets it be
//! recorded only when its predecessor is: the ledger never has a gap. TS continuity counters (ISO/IEC 13818-1 §2.4.3.3)
//! run on from one segment to the next, so a transport stream is stored only when it is known what comes before it.

use crate::model::ledger::{SegmentRecord, StoredFile, TrackRecord};
use crate::model::plan::TrackUse;
use crate::model::{Packaging, Problem};
use crate::package::ts::Continuity;
use crate::package::{init_name, suffix};
use crate::publish::message::broken;
use crate::publish::{Part, Spooled};
use crate::store::{LedgerSegment, TrackHeader};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Continuity counters by PID.
pub(super) type Counters = BTreeMap<u16, u8>;

/// A segment that came before.
#[derive(Debug)]
struct Seen {
    start: i64,
    duration: i64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// From this process: the hashes of the files as the worker made them.
    Spooled(Vec<(Packaging, String)>),
    /// From the ledger: the hashes of the stored files, and the counters before its transport stream.
    Stored(Vec<(Packaging, String)>, Counters),
}

/// A segment that is not recorded yet.
#[derive(Debug)]
struct Entry {
    span: usize,
    record: SegmentRecord,
    /// Kept until all its files are stored.
    segment: Option<Arc<Spooled>>,
    after: Counters,
}

/// What is to be done about a segment that has come.
pub(super) enum Accepted {
    /// It is new.
    New,
    /// It came before and is the same.
    Known,
    /// It came before, and its transport stream must be compared: the counters before it, and the hash of what is stored.
    Compare(Counters, String),
}

/// One track.
#[derive(Debug)]
pub(super) struct Lane {
    work: usize,
    rendition: String,
    generation: u32,
    is_video: bool,
    /// Its files are stored as they come; see [`Lane::plain`].
    is_plain: bool,
    packagings: Vec<Packaging>,
    /// Spans of which nothing more comes.
    done: BTreeSet<usize>,
    header: Option<TrackHeader>,
    /// The header is on its way into the ledger, after its initialisation segment.
    begun: bool,
    seen: BTreeMap<u32, Seen>,
    entries: BTreeMap<u32, Entry>,
    /// What is not known to follow what came before yet, by start: indices.
    unordered: BTreeMap<i64, u32>,
    ordered: VecDeque<u32>,
    /// When those that are ordered and not recorded yet became so.
    since: BTreeMap<u32, Instant>,
    /// Where the ordered part ends, ticks; `None` while it is empty.
    end: Option<i64>,
    /// Transport streams whose turn has come or will.
    to_renumber: VecDeque<u32>,
    /// The counters after the last one that was renumbered; `None` while the next one is.
    counters: Option<Continuity>,
}

impl Lane {
    pub(super) fn new(used: &TrackUse, is_video: bool, packagings: Vec<Packaging>, generation: u32) -> Self {
        Self {
            work: used.work,
            rendition: used.rendition.clone(),
            generation,
            is_video,
            is_plain: false,
            packagings,
            done: BTreeSet::new(),
            header: None,
            begun: false,
            seen: BTreeMap::new(),
            entries: BTreeMap::new(),
            unordered: BTreeMap::new(),
            ordered: VecDeque::new(),
            since: BTreeMap::new(),
            end: None,
            to_renumber: VecDeque::new(),
            counters: Some(Continuity::default()),
        }
    }

    /// The track, of files that are stored as they come: nothing begins them, and nothing runs on from one to the next.
    pub(super) fn plain(self) -> Self {
        Self { is_plain: true, ..self }
    }

    /// The same track, of which nothing has come yet, in another generation.
    pub(super) fn again(&self, generation: u32) -> Self {
        let used = TrackUse {
            work: self.work,
            rendition: self.rendition.clone(),
            id: String::new(),
            title: String::new(),
            default: false,
            language: None,
            descriptive: None,
            role: None,
            captions: Vec::new(),
        };
        let is_plain = self.is_plain;
        Self { is_plain, ..Self::new(&used, self.is_video, self.packagings.clone(), generation) }
    }

    pub(super) const fn generation(&self) -> u32 {
        self.generation
    }

    /// Nothing more comes of a span.
    pub(super) fn span_done(&mut self, span: usize) {
        self.done.insert(span);
    }

    /// Takes over what an earlier attempt recorded, in order.
    pub(super) fn restore_header(&mut self, header: TrackHeader) {
        self.header = Some(header);
        self.begun = true;
    }

    /// See [`Lane::restore_header`].
    pub(super) fn restore(&mut self, segment: &LedgerSegment) {
        let record = &segment.record;
        let before = self.counters.as_ref().map(Continuity::counters).unwrap_or_default();
        let hashes = record.files.iter().map(|file| (file.packaging, file.sha256.clone())).collect();
        let content = Content::Stored(hashes, before);
        self.seen.insert(record.index, Seen { start: record.start, duration: record.duration, content });
        self.end = Some(record.end());
        self.counters = Some(Continuity::at(&segment.continuity));
    }

    /// Whether it is this rendition of this work.
    pub(super) fn is_of(&self, work: usize, rendition: &str) -> bool {
        self.work == work && self.rendition == rendition
    }

    /// Whether all sound of this work is done and this track has none.
    pub(super) fn is_silent(&self, work: usize) -> bool {
        self.work == work && !self.is_video && self.seen.is_empty()
    }

    /// Bytes of its initialisation segment.
    pub(super) fn init_bytes(&self) -> u64 {
        self.header.as_ref().map_or(0, |header| header.init_bytes)
    }

    pub(super) fn packagings(&self) -> &[Packaging] {
        &self.packagings
    }

    /// See [`Lane::plain`].
    pub(super) const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether it begins with an initialisation segment.
    pub(super) fn has_init(&self) -> bool {
        !self.is_plain && self.packagings.contains(&Packaging::Cmaf)
    }

    /// Whether segments have come that cannot be recorded for want of a predecessor.
    pub(super) fn has_gap(&self) -> bool {
        !self.unordered.is_empty()
    }

    /// Whether nothing is left to be stored of what is known to follow.
    pub(super) fn is_drained(&self) -> bool {
        self.ordered.is_empty()
    }

    /// Notes what made the track; true when this was the first time, so that the header is to be stored.
    pub(super) fn identify(&mut self, id: &str, header: TrackHeader) -> Result<bool, Problem> {
        match &self.header {
            None => {
                self.header = Some(header);
                Ok(true)
            }
            Some(known) if *known == header => Ok(false),
            Some(_) => {
                let message = format!("{id} was made by two different encoder set-ups; report this source");
                Err(Problem::bug("encoder.identity_changed", message))
            }
        }
    }

    /// The hash of its initialisation segment, once it is known.
    pub(super) fn init_sha256(&self) -> Option<&String> {
        self.header.as_ref()?.init_sha256.as_ref()
    }

    /// Its initialisation segment is stored: the header to be recorded.
    pub(super) fn begin(&mut self) -> Option<TrackHeader> {
        self.begun = true;
        self.header.clone()
    }

    /// Takes a segment in, or finds that it came before. Then it must be the same: in its times, and for sound, which is
    /// made again from its start, byte for byte.
    pub(super) fn accept(&mut self, part: Part, segment: &Arc<Spooled>) -> Result<Accepted, Problem> {
        let span = match part {
            Part::Video(span) if self.is_video => span,
            Part::Audio if !self.is_video => 0,
            _ => return Err(broken("it made a track that it was not asked for")),
        };
        if self.header.is_none() {
            return Err(broken("a segment came before its initialisation"));
        }
        if self.packagings.iter().any(|packaging| segment.file(*packaging).is_none()) {
            return Err(broken(&format!("segment {} of {} lacks a packaging", segment.index(), segment.track())));
        }
        let (index, start, duration) = (segment.index(), segment.start(), segment.duration());
        let hashes = || self.packagings.iter().filter_map(|p| Some((*p, segment.file(*p)?.sha256.clone())));
        if let Some(seen) = self.seen.get(&index) {
            return seen.compare(segment, hashes().collect(), part == Part::Audio, self.is_plain);
        }
        let content = Content::Spooled(hashes().collect());
        self.seen.insert(index, Seen { start, duration, content });
        let record = SegmentRecord { index, start, duration, frames: segment.segment().frames, files: Vec::new() };
        let entry = Entry { span, record, segment: Some(Arc::clone(segment)), after: Counters::new() };
        self.entries.insert(index, entry);
        self.unordered.insert(start, index);
        Ok(Accepted::New)
    }

    /// Finds out what follows what. A span may hold the track's very first segment when every span before it is done.
    pub(super) fn order(&mut self) {
        let done = &self.done;
        let begun = |span: usize| (0..span).all(|earlier| done.contains(&earlier));
        loop {
            let next = match (self.end, self.unordered.first_key_value()) {
                (Some(end), _) => end,
                (None, Some((start, index))) if self.entries.get(index).is_some_and(|e| begun(e.span)) => *start,
                _ => return,
            };
            let Some(index) = self.unordered.remove(&next) else { return };
            self.ordered.push_back(index);
            self.since.insert(index, Instant::now());
            self.end = self.entries.get(&index).map(|entry| entry.record.end());
            if self.packagings.contains(&Packaging::Ts) && !self.is_plain {
                self.to_renumber.push_back(index);
            }
        }
    }

    /// The next transport stream whose predecessor's counters are known, with these counters.
    pub(super) fn next_to_renumber(&mut self) -> Option<(Arc<Spooled>, Continuity)> {
        let index = *self.to_renumber.front()?;
        let counters = self.counters.take()?;
        self.to_renumber.pop_front();
        // An entry keeps its segment until all its files are stored, and this one is not.
        let segment = self.entries.get(&index)?.segment.clone()?;
        Some((segment, counters))
    }

    /// The counters after a transport stream.
    pub(super) fn renumbered(&mut self, index: u32, counters: Continuity) {
        if let Some(entry) = self.entries.get_mut(&index) {
            entry.after = counters.counters();
        }
        self.counters = Some(counters);
    }

    /// A file is durable at the destination.
    pub(super) fn stored(&mut self, index: u32, file: StoredFile) {
        let Some(entry) = self.entries.get_mut(&index) else { return };
        entry.record.files.push(file);
        if entry.record.files.len() == self.packagings.len() {
            entry.record.files.sort_by_key(|file| file.packaging);
            entry.segment = None;
        }
    }

    /// For how long a segment that is recorded now could have been.
    pub(super) fn latency(&mut self, index: u32) -> Duration {
        self.since.remove(&index).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// What can be recorded now: everything before it is.
    pub(super) fn take_ready(&mut self) -> Vec<LedgerSegment> {
        let mut ready = Vec::new();
        while self.begun
            && let Some(index) = self.ordered.front()
            && self.entries.get(index).is_some_and(|entry| entry.segment.is_none())
        {
            let entry = self.ordered.pop_front().and_then(|index| self.entries.remove(&index));
            ready.extend(entry.map(|entry| LedgerSegment {
                record: entry.record,
                continuity: entry.after,
                generation: self.generation,
            }));
        }
        ready
    }
}

impl Seen {
    fn compare(
        &self,
        segment: &Spooled,
        hashes: Vec<(Packaging, String)>,
        reproducible: bool,
        is_plain: bool,
    ) -> Result<Accepted, Problem> {
        let different = || Err(not_reproducible(segment));
        if (self.start, self.duration) != (segment.start(), segment.duration()) {
            return different();
        }
        match &self.content {
            _ if !reproducible => Ok(Accepted::Known),
            Content::Spooled(known) if *known == hashes => Ok(Accepted::Known),
            Content::Stored(known, _) if is_plain => {
                if known.len() == hashes.len() && hashes.iter().all(|one| known.contains(one)) {
                    Ok(Accepted::Known)
                } else {
                    different()
                }
            }
            Content::Spooled(_) => different(),
            Content::Stored(known, before) => {
                let of = |packaging: Packaging, among: &[(Packaging, String)]| {
                    among.iter().find(|(other, _)| *other == packaging).map(|(_, hash)| hash.clone())
                };
                if of(Packaging::Cmaf, known) != of(Packaging::Cmaf, &hashes) {
                    return different();
                }
                // What is stored has other counters than what the worker makes.
                Ok(match of(Packaging::Ts, known) {
                    Some(stored) => Accepted::Compare(before.clone(), stored),
                    None => Accepted::Known,
                })
            }
        }
    }
}

pub(super) fn not_reproducible(segment: &Spooled) -> Problem {
    let message = format!("segment {} of {} came out differently the second time", segment.index(), segment.track());
    Problem::bug("encoder.not_reproducible", format!("{message}; report this source"))
}

/// Where a file of a track lies below the destination.
pub(super) fn path(packaging: Packaging, track: &str, name: &str) -> String {
    format!("{}/{track}/{name}", packaging.name())
}

/// What a segment's file is called.
pub(super) fn name(packaging: Packaging, is_plain: bool, index: u32, start: i64, generation: u32) -> String {
    let (suffix, extension) = (suffix(generation), packaging.extension());
    if is_plain {
        return format!("{index:05}{suffix}.vtt");
    }
    match packaging {
        Packaging::Cmaf => format!("{start}{suffix}.{extension}"),
        Packaging::Ts => format!("{index:05}{suffix}.{extension}"),
    }
}

/// The files that earlier generations of a track may have left, by path below the destination: all generations have the
/// same grid.
pub(super) fn outdated(track: &TrackRecord, packagings: &[Packaging]) -> Vec<String> {
    let mut paths = Vec::new();
    for generation in 1..track.generation {
        if packagings.contains(&Packaging::Cmaf) && !track.is_plain() {
            paths.push(path(Packaging::Cmaf, &track.id, &init_name(generation)));
        }
        for segment in &track.segments {
            let name =
                |packaging: Packaging| name(packaging, track.is_plain(), segment.index, segment.start, generation);
            paths.extend(packagings.iter().map(|packaging| path(*packaging, &track.id, &name(*packaging))));
        }
    }
    paths
}

/// Takes a header over into the ledger.
pub(super) fn describe(track: &mut TrackRecord, header: &TrackHeader) {
    track.codec_string.clone_from(&header.codec_string);
    track.init_sha256.clone_from(&header.init_sha256);
    track.encoder.clone_from(&header.encoder);
}
