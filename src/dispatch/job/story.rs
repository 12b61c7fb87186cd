//! What is written about a job for those who ask later: its course, and the lines of its workers, in one order of time.
//!
//! Lines wait here and are stored together, twice a second and at the end, so that a source that makes a decoder complain
//! about each picture costs no transaction a line. A log that cannot be stored fails no job.

use super::Job;
use crate::dispatch::now_unix_ms;
use crate::model::limits::LOG_LINE_BYTES_MAX;
use crate::report::JobEvent;
use crate::store::{LogEntry, LogLevel, LogOrigin, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that may wait before they are stored out of turn.
const LINES_WAITING: usize = 256;
/// Lines that may wait at all: what comes while storing them takes its time is left out.
const LINES_WAITING_MAX: usize = 4096;
/// Longest line of the node's own, bytes: a sentence about several devices is longer than what an encoder says.
const OWN_LINE_BYTES_MAX: usize = 4 * LOG_LINE_BYTES_MAX;

/// Lines that are not stored yet.
#[derive(Debug, Default)]
pub(super) struct Story {
    waiting: Mutex<Vec<LogEntry>>,
    /// What each part was last told to wait for, since it is told again and again.
    waits: Mutex<BTreeMap<String, String>>,
    troubled: AtomicBool,
}

impl Story {
    fn waiting(&self) -> MutexGuard<'_, Vec<LogEntry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, entry: LogEntry) {
        let mut waiting = self.waiting();
        if waiting.len() < LINES_WAITING_MAX {
            let text = shortened(without_secrets(&entry.text));
            waiting.push(LogEntry { unix_ms: now_unix_ms(), text, ..entry });
        }
    }

    /// Whether a part was not told to wait for this the last time.
    fn waits_anew(&self, part: &str, dimension: &str) -> bool {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.insert(part.to_owned(), dimension.to_owned()).is_none_or(|before| before != dimension)
    }

    fn goes_on(&self, part: &str) {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }
}

impl Job {
    /// Writes a line about the job.
    pub(super) fn note(&self, level: LogLevel, text: impl Into<String>) {
        self.story.add(LogEntry { level, text: text.into(), ..LogEntry::default() });
    }

    /// Writes a line about an output.
    pub(super) fn note_output(&self, output: usize, level: LogLevel, text: impl Into<String>) {
        self.story.add(LogEntry { level, outputs: vec![output], text: text.into(), ..LogEntry::default() });
    }

    /// Writes a line about a part, or about a rendition of it.
    pub(super) fn note_part(&self, index: usize, track: Option<&str>, level: LogLevel, text: impl Into<String>) {
        self.story.add(LogEntry {
            level,
            outputs: self.outputs_about(index, track),
            part: self.part_name(index),
            attempt: self.parts[index].attempts,
            track: track.unwrap_or_default().to_owned(),
            text: text.into(),
            ..LogEntry::default()
        });
    }

    /// Writes a line that a worker's libraries have written: with the outputs of its track, where it has one.
    pub(super) async fn note_worker(&self, index: usize, level: &str, track: &str, text: &str) {
        let outputs = if track.is_empty() { Vec::new() } else { self.outputs_about(index, Some(track)) };
        self.story.add(LogEntry {
            level: LogLevel::from_name(level),
            origin: LogOrigin::Library,
            outputs,
            part: self.part_name(index),
            attempt: self.parts[index].attempts,
            track: track.to_owned(),
            text: text.to_owned(),
            ..LogEntry::default()
        });
        if self.story.waiting().len() >= LINES_WAITING {
            self.store_story().await;
        }
    }

