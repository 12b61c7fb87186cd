//! A job as it stands: what is stored of it, and the only ways in which that changes.

use super::facts::MediaFacts;
use super::fault::Problem;
use super::loudness::LoudnessFigures;
use super::placement::PlacementRecord;
use super::plan::Note;
use super::spec::JobSpec;
use super::state::{InputEvent, InputState, JobEvent, JobState, OutputEvent, OutputState, Phase};
use super::stills::PictureSummary;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Names a job: a UUID of version 7 (RFC 9562 §5.7), so that ids sort by the time of creation. Written as 32 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(u128);

impl JobId {
    /// A new id.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().as_u128())
    }

    /// The id with this number.
    pub const fn from_number(number: u128) -> Self {
        Self(number)
    }

    /// Its number, whose order is that of creation.
    pub const fn number(self) -> u128 {
        self.0
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number
            .map(Self)
            .ok_or_else(|| Problem::input("job.not_found", "this is no job id: one has 32 digits of 0-9 a-f"))
    }
}

impl TryFrom<String> for JobId {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

/// Number of a stored change; grows over all jobs of a store.
pub type Revision = u64;

/// Everything that is stored of a job but its plan and its ledger, which are large and stand beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// What was asked.
    pub spec: JobSpec,
    state: Phase<JobState>,
    /// What decided that it is FAILED, PARTIAL or STOPPED.
    pub problem: Option<Problem>,
    /// Its sources, in the order of the specification.
    pub inputs: Vec<InputRecord>,
    /// Its outputs, in the order of the specification.
    pub outputs: Vec<OutputRecord>,
    /// Attempts begun: the fencing number. Whoever holds an older one may store nothing.
    pub attempt: u32,
    /// Times at which something that may pass was waited out, since the last attempt that got further.
    pub setbacks: u32,
    /// Not begun before this time of day, ms; moved on by setbacks.
    pub not_before_unix_ms: i64,
    /// When it was accepted, ms since 1970.
    pub created_unix_ms: i64,
    /// When its first attempt began.
    pub begun_unix_ms: Option<i64>,
    /// When it ended.
    pub ended_unix_ms: Option<i64>,
    /// What was decided and may surprise.
    pub warnings: Vec<Warning>,
    /// Where the stages run, or ran, and why there; one for each stage of each work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placements: Vec<PlacementRecord>,
    /// Changes that are not stored yet.
    #[serde(skip)]
    pending: Vec<Change>,
}

/// A source as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InputRecord {
    state: Phase<InputState>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// Its size, once opened.
    pub size_bytes: Option<u64>,
    /// What tells this content of it from another of the same size, once opened; empty where nothing does.
    #[serde(default)]
    pub version: String,
    /// Bytes fetched of it by attempts that have ended.
    #[serde(default)]
    pub read_bytes: u64,
    /// What it is, once probed; without its list of key frames, which is long and was for the planner.
    pub facts: Option<MediaFacts>,
}

/// An output as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Its id.
    pub id: String,
    state: Phase<OutputState>,
    /// Why it failed or was stopped.
    pub problem: Option<Problem>,
    /// Its destination was checked and can be written.
    pub checked: bool,
    /// Attempts begun.
    pub attempts: u32,
    /// Its tracks, once it ended.
    pub tracks: Vec<TrackSummary>,
    /// What there is to play.
    pub files: Vec<FileSummary>,
    /// Its stills and sheets, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureSummary>,
    /// When it could first be played, ms since 1970.
    pub playable_unix_ms: Option<i64>,
    /// When it ended.
    pub ended_unix_ms: Option<i64>,
}

/// A rendition of an output in short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackSummary {
    /// Of sound whose loudness was changed: what was measured, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<LoudnessFigures>,
    /// Its name in the output.
    pub id: String,
    /// RFC 6381.
    pub codecs: String,
    /// Encoder identity.
    pub encoder: String,
    /// Pixels; `None` for sound.
    pub size: Option<(u32, u32)>,
    /// Segments.
    pub segments: u64,
    /// Bytes over all packagings: segments, initialisation segment, playlists of its own.
    pub bytes: u64,
    /// Media, µs.
    pub duration_us: i64,
}

