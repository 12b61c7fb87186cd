//! One image over a picture: `below · (1 - alpha) + above · alpha`, in the picture's own signal, as overlays are in television.

use super::paint::Painted;
use crate::av::Frame;
use crate::model::mark::OPAQUE;

/// Draws with the upper left corner at `corner`, whose coordinates are even; what lies outside of the picture is left out. The
/// picture is 4:2:0 of 8 or 10 bits in the host's memory, and nobody else refers to it.
pub(super) fn over(frame: &mut Frame, painted: &Painted, corner: (u32, u32), opacity: u32) {
    let opacity = opacity.min(OPAQUE);
    let (width, height) = painted.size();
    let (left, top) = (corner.0 as usize, corner.1 as usize);
    for (row, line) in painted.luma.chunks_exact(width as usize).enumerate() {
        let values = line.iter().copied();
        blend(frame, 0, top + row, left, values, opacity);
    }
    for (row, line) in painted.chroma.chunks_exact(width as usize / 2).enumerate().take(height as usize / 2) {
        blend(frame, 1, top / 2 + row, left / 2, line.iter().map(|(cb, _, alpha)| (*cb, *alpha)), opacity);
        blend(frame, 2, top / 2 + row, left / 2, line.iter().map(|(_, cr, alpha)| (*cr, *alpha)), opacity);
    }
}

fn blend(
    frame: &mut Frame,
    plane: usize,
    row: usize,
    left: usize,
    values: impl Iterator<Item = (u16, u16)>,
    opacity: u32,
) {
    let Some((samples, bytes)) = frame.samples_mut(plane, row) else { return };
    let Some(room) = samples.get_mut(left * bytes..) else { return };
    let mixed = |below: u16, above: u16, alpha: u16| {
        let part = (u64::from(alpha) * u64::from(opacity) / u64::from(OPAQUE)) as u32;
        let sum = u64::from(below) * u64::from(65_535 - part) + u64::from(above) * u64::from(part);
        ((sum + 32_767) / 65_535) as u16
    };
    for (sample, (above, alpha)) in room.chunks_exact_mut(bytes).zip(values) {
        if alpha == 0 {
            continue;
        }
        match sample {
            [byte] => *byte = mixed(u16::from(*byte), above, alpha) as u8,
            [low, high] => [*low, *high] = mixed(u16::from_le_bytes([*low, *high]), above, alpha).to_le_bytes(),
            _ => {}
        }
    }
}
