//! Which blocks to fetch before anybody asks for them. A pure function of the reads so far.
//!
//! Several workers read one source at several places, and one demuxer may read two places in turns (pictures here, sound
//! there), so several runs of reads are followed at once. What is read at one place only, as a probe does that looks at
//! an index, causes no read-ahead at all; the second read of a run does, and each further one makes the window larger.

use super::BLOCK_BYTES;
use std::ops::Range;

/// Runs that are followed at once: more workers than that read one source only on machines with that many cores, and
/// then a run that is forgotten costs one round trip.
const RUNS_MAX: usize = 32;
/// Most blocks in front of a reader: at 100 ms for a round trip, eight blocks of 1 MiB are 80 MiB/s, more than any
/// encode reads.
pub(super) const WINDOW_MAX: u64 = 8;

/// The reads of one source.
#[derive(Debug)]
pub(super) struct Ahead {
    blocks: u64,
    reads: u64,
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    /// Where the read after this would begin.
    end: u64,
    /// How many reads have followed the first.
    length: u32,
    /// The first block that was not fetched ahead.
    until: u64,
    /// The number of its last read.
    last: u64,
}

impl Ahead {
    pub(super) const fn new(size_bytes: u64) -> Self {
        Self { blocks: size_bytes.div_ceil(BLOCK_BYTES as u64), reads: 0, runs: Vec::new() }
    }

    /// Takes note of a read, and says which blocks behind it to fetch now. `length` is not zero.
    pub(super) fn read(&mut self, offset: u64, length: u64) -> Range<u64> {
        self.reads += 1;
        let end = offset + length;
        let block = BLOCK_BYTES as u64;
        let after = (end - 1) / block + 1;
        // Demuxers skip what they do not want, and look back a little: both go on with the run.
        let goes_on = |run: &&mut Run| offset < run.end + block && end + block > run.end;
        let Some(run) = self.runs.iter_mut().find(goes_on) else {
            if self.runs.len() == RUNS_MAX {
                self.runs.sort_by_key(|run| run.last);
                self.runs.remove(0);
            }
            self.runs.push(Run { end, length: 0, until: after, last: self.reads });
            return after..after;
        };
        run.last = self.reads;
        if end <= run.end {
            return after..after;
        }
        run.end = end;
        run.length = run.length.saturating_add(1);
        let window = 1_u64.checked_shl(run.length).unwrap_or(WINDOW_MAX).min(WINDOW_MAX);
        let wanted = run.until.max(after)..(after + window).min(self.blocks);
        run.until = run.until.max(wanted.end);
        if wanted.is_empty() { after..after } else { wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: u64 = BLOCK_BYTES as u64;

    #[test]
    fn a_run_opens_its_window_and_never_fetches_twice() {
        let mut ahead = Ahead::new(100 * B);
        let read: Vec<_> = (0..6).map(|at| ahead.read(at * B, B)).collect();
        assert!(read[0].is_empty());
        assert_eq!(read[1..], [2..4, 4..7, 7..12, 12..13, 13..14]);
    }

    #[test]
    fn reads_here_and_there_cause_nothing() {
        let mut ahead = Ahead::new(100 * B);
        for at in [0, 90, 50, 10, 70, 30] {
            assert!(ahead.read(at * B, B).is_empty(), "{at}");
        }
        assert!(ahead.read(0, B).is_empty(), "read again");
    }

    #[test]
    fn two_places_in_turns_are_two_runs() {
        let mut ahead = Ahead::new(100 * B);
        for step in 0..4 {
            let (one, two) = (ahead.read(step * B, B), ahead.read((50 + step) * B, B));
            assert_eq!(one.is_empty(), step == 0);
            assert_eq!(two.is_empty(), step == 0);
            assert!(step == 0 || (two.start == one.start + 50 && two.end == one.end + 50));
        }
    }

    #[test]
    fn small_skips_go_on_and_the_end_is_the_end() {
        let mut ahead = Ahead::new(5 * B - 1);
        assert!(ahead.read(0, 100).is_empty());
        assert_eq!(ahead.read(B / 2, 100), 1..3);
        assert_eq!(ahead.read(B + 7, B), 3..5);
        assert!(ahead.read(3 * B, 2 * B - 1).is_empty(), "nothing lies behind the end");
    }

    #[test]
    fn a_run_that_is_not_read_any_more_makes_room() {
        let mut ahead = Ahead::new(10_000 * B);
        for at in 0..=RUNS_MAX as u64 {
            ahead.read(at * 100 * B, B);
        }
        assert!(ahead.read(B, B).is_empty(), "the oldest run was forgotten");
        assert!(!ahead.read(301 * B, B).is_empty());
    }
}
