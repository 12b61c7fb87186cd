//! What is drawn over pictures, as asked over the API.

use super::found::Found;
use super::source::locator;
use crate::api::settings::Rules;
use crate::api::v1;
use crate::model::Problem;
use crate::model::request::{Millis, Share, WATERMARKS_MAX, Watermark};
use prost_types::Duration;
use std::str::FromStr;

/// The watermarks of an output. What no picture allows is refused by `plan::check`.
pub(super) fn watermarks(field: &str, asked: &[v1::WatermarkSpec], rules: &Rules, found: &mut Found) -> Vec<Watermark> {
    // One more than there may be, which the planner refuses.
    let asked = asked.iter().take(WATERMARKS_MAX + 1).enumerate();
    asked.map(|(index, mark)| one(&format!("{field}[{index}]"), mark, rules, found)).collect()
}

fn one(field: &str, asked: &v1::WatermarkSpec, rules: &Rules, found: &mut Found) -> Watermark {
    let at = |name: &str| format!("{field}.{name}");
    let image = (!asked.image_uri.is_empty()).then(|| locator(&asked.image_uri, rules));
    let share = |permille: Option<u32>| permille.map(Share);
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    Watermark {
        image: image.and_then(|read| found.take(&at("image_uri"), read)),
        text: given(&asked.text),
        timecode: read(&at("timecode"), &asked.timecode, found),
        font: given(&asked.font),
        color: read(&at("color"), &asked.color, found),
        outline: read(&at("outline_color"), &asked.outline_color, found),
        background: read(&at("background_color"), &asked.background_color, found),
        size: share((asked.size_permille > 0).then_some(asked.size_permille)),
        size_of: found.value(&at("size_of"), asked.size_of),
        opacity: share(asked.opacity_permille),
        margin_x: share(asked.margin_x_permille),
        margin_y: share(asked.margin_y_permille),
        position: found.value(&at("position"), asked.position).unwrap_or_default(),
        motion: found.value(&at("motion"), asked.motion),
        period: millis(&at("period"), asked.period.as_ref(), found),
        start: millis(&at("start"), asked.start.as_ref(), found),
        end: millis(&at("end"), asked.end.as_ref(), found),
        fade_in: millis(&at("fade_in"), asked.fade_in.as_ref(), found),
        fade_out: millis(&at("fade_out"), asked.fade_out.as_ref(), found),
    }
}

fn millis(field: &str, asked: Option<&Duration>, found: &mut Found) -> Option<Millis> {
    found.micros(field, asked).map(|us| Millis(us.unsigned_abs() / 1000))
}

fn read<T: FromStr<Err = Problem>>(field: &str, text: &str, found: &mut Found) -> Option<T> {
    if text.is_empty() { None } else { found.take(field, text.parse()) }
}
