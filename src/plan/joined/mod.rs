//! Several sources one after another as one: its facts, for the rest of the planner, and its parts, for the worker.
//!
//! One part, the first one unless another is named, decides what pictures look like and when they are shown, and how many
//! tracks of sound there are and what each is; where it is silent, the first one with sound does. Where a part begins is said here, for pictures and sound alike, so nothing can drift.

mod picture;
mod text;

use super::audio;
use super::checks;
use super::notes::Notes;
use super::source::{self, Source};
use super::timeline::{MICROS, between};
use crate::model::facts::{AudioFacts, Chapter, MediaFacts, StreamFacts, StreamKind, VideoFacts};
use crate::model::joined::{AudioPart, PartSound, PartText, TextPart, VideoPart};
use crate::model::time::{Timeline, rescale, scale_round};
use crate::model::{AudioRendition, Problem, Ratio};
use picture::Canvas;
use text::TextTrack;

/// A part as it is given: its place among the job's sources, its facts, and the piece of it that is asked for.
pub(super) type Given<'a> = (usize, &'a MediaFacts, (Option<i64>, Option<i64>));

/// A joined source.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    /// What it is, as one source that begins at zero.
    pub facts: MediaFacts,
    /// The sources of its parts, each once, in the order of their first use.
    pub inputs: Vec<usize>,
    /// Its pictures, where it has any.
    pub video: Vec<VideoPart>,
    /// What there is to tell of its parts.
    pub notes: Notes,
    /// How many tracks of subtitles of its parts are pictures, which are not joined.
    pub picture_subtitles: usize,
    sound: Vec<Sound>,
    text: Vec<TextTrack>,
    /// Seconds a tick of the parts' places.
    ticks: Ratio,
}

/// The sound of a part, before a rendition is made of it.
#[derive(Clone, Debug)]
struct Sound {
    input: usize,
    start: i64,
    end: Option<i64>,
    /// Where its pictures are known to end, whether it is cut there or not.
    expected: Option<i64>,
    tracks: Vec<Track>,
}

#[derive(Clone, Debug)]
struct Track {
    stream: u32,
    time_base: Ratio,
    origin: i64,
    in_point: bool,
    facts: AudioFacts,
}

/// Joins sources in order. `like` is the place of the part that the whole looks and sounds like.
///
/// # Errors
/// What is wrong with a part: `source.*` or `request.trim` about that source, `concat.no_video` and
/// `concat.length_unknown` about its place, which is a field `concat_source_ids[n]`.
pub(super) fn join(given: &[Given<'_>], like: usize) -> Result<Joined, Problem> {
    let mut parts = Vec::new();
    for (index, facts, range) in given {
        if let Some(problem) = checks::source(facts) {
            return Err(problem.at(format_args!("sources[{index}]")));
        }
        let part = Source::new(*index, facts, *range);
        parts.push(part.map_err(|problem| problem.at(format_args!("sources[{index}]")))?);
    }
    let pictured = parts.iter().any(|part| part.pictures.is_some());
    if let Some(silent) = parts.iter().position(|part| pictured && part.pictures.is_none()) {
        let message = "this part has no pictures and others have: leave it out, or name it in audio_source_ids";
        return Err(Problem::input("concat.no_video", message).at(place(silent)));
    }
    let mut notes = Notes::default();
    for part in &parts {
        part.tell_what_is_left_out(true, true, &mut notes);
        notes.extend(&part.notes);
    }
    let inputs = parts.iter().fold(Vec::new(), |mut inputs, part| {
        if !inputs.contains(&part.index) {
            inputs.push(part.index);
        }
        inputs
    });
    let input = |part: &Source<'_>| inputs.iter().position(|index| *index == part.index).unwrap_or(0);
    let canvas = canvas(&parts, like, &mut notes);
    let line = line(&parts, like);
    let spans = spans(&parts, line)?;
    let video = canvas.iter().flat_map(|(canvas, _)| {
        parts.iter().zip(&spans).filter_map(|(part, span)| video_part(part, input(part), canvas, *span))
    });
    let video = video.collect();
    let sound = parts.iter().zip(&spans).map(|(part, span)| sound_of(part, input(part), *span)).collect();
    let total = spans.last().and_then(|span| span.expected);
    let mut text = text::tracks(&parts, like);
    let facts = facts((&parts, like), canvas, line, total, &mut text, &mut notes);
    let (ticks, picture_subtitles) = (line.output_time_base(), text::pictures(&parts));
    Ok(Joined { facts, inputs, video, notes, picture_subtitles, sound, text, ticks })
}

impl Joined {
    /// The parts of a rendition of track `nth`, in order.
    pub(super) fn audio(&self, nth: usize, rendition: &AudioRendition) -> Vec<AudioPart> {
        let samples = Ratio::new(1, i64::from(rendition.sample_rate));
        let at = |ticks: i64| between(ticks, self.ticks, samples);
        let part = |part: &Sound| {
            let sound = part.tracks.get(nth).map(|track| PartSound {
                stream: track.stream,
                time_base: track.time_base,
                origin: track.origin,
                in_point: track.in_point,
                graph: audio::graph_of(&track.facts, rendition),
            });
            // Without sound of its own to the end the last part is silent for as long as its pictures are expected to last.
            let end = part.end.or(part.expected.filter(|_| sound.is_none()));
            AudioPart { input: part.input, start: at(part.start), end: end.map(at), sound }
        };
        self.sound.iter().map(part).collect()
    }

    /// The parts of the text track that is this stream of the whole, in order.
    pub(super) fn text(&self, stream: u32) -> Vec<TextPart> {
        let Some(track) = self.text.iter().find(|track| track.facts.index == stream) else { return Vec::new() };
        let at = |ticks: i64| between(ticks, self.ticks, MICROS);
        let part = |(part, text): (&Sound, &Option<PartText>)| TextPart {
            input: part.input,
            start_us: at(part.start),
            end_us: part.end.map(at),
            text: *text,
        };
        self.sound.iter().zip(&track.parts).map(part).collect()
    }
}

/// Where a part lies, ticks of the joined timeline.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: Option<i64>,
    /// The end, or where it is expected.
    expected: Option<i64>,
}

