//! From sRGB colours to what pictures hold: matrix, depth, range and transfer.
//!
//! In HDR, white is HDR reference white, 203 cd/m², and 75 % of the signal in HLG (ITU-R BT.2408-7 §2.1): as bright as
//! titles and logos are in programmes, not as bright as the display can.

use super::facts::{ColorTags, HdrKind};

/// sRGB white in HDR, cd/m².
const REFERENCE_WHITE: f32 = 203.0;
/// Scene light at 75 % of an HLG signal (ARIB STD-B67).
const HLG_WHITE: f32 = 0.264_96;
/// Linear light from BT.709's primaries to BT.2020's (ITU-R BT.2087-0 §4).
const TO_2020: [[f32; 3]; 3] = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]];

/// How pictures hold colours.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    red: f32,
    blue: f32,
    depth: u32,
    full: bool,
    hdr: Option<HdrKind>,
}

impl Signal {
    /// Standard HD pictures of 8 bits.
    pub const HD: Self = Self { red: 0.2126, blue: 0.0722, depth: 8, full: false, hdr: None };

    /// Pictures of these tags and of so many bits.
    #[must_use]
    pub fn of(color: &ColorTags, depth: u32, hdr: Option<HdrKind>) -> Self {
        let (red, blue) = match color.matrix.as_deref() {
            Some("bt470bg" | "smpte170m") => (0.299, 0.114),
            Some("bt2020nc" | "bt2020c") => (0.2627, 0.0593),
            Some("smpte240m") => (0.212, 0.087),
            Some("fcc") => (0.30, 0.11),
            _ => (Self::HD.red, Self::HD.blue),
        };
        Self { red, blue, depth: depth.clamp(8, 16), full: color.range.as_deref() == Some("pc"), hdr }
    }

    /// Luma and both differences of an sRGB colour, not rounded.
    #[must_use]
    pub fn code(&self, srgb: [f32; 3]) -> (f32, f32, f32) {
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
        let unit = (1_u32 << (self.depth - 8)) as f32;
        let most = 256.0 * unit - 1.0;
        // In full range the whole of the codes is used, in limited range a part that is as large for every depth.
        let (low, span, chroma) = if self.full { (0.0, most, most) } else { (16.0 * unit, 219.0 * unit, 224.0 * unit) };
        let hold = |value: f32| value.clamp(0.0, most);
        (hold(low + span * light), hold(128.0 * unit + chroma * cb), hold(128.0 * unit + chroma * cr))
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

    fn of(matrix: &str, depth: u32, hdr: Option<HdrKind>, rgb: [f32; 3]) -> [u16; 3] {
        let color = ColorTags { matrix: Some(matrix.to_owned()), ..ColorTags::default() };
        let (light, cb, cr) = Signal::of(&color, depth, hdr).code(rgb);
        [light, cb, cr].map(|value| value.round() as u16)
    }

    #[test]
    fn white_black_and_red_are_what_the_matrix_says() {
        let hd = |rgb| of("bt709", 8, None, rgb);
        let three = [hd([1.0; 3]), hd([0.0; 3]), hd([1.0, 0.0, 0.0])];
        assert_eq!(three, [[235, 128, 128], [16, 128, 128], [63, 102, 240]]);
        assert_eq!(of("smpte170m", 10, None, [1.0, 0.0, 0.0]), [326, 361, 960]);
        let full = ColorTags { range: Some("pc".to_owned()), ..ColorTags::default() };
        assert_eq!(Signal::of(&full, 10, None).code([1.0; 3]).0, 1023.0);
    }

    #[test]
    fn white_is_reference_white_in_hdr() {
        // 203 cd/m² is 58 % of a PQ signal: 64 + 876 · 0.5807.
        let [pq, cb, cr] = of("bt2020nc", 10, Some(HdrKind::Pq), [1.0; 3]);
        assert!(pq.abs_diff(573) <= 2 && cb.abs_diff(512) <= 1 && cr.abs_diff(512) <= 1, "{pq} {cb} {cr}");
        let [hlg, ..] = of("bt2020nc", 10, Some(HdrKind::Hlg), [1.0; 3]);
        assert!(hlg.abs_diff(721) <= 2, "{hlg}");
    }
}
