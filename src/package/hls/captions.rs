//! Closed captions in the pictures, as the master playlist tells of them (RFC 8216 §4.3.4.1, §4.3.4.2).

use super::master::yes_no;
use crate::model::CaptionChannel;
use crate::model::captions::CaptionLabel;
use crate::model::language;
use crate::package::presentation::{Presentation, Rung};
use crate::package::text::{one_line, quoted};
use std::fmt::Write;

/// The one group of closed captions.
const CAPTIONS: &str = "captions";
/// Services of digital television can be named from this version on (§7).
const SERVICES_VERSION: u32 = 7;

/// What the pictures carry; all rungs that carry captions have the same.
fn labels<'a>(presentation: &Presentation<'a>) -> &'a [CaptionLabel] {
    presentation.video.iter().map(|rung| rung.captions).find(|captions| !captions.is_empty()).unwrap_or_default()
}

/// The version that a playlist must have which has `version` without captions.
pub(super) fn version(presentation: &Presentation<'_>, version: u32) -> u32 {
    let is_service = |label: &CaptionLabel| matches!(label.channel, CaptionChannel::Service(_));
    if labels(presentation).iter().any(is_service) { version.max(SERVICES_VERSION) } else { version }
}

/// `EXT-X-MEDIA` of closed captions. They transcribe for those who cannot hear.
pub(super) fn tags(out: &mut String, presentation: &Presentation<'_>) {
    let labels = labels(presentation);
    if !labels.is_empty() {
        out.push('\n');
    }
    for label in labels {
        let mut attributes = vec![
            "TYPE=CLOSED-CAPTIONS".to_owned(),
            format!("GROUP-ID={}", quoted(CAPTIONS)),
            format!("NAME={}", quoted(&one_line(&label.title))),
        ];
        let language = label.language.as_deref().and_then(language::tag);
        attributes.extend(language.map(|tag| format!("LANGUAGE={}", quoted(&tag))));
        attributes.push(format!("DEFAULT={}", yes_no(label.default)));
        attributes.push("AUTOSELECT=YES".to_owned());
        attributes.push(format!("INSTREAM-ID=\"{}\"", label.channel));
        writeln!(out, "#EXT-X-MEDIA:{}", attributes.join(",")).expect("writing to a string does not fail");
    }
}

/// What a variant says of captions. `NONE` must be said by all variants or by none, and is true where encoders were given
/// none; a bitstream that is copied may have some that nobody looked for, and one that keeps those of the source may be
/// told of none.
pub(super) fn of_variant(presentation: &Presentation<'_>, rung: &Rung<'_>) -> Option<String> {
    if !rung.captions.is_empty() {
        return Some(format!("CLOSED-CAPTIONS={}", quoted(CAPTIONS)));
    }
    let all_have_none = !presentation.video.iter().any(|rung| rung.may_have_captions);
    all_have_none.then(|| "CLOSED-CAPTIONS=NONE".to_owned())
}