fn place(nth: usize) -> String {
    format!("concat_source_ids[{nth}]")
}

/// What pictures become, and those of the part that they become like.
fn canvas<'a>(parts: &[Source<'a>], like: usize, notes: &mut Notes) -> Option<(Canvas, &'a VideoFacts)> {
    let mut all = parts.iter().filter_map(|part| part.pictures.as_ref().map(|p| p.video));
    let like = parts.get(like)?.pictures.as_ref()?.video;
    let kind = |video: &VideoFacts| video.hdr.as_ref().map(|hdr| hdr.kind);
    let hdr = all.all(|video| kind(video) == kind(like));
    if !hdr {
        let message = "the parts differ in dynamic range, so those in high dynamic range are tone-mapped to BT.709";
        notes.add("concat.tone_mapped", message);
    }
    Some((Canvas::of(like, hdr && like.hdr.is_some()), like))
}

/// The joined timeline: that of the pictures of the part that the whole is like; without pictures samples of its sound.
fn line(parts: &[Source<'_>], like: usize) -> Timeline {
    let pictures = parts.get(like).and_then(|part| part.pictures.as_ref());
    let (timescale, frame_ticks) = match pictures {
        Some(pictures) => (pictures.clock.timescale, pictures.clock.frame_ticks),
        None => {
            let sound = heard(parts, like).and_then(|part| part.sound.first());
            (sound.map_or(48_000, |(_, audio)| audio.sample_rate.max(1)), None)
        }
    };
    Timeline { time_base: Ratio::new(1, i64::from(timescale)), origin: 0, timescale, frame_ticks }
}

/// The part whose sound the whole is like.
fn heard<'s, 'a>(parts: &'s [Source<'a>], like: usize) -> Option<&'s Source<'a>> {
    parts[like..].iter().take(1).chain(parts).find(|part| !part.sound.is_empty())
}

