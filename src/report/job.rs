//! The report that a finished job leaves in its output directory as `reelmill.json`.

use crate::model::bill::OutputUsage;
use crate::model::bitrate::{self, Piece};
use crate::model::ledger::{ProgressiveFile, TrackKind};
use crate::model::placement::PlacementRecord;
use crate::model::plan::Note;
use crate::model::stills::PictureSummary;
use crate::model::time::scale_round;
use crate::model::{Ledger, LoudnessFigures, MediaFacts, Packaging, Plan, SegmentRecord, TrackRecord};
use crate::plan;
use serde::Serialize;

/// All there is to know about a finished job.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JobReport {
    /// The version that made it. Its presence also tells that a directory holds an output of ours.
    pub reelmill: String,
    /// What it was made from.
    pub source: SourceReport,
    /// Where it lies, as it was asked.
    pub output: String,
    /// What was asked.
    pub request: plan::Request,
    /// Wall time, ms.
    pub elapsed_ms: u64,
    /// After how long the output could first be played, ms.
    pub playable_after_ms: Option<u64>,
    /// Attempts that failed and were made up for.
    pub retries: u32,
    /// Packets of the source that could not be decoded.
    pub decode_errors: u64,
    /// What the client may not expect.
    pub warnings: Vec<Note>,
    /// The manifests to give to a player, masters first, by path below the output directory.
    pub manifests: Vec<String>,
    /// Progressive MP4 files, where asked for.
    pub progressive: Vec<ProgressiveFile>,
    /// Stills and sprite sheets, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureSummary>,
    /// What was made, in plan order.
    pub tracks: Vec<TrackReport>,
    /// What the source is.
    pub facts: MediaFacts,
    /// What was decided.
    pub plan: Plan,
    /// Where each stage was planned and where it ran, and why.
    pub placements: Vec<PlacementRecord>,
    /// Decoders of devices that fell back to software by themselves.
    pub software_fallbacks: u32,
    /// Further sources that the output is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_sources: Vec<OtherSource>,
    /// What it has cost up to the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<OutputUsage>,
}

/// A source that an output is made of, and what is made of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OtherSource {
    /// Its name and size.
    pub source: SourceReport,
    /// What it is.
    pub facts: MediaFacts,
    /// What was decided.
    pub plan: Plan,
}

/// A source as it is named in a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SourceReport {
    /// As it was asked.
    pub name: String,
    /// Size.
    pub bytes: u64,
}

/// One rendition as made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TrackReport {
    /// Its id.
    pub track: String,
    /// RFC 6381 codecs string.
    pub codecs: String,
    /// What made it.
    pub encoder: String,
    /// Width and height, pixels, of a rung.
    pub size: Option<(u32, u32)>,
    /// Segments.
    pub segments: usize,
    /// Frames (video) or packets (audio).
    pub frames: u64,
    /// Of sound whose loudness was changed: what was measured, in hundredths of LUFS, LU and dBTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness: Option<LoudnessFigures>,
    /// From the first frame's start to the last one's end, microseconds.
    pub duration_us: i64,
    /// One for each packaging.
    pub files: Vec<FilesReport>,
}

/// The files of one rendition in one packaging.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FilesReport {
    /// Which packaging.
    pub packaging: Packaging,
    /// Bytes of all segments.
    pub bytes: u64,
    /// All bits over all time, bits a second.
    pub mean_bit_rate: u64,
    /// The largest rate of a run of segments of about the target duration (RFC 8216 §4.1), bits a second.
    pub peak_bit_rate: u64,
}

impl TrackReport {
    /// A report on each track of a ledger.
    pub fn of(ledger: &Ledger) -> Vec<Self> {
        ledger.tracks.iter().map(|track| of_track(track, ledger.segment_ms)).collect()
    }
}

fn of_track(track: &TrackRecord, segment_ms: u32) -> TrackReport {
    let start = track.segments.first().map_or(0, |segment| segment.start);
    let timescale = i64::from(track.timescale.max(1));
    let files = [Packaging::Cmaf, Packaging::Ts].into_iter();
    TrackReport {
        track: track.id.clone(),
        codecs: track.codec_string.clone(),
        encoder: track.encoder.clone(),
        size: match track.kind {
            TrackKind::Video { width, height, .. } => Some((width, height)),
            TrackKind::Audio { .. } | TrackKind::Text { .. } => None,
        },
        segments: track.segments.len(),
        frames: track.segments.iter().map(|segment| u64::from(segment.frames)).sum(),
        loudness: track.loudness,
        duration_us: scale_round(track.end() - start, 1_000_000, timescale),
        files: files.filter_map(|packaging| of_files(track, packaging, segment_ms)).collect(),
    }
}

fn of_files(track: &TrackRecord, packaging: Packaging, segment_ms: u32) -> Option<FilesReport> {
    let sized =
        |segment: &SegmentRecord| Some(Piece { bytes: segment.file(packaging)?.bytes, duration: segment.duration });
    let pieces: Vec<Piece> = track.segments.iter().filter_map(sized).collect();
    let target_seconds = u64::from(segment_ms.div_ceil(1000));
    (!pieces.is_empty()).then(|| FilesReport {
        packaging,
        bytes: pieces.iter().map(|piece| piece.bytes).sum(),
        mean_bit_rate: bitrate::mean(&pieces, track.timescale),
        peak_bit_rate: bitrate::peak(&pieces, track.timescale, target_seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ledger::StoredFile;

    #[test]
    fn rates_are_of_what_is_stored_and_a_stub_of_a_segment_is_no_peak() {
        let segment = |index: u32, bytes: u64, duration: i64| SegmentRecord {
            index,
            start: i64::from(index) * 4000,
            duration,
            frames: 100,
            files: vec![StoredFile {
                packaging: Packaging::Cmaf,
                name: format!("{index}"),
                bytes,
                sha256: String::new(),
                key_frames: Vec::new(),
                at: None,
            }],
        };
        let kind = r#"{"type":"audio","codec":"aac","sample_rate":1000,"channels":2,"language":null,"title":"",
            "default":true,"descriptive":false}"#;
        let track = TrackRecord {
            id: "audio-1".into(),
            kind: serde_json::from_str(kind).unwrap(),
            timescale: 1000,
            codec_string: "mp4a.40.2".into(),
            declared_peak: 0,
            init_sha256: None,
            encoder: "aac".into(),
            loudness: None,
            generation: 1,
            segments: vec![segment(0, 1_000_000, 4000), segment(1, 2_000_000, 4000), segment(2, 100_000, 40)],
            single: Vec::new(),
        };
        let report = of_track(&track, 4000);
        assert_eq!((report.segments, report.frames, report.duration_us), (3, 300, 8_040_000));
        assert_eq!((report.files.len(), report.files[0].bytes), (1, 3_100_000));
        assert_eq!(report.files[0].peak_bit_rate, 4_158_416);
        assert_eq!(report.files[0].mean_bit_rate, 3_084_578);
    }
}
