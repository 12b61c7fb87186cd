//! A job's log, as the API tells it.

use super::time::timestamp;
use crate::api::v1;
use crate::model::JobRecord;
use crate::store::{LogEntry, LogLevel, LogOrigin, LogPage};

/// Text in one answer, bytes: well below the 4 MiB that clients take by default.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The least level that is asked for; `None` for a number that is none.
pub(in crate::api) fn level(number: i32) -> Option<LogLevel> {
    use v1::log_line::Level;
    match Level::try_from(number).ok()? {
        Level::Error => Some(LogLevel::Error),
        Level::Warning => Some(LogLevel::Warning),
        Level::Info | Level::Unspecified => Some(LogLevel::Info),
    }
}

/// A page, shortened where it is too long for one answer.
pub(in crate::api) fn lines(page: LogPage, record: &JobRecord) -> v1::ListLogsResponse {
    let mut reply = v1::ListLogsResponse { lines: Vec::new(), more: page.more };
    let mut bytes = 0;
    for entry in page.lines {
        bytes += entry.text.len();
        if bytes > TEXT_BYTES_MAX && !reply.lines.is_empty() {
            reply.more = true;
            break;
        }
        reply.lines.push(line(entry, record));
    }
    reply
}

fn line(entry: LogEntry, record: &JobRecord) -> v1::LogLine {
    use v1::log_line::{Level, Origin};
    let level = match entry.level {
        LogLevel::Error => Level::Error,
        LogLevel::Warning => Level::Warning,
        LogLevel::Info => Level::Info,
    };
    let origin = match entry.origin {
        LogOrigin::Node => Origin::Node,
        LogOrigin::Library => Origin::Library,
    };
    let name = |output: usize| record.outputs.get(output).map(|output| output.id.clone());
    v1::LogLine {
        number: entry.number,
        time: Some(timestamp(entry.unix_ms)),
        level: level.into(),
        origin: origin.into(),
        output_ids: entry.outputs.into_iter().filter_map(name).collect(),
        part: entry.part,
        attempt: entry.attempt,
        rendition: entry.track,
        text: entry.text,
        omitted: entry.omitted,
    }
}
