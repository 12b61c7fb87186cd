//! The head of a progressive file: `ftyp` and `moov` with full sample tables.

use super::head::Head;
use super::tables::{Repeated, Tables, repeat};
use super::{Labels, ProgressiveError, Run, Track};
use crate::package::fmp4::{mdat_header, put_box, put_full_box};

/// Rotation by nothing (ISO/IEC 14496-12 §6.2.2), 16.16 and 2.30 fixed point.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// `ftyp`, `moov` and the header of an `mdat` with `bytes` of content, which `runs` lists in order.
pub(super) fn head(
    tracks: &[&Track],
    runs: &[Run],
    bytes: u64,
    labels: Labels<'_>,
) -> Result<Vec<u8>, ProgressiveError> {
    let movie_scale = tracks.first().ok_or(ProgressiveError::Empty)?.head.timescale;
    let edits = tracks.iter().map(|track| Edit::of(track, movie_scale)).collect::<Result<Vec<_>, _>>()?;
    // Where each chunk starts in `mdat`, by track.
    let mut chunks = vec![Vec::new(); tracks.len()];
    let mut at = 0;
    for run in runs {
        chunks[run.track].push(at);
        at += run.bytes;
    }
    let make = |base: u64, wide: bool| {
        let mut out = ftyp(&tracks[0].head);
        let movie = Movie { scale: movie_scale, base, wide, labels };
        put_moov(&mut out, tracks, &edits, &chunks, &movie);
        out.extend(mdat_header(bytes));
        out
    };
    // How long the head is does not depend on the offsets in it, only on how wide they are.
    let narrow = make(0, false).len() as u64;
    if narrow + bytes <= u64::from(u32::MAX) {
        return Ok(make(narrow, false));
    }
    let wide = make(0, true).len() as u64;
    Ok(make(wide, true))
}

/// 80 ms at the 48 kHz that Opus tracks always have.
const OPUS_ROLL_TICKS: u32 = 3840;

struct Movie<'a> {
    /// Ticks a second of `mvhd`, `tkhd` and `elst`.
    scale: u32,
    /// Where the content of `mdat` starts in the file.
    base: u64,
    /// Whether chunk offsets take 64 bits (§8.7.5).
    wide: bool,
    /// What the file says of itself.
    labels: Labels<'a>,
}

/// When what of a track is shown (§8.6.6).
struct Edit {
    /// Nothing is shown for so long, ticks of the movie.
    empty: u64,
    /// Then the media from here on, ticks of the track,
    media_time: u64,
    /// for so long, ticks of the movie.
    shown: u64,
}

impl Edit {
    /// The edit list of the initialisation segment, with real times: a track's first sample is always at zero of its
    /// media in a progressive file, so a later start becomes an empty edit.
    fn of(track: &Track, movie_scale: u32) -> Result<Self, ProgressiveError> {
        if track.tables.sizes.is_empty() {
            return Err(ProgressiveError::Empty);
        }
        let earliest = track.tables.earliest.max(0);
        let start = track.shown_from(earliest.unsigned_abs());
        let (empty, media_time) = match u64::try_from(start) {
            Ok(late) => (late, earliest.unsigned_abs()),
            Err(_) => (0, track.head.media_time.saturating_sub(track.tables.first_time())),
        };
        let shown = track.end.checked_sub(empty).filter(|ticks| *ticks > 0).ok_or(ProgressiveError::Empty)?;
        let scale = |ticks: u64| {
            let scaled = u128::from(ticks) * u128::from(movie_scale);
            u64::try_from(scaled.div_ceil(u128::from(track.head.timescale))).map_err(|_| ProgressiveError::TooMany)
        };
        Ok(Self { empty: scale(empty)?, media_time, shown: scale(shown)? })
    }

    const fn total(&self) -> u64 {
        self.empty.saturating_add(self.shown)
    }
}

/// §4.3: `iso4` for signed composition offsets (`ctts` version 1).
fn ftyp(video: &Head) -> Vec<u8> {
    let mut out = Vec::new();
    put_box(&mut out, b"ftyp", |out| {
        if !video.is_video {
            // Sound alone, as players of music look for it; what is in it decides whether they take it.
            out.extend(if video.entry == *b"mp4a" { b"M4A \0\0\0\0M4A " } else { b"isom\0\0\x02\0isom" });
            return out.extend(b"iso2iso4mp41mp42");
        }
        out.extend(b"isom\0\0\x02\0isomiso2iso4mp41");
        if [*b"avc1", *b"av01"].contains(&video.entry) {
            out.extend(video.entry);
        }
    });
    out
}

