//! The master ("multivariant") playlist (RFC 8216 §4.3.4).

use super::{CHAPTERS, I_FRAMES, MEDIA, captions, version};
use crate::model::facts::{HdrKind, SoundRole};
use crate::package::presentation::{AudioGroup, Presentation, Rung, Sound, Text};
use crate::package::text::{one_line, quoted, uri};
use std::cmp::Reverse;
use std::fmt::Write;

/// Peak rate that the first variant should have, bits a second: see `in_order`.
const FIRST_VARIANT_PEAK: u64 = 2_500_000;

/// The master playlist of a packaging, to stand in the packaging's directory.
pub(in crate::package) fn master(presentation: &Presentation<'_>) -> String {
    let version = captions::version(presentation, version(presentation.packaging));
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if !presentation.wishes.chapters.is_empty() {
        let tag = format!("#EXT-X-SESSION-DATA:DATA-ID=\"com.apple.hls.chapters\",URI={}", quoted(CHAPTERS));
        writeln!(text, "{tag}").expect("writing to a string does not fail");
    }
    if presentation.video.is_empty() {
        audio_only(&mut text, presentation);
        return text;
    }
    for group in &presentation.audio {
        media_tags(&mut text, group, &(0..group.members.len()).collect::<Vec<_>>());
    }
    text_tags(&mut text, presentation);
    captions::tags(&mut text, presentation);
    let rungs = in_order(presentation);
    // The first codec of sound with every codec of pictures, then the next.
    let groups: Vec<_> = presentation.audio.iter().map(Some).collect();
    for group in if groups.is_empty() { vec![None] } else { groups } {
        text.push('\n');
        for rung in &rungs {
            variant(&mut text, presentation, rung, group);
        }
    }
    text.push('\n');
    for rung in &rungs {
        i_frame_variant(&mut text, presentation, rung);
    }
    if let Some(sprites) = presentation.wishes.sprites {
        writeln!(text, "\n{}", sprites.stream_inf()).expect("writing to a string does not fail");
    }
    text
}

/// Rungs as they are listed.
///
/// Codecs stand in the order of the table, H.264 first: a player that ignores `CODECS` and takes what comes first then gets
/// what everything plays. Within a codec the best stands first, as people and simple tools expect, with one exception: the
/// very first variant of the playlist is what players start with before they have measured anything. Apple's authoring
/// specification asks for about 2 Mbit/s there, hls.js starts with it when it has no estimate, and starting with the top
/// rung means seconds of waiting on a slow network, while starting lower costs one segment of less sharp pictures. So the
/// best rung within `FIRST_VARIANT_PEAK` is moved to the front, or the lightest where all are above it.
fn in_order<'p, 'a>(presentation: &'p Presentation<'a>) -> Vec<&'p Rung<'a>> {
    let mut rungs: Vec<_> = presentation.video.iter().collect();
    let area = |rung: &Rung<'_>| u64::from(rung.width) * u64::from(rung.height);
    rungs.sort_by_cached_key(|rung| {
        (rung.codec, rung.hdr.is_some(), Reverse(area(rung)), Reverse(presentation.peak(&rung.track)))
    });
    let Some((codec, hdr)) = rungs.first().map(|rung| (rung.codec, rung.hdr)) else { return rungs };
    let block = rungs.iter().take_while(|rung| (rung.codec, rung.hdr) == (codec, hdr)).count();
    let light = |rung: &&Rung<'_>| presentation.peak(&rung.track) <= FIRST_VARIANT_PEAK;
    let start = rungs[..block].iter().position(light).unwrap_or(block - 1);
    rungs[..=start].rotate_right(1);
    rungs
}

fn variant(text: &mut String, presentation: &Presentation<'_>, rung: &Rung<'_>, group: Option<&AudioGroup<'_>>) {
    let sounds = group.map_or(&[][..], |group| &group.members);
    let peak = |sound: &Sound<'_>| presentation.peak(&sound.track);
    let codecs = std::iter::once(rung.track.record.codec_string.as_str()).chain(codecs_of(sounds));
    let mut attributes = rates(
        presentation.peak(&rung.track) + sounds.iter().map(peak).max().unwrap_or(0),
        rung.track.mean() + sounds.iter().map(|sound| sound.track.mean()).max().unwrap_or(0),
        codecs,
    );
    attributes.push(resolution(rung));
    if rung.frame_rate.is_known() {
        let millis = rung.frame_rate.millis();
        attributes.push(format!("FRAME-RATE={}.{:03}", millis / 1000, millis % 1000));
    }
    attributes.push(video_range(rung));
    if let Some(group) = group {
        attributes.push(format!("AUDIO={}", quoted(group_id(group))));
    }
    if texts(presentation).next().is_some() {
        attributes.push(format!("SUBTITLES={}", quoted(SUBTITLES)));
    }
    attributes.extend(captions::of_variant(presentation, rung));
    stream_inf(text, &attributes, &rung.track.record.id);
}

