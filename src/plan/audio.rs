//! Sound: one rendition for each track and codec, each encoded once and in one pass (FEATURES R4, K11).

use super::checks::Outputs;
use super::chosen::{Chosen, chosen};
use super::notes::Notes;
use super::source::Source;
use crate::model::facts::{AudioFacts, StreamFacts};
use crate::model::limits::AUDIO_RENDITIONS_MAX;
use crate::model::plan::ChannelInput;
use crate::model::request::{Channels, JOINED_LAYOUTS, Loudness, Request, TITLE_CHARS_MAX};
use crate::model::{AudioCodec, AudioRendition, Problem, Ratio, SoundRole};

/// Timestamps against samples: gaps of a tenth of a second and more become silence, overlaps are cut, and anything
/// less is jitter and passes bit for bit. `async=1` fills and trims; any larger number would also stretch, which
/// resamples all sound whose timestamps jitter by more than a millisecond (all of Matroska's). `first_pts=0` fills
/// up to a late start.
const COMPENSATION: &str = "async=1:min_hard_comp=0.03:first_pts=0";
/// Layouts that FFmpeg's resampler has mixing rules for, by name.
const KNOWN_LAYOUTS: [&str; 24] = [
    "mono",
    "stereo",
    "2.1",
    "3.0",
    "3.0(back)",
    "4.0",
    "quad",
    "quad(side)",
    "3.1",
    "5.0",
    "5.0(side)",
    "4.1",
    "5.1",
    "5.1(side)",
    "6.0",
    "6.0(front)",
    "hexagonal",
    "6.1",
    "6.1(back)",
    "6.1(front)",
    "7.0",
    "7.1",
    "7.1(wide)",
    "octagonal",
];

/// A track of an output, in one codec.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// Its source.
    pub source: usize,
    /// Its place among the sound of that source.
    pub place: usize,
    /// Its id in the output.
    pub id: String,
    /// What players show, unique among the tracks of the output.
    pub title: String,
    /// Played unless the viewer chooses otherwise.
    pub default: bool,
    /// The language that is asked to be told.
    pub language: Option<String>,
    /// Whether it is asked to be told as described sound.
    pub descriptive: Option<bool>,
    /// What it is asked to be told to be there for.
    pub role: Option<SoundRole>,
    /// What is made. Id, title and default are those of the source's own tracks, for the plan of the source to say.
    pub rendition: AudioRendition,
}

