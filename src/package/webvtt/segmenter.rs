//! Which cue stands in which segment.

use super::Cue;
use crate::model::plan::Grid;
use crate::model::text::TEXT_TIMESCALE;

/// Most cues in one segment; those that begin later are left out of it. Nobody reads a dozen a second, and each costs as
/// much again in every segment that it stands in.
const SEGMENT_CUES_MAX: usize = 500;
/// Most bytes of cues in one segment, likewise.
const SEGMENT_BYTES_MAX: usize = 64 << 10;
/// Most segments that are made of a source that does not say how long it is: a day of the shortest.
const SEGMENTS_MAX: i64 = 172_800;

/// A stretch of the grid and what is shown in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its index on the grid.
    pub index: u32,
    /// From when, ms.
    pub start: i64,
    /// Until when, ms.
    pub end: i64,
    /// Cues that are shown in it, by their start; each with its number, which is the same in all segments.
    pub cues: Vec<(u32, Cue)>,
}

/// Takes cues in any order, gives segments in theirs.
#[derive(Debug)]
pub struct Segmenter {
    grid: Grid,
    end: Option<i64>,
    next: i64,
    count: u32,
    /// Cues that are shown in a segment that was not given yet.
    waiting: Vec<(u32, Cue)>,
    /// Where the last cue ends.
    last: i64,
}

impl Segmenter {
    /// For an output that ends at `end`, ms; `None`: with the last cue.
    pub const fn new(grid: Grid, end: Option<i64>) -> Self {
        Self { grid, end, next: 0, count: 0, waiting: Vec::new(), last: 0 }
    }

    /// Takes a cue. One that ends before it starts, by zero or after the end of the output is left out; what lies outside
    /// the output is cut off.
    pub fn push(&mut self, mut cue: Cue) {
        cue.start = cue.start.max(0);
        cue.end = self.end.map_or(cue.end, |end| cue.end.min(end));
        if cue.end <= cue.start || cue.text.is_empty() {
            return;
        }
        self.last = self.last.max(cue.end);
        self.count = self.count.saturating_add(1);
        self.waiting.push((self.count, cue));
    }

    /// Cues that were taken.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The segments that end by `until`, ms: no cue that starts before that comes any more.
    pub fn cut(&mut self, until: i64) -> Vec<Segment> {
        let mut segments = Vec::new();
        while self.boundary(self.next + 1) <= until.min(self.end.unwrap_or(i64::MAX)) && self.next < SEGMENTS_MAX {
            segments.push(self.take(self.boundary(self.next + 1)));
        }
        segments
    }

    /// The segments that are left; one at least is made of everything.
    pub fn finish(mut self) -> Vec<Segment> {
        let end = self.end.unwrap_or(self.last).max(1);
        let mut segments = self.cut(end);
        if self.boundary(self.next) < end && self.next < SEGMENTS_MAX {
            segments.push(self.take(end));
        }
        segments
    }

    fn boundary(&self, index: i64) -> i64 {
        self.grid.boundary(index, TEXT_TIMESCALE)
    }

    fn take(&mut self, end: i64) -> Segment {
        let start = self.boundary(self.next);
        let index = u32::try_from(self.next).unwrap_or(u32::MAX);
        self.next += 1;
        self.waiting.sort_by_key(|(number, cue)| (cue.start, *number));
        let shown = self.waiting.iter().filter(|(_, cue)| cue.start < end && cue.end > start);
        let (mut cues, mut bytes) = (Vec::new(), 0);
        for (number, cue) in shown.take(SEGMENT_CUES_MAX) {
            bytes += cue.text.len() + cue.settings.len();
            if bytes > SEGMENT_BYTES_MAX {
                break;
            }
            cues.push((*number, cue.clone()));
        }
        self.waiting.retain(|(_, cue)| cue.end > end);
        Segment { index, start, end, cues }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start: i64, end: i64) -> Cue {
        Cue { start, end, settings: String::new(), text: format!("{start}") }
    }

    fn made(end: Option<i64>, cues: &[(i64, i64)]) -> Vec<(i64, i64, Vec<i64>)> {
        let mut segmenter = Segmenter::new(Grid { segment_ms: 2000 }, end);
        cues.iter().for_each(|(start, end)| segmenter.push(cue(*start, *end)));
        let of = |segment: Segment| {
            (segment.start, segment.end, segment.cues.iter().map(|(_, cue)| cue.start).collect::<Vec<_>>())
        };
        segmenter.finish().into_iter().map(of).collect()
    }

    #[test]
    fn a_cue_stands_in_each_segment_that_it_is_shown_in() {
        let cues = [(3000, 6000), (0, 500), (1999, 2001), (2000, 4000)];
        let segments = made(Some(7000), &cues);
        assert_eq!(
            segments,
            [
                (0, 2000, vec![0, 1999]),
                (2000, 4000, vec![1999, 2000, 3000]),
                (4000, 6000, vec![3000]),
                (6000, 7000, vec![])
            ]
        );
    }

    #[test]
    fn what_lies_outside_is_cut_off_and_what_has_no_time_is_left_out() {
        let cues = [(-500, 300), (-5, 0), (900, 900), (950, 100), (900, 5000), (1000, 2000)];
        assert_eq!(made(Some(1000), &cues), [(0, 1000, vec![0, 900])]);
    }

    #[test]
    fn without_a_known_end_the_last_cue_is_it() {
        assert_eq!(made(None, &[(0, 2500)]).last(), Some(&(2000, 2500, vec![0])));
        assert_eq!(made(None, &[]), [(0, 1, vec![])]);
        assert_eq!(made(Some(4000), &[]).len(), 2);
    }

    #[test]
    fn segments_come_as_soon_as_nothing_more_can_stand_in_them() {
        let mut segmenter = Segmenter::new(Grid { segment_ms: 2000 }, Some(5000));
        segmenter.push(cue(100, 3000));
        assert!(segmenter.cut(1999).is_empty());
        assert_eq!(segmenter.cut(4500).len(), 2);
        segmenter.push(cue(3500, 4800));
        let rest = segmenter.finish();
        assert_eq!((rest.len(), rest[0].start, rest[0].end, rest[0].cues.len()), (1, 4000, 5000, 1));
    }

    #[test]
    fn a_flood_of_cues_is_bounded() {
        let mut segmenter = Segmenter::new(Grid { segment_ms: 2000 }, Some(2000));
        (0..2000).for_each(|at| segmenter.push(cue(at, 2000)));
        assert_eq!(segmenter.finish()[0].cues.len(), SEGMENT_CUES_MAX);
    }
}
