//! From coded pictures in decoding order to segments with exact times. Pure but for the packets that it holds.

use crate::av::Packet;
use crate::model::Problem;
use std::collections::VecDeque;

/// A picture as an encoder gave it out.
pub struct Coded {
    /// The bytes.
    pub packet: Packet,
    /// Presentation time, ticks.
    pub pts: i64,
    /// Whether decoding can start here.
    pub key: bool,
}

/// A coded picture with its place in the segment.
pub struct Placed {
    /// The bytes.
    pub packet: Packet,
    /// Presentation time, ticks.
    pub pts: i64,
    /// Decoding time, ticks, on a timeline that starts with the segment: the `i`-th picture to be decoded gets the time
    /// of the `i`-th to be shown. So decoding times of a segment cover exactly its own time, whatever the encoder's delay.
    /// Where pictures are unevenly apart it is earlier, so that none is decoded more than the reordering late.
    pub dts: i64,
    /// Time to the next decoding time, ticks.
    pub duration: i64,
    /// Whether decoding can start here, with nothing before needed and nothing after shown before.
    pub key: bool,
}

/// The pictures of one segment, in decoding order.
pub struct Cut {
    /// Index on the grid.
    pub index: u32,
    /// Presentation time of the first frame, ticks.
    pub start: i64,
    /// Where the next segment starts, ticks.
    pub end: i64,
    /// The pictures.
    pub pictures: Vec<Placed>,
}

/// Collects coded pictures and cuts where marked frames come out as key frames.
#[derive(Default)]
pub struct Cutter {
    marks: VecDeque<(u32, i64)>,
    open: Option<(u32, i64)>,
    pictures: Vec<Coded>,
    reorder: i64,
}

impl Cutter {
    /// By how many ticks decoding may run ahead of presentation; told before the first picture.
    pub const fn set_reorder(&mut self, ticks: i64) {
        self.reorder = ticks;
    }

    /// A marked frame is about to be encoded.
    pub fn mark(&mut self, index: u32, pts: i64) {
        self.marks.push_back((index, pts));
    }

    /// Takes a coded picture; gives out the segment that it ends, if it ends one.
    pub fn push(&mut self, picture: Coded) -> Result<Option<Cut>, Problem> {
        let mut finished = None;
        if let Some((index, start)) = self.marks.front().copied()
            && picture.pts >= start
        {
            if picture.pts != start || !picture.key {
                return Err(Problem::device(
                    "encoder.key_frame_missing",
                    format!(
                        "the encoder made no key frame at the start of segment {index}, so the ladder would not be aligned; use another encoder"
                    ),
                ));
            }
            self.marks.pop_front();
            finished = self.close(start);
            self.open = Some((index, start));
        }
        if self.open.is_none() {
            return Err(Problem::bug("encoder.no_mark", "a coded picture came before the first segment's mark"));
        }
        self.pictures.push(picture);
        Ok(finished)
    }

    /// No more pictures come; the media ends at `end`.
    pub fn finish(&mut self, end: i64) -> Result<Option<Cut>, Problem> {
        if let Some((index, _)) = self.marks.front() {
            return Err(Problem::device(
                "encoder.truncated",
                format!("the encoder ended without the pictures of segment {index}; the rendition is not whole"),
            ));
        }
        Ok(self.close(end))
    }

    fn close(&mut self, end: i64) -> Option<Cut> {
        let (index, start) = self.open.take()?;
        let pictures = place(std::mem::take(&mut self.pictures), end, self.reorder);
        Some(Cut { index, start, end, pictures })
    }
}

/// Decoding times, durations to the next one, and which key frames are clean starts.
fn place(coded: Vec<Coded>, end: i64, reorder: i64) -> Vec<Placed> {
    let mut times = decoding_times(&coded, reorder);
    times.push(end.max(times.last().map_or(end, |last| last + 1)));
    let clean = clean_starts(&coded);
    coded
        .into_iter()
        .zip(times.windows(2))
        .zip(clean)
        .map(|((picture, times), clean)| Placed {
            packet: picture.packet,
            pts: picture.pts,
            dts: times[0],
            duration: times[1] - times[0],
            key: clean,
        })
        .collect()
}

