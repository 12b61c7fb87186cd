//! What one packaging can show of a ledger now: the common ground of HLS and DASH.

use super::Wishes;
use super::text::one_line;
use crate::model::bitrate::{self, Piece};
use crate::model::captions::CaptionLabel;
use crate::model::codec::{AudioCodec, Packaging, VideoCodec};
use crate::model::facts::{HdrKind, SoundRole};
use crate::model::language::tag;
use crate::model::ledger::{KeyFrame, Ledger, SegmentRecord, StoredFile, TrackKind, TrackRecord};
use crate::model::text::TextFormat;
use crate::model::time::{Ratio, scale_ceil, scale_round};

/// One packaging of a job, with at least one segment of every track that it has.
pub(super) struct Presentation<'a> {
    pub(super) packaging: Packaging,
    /// What is said beside.
    pub(super) wishes: Wishes<'a>,
    /// Nothing more will come.
    pub(super) complete: bool,
    /// Target duration of a segment, milliseconds.
    pub(super) segment_ms: u32,
    /// The target duration of every media playlist, whole seconds.
    pub(super) target_seconds: u64,
    /// What it was before anything was made: less where a still picture stretched a segment.
    planned_seconds: u64,
    /// Rungs in ledger order.
    pub(super) video: Vec<Rung<'a>>,
    /// Sound, by codec in ledger order.
    pub(super) audio: Vec<AudioGroup<'a>>,
    /// Text in ledger order, for HLS and for DASH.
    pub(super) text: Vec<Text<'a>>,
}

/// A track as far as it is stored in one packaging: segments from its start on, up to the first that is not.
#[derive(Clone)]
pub(super) struct Track<'a> {
    pub(super) record: &'a TrackRecord,
    pub(super) segments: Vec<(&'a SegmentRecord, &'a StoredFile)>,
}

/// A video track and its facts.
pub(super) struct Rung<'a> {
    pub(super) track: Track<'a>,
    pub(super) codec: VideoCodec,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frame_rate: Ratio,
    pub(super) hdr: Option<HdrKind>,
    /// It may carry closed captions beside those that are told.
    pub(super) may_have_captions: bool,
    /// The closed captions that it carries.
    pub(super) captions: &'a [CaptionLabel],
}

/// All sound in one codec, of which a player plays one at a time.
pub(super) struct AudioGroup<'a> {
    pub(super) codec: AudioCodec,
    pub(super) members: Vec<Sound<'a>>,
}

/// An audio track and its facts.
pub(super) struct Sound<'a> {
    pub(super) track: Track<'a>,
    pub(super) sample_rate: u32,
    pub(super) channels: u32,
    /// RFC 5646 tag.
    pub(super) language: Option<String>,
    /// What players show, in one line; may repeat within a group.
    pub(super) title: String,
    pub(super) descriptive: bool,
    /// What it is there for beside that.
    pub(super) role: Option<SoundRole>,
    /// Played unless the viewer chooses otherwise: exactly one in a group.
    pub(super) default: bool,
}

/// A text track and its facts.
pub(super) struct Text<'a> {
    pub(super) track: Track<'a>,
    pub(super) format: TextFormat,
    /// RFC 5646 tag.
    pub(super) language: Option<String>,
    /// What players show, in one line.
    pub(super) title: String,
    /// Shown unless the viewer chooses otherwise.
    pub(super) default: bool,
    pub(super) forced: bool,
    pub(super) hearing_impaired: bool,
}

