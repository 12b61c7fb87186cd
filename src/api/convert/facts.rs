//! What a source is, as the API tells it.

use super::Wire;
use super::time::micros;
use crate::api::v1;
use crate::model::facts::{AudioFacts, MediaFacts, StreamFacts, StreamKind, VideoFacts};
use crate::model::{Ratio, SoundRole, time};

/// Microseconds.
const MICROS: Ratio = Ratio::new(1, 1_000_000);

/// Facts about a source.
pub(crate) fn facts(facts: &MediaFacts) -> v1::MediaFacts {
    v1::MediaFacts {
        container: facts.container.clone(),
        size_bytes: facts.size_bytes,
        duration: facts.duration_us.map(micros),
        bit_rate: facts.bit_rate.unwrap_or_default(),
        truncated: facts.truncated,
        seekable: facts.seekable,
        streams: facts.streams.iter().map(stream).collect(),
        tags: facts.tags.iter().map(|(tag, text)| (tag.name().to_owned(), text.clone())).collect(),
    }
}

/// A fraction.
pub(super) const fn ratio(ratio: Ratio) -> v1::Rational {
    v1::Rational { num: ratio.num, den: ratio.den }
}

fn stream(stream: &StreamFacts) -> v1::StreamFacts {
    use v1::stream_facts::Kind;
    let kind = match stream.kind {
        StreamKind::Video => Kind::Video,
        StreamKind::Audio => Kind::Audio,
        StreamKind::Subtitle => Kind::Subtitle,
        StreamKind::Data | StreamKind::Attachment | StreamKind::Unknown => Kind::Data,
    };
    let known = stream.time_base.is_known();
    v1::StreamFacts {
        index: stream.index,
        kind: kind.into(),
        codec: stream.codec.clone(),
        profile: stream.profile.clone().unwrap_or_default(),
        duration: stream.duration.filter(|_| known).map(|ticks| micros(time::rescale(ticks, stream.time_base, MICROS))),
        bit_rate: stream.bit_rate.unwrap_or_default(),
        language: stream.language.clone().unwrap_or_default(),
        title: stream.title.clone().unwrap_or_default(),
        default: stream.default,
        forced: stream.forced,
        descriptive: stream.descriptive,
        role: stream.role.map_or(v1::SoundRole::Unspecified, SoundRole::proto).into(),
        attached_picture: stream.attached_picture,
        encrypted: stream.encrypted,
        decodable: stream.decodable,
        video: stream.video.as_ref().map(video),
        audio: stream.audio.as_ref().map(audio),
    }
}

fn video(video: &VideoFacts) -> v1::VideoFacts {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    v1::VideoFacts {
        width: video.width,
        height: video.height,
        display_width: video.display_width,
        display_height: video.display_height,
        sample_aspect_ratio: Some(ratio(video.sample_aspect)),
        rotation: video.rotation,
        frame_rate: Some(ratio(video.frame_rate)),
        variable_frame_rate: video.variable_rate,
        scan: video.scan.proto().into(),
        pixel_format: video.pixel_format.clone(),
        bit_depth: video.bit_depth,
        color_primaries: name(&video.color.primaries),
        color_transfer: name(&video.color.transfer),
        color_matrix: name(&video.color.matrix),
        color_range: name(&video.color.range),
        hdr: video.hdr.as_ref().map_or(v1::video_facts::Hdr::Unspecified, |hdr| hdr.kind.proto()).into(),
    }
}

fn audio(audio: &AudioFacts) -> v1::AudioFacts {
    v1::AudioFacts { sample_rate: audio.sample_rate, channels: audio.channels, layout: audio.layout.clone() }
}
