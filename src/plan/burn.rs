//! Subtitles as pictures that are drawn into an output's own: which track it is, and where its times begin.

use super::source::Source;
use super::text::is_text;
use crate::model::Problem;
use crate::model::facts::{StreamFacts, StreamKind};
use crate::model::mark::{Mark, MarkContent};
use crate::model::request::{BurnIn, Position};

/// Codecs of subtitles that are pictures and can be drawn, by FFmpeg's names.
const PICTURE_CODECS: [&str; 4] = ["hdmv_pgs_subtitle", "dvb_subtitle", "dvd_subtitle", "xsub"];

/// The track that is asked, as a mark of every rung of its source.
///
/// # Errors
/// `text.burn_in`, about `text.burn_in`.
pub(super) fn mark(source: &Source<'_>, asked: &BurnIn) -> Result<Mark, Problem> {
    let refused = |message: String| Err(Problem::input("text.burn_in", message).at("text.burn_in"));
    if source.joined.is_some() {
        return refused(
            "subtitles in the parts of a joined source cannot be burned in: burn them into each part".into(),
        );
    }
    if source.pictures.is_none() {
        return refused("there are no pictures to burn subtitles into: leave this out".into());
    }
    let subtitles = || source.facts.streams.iter().filter(|stream| stream.kind == StreamKind::Subtitle);
    let fits = |stream: &&StreamFacts| match (asked.stream, &asked.in_language) {
        (Some(index), _) => stream.index == index,
        (None, Some(code)) => {
            is_picture(stream)
                && source.facts.is_of_main_programme(stream)
                && stream.language.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(code))
        }
        (None, None) => false,
    };
    let Some(stream) = subtitles().find(fits) else {
        let there: Vec<_> = subtitles().filter(|stream| is_picture(stream)).map(shown).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        return refused(format!(
            "this chooses no subtitles of the source that are pictures; those that it has are {there}"
        ));
    };
    if is_text(stream) {
        return refused(format!(
            "stream {} ({}) is text, which is not burned in: keep it as a track, which players show",
            stream.index, stream.codec
        ));
    }
    if !is_picture(stream) || stream.encrypted {
        return refused(format!(
            "stream {} ({}) cannot be burned in, only PGS, DVB and VobSub that are not encrypted: choose another",
            stream.index, stream.codec
        ));
    }
    Ok(Mark {
        content: MarkContent::Subtitles { stream: stream.index, origin_us: source.range.origin.micros() },
        opacity: 1000,
        margin: (0, 0),
        position: Position::TopLeft,
        motion: None,
        start_ms: 0,
        end_ms: None,
        fade_ms: (0, 0),
    })
}

fn is_picture(stream: &StreamFacts) -> bool {
    stream.kind == StreamKind::Subtitle && PICTURE_CODECS.contains(&stream.codec.as_str())
}

fn shown(stream: &StreamFacts) -> String {
    match &stream.language {
        Some(language) => format!("{} ({language})", stream.index),
        None => stream.index.to_string(),
    }
}
