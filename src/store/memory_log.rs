//! The log of a job in memory, by the same rules as in SQLite.

use super::log::{LogEntry, LogPage, LogQuery, Stream};
use std::collections::BTreeMap;

/// Lines by number, each with whether it belongs to the end of its stream; and what is kept of each stream.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: BTreeMap<u64, (bool, LogEntry)>,
    streams: BTreeMap<i64, Stream>,
    last: u64,
}

impl Log {
    /// Adds lines behind those that are there, and lets go of what is too much.
    pub(super) fn append(&mut self, lines: Vec<LogEntry>) {
        let mut job_bytes: u64 = self.streams.values().map(Stream::bytes).sum();
        for line in lines {
            self.last += 1;
            let (number, of) = (self.last, line.stream());
            let stream = self.streams.entry(of).or_default();
            let tail = stream.add(number, line.cost(), &mut job_bytes);
            self.lines.insert(number, (tail, LogEntry { number, ..line }));
            while stream.is_over(job_bytes) {
                let oldest = self.lines.iter().find(|(_, (tail, line))| *tail && line.stream() == of);
                let Some((which, when, cost)) = oldest.map(|(at, (_, line))| (*at, line.unix_ms, line.cost())) else {
                    break;
                };
                self.lines.remove(&which);
                stream.omit(which, when, cost, &mut job_bytes);
            }
        }
    }

    /// A page of lines.
    pub(super) fn read(&self, query: &LogQuery) -> LogPage {
        let asked = |line: &&LogEntry| query.output.is_none_or(|output| line.outputs.contains(&output));
        let behind = self.lines.range(query.after.saturating_add(1)..).map(|(_, (_, line))| line);
        let found = behind.filter(|line| line.level <= query.level).filter(asked);
        let lines = found.take(query.limit.saturating_add(1)).cloned().collect();
        let markers = self.streams.iter().filter_map(|(of, stream)| stream.marker(*of));
        let markers: Vec<_> = markers.filter(|line| line.number > query.after).collect();
        LogPage::merged(lines, markers.into_iter().filter(|line| asked(&line)), query.limit)
    }
}
