//! What is done to pictures, as asked over the API.

use super::found::Found;
use crate::api::v1;
use crate::model::Problem;
use crate::model::request::{Crop, Pad, PictureOptions};
use std::str::FromStr;

/// What of it can be read. What no source allows is refused by `plan::check`.
pub(super) fn picture(field: &str, asked: Option<&v1::PictureSpec>, found: &mut Found) -> PictureOptions {
    let Some(asked) = asked else { return PictureOptions::default() };
    let at = |name: &str| format!("{field}.{name}");
    let crop = asked.crop.map(|crop| Crop { x: crop.x, y: crop.y, width: crop.width, height: crop.height });
    let pad = asked.pad.as_ref().and_then(|pad| {
        let shape = read(&at("pad.shape"), &pad.shape, found);
        let color =
            if pad.color.is_empty() { Some(Default::default()) } else { read(&at("pad.color"), &pad.color, found) };
        Some(Pad { shape: shape?, color: color? })
    });
    PictureOptions {
        crop,
        crop_bars: asked.crop_bars,
        pad,
        denoise: found.value(&at("denoise"), asked.denoise),
        sharpen: found.value(&at("sharpen"), asked.sharpen),
        tone_map: found.value(&at("tone_map"), asked.tone_map).unwrap_or_default(),
        dynamic_range: found.value(&at("dynamic_range"), asked.dynamic_range).unwrap_or_default(),
        deinterlace: found.value(&at("deinterlace"), asked.deinterlace).unwrap_or_default(),
        field_rate: found.value(&at("field_rate"), asked.field_rate).unwrap_or_default(),
        field_order: found.value(&at("field_order"), asked.field_order).unwrap_or_default(),
        frame_rate: said(&at("frame_rate"), &asked.frame_rate, found),
        frame_rate_max: said(&at("frame_rate_max"), &asked.frame_rate_max, found),
    }
}

fn said<T: FromStr<Err = Problem>>(field: &str, text: &str, found: &mut Found) -> Option<T> {
    if text.is_empty() { None } else { read(field, text, found) }
}

fn read<T: FromStr<Err = Problem>>(field: &str, text: &str, found: &mut Found) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(problem) => {
            found.problems.push(problem.at(field));
            None
        }
    }
}
