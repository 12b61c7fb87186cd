//! What must outlive the process: jobs, their plans and ledgers, every change of state, and the outbox.
//!
//! One trait, two implementations: SQLite for one box ([`Sqlite`]) and memory for `reelmill transcode` ([`Memory`]). Both
//! pass `tests/store`, a suite written for any implementation. Rules that every one keeps:
//! - **Durable before answered**: what a method that writes has answered `Ok` survives a power cut.
//! - **Compare and set**: a record is saved only over the revision that was read; else [`StoreError::Conflict`].
//! - **Fenced**: ledger and plan are written only by the holder of the job's current attempt number; else
//!   [`StoreError::Fenced`].
//! - **Outbox**: effects are stored in the transaction of the change that causes them, and carried out at least once,
//!   each with an id by which its receiver can tell a repetition.
//! - **Revisions** are one sequence over all jobs; changes of a job are numbered in the order in which they were made. A
//!   record's revision is that of its last change; a save without a change takes a number of its own. What is refused takes
//!   none.
//! - **Cancel safe**: a method whose answer is no longer waited for has done all of its work, or none.

mod error;
mod hub;
mod log;
mod memory;
mod memory_log;
mod sqlite;
mod usage;

pub use error::StoreError;
pub use log::{
    LOG_HEAD_BYTES_MAX, LOG_HEAD_LINES_MAX, LOG_JOB_BYTES_MAX, LOG_TAIL_BYTES_MAX, LOG_TAIL_LINES_MAX, LogEntry,
    LogLevel, LogOrigin, LogPage, LogQuery,
};
pub use memory::Memory;
pub use sqlite::{Options, Sqlite};
pub use usage::{UsagePlace, UsageQuery};

use crate::model::bill::UsageRow;
use crate::model::job::Change;
use crate::model::ledger::SegmentRecord;
use crate::model::ledger::{first_generation, is_first_generation};
use crate::model::spec::Priority;
use crate::model::state::JobState;
use crate::model::stills::PictureRecord;
use crate::model::{JobId, JobRecord, Revision};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// An answer that takes a while.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Jobs on one page, at most.
pub const PAGE_MAX: usize = 500;
/// Changes that a slow subscriber may lag behind before it has to read the history.
pub const CHANGES_IN_FLIGHT: usize = 256;

/// A record and the revision at which it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The record.
    pub record: JobRecord,
    /// The revision of its last change.
    pub revision: Revision,
}

/// By what a client recognises a request that it repeats.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IdempotencyKey {
    /// Whose key it is; keys of different owners have nothing to do with each other.
    pub owner: String,
    /// The key.
    pub key: String,
    /// SHA-256 of what was asked with it.
    pub body_sha256: [u8; 32],
}

/// What became of a new job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Created {
    /// It is stored.
    New(Revision),
    /// The key was used before with the same body, for this job.
    Existed(JobId),
}

/// Which jobs to list; empty fields filter nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// Only these states.
    pub states: Vec<JobState>,
    /// Only this owner.
    pub owner: Option<String>,
    /// Only this reference.
    pub reference_id: Option<String>,
    /// Only jobs with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Only jobs accepted at or after this, ms since 1970.
    pub created_from_unix_ms: Option<i64>,
    /// Only jobs accepted before this.
    pub created_to_unix_ms: Option<i64>,
    /// Only jobs older than this one: where the page before ended.
    pub before: Option<JobId>,
    /// At most so many; more than [`PAGE_MAX`] counts as that.
    pub limit: usize,
}

/// A page of jobs, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Stored>,
    /// There are more; ask again with `before` as the last one's id.
    pub more: bool,
}

/// A job that is not over, as the queue needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Which.
    pub id: JobId,
    /// Its class.
    pub priority: Priority,
    /// Not begun before, ms since 1970.
    pub not_before_unix_ms: i64,
    /// Where it stands.
    pub state: JobState,
}

