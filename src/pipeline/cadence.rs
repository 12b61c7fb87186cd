//! From the rate at which pictures come to the one at which they are shown, in integers: each has a place among those that
//! are due, and the last one of a place has it.
//!
//! Pictures are due at whole multiples of one picture's time. One is shown from the first of these that is not more than a
//! quarter of that time before its own: at half the rate every second picture remains, at twice the rate each is shown
//! twice, and times that are a little off move none. All of it follows from a picture's own time and that of the next, so a
//! span that begins anywhere shows what an unbroken run shows.

use super::faults;
use super::flow::Stopped;
use crate::av::Frame;
use crate::model::plan::{Cadence, VideoPlan};
use crate::model::time::rescale;
use crate::model::{Problem, Ratio};

/// Longest time that one picture is repeated for, seconds: a talk's slide stands for hours, a damaged timestamp for years,
/// of which each picture would be encoded.
const STANDS_SECONDS_MAX: i64 = 6 * 3600;

/// Most bytes of closed captions that one picture has, those of pictures that were left out with them: a third of a second
/// at 600 triplets a second (CTA-708-E §4.3). At lower rates what comes after that is lost.
const CAPTION_BYTES_MAX: usize = 200 * 3;

/// Leaves pictures out and repeats them.
pub(super) struct Cadenced {
    cadence: Cadence,
    timescale: u32,
    /// Ticks of a picture where every one that is due is shown; otherwise none is repeated.
    ticks: Option<i64>,
    /// The first picture of all stands from zero on.
    from_zero: bool,
    held: Option<(Frame, i64)>,
    /// Some picture was shown.
    shown: bool,
}

/// Takes pictures with their output ticks.
pub(super) type Each<'a> = dyn FnMut(Frame, i64) -> Result<(), Stopped> + 'a;

impl Cadenced {
    /// For a plan that has a cadence; `from_zero` where the span begins with an in point.
    pub(super) fn new(video: &VideoPlan, from_zero: bool) -> Option<Self> {
        let cadence = video.cadence.filter(|cadence| cadence.rate.is_known())?;
        let ticks = video.frame_ticks.map(i64::from);
        Some(Self { cadence, timescale: video.timescale, ticks, from_zero, held: None, shown: false })
    }

    /// A picture comes at `at`, ticks of its own clock. Gives the one before it wherever it is due until then.
    pub(super) fn take(&mut self, frame: Frame, at: i64, each: &mut Each<'_>) -> Result<(), Stopped> {
        let mut place = self.place(at);
        if self.held.is_none() && self.from_zero && self.ticks.is_some() {
            place = place.min(0);
        }
        let left_out = self.show_until(place, each)?;
        self.held = Some((with_captions(left_out, frame)?, place));
        Ok(())
    }

    /// No more pictures come, and the last one ends at `end`, ticks of its own clock. Gives that one, and where it ends,
    /// output ticks.
    pub(super) fn finish(&mut self, end: i64, each: &mut Each<'_>) -> Result<i64, Stopped> {
        let Some((_, since)) = &self.held else { return Ok(self.own_time(end)) };
        // At every second picture the last of an even number is not due any more.
        let last = if self.shown && self.ticks.is_some() { self.place(end) } else { self.place(end).max(since + 1) };
        let ends = match self.ticks {
            Some(_) => self.time(last),
            None => self.own_time(end).max(self.time(*since) + 1),
        };
        let _ = self.show_until(last, each)?;
        self.held = None;
        Ok(ends)
    }

    /// Gives the picture that is held wherever it is due before `end`, or hands it back when it is not.
    fn show_until(&mut self, end: i64, each: &mut Each<'_>) -> Result<Option<Frame>, Stopped> {
        let Some((mut frame, since)) = self.held.take() else { return Ok(None) };
        if since >= end {
            return Ok(Some(frame));
        }
        self.shown = true;
        if self.ticks.is_none() {
            return each(frame, self.time(since)).map(|()| None);
        }
        let Ratio { num, den } = self.cadence.rate;
        if (end - since).saturating_mul(den) > num.saturating_mul(STANDS_SECONDS_MAX) {
            let hours = STANDS_SECONDS_MAX / 3600;
            let message = format!(
                "a picture of the source stands for more than {hours} hours, which is not repeated at a constant rate: cut \
                 the source, or leave frame_rate out"
            );
            return Err(Problem::input("source.gap", message).into());
        }
        for place in since..end {
            each(frame.reference().map_err(faults::internal)?, self.time(place))?;
            // They are said once.
            frame.drop_captions();
        }
        Ok(None)
    }

    /// The place of an instant: its time in pictures that are due, less a quarter, rounded up.
    fn place(&self, at: i64) -> i64 {
        let Ratio { num, den } = self.cadence.rate;
        let unit = i128::from(self.cadence.timescale) * i128::from(den);
        let (over, under) = (4 * i128::from(at) * i128::from(num) - unit, 4 * unit.max(1));
        let place = over.div_euclid(under) + i128::from(over.rem_euclid(under) > 0);
        // Places are counted on in 64 bits.
        place.clamp(i128::from(i64::MIN / 4), i128::from(i64::MAX / 4)) as i64
    }

    /// Output ticks of a place.
    fn time(&self, place: i64) -> i64 {
        match self.ticks {
            Some(ticks) => place.saturating_mul(ticks),
            None => rescale(place, self.cadence.rate.inverse(), Ratio::new(1, i64::from(self.timescale))),
        }
    }

    fn own_time(&self, at: i64) -> i64 {
        let [own, output] = [self.cadence.timescale, self.timescale].map(|scale| Ratio::new(1, i64::from(scale)));
        rescale(at, own, output)
    }
}

