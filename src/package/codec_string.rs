//! The `codecs` parameter (RFC 6381) of a track, read from the configuration box in its initialisation segment.

use super::boxes::{SampleEntry, find, first_sample_entry, read_u16, read_u32};

/// Why no codecs string can be given.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecStringError {
    /// No `moov` with a track and a sample entry (ISO/IEC 14496-12 §8.5.2).
    #[error("initialisation segment holds no sample entry")]
    NoSampleEntry,
    /// A sample entry that this module does not know.
    #[error("sample entry `{entry}` is not known")]
    Unknown {
        /// Its code, printable characters alone.
        entry: String,
    },
    /// The box that describes the codec is missing or too short.
    #[error("configuration box `{name}` is missing or malformed")]
    Malformed {
        /// The box.
        name: &'static str,
    },
}

/// The codecs string of the first track of an initialisation segment (`ftyp` and `moov`).
///
/// # Errors
/// `CodecStringError` when the bytes hold no sample entry, an unknown one, or one without its configuration.
pub fn codec_string(init_segment: &[u8]) -> Result<String, CodecStringError> {
    let entry = first_sample_entry(init_segment).ok_or(CodecStringError::NoSampleEntry)?;
    match &entry.kind {
        b"avc1" | b"avc3" => configured(entry, b"avcC", "avcC", avc),
        b"hvc1" | b"hev1" => configured(entry, b"hvcC", "hvcC", hevc),
        b"av01" => configured(entry, b"av1C", "av1C", av1),
        b"vp09" => configured(entry, b"vpcC", "vpcC", vp9),
        b"mp4a" => configured(entry, b"esds", "esds", mpeg4_audio),
        // The MP4 registration authority's codes are the whole string: Opus in ISO BMFF §4.3.1 in lower case as browsers
        // match it, FLAC in ISO BMFF, ETSI TS 102 366 Annex F.
        b"Opus" => Ok("opus".to_owned()),
        b"fLaC" => Ok("fLaC".to_owned()),
        b"ac-3" => Ok("ac-3".to_owned()),
        b"ec-3" => Ok("ec-3".to_owned()),
        other => Err(CodecStringError::Unknown { entry: printable(*other) }),
    }
}