fn put_moov(out: &mut Vec<u8>, tracks: &[&Track], edits: &[Edit], chunks: &[Vec<u64>], movie: &Movie<'_>) {
    let duration = edits.iter().map(Edit::total).max().unwrap_or(0);
    put_box(out, b"moov", |moov| {
        put_timed(
            moov,
            b"mvhd",
            0,
            duration,
            |out| out.extend(movie.scale.to_be_bytes()),
            |out| {
                // Normal rate and volume (§8.2.2).
                out.extend([0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                out.extend(UNITY.iter().flat_map(|word| word.to_be_bytes()));
                out.extend([0; 24]);
                out.extend((tracks.len() as u32 + 1).to_be_bytes());
            },
        );
        for (index, ((track, edit), chunks)) in tracks.iter().zip(edits).zip(chunks).enumerate() {
            put_box(moov, b"trak", |out| put_trak(out, index as u32 + 1, track, edit, chunks, movie));
        }
        movie.labels.put(moov);
    });
}

/// A full box that begins with times of creation and change (nobody's concern), something, and a duration; all in 64
/// bits where it takes them.
fn put_timed(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    flags: u32,
    duration: u64,
    between: impl FnOnce(&mut Vec<u8>),
    after: impl FnOnce(&mut Vec<u8>),
) {
    let narrow = u32::try_from(duration).ok();
    put_full_box(out, kind, u8::from(narrow.is_none()), flags, |out| {
        out.extend(std::iter::repeat_n(0, if narrow.is_some() { 8 } else { 16 }));
        between(out);
        match narrow {
            Some(duration) => out.extend(duration.to_be_bytes()),
            None => out.extend(duration.to_be_bytes()),
        }
        after(out);
    });
}

fn put_trak(out: &mut Vec<u8>, id: u32, track: &Track, edit: &Edit, chunks: &[u64], movie: &Movie<'_>) {
    let Track { head, tables, .. } = track;
    // Enabled, and in the movie (§8.3.2).
    let number = |out: &mut Vec<u8>| out.extend([id.to_be_bytes(), [0; 4]].concat());
    put_timed(out, b"tkhd", 3, edit.total(), number, |out| out.extend(head.tkhd_tail));
    put_box(out, b"edts", |out| put_elst(out, edit));
    put_box(out, b"mdia", |mdia| {
        let scale = |out: &mut Vec<u8>| out.extend(head.timescale.to_be_bytes());
        put_timed(mdia, b"mdhd", 0, tables.length, scale, |out| {
            out.extend(head.language.to_be_bytes());
            out.extend([0; 2]);
        });
        mdia.extend_from_slice(&head.elng);
        mdia.extend_from_slice(&head.hdlr);
        put_box(mdia, b"minf", |minf| {
            minf.extend_from_slice(&head.minf);
            put_box(minf, b"stbl", |stbl| {
                stbl.extend_from_slice(&head.stsd);
                put_times(stbl, tables, head.is_video);
                put_places(stbl, tables, chunks, movie);
                if let Some(distance) = roll_distance(head.entry, tables) {
                    put_roll(stbl, distance, tables.sizes.len() as u32);
                }
            });
        });
    });
}

fn put_elst(out: &mut Vec<u8>, edit: &Edit) {
    let mut entries = vec![(edit.shown, edit.media_time as i64)];
    if edit.empty > 0 {
        entries.insert(0, (edit.empty, -1));
    }
    let wide =
        entries.iter().any(|(duration, time)| u32::try_from(*duration).is_err() || i32::try_from(*time).is_err());
    put_full_box(out, b"elst", u8::from(wide), 0, |out| {
        out.extend((entries.len() as u32).to_be_bytes());
        for (duration, time) in entries {
            if wide {
                out.extend([duration.to_be_bytes(), time.to_be_bytes()].concat());
            } else {
                out.extend([(duration as u32).to_be_bytes(), (time as i32).to_be_bytes()].concat());
            }
            // Normal speed.
            out.extend([0, 1, 0, 0]);
        }
    });
}

/// `stts` (§8.6.1.2), `ctts` (§8.6.1.3) and `stss` (§8.6.2), the latter two only where they say something.
fn put_times(out: &mut Vec<u8>, tables: &Tables, is_video: bool) {
    put_repeated(out, b"stts", 0, &tables.durations, |value| value.to_be_bytes());
    if tables.offsets.iter().any(|(_, offset)| *offset != 0) {
        let signed = tables.offsets.iter().any(|(_, offset)| *offset < 0);
        put_repeated(out, b"ctts", u8::from(signed), &tables.offsets, |value| value.to_be_bytes());
    }
    if is_video && tables.keys.len() < tables.sizes.len() {
        put_full_box(out, b"stss", 0, 0, |out| {
            out.extend((tables.keys.len() as u32).to_be_bytes());
            out.extend(tables.keys.iter().flat_map(|number| number.to_be_bytes()));
        });
    }
}

fn put_repeated<T: Copy>(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    values: &Repeated<T>,
    bytes: impl Fn(T) -> [u8; 4],
) {
    put_full_box(out, kind, version, 0, |out| {
        out.extend((values.len() as u32).to_be_bytes());
        out.extend(values.iter().flat_map(|(count, value)| [count.to_be_bytes(), bytes(*value)]).flatten());
    });
}

/// `stsc` (§8.7.4), `stsz` (§8.7.3.2), and `stco` or `co64` (§8.7.5).
fn put_places(out: &mut Vec<u8>, tables: &Tables, chunks: &[u64], movie: &Movie<'_>) {
    let mut counts = Repeated::new();
    tables.runs.iter().for_each(|run| repeat(&mut counts, run.samples));
    put_full_box(out, b"stsc", 0, 0, |out| {
        out.extend((counts.len() as u32).to_be_bytes());
        let mut first_chunk = 1_u32;
        for (chunks, samples) in counts {
            out.extend([first_chunk, samples, 1].iter().flat_map(|word| word.to_be_bytes()));
            first_chunk += chunks;
        }
    });
    put_full_box(out, b"stsz", 0, 0, |out| {
        let same = tables.sizes.first().filter(|first| **first > 0 && tables.sizes.iter().all(|size| size == *first));
        out.extend(same.map_or([0; 4], |size| size.to_be_bytes()));
        out.extend((tables.sizes.len() as u32).to_be_bytes());
        if same.is_none() {
            out.extend(tables.sizes.iter().flat_map(|size| size.to_be_bytes()));
        }
    });
    put_full_box(out, if movie.wide { b"co64" } else { b"stco" }, 0, 0, |out| {
        out.extend((chunks.len() as u32).to_be_bytes());
        for chunk in chunks.iter().map(|chunk| chunk + movie.base) {
            match movie.wide {
                true => out.extend(chunk.to_be_bytes()),
                false => out.extend((chunk as u32).to_be_bytes()),
            }
        }
    });
}

/// How many packets before the wanted one a decoder must begin with: one for AAC (ISO/IEC 14496-3 overlaps two), 80 ms
/// for Opus (RFC 7845 §4.6; the group is required by Opus in ISO BMFF §4.3.6).
fn roll_distance(entry: [u8; 4], tables: &Tables) -> Option<i16> {
    match &entry {
        b"mp4a" => Some(-1),
        b"Opus" => {
            let packet = tables.durations.first().map_or(0, |(_, ticks)| *ticks).max(1);
            i16::try_from(OPUS_ROLL_TICKS.div_ceil(packet)).ok().map(|packets| -packets)
        }
        _ => None,
    }
}

/// One `roll` group that holds all samples: `sgpd` and `sbgp` (§8.9, §10.1.1).
fn put_roll(out: &mut Vec<u8>, distance: i16, samples: u32) {
    put_full_box(out, b"sgpd", 1, 0, |out| {
        out.extend(b"roll\0\0\0\x02\0\0\0\x01");
        out.extend(distance.to_be_bytes());
    });
    put_full_box(out, b"sbgp", 0, 0, |out| {
        out.extend(b"roll\0\0\0\x01");
        out.extend([samples, 1].iter().flat_map(|word| word.to_be_bytes()));
    });
}
