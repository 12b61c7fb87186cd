//! WebVTT in fragmented MP4 (ISO/IEC 14496-30 §7): one sample for each stretch in which the same cues are shown.

use super::Segment;
use crate::model::text::TEXT_TIMESCALE;
use crate::package::fmp4::{self, Sample, put_box, put_full_box};
use std::collections::BTreeSet;

/// The track of every initialisation segment here.
const TRACK_ID: u32 = 1;
/// A 3x3 matrix that changes nothing (ISO/IEC 14496-12 §8.2.2).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The initialisation segment of a track: it says nothing of the cues, so all tracks have the same.
pub fn init_segment() -> Vec<u8> {
    let mut out = Vec::new();
    // `cwvt` is the brand of WebVTT in CMAF (ISO/IEC 23000-19 §11.2).
    put_box(&mut out, b"ftyp", |out| out.extend(b"iso6\0\0\0\0iso6cmfccwvt"));
    put_box(&mut out, b"moov", |out| {
        put_full_box(out, b"mvhd", 0, 0, |out| {
            words(out, &[0, 0, TEXT_TIMESCALE, 0, 0x1_0000, 0x0100_0000, 0, 0]);
            words(out, &MATRIX);
            words(out, &[0, 0, 0, 0, 0, 0, TRACK_ID + 1]);
        });
        put_box(out, b"trak", trak);
        put_box(out, b"mvex", |out| {
            put_full_box(out, b"trex", 0, 0, |out| words(out, &[TRACK_ID, 1, 0, 0, 0]));
        });
    });
    out
}

fn trak(out: &mut Vec<u8>) {
    // Enabled, and in the presentation.
    put_full_box(out, b"tkhd", 0, 3, |out| {
        words(out, &[0, 0, TRACK_ID, 0, 0, 0, 0, 0, 0]);
        words(out, &MATRIX);
        words(out, &[0, 0]);
    });
    put_box(out, b"mdia", |out| {
        // The language is `und` here: manifests tell it.
        put_full_box(out, b"mdhd", 0, 0, |out| words(out, &[0, 0, TEXT_TIMESCALE, 0, 0x55c4_0000]));
        put_full_box(out, b"hdlr", 0, 0, |out| {
            out.extend(b"\0\0\0\0text\0\0\0\0\0\0\0\0\0\0\0\0\0");
        });
        put_box(out, b"minf", |out| {
            put_full_box(out, b"nmhd", 0, 0, |_| {});
            put_box(out, b"dinf", |out| {
                put_full_box(out, b"dref", 0, 0, |out| {
                    words(out, &[1]);
                    put_full_box(out, b"url ", 0, 1, |_| {});
                });
            });
            put_box(out, b"stbl", sample_table);
        });
    });
}

fn sample_table(out: &mut Vec<u8>) {
    put_full_box(out, b"stsd", 0, 0, |out| {
        words(out, &[1]);
        put_box(out, b"wvtt", |out| {
            out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            put_box(out, b"vttC", |out| out.extend(b"WEBVTT"));
        });
    });
    put_full_box(out, b"stts", 0, 0, |out| words(out, &[0]));
    put_full_box(out, b"stsc", 0, 0, |out| words(out, &[0]));
    put_full_box(out, b"stsz", 0, 0, |out| words(out, &[0, 0]));
    put_full_box(out, b"stco", 0, 0, |out| words(out, &[0]));
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend(word.to_be_bytes()));
}

/// A segment as a CMAF media segment, and how many samples it has.
pub fn fragment(segment: &Segment) -> (Vec<u8>, u32) {
    let samples = samples(segment);
    let as_sample = |(duration, data)| Sample { data, duration, composition_offset: 0, key: true };
    let all: Vec<Sample<'_>> = samples.iter().map(|(duration, data)| as_sample((*duration, &data[..]))).collect();
    let mut bytes = fmp4::styp().to_vec();
    let start = u64::try_from(segment.start).unwrap_or(0);
    bytes.extend_from_slice(&fmp4::chunk(segment.index.saturating_add(1), TRACK_ID, start, &all).bytes);
    (bytes, u32::try_from(all.len()).unwrap_or(u32::MAX))
}

