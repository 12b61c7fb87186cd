//! Pixels of watermarks: red, green, blue and alpha in 8 bits each, premultiplied, rows from the top.

/// Fixed point of weights.
const ONE: i64 = 1 << 16;

/// An image in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Four bytes a pixel, colours already multiplied by alpha.
    pub(super) pixels: Vec<u8>,
}

impl Raster {
    /// From colours that are not multiplied by alpha.
    pub(super) fn premultiplied(width: u32, height: u32, mut pixels: Vec<u8>) -> Self {
        for pixel in pixels.chunks_exact_mut(4) {
            let alpha = u32::from(pixel[3]);
            for color in &mut pixel[..3] {
                *color = ((u32::from(*color) * alpha + 127) / 255) as u8;
            }
        }
        Self { width, height, pixels }
    }

    /// The same image at another size: each pixel is the mean of what it covers, weighed by a tent, so that neither fine
    /// lines are lost where it shrinks nor steps seen where it grows. Alpha is scaled with the colours that it belongs to.
    pub(super) fn at_size(&self, width: u32, height: u32) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let across = taps(self.width, width);
        let mut narrow = vec![0_u8; width as usize * self.height as usize * 4];
        for (row, made) in
            self.pixels.chunks_exact(self.width as usize * 4).zip(narrow.chunks_exact_mut(width as usize * 4))
        {
            for (pixel, taps) in made.chunks_exact_mut(4).zip(&across) {
                weigh(pixel, taps.iter().map(|(at, weight)| (&row[at * 4..at * 4 + 4], *weight)));
            }
        }
        let down = taps(self.height, height);
        let stride = width as usize * 4;
        let mut pixels = vec![0_u8; stride * height as usize];
        for (made, taps) in pixels.chunks_exact_mut(stride).zip(&down) {
            for (x, pixel) in made.chunks_exact_mut(4).enumerate() {
                let at = |row: usize| row * stride + x * 4;
                weigh(pixel, taps.iter().map(|(row, weight)| (&narrow[at(*row)..at(*row) + 4], *weight)));
            }
        }
        Self { width, height, pixels }
    }
}

fn weigh<'a>(pixel: &mut [u8], parts: impl Iterator<Item = (&'a [u8], i64)>) {
    let mut sums = [ONE / 2; 4];
    for (part, weight) in parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += i64::from(*value) * weight;
        }
    }
    for (value, sum) in pixel.iter_mut().zip(sums) {
        *value = (sum / ONE).clamp(0, 255) as u8;
    }
}

/// For each place of `to` which places of `from` it is made of, and by how much; weights sum to [`ONE`].
fn taps(from: u32, to: u32) -> Vec<Vec<(usize, i64)>> {
    let (from, to) = (i64::from(from.max(1)), i64::from(to.max(1)));
    // In units of 1 / (2 · to) of a place of `from`: centres are whole.
    let reach = 2 * from.max(to);
    let tent = |place: i64| {
        let center = (2 * place + 1) * from;
        let first = ((center - reach) / (2 * to)).max(0);
        let last = ((center + reach) / (2 * to)).min(from - 1);
        let mut taps: Vec<(usize, i64)> = (first..=last)
            .map(|at| (at as usize, reach - (((2 * at + 1) * to) - center).abs()))
            .filter(|(_, weight)| *weight > 0)
            .collect();
        let sum: i64 = taps.iter().map(|(_, weight)| weight).sum();
        let mut left = ONE;
        for (_, weight) in &mut taps {
            *weight = *weight * ONE / sum.max(1);
            left -= *weight;
        }
        // What rounding lost goes to the middle one.
        let middle = taps.len() / 2;
        if let Some((_, weight)) = taps.get_mut(middle) {
            *weight += left;
        }
        taps
    };
    (0..to).map(tent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_keeps_the_mean_and_hidden_colours_hidden() {
        let pixels: Vec<u8> =
            (0..64).flat_map(|i| if i % 2 == 0 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let raster = Raster::premultiplied(8, 8, pixels);
        let small = raster.at_size(2, 2);
        for pixel in small.pixels.chunks_exact(4) {
            assert!(pixel[0].abs_diff(128) < 20 && pixel[1] == 0 && pixel[0] == pixel[3], "{pixel:?}");
        }
        let flat = Raster::premultiplied(3, 5, [9, 8, 7, 255].repeat(15));
        assert_eq!(flat.at_size(7, 2).pixels, [9, 8, 7, 255].repeat(14));
        assert_eq!(flat.at_size(3, 5), flat);
    }
}
