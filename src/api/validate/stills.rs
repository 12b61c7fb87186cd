//! Single pictures, as asked over the API.

use super::found::Found;
use crate::api::v1;
use crate::model::request::{Moment, STILLS_MAX, SpriteOptions, StillsOptions};

/// What of it can be read. What no source allows is refused by `plan::check`.
pub(super) fn stills(field: &str, asked: Option<&v1::StillsSpec>, found: &mut Found) -> Option<StillsOptions> {
    let asked = asked?;
    let at = |name: &str| format!("{field}.{name}");
    found.count(&at("times"), "times", asked.times.len() + asked.offsets.len(), 0, STILLS_MAX);
    let mut times = Vec::new();
    for (nth, text) in asked.times.iter().take(STILLS_MAX).enumerate() {
        times.extend(found.take::<Moment>(&format!("{}[{nth}]", at("times")), text.parse()));
    }
    for (nth, offset) in asked.offsets.iter().take(STILLS_MAX).enumerate() {
        times.extend(found.signed_micros(&format!("{}[{nth}]", at("offsets")), Some(offset)).map(Moment));
    }
    Some(StillsOptions {
        times,
        every: found.signed_micros(&at("every"), asked.every.as_ref()).map(Moment),
        evenly: given(asked.evenly),
        best: given(asked.best),
        width: given(asked.width),
        height: given(asked.height),
        upscale: asked.allow_upscale.unwrap_or_default(),
        format: found.value(&at("format"), asked.format).unwrap_or_default(),
        quality: quality(asked.quality),
        key_frames: asked.key_frames.unwrap_or_default(),
        alone: asked.alone.unwrap_or_default(),
    })
}

/// Likewise of sprite sheets.
pub(super) fn sprites(field: &str, asked: Option<&v1::SpritesSpec>, found: &mut Found) -> Option<SpriteOptions> {
    let asked = asked?;
    let at = |name: &str| format!("{field}.{name}");
    Some(SpriteOptions {
        columns: given(asked.columns),
        rows: given(asked.rows),
        tile_width: given(asked.tile_width),
        interval: found.signed_micros(&at("interval"), asked.interval.as_ref()).map(Moment),
        format: found.value(&at("format"), asked.format).unwrap_or_default(),
        quality: quality(asked.quality),
        exact: asked.exact.unwrap_or_default(),
        alone: asked.alone.unwrap_or_default(),
    })
}

fn given(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// What is too much for a quality stays too much.
fn quality(asked: u32) -> Option<u8> {
    given(asked).map(|quality| u8::try_from(quality).unwrap_or(u8::MAX))
}