/// A rung's I-frame playlist (§4.3.4.3). Its rates are those of the key frames alone.
fn i_frame_variant(text: &mut String, presentation: &Presentation<'_>, rung: &Rung<'_>) {
    let (peak, mean) = presentation.i_frame_rates(&rung.track);
    let mut attributes = rates(peak, mean, std::iter::once(rung.track.record.codec_string.as_str()));
    attributes.push(resolution(rung));
    attributes.push(video_range(rung));
    attributes.push(format!("URI={}", quoted(&format!("{}/{I_FRAMES}", uri(&rung.track.record.id)))));
    writeln!(text, "#EXT-X-I-FRAME-STREAM-INF:{}", attributes.join(",")).expect("writing to a string does not fail");
}

/// With no pictures, the sound that plays by default is the variant, once for each codec and bit rate it comes in, and what
/// else there is (other languages, described sound) stands beside it in a group.
fn audio_only(text: &mut String, presentation: &Presentation<'_>) {
    text_tags(text, presentation);
    for group in &presentation.audio {
        let Some(default) = group.members.iter().find(|sound| sound.default) else { continue };
        let (mut variants, others): (Vec<_>, Vec<_>) =
            (0..group.members.len()).partition(|index| group.members[*index].same_sound(default));
        variants.sort_by_key(|index| {
            let sound = &group.members[*index];
            (Reverse(sound.channels), Reverse(presentation.peak(&sound.track)))
        });
        let group_attribute = if others.is_empty() {
            None
        } else {
            let listed =
                (0..group.members.len()).filter(|index| group.members[*index].default || others.contains(index));
            media_tags(text, group, &listed.collect::<Vec<_>>());
            Some(format!("AUDIO={}", quoted(group_id(group))))
        };
        text.push('\n');
        for sound in variants.iter().map(|index| &group.members[*index]) {
            let peak = |sound: &Sound<'_>| presentation.peak(&sound.track);
            let beside = others.iter().map(|index| &group.members[*index]);
            let all = || std::iter::once(sound).chain(beside.clone());
            let mut attributes = rates(
                all().map(peak).max().unwrap_or(0),
                all().map(|sound| sound.track.mean()).max().unwrap_or(0),
                codecs_of(all()),
            );
            attributes.extend(group_attribute.clone());
            if texts(presentation).next().is_some() {
                attributes.push(format!("SUBTITLES={}", quoted(SUBTITLES)));
            }
            stream_inf(text, &attributes, &sound.track.record.id);
        }
    }
}

/// `EXT-X-MEDIA` for the chosen members of a group (§4.3.4.1). Names differ within a group; only the first of those that a
/// player could not tell apart by language and characteristics is chosen by itself.
fn media_tags(text: &mut String, group: &AudioGroup<'_>, members: &[usize]) {
    text.push('\n');
    let mut names: Vec<String> = Vec::new();
    let chosen = members.iter().map(|index| &group.members[*index]).find(|sound| sound.default);
    for (place, index) in members.iter().enumerate() {
        let sound = &group.members[*index];
        let alike = |other: &Sound<'_>| {
            (&other.language, other.descriptive, other.role) == (&sound.language, sound.descriptive, sound.role)
        };
        let earlier = members[..place].iter().any(|other| alike(&group.members[*other]));
        // A commentary is for whoever asks for it.
        let offered = sound.role != Some(SoundRole::Commentary) && !earlier && !chosen.is_some_and(alike);
        let autoselect = sound.default || offered;
        let name = distinct(&sound.title, &names);
        let mut attributes = vec![
            "TYPE=AUDIO".to_owned(),
            format!("GROUP-ID={}", quoted(group_id(group))),
            format!("NAME={}", quoted(&name)),
        ];
        names.push(name);
        attributes.extend(sound.language.as_deref().map(|tag| format!("LANGUAGE={}", quoted(tag))));
        attributes.push(format!("DEFAULT={}", yes_no(sound.default)));
        attributes.push(format!("AUTOSELECT={}", yes_no(autoselect)));
        let characteristics = characteristics(sound);
        if !characteristics.is_empty() {
            attributes.push(format!("CHARACTERISTICS={}", quoted(&characteristics.join(","))));
        }
        attributes.push(format!("CHANNELS=\"{}\"", sound.channels));
        attributes.push(format!("URI={}", quoted(&format!("{}/{MEDIA}", uri(&sound.track.record.id)))));
        writeln!(text, "#EXT-X-MEDIA:{}", attributes.join(",")).expect("writing to a string does not fail");
    }
}

/// The one group of text.
const SUBTITLES: &str = "subtitles";