/// A picture with the closed captions of the one before it that was left out, and then its own.
pub(super) fn with_captions(left_out: Option<Frame>, mut frame: Frame) -> Result<Frame, Stopped> {
    let Some(before) = left_out.as_ref().and_then(Frame::captions) else { return Ok(frame) };
    let all = [before, frame.captions().unwrap_or_default()].concat();
    if all.len() <= CAPTION_BYTES_MAX {
        frame.set_captions(&all).map_err(faults::internal)?;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Frame {
        Frame::picture(2, 2, 0).unwrap()
    }

    /// The numbers of the pictures that are shown, with their times, when they come at these.
    fn shown(times: &[i64], (timescale, rate): (u32, Ratio), output: (u32, Option<i64>), end: i64) -> Vec<(i64, i64)> {
        let cadence = Cadence { timescale, frame_ticks: None, frame_rate: rate, rate };
        let (timescale, ticks) = output;
        let mut cadenced = Cadenced { cadence, timescale, ticks, from_zero: false, held: None, shown: false };
        let mut all = Vec::new();
        let mut each = |frame: Frame, at: i64| {
            all.push((frame.pts().unwrap(), at));
            Ok(())
        };
        for (number, at) in times.iter().enumerate() {
            let mut frame = picture();
            frame.set_pts(Some(number as i64));
            cadenced.take(frame, *at, &mut each).unwrap();
        }
        let ends = cadenced.finish(end, &mut each).unwrap();
        all.push((-1, ends));
        all
    }

    fn numbers(shown: &[(i64, i64)]) -> Vec<i64> {
        shown.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn half_the_rate_is_every_second_picture_and_twice_the_rate_each_one_twice() {
        let times: Vec<i64> = (0..5).collect();
        let half = shown(&times, (60, Ratio::new(30, 1)), (30_000, Some(1000)), 5);
        assert_eq!(half, [(0, 0), (2, 1000), (4, 2000), (-1, 3000)]);
        let twice = shown(&times, (25, Ratio::new(50, 1)), (50_000, Some(1000)), 5);
        assert_eq!(numbers(&twice), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, -1]);
    }

    #[test]
    fn a_last_picture_that_is_not_due_is_left_out_unless_it_is_the_only_one() {
        let even = shown(&[0, 1, 2, 3], (60, Ratio::new(30, 1)), (30_000, Some(1000)), 4);
        assert_eq!(even, [(0, 0), (2, 1000), (-1, 2000)]);
        assert_eq!(shown(&[0], (60, Ratio::new(1, 1)), (1000, Some(1000)), 1), [(0, 0), (-1, 1000)]);
    }

    #[test]
    fn film_at_thirty_repeats_every_fourth_picture_and_times_that_are_off_move_none() {
        let film: Vec<i64> = (0..8).map(|n| n * 1000).collect();
        let even = shown(&film, (24_000, Ratio::new(30, 1)), (30_000, Some(1000)), 8000);
        assert_eq!(numbers(&even), [0, 1, 1, 2, 3, 4, 5, 5, 6, 7, -1]);
        let off: Vec<i64> = [0, 17, 34, 50, 66, 83, 101, 117].into();
        let half = shown(&off, (1000, Ratio::new(30, 1)), (30_000, Some(1000)), 133);
        assert_eq!(numbers(&half), [0, 2, 4, 6, -1]);
    }

    #[test]
    fn under_a_limit_none_is_repeated_and_the_last_of_a_burst_stays() {
        let burst = shown(&[0, 30, 60, 90, 900, 2000], (1000, Ratio::new(10, 1)), (90_000, None), 2500);
        assert_eq!(burst, [(0, 0), (3, 9000), (4, 81_000), (5, 180_000), (-1, 225_000)]);
    }

    #[test]
    fn captions_of_pictures_that_are_left_out_go_on_with_the_next_and_none_are_said_twice() {
        let said = |rate: i64, times: &[i64]| {
            let cadence =
                Cadence { timescale: 60, frame_ticks: None, frame_rate: Ratio::new(60, 1), rate: Ratio::new(rate, 1) };
            let ticks = Some(60_000 / rate);
            let mut cadenced =
                Cadenced { cadence, timescale: 60_000, ticks, from_zero: false, held: None, shown: false };
            let mut all = Vec::new();
            let mut each = |frame: Frame, _: i64| {
                all.push(frame.captions().map(<[u8]>::to_vec).unwrap_or_default());
                Ok(())
            };
            for (number, at) in times.iter().enumerate() {
                let mut frame = picture();
                frame.set_captions(&[0xfc, number as u8, 0]).unwrap();
                cadenced.take(frame, *at, &mut each).unwrap();
            }
            cadenced.finish(times.len() as i64 * 60 / 60, &mut each).unwrap();
            all
        };
        let triplet = |number: u8| [0xfc, number, 0];
        let half = said(30, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(half, [triplet(0).to_vec(), [triplet(1), triplet(2)].concat(), [triplet(3), triplet(4)].concat()]);
        let twice = said(120, &[0, 1]);
        assert_eq!(twice, [triplet(0).to_vec(), Vec::new(), triplet(1).to_vec(), Vec::new()]);
    }

    #[test]
    fn a_picture_that_stands_for_years_is_refused() {
        let cadence =
            Cadence { timescale: 1, frame_ticks: None, frame_rate: Ratio::new(1, 1), rate: Ratio::new(30, 1) };
        let mut cadenced =
            Cadenced { cadence, timescale: 30, ticks: Some(1), from_zero: false, held: None, shown: false };
        let mut each = |_: Frame, _: i64| Ok(());
        cadenced.take(picture(), 0, &mut each).unwrap();
        assert!(cadenced.take(picture(), i64::MAX, &mut each).is_err());
    }
}
