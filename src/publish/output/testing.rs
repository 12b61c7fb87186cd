//! A store of one ledger, and an output with a spool, for the tests of this directory.

use super::*;
use crate::model::bill::UsageRow;
use crate::model::hash::sha256;
use crate::model::job::{Change, JobRecord, Revision};
use crate::model::spec::UploadOptions;
use crate::model::state::JobState;
use crate::model::{Packaging, Plan};
use crate::package::fmp4;
use crate::package::progressive::tests::init as init_segment;
use crate::publish::sink::{MemoryObjects, ObjectStore, S3Sink};
use crate::store::UsageQuery;
use crate::store::{
    Answer, Created, Effect, EffectAttempt, EffectState, IdempotencyKey, LedgerEntry, LogEntry, LogPage, LogQuery,
    Page, Query, Stored, StoredEffect, Told as StoreTold, Waiting,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use tokio::sync::broadcast;

pub(super) const JOB: JobId = JobId::from_number(7);
const QUICK: BackOff = BackOff { first_ms: 1, factor: 1, max_ms: 1, attempts_max: 3, jitter_percent: 0 };

/// Keeps a ledger and nothing else.
#[derive(Debug)]
pub(super) struct LedgerStore {
    pub(super) rows: Mutex<Vec<LedgerRow>>,
    /// Answers to give before any row is kept.
    pub(super) errors: Mutex<Vec<StoreError>>,
    changes: broadcast::Sender<Arc<StoreTold>>,
}

impl LedgerStore {
    pub(super) fn new() -> Arc<Self> {
        let changes = broadcast::channel(1).0;
        Arc::new(Self { rows: Mutex::default(), errors: Mutex::default(), changes })
    }

    /// Tracks and indices of segments, in the order in which they were recorded.
    pub(super) fn segments(&self) -> Vec<(String, u32)> {
        let index = |row: &LedgerRow| match &row.entry {
            LedgerEntry::Segment(segment) => Some((row.track.clone(), segment.record.index)),
            LedgerEntry::Picture(_) => None,
            LedgerEntry::Track(_) => None,
        };
        self.rows.lock().unwrap().iter().filter_map(index).collect()
    }
}

fn no<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(std::future::ready(Err(StoreError::NotFound)))
}

impl Store for LedgerStore {
    fn put_usage(&self, _: JobId, _: u32, _: Vec<UsageRow>) -> Answer<'_, ()> {
        no()
    }

    fn usage(&self, _: UsageQuery) -> Answer<'_, Vec<UsageRow>> {
        no()
    }

    fn forget_usage(&self, _: i64, _: usize) -> Answer<'_, usize> {
        no()
    }

    fn append(&self, _: JobId, _: u32, rows: Vec<LedgerRow>) -> Answer<'_, ()> {
        Box::pin(async move {
            if let Some(error) = self.errors.lock().unwrap().pop() {
                return Err(error);
            }
            self.rows.lock().unwrap().extend(rows);
            Ok(())
        })
    }

    fn forget(&self, _: JobId, _: u32, output: usize) -> Answer<'_, ()> {
        Box::pin(async move {
            self.rows.lock().unwrap().retain(|row| row.output != output);
            Ok(())
        })
    }

    fn ledger(&self, _: JobId) -> Answer<'_, Vec<LedgerRow>> {
        Box::pin(async move { Ok(self.rows.lock().unwrap().clone()) })
    }

    fn subscribe(&self, _: JobId) -> broadcast::Receiver<Arc<StoreTold>> {
        self.changes.subscribe()
    }

    fn create(&self, _: JobRecord, _: Option<IdempotencyKey>) -> Answer<'_, Created> {
        no()
    }
    fn get(&self, _: JobId) -> Answer<'_, Option<Stored>> {
        no()
    }
    fn get_many(&self, _: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>> {
        no()
    }
    fn list(&self, _: Query) -> Answer<'_, Page> {
        no()
    }
    fn save(&self, _: Revision, _: JobRecord, _: Vec<Effect>) -> Answer<'_, Revision> {
        no()
    }
    fn history(&self, _: JobId, _: Revision, _: usize) -> Answer<'_, Vec<Change>> {
        no()
    }
    fn unfinished(&self) -> Answer<'_, Vec<Waiting>> {
        no()
    }
    fn put_document(&self, _: JobId, _: u32, _: &'static str, _: Vec<u8>) -> Answer<'_, ()> {
        no()
    }
    fn document(&self, _: JobId, _: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        no()
    }
    fn append_log(&self, _: JobId, _: Vec<LogEntry>) -> Answer<'_, ()> {
        no()
    }
    fn log(&self, _: JobId, _: LogQuery) -> Answer<'_, LogPage> {
        no()
    }
    fn due(&self, _: i64, _: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)> {
        no()
    }
    fn settle(&self, _: u64, _: EffectAttempt, _: EffectState) -> Answer<'_, ()> {
        no()
    }
    fn effects(&self, _: JobId) -> Answer<'_, Vec<StoredEffect>> {
        no()
    }
    fn delete(&self, _: JobId, _: Revision, _: Vec<Effect>) -> Answer<'_, ()> {
        no()
    }
    fn expired(&self, _: i64, _: usize) -> Answer<'_, Vec<JobId>> {
        no()
    }
    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>> {
        no()
    }
}

