//! AdaptationSets: one for each video codec, one for each sound in each audio codec (ISO/IEC 23009-1 §5.3.3).

use super::xml::Element;
use crate::model::facts::{HdrKind, SoundRole};
use crate::model::instant::utc;
use crate::model::language::three_letters;
use crate::model::text::TextFormat;
use crate::model::time::scale_round;
use crate::model::{AudioCodec, CaptionChannel, Packaging, Ratio};
use crate::package::presentation::{Presentation, Rung, Sound, Text, Track};
use crate::package::text::uri;
use crate::package::{init_name, suffix};

/// Video AdaptationSets, codecs in the order of the table.
pub(super) fn video(presentation: &Presentation<'_>) -> Vec<Element> {
    let mut keys: Vec<_> = presentation.video.iter().map(|rung| (rung.codec, rung.hdr.is_some())).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |key: &(_, bool)| -> Vec<&Rung<'_>> {
        presentation.video.iter().filter(|rung| (rung.codec, rung.hdr.is_some()) == *key).collect()
    };
    keys.iter().map(|key| video_set(presentation, &of(key))).collect()
}

fn video_set(presentation: &Presentation<'_>, rungs: &[&Rung<'_>]) -> Element {
    let mut set = Element::new("AdaptationSet").with("contentType", "video").with("mimeType", "video/mp4");
    set = aligned(set, rungs.iter().all(|rung| is_single(&rung.track)));
    let largest = rungs.iter().max_by_key(|rung| u64::from(rung.width) * u64::from(rung.height));
    if let Some(largest) = largest {
        let shape = Ratio::new(largest.width.into(), largest.height.into()).reduced();
        set = set
            .with("maxWidth", rungs.iter().map(|rung| rung.width).max().unwrap_or(0))
            .with("maxHeight", rungs.iter().map(|rung| rung.height).max().unwrap_or(0))
            .with("par", format!("{}:{}", shape.num, shape.den));
    }
    // As a fraction of two products, since rates like 30000/1001 do not compare as decimals.
    let known = rungs.iter().map(|rung| rung.frame_rate).filter(|rate| rate.is_known());
    let fastest =
        known.max_by(|a, b| (i128::from(a.num) * i128::from(b.den)).cmp(&(i128::from(b.num) * i128::from(a.den))));
    if let Some(fastest) = fastest {
        set = set.with("maxFrameRate", frame_rate(fastest));
    }
    if let Some(hdr) = rungs.first().and_then(|rung| rung.hdr) {
        let has_sdr = presentation.video.iter().any(|rung| rung.hdr.is_none());
        set = set.children(color(hdr, has_sdr));
    }
    set = set.children(rungs.first().map_or_else(Vec::new, |rung| captions(rung)));
    set = set.children(rungs.first().and_then(|rung| reference_time(presentation, &rung.track)));
    let (shared, own) = templates(rungs.iter().map(|rung| &rung.track));
    set = set.children(shared);
    for (rung, own) in rungs.iter().zip(own) {
        let mut representation = representation(presentation, &rung.track)
            .with("width", rung.width)
            .with("height", rung.height)
            .with("sar", "1:1");
        if rung.frame_rate.is_known() {
            representation = representation.with("frameRate", frame_rate(rung.frame_rate));
        }
        set = set.child(representation.children(located(&rung.track, own)));
    }
    set
}

/// Closed captions in the pictures (ANSI/SCTE 214-1, DASH-IF IOP 4.3 §6.4.3): channels of line 21 and services of digital
/// television, with languages of three letters.
fn captions(rung: &Rung<'_>) -> Vec<Element> {
    let (mut channels, mut services) = (Vec::new(), Vec::new());
    for label in rung.captions {
        let language = label.language.as_deref().and_then(three_letters);
        match (label.channel, language) {
            (CaptionChannel::Line21(_), Some(language)) => channels.push(format!("{}={language}", label.channel)),
            (CaptionChannel::Line21(_), None) => channels.push(label.channel.to_string()),
            (CaptionChannel::Service(number), language) => {
                services.push(format!("{number}=lang:{}", language.as_deref().unwrap_or("und")));
            }
        }
    }
    let told = [("urn:scte:dash:cc:cea-608:2015", channels), ("urn:scte:dash:cc:cea-708:2015", services)];
    let told = told.into_iter().filter(|(_, values)| !values.is_empty());
    told.map(|(scheme, values)| described("Accessibility", scheme, &values.join(";"))).collect()
}

