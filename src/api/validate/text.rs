//! Which text an output has, as asked over the API.

use super::found::Found;
use super::output::source;
use crate::api::v1;
use crate::model::limits::TEXT_TRACKS_MAX;
use crate::model::request::{
    BurnIn, CaptionChoice, CaptionForm, CaptionOptions, Sidecar, TextChoice, TextLabels, TextOptions,
};
use crate::model::spec::SourceSpec;

/// What is asked. What cannot be is refused by `plan::check`.
pub(super) fn text(
    field: &str,
    asked: Option<&v1::TextSpec>,
    sources: &[SourceSpec],
    found: &mut Found,
) -> TextOptions {
    let Some(asked) = asked else { return TextOptions::default() };
    found.count(&format!("{field}.tracks"), "text tracks", asked.tracks.len(), 0, TEXT_TRACKS_MAX);
    found.count(&format!("{field}.sidecars"), "files of text", asked.sidecars.len(), 0, TEXT_TRACKS_MAX);
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let track = |track: &v1::TextTrack| TextChoice {
        stream: track.stream,
        in_language: given(&track.in_language),
        labels: TextLabels {
            language: given(&track.language),
            title: given(&track.title),
            default: track.default.unwrap_or(false),
            forced: track.forced,
            hearing_impaired: track.hearing_impaired,
        },
    };
    let mut sidecars = Vec::new();
    for (nth, sidecar) in asked.sidecars.iter().take(TEXT_TRACKS_MAX).enumerate() {
        let at = format!("{field}.sidecars[{nth}].source_id");
        if sidecar.source_id.is_empty() {
            found.add(&at, "request.unknown_source", "the id is empty: name a source");
        }
        let Some(index) = source(&at, &sidecar.source_id, sources, found) else { continue };
        if sources.get(index).is_some_and(|source| !source.concat.is_empty()) {
            found.add(&at, "request.source", "a joined source is no file of text: name the file itself");
        }
        sidecars.push(Sidecar {
            source: u32::try_from(index).unwrap_or(u32::MAX),
            encoding: given(&sidecar.encoding),
            labels: TextLabels {
                language: given(&sidecar.language),
                title: given(&sidecar.title),
                default: sidecar.default.unwrap_or(false),
                forced: sidecar.forced,
                hearing_impaired: sidecar.hearing_impaired,
            },
        });
    }
    let captions = asked.captions.as_ref().map(|asked| captions(&format!("{field}.captions"), asked, found));
    TextOptions {
        omit_embedded: asked.omit_embedded.unwrap_or(false),
        tracks: asked.tracks.iter().take(TEXT_TRACKS_MAX).map(track).collect(),
        sidecars,
        captions: captions.unwrap_or_default(),
        burn_in: asked
            .burn_in
            .as_ref()
            .map(|burned| BurnIn { stream: burned.stream, in_language: given(&burned.in_language) }),
    }
}

/// Which closed captions become tracks.
fn captions(field: &str, asked: &v1::CaptionsSpec, found: &mut Found) -> CaptionOptions {
    let at = format!("{field}.channels");
    found.count(&at, "closed captions", asked.channels.len(), 0, TEXT_TRACKS_MAX);
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut channels = Vec::new();
    for (nth, track) in asked.channels.iter().take(TEXT_TRACKS_MAX).enumerate() {
        match track.channel.parse() {
            Ok(channel) => channels.push(CaptionChoice {
                channel,
                labels: TextLabels {
                    language: given(&track.language),
                    title: given(&track.title),
                    default: track.default.unwrap_or(false),
                    forced: track.forced,
                    hearing_impaired: track.hearing_impaired,
                },
            }),
            Err(error) => found.add(format!("{at}[{nth}].channel"), "request.text", error.to_string()),
        }
    }
    let form = found.value(&format!("{field}.form"), asked.form).unwrap_or_default();
    if asked.channels.is_empty() && !asked.all.unwrap_or(false) && form != CaptionForm::Embedded {
        found.add(field, "request.text", "closed captions are asked for, but none: set `all`, or choose channels");
    }
    CaptionOptions { all: asked.all.unwrap_or(false), channels, form }
}