/// One H.264 rung in two spans of three segments, and one AAC track, for two outputs.
pub(super) fn plan(packagings: &[Packaging], progressive: bool) -> JobPlan {
    let rate = json!({"num": 25, "den": 1});
    let color = json!({"range": null, "primaries": null, "transfer": null, "matrix": null});
    let rung = json!({
        "id": "360p", "codec": "h264", "packagings": ["cmaf", "ts"], "width": 640, "height": 360, "pixel_format": "yuv420p", "parent": null,
        "graph": "", "rate": {"mode": "vbv", "bitrate": 1, "max_rate": 2, "buffer": 3}, "speed": "fast",
        "encoder": "libx264", "options": [], "frame_rate": rate, "color": color, "hdr": null, "declared_peak": 2,
    });
    let video = json!({
        "stream": 0, "time_base": {"num": 1, "den": 90000}, "origin": 0, "timescale": 1000, "frame_ticks": 40,
        "frame_rate": rate, "prepare": "", "color": color, "decode_threads": 1, "renditions": [rung],
    });
    let audio = json!({
        "id": "audio-1", "stream": 1, "time_base": {"num": 1, "den": 48000}, "origin": 0, "codec": "aac",
        "packagings": ["cmaf", "ts"],
        "copy": false, "encoder": "aac", "options": [], "sample_rate": 48000, "channels": 2, "layout": "stereo",
        "graph": "", "bit_rate": 128_000, "language": null, "title": "Audio", "default": true, "descriptive": false,
    });
    let grid = json!({"segment_ms": 4000});
    let plan: Plan = serde_json::from_value(json!({
        "grid": grid, "packagings": ["cmaf", "ts"], "video": video, "audio": [audio], "duration_us": 24_000_000,
        "spans": [{"first": 0, "end": 3}, {"first": 3, "end": null}], "notes": [],
    }))
    .unwrap();
    let used = |rendition: &str| json!({"work": 0, "rendition": rendition, "id": rendition, "title": "Audio", "default": true});
    let output = json!({
        "packagings": packagings, "grid": grid, "tracks": [used("360p"), used("audio-1")], "duration_us": null,
        "progressive": progressive, "notes": [],
    });
    let output: crate::model::plan::OutputPlan = serde_json::from_value(output).unwrap();
    JobPlan {
        works: vec![crate::model::plan::Work { source: 0, inputs: Vec::new(), plan }],
        outputs: vec![Some(output.clone()), Some(output)],
        notes: Vec::new(),
    }
}

/// A job's spool and store, from which outputs are started.
pub(super) struct Bench {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Arc<LedgerStore>,
    pub(super) plan: Arc<JobPlan>,
    pub(super) released: Arc<AtomicU64>,
    pub(super) generations: Generations,
}