/// `FrameRateType` (§5.3.7.2): an integer or a fraction.
fn frame_rate(rate: Ratio) -> String {
    let rate = rate.reduced();
    if rate.den == 1 { rate.num.to_string() } else { format!("{}/{}", rate.num, rate.den) }
}

/// Colour by the code points of ISO/IEC 23091-2: primaries and matrix of BT.2020, and the transfer.
///
/// A client must skip what has an essential property that it does not know (§5.8.4.8). That is right for PQ where there is
/// an SDR rung to show in its place. Where there is none, and for HLG, which is made to be watchable on SDR screens, skipping
/// would leave the viewer with nothing, so the property is supplemental (§5.8.4.9).
fn color(hdr: HdrKind, has_sdr: bool) -> [Element; 3] {
    let transfer = match hdr {
        HdrKind::Pq => 16,
        HdrKind::Hlg => 18,
    };
    let name = if hdr == HdrKind::Pq && has_sdr { "EssentialProperty" } else { "SupplementalProperty" };
    let property = |scheme: &str, value: i32| {
        Element::new(name).with("schemeIdUri", format!("urn:mpeg:mpegB:cicp:{scheme}")).with("value", value)
    };
    [property("ColourPrimaries", 9), property("TransferCharacteristics", transfer), property("MatrixCoefficients", 9)]
}

/// Audio AdaptationSets: a client switches by itself only within one, so each holds one sound in one codec, layout and
/// sample rate.
pub(super) fn audio(presentation: &Presentation<'_>) -> Vec<Element> {
    let mut sets = Vec::new();
    for group in &presentation.audio {
        let alike = |a: &Sound<'_>, b: &Sound<'_>| {
            a.same_sound(b) && (a.channels, a.sample_rate) == (b.channels, b.sample_rate)
        };
        let default = group.members.iter().find(|sound| sound.default);
        let mut done = vec![false; group.members.len()];
        for first in 0..group.members.len() {
            if done[first] {
                continue;
            }
            let chosen: Vec<usize> = (first..group.members.len())
                .filter(|other| alike(&group.members[first], &group.members[*other]))
                .collect();
            chosen.iter().for_each(|index| done[*index] = true);
            let sounds: Vec<_> = chosen.iter().map(|index| &group.members[*index]).collect();
            let main = default.is_some_and(|default| default.same_sound(sounds[0]));
            sets.push(audio_set(presentation, &sounds, main));
        }
    }
    sets
}

fn audio_set(presentation: &Presentation<'_>, sounds: &[&Sound<'_>], main: bool) -> Element {
    let Some(first) = sounds.first() else { return Element::new("AdaptationSet") };
    let mut set = Element::new("AdaptationSet").with("contentType", "audio").with("mimeType", "audio/mp4");
    if let Some(language) = &first.language {
        set = set.with("lang", language);
    }
    set = aligned(set, sounds.iter().all(|sound| is_single(&sound.track)));
    set = set.child(Element::new("Label").text(&first.title));
    set = set.children(reference_time(presentation, &first.track));
    if first.descriptive {
        // For the visually impaired, as players look for it (ETSI TS 103 285 §6.1.2).
        set = set.child(described("Accessibility", "urn:tva:metadata:cs:AudioPurposeCS:2007", "1"));
    }
    if first.role == Some(SoundRole::EnhancedSpeech) {
        // For the hard of hearing.
        set = set.child(described("Accessibility", "urn:tva:metadata:cs:AudioPurposeCS:2007", "2"));
    }
    let plain = if main { "main" } else { "alternate" };
    let role = match (first.descriptive, first.role) {
        (true, _) => "description",
        (false, Some(SoundRole::Dub)) => "dub",
        (false, Some(SoundRole::Commentary)) => "commentary",
        (false, Some(SoundRole::EnhancedSpeech)) => "enhanced-audio-intelligibility",
        (false, None) => plain,
    };
    // What is played unless the viewer chooses is told beside what it is.
    if main && role != plain && !first.descriptive {
        set = set.child(described("Role", "urn:mpeg:dash:role:2011", "main"));
    }
    set = set.child(described("Role", "urn:mpeg:dash:role:2011", role));
    let (shared, own) = templates(sounds.iter().map(|sound| &sound.track));
    set = set.children(shared);
    for (sound, own) in sounds.iter().zip(own) {
        let representation = representation(presentation, &sound.track)
            .with("audioSamplingRate", sound.sample_rate)
            .children(channel_configuration(sound.channels))
            .children(dolby_configuration(sound.codec(), sound.channels))
            .children(located(&sound.track, own));
        set = set.child(representation);
    }
    set
}

