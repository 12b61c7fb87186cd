//! Inverse telecine, its second half: of five frames that were made of four pictures of film one repeats what was there before,
//! and is left out. The first half, which puts fields that belong together into one frame, is a filter of the plan's
//! `prepare`.
//!
//! Fives are counted on the timeline of the source and not from the first frame that comes, so that a span which begins
//! anywhere leaves out the same ones. Four that remain are shown at even distances. A five that has four already, as
//! where a decoder repeats fields by flags, keeps them all.

use super::cadence::with_captions;
use super::flow::Stopped;
use crate::av::Frame;
use crate::model::Ratio;
use crate::model::plan::VideoPlan;
use crate::model::time::rescale;

/// Frames of television that are made of [`PICTURES`].
const FRAMES: i64 = 5;
/// Pictures of film.
const PICTURES: usize = 4;
/// Side of the squares that two frames are compared by, luma samples: small enough that a mouth which moves counts as much as
/// a landscape.
const SQUARE: usize = 32;

/// Leaves repeated frames out.
pub(super) struct Film {
    /// Duration of five frames, seconds.
    five: Ratio,
    /// One tick of the frames' times, seconds.
    tick: Ratio,
    number: i64,
    held: Vec<Held>,
    /// The frame before the next one, whether it was shown or not.
    last: Option<Frame>,
    /// Captions of a frame that was left out, for the next one that is shown.
    left_out: Option<Frame>,
}

struct Held {
    frame: Frame,
    at: i64,
    /// How much it differs from the one before.
    differs: u64,
}

/// Takes frames with their own times.
pub(super) type Each<'a> = dyn FnMut(Frame, i64) -> Result<(), Stopped> + 'a;

impl Film {
    /// For a plan whose fields are those of film.
    pub(super) fn new(video: &VideoPlan) -> Option<Self> {
        let rate = video.fields?.telecine?;
        let timescale = video.prepared_timeline().timescale;
        Some(Self {
            five: Ratio::new(FRAMES.saturating_mul(rate.den), rate.num),
            tick: Ratio::new(1, i64::from(timescale)),
            number: i64::MIN,
            held: Vec::new(),
            last: None,
            left_out: None,
        })
    }

    /// A frame comes at `at`. Gives those of the five before it, once it belongs to another one.
    pub(super) fn take(&mut self, frame: Frame, at: i64, each: &mut Each<'_>) -> Result<(), Stopped> {
        let number = self.number_of(at);
        if number != self.number {
            self.show(each)?;
            self.number = number;
        }
        if self.held.len() == FRAMES as usize {
            // Times that are too close: nothing is held without bounds.
            self.leave_out()?;
        }
        let differs = self.last.as_ref().map_or(u64::MAX, |last| difference(last, &frame));
        self.last = Some(frame.reference().map_err(super::faults::internal)?);
        self.held.push(Held { frame, at, differs });
        Ok(())
    }

    /// Gives what is held.
    pub(super) fn finish(&mut self, each: &mut Each<'_>) -> Result<(), Stopped> {
        self.show(each)
    }

    /// The five that an instant lies in. Times are up to a quarter of a frame off.
    fn number_of(&self, at: i64) -> i64 {
        let room = rescale(1, Ratio::new(self.five.num, 4 * FRAMES * self.five.den), self.tick);
        let (over, under) = (
            i128::from(at.saturating_add(room)) * i128::from(self.tick.num) * i128::from(self.five.den),
            i128::from(self.tick.den) * i128::from(self.five.num),
        );
        over.div_euclid(under.max(1)).clamp(i128::from(i64::MIN / 8), i128::from(i64::MAX / 8)) as i64
    }

    fn show(&mut self, each: &mut Each<'_>) -> Result<(), Stopped> {
        if self.held.len() == FRAMES as usize {
            self.leave_out()?;
        }
        let whole = self.held.len() == PICTURES;
        let first = self.number.saturating_mul(PICTURES as i64);
        let picture = Ratio::new(self.five.num, PICTURES as i64 * self.five.den);
        for (nth, Held { frame, at, .. }) in (0..).zip(self.held.drain(..)) {
            let at = if whole { rescale(first + nth, picture, self.tick) } else { at };
            each(with_captions(self.left_out.take(), frame)?, at)?;
        }
        Ok(())
    }

    /// Takes the frame away that differs least from the one before it; its captions go on with the next.
    fn leave_out(&mut self) -> Result<(), Stopped> {
        let least = (0..self.held.len()).min_by_key(|nth| self.held[*nth].differs);
        let Some(least) = least else { return Ok(()) };
        let gone = self.held.remove(least).frame;
        if least == self.held.len() {
            self.left_out = Some(gone);
            return Ok(());
        }
        let next = self.held.remove(least);
        let frame = with_captions(Some(gone), next.frame)?;
        self.held.insert(least, Held { frame, ..next });
        Ok(())
    }
}

/// The sum of absolute differences of luma in the square that differs most; frames that cannot be compared differ most of all.
fn difference(a: &Frame, b: &Frame) -> u64 {
    let (Some((height, width)), true) = (a.plane_size(0), a.plane_size(0) == b.plane_size(0)) else { return u64::MAX };
    let mut most = 0;
    let mut sums = vec![0_u64; width.div_ceil(SQUARE)];
    for top in (0..height).step_by(SQUARE) {
        sums.fill(0);
        for row in top..height.min(top + SQUARE) {
            let (Some(a), Some(b)) = (a.row(0, row), b.row(0, row)) else { return u64::MAX };
            for ((sum, a), b) in sums.iter_mut().zip(a.chunks(SQUARE)).zip(b.chunks(SQUARE)) {
                let line: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
                *sum += u64::from(line);
            }
        }
        most = sums.iter().copied().fold(most, u64::max);
    }
    most
}
