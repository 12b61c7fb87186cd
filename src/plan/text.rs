//! Text: the tracks of the source that are text, and files of text beside it, in the formats of HLS and DASH (FEATURES K7).

use super::audio::{self, unique};
use super::burn;
use super::captions::captions;
use super::checks::Outputs;
use super::notes::Notes;
use super::source::Source;
use crate::model::facts::{StreamFacts, StreamKind};
use crate::model::language;
use crate::model::limits::TEXT_TRACKS_MAX;
use crate::model::mark::MarkContent;
use crate::model::request::{TextLabels, TextOptions};
use crate::model::text::{TextFormat, TextRendition};
use crate::model::{CaptionChannel, Problem};

/// Codecs of text, by FFmpeg's names; every other codec of subtitles is pictures.
const TEXT_CODECS: [&str; 19] = [
    "subrip",
    "srt",
    "webvtt",
    "ass",
    "ssa",
    "mov_text",
    "text",
    "dvb_teletext",
    "microdvd",
    "mpl2",
    "jacosub",
    "sami",
    "realtext",
    "subviewer",
    "subviewer1",
    "pjs",
    "vplayer",
    "stl",
    "hdmv_text_subtitle",
];

/// A text track of an output, in one format.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// Its source.
    pub source: usize,
    /// What is made. Its id is that in the output.
    pub rendition: TextRendition,
}

/// One track before it is written in formats.
pub(super) struct Chosen<'a> {
    pub source: &'a Source<'a>,
    pub stream: &'a StreamFacts,
    pub labels: TextLabels,
    pub encoding: Option<String>,
    /// The closed captions of the stream that it is.
    pub caption: Option<CaptionChannel>,
}

/// Whether a stream is text.
pub(super) fn is_text(stream: &StreamFacts) -> bool {
    stream.kind == StreamKind::Subtitle && TEXT_CODECS.contains(&stream.codec.as_str())
}

/// The text of an output: tracks of its source, then files beside it. `main` is the source that says where the output
/// begins and ends.
///
/// # Errors
/// `text.track` and `text.picture`, about `text.tracks[n]`, or `text.sidecars[n]`.
pub(super) fn texts(
    main: &Source<'_>,
    known: &[Option<Source<'_>>],
    outputs: &Outputs,
    asked: &TextOptions,
    notes: &mut Notes,
) -> Result<Vec<Text>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut all = embedded(main, asked, notes, &mut problems);
    all.extend(captions(main, &asked.captions, notes, &mut problems));
    for (nth, sidecar) in asked.sidecars.iter().enumerate() {
        let Some(source) = known.get(sidecar.source as usize).and_then(Option::as_ref) else { continue };
        let mut streams = source.facts.streams.iter().filter(|stream| is_text(stream) && source.joined.is_none());
        match streams.next() {
            Some(stream) => {
                let alone = source.facts.streams.iter().all(|stream| stream.kind == StreamKind::Subtitle);
                let encoding = alone.then(|| sidecar.encoding.clone().unwrap_or_default());
                all.push(Chosen { source, stream, labels: sidecar.labels.clone(), encoding, caption: None });
            }
            None => {
                let message = "the source that is named for text has none that can be read: name another one";
                problems.push(Problem::input("text.track", message).at(format!("text.sidecars[{nth}]")));
            }
        }
    }
    if all.len() > TEXT_TRACKS_MAX {
        notes.add("text.limit", format!("there are {} text tracks; the first {TEXT_TRACKS_MAX} are made", all.len()));
        all.truncate(TEXT_TRACKS_MAX);
    }
    if problems.is_empty() { Ok(written(main, &all, outputs)) } else { Err(problems) }
}

