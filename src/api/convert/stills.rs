//! Single pictures, as the API tells them.

use super::Wire;
use super::time::micros;
use crate::api::v1;
use crate::model::request::{SpriteOptions, StillsOptions};
use crate::model::stills::PictureSummary;

/// The stills that are asked for, all of it said; times as durations.
pub(crate) fn stills(asked: &StillsOptions) -> v1::StillsSpec {
    v1::StillsSpec {
        times: Vec::new(),
        offsets: asked.times.iter().map(|time| micros(time.0)).collect(),
        every: asked.every.map(|every| micros(every.0)),
        evenly: asked.evenly.unwrap_or_default(),
        best: asked.best.unwrap_or_default(),
        width: asked.width.unwrap_or_default(),
        height: asked.height.unwrap_or_default(),
        allow_upscale: Some(asked.upscale),
        format: asked.format.proto().into(),
        quality: asked.quality.map_or(0, u32::from),
        key_frames: Some(asked.key_frames),
        alone: Some(asked.alone),
    }
}

/// The sheets that are asked for, likewise.
pub(crate) fn sprites(asked: &SpriteOptions) -> v1::SpritesSpec {
    v1::SpritesSpec {
        columns: asked.columns.unwrap_or_default(),
        rows: asked.rows.unwrap_or_default(),
        tile_width: asked.tile_width.unwrap_or_default(),
        interval: asked.interval.map(|interval| micros(interval.0)),
        format: asked.format.proto().into(),
        quality: asked.quality.map_or(0, u32::from),
        exact: Some(asked.exact),
        alone: Some(asked.alone),
    }
}

/// A picture that was made, below a destination.
pub(super) fn picture(destination: &str, picture: &PictureSummary) -> v1::Picture {
    v1::Picture {
        uri: format!("{}/{}", destination.trim_end_matches('/'), picture.path),
        asked: picture.asked_us.map(micros),
        time: Some(micros(picture.time_us)),
        tiles: picture.tiles.unwrap_or_default(),
        width: picture.width,
        height: picture.height,
        size_bytes: picture.bytes,
    }
}