/// What of a track is known beside its segments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackHeader {
    /// RFC 6381 codecs string.
    pub codec_string: String,
    /// SHA-256 of the CMAF initialisation segment, hexadecimal; `None` where there is no CMAF.
    pub init_sha256: Option<String>,
    /// Size of that segment; 0 where there is none.
    pub init_bytes: u64,
    /// Encoder identity.
    pub encoder: String,
    /// See [`crate::model::TrackRecord::generation`]. Segments of another one count no more.
    #[serde(default = "first_generation", skip_serializing_if = "is_first_generation")]
    pub generation: u32,
}

/// A segment that is stored at its destination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerSegment {
    /// The segment.
    pub record: SegmentRecord,
    /// TS continuity counters after it, by PID (ISO/IEC 13818-1 §2.4.3.3); empty where there is no TS.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub continuity: BTreeMap<u16, u8>,
    /// The generation of the track that it belongs to.
    #[serde(default = "first_generation", skip_serializing_if = "is_first_generation")]
    pub generation: u32,
}

impl LedgerEntry {
    /// The generation of the track that it is about.
    pub const fn generation(&self) -> u32 {
        match self {
            Self::Track(header) => header.generation,
            Self::Segment(segment) => segment.generation,
            Self::Picture(_) => first_generation(),
        }
    }
}

/// What a row of the ledger says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerEntry {
    /// A track begins; its initialisation segment, if it has one, is stored.
    Track(TrackHeader),
    /// A segment follows, without a gap.
    Segment(LedgerSegment),
    /// A still or a sheet is stored; in any order.
    Picture(PictureRecord),
}

/// One row of the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerRow {
    /// Index of the output in the job.
    pub output: usize,
    /// The track's id in the output.
    pub track: String,
    /// What.
    pub entry: LedgerEntry,
}

/// What is to be done outside the store because of a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Tell a webhook.
    Webhook {
        /// Index of the webhook in the specification.
        webhook: usize,
        /// Where.
        url: String,
        /// Name of the secret.
        secret_name: String,
        /// Such as `job.succeeded`.
        event: String,
        /// The JSON to send.
        body: String,
    },
    /// Remove what an output left at its destination.
    Remove {
        /// Index of the output in the specification.
        output: usize,
        /// The specification's destination.
        destination: crate::model::Locator,
        /// Paths below it, as far as they are known.
        paths: Vec<String>,
    },
}

/// An attempt at an effect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EffectAttempt {
    /// When it began, ms since 1970.
    pub unix_ms: i64,
    /// HTTP status; `None` where there was none.
    pub status: Option<u16>,
    /// What went wrong; empty when nothing did.
    pub error: String,
    /// How long it took, ms.
    pub elapsed_ms: u32,
}

/// Where an effect stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// To be carried out at this time, ms since 1970.
    Due(i64),
    /// Done.
    Done,
    /// Given up.
    Dead,
}

/// An effect as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEffect {
    /// Unique; the same over all attempts.
    pub id: u64,
    /// The job that caused it.
    pub job: JobId,
    /// When it was caused, ms since 1970.
    pub created_unix_ms: i64,
    /// What.
    pub effect: Effect,
    /// Where it stands.
    pub state: EffectState,
    /// Attempts, oldest first.
    pub attempts: Vec<EffectAttempt>,
}

/// A change, as subscribers get it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Of which job.
    pub id: JobId,
    /// The change.
    pub change: Change,
    /// The job is over with this change: it is the last one until a retry.
    pub last: bool,
}