impl<'a> Presentation<'a> {
    /// `None` as long as a track of this packaging has no segment, no codecs string or, in CMAF, no stored
    /// initialisation segment; and for good where the packaging cannot carry the job's pictures or has no track at all.
    pub(super) fn new(ledger: &'a Ledger, packaging: Packaging, wishes: Wishes<'a>) -> Option<Self> {
        let records: Vec<_> = ledger.tracks.iter().filter(|record| record.in_packaging(packaging)).collect();
        let tracks: Vec<_> = records.into_iter().map(|record| Track::new(record, packaging)).collect();
        let has_video = tracks.iter().any(|track| track.record.is_video());
        if tracks.is_empty() || !tracks.iter().all(|track| track.is_ready(packaging)) {
            return None;
        }
        if !has_video && ledger.tracks.iter().any(TrackRecord::is_video) {
            return None;
        }
        Some(Self {
            packaging,
            wishes,
            complete: ledger.complete,
            segment_ms: ledger.segment_ms,
            target_seconds: target_seconds(ledger),
            planned_seconds: planned_seconds(ledger),
            video: tracks.iter().filter_map(Rung::new).collect(),
            audio: groups(tracks.iter().filter_map(Sound::new).collect()),
            text: texts(&tracks, ledger.complete),
        })
    }

    /// Every track of pictures and sound, pictures first.
    pub(super) fn tracks(&self) -> impl Iterator<Item = &Track<'a>> {
        let sounds = self.audio.iter().flat_map(|group| &group.members);
        self.video.iter().map(|rung| &rung.track).chain(sounds.map(|sound| &sound.track))
    }

    /// Where players are told to start, µs: as asked, as soon as there is as much (RFC 8216 §4.3.5.2). What is counted from
    /// the end means something once there is one.
    pub(super) fn start_us(&self) -> Option<i64> {
        let there_us =
            |track: &Track<'a>| scale_round(track.end(), 1_000_000, i64::from(track.record.timescale.max(1)));
        let shortest = self.tracks().map(there_us).min().unwrap_or(0);
        let start = self.wishes.options.start_us?;
        (start.abs() <= shortest && (start >= 0 || self.complete)).then_some(start)
    }

    /// The rate to declare for a track, bits a second: what was measured and, while more may come, at least what was planned.
    pub(super) fn peak(&self, track: &Track<'_>) -> u64 {
        let measured = self.measured_peak(&track.pieces(), track.record.timescale);
        let planned = if self.complete { 0 } else { track.record.declared_peak };
        measured.max(planned).max(1)
    }

    /// Peak and mean rate of a rung's key frames, bits a second, as far as they are stored: there is no plan for them.
    pub(super) fn i_frame_rates(&self, track: &Track<'_>) -> (u64, u64) {
        let frames = track.key_frames();
        let pieces: Vec<_> =
            frames.iter().map(|(_, key, duration)| Piece { bytes: key.bytes, duration: *duration }).collect();
        let timescale = track.record.timescale;
        (self.measured_peak(&pieces, timescale).max(1), bitrate::mean(&pieces, timescale).max(1))
    }

    /// By the target duration, as the RFC has it. Where one still picture stretched that far beyond the grid, the runs it
    /// asks for would hide how busy segments of usual length are, so those are measured too.
    fn measured_peak(&self, pieces: &[Piece], timescale: u32) -> u64 {
        let by_target = bitrate::peak(pieces, timescale, self.target_seconds);
        if self.planned_seconds == self.target_seconds {
            return by_target;
        }
        by_target.max(bitrate::peak(pieces, timescale, self.planned_seconds))
    }
}

impl<'a> Track<'a> {
    fn new(record: &'a TrackRecord, packaging: Packaging) -> Self {
        let stored = record.segments.iter().map_while(|segment| Some((segment, segment.file(packaging)?)));
        Self { record, segments: stored.collect() }
    }

    fn is_ready(&self, packaging: Packaging) -> bool {
        let has_init = packaging == Packaging::Cmaf && !self.record.is_plain();
        let initialised = !has_init || self.record.init_sha256.is_some();
        !self.segments.is_empty() && !self.record.codec_string.is_empty() && initialised
    }

    fn pieces(&self) -> Vec<Piece> {
        self.segments.iter().map(|(segment, file)| Piece { bytes: file.bytes, duration: segment.duration }).collect()
    }

    /// Mean rate as stored, bits a second.
    pub(super) fn mean(&self) -> u64 {
        bitrate::mean(&self.pieces(), self.record.timescale).max(1)
    }