fn configured(
    entry: SampleEntry<'_>,
    kind: &[u8; 4],
    name: &'static str,
    read: impl FnOnce(SampleEntry<'_>, &[u8]) -> Option<String>,
) -> Result<String, CodecStringError> {
    let config = find(entry.children, kind);
    config.and_then(|config| read(entry, config)).ok_or(CodecStringError::Malformed { name })
}

fn printable(kind: [u8; 4]) -> String {
    kind.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

/// Profile, constraint flags and level as six hexadecimal digits (RFC 6381 §3.3; `avcC`: ISO/IEC 14496-15 §5.3.3.1).
fn avc(entry: SampleEntry<'_>, config: &[u8]) -> Option<String> {
    let digits = config.get(1..4)?;
    Some(format!("{}.{:02x}{:02x}{:02x}", printable(entry.kind), digits[0], digits[1], digits[2]))
}

/// Profile space and profile, compatibility flags in reverse bit order, tier and level, constraint bytes without trailing
/// zeros (ISO/IEC 14496-15 §E.3; `hvcC`: §8.3.3.1).
fn hevc(entry: SampleEntry<'_>, config: &[u8]) -> Option<String> {
    let profile = *config.get(1)?;
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile & 0x20 != 0 { 'H' } else { 'L' };
    let compatibility = read_u32(config, 2)?.reverse_bits();
    let constraints = config.get(6..12)?;
    let level = *config.get(12)?;
    let mut text = format!("{}.{space}{}.{compatibility:X}.{tier}{level}", printable(entry.kind), profile & 0x1f);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        text.push_str(&format!(".{byte:X}"));
    }
    Some(text)
}

/// Profile, level, tier and bit depth; then everything else if any of it is not the default (AV1 in ISO BMFF §5;
/// `av1C`: §2.3.3). Colour comes from the `colr` box (ISO/IEC 14496-12 §12.1.5).
fn av1(entry: SampleEntry<'_>, config: &[u8]) -> Option<String> {
    let (profile, level) = (config.get(1)? >> 5, config.get(1)? & 0x1f);
    let flags = *config.get(2)?;
    let bit = |shift: u8| flags >> shift & 1;
    let tier = if bit(7) == 1 { 'H' } else { 'M' };
    let depth = match (bit(6), bit(5)) {
        (0, _) => 8,
        (_, 1) if profile == 2 => 12,
        _ => 10,
    };
    let base = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
    let position = if bit(3) & bit(2) == 1 { flags & 3 } else { 0 };
    let sampling = format!("{}.{}{}{position}", bit(4), bit(3), bit(2));
    let color = find(entry.children, b"colr").and_then(nclx).unwrap_or_default();
    // Colour that nobody specified says nothing, so it is left out like the default.
    let plain = |code: u16| code == 1 || code == 2;
    let usual_color = plain(color.primaries) && plain(color.transfer) && plain(color.matrix) && !color.full_range;
    if usual_color && sampling == "0.110" {
        return Some(base);
    }
    let Nclx { primaries, transfer, matrix, full_range } = color;
    Some(format!("{base}.{sampling}.{primaries:02}.{transfer:02}.{matrix:02}.{}", u8::from(full_range)))
}

/// Profile, level and bit depth; then sampling and colour if any of it is not the default (VP Codec ISO Media File Format
/// Binding v1.0, "Codecs Parameter String"; `vpcC`: "VP Codec Configuration Box", a full box of version 1).
fn vp9(_: SampleEntry<'_>, config: &[u8]) -> Option<String> {
    let fields: &[u8; 8] = config.get(4..12)?.try_into().ok()?;
    let [profile, level, packed, primaries, transfer, matrix, _, _] = *fields;
    let (depth, sampling, full_range) = (packed >> 4, packed >> 1 & 7, packed & 1);
    if *config.first()? != 1 {
        return None;
    }
    let base = format!("vp09.{profile:02}.{level:02}.{depth:02}");
    // Colour that nobody specified says nothing, so it is left out like the default.
    let plain = |code: u8| code == 1 || code == 2;
    if sampling <= 1 && plain(primaries) && plain(transfer) && plain(matrix) && full_range == 0 {
        return Some(base);
    }
    Some(format!("{base}.{sampling:02}.{primaries:02}.{transfer:02}.{matrix:02}.{full_range:02}"))
}

/// Code points of ISO/IEC 23091-2.
struct Nclx {
    primaries: u16,
    transfer: u16,
    matrix: u16,
    full_range: bool,
}

impl Default for Nclx {
    /// What an absent value means in a codecs string: BT.709, studio range.
    fn default() -> Self {
        Self { primaries: 1, transfer: 1, matrix: 1, full_range: false }
    }
}

fn nclx(colr: &[u8]) -> Option<Nclx> {
    let codes = colr.strip_prefix(b"nclx")?;
    Some(Nclx {
        primaries: read_u16(codes, 0)?,
        transfer: read_u16(codes, 2)?,
        matrix: read_u16(codes, 4)?,
        full_range: codes.get(6)? & 0x80 != 0,
    })
}

/// `ES_DescrTag`, `DecoderConfigDescrTag`, `DecSpecificInfoTag` (ISO/IEC 14496-1 §7.2.2.1).
const TAG_ES: u8 = 3;
const TAG_DECODER_CONFIG: u8 = 4;
const TAG_DECODER_SPECIFIC: u8 = 5;
/// `objectTypeIndication` of ISO/IEC 14496-3 audio (ISO/IEC 14496-1 §7.2.6.6).
const OBJECT_MPEG4_AUDIO: u8 = 0x40;

/// The object type and, for MPEG-4 audio, the audio object type (RFC 6381 §3.3; `esds`: ISO/IEC 14496-14 §6.7).
fn mpeg4_audio(_entry: SampleEntry<'_>, esds: &[u8]) -> Option<String> {
    let es = descriptor(esds.get(4..)?, TAG_ES)?;
    let flags = *es.get(2)?;
    // ES_ID and flags, then what the flags announce: a dependence, a URL, a clock (§7.2.6.5).
    let mut at = 3 + if flags & 0x80 != 0 { 2 } else { 0 };
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*es.get(at)?);
    }
    at += if flags & 0x20 != 0 { 2 } else { 0 };
    let config = descriptor(es.get(at..)?, TAG_DECODER_CONFIG)?;
    let object = *config.first()?;
    if object != OBJECT_MPEG4_AUDIO {
        // As players compare it: MP3 is `mp4a.6B`.
        return Some(format!("mp4a.{object:02X}"));
    }
    let specific = descriptor(config.get(13..)?, TAG_DECODER_SPECIFIC)?;
    let first = read_u16(&[specific, &[0]].concat(), 0)?;
    // Five bits, or 31 and six more for types from 32 up (ISO/IEC 14496-3 §1.6.2.1).
    let kind = match first >> 11 {
        31 => 32 + (first >> 5 & 0x3f),
        kind => kind,
    };
    Some(format!("mp4a.40.{kind}"))
}

/// The body of a descriptor that must stand here (ISO/IEC 14496-1 §8.3.3: seven bits of length a byte, at most four bytes).
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    if *bytes.first()? != tag {
        return None;
    }
    let mut length = 0_usize;
    for (index, byte) in bytes[1..].iter().take(4).enumerate() {
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            let start = index + 2;
            return bytes.get(start..start + length);
        }
    }
    None
}

#[cfg(test)]
#[path = "codec_string_tests.rs"]
mod tests;