/// Keeps jobs.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Stores a new job with its first changes. A key is remembered for as long as its job is stored.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] when the key was used with another body; [`StoreError::Conflict`] when there is a job of
    /// this id.
    fn create(&self, record: JobRecord, key: Option<IdempotencyKey>) -> Answer<'_, Created>;

    /// A job; `None` when there is no such.
    fn get(&self, id: JobId) -> Answer<'_, Option<Stored>>;

    /// Many jobs, in the order of the ids.
    fn get_many(&self, ids: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>>;

    /// A page of jobs. Their `inputs` come without facts.
    fn list(&self, query: Query) -> Answer<'_, Page>;

    /// Saves a record over the revision `over`, with its pending changes and what is to be done because of them, and
    /// gives the new revision. Subscribers are told once this is durable, and before it is answered. Effects are due at
    /// once: at the time of the last change.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::NotFound`].
    fn save(&self, over: Revision, record: JobRecord, effects: Vec<Effect>) -> Answer<'_, Revision>;

    /// Changes of a job after a revision, oldest first, at most `limit`.
    fn history(&self, id: JobId, after: Revision, limit: usize) -> Answer<'_, Vec<Change>>;

    /// Changes of a job from now on. A receiver that lags reads the history. Who subscribes first and reads the history
    /// then may get a change twice, never none: the later one of the same revision is to be left out. The channel closes
    /// when the job is deleted.
    fn subscribe(&self, id: JobId) -> broadcast::Receiver<Arc<Told>>;

    /// Jobs that are not over, oldest first.
    fn unfinished(&self) -> Answer<'_, Vec<Waiting>>;

    /// Adds rows to a job's ledger. A row that is there already (same output, track and index) is replaced, where it is.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when `attempt` is not the job's current one; [`StoreError::NotFound`].
    fn append(&self, id: JobId, attempt: u32, rows: Vec<LedgerRow>) -> Answer<'_, ()>;

    /// A job's ledger: by output, then track in the order in which tracks began, each header before its segments, those
    /// by start.
    fn ledger(&self, id: JobId) -> Answer<'_, Vec<LedgerRow>>;

    /// Forgets the rows of one output.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::NotFound`].
    fn forget(&self, id: JobId, attempt: u32, output: usize) -> Answer<'_, ()>;

    /// Stores a document beside a job (its plan), replacing the one of that name.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::NotFound`].
    fn put_document(&self, id: JobId, attempt: u32, name: &'static str, body: Vec<u8>) -> Answer<'_, ()>;

    /// A document; `None` when there is none.
    fn document(&self, id: JobId, name: &'static str) -> Answer<'_, Option<Vec<u8>>>;

    /// Adds lines to a job's log, in order. It keeps a bounded number of them: of each output, and of the job, the first
    /// and the last ones.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    fn append_log(&self, id: JobId, lines: Vec<LogEntry>) -> Answer<'_, ()>;

    /// A page of a job's log; an empty one of a job that is not there.
    fn log(&self, id: JobId, query: LogQuery) -> Answer<'_, LogPage>;

    /// Effects that are due at `now_unix_ms`, the longest due first, at most `limit`, and when the next one is that is not
    /// among them.
    fn due(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)>;

    /// Records an attempt at an effect and where it stands now. Once it is done or dead and its job is deleted, nothing is
    /// kept of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such effect.
    fn settle(&self, effect: u64, attempt: EffectAttempt, state: EffectState) -> Answer<'_, ()>;

    /// All effects of a job, oldest first.
    fn effects(&self, id: JobId) -> Answer<'_, Vec<StoredEffect>>;

    /// Deletes a job that is over, with all that is stored of it; `effects` are what remains to be done, and outlive it,
    /// as do its effects that are still due.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not at the revision `over`, or not over; [`StoreError::NotFound`].
    fn delete(&self, id: JobId, over: Revision, effects: Vec<Effect>) -> Answer<'_, ()>;

    /// Jobs whose records have expired, the longest expired first, at most `limit`.
    fn expired(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, Vec<JobId>>;

    /// Stores what the outputs of a job have cost, in place of what was stored of them before. It outlives the job.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::NotFound`].
    fn put_usage(&self, id: JobId, attempt: u32, rows: Vec<UsageRow>) -> Answer<'_, ()>;

    /// What outputs have cost, in the order that the query says, at most its limit.
    fn usage(&self, query: UsageQuery) -> Answer<'_, Vec<UsageRow>>;

    /// Forgets what outputs of jobs have cost that ended before a time of day, ms since 1970, the oldest first and at most
    /// `limit` rows; how many that were.
    fn forget_usage(&self, before_unix_ms: i64, limit: usize) -> Answer<'_, usize>;

    /// How many jobs there are in each state that has some.
    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>>;
}

/// The time of day, ms since 1970.
fn now_unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