/// The sound of an output: the tracks that are chosen of these sources in order, codecs within. Exactly one is the
/// default: the one that is asked for, or else the one that the source marks when sound is taken `as_marked`, otherwise
/// the first.
///
/// # Errors
/// `sound.track`, about `sound.tracks[n]`.
pub(super) fn tracks(
    sources: &[&Source<'_>],
    as_marked: bool,
    outputs: &Outputs,
    request: &Request,
    notes: &mut Notes,
) -> Result<Vec<Track>, Vec<Problem>> {
    let codecs = &outputs.audio;
    let all = chosen(sources, &request.sound)?;
    let most = AUDIO_RENDITIONS_MAX / codecs.len().max(1);
    if all.len() > most {
        notes.add("audio.limit", format!("the source has {} audio tracks; the first {most} are made", all.len()));
    }
    let all = &all[..all.len().min(most)];
    let default = default(all, as_marked);
    let whole: Vec<(StreamFacts, AudioFacts)> = all.iter().map(whole).collect();
    let titles = unique("Audio", whole.iter().map(|(stream, _)| stream), |place| {
        all[place].told.and_then(|told| told.title.as_deref())
    });
    let mut made = Vec::new();
    for (i, Chosen { source, place, join, told }) in all.iter().enumerate() {
        let (stream, audio) = (&whole[i].0, &whole[i].1);
        let (origin, common) = source.range.for_audio(stream, audio, source.longest_us);
        if !common {
            let message = format!("audio track {} runs on a clock of its own; it starts with the pictures", i + 1);
            notes.add("timeline.audio_unrelated", message);
        }
        for (nth, codec) in codecs.iter().enumerate() {
            let mut rendition = one(stream, audio, (*codec, !join.is_empty()), request, notes);
            rendition.origin = origin;
            rendition.in_point = source.range.in_point();
            rendition.end = source.range.end_in(Ratio::new(1, i64::from(rendition.sample_rate)));
            rendition.channel_inputs = join.iter().map(|one| input(source, *one, rendition.sample_rate)).collect();
            if let Some(joined) = source.joined {
                rendition.parts = joined.audio(*place, &rendition);
                if request.copy {
                    notes.add("copy.not_possible", "sound of a joined source is encoded anew, not copied");
                }
            }
            rendition.packagings = outputs.fitting(codec.traits().packagings);
            made.push(Track {
                source: source.index,
                place: *place,
                id: id(i, *codec, codecs.len() > 1),
                title: titles[i].clone(),
                default: i == default && nth == 0,
                language: told.and_then(|told| told.language.clone()),
                descriptive: told.and_then(|told| told.descriptive),
                role: told.and_then(|told| told.role),
                rendition,
            });
        }
    }
    Ok(made)
}

/// A track as it stands in the source, or as it is put together.
fn whole(chosen: &Chosen<'_, '_>) -> (StreamFacts, AudioFacts) {
    let (stream, audio) = chosen.source.sound[chosen.place];
    let Some((_, layout)) = JOINED_LAYOUTS.iter().find(|(count, _)| *count == chosen.join.len()) else {
        return (stream.clone(), audio.clone());
    };
    let rates = chosen.join.iter().map(|(place, _)| chosen.source.sound[*place].1.sample_rate);
    let audio = AudioFacts {
        sample_rate: rates.max().unwrap_or(audio.sample_rate),
        channels: chosen.join.len() as u32,
        layout: (*layout).to_owned(),
        ..audio.clone()
    };
    // What the first of them is called, and how it is coded, says nothing of all of them.
    (StreamFacts { title: None, codec: "channels".to_owned(), bit_rate: None, ..stream.clone() }, audio)
}

/// A channel by itself, at a rate.
fn input(source: &Source<'_>, (place, channel): (usize, u32), sample_rate: u32) -> ChannelInput {
    let (stream, audio) = source.sound[place];
    let graph = format!(
        "pan=mono|c0=c{channel},aresample={sample_rate}:{COMPENSATION},aformat=sample_fmts=fltp:channel_layouts=mono"
    );
    let (origin, _) = source.range.for_audio(stream, audio, source.longest_us);
    ChannelInput { stream: stream.index, time_base: stream.time_base, origin, graph }
}

/// The place of the default among what is chosen.
fn default(all: &[Chosen<'_, '_>], as_marked: bool) -> usize {
    let asked = all.iter().position(|one| one.told.is_some_and(|told| told.default));
    let marked = || all.iter().position(|one| as_marked && one.stream().default);
    asked.or_else(marked).unwrap_or(0)
}

/// The id of track `place`, counted from 0, with the codec behind it where there are several.
pub(super) fn id(place: usize, codec: AudioCodec, several: bool) -> String {
    let codec = if several { format!("-{}", codec.traits().name) } else { String::new() };
    format!("audio-{}{codec}", place + 1)
}

/// One track in one codec; place, packagings, title and default are for the caller to say.
fn one(
    stream: &StreamFacts,
    audio: &AudioFacts,
    (codec, joined): (AudioCodec, bool),
    request: &Request,
    notes: &mut Notes,
) -> AudioRendition {
    let traits = codec.traits();
    let (channels, layout) = layout(audio, codec, request.channels, joined);
    let copy = request.copy && can_copy(stream, audio, codec, channels) && request.sound.loudness.is_none();
    if request.copy && request.sound.loudness.is_some() {
        notes.add("copy.not_possible", "sound is encoded anew, not copied, because its loudness changes");
    }
    let sample_rate = if copy { audio.sample_rate } else { sample_rate(audio.sample_rate, traits.rates) };
    let bit_rate = traits.bit_rate(channels);
    if channels < audio.channels {
        notes.add("audio.downmix", format!("sound of {} channels is mixed down to {layout}", audio.channels));
    }
    AudioRendition {
        id: String::new(),
        stream: stream.index,
        time_base: stream.time_base,
        origin: 0,
        in_point: false,
        end: None,
        codec,
        packagings: Vec::new(),
        copy,
        encoder: traits.encoder.to_owned(),
        options: if copy { Vec::new() } else { options(codec, bit_rate) },
        sample_rate,
        channels,
        layout: layout.to_owned(),
        graph: if copy {
            String::new()
        } else if joined {
            format!("aformat=sample_fmts={}:channel_layouts={layout}", traits.sample_format)
        } else {
            graph(audio, sample_rate, traits.sample_format, layout)
        },
        whole: request
            .sound
            .loudness
            .map_or_else(String::new, |asked| loudness(asked, sample_rate, traits.sample_format, layout)),
        channel_inputs: Vec::new(),
        loudness: request.sound.loudness,
        parts: Vec::new(),
        bit_rate: if copy { stream.bit_rate.unwrap_or(bit_rate) } else { bit_rate },
        language: language(stream),
        title: String::new(),
        default: false,
        descriptive: stream.descriptive,
        role: stream.role,
    }
}

/// What we would make ourselves, at a rate and with as many channels: AAC-LC of up to two channels, MP3, AC-3, and E-AC-3.
/// Not Opus, whose times start before zero in ways that its containers tell differently.
fn can_copy(stream: &StreamFacts, audio: &AudioFacts, codec: AudioCodec, channels: u32) -> bool {
    let fits = match codec {
        AudioCodec::Aac => stream.profile.as_deref() == Some("LC") && (1..=2).contains(&audio.channels),
        AudioCodec::Opus => false,
        AudioCodec::Mp3 | AudioCodec::Ac3 | AudioCodec::Eac3 => audio.channels == channels,
    };
    fits && stream.codec == codec.traits().source_name && codec.traits().rates.contains(&audio.sample_rate)
}

/// Mono stays mono, two channels are stereo; more are mixed down to stereo, or become 5.1 where surround is kept and the
/// codec has it. What was put together keeps its channels, 7.1 too, as far as the codec has them, unless stereo is asked.
fn layout(audio: &AudioFacts, codec: AudioCodec, channels: Channels, joined: bool) -> (u32, &'static str) {
    let keep = match channels {
        Channels::ByCodec => joined || codec.traits().surround,
        Channels::Stereo => false,
        Channels::Keep => true,
    };
    match audio.channels {
        0 | 1 => (1, "mono"),
        2 => (2, "stereo"),
        8 if joined && keep && codec.traits().channels_max() >= 8 => (8, "7.1"),
        _ if keep && is_known(audio) && codec.traits().channels_max() >= 6 => (6, "5.1"),
        _ => (2, "stereo"),
    }
}

/// The source's rate where the encoder takes it, otherwise its nearest above, otherwise its best.
fn sample_rate(source: u32, rates: &[u32]) -> u32 {
    let above = rates.iter().copied().filter(|rate| *rate >= source && source > 0).min();
    above.or(rates.first().copied()).unwrap_or(48_000)
}

/// Channels in no known order (eight mono channels of a broadcast recorder) cannot be mixed; the first two are taken,
/// which is where such recordings have their stereo programme.
fn graph(audio: &AudioFacts, sample_rate: u32, sample_format: &str, layout: &str) -> String {
    let pick = if audio.channels > 2 && !is_known(audio) { "pan=stereo|c0=c0|c1=c1," } else { "" };
    format!("{pick}aresample={sample_rate}:{COMPENSATION},aformat=sample_fmts={sample_format}:channel_layouts={layout}")
}

/// Makes samples as loud as asked, in one pass. FFmpeg's filter finds true peaks at 192 kHz and leaves them there, so the
/// rate is brought back behind it.
fn loudness(asked: Loudness, sample_rate: u32, sample_format: &str, layout: &str) -> String {
    if asked.passes > 1 {
        // What to do is known when all of it was measured.
        return String::new();
    }
    let text = |hundredths: i32| {
        let sign = if hundredths < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
    };
    let (target, peak, range) = (text(asked.target), text(asked.true_peak), text(asked.range));
    format!(
        "aresample=192000,loudnorm=I={target}:TP={peak}:LRA={range},aresample={sample_rate},\
         aformat=sample_fmts={sample_format}:channel_layouts={layout}"
    )
}

/// The graph of one part of a joined track.
pub(super) fn graph_of(audio: &AudioFacts, rendition: &AudioRendition) -> String {
    graph(audio, rendition.sample_rate, rendition.codec.traits().sample_format, &rendition.layout)
}

fn is_known(audio: &AudioFacts) -> bool {
    KNOWN_LAYOUTS.contains(&audio.layout.as_str())
}

/// Options of the encoder, by FFmpeg's names.
fn options(codec: AudioCodec, bit_rate: u64) -> Vec<(String, String)> {
    let rest: &[(&str, &str)] = match codec {
        AudioCodec::Aac => &[("profile", "aac_low")],
        AudioCodec::Opus => &[("vbr", "on"), ("application", "audio"), ("frame_duration", "20")],
        // Without a reservoir each frame holds all of its bits, so that a segment can be decoded by itself.
        AudioCodec::Mp3 => &[("reservoir", "0")],
        AudioCodec::Ac3 | AudioCodec::Eac3 => &[],
    };
    let rate = ("b".to_owned(), bit_rate.to_string());
    std::iter::once(rate).chain(rest.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

/// A language code as containers have it, if it can be one; `und` is none.
pub(super) fn language(stream: &StreamFacts) -> Option<String> {
    let code = stream.language.as_deref()?;
    let plain = (2..=35).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && code != "und").then(|| code.to_owned())
}

/// What players show: the track's title, otherwise its language, otherwise its number. Unique, because RFC 8216
/// §4.3.4.1.1 wants that of NAMEs in a group, and free of what a quoted string cannot hold (§4.2).
pub(super) fn titles<'a>(tracks: impl Iterator<Item = &'a StreamFacts>) -> Vec<String> {
    unique("Audio", tracks, |_| None)
}

/// As [`titles`], with those in front that are asked for, by the place of the track; one of which nothing is known is
/// called by its `kind`.
pub(super) fn unique<'a>(
    kind: &str,
    tracks: impl Iterator<Item = &'a StreamFacts>,
    asked: impl Fn(usize) -> Option<&'a str>,
) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for (i, stream) in tracks.enumerate() {
        let clean = |text: &str| {
            let text: String = text
                .chars()
                .map(|c| {
                    if c == '"' {
                        '\''
                    } else if c.is_control() {
                        ' '
                    } else {
                        c
                    }
                })
                .collect();
            text.trim().chars().take(TITLE_CHARS_MAX).collect::<String>()
        };
        let own = asked(i).or(stream.title.as_deref()).map(clean).filter(|title| !title.is_empty());
        let plain = own.or_else(|| language(stream)).unwrap_or_else(|| format!("{kind} {}", i + 1));
        let taken = |title: &String| titles.contains(title);
        let numbered = (2..).map(|n| format!("{plain} {n}"));
        let title = std::iter::once(plain.clone()).chain(numbered).find(|title| !taken(title));
        titles.push(title.expect("among endless numbers one is free"));
    }
    titles
}
