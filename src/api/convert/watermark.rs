//! What is drawn over pictures, as the API tells it.

use super::{Wire, shown};
use crate::api::v1::WatermarkSpec;
use crate::model::Locator;
use crate::model::request::{Millis, Watermark};

/// What is asked, whole, for a daemon.
pub(crate) fn watermark(mark: &Watermark) -> WatermarkSpec {
    told(mark, ToString::to_string)
}

/// What is asked, without what could be a credential.
pub(super) fn watermark_shown(mark: &Watermark) -> WatermarkSpec {
    told(mark, shown::locator)
}

fn told(mark: &Watermark, image: impl Fn(&Locator) -> String) -> WatermarkSpec {
    let time = |time: Option<Millis>| time.map(|time| super::time::millis(time.0));
    let color = |color: Option<crate::model::request::Color>| color.map(|color| color.to_string()).unwrap_or_default();
    WatermarkSpec {
        image_uri: mark.image.as_ref().map(image).unwrap_or_default(),
        text: mark.text.clone().unwrap_or_default(),
        timecode: mark.timecode.map(|timecode| timecode.to_string()).unwrap_or_default(),
        font: mark.font.clone().unwrap_or_default(),
        color: color(mark.color),
        outline_color: color(mark.outline),
        background_color: color(mark.background),
        size_permille: mark.size.map_or(0, |share| share.0),
        size_of: mark.size_of.map_or(0, |of| of.proto().into()),
        opacity_permille: mark.opacity.map(|share| share.0),
        margin_x_permille: mark.margin_x.map(|share| share.0),
        margin_y_permille: mark.margin_y.map(|share| share.0),
        position: mark.position.proto().into(),
        motion: mark.motion.map_or(0, |motion| motion.proto().into()),
        period: time(mark.period),
        start: time(mark.start),
        end: time(mark.end),
        fade_in: time(mark.fade_in),
        fade_out: time(mark.fade_out),
    }
}
