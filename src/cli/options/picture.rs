//! What is done to pictures, as it is said on a command line.

use super::one;
use crate::model::Problem;
use crate::model::request::{Deinterlace, DynamicRange, FieldOrder, FieldRate, Pad, PictureOptions, Strength, ToneMap};

const STRENGTHS: &str = "light, medium or strong";

/// Options about pictures.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Pictures")]
pub(crate) struct PictureFlags {
    /// Keep a part of the picture as shown: width, height, columns to the left, lines above, such as 1280x720+320+180; or
    /// auto, all but its black bars
    #[arg(long, value_name = "WxH+X+Y|auto")]
    pub(crate) crop: Option<String>,
    /// Make the picture this shape with bars, such as 16:9
    #[arg(long, value_name = "SHAPE")]
    pub(crate) pad: Option<String>,
    /// Colour of the bars, such as #1a2b3c [default: #000000]
    #[arg(long, value_name = "COLOR", requires = "pad")]
    pub(crate) pad_color: Option<String>,
    /// Take noise away: light, medium, strong
    #[arg(long, value_name = "STRENGTH")]
    pub(crate) denoise: Option<String>,
    /// Raise edges: light, medium, strong
    #[arg(long, value_name = "STRENGTH")]
    pub(crate) sharpen: Option<String>,
    /// Curve from high to standard dynamic range: hable, mobius, reinhard, clip [default: hable]
    #[arg(long, value_name = "CURVE")]
    pub(crate) tone_map: Option<String>,
    /// High dynamic range: auto (kept where the codec can), sdr (never kept) [default: auto]
    #[arg(long, value_name = "RANGE")]
    pub(crate) dynamic_range: Option<String>,
    /// Fields become whole pictures: auto (where the source is interlaced), off, force, inverse-telecine (film in 29.97 frames
    /// a second becomes 23.976 whole pictures) [default: auto]
    #[arg(long, value_name = "WHEN")]
    pub(crate) deinterlace: Option<String>,
    /// Pictures made of two fields: frame (one), field (two: 50i becomes 50p) [default: frame]
    #[arg(long, value_name = "RATE")]
    pub(crate) field_rate: Option<String>,
    /// The earlier field: auto (as the source says), top, bottom [default: auto]
    #[arg(long, value_name = "ORDER")]
    pub(crate) field_order: Option<String>,
    /// Pictures a second, exactly, such as 25 or 30000/1001; some are left out or repeated
    #[arg(long, value_name = "RATE", conflicts_with = "frame_rate_max")]
    pub(crate) frame_rate: Option<String>,
    /// Most pictures a second, such as 30; every second one is left out of 60 or 59.94
    #[arg(long, value_name = "RATE")]
    pub(crate) frame_rate_max: Option<String>,
}