impl Bench {
    pub(super) fn new(packagings: &[Packaging], progressive: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["worker", "spool"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let plan = Arc::new(plan(packagings, progressive));
        Self { directory, store: LedgerStore::new(), plan, released: Arc::default(), generations: Generations::new() }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn spooled_files(&self) -> usize {
        std::fs::read_dir(self.path().join("spool")).unwrap().count()
    }

    /// A finished segment. CMAF is a real fragment; TS is two packets of one PID, whose counters each encoder starts at 0.
    pub(super) fn segment(&self, track: &str, index: u32) -> Arc<Spooled> {
        self.made(track, index, 0)
    }

    /// As `segment`, with other content for another `version`.
    pub(super) fn made(&self, track: &str, index: u32, version: u8) -> Arc<Spooled> {
        let timescale = if track == "360p" { 1000 } else { 48_000 };
        let mut packet = [index as u8 ^ version; 188];
        packet[..4].copy_from_slice(&[0x47, 0x41, 0x00, 0x10]);
        let mut next = packet;
        next[3] = 0x11;
        let data = format!("<{track} {index} {version}>");
        let sample = fmp4::Sample { data: data.as_bytes(), duration: 4 * timescale, composition_offset: 0, key: true };
        let start = u64::from(index * 4 * timescale);
        let chunk = fmp4::chunk(index + 1, 1, start, &[sample]).bytes;
        let bodies = [("cmaf", [&fmp4::styp()[..], &chunk].concat()), ("ts", [packet, next].concat())];
        let file = |(packaging, body): (&str, Vec<u8>)| {
            let name = format!("{track}-{index}.{packaging}");
            std::fs::write(self.path().join("worker").join(&name), &body).unwrap();
            let (bytes, sha256) = (body.len() as u64, sha256(&body));
            let key_frame = v1::KeyFrame { offset: 0, bytes, time: start as i64 };
            let key_frames = if track == "360p" { vec![key_frame] } else { Vec::new() };
            v1::SpoolFile { packaging: packaging.into(), name, bytes, sha256, key_frames }
        };
        let (start, duration) = (start as i64, i64::from(4 * timescale));
        let files = bodies.map(file).into();
        let message = v1::Segment { track: track.into(), index, start, duration, frames: 1, files };
        let released = Arc::clone(&self.released);
        let release = Box::new(move |bytes| {
            released.fetch_add(bytes, Ordering::Relaxed);
        });
        let both = [Packaging::Cmaf, Packaging::Ts];
        let (from, into) = (self.path().join("worker"), self.path().join("spool"));
        Arc::new(Spooled::take(&from, &into, message, &both, release).unwrap())
    }

    /// Starts output `output` with what the store has of it.
    pub(super) fn start(&self, output: usize, sink: Arc<dyn Sink>) -> Running {
        let (told, events) = mpsc::channel(4);
        let assignment = Assignment {
            cover: None,
            job: JOB,
            attempt: 1,
            output,
            plan: Arc::clone(&self.plan),
            sink,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            rows: self.store.rows.lock().unwrap().clone(),
            generations: self.generations.clone(),
            scratch: self.path().join(format!("scratch-{output}")),
            spooled: Arc::default(),
            retry: QUICK,
            started_unix_ms: 0,
            uploads: 2,
        };
        Running { task: start(assignment, told), events }
    }
}

pub(super) fn s3(store: &Arc<MemoryObjects>) -> Arc<dyn Sink> {
    Arc::new(S3Sink::new(Arc::clone(store) as Arc<dyn ObjectStore>, "o", JOB, UploadOptions::default()))
}

/// A task and what it tells.
pub(super) struct Running {
    pub(super) task: OutputTask,
    pub(super) events: mpsc::Receiver<(usize, Told)>,
}

impl Running {
    pub(super) fn init(&self, track: &str, encoder: &str) {
        let (codec_string, kind, timescale) = match track {
            "360p" => ("avc1.64001e", b"vide", 1000),
            _ => ("mp4a.40.2", b"soun", 48_000),
        };
        let init_segment = init_segment(kind, timescale, 0).into();
        let (track, codec_string, encoder) = (track.to_owned(), codec_string.to_owned(), encoder.to_owned());
        self.task.init(0, Arc::new(v1::Init { track, init_segment, codec_string, encoder }));
    }

    pub(super) fn inits(&self) {
        self.init("360p", "x264 A");
        self.init("audio-1", "aac");
    }

    pub(super) fn video(&self, bench: &Bench, span: usize, index: u32) {
        self.task.segment(0, Part::Video(span), bench.segment("360p", index));
    }

    pub(super) fn audio(&self, bench: &Bench, index: u32) {
        self.task.segment(0, Part::Audio, bench.segment("audio-1", index));
    }

    /// Gives all of it: six segments of each track.
    pub(super) fn all(&self, bench: &Bench) {
        self.inits();
        for index in [3, 4, 5, 0, 1, 2] {
            self.video(bench, usize::from(index >= 3), index);
        }
        for index in 0..6 {
            self.audio(bench, index);
        }
        self.finish();
    }

    pub(super) fn finish(&self) {
        for part in [Part::Video(0), Part::Video(1), Part::Audio] {
            self.part_done(part);
        }
        self.task.finish(Box::new(|_| Ok(br#"{"reelmill":"0"}"#.to_vec())));
    }

    pub(super) fn part_done(&self, part: Part) {
        self.task.part_done(0, part, ["360p".to_owned(), "audio-1".to_owned()].into());
    }

    pub(super) async fn next(&mut self) -> Told {
        let next = tokio::time::timeout(Duration::from_secs(20), self.events.recv());
        next.await.expect("it goes on").expect("the last thing told is that it has ended").1
    }

    /// What is told up to the event that is wanted.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            told.push(self.next().await);
            let last = &told[told.len() - 1];
            if wanted(last) {
                return told;
            }
            assert!(*last != Told::Ended, "{told:?}");
        }
    }

    pub(super) async fn recorded(&mut self, count: usize) -> Vec<(String, u32)> {
        let mut recorded = Vec::new();
        while recorded.len() < count {
            match self.next().await {
                Told::Recorded(one) => recorded.push((one.track, one.index)),
                Told::Playable => {}
                other => panic!("{other:?}"),
            }
        }
        recorded
    }

    /// Waits until a segment of a track is recorded.
    pub(super) async fn recorded_of(&mut self, track: &str, index: u32) {
        let is_it = |told: &Told| matches!(told, Told::Recorded(one) if one.track == track && one.index == index);
        self.until(|told| is_it(told) || matches!(told, Told::Failed(_))).await;
    }

    pub(super) async fn failed(&mut self) -> Problem {
        match self.until(|told| matches!(told, Told::Failed(_))).await.pop() {
            Some(Told::Failed(problem)) => problem,
            _ => unreachable!(),
        }
    }

    pub(super) async fn ready(&mut self) -> Summary {
        let ready = |told: &Told| matches!(told, Told::Ready(_) | Told::Failed(_));
        match self.until(ready).await.pop() {
            Some(Told::Ready(summary)) => *summary,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn end(&mut self, ending: Ending) -> Vec<Told> {
        self.task.end(ending);
        self.until(|told| *told == Told::Ended).await
    }
}
