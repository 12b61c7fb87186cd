//! The log of a job: what was written about it while it was made, and how much of that is kept.
//!
//! Each output has a stream of its own, and so has the job for lines that belong to no output. A stream keeps its beginning
//! and its end: where there is more, the oldest lines of the middle go, and one line says how many. So a source that makes
//! a decoder complain a million times costs no more than any other, and neither how it began nor how it ended is lost.

use serde::{Deserialize, Serialize};

/// Lines that are kept of a stream's beginning: all of a usual job.
pub const LOG_HEAD_LINES_MAX: u32 = 500;
/// Lines that are kept of its end.
pub const LOG_TAIL_LINES_MAX: u32 = 1500;
/// Bytes that are kept of its beginning.
pub const LOG_HEAD_BYTES_MAX: u64 = 64 << 10;
/// Bytes that are kept of its end.
pub const LOG_TAIL_BYTES_MAX: u64 = 192 << 10;
/// Bytes that are kept of a job, whatever its outputs: a job of hundreds of outputs must not fill the store.
pub const LOG_JOB_BYTES_MAX: u64 = 4 << 20;
/// What a line costs beside its text.
const LINE_BYTES: u64 = 64;

const _: () = assert!(LOG_HEAD_BYTES_MAX + LOG_TAIL_BYTES_MAX <= LOG_JOB_BYTES_MAX, "one stream must fit into a job");

/// How much a line matters. In order: the first matters most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is not as it should be, and work goes on.
    Warning,
    /// What happens.
    #[default]
    Info,
}

impl LogLevel {
    /// All, what matters most first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// The level of this name; what is unknown is told as information.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|level| level.name() == name).unwrap_or_default()
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogOrigin {
    /// The node, about the job's course.
    #[default]
    Node,
    /// A worker's libraries: decoder, filters, encoder.
    Library,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number in the job's log, from 1 on, in order of time; given when it is stored.
    #[serde(skip)]
    pub number: u64,
    /// When it was written, ms since 1970.
    pub unix_ms: i64,
    /// How much it matters.
    pub level: LogLevel,
    /// Who wrote it.
    pub origin: LogOrigin,
    /// Outputs that it is about, by index; it is kept with the first. None: about the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<usize>,
    /// The part of the job that it is about, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// The attempt at that part; 0 for none.
    #[serde(default)]
    pub attempt: u32,
    /// The rendition that it is about, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub track: String,
    /// The line.
    pub text: String,
    /// Over 0: this line stands for so many that were not kept.
    #[serde(default)]
    pub omitted: u64,
}

impl LogEntry {
    /// The stream that keeps it: the first of its outputs, or −1 for the job's own.
    pub(super) fn stream(&self) -> i64 {
        self.outputs.first().map_or(-1, |output| i64::try_from(*output).unwrap_or(i64::MAX))
    }

    /// What it counts against the limits, bytes.
    pub(super) fn cost(&self) -> u64 {
        LINE_BYTES + (self.text.len() + self.part.len() + self.track.len()) as u64
    }
}

/// Which lines to read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogQuery {
    /// Only those after this number.
    pub after: u64,
    /// Only those about this output.
    pub output: Option<usize>,
    /// Only those that matter so much or more.
    pub level: LogLevel,
    /// At most so many.
    pub limit: usize,
}

/// Lines, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogEntry>,
    /// There are more behind the last one.
    pub more: bool,
}

impl LogPage {
    /// A page of kept lines and of the markers that stand between them, each already chosen by the query.
    pub(super) fn merged(mut lines: Vec<LogEntry>, markers: impl IntoIterator<Item = LogEntry>, limit: usize) -> Self {
        lines.extend(markers);
        lines.sort_by_key(|line| line.number);
        let more = lines.len() > limit;
        lines.truncate(limit);
        Self { lines, more }
    }
}

/// What is kept of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Stream {
    pub(super) head_lines: u32,
    pub(super) head_bytes: u64,
    pub(super) tail_lines: u32,
    pub(super) tail_bytes: u64,
    /// Lines that went, the number and the time of the last of them.
    pub(super) omitted: u64,
    pub(super) omitted_number: u64,
    pub(super) omitted_unix_ms: i64,
    /// The last number that was given in it.
    pub(super) last: u64,
}

impl Stream {
    /// Bytes that are kept of it.
    pub(super) const fn bytes(&self) -> u64 {
        self.head_bytes + self.tail_bytes
    }

    /// Counts a new line; true when it belongs to the end, which may be over its limit then.
    pub(super) fn add(&mut self, number: u64, cost: u64, job_bytes: &mut u64) -> bool {
        self.last = number;
        *job_bytes += cost;
        let begun = self.tail_lines > 0 || self.omitted > 0;
        let fits = self.head_lines < LOG_HEAD_LINES_MAX && self.head_bytes + cost <= LOG_HEAD_BYTES_MAX;
        if !begun && fits && *job_bytes <= LOG_JOB_BYTES_MAX {
            self.head_lines += 1;
            self.head_bytes += cost;
            return false;
        }
        self.tail_lines += 1;
        self.tail_bytes += cost;
        true
    }

    /// Whether the oldest line of the end has to go.
    pub(super) const fn is_over(&self, job_bytes: u64) -> bool {
        self.tail_lines > 0
            && (self.tail_lines > LOG_TAIL_LINES_MAX
                || self.tail_bytes > LOG_TAIL_BYTES_MAX
                || job_bytes > LOG_JOB_BYTES_MAX)
    }

    /// Counts that a line of the end is gone.
    pub(super) fn omit(&mut self, number: u64, unix_ms: i64, cost: u64, job_bytes: &mut u64) {
        self.tail_lines = self.tail_lines.saturating_sub(1);
        self.tail_bytes = self.tail_bytes.saturating_sub(cost);
        *job_bytes = job_bytes.saturating_sub(cost);
        self.omitted += 1;
        (self.omitted_number, self.omitted_unix_ms) = (number, unix_ms);
    }

    /// The line that stands for those that went, in the stream of this number.
    pub(super) fn marker(&self, stream: i64) -> Option<LogEntry> {
        (self.omitted > 0).then(|| LogEntry {
            number: self.omitted_number,
            unix_ms: self.omitted_unix_ms,
            level: LogLevel::Warning,
            origin: LogOrigin::Node,
            outputs: usize::try_from(stream).into_iter().collect(),
            text: format!("{} lines are not kept: there were too many", self.omitted),
            omitted: self.omitted,
            ..LogEntry::default()
        })
    }
}