/// What a file of an output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// HLS multivariant playlist.
    HlsMaster,
    /// DASH manifest.
    DashManifest,
    /// Progressive MP4.
    ProgressiveMp4,
    /// The report.
    Report,
    /// What lies in the directory of stills, as JSON.
    StillsIndex,
    /// Which part of which sprite sheet is shown when (WebVTT).
    SpritesIndex,
}

/// A file that a client may hand out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileSummary {
    /// What it is.
    pub role: FileRole,
    /// Path below the destination.
    pub path: String,
    /// Size, bytes.
    pub bytes: u64,
}

/// A warning, and the output that it is about, if only one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Warning {
    /// Id of the output.
    pub output: Option<String>,
    /// What.
    pub note: Note,
}

/// What a change is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The job's new state.
    Job(JobState),
    /// A source, by index, and its new state.
    Input(usize, InputState),
    /// An output, by index, and its new state.
    Output(usize, OutputState),
    /// An output, by index, can be played from now on; its state, which did not change.
    Playable(usize, OutputState),
}

/// One change of state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Given by the store; 0 before.
    pub revision: Revision,
    /// When, ms since 1970.
    pub unix_ms: i64,
    /// What.
    pub subject: Subject,
    /// Why, where there is a reason.
    pub problem: Option<Problem>,
}

impl JobRecord {
    /// A job that was just accepted.
    pub fn new(id: JobId, spec: JobSpec, now_unix_ms: i64) -> Self {
        let input = |_| InputRecord {
            state: Phase::default(),
            problem: None,
            size_bytes: None,
            version: String::new(),
            read_bytes: 0,
            facts: None,
        };
        let mut record = Self {
            id,
            state: Phase::default(),
            problem: None,
            inputs: spec.sources.iter().map(input).collect(),
            outputs: spec.outputs.iter().map(|output| OutputRecord::new(output.id.clone())).collect(),
            attempt: 0,
            setbacks: 0,
            not_before_unix_ms: spec.start_unix_ms,
            created_unix_ms: now_unix_ms,
            begun_unix_ms: None,
            ended_unix_ms: None,
            warnings: Vec::new(),
            placements: Vec::new(),
            pending: Vec::new(),
            spec,
        };
        record.note(now_unix_ms, Subject::Job(JobState::Queued), None);
        record
    }

    /// Where the job stands.
    pub const fn state(&self) -> JobState {
        self.state.get()
    }

    /// Something happened to the job. False, and nothing changes, where its state does not allow it.
    pub fn job(&mut self, event: JobEvent, now_unix_ms: i64, problem: Option<Problem>) -> bool {
        let Some(next) = self.state.after(event) else { return false };
        self.state = next;
        match event {
            JobEvent::Begin => {
                self.attempt += 1;
                self.begun_unix_ms.get_or_insert(now_unix_ms);
            }
            JobEvent::Retry => (self.ended_unix_ms, self.problem) = (None, None),
            _ => {}
        }
        if next.get().is_over() {
            self.ended_unix_ms = Some(now_unix_ms);
            self.problem.clone_from(&problem);
        }
        self.note(now_unix_ms, Subject::Job(next.get()), problem);
        true
    }

    /// Something happened to a source.
    pub fn input(&mut self, index: usize, event: InputEvent, now_unix_ms: i64, problem: Option<Problem>) -> bool {
        let Some(input) = self.inputs.get_mut(index) else { return false };
        let Some(next) = input.state.after(event) else { return false };
        input.state = next;
        input.problem.clone_from(&problem);
        self.note(now_unix_ms, Subject::Input(index, next.get()), problem);
        true
    }

    /// Something happened to an output.
    pub fn output(&mut self, index: usize, event: OutputEvent, now_unix_ms: i64, problem: Option<Problem>) -> bool {
        let Some(output) = self.outputs.get_mut(index) else { return false };
        let Some(next) = output.state.after(event) else { return false };
        output.state = next;
        match event {
            OutputEvent::Begin => output.attempts += 1,
            // What could be played was taken away when it failed or was stopped.
            OutputEvent::Retry => (output.problem, output.playable_unix_ms) = (None, None),
            // Why it was stopped is told when the stop is asked for, and stays.
            OutputEvent::EndStopped => {}
            _ => output.problem.clone_from(&problem),
        }
        output.ended_unix_ms = next.get().is_over().then_some(now_unix_ms);
        self.note(now_unix_ms, Subject::Output(index, next.get()), problem);
        true
    }