    /// Writes what happened to a part.
    pub(super) fn note_event(&self, event: &JobEvent) {
        let (JobEvent::PartStarted { part, .. }
        | JobEvent::PartWaits { part, .. }
        | JobEvent::PartFinished { part }
        | JobEvent::PartFailed { part, .. }) = event
        else {
            return;
        };
        let Some(index) = (0..self.parts.len()).find(|index| self.part_name(*index) == *part) else { return };
        if let JobEvent::PartWaits { dimension, .. } = event {
            if self.story.waits_anew(part, dimension) {
                self.note_part(index, None, LogLevel::Info, format!("waits for {dimension}"));
            }
            return;
        }
        self.story.goes_on(part);
        match event {
            JobEvent::PartStarted { reason, .. } => {
                let device = self.parts[index].ran.as_ref().map_or("cpu", |ran| ran.id.0.as_str());
                self.note_part(index, None, LogLevel::Info, format!("begins on {device}: {reason}"));
            }
            JobEvent::PartFailed { problem, .. } => {
                self.note_part(index, None, LogLevel::Warning, format!("the attempt failed: {problem}"));
            }
            _ => self.note_part(index, None, LogLevel::Info, "is made"),
        }
    }

    /// The outputs that have a rendition of a part, or this one.
    fn outputs_about(&self, index: usize, track: Option<&str>) -> Vec<usize> {
        let work = self.parts[index].work;
        let ours = self.renditions_of(index);
        let is_about = |rendition: &str| match track {
            Some(track) => rendition == track,
            None => ours.iter().any(|id| id == rendition),
        };
        let planned = self.plan.outputs.iter().enumerate().filter_map(|(at, output)| Some((at, output.as_ref()?)));
        let about =
            planned.filter(|(_, output)| output.uses().any(|(of, rendition)| of == work && is_about(rendition)));
        about.map(|(at, _)| at).collect()
    }

    /// Stores the lines that wait.
    pub(super) async fn store_story(&self) {
        let lines = std::mem::take(&mut *self.story.waiting());
        if lines.is_empty() {
            return;
        }
        let id = self.keeper.record.id;
        match self.settings.store.append_log(id, lines).await {
            Ok(()) | Err(StoreError::NotFound) => {}
            Err(error) if !self.story.troubled.swap(true, Ordering::Relaxed) => {
                tracing::warn!(job = %id, %error, "lines of the job's log could not be kept");
            }
            Err(_) => {}
        }
    }
}

/// A line without what addresses may hold that is nobody's business: credentials in front of a host, and what stands behind
/// a question mark, where stores put signatures.
fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let (address, behind) = address.split_at(address.find(ends).unwrap_or(address.len()));
        let (place, query) = match address.split_once(['?', '#']) {
            Some((place, _)) => (place, "?…"),
            None => (address, ""),
        };
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        shown.push_str(host.rsplit_once('@').map_or(host, |(_, host)| host));
        shown.push_str(path);
        shown.push_str(query);
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

fn shortened(mut text: String) -> String {
    if text.len() > OWN_LINE_BYTES_MAX {
        let end = (0..=OWN_LINE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        for (text, shown) in [
            ("no address", "no address"),
            ("https://a.example/x?sig=s&t=1 is gone", "https://a.example/x?… is gone"),
            ("`s3://b/k` and http://u:p@h:8/p@q#f, more", "`s3://b/k` and http://h:8/p@q?… more"),
            ("://", "://"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn lines_that_wait_are_bounded_and_waits_are_told_once() {
        let story = Story::default();
        for _ in 0..2 * LINES_WAITING_MAX {
            story.add(LogEntry { text: "é".repeat(OWN_LINE_BYTES_MAX), ..LogEntry::default() });
        }
        assert_eq!(story.waiting().len(), LINES_WAITING_MAX);
        assert!(story.waiting()[0].text.len() <= OWN_LINE_BYTES_MAX + '…'.len_utf8());
        assert!(story.waits_anew("video-0", "cpu.threads"));
        assert!(!story.waits_anew("video-0", "cpu.threads") && story.waits_anew("video-0", "spool.bytes"));
        story.goes_on("video-0");
        assert!(story.waits_anew("video-0", "spool.bytes"));
    }
}
