//! From the colours of images, which are sRGB, to those of a rung's pictures: its matrix, depth and transfer.

use super::raster::Raster;
use crate::model::Signal;
use crate::model::plan::VideoRendition;

/// How a rung's pictures hold colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colors(Signal);

/// An image in the layout of pictures with 4:2:0: luma with its alpha, and chroma at half of both sizes with its own.
/// Alpha is 0 to 65,535. Sides are even.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Painted {
    width: usize,
    height: usize,
    /// Luma and alpha of each pixel.
    pub(super) luma: Vec<(u16, u16)>,
    /// Both differences of colour, and alpha, of each two by two pixels.
    pub(super) chroma: Vec<(u16, u16, u16)>,
}

impl Painted {
    /// Width and height, pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }
}

impl Colors {
    /// Those of standard HD pictures.
    pub(super) const fn usual() -> Self {
        Self(Signal::HD)
    }

    /// Those of a rung.
    pub(super) fn of(rendition: &VideoRendition) -> Self {
        let deep = rendition.pixel_format.contains("10") || rendition.pixel_format == "p010le";
        let hdr = rendition.hdr.as_ref().map(|hdr| hdr.kind);
        Self(Signal::of(&rendition.color, if deep { 10 } else { 8 }, hdr))
    }

    /// The image in these colours; a side that is odd gets a line that is not seen.
    pub(super) fn paint(&self, raster: &Raster) -> Painted {
        let (width, height) = (raster.width.next_multiple_of(2) as usize, raster.height.next_multiple_of(2) as usize);
        let mut luma = vec![(0, 0); width * height];
        // Sums of both differences, weighed by alpha, and of alpha.
        let mut sums = vec![(0.0_f32, 0.0_f32, 0.0_f32); width * height / 4];
        let stride = raster.width as usize;
        for (index, pixel) in raster.pixels.chunks_exact(4).enumerate() {
            let (x, y) = (index % stride, index / stride);
            let alpha = pixel[3];
            if alpha == 0 {
                continue;
            }
            let channel = |value: u8| (f32::from(value) / f32::from(alpha)).min(1.0);
            let (light, cb, cr) = self.0.code([channel(pixel[0]), channel(pixel[1]), channel(pixel[2])]);
            luma[y * width + x] = (light.round() as u16, u16::from(alpha) * 257);
            let sum = &mut sums[y / 2 * (width / 2) + x / 2];
            let weight = f32::from(alpha) / 255.0;
            *sum = (sum.0 + cb * weight, sum.1 + cr * weight, sum.2 + weight);
        }
        let mean = |(cb, cr, weight): (f32, f32, f32)| {
            if weight <= 0.0 {
                return (0, 0, 0);
            }
            ((cb / weight).round() as u16, (cr / weight).round() as u16, (weight / 4.0 * 65_535.0).round() as u16)
        };
        Painted { width, height, luma, chroma: sums.into_iter().map(mean).collect() }
    }
}
