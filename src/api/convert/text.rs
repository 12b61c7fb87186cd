//! Which text an output has, as the API tells it.

use super::enums::Wire;
use crate::api::v1;
use crate::model::request::{BurnIn, CaptionChoice, Sidecar, TextChoice, TextOptions};

/// What is asked; `id` gives the id of a source.
pub(crate) fn text(asked: &TextOptions, id: impl Fn(u32) -> String) -> v1::TextSpec {
    let track = |track: &TextChoice| v1::TextTrack {
        stream: track.stream,
        in_language: track.in_language.clone().unwrap_or_default(),
        language: track.labels.language.clone().unwrap_or_default(),
        title: track.labels.title.clone().unwrap_or_default(),
        default: track.labels.default.then_some(true),
        forced: track.labels.forced,
        hearing_impaired: track.labels.hearing_impaired,
    };
    let sidecar = |sidecar: &Sidecar| v1::TextSidecar {
        source_id: id(sidecar.source),
        encoding: sidecar.encoding.clone().unwrap_or_default(),
        language: sidecar.labels.language.clone().unwrap_or_default(),
        title: sidecar.labels.title.clone().unwrap_or_default(),
        default: sidecar.labels.default.then_some(true),
        forced: sidecar.labels.forced,
        hearing_impaired: sidecar.labels.hearing_impaired,
    };
    let burned = |burned: &BurnIn| v1::BurnIn {
        stream: burned.stream,
        in_language: burned.in_language.clone().unwrap_or_default(),
    };
    let caption = |caption: &CaptionChoice| v1::CaptionTrack {
        channel: caption.channel.to_string(),
        language: caption.labels.language.clone().unwrap_or_default(),
        title: caption.labels.title.clone().unwrap_or_default(),
        default: caption.labels.default.then_some(true),
        forced: caption.labels.forced,
        hearing_impaired: caption.labels.hearing_impaired,
    };
    v1::TextSpec {
        omit_embedded: asked.omit_embedded.then_some(true),
        tracks: asked.tracks.iter().map(track).collect(),
        sidecars: asked.sidecars.iter().map(sidecar).collect(),
        burn_in: asked.burn_in.as_ref().map(burned),
        captions: asked.captions.is_asked().then(|| v1::CaptionsSpec {
            all: asked.captions.all.then_some(true),
            channels: asked.captions.channels.iter().map(caption).collect(),
            form: asked.captions.form.proto().into(),
        }),
    }
}