/// Text AdaptationSets: one a track.
pub(super) fn text(presentation: &Presentation<'_>) -> Vec<Element> {
    let wvtt = presentation.text.iter().filter(|text| text.format == TextFormat::Wvtt);
    wvtt.map(|text| text_set(presentation, text)).collect()
}

fn text_set(presentation: &Presentation<'_>, text: &Text<'_>) -> Element {
    let mut set = Element::new("AdaptationSet").with("contentType", "text").with("mimeType", "application/mp4");
    if let Some(language) = &text.language {
        set = set.with("lang", language);
    }
    set = aligned(set, is_single(&text.track));
    set = set.child(Element::new("Label").text(&text.title));
    // By the Role scheme (ISO/IEC 23009-1 §5.8.5.5): what is forced is so whatever else it is.
    let role = match (text.forced, text.hearing_impaired) {
        (true, _) => "forced-subtitle",
        (false, true) => "caption",
        (false, false) => "subtitle",
    };
    if text.hearing_impaired {
        // For the hard of hearing (ETSI TS 103 285 §6.1.2).
        set = set.child(described("Accessibility", "urn:tva:metadata:cs:AudioPurposeCS:2007", "2"));
    }
    set = set.child(described("Role", "urn:mpeg:dash:role:2011", role));
    if text.default {
        set = set.child(described("Role", "urn:mpeg:dash:role:2011", "main"));
    }
    let (shared, own) = templates(std::iter::once(&text.track));
    set = set.children(shared);
    let own = own.into_iter().next().flatten();
    set.child(representation(presentation, &text.track).children(located(&text.track, own)))
}

fn described(name: &'static str, scheme: &str, value: &str) -> Element {
    Element::new(name).with("schemeIdUri", scheme).with("value", value)
}

/// `ChannelConfiguration` of ISO/IEC 23091-3 for the usual layout of a number of channels; none where there is none.
fn channel_configuration(channels: u32) -> Option<Element> {
    let value = match channels {
        1..=6 => channels,
        7 => 11,
        8 => 12,
        _ => return None,
    };
    let scheme = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
    Some(described("AudioChannelConfiguration", scheme, &value.to_string()))
}

/// What players of AC-3 and E-AC-3 look for beside: a mask of places (ETSI TS 102 366 §I.1.2.1, table E.1.4), left first.
fn dolby_configuration(codec: Option<AudioCodec>, channels: u32) -> Option<Element> {
    if !matches!(codec, Some(AudioCodec::Ac3 | AudioCodec::Eac3)) {
        return None;
    }
    let mask = match channels {
        1 => "4000",
        2 => "A000",
        6 => "F801",
        _ => return None,
    };
    let scheme = "tag:dolby.com,2014:dash:audio_channel_configuration:2011";
    Some(described("AudioChannelConfiguration", scheme, mask))
}

fn representation(presentation: &Presentation<'_>, track: &Track<'_>) -> Element {
    Element::new("Representation")
        .with("id", &track.record.id)
        .with("bandwidth", presentation.peak(track))
        .with("codecs", &track.record.codec_string)
}

/// Whether a track is one file with an index.
fn is_single(track: &Track<'_>) -> bool {
    track.record.single_file(Packaging::Cmaf).is_some()
}