    /// Where the stored part ends, ticks.
    pub(super) fn end(&self) -> i64 {
        self.segments.last().map_or(0, |(segment, _)| segment.end())
    }

    /// Every key frame with its file and the ticks to the next one, or to the end.
    pub(super) fn key_frames(&self) -> Vec<(&'a StoredFile, KeyFrame, i64)> {
        let all = self.segments.iter().flat_map(|(_, file)| file.key_frames.iter().map(move |key| (*file, *key)));
        let mut frames: Vec<_> = all.map(|(file, key)| (file, key, 0)).collect();
        let mut next = self.end();
        for (_, key, duration) in frames.iter_mut().rev() {
            *duration = next.saturating_sub(key.time);
            next = key.time;
        }
        frames
    }
}

impl<'a> Rung<'a> {
    fn new(track: &Track<'a>) -> Option<Self> {
        let TrackKind::Video { codec, width, height, frame_rate, hdr, carries_captions, captions } = &track.record.kind
        else {
            return None;
        };
        Some(Self {
            track: track.clone(),
            codec: *codec,
            width: *width,
            height: *height,
            frame_rate: *frame_rate,
            hdr: *hdr,
            may_have_captions: *carries_captions,
            captions,
        })
    }
}

impl<'a> Sound<'a> {
    fn new(track: &Track<'a>) -> Option<Self> {
        let TrackKind::Audio { sample_rate, channels, language, title, default, descriptive, role, .. } =
            &track.record.kind
        else {
            return None;
        };
        let language = language.as_deref().and_then(tag);
        let title = shown_title(title, language.as_deref(), &track.record.id);
        Some(Self {
            track: track.clone(),
            sample_rate: *sample_rate,
            channels: *channels,
            language,
            title,
            descriptive: *descriptive,
            role: *role,
            default: *default,
        })
    }

    /// Its codec.
    pub(super) fn codec(&self) -> Option<AudioCodec> {
        match self.track.record.kind {
            TrackKind::Audio { codec, .. } => Some(codec),
            TrackKind::Video { .. } | TrackKind::Text { .. } => None,
        }
    }

    /// Whether two tracks are the same sound for a listener, so that a player may change between them on its own.
    pub(super) fn same_sound(&self, other: &Self) -> bool {
        (&self.language, &self.title, self.descriptive, self.role)
            == (&other.language, &other.title, other.descriptive, other.role)
    }
}

impl<'a> Text<'a> {
    fn new(track: &Track<'a>) -> Option<Self> {
        let TrackKind::Text { format, language, title, default, forced, hearing_impaired } = &track.record.kind else {
            return None;
        };
        let language = language.as_deref().and_then(tag);
        Some(Self {
            track: track.clone(),
            format: *format,
            title: shown_title(title, language.as_deref(), &track.record.id),
            language,
            default: *default,
            forced: *forced,
            hearing_impaired: *hearing_impaired,
        })
    }
}

/// What players show of a track: its title, otherwise its language, otherwise its id.
fn shown_title(title: &str, language: Option<&str>, id: &str) -> String {
    let all = [one_line(title), language.unwrap_or_default().to_owned(), id.to_owned()];
    all.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// The text tracks. Text is made long before the pictures that it belongs to: while those grow, it is told as far as they
/// reach, since players take what is told last for what there is. What a source has behind its last picture is never
/// told.
fn texts<'a>(tracks: &[Track<'a>], complete: bool) -> Vec<Text<'a>> {
    let us = |ticks: i64, track: &Track<'_>| scale_ceil(ticks, 1_000_000, i64::from(track.record.timescale.max(1)));
    let ends = || tracks.iter().filter(|track| !track.record.is_text());
    let pictures = ends().filter(|track| track.record.is_video()).map(|track| us(track.end(), track)).max();
    let all = ends().map(|track| us(track.end(), track));
    let there = if complete { pictures.or(all.max()) } else { all.min() };
    let mut texts: Vec<_> = tracks.iter().filter_map(Text::new).collect();
    for text in &mut texts {
        let Some(there) = there else { continue };
        let track = &text.track;
        let kept = track.segments.iter().filter(|(segment, _)| us(segment.start, track) < there).count();
        text.track.segments.truncate(kept.max(1));
    }
    texts
}

