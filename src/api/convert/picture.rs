//! What is done to pictures, as the API tells it.

use super::Wire;
use crate::api::v1::PictureSpec;
use crate::api::v1::picture_spec::{Crop, Pad};
use crate::model::request::PictureOptions;

/// What is asked, all of it said.
pub(crate) fn picture(asked: &PictureOptions) -> PictureSpec {
    PictureSpec {
        crop: asked.crop.map(|crop| Crop { x: crop.x, y: crop.y, width: crop.width, height: crop.height }),
        crop_bars: asked.crop_bars,
        pad: asked.pad.map(|pad| Pad { shape: pad.shape.to_string(), color: pad.color.to_string() }),
        denoise: asked.denoise.map_or(0, |strength| strength.proto().into()),
        sharpen: asked.sharpen.map_or(0, |strength| strength.proto().into()),
        tone_map: asked.tone_map.proto().into(),
        dynamic_range: asked.dynamic_range.proto().into(),
        deinterlace: asked.deinterlace.proto().into(),
        field_rate: asked.field_rate.proto().into(),
        field_order: asked.field_order.proto().into(),
        frame_rate: asked.frame_rate.map(String::from).unwrap_or_default(),
        frame_rate_max: asked.frame_rate_max.map(String::from).unwrap_or_default(),
    }
}
