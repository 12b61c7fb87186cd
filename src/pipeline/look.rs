//! Whether two pictures are the same one, seen from afar: by the means of coarse cells, which scaling and coding leave as
//! they are, and which are others in a picture that is green, garbled, shifted, of another instant or of wrong colours.

use super::accel::DeviceError;
use super::equipment::Equipment;
use crate::av::Frame;
use crate::av::cells::PLANES;

/// Most cells each way.
const CELLS_MAX: u32 = 16;
/// Least size of a cell, pixels each way: an encoder's smallest block at its worst has a mean of its own.
const CELL_PIXELS_MIN: u32 = 16;

/// Columns and rows of cells.
pub type Cells = (usize, usize);

/// What a picture looks like from afar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    cells: Cells,
    means: [Vec<u8>; PLANES],
}

/// By how much the cells of two pictures may differ, of 255.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tolerance {
    /// On the average of a plane.
    pub mean: u64,
    /// In any one cell.
    pub cell: u64,
}

/// A key frame beside the picture that was encoded. At the coarsest quantiser of H.264, HEVC and AV1 the mean was off by 4
/// and a cell by 13 at the most, over real pictures and noise from 256x144 to 1280x720; pictures that were green, negated,
/// shifted by an eighth or skewed by their pitch were off by 8 and more, and by more than 50 in some cell (noise has no
/// shape to be shifted, and is found by its colour).
pub const CODED: Tolerance = Tolerance { mean: 7, cell: 40 };
/// A picture that was predicted from others, where a starved encoder leaves blocks as they were.
pub const PREDICTED: Tolerance = Tolerance { mean: 16, cell: 120 };
/// The same packet by two decoders, which agree to the bit in what is coded today and nearly so in what was coded before;
/// grain that is added after decoding is chance.
pub const DECODED: Tolerance = Tolerance { mean: 4, cell: 24 };
/// Pictures of two sizes: cells begin and end inside of a sample.
pub const SCALED: Tolerance = Tolerance { mean: 7, cell: 40 };

/// The cells for pictures of this size, pixels.
pub fn cells_of((width, height): (u32, u32)) -> Cells {
    let cells = |length: u32| (length / CELL_PIXELS_MIN).clamp(1, CELLS_MAX) as usize;
    (cells(width), cells(height))
}

impl Look {
    /// A picture in the host's memory; `None` where its samples are not YUV, or fewer than the cells.
    pub fn of(frame: &Frame, cells: Cells) -> Option<Self> {
        Some(Self { cells, means: frame.cell_means(cells)? })
    }

    /// A picture wherever it lies.
    ///
    /// # Errors
    /// What the device says that cannot give it out.
    pub fn of_any(frame: &Frame, cells: Cells, equipment: Equipment<'_>) -> Result<Option<Self>, DeviceError> {
        Ok(Self::of(&equipment.download(frame)?, cells))
    }

    /// In which way another picture is not this one; `None` when it is.
    pub fn unlike(&self, other: &Self, tolerance: Tolerance) -> Option<String> {
        if self.cells != other.cells {
            return Some(format!("{:?} cells came of {:?}", other.cells, self.cells));
        }
        const NAMES: [&str; PLANES] = ["brightness", "blue", "red"];
        self.means.iter().zip(&other.means).zip(NAMES).find_map(|((ours, theirs), name)| {
            let off = || ours.iter().zip(theirs).map(|(ours, theirs)| u64::from(ours.abs_diff(*theirs)));
            let (mean, most) = (off().sum::<u64>() / ours.len().max(1) as u64, off().max().unwrap_or(0));
            let wrong = mean > tolerance.mean || most > tolerance.cell;
            wrong.then(|| format!("its {name} is off by {mean} of 255, and by {most} where it is most"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::av::names::pixel_format;

    fn picture(value: impl Fn(usize, usize) -> u8) -> Frame {
        let mut frame = Frame::picture(320, 180, pixel_format("yuv420p").unwrap()).unwrap();
        for y in 0..180 {
            frame.row_mut(0, y).unwrap().iter_mut().enumerate().for_each(|(x, sample)| *sample = value(x, y));
        }
        frame
    }

    fn look(frame: &Frame) -> Look {
        Look::of(frame, cells_of((320, 180))).unwrap()
    }

    fn scene(x: usize, y: usize) -> u8 {
        if (80..160).contains(&x) && (40..120).contains(&y) { 200 } else { 50 }
    }

    #[test]
    fn a_picture_that_is_coarsely_coded_is_the_same_and_a_wrong_one_is_not() {
        let right = look(&picture(scene));
        let coarse = picture(|x, y| scene(x, y).saturating_add(((x / 8 * 7 + y / 8 * 3) % 9) as u8));
        assert_eq!(right.unlike(&look(&coarse), CODED), None);
        let mut green = picture(|_, _| 0);
        (1..3).for_each(|plane| green.paint(plane, 0));
        let mut swapped = picture(scene);
        swapped.paint(2, 150);
        for (name, wrong) in [
            ("green", green),
            ("negated", picture(|x, y| 255 - scene(x, y))),
            ("shifted", picture(|x, y| scene((x + 40) % 320, y))),
            ("skewed", picture(|x, y| scene((x + y) % 320, y))),
            ("half", picture(|x, y| if y < 90 { scene(x, y) } else { 0 })),
            ("of other colours", swapped),
        ] {
            assert!(right.unlike(&look(&wrong), CODED).is_some(), "{name}");
        }
    }

    #[test]
    fn what_differs_is_told_in_words() {
        let told = look(&picture(|_, _| 50)).unlike(&look(&picture(|_, _| 90)), PREDICTED).unwrap();
        assert_eq!(told, "its brightness is off by 40 of 255, and by 40 where it is most");
    }

    #[test]
    fn small_pictures_have_fewer_cells() {
        assert_eq!(cells_of((1920, 1080)), (16, 16));
        assert_eq!(cells_of((160, 90)), (10, 5));
        assert_eq!(cells_of((8, 8)), (1, 1));
    }
}