/// Sounds by codec. The job marks one of all its sounds as the default; each group needs one of its own, since a player
/// that cannot decode the first codec sees only another.
fn groups(sounds: Vec<Sound<'_>>) -> Vec<AudioGroup<'_>> {
    let chosen = sounds.iter().position(|sound| sound.default);
    let same: Vec<bool> = sounds.iter().map(|sound| chosen.is_some_and(|c| sounds[c].same_sound(sound))).collect();
    let mut groups: Vec<(AudioGroup<'_>, Vec<bool>)> = Vec::new();
    for (sound, same) in sounds.into_iter().zip(same) {
        let Some(codec) = sound.codec() else { continue };
        match groups.iter_mut().find(|(group, _)| group.codec == codec) {
            Some((group, sames)) => {
                group.members.push(sound);
                sames.push(same);
            }
            None => groups.push((AudioGroup { codec, members: vec![sound] }, vec![same])),
        }
    }
    groups.into_iter().map(|(group, sames)| with_one_default(group, &sames)).collect()
}

fn with_one_default<'a>(mut group: AudioGroup<'a>, same: &[bool]) -> AudioGroup<'a> {
    let marked = group.members.iter().position(|sound| sound.default);
    let alike = || same.iter().position(|same| *same);
    let plain =
        || group.members.iter().position(|sound| !sound.descriptive && sound.role != Some(SoundRole::Commentary));
    let chosen = marked.or_else(alike).or_else(plain).unwrap_or(0);
    for (index, sound) in group.members.iter_mut().enumerate() {
        sound.default = index == chosen;
    }
    group
}

/// The target duration of every playlist of a job, whole seconds. Each `EXTINF`, rounded to the nearest second, must not
/// exceed it (RFC 8216 §4.3.3.1), it must not change while a playlist grows (§6.2.1), and all variants must have the same
/// (§6.2.4). A segment starts with the first frame at or after its boundary, so it can be longer than the grid by up to one
/// frame: that bound is known from the beginning. Only a source that shows one frame for longer than a segment exceeds it.
fn target_seconds(ledger: &Ledger) -> u64 {
    let made = ledger.tracks.iter().flat_map(|record| {
        let timescale = i64::from(record.timescale.max(1));
        record.segments.iter().map(move |segment| scale_round(segment.duration, 1, timescale))
    });
    let longest = made.max().and_then(|seconds| u64::try_from(seconds).ok());
    planned_seconds(ledger).max(longest.unwrap_or(0))
}

/// The bound that grid and frame rates give.
fn planned_seconds(ledger: &Ledger) -> u64 {
    let planned = ledger.tracks.iter().map(|record| {
        let frame_us = match &record.kind {
            TrackKind::Video { frame_rate, .. } if frame_rate.is_known() => {
                scale_ceil(1_000_000, frame_rate.den, frame_rate.num)
            }
            TrackKind::Video { .. } | TrackKind::Text { .. } => 0,
            TrackKind::Audio { sample_rate, .. } => {
                scale_ceil(AUDIO_PACKET_SAMPLES, 1_000_000, (*sample_rate).max(1).into())
            }
        };
        let longest_us = i64::from(ledger.segment_ms).saturating_mul(1000).saturating_add(frame_us);
        scale_round(longest_us, 1, 1_000_000)
    });
    planned.max().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0).max(1)
}

/// Samples in the longest packet of any audio codec here: an AAC frame has 1024, Opus at most 120 ms of 48 kHz.
const AUDIO_PACKET_SAMPLES: i64 = 5760;

#[cfg(test)]
#[path = "presentation_tests.rs"]
mod tests;
