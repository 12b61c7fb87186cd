//! Progressive MP4 from stored CMAF segments: one `moov` in front of one `mdat` (ISO/IEC 14496-12 §8.1, §8.2), so that a
//! player can begin while it loads ("faststart").
//!
//! A [`Track`] is shown its initialisation segment and the `moof` of each fragment, in order, and keeps a few bytes a
//! sample. [`layout`] then gives the head of the file, and the runs of bytes to copy behind it. Sample data is never seen
//! here. Nothing that is read is trusted: what does not fit is an error.

mod fragment;
mod head;
mod labels;
mod moov;
mod tables;

use fragment::each_sample;
use head::Head;
pub use labels::Labels;
use tables::Tables;

/// Why no progressive file can be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProgressiveError {
    /// A box that must be there is missing, cut short, or contradicts itself.
    #[error("box `{0}` is missing or malformed")]
    Malformed(&'static str),
    /// A sample lies outside the media data of its fragment.
    #[error("a sample lies outside its `mdat`")]
    OutsideData,
    /// A fragment starts before its predecessor's last sample has begun, or too far after it.
    #[error("a fragment does not follow its predecessor")]
    Discontinuous,
    /// A track has no sample, or presents nothing.
    #[error("a track presents nothing")]
    Empty,
    /// More than a progressive file of ours may hold.
    #[error("there are too many samples")]
    TooMany,
}

/// One movie fragment (§8.8) of a stored segment file. Offsets are counted from the first byte of the file.
#[derive(Clone, Debug)]
pub struct Fragment<'a> {
    /// The payload of its `moof`.
    pub moof: &'a [u8],
    /// Where the `moof` box starts.
    pub moof_offset: u64,
    /// Where the payload of the `mdat` behind it lies: first byte, and one past the last.
    pub data: std::ops::Range<u64>,
}

/// One track on its way into a progressive file.
#[derive(Clone, Debug)]
pub struct Track {
    head: Head,
    tables: Tables,
    /// Where the presentation ends, ticks of the track.
    end: u64,
}

impl Track {
    /// A track without samples, described by its initialisation segment, whose presentation ends at `end` (ticks).
    ///
    /// # Errors
    /// `Malformed` when the segment has no track, or one that is not described in full.
    pub fn new(init_segment: &[u8], end: u64) -> Result<Self, ProgressiveError> {
        let head = Head::read(init_segment)?;
        let tables = Tables::new(head.timescale);
        Ok(Self { head, tables, end })
    }

    /// Takes the samples of the next fragment in. `file` numbers the file that it lies in.
    ///
    /// # Errors
    /// Whatever is wrong with the fragment; the track must not be used after that.
    pub fn add(&mut self, file: u32, fragment: &Fragment<'_>) -> Result<(), ProgressiveError> {
        let tables = &mut self.tables;
        let begun = |tables: &mut Tables, time| tables.begin_fragment(time);
        each_sample(fragment, tables, begun, |tables, sample| tables.push(file, &sample))
    }
}

/// Bytes that follow one another in a segment file and in the progressive file: about half a second of one track.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Which of the tracks.
    pub track: usize,
    /// The number of the segment file, as it was told to [`Track::add`].
    pub file: u32,
    /// First byte in that file.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
}

/// A progressive file: what to write first, and what to copy behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// `ftyp`, `moov`, and the header of `mdat`.
    pub head: Vec<u8>,
    /// The content of `mdat`, interleaved by time.
    pub runs: Vec<Run>,
}

impl Layout {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.head.len() as u64 + self.runs.iter().map(|run| run.bytes).sum::<u64>()
    }
}

/// The layout of a file with these tracks, which says this of itself. The first track gives the movie its timescale.
///
/// # Errors
/// `Empty` when there is no track, or one that presents nothing.
pub fn layout(tracks: &[&Track], labels: Labels<'_>) -> Result<Layout, ProgressiveError> {
    let runs = interleave(tracks);
    let bytes: u64 = runs.iter().map(|run| run.bytes).sum();
    let head = moov::head(tracks, &runs, bytes, labels)?;
    Ok(Layout { head, runs })
}

/// All runs in the order in which a player needs them: by the time at which they are decoded, on the common timeline.
fn interleave(tracks: &[&Track]) -> Vec<Run> {
    let mut next = vec![0; tracks.len()];
    let mut order = Vec::with_capacity(tracks.iter().map(|track| track.tables.runs.len()).sum());
    loop {
        let waiting =
            tracks.iter().enumerate().filter_map(|(at, track)| Some((at, track, track.tables.runs.get(next[at])?)));
        let soonest = waiting.min_by(|(_, a, first), (_, b, second)| {
            let (a_time, b_time) = (a.shown_from(first.time), b.shown_from(second.time));
            (a_time * i128::from(b.head.timescale)).cmp(&(b_time * i128::from(a.head.timescale)))
        });
        let Some((at, _, run)) = soonest else { return order };
        order.push(Run { track: at, file: run.file, offset: run.offset, bytes: run.bytes });
        next[at] += 1;
    }
}

impl Track {
    /// A decoding time, counted from the first sample's, as it lies on the presentation timeline.
    fn shown_from(&self, time: u64) -> i128 {
        i128::from(self.tables.first_time()) + i128::from(time) - i128::from(self.head.media_time)
    }
}

#[cfg(test)]
pub(crate) mod tests;
