//! From the colours of images, which are sRGB, to those of a rung's pictures: its matrix, depth and transfer.
//!
//! In HDR, white is HDR reference white, 203 cd/m², and 75 % of the signal in HLG (ITU-R BT.2408-7 §2.1): as bright as
//! titles and logos are in programmes, not as bright as the display can.

use super::raster::Raster;
use crate::model::facts::HdrKind;
use crate::model::plan::VideoRendition;

/// sRGB white in HDR, cd/m².
const REFERENCE_WHITE: f32 = 203.0;
/// Scene light at 75 % of an HLG signal (ARIB STD-B67).
const HLG_WHITE: f32 = 0.264_96;
/// Linear light from BT.709's primaries to BT.2020's (ITU-R BT.2087-0 §4).
const TO_2020: [[f32; 3]; 3] = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]];

/// How a rung's pictures hold colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colors {
    red: f32,
    blue: f32,
    deep: bool,
    full: bool,
    hdr: Option<HdrKind>,
}

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
        Self { red: 0.2126, blue: 0.0722, deep: false, full: false, hdr: None }
    }

    /// Those of a rung.
    pub(super) fn of(rendition: &VideoRendition) -> Self {
        let (red, blue) = match rendition.color.matrix.as_deref() {
            Some("bt470bg" | "smpte170m") => (0.299, 0.114),
            Some("bt2020nc" | "bt2020c") => (0.2627, 0.0593),
            Some("smpte240m") => (0.212, 0.087),
            Some("fcc") => (0.30, 0.11),
            _ => (0.2126, 0.0722),
        };
        let deep = rendition.pixel_format.contains("10") || rendition.pixel_format == "p010le";
        let full = rendition.color.range.as_deref() == Some("pc");
        Self { red, blue, deep, full, hdr: rendition.hdr.as_ref().map(|hdr| hdr.kind) }
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
            let (light, cb, cr) = self.convert([channel(pixel[0]), channel(pixel[1]), channel(pixel[2])]);
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

    /// Luma and both differences of an sRGB colour, as pictures hold them.
    fn convert(&self, srgb: [f32; 3]) -> (f32, f32, f32) {
        let [r, g, b] = match self.hdr {
            None => srgb,
            Some(kind) => {
                let linear = srgb.map(from_srgb);
                TO_2020.map(|row| row.iter().zip(linear).map(|(part, light)| part * light).sum::<f32>()).map(|light| {
                    match kind {
                        HdrKind::Pq => to_pq(light * REFERENCE_WHITE),
                        HdrKind::Hlg => to_hlg(light * HLG_WHITE),
                    }
                })
            }
        };
        let light = self.red * r + (1.0 - self.red - self.blue) * g + self.blue * b;
        let cb = (b - light) / (2.0 * (1.0 - self.blue));
        let cr = (r - light) / (2.0 * (1.0 - self.red));
        let (low, span, chroma) = if self.full { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
        let unit = if self.deep { 4.0 } else { 1.0 };
        let most = if self.deep { 1023.0 } else { 255.0 };
        let hold = |value: f32| (value * unit).clamp(0.0, most);
        (hold(low + span * light), hold(128.0 + chroma * cb), hold(128.0 + chroma * cr))
    }
}

/// IEC 61966-2-1: from the signal to light.
fn from_srgb(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// SMPTE ST 2084 §5: from cd/m² to the signal.
fn to_pq(nits: f32) -> f32 {
    const M1: f32 = 0.159_301_76;
    const M2: f32 = 78.843_75;
    const C1: f32 = 0.835_937_5;
    const C2: f32 = 18.851_563;
    const C3: f32 = 18.6875;
    let power = (nits.max(0.0) / 10_000.0).powf(M1);
    ((C1 + C2 * power) / (1.0 + C3 * power)).powf(M2)
}

/// ARIB STD-B67: from scene light to the signal.
fn to_hlg(light: f32) -> f32 {
    const A: f32 = 0.178_832_77;
    const B: f32 = 0.284_668_92;
    const C: f32 = 0.559_910_7;
    if light <= 1.0 / 12.0 { (3.0 * light.max(0.0)).sqrt() } else { A * (12.0 * light - B).ln() + C }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(colors: Colors, rgb: [u8; 3]) -> [u16; 3] {
        let pixels = [rgb[0], rgb[1], rgb[2], 255].repeat(4);
        let painted = colors.paint(&Raster { width: 2, height: 2, pixels });
        let (cb, cr, alpha) = painted.chroma[0];
        assert_eq!((painted.luma[3].1, alpha), (65_535, 65_535));
        [painted.luma[0].0, cb, cr]
    }

    #[test]
    fn white_black_and_red_are_what_the_matrix_says() {
        let hd = Colors::usual();
        assert_eq!(
            [of(hd, [255; 3]), of(hd, [0; 3]), of(hd, [255, 0, 0])],
            [[235, 128, 128], [16, 128, 128], [63, 102, 240]]
        );
        let sd = Colors { red: 0.299, blue: 0.114, deep: true, ..hd };
        assert_eq!(of(sd, [255, 0, 0]), [326, 361, 960]);
    }

    #[test]
    fn white_is_reference_white_in_hdr() {
        let bt2020 = Colors { red: 0.2627, blue: 0.0593, deep: true, ..Colors::usual() };
        // 203 cd/m² is 58 % of a PQ signal: 64 + 876 · 0.5807.
        let [pq, cb, cr] = of(Colors { hdr: Some(HdrKind::Pq), ..bt2020 }, [255; 3]);
        assert!(pq.abs_diff(573) <= 2 && cb.abs_diff(512) <= 1 && cr.abs_diff(512) <= 1, "{pq} {cb} {cr}");
        let [hlg, ..] = of(Colors { hdr: Some(HdrKind::Hlg), ..bt2020 }, [255; 3]);
        assert!(hlg.abs_diff(721) <= 2, "{hlg}");
    }
}