    /// An output can be played from now on. Told once.
    pub fn playable(&mut self, index: usize, now_unix_ms: i64) {
        let Some(output) = self.outputs.get_mut(index).filter(|output| output.playable_unix_ms.is_none()) else {
            return;
        };
        output.playable_unix_ms = Some(now_unix_ms);
        let state = output.state();
        self.note(now_unix_ms, Subject::Playable(index, state), None);
    }

    /// Changes that are not stored yet.
    pub fn pending(&self) -> &[Change] {
        &self.pending
    }

    /// Changes since the last call, for the store: they are stored with the record, in one transaction.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.pending)
    }

    /// When the record is to be deleted; `None` while the job is not over.
    pub fn expires_unix_ms(&self) -> Option<i64> {
        let after_ms = i64::try_from(self.spec.expire_after_s).unwrap_or(i64::MAX).saturating_mul(1000);
        self.ended_unix_ms.filter(|_| self.state().is_over()).map(|ended| ended.saturating_add(after_ms))
    }

    /// The state in which a job ends whose outputs are all over.
    pub fn ending(&self) -> JobEvent {
        let any = |states: &[OutputState]| self.outputs.iter().any(|output| states.contains(&output.state()));
        match (any(&[OutputState::Ready, OutputState::Skipped]), any(&[OutputState::Failed])) {
            (true, false) => JobEvent::Succeed,
            (true, true) => JobEvent::SucceedInPart,
            (false, true) => JobEvent::Fail,
            (false, false) => JobEvent::EndStopped,
        }
    }

    fn note(&mut self, unix_ms: i64, subject: Subject, problem: Option<Problem>) {
        self.pending.push(Change { revision: 0, unix_ms, subject, problem });
    }
}

impl InputRecord {
    /// Where the source stands.
    pub const fn state(&self) -> InputState {
        self.state.get()
    }
}

impl OutputRecord {
    fn new(id: String) -> Self {
        Self {
            id,
            state: Phase::default(),
            problem: None,
            checked: false,
            attempts: 0,
            tracks: Vec::new(),
            files: Vec::new(),
            pictures: Vec::new(),
            playable_unix_ms: None,
            ended_unix_ms: None,
        }
    }

    /// Where the output stands.
    pub const fn state(&self) -> OutputState {
        self.state.get()
    }
}

/// Records for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::model::Locator;
    use crate::model::backoff::BackOff;
    use crate::model::request::Request;
    use crate::model::spec::{IfExists, OutputSpec, Priority, SourceSpec, UploadOptions};
    use std::collections::BTreeMap;

    /// A job with one source and so many outputs, just accepted.
    pub(crate) fn record(outputs: usize) -> JobRecord {
        JobRecord::new(JobId::from_number(1), spec(outputs), 0)
    }

    pub(crate) fn spec(outputs: usize) -> JobSpec {
        let output = |number| OutputSpec {
            id: format!("output-{number}"),
            destination: Locator::File(format!("/out/{number}").into()),
            if_exists: IfExists::Fail,
            source: 0,
            audio_sources: Vec::new(),
            rendition_sources: BTreeMap::new(),
            request: Request::default(),
            upload: UploadOptions::default(),
        };
        JobSpec {
            reference_id: "theirs".into(),
            owner: String::new(),
            profile: String::new(),
            priority: Priority::Normal,
            start_unix_ms: 0,
            sources: vec![SourceSpec {
                id: "source-1".into(),
                locator: Some(Locator::File("/in.mp4".into())),
                ..SourceSpec::default()
            }],
            outputs: (1..=outputs).map(output).collect(),
            webhooks: Vec::new(),
            stop_on_failure: false,
            retry: BackOff::default(),
            expire_after_s: 60,
            labels: BTreeMap::new(),
            deadline_unix_ms: None,
            fallback: Default::default(),
            devices: Vec::new(),
            trace_parent: String::new(),
        }
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