/// What is said of all segments of a set: they begin together, each with a picture from which decoding can start. Of ranges
/// of one file it is said in other words (§5.3.3.2).
fn aligned(set: Element, single: bool) -> Element {
    let (alignment, start) =
        if single { ("subsegmentAlignment", "subsegmentStartsWithSAP") } else { ("segmentAlignment", "startWithSAP") };
    set.with(alignment, "true").with(start, 1)
}

/// The time of day of the output's zero, where one is asked for (§5.12).
fn reference_time(presentation: &Presentation<'_>, track: &Track<'_>) -> Option<Element> {
    let zero = presentation.wishes.options.program_unix_ms?;
    let first = track.segments.first().map_or(0, |(segment, _)| segment.start);
    let start_ms = scale_round(first, 1000, i64::from(track.record.timescale.max(1)));
    let time = utc(zero.saturating_add(start_ms));
    let element = Element::new("ProducerReferenceTime").with("id", 0).with("type", "captured");
    Some(element.with("wallClockTime", time).with("presentationTime", first))
}

/// Where the segments of a Representation are: by its template, or in its one file by the index in it (§5.3.9.2).
fn located(track: &Track<'_>, template: Option<Element>) -> Vec<Element> {
    let Some(file) = track.record.single_file(Packaging::Cmaf) else { return template.into_iter().collect() };
    let (init, index) = (file.init_bytes, file.index_bytes);
    let range = |from: u64, bytes: u64| format!("{from}-{}", (from + bytes).saturating_sub(1));
    let base = Element::new("BaseURL").text(&format!("{}/{}", uri(&track.record.id), uri(&file.name)));
    let segments = Element::new("SegmentBase")
        .with("timescale", track.record.timescale)
        .with("indexRange", range(init, index))
        .with("indexRangeExact", "true")
        .child(Element::new("Initialization").with("range", range(0, init)));
    vec![base, segments]
}

/// The template of an AdaptationSet where all its tracks have the same times and generation, else one for each Representation.
fn templates<'t, 'a: 't>(tracks: impl Iterator<Item = &'t Track<'a>>) -> (Option<Element>, Vec<Option<Element>>) {
    let tracks: Vec<_> = tracks.collect();
    if tracks.iter().all(|track| is_single(track)) {
        return (None, vec![None; tracks.len()]);
    }
    let timelines: Vec<_> = tracks.into_iter().map(Timeline::of).collect();
    let same = timelines.windows(2).all(|pair| pair[0] == pair[1]);
    match timelines.first() {
        Some(first) if same => (Some(first.template()), vec![None; timelines.len()]),
        _ => (None, timelines.iter().map(|timeline| Some(timeline.template())).collect()),
    }
}

/// A SegmentTimeline (§5.3.9.6), run-length coded.
#[derive(PartialEq, Eq)]
struct Timeline {
    timescale: u32,
    generation: u32,
    runs: Vec<Run>,
}

/// Segments of equal duration that follow one another without a gap.
#[derive(PartialEq, Eq)]
struct Run {
    start: i64,
    duration: i64,
    count: i64,
}

impl Timeline {
    fn of(track: &Track<'_>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for (segment, _) in &track.segments {
            match runs.last_mut() {
                Some(run) if run.duration == segment.duration && run.end() == segment.start => run.count += 1,
                _ => runs.push(Run { start: segment.start, duration: segment.duration, count: 1 }),
            }
        }
        Self { timescale: track.record.timescale, generation: track.record.generation, runs }
    }

    fn template(&self) -> Element {
        let mut timeline = Element::new("SegmentTimeline");
        let mut expected = None;
        for run in &self.runs {
            let mut entry = Element::new("S");
            if expected != Some(run.start) {
                entry = entry.with("t", run.start);
            }
            entry = entry.with("d", run.duration);
            if run.count > 1 {
                entry = entry.with("r", run.count - 1);
            }
            timeline = timeline.child(entry);
            expected = Some(run.end());
        }
        Element::new("SegmentTemplate")
            .with("timescale", self.timescale)
            .with("initialization", format!("$RepresentationID$/{}", init_name(self.generation)))
            .with("media", format!("$RepresentationID$/$Time${}.m4s", suffix(self.generation)))
            .child(timeline)
    }
}

impl Run {
    const fn end(&self) -> i64 {
        self.start.saturating_add(self.duration.saturating_mul(self.count))
    }
}
