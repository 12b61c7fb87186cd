//! The samples of one track, kept as the tables of `stbl` need them (ISO/IEC 14496-12 §8.6, §8.7): equal neighbours once.

use super::ProgressiveError;
use super::fragment::Sample;

/// Most samples of a track: a week of pictures at 50 a second. The tables of so many stay far below what a box can hold.
const SAMPLES_MAX: usize = 1 << 25;

/// Values with the number of times that they follow one another.
pub(super) type Repeated<T> = Vec<(u32, T)>;

/// Samples that lie behind one another in one file, about half a second of them: a chunk of the progressive file.
#[derive(Clone, Debug)]
pub(super) struct ChunkRun {
    pub(super) file: u32,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) samples: u32,
    /// Decoding time of its first sample, counted from that of the track's first.
    pub(super) time: u64,
}

/// All that is known of a track's samples.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) sizes: Vec<u32>,
    pub(super) durations: Repeated<u32>,
    pub(super) offsets: Repeated<i32>,
    /// Numbers of the samples where decoding can start, from 1.
    pub(super) keys: Vec<u32>,
    pub(super) runs: Vec<ChunkRun>,
    /// Decoding time of the first sample.
    first: Option<u64>,
    /// Where the last sample ends, counted from `first`.
    pub(super) length: u64,
    /// The earliest presentation time, counted from `first`.
    pub(super) earliest: i64,
    /// How long a run may be before a new one is begun, ticks.
    run_ticks: u64,
    /// The next sample begins a run.
    cut: bool,
}

impl Tables {
    pub(super) fn new(timescale: u32) -> Self {
        Self {
            sizes: Vec::new(),
            durations: Vec::new(),
            offsets: Vec::new(),
            keys: Vec::new(),
            runs: Vec::new(),
            first: None,
            length: 0,
            earliest: i64::MAX,
            run_ticks: u64::from(timescale / 2),
            cut: true,
        }
    }

    /// Decoding time of the first sample, ticks of the media; 0 when there is none.
    pub(super) fn first_time(&self) -> u64 {
        self.first.unwrap_or(0)
    }

    /// The next fragment begins at this decoding time: the last sample lasts up to it, as there is nothing in a
    /// progressive file but durations to say when a sample begins.
    pub(super) fn begin_fragment(&mut self, time: u64) -> Result<(), ProgressiveError> {
        self.cut = true;
        let Some(first) = self.first.filter(|_| !self.sizes.is_empty()) else {
            self.first = Some(time);
            return Ok(());
        };
        let start = time.checked_sub(first).ok_or(ProgressiveError::Discontinuous)?;
        if start == self.length {
            return Ok(());
        }
        let last = self.durations.last().map_or(0, |(_, duration)| *duration);
        let begun = self.length.saturating_sub(u64::from(last));
        let duration = start.checked_sub(begun).and_then(|ticks| u32::try_from(ticks).ok());
        let duration = duration.filter(|ticks| *ticks > 0).ok_or(ProgressiveError::Discontinuous)?;
        take_back(&mut self.durations);
        repeat(&mut self.durations, duration);
        self.length = start;
        Ok(())
    }

    pub(super) fn push(&mut self, file: u32, sample: &Sample) -> Result<(), ProgressiveError> {
        if self.sizes.len() >= SAMPLES_MAX {
            return Err(ProgressiveError::TooMany);
        }
        self.place(file, sample);
        self.sizes.push(sample.size);
        repeat(&mut self.durations, sample.duration);
        repeat(&mut self.offsets, sample.composition_offset);
        if sample.key {
            self.keys.push(self.sizes.len() as u32);
        }
        let shown = i64::try_from(self.length).map_err(|_| ProgressiveError::TooMany)?;
        self.earliest = self.earliest.min(shown.saturating_add(i64::from(sample.composition_offset)));
        self.length += u64::from(sample.duration);
        Ok(())
    }

    /// Puts a sample into the run that it continues, or begins a new one with it.
    fn place(&mut self, file: u32, sample: &Sample) {
        let (time, cut) = (self.length, std::mem::take(&mut self.cut));
        let size = u64::from(sample.size);
        match self.runs.last_mut() {
            Some(run)
                if !cut
                    && (run.file, run.offset + run.bytes) == (file, sample.offset)
                    && time - run.time < self.run_ticks =>
            {
                run.bytes += size;
                run.samples += 1;
            }
            _ => self.runs.push(ChunkRun { file, offset: sample.offset, bytes: size, samples: 1, time }),
        }
    }
}

/// Puts one more value behind the others.
pub(super) fn repeat<T: PartialEq>(values: &mut Repeated<T>, value: T) {
    match values.last_mut() {
        Some((count, last)) if *last == value => *count += 1,
        _ => values.push((1, value)),
    }
}

fn take_back<T>(values: &mut Repeated<T>) {
    if let Some((count, _)) = values.last_mut() {
        *count -= 1;
        if *count == 0 {
            values.pop();
        }
    }
}