/// The tracks of the source.
fn embedded<'a>(
    main: &'a Source<'a>,
    asked: &TextOptions,
    notes: &mut Notes,
    problems: &mut Vec<Problem>,
) -> Vec<Chosen<'a>> {
    let streams = &main.facts.streams;
    if asked.omit_embedded {
        return Vec::new();
    }
    let chosen = |stream, labels: &TextLabels| {
        let labels = labels.clone();
        Chosen { source: main, stream, labels, encoding: None, caption: None }
    };
    if asked.tracks.is_empty() {
        let burned = asked.burn_in.as_ref().and_then(|burned| burn::mark(main, burned).ok());
        let is_burned = |stream: &StreamFacts| {
            let content = burned.as_ref().map(|mark| &mark.content);
            matches!(content, Some(MarkContent::Subtitles { stream: index, .. }) if *index == stream.index)
        };
        // A track of captions is neither: it is asked for by itself.
        let is_picture = |stream: &StreamFacts| !is_text(stream) && stream.codec != "eia_608";
        let is_left =
            |stream: &&StreamFacts| stream.kind == StreamKind::Subtitle && is_picture(stream) && !is_burned(stream);
        let of_parts = main.joined.map_or(0, |joined| joined.picture_subtitles);
        let pictures = streams.iter().filter(is_left).count() + of_parts;
        if pictures > 0 {
            let message = format!("{pictures} subtitle tracks of the source are pictures, not text, and are left out");
            notes.add("text.pictures_left_out", message);
        }
        let ours =
            |stream: &&StreamFacts| is_text(stream) && !stream.encrypted && main.facts.is_of_main_programme(stream);
        let all = streams.iter().filter(ours);
        return all.map(|stream| chosen(stream, &TextLabels::default())).collect();
    }
    let mut all: Vec<Chosen<'a>> = Vec::new();
    for (nth, choice) in asked.tracks.iter().enumerate() {
        let fits = |stream: &&StreamFacts| match (choice.stream, &choice.in_language) {
            (Some(index), _) => stream.index == index,
            (None, Some(asked)) => {
                is_text(stream)
                    && main.facts.is_of_main_programme(stream)
                    && stream.language.as_ref().is_some_and(|own| is_language(own, asked))
            }
            (None, None) => false,
        };
        let found: Vec<_> = streams.iter().filter(fits).collect();
        let at = |problem: Problem| problem.at(format!("text.tracks[{nth}]"));
        if let Some(picture) = found.iter().find(|stream| stream.kind == StreamKind::Subtitle && !is_text(stream)) {
            let message = format!(
                "stream {} ({}) is subtitles as pictures, which cannot be made text: burn it in with burn_in, or choose \
                 another track",
                picture.index, picture.codec
            );
            problems.push(at(Problem::input("text.picture", message)));
            continue;
        }
        let taken = |stream: &StreamFacts, all: &[Chosen<'_>]| all.iter().any(|one| one.stream.index == stream.index);
        let new: Vec<_> = found.into_iter().filter(|stream| is_text(stream) && !taken(stream, &all)).collect();
        if new.is_empty() {
            let there: Vec<_> = streams.iter().filter(|stream| is_text(stream)).map(shown).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let message = format!("this chooses no text track of the source; those that it has are {there}");
            problems.push(at(Problem::input("text.track", message)));
        }
        all.extend(new.into_iter().map(|stream| chosen(stream, &choice.labels)));
    }
    all
}

/// Whether a code that is declared is the one that is asked for, or another one of the same language.
fn is_language(own: &str, asked: &str) -> bool {
    own.eq_ignore_ascii_case(asked) || language::is_same(own, asked)
}

fn shown(stream: &StreamFacts) -> String {
    match &stream.language {
        Some(language) => format!("{} ({language})", stream.index),
        None => stream.index.to_string(),
    }
}

/// Every track in the formats that the packagings take. Nothing is shown by default unless it is asked for: containers
/// mark their first text track as default whether it is meant to be seen or not.
fn written(main: &Source<'_>, all: &[Chosen<'_>], outputs: &Outputs) -> Vec<Text> {
    let names: Vec<_> = all.iter().map(|one| one.caption.map(|channel| channel.to_string())).collect();
    let told = |place: usize| {
        let Chosen { stream, labels, .. } = &all[place];
        let name = names[place].as_deref();
        // What the stream is called is not what its captions are.
        let language = labels.language.as_deref().filter(|_| stream.title.is_none() || name.is_some());
        labels.title.as_deref().or(language).or(name)
    };
    let titles = unique("Text", all.iter().map(|one| one.stream), told);
    let mut made = Vec::new();
    for (nth, Chosen { source, stream, labels, encoding, caption }) in all.iter().enumerate() {
        // A file that is not cut itself is cut with the source that it belongs to.
        let follows = source.index != main.index && !source.range.in_point();
        let in_us = if follows { main.range.in_us } else { 0 };
        let own_end = source.range.end_in(MICROS);
        let ends = [main.range.duration_us, own_end.filter(|_| source.index != main.index)];
        for format in TextFormat::ALL {
            let packagings = outputs.fitting(format.packagings());
            if packagings.is_empty() {
                continue;
            }
            let behind = if format == TextFormat::Wvtt { "-wvtt" } else { "" };
            let rendition = TextRendition {
                id: format!("text-{}{behind}", nth + 1),
                stream: stream.index,
                caption: *caption,
                time_base: stream.time_base,
                origin_us: source.range.origin.micros().saturating_add(in_us),
                end_us: ends.into_iter().flatten().min(),
                format,
                packagings,
                sidecar_encoding: encoding.clone(),
                parts: source.joined.map(|joined| joined.text(stream.index)).unwrap_or_default(),
                language: labels.language.clone().or_else(|| audio::language(stream).filter(|_| caption.is_none())),
                title: titles[nth].clone(),
                default: labels.default,
                forced: labels.forced.unwrap_or(stream.forced && caption.is_none()),
                hearing_impaired: labels.hearing_impaired.unwrap_or(stream.hearing_impaired || caption.is_some()),
            };
            made.push(Text { source: source.index, rendition });
        }
    }
    made
}

const MICROS: crate::model::Ratio = crate::model::Ratio::new(1, 1_000_000);