fn texts<'p, 'a>(presentation: &'p Presentation<'a>) -> impl Iterator<Item = &'p Text<'a>> {
    presentation.text.iter().filter(|text| text.track.record.is_plain())
}

/// `EXT-X-MEDIA` of text (§4.3.4.1). All of it may be chosen by a player on its own, by language and by what the viewer
/// needs, except what cannot be told from an earlier one.
fn text_tags(out: &mut String, presentation: &Presentation<'_>) {
    let all: Vec<&Text<'_>> = texts(presentation).collect();
    if !all.is_empty() {
        out.push('\n');
    }
    let mut names: Vec<String> = Vec::new();
    for (place, text) in all.iter().enumerate() {
        let kind = |text: &Text<'_>| (text.language.clone(), text.forced, text.hearing_impaired);
        let earlier = all[..place].iter().any(|other| kind(other) == kind(text));
        let name = distinct(&text.title, &names);
        let mut attributes = vec![
            "TYPE=SUBTITLES".to_owned(),
            format!("GROUP-ID={}", quoted(SUBTITLES)),
            format!("NAME={}", quoted(&name)),
        ];
        names.push(name);
        attributes.extend(text.language.as_deref().map(|tag| format!("LANGUAGE={}", quoted(tag))));
        attributes.push(format!("DEFAULT={}", yes_no(text.default)));
        attributes.push(format!("AUTOSELECT={}", yes_no(text.default || !earlier)));
        attributes.push(format!("FORCED={}", yes_no(text.forced)));
        if text.hearing_impaired {
            let both = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound";
            attributes.push(format!("CHARACTERISTICS=\"{both}\""));
        }
        attributes.push(format!("URI={}", quoted(&format!("{}/{MEDIA}", uri(&text.track.record.id)))));
        writeln!(out, "#EXT-X-MEDIA:{}", attributes.join(",")).expect("writing to a string does not fail");
    }
}

/// Media characteristics by their uniform type identifiers (§4.3.4.1), as Apple's players know them.
fn characteristics(sound: &Sound<'_>) -> Vec<&'static str> {
    let described = sound.descriptive.then_some("public.accessibility.describes-video");
    let role = sound.role.map(|role| match role {
        SoundRole::Dub => "public.translation.dubbed",
        SoundRole::Commentary => "public.auxiliary-content",
        SoundRole::EnhancedSpeech => "public.accessibility.enhances-speech-intelligibility",
    });
    described.into_iter().chain(role).collect()
}

fn distinct(title: &str, taken: &[String]) -> String {
    // Quoting may make two titles alike, so they are compared as they will be written.
    let title = one_line(title).replace('"', "'");
    let numbered = (2..).map(|number| format!("{title} ({number})"));
    std::iter::once(title.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(title)
}

fn stream_inf(text: &mut String, attributes: &[String], id: &str) {
    writeln!(text, "#EXT-X-STREAM-INF:{}\n{}/{MEDIA}", attributes.join(","), uri(id))
        .expect("writing to a string does not fail");
}

fn rates<'c>(peak: u64, mean: u64, codecs: impl Iterator<Item = &'c str>) -> Vec<String> {
    let mut distinct: Vec<&str> = Vec::new();
    for codec in codecs.filter(|codec| !codec.is_empty()) {
        if !distinct.contains(&codec) {
            distinct.push(codec);
        }
    }
    vec![
        format!("BANDWIDTH={peak}"),
        format!("AVERAGE-BANDWIDTH={mean}"),
        format!("CODECS={}", quoted(&distinct.join(","))),
    ]
}

fn codecs_of<'s, 'a: 's>(sounds: impl IntoIterator<Item = &'s Sound<'a>>) -> impl Iterator<Item = &'s str> {
    sounds.into_iter().map(|sound| hls_codec(sound.track.record.codec_string.as_str()))
}

/// MP3 by its audio object type (ISO/IEC 14496-3 table 1.17), as HLS players look for it; the initialisation segment has its
/// object type of ISO/IEC 14496-1 table 5.
fn hls_codec(codec: &str) -> &str {
    if matches!(codec, "mp4a.6B" | "mp4a.69") { "mp4a.40.34" } else { codec }
}

fn resolution(rung: &Rung<'_>) -> String {
    format!("RESOLUTION={}x{}", rung.width, rung.height)
}

/// `VIDEO-RANGE` (bis §4.4.6.2).
fn video_range(rung: &Rung<'_>) -> String {
    let range = match rung.hdr {
        None => "SDR",
        Some(HdrKind::Pq) => "PQ",
        Some(HdrKind::Hlg) => "HLG",
    };
    format!("VIDEO-RANGE={range}")
}

fn group_id(group: &AudioGroup<'_>) -> &'static str {
    group.codec.traits().name
}

pub(super) const fn yes_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}
