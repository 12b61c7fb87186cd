//! What a progressive file takes over from an initialisation segment: everything that describes the media, nothing that
//! describes samples.

use super::ProgressiveError;
use crate::package::boxes::{boxes, find, read_u16, read_u32};
use crate::package::fmp4::put_box;

/// Bytes of `tkhd` from the reserved words behind its duration to its end (ISO/IEC 14496-12 §8.3.2): layer, volume,
/// matrix, width and height.
const TKHD_TAIL: usize = 60;

/// The description of one track.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Ticks a second.
    pub(super) timescale: u32,
    /// ISO 639-2/T, packed (§8.4.2).
    pub(super) language: u16,
    /// `elng`, the whole box; empty where there is none (§8.4.6).
    pub(super) elng: Vec<u8>,
    /// Where presentation starts in the media, ticks: the first edit that is not empty (§8.6.6).
    pub(super) media_time: u64,
    /// The end of `tkhd`.
    pub(super) tkhd_tail: [u8; TKHD_TAIL],
    /// Whether `hdlr` says `vide` (§8.4.3).
    pub(super) is_video: bool,
    /// Code of the sample entry.
    pub(super) entry: [u8; 4],
    /// `hdlr`, the whole box.
    pub(super) hdlr: Vec<u8>,
    /// Everything in `minf` but `stbl` (§8.4.4): `vmhd` or `smhd`, and `dinf`.
    pub(super) minf: Vec<u8>,
    /// `stsd`, the whole box (§8.5.2).
    pub(super) stsd: Vec<u8>,
}

impl Head {
    pub(super) fn read(init_segment: &[u8]) -> Result<Self, ProgressiveError> {
        let child = |bytes, kind, name| find(bytes, kind).ok_or(ProgressiveError::Malformed(name));
        let moov = child(init_segment, b"moov", "moov")?;
        let mut tracks = boxes(moov).filter(|found| found.kind == *b"trak");
        let (Some(trak), None) = (tracks.next(), tracks.next()) else {
            return Err(ProgressiveError::Malformed("trak"));
        };
        let mdia = child(trak.body, b"mdia", "mdia")?;
        let minf = child(mdia, b"minf", "minf")?;
        let stbl = child(minf, b"stbl", "stbl")?;
        let (hdlr, stsd) = (child(mdia, b"hdlr", "hdlr")?, child(stbl, b"stsd", "stsd")?);
        let malformed = |name| move || ProgressiveError::Malformed(name);
        let tkhd_tail = child(trak.body, b"tkhd", "tkhd").map(tkhd_tail)?.ok_or_else(malformed("tkhd"))?;
        let (timescale, language) = child(mdia, b"mdhd", "mdhd").map(media_header)?.ok_or_else(malformed("mdhd"))?;
        let media_time = match find(trak.body, b"edts").and_then(|edts| find(edts, b"elst")) {
            Some(elst) => media_time(elst).ok_or_else(malformed("elst"))?,
            None => 0,
        };
        Ok(Self {
            timescale,
            language,
            elng: find(mdia, b"elng").map(|body| whole(b"elng", body)).unwrap_or_default(),
            media_time,
            tkhd_tail,
            is_video: hdlr.get(8..12).ok_or_else(malformed("hdlr"))? == b"vide",
            entry: sample_entry(stsd).ok_or_else(malformed("stsd"))?,
            hdlr: whole(b"hdlr", hdlr),
            minf: boxes(minf).filter(|found| found.kind != *b"stbl").flat_map(|f| whole(&f.kind, f.body)).collect(),
            stsd: whole(b"stsd", stsd),
        })
    }
}

fn whole(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 8);
    put_box(&mut bytes, kind, |out| out.extend_from_slice(body));
    bytes
}

/// §8.3.2: times, number and duration are 20 bytes in version 0, 32 in version 1, behind version and flags.
fn tkhd_tail(tkhd: &[u8]) -> Option<[u8; TKHD_TAIL]> {
    let at = if *tkhd.first()? == 0 { 24 } else { 36 };
    tkhd.get(at..)?.first_chunk().copied()
}

/// Timescale and language (§8.4.2).
fn media_header(mdhd: &[u8]) -> Option<(u32, u16)> {
    let at = if *mdhd.first()? == 0 { 12 } else { 20 };
    let duration = if at == 12 { 4 } else { 8 };
    let timescale = read_u32(mdhd, at).filter(|ticks| *ticks > 0)?;
    Some((timescale, read_u16(mdhd, at + 4 + duration)?))
}

/// The media time of the first edit that shows media (§8.6.6); 0 when there is none.
fn media_time(elst: &[u8]) -> Option<u64> {
    let version = *elst.first()?;
    let count = read_u32(elst, 4)? as usize;
    let entry = if version == 0 { 12 } else { 20 };
    let rows = elst.get(8..)?;
    if rows.len() / entry < count {
        return None;
    }
    let times = rows.chunks_exact(entry).take(count).map(|row| match version {
        0 => read_u32(row, 4).map(|time| i64::from(time.cast_signed())),
        _ => row[8..].first_chunk().map(|time| i64::from_be_bytes(*time)),
    });
    let first = times.flatten().find(|time| *time >= 0).unwrap_or(0);
    u64::try_from(first).ok()
}

/// The code of the only sample entry (§8.5.2).
fn sample_entry(stsd: &[u8]) -> Option<[u8; 4]> {
    let mut entries = boxes(stsd.get(8..)?);
    let (first, None) = (entries.next()?, entries.next()) else { return None };
    (read_u32(stsd, 4)? == 1).then_some(first.kind)
}
