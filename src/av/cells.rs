//! What a picture looks like from afar: the means of its samples in a coarse grid of cells, whatever its layout.

use super::{Frame, names};

/// Planes of a picture: brightness and two of colour.
pub const PLANES: usize = 3;
/// Samples of a cell each way that are looked at, at most: 256 of a cell tell its mean to a sixteenth of their spread.
const SAMPLES_MAX: usize = 16;

/// A component of a picture, as its pixel format says where it lies.
struct Component {
    data: *const u8,
    stride: usize,
    /// Bytes from one sample to the next.
    step: usize,
    shift: u32,
    depth: u32,
    width: usize,
    height: usize,
}

impl Frame {
    /// The mean of each cell in a grid over the picture, row by row, for brightness and both planes of colour, as if each
    /// sample had eight bits. `None` for a picture that lies on a device, is not YUV, or is smaller than the grid.
    pub fn cell_means(&self, (columns, rows): (usize, usize)) -> Option<[Vec<u8>; PLANES]> {
        let mut means: [Vec<u8>; PLANES] = Default::default();
        for (plane, cells) in means.iter_mut().enumerate() {
            let component = self.component(plane)?;
            if columns == 0 || rows == 0 || component.width < columns || component.height < rows {
                return None;
            }
            let cell = |at: usize| component.mean(at % columns, at / columns, columns, rows);
            *cells = (0..columns * rows).map(cell).collect();
        }
        Some(means)
    }

    fn component(&self, plane: usize) -> Option<Component> {
        const LARGE_END_FIRST: u64 = 1;
        const PALETTE: u64 = 1 << 1;
        const BITS: u64 = 1 << 2;
        const DEVICE: u64 = 1 << 3;
        const FLOAT: u64 = 1 << 9;
        const RGB: u64 = 1 << 5;
        let (raw, format) = (self.raw(), self.picture_format());
        let described = names::descriptor(format.format)?;
        let unlike = LARGE_END_FIRST | PALETTE | BITS | DEVICE | FLOAT | RGB;
        if described.flags & unlike != 0 || usize::from(described.nb_components) < PLANES {
            return None;
        }
        let of = described.comp[plane];
        let number = |value: i32| usize::try_from(value).ok();
        let at = number(of.plane)?;
        let (data, stride) = (*raw.data.get(at)?, number(*raw.linesize.get(at)?)?);
        let (across, down) = if plane == 0 { (0, 0) } else { (described.log2_chroma_w, described.log2_chroma_h) };
        let (width, height) = (format.width as usize, format.height as usize);
        let (width, height) = (width.div_ceil(1 << across), height.div_ceil(1 << down));
        let (step, offset) = (number(of.step)?, number(of.offset)?);
        let depth = u32::try_from(of.depth).ok().filter(|depth| (8..=16).contains(depth))?;
        let bytes = if depth > 8 { 2 } else { 1 };
        if data.is_null() || width == 0 || (width - 1) * step + offset + bytes > stride {
            return None;
        }
        // SAFETY: the offset lies inside of the first row, as was just checked.
        let data = unsafe { data.add(offset) }.cast_const();
        Some(Component { data, stride, step, shift: u32::try_from(of.shift).ok()?, depth, width, height })
    }
}

impl Component {
    /// The mean of a cell, of samples that are evenly spread over it.
    fn mean(&self, column: usize, row: usize, columns: usize, rows: usize) -> u8 {
        let span = |at: usize, of: usize, length: usize| (at * length / of, (at + 1) * length / of);
        let ((left, right), (top, bottom)) = (span(column, columns, self.width), span(row, rows, self.height));
        let every = |from: usize, to: usize| (to - from).div_ceil(SAMPLES_MAX).max(1);
        let (mut sum, mut count) = (0u64, 0u64);
        for y in (top..bottom).step_by(every(top, bottom)) {
            for x in (left..right).step_by(every(left, right)) {
                sum += u64::from(self.sample(x, y));
                count += 1;
            }
        }
        u8::try_from((sum + count / 2) / count.max(1)).unwrap_or(u8::MAX)
    }

    /// A sample, by its eight highest bits.
    fn sample(&self, x: usize, y: usize) -> u16 {
        debug_assert!(x < self.width && y < self.height, "callers go over the component's own size");
        // SAFETY: FFmpeg keeps `height` rows of `stride` bytes, and a sample inside of the width lies inside of its row,
        // as `component` has checked; two bytes where it has more than eight bits. The frame outlives the component.
        unsafe {
            let at = self.data.add(y * self.stride + x * self.step);
            if self.depth > 8 {
                let sample = u16::from_le_bytes([*at, *at.add(1)]) >> self.shift;
                (sample >> (self.depth - 8)) & 0xFF
            } else {
                u16::from(*at >> self.shift)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::av::names::pixel_format;
    use crate::av::{Graph, Polled};
    use crate::model::Ratio;

    /// The picture in another pixel format.
    fn in_format(frame: &Frame, format: &str) -> Frame {
        let mut graph = Graph::video(&format!("format={format}"), frame.picture_format(), Ratio::new(1, 25)).unwrap();
        graph.send(Some(frame)).unwrap();
        let mut made = Frame::new().unwrap();
        assert_eq!(graph.receive(&mut made).unwrap(), Polled::Ready);
        made
    }

    fn quarters() -> Frame {
        let mut frame = Frame::picture(64, 32, pixel_format("yuv420p").unwrap()).unwrap();
        for row in 0..32 {
            let line = frame.row_mut(0, row).unwrap();
            line[..32].fill(if row < 16 { 40 } else { 80 });
            line[32..].fill(200);
        }
        frame.paint(1, 90);
        frame.set_pts(Some(0));
        frame
    }

    #[test]
    fn the_same_picture_looks_the_same_in_every_layout() {
        let expected = [vec![40, 200, 80, 200], vec![90; 4], vec![128; 4]];
        for format in ["yuv420p", "nv12", "yuv422p", "yuv444p", "yuv420p10le", "p010le"] {
            let made = in_format(&quarters(), format);
            let means = made.cell_means((2, 2)).unwrap();
            for (found, wanted) in means.iter().flatten().zip(expected.iter().flatten()) {
                assert!(found.abs_diff(*wanted) <= 1, "{format}: {means:?}");
            }
        }
    }

    #[test]
    fn what_is_no_yuv_and_what_is_too_small_has_no_look() {
        assert!(in_format(&quarters(), "rgb24").cell_means((2, 2)).is_none());
        assert!(quarters().cell_means((2, 17)).is_none(), "colour has sixteen rows");
        assert!(Frame::new().unwrap().cell_means((1, 1)).is_none());
    }
}