impl PictureFlags {
    /// What is meant.
    ///
    /// # Errors
    /// `request.crop`, `request.pad`, `request.color`, `request.denoise`, `request.sharpen`, `request.tone_map`,
    /// `request.dynamic_range`, `request.deinterlace`, `request.field_rate`, `request.field_order`, `request.frame_rate`.
    pub(crate) fn options(&self) -> Result<PictureOptions, Problem> {
        let color = self.pad_color.as_deref().map(str::parse).transpose()?.unwrap_or_default();
        let crop_bars = self.crop.as_deref().is_some_and(|crop| crop.trim() == "auto");
        let shape = self.pad.as_deref().map(str::parse).transpose()?;
        let curve = |name: &str| ToneMap::ALL.into_iter().find(|curve| curve.name() == name);
        let curve = one(self.tone_map.as_deref(), "tone_map", "hable, mobius, reinhard or clip", curve)?;
        let range = |name: &str| match name {
            "auto" => Some(DynamicRange::Auto),
            "sdr" => Some(DynamicRange::Sdr),
            _ => None,
        };
        let when = |name: &str| match name {
            "auto" => Some(Deinterlace::Auto),
            "off" => Some(Deinterlace::Off),
            "force" => Some(Deinterlace::Force),
            "inverse-telecine" => Some(Deinterlace::InverseTelecine),
            _ => None,
        };
        let fields = |name: &str| match name {
            "frame" => Some(FieldRate::Frame),
            "field" => Some(FieldRate::Field),
            _ => None,
        };
        let order = |name: &str| match name {
            "auto" => Some(FieldOrder::Auto),
            "top" => Some(FieldOrder::TopFirst),
            "bottom" => Some(FieldOrder::BottomFirst),
            _ => None,
        };
        Ok(PictureOptions {
            deinterlace: one(self.deinterlace.as_deref(), "deinterlace", "auto, off, force or inverse-telecine", when)?
                .unwrap_or_default(),
            field_rate: one(self.field_rate.as_deref(), "field_rate", "frame or field", fields)?.unwrap_or_default(),
            field_order: one(self.field_order.as_deref(), "field_order", "auto, top or bottom", order)?
                .unwrap_or_default(),
            frame_rate: self.frame_rate.as_deref().map(str::parse).transpose()?,
            frame_rate_max: self.frame_rate_max.as_deref().map(str::parse).transpose()?,
            crop: self.crop.as_deref().filter(|_| !crop_bars).map(str::parse).transpose()?,
            crop_bars,
            pad: shape.map(|shape| Pad { shape, color }),
            denoise: one(self.denoise.as_deref(), "denoise", STRENGTHS, strength)?,
            sharpen: one(self.sharpen.as_deref(), "sharpen", STRENGTHS, strength)?,
            tone_map: curve.unwrap_or_default(),
            dynamic_range: one(self.dynamic_range.as_deref(), "dynamic_range", "auto or sdr", range)?
                .unwrap_or_default(),
        })
    }
}

fn strength(name: &str) -> Option<Strength> {
    match name {
        "light" => Some(Strength::Light),
        "medium" => Some(Strength::Medium),
        "strong" => Some(Strength::Strong),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request::Color;

    #[test]
    fn what_is_written_is_what_is_meant() {
        assert!(PictureFlags::default().options().unwrap().is_plain());
        let text = |text: &str| Some(text.to_owned());
        let flags = PictureFlags {
            crop: text("64x36+2+4"),
            pad: text("16:9"),
            pad_color: text("#ff0000"),
            denoise: text("light"),
            sharpen: text("strong"),
            tone_map: text("clip"),
            dynamic_range: text("sdr"),
            deinterlace: text("force"),
            field_rate: text("field"),
            field_order: text("bottom"),
            frame_rate: text("29.97"),
            frame_rate_max: None,
        };
        let options = flags.options().unwrap();
        assert_eq!((options.denoise, options.sharpen), (Some(Strength::Light), Some(Strength::Strong)));
        assert_eq!((options.tone_map, options.dynamic_range), (ToneMap::Clip, DynamicRange::Sdr));
        assert_eq!((options.crop.unwrap().x, options.pad.unwrap().color), (2, Color([255, 0, 0])));
        assert_eq!((options.deinterlace, options.field_rate), (Deinterlace::Force, FieldRate::Field));
        assert_eq!(options.field_order, FieldOrder::BottomFirst);
        assert_eq!(options.frame_rate.map(String::from).as_deref(), Some("30000/1001"));
        let bars = PictureFlags { crop: text("auto"), ..PictureFlags::default() }.options().unwrap();
        assert_eq!((bars.crop, bars.crop_bars), (None, true));
        let code = |flags: PictureFlags| flags.options().unwrap_err().code;
        assert_eq!(code(PictureFlags { denoise: text("very"), ..PictureFlags::default() }), "request.denoise");
        assert_eq!(code(PictureFlags { sharpen: text("very"), ..PictureFlags::default() }), "request.sharpen");
        assert_eq!(code(PictureFlags { tone_map: text("spline"), ..PictureFlags::default() }), "request.tone_map");
        assert_eq!(
            code(PictureFlags { dynamic_range: text("hdr"), ..PictureFlags::default() }),
            "request.dynamic_range"
        );
    }
}