/// Times by rank, but none more than `reorder` behind a picture that is still to be decoded; strictly rising.
fn decoding_times(coded: &[Coded], reorder: i64) -> Vec<i64> {
    let mut times: Vec<i64> = coded.iter().map(|picture| picture.pts).collect();
    times.sort_unstable();
    let (mut soonest, mut next) = (i64::MAX, i64::MAX);
    for (time, picture) in times.iter_mut().zip(coded).rev() {
        soonest = soonest.min(picture.pts);
        *time = (*time).min(soonest.saturating_add(reorder)).min(next.saturating_sub(1));
        next = *time;
    }
    times
}

/// A key frame is a clean start when all before it is shown before it, and all after it after it (a closed GOP).
fn clean_starts(coded: &[Coded]) -> Vec<bool> {
    let mut least_after = vec![i64::MAX; coded.len() + 1];
    for (at, picture) in coded.iter().enumerate().rev() {
        least_after[at] = least_after[at + 1].min(picture.pts);
    }
    let mut most_before = i64::MIN;
    coded
        .iter()
        .enumerate()
        .map(|(at, picture)| {
            let clean = picture.key && most_before < picture.pts && least_after[at] == picture.pts;
            most_before = most_before.max(picture.pts);
            clean
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unevenly_spaced_pictures_are_never_decoded_later_than_the_reordering() {
        let order = [0, 1000, 10, 5, 1010, 1005].map(|pts| coded(pts, pts == 0));
        let placed = place(order.into(), 2000, 20);
        assert_eq!(placed[0].dts, 0);
        assert!(placed.windows(2).all(|pair| pair[0].dts < pair[1].dts));
        assert!(placed.iter().all(|picture| picture.pts + 20 >= picture.dts));
        assert_eq!(placed.iter().map(|picture| picture.duration).sum::<i64>(), 2000);
    }

    fn coded(pts: i64, key: bool) -> Coded {
        Coded { packet: Packet::from_bytes(&[0]).unwrap(), pts, key }
    }

    #[test]
    fn decoding_times_cover_the_segment_exactly() {
        let mut cutter = Cutter::default();
        cutter.set_reorder(20);
        cutter.mark(0, 0);
        cutter.mark(1, 50);
        for (pts, key) in [(0, true), (30, false), (10, false), (20, false)] {
            assert!(cutter.push(coded(pts, key)).unwrap().is_none());
        }
        let cut = cutter.push(coded(50, true)).unwrap().unwrap();
        assert_eq!((cut.index, cut.start, cut.end), (0, 0, 50));
        let times: Vec<_> = cut.pictures.iter().map(|p| (p.pts, p.dts, p.duration)).collect();
        assert_eq!(times, [(0, 0, 10), (30, 10, 10), (10, 20, 10), (20, 30, 20)]);
        let last = cutter.finish(60).unwrap().unwrap();
        assert_eq!((last.index, last.start, last.end, last.pictures[0].duration), (1, 50, 60, 10));
    }

    #[test]
    fn a_key_frame_inside_a_segment_is_a_clean_start_only_in_a_closed_gop() {
        let order = [(0, true), (30, true), (10, false), (40, true), (50, false)];
        let clean = clean_starts(&order.map(|(pts, key)| coded(pts, key)));
        assert_eq!(clean, [true, false, false, true, false]);
    }

    #[test]
    fn an_encoder_that_ignores_the_mark_is_caught() {
        let mut cutter = Cutter::default();
        cutter.mark(0, 0);
        cutter.mark(1, 40);
        cutter.push(coded(0, true)).unwrap();
        assert_eq!(cutter.push(coded(40, false)).err().unwrap().code, "encoder.key_frame_missing");
    }

    #[test]
    fn an_encoder_that_ends_early_is_caught() {
        let mut cutter = Cutter::default();
        cutter.mark(0, 0);
        cutter.mark(1, 40);
        cutter.push(coded(0, true)).unwrap();
        assert_eq!(cutter.finish(80).err().unwrap().code, "encoder.truncated");
    }
}