/// Durations, ms, and bytes: all of the segment is covered, stretches with nothing to show by an empty cue (§7.4).
fn samples(segment: &Segment) -> Vec<(u32, Vec<u8>)> {
    let inside = |time: i64| time.clamp(segment.start, segment.end);
    let mut times: BTreeSet<i64> = [segment.start, segment.end].into();
    times.extend(segment.cues.iter().flat_map(|(_, cue)| [inside(cue.start), inside(cue.end)]));
    let times: Vec<i64> = times.into_iter().collect();
    let stretch = |pair: &[i64]| {
        let mut data = Vec::new();
        for (number, cue) in segment.cues.iter().filter(|(_, cue)| cue.start < pair[1] && cue.end > pair[0]) {
            let whole = (cue.start, cue.end) == (pair[0], pair[1]);
            put_box(&mut data, b"vttc", |out| {
                // Parts of one cue are known by the same source identifier (§7.4.2.2).
                if !whole {
                    put_box(out, b"vsid", |out| words(out, &[*number]));
                }
                if !cue.settings.is_empty() {
                    put_box(out, b"sttg", |out| out.extend(cue.settings.as_bytes()));
                }
                put_box(out, b"payl", |out| out.extend(cue.text.as_bytes()));
            });
        }
        if data.is_empty() {
            put_box(&mut data, b"vtte", |_| {});
        }
        (u32::try_from(pair[1] - pair[0]).unwrap_or(1), data)
    };
    times.windows(2).map(stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::boxes::{boxes, find};
    use crate::package::webvtt::Cue;

    fn cue(start: i64, end: i64, settings: &str, text: &str) -> Cue {
        Cue { start, end, settings: settings.into(), text: text.into() }
    }

    #[test]
    fn each_stretch_is_a_sample_and_parts_of_a_cue_know_one_another() {
        let cues = vec![(1, cue(0, 3000, "", "a")), (2, cue(2500, 2800, "line:0", "b"))];
        let segment = Segment { index: 1, start: 2000, end: 4000, cues };
        let made = samples(&segment);
        assert_eq!(made.iter().map(|(duration, _)| *duration).collect::<Vec<_>>(), [500, 300, 200, 1000]);
        assert_eq!(made[0].1, b"\0\0\0\x1dvttc\0\0\0\x0cvsid\0\0\0\x01\0\0\0\x09payla");
        assert_eq!(made[1].1[29..], *b"\0\0\0\x1fvttc\0\0\0\x0esttgline:0\0\0\0\x09paylb");
        assert_eq!(made[3].1, b"\0\0\0\x08vtte");
        let (bytes, count) = fragment(&segment);
        assert_eq!(count, 4);
        let kinds: Vec<_> = boxes(&bytes).map(|found| found.kind).collect();
        assert_eq!(kinds, [*b"styp", *b"moof", *b"mdat"]);
        let traf = find(find(&bytes, b"moof").unwrap(), b"traf").unwrap();
        assert_eq!(find(traf, b"tfdt").unwrap()[4..], 2000_u64.to_be_bytes());
    }

    #[test]
    fn the_initialisation_segment_says_text_in_webvtt() {
        let init = init_segment();
        let mut at = &init[..];
        for kind in [b"moov", b"trak", b"mdia"] {
            at = find(at, kind).unwrap();
        }
        assert_eq!(find(at, b"hdlr").unwrap()[8..12], *b"text");
        assert_eq!(find(at, b"mdhd").unwrap()[12..16], 1000_u32.to_be_bytes());
        for kind in [b"minf", b"stbl", b"stsd"] {
            at = find(at, kind).unwrap();
        }
        let entry = boxes(&at[8..]).next().unwrap();
        assert_eq!(entry.kind, *b"wvtt");
        assert_eq!(find(&entry.body[8..], b"vttC").unwrap(), b"WEBVTT");
    }
}
