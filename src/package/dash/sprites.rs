//! The AdaptationSet of sprite sheets, as players show them when one seeks (DASH-IF IOP 4.3 §6.2.6).

use super::xml::Element;
use crate::model::request::ImageFormat;
use crate::model::stills::SPRITES;
use crate::package::sprites::Sprites;

/// The set: one Representation, whose every segment is a sheet of equal duration.
pub(super) fn set(sprites: &Sprites) -> Element {
    let mime = match sprites.format {
        ImageFormat::Jpeg => "image/jpeg",
        ImageFormat::Png => "image/png",
        ImageFormat::Webp => "image/webp",
    };
    // A duration has 32 bits: in milliseconds where it is whole ones.
    let (timescale, duration) = match sprites.sheet_us() {
        us if us % 1000 == 0 => (1000, us / 1000),
        us => (1_000_000, us),
    };
    let template = Element::new("SegmentTemplate")
        .with("timescale", timescale)
        .with("duration", duration)
        .with("startNumber", 1)
        .with("media", format!("../{SPRITES}/$Number%05d$.{}", sprites.format.extension()));
    let tiles = Element::new("EssentialProperty")
        .with("schemeIdUri", "http://dashif.org/guidelines/thumbnail_tile")
        .with("value", format!("{}x{}", sprites.sheet.columns, sprites.sheet.rows));
    let (width, height) = sprites.size();
    let representation = Element::new("Representation")
        .with("id", SPRITES)
        .with("bandwidth", sprites.peak())
        .with("width", width)
        .with("height", height)
        .child(tiles);
    let set = Element::new("AdaptationSet").with("contentType", "image").with("mimeType", mime);
    set.child(template).child(representation)
}