/// One part after another; at a constant rate each lasts a whole number of frames.
fn spans(parts: &[Source<'_>], line: Timeline) -> Result<Vec<Span>, Problem> {
    let least = line.frame_ticks.map_or(1, i64::from);
    let (mut spans, mut start) = (Vec::new(), 0_i64);
    for (nth, part) in parts.iter().enumerate() {
        let length = length(part, line.output_time_base()).map(|ticks| line.snap(ticks).max(least));
        let expected = length.map(|length| start.saturating_add(length));
        let last = nth + 1 == parts.len();
        let (Some(next), false) = (expected, last) else {
            if !last {
                let message = "how long this part lasts is not known, so nothing can follow it: give it an end, or put \
                               it last";
                return Err(Problem::input("concat.length_unknown", message).at(place(nth)));
            }
            spans.push(Span { start, end: expected.filter(|_| is_cut(part)), expected });
            break;
        };
        spans.push(Span { start, end: expected, expected });
        start = next;
    }
    Ok(spans)
}

/// Whether a part ends before it is over.
fn is_cut(part: &Source<'_>) -> bool {
    match &part.pictures {
        Some(pictures) => pictures.cut(part).is_some(),
        None => part.range.end_in(MICROS).is_some(),
    }
}

/// How long a part lasts: as long as its pictures, or else its first track.
fn length(part: &Source<'_>, ticks: Ratio) -> Option<i64> {
    if let Some(pictures) = &part.pictures {
        return pictures.end(part).map(|(end, _)| rescale(end, pictures.ticks(), ticks)).filter(|end| *end > 0);
    }
    let (stream, audio) = part.sound.first()?;
    let (origin, _) = part.range.for_audio(stream, audio, part.longest_us);
    let own = stream.duration.filter(|_| stream.time_base.is_known()).map(|duration| {
        let skipped = audio.first_pts.map_or(0, |first| origin.saturating_sub(first));
        between(duration.saturating_sub(skipped), stream.time_base, ticks)
    });
    let whole = own.or(part.range.duration_us.map(|us| between(us, MICROS, ticks)));
    let cut = part.range.end_in(ticks);
    whole.map(|whole| cut.map_or(whole, |cut| cut.min(whole))).or(cut).filter(|length| *length > 0)
}

fn video_part(part: &Source<'_>, input: usize, canvas: &Canvas, span: Span) -> Option<VideoPart> {
    let pictures = part.pictures.as_ref()?;
    Some(VideoPart {
        input,
        stream: pictures.stream.index,
        time_base: pictures.stream.time_base,
        origin: part.range.origin.in_ticks(pictures.stream.time_base),
        in_point: part.range.in_point(),
        start: span.start,
        end: span.end,
        prepare: canvas.graph(pictures.video),
    })
}

fn sound_of(part: &Source<'_>, input: usize, Span { start, end, expected }: Span) -> Sound {
    let track = |(stream, audio): &(&StreamFacts, &AudioFacts)| Track {
        stream: stream.index,
        time_base: stream.time_base,
        origin: part.range.for_audio(stream, audio, part.longest_us).0,
        in_point: part.range.in_point(),
        facts: (*audio).clone(),
    };
    Sound { input, start, end, expected, tracks: part.sound.iter().map(track).collect() }
}

/// The whole as one source: pictures as stream 0, then tracks of sound and of text, all of them from zero to the end. The
/// tracks of text get their places.
fn facts(
    (parts, like): (&[Source<'_>], usize),
    canvas: Option<(Canvas, &VideoFacts)>,
    line: Timeline,
    total: Option<i64>,
    text: &mut [TextTrack],
    notes: &mut Notes,
) -> MediaFacts {
    let ticks = line.output_time_base();
    let timed = |stream: &StreamFacts, index: usize, time_base: Ratio| StreamFacts {
        index: index as u32,
        program: None,
        profile: None,
        time_base,
        start: Some(0),
        duration: total.map(|total| between(total, ticks, time_base)),
        bit_rate: None,
        video: None,
        audio: None,
        ..stream.clone()
    };
    let mut streams = Vec::new();
    if let (Some((canvas, first)), Some(stream)) = (canvas, parts[like].pictures.as_ref().map(|p| p.stream)) {
        streams.push(StreamFacts { video: Some(canvas.facts(first)), default: true, ..timed(stream, 0, ticks) });
    }
    let tracks = heard(parts, like).map_or(&[][..], |part| &part.sound);
    if parts.iter().any(|part| part.sound.len() > tracks.len()) {
        let message =
            format!("another part has more tracks of sound; the {} of the deciding one are made", tracks.len());
        notes.add("concat.tracks_left_out", message);
    }
    for (nth, (stream, audio)) in tracks.iter().enumerate() {
        let time_base = Ratio::new(1, i64::from(audio.sample_rate.max(1)));
        let audio = AudioFacts { first_pts: Some(0), ..(*audio).clone() };
        let timed = timed(stream, nth + 1, time_base);
        streams.push(StreamFacts { kind: StreamKind::Audio, audio: Some(audio), ..timed });
    }
    for (nth, track) in text.iter_mut().enumerate() {
        track.facts = timed(&track.facts, tracks.len() + 1 + nth, MICROS);
        streams.push(track.facts.clone());
    }
    let duration_us = total.map(|total| scale_round(total, 1_000_000, i64::from(line.timescale)));
    let sizes: std::collections::BTreeMap<usize, u64> = parts.iter().map(|p| (p.index, p.facts.size_bytes)).collect();
    MediaFacts {
        container: "concat".to_owned(),
        size_bytes: sizes.values().fold(0, |sum, size| sum.saturating_add(*size)),
        duration_us,
        media_end_us: duration_us,
        start_us: Some(0),
        bit_rate: parts.iter().filter_map(|part| part.facts.bit_rate).max(),
        truncated: false,
        seekable: parts.iter().all(|part| part.facts.seekable),
        streams,
        chapters: chapters(parts),
        tags: parts[like].facts.tags.clone(),
        captions: None,
    }
}

/// The chapters of all parts, where it is known how long each of them is.
fn chapters(parts: &[Source<'_>]) -> Vec<Chapter> {
    let mut from = Some(0_i64);
    let mut all = Vec::new();
    for part in parts {
        let Some(start) = from else { break };
        let own = source::chapters(part).into_iter();
        all.extend(own.map(|own| Chapter { start_us: start + own.start_us, end_us: start + own.end_us, ..own }));
        from = part.range.duration_us.map(|duration| start.saturating_add(duration));
    }
    all
}
