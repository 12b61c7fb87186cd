//! Which of some pictures are worth showing: not black, not blurred, not alike.
//!
//! Measured on luma of at most 320 pixels a side: its mean and standard deviation, the mean square of its Laplacian (how
//! sharp it is), and a fingerprint of 64 bits that says of each cell of an 8 by 8 grid whether it is lighter than the next
//! one. A picture is **flat** (black, white, one colour) below a deviation of 8 or a mean under 24 (of 16 to 235); it is
//! **blurred** with less than a quarter of the median sharpness of those that are not flat; two are **alike** where at most
//! 6 bits of their fingerprints differ. Of as many equal runs of candidates as pictures are wanted each gives its sharpest
//! good one; what a run lacks is made up for by the sharpest that are left.

use crate::av::Frame;
use std::cmp::Reverse;

const MEAN_MIN: u64 = 24;
const DEVIATION_MIN: u64 = 8;
/// Of the median sharpness so much counts as blurred.
const BLURRED_DIVISOR: u64 = 4;
/// Fingerprints this close are of pictures that look alike.
const ALIKE_BITS: u32 = 6;
/// Cells of a fingerprint each way; each line has one more, so that the last cell has a next one.
const CELLS: usize = 8;

/// What was measured of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measure {
    mean: u64,
    /// Square of the standard deviation.
    variance: u64,
    sharpness: u64,
    print: u64,
}

impl Measure {
    /// Measures an 8-bit 4:2:0 picture; `None` for any other, and for one of less than three pixels a side.
    pub fn of(frame: &Frame) -> Option<Self> {
        let (height, width) = frame.plane_size(0).filter(|(height, width)| (*height).min(*width) > 2)?;
        let rows: Vec<&[u8]> = (0..height).map(|row| frame.row(0, row)).collect::<Option<_>>()?;
        let count = (width * height) as u64;
        let (mut sum, mut squares) = (0_u64, 0_u64);
        for sample in rows.iter().flat_map(|row| row.iter()) {
            sum += u64::from(*sample);
            squares += u64::from(*sample).pow(2);
        }
        let mean = sum / count;
        let variance = (squares * count).saturating_sub(sum * sum) / (count * count);
        let mut edges = 0_u64;
        for lines in rows.windows(3) {
            for at in 1..width - 1 {
                let around = [lines[0][at], lines[2][at], lines[1][at - 1], lines[1][at + 1]].map(i64::from);
                edges += (4 * i64::from(lines[1][at]) - around.iter().sum::<i64>()).unsigned_abs().pow(2);
            }
        }
        let sharpness = edges / ((width - 2) * (height - 2)) as u64;
        Some(Self { mean, variance, sharpness, print: print(&rows, width, height) })
    }

    const fn is_flat(&self) -> bool {
        self.mean < MEAN_MIN || self.variance < DEVIATION_MIN * DEVIATION_MIN
    }

    const fn is_like(&self, other: &Self) -> bool {
        (self.print ^ other.print).count_ones() <= ALIKE_BITS
    }
}

fn print(rows: &[&[u8]], width: usize, height: usize) -> u64 {
    let cell = |column: usize, line: usize| -> u64 {
        let span =
            |at: usize, cells: usize, all: usize| at * all / cells..((at + 1) * all / cells).max(at * all / cells + 1);
        let (columns, lines) = (span(column, CELLS + 1, width), span(line, CELLS, height));
        let within = rows.iter().take(lines.end.min(height)).skip(lines.start.min(height - 1));
        let samples = within.flat_map(|row| &row[columns.start.min(width - 1)..columns.end.min(width)]);
        let (sum, count) = samples.fold((0, 0), |(sum, count), sample| (sum + u64::from(*sample) * 16, count + 1));
        sum / u64::max(count, 1)
    };
    let mut bits = 0;
    for line in 0..CELLS {
        for column in 0..CELLS {
            bits = bits << 1 | u64::from(cell(column, line) > cell(column + 1, line));
        }
    }
    bits
}

/// The places of at most `count` good pictures, in order. At least one is chosen where there is any: the sharpest, where
/// none is good.
pub fn choose(all: &[Measure], count: usize) -> Vec<usize> {
    let mut sharp: Vec<u64> = all.iter().filter(|one| !one.is_flat()).map(|one| one.sharpness).collect();
    sharp.sort_unstable();
    let least = sharp.get(sharp.len() / 2).map_or(0, |median| median / BLURRED_DIVISOR);
    let good = |one: &Measure| !one.is_flat() && one.sharpness >= least;
    let mut chosen: Vec<usize> = Vec::new();
    let differs = |chosen: &[usize], at: usize| !chosen.iter().any(|other| all[*other].is_like(&all[at]));
    let best = |among: std::ops::Range<usize>, chosen: &[usize]| {
        let fit = among.filter(|at| good(&all[*at]) && !chosen.contains(at) && differs(chosen, *at));
        // Of equals the first.
        fit.max_by_key(|at| (all[*at].sharpness, Reverse(*at)))
    };
    for run in 0..count {
        let found = best(run * all.len() / count..(run + 1) * all.len() / count, &chosen);
        chosen.extend(found);
    }
    while chosen.len() < count.min(all.len())
        && let Some(next) = best(0..all.len(), &chosen)
    {
        chosen.push(next);
    }
    if chosen.is_empty() {
        chosen.extend((0..all.len()).max_by_key(|at| (!all[*at].is_flat(), all[*at].sharpness, Reverse(*at))));
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::av::names::pixel_format;

    fn picture(sample: impl Fn(usize, usize) -> u8) -> Frame {
        let mut frame = Frame::picture(64, 48, pixel_format("yuv420p").unwrap()).unwrap();
        for y in 0..48 {
            frame.row_mut(0, y).unwrap().iter_mut().enumerate().for_each(|(x, to)| *to = sample(x, y));
        }
        frame
    }

    fn measured(sample: impl Fn(usize, usize) -> u8) -> Measure {
        Measure::of(&picture(sample)).unwrap()
    }

    #[test]
    fn black_and_blurred_pictures_and_copies_are_left_out() {
        let black = measured(|_, _| 16);
        let grey = measured(|x, _| 120 + (x % 2) as u8);
        // The same slopes, with and without fine detail.
        let blurred = measured(|x, y| (40 + x * 2 + y) as u8);
        let sharp = measured(|x, y| (40 + x * 2 + y + (x ^ y) % 2 * 40) as u8);
        let other = measured(|x, y| (200 - x * 2 + y - (x ^ y) % 2 * 40) as u8);
        assert!(black.is_flat() && grey.is_flat() && !blurred.is_flat() && !sharp.is_flat());
        assert!(blurred.sharpness * BLURRED_DIVISOR < sharp.sharpness, "{blurred:?} {sharp:?}");
        assert!(sharp.is_like(&sharp) && !sharp.is_like(&other));
        assert_eq!(choose(&[black, blurred, sharp, sharp, grey, other], 2), [2, 5]);
        assert_eq!(choose(&[black, blurred, sharp, sharp, grey, other], 5), [2, 5], "no more than are good");
        assert_eq!(choose(&[black, black], 2), [0], "at least one");
        assert!(choose(&[], 2).is_empty());
    }
}
