//! Encoders' packets to MP4 samples: start codes become lengths (ISO/IEC 14496-15 §4.3.3), and delimiters are dropped.

use super::boxes::{find, first_sample_entry, read_u16};
use crate::model::VideoCodec;
use crate::model::codec::Framing;
use std::borrow::Cow;
use std::ops::Range;

/// Why a packet is not what its codec's framing promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingError {
    /// No start code at its beginning (ITU-T H.264 Annex B).
    #[error("packet does not begin with a start code")]
    NoStartCode,
    /// A NAL unit that no length can express.
    #[error("NAL unit is longer than 4 GiB")]
    TooLong,
    /// An open bitstream unit that does not fit into the packet (AV1 §5.3).
    #[error("open bitstream unit at byte {at} is malformed")]
    BadObu {
        /// Where it begins.
        at: usize,
    },
    /// Nothing is left once delimiters are dropped.
    #[error("packet holds no picture")]
    Empty,
}

/// Parameter sets in a sample entry, to tell which in-band ones are repetitions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParameterSets {
    units: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Those in the `avcC` or `hvcC` of an initialisation segment (ISO/IEC 14496-15 §5.3.3.1, §8.3.3.1); none where there is
    /// neither.
    pub fn from_init(init_segment: &[u8]) -> Self {
        let Some(entry) = first_sample_entry(init_segment) else { return Self::default() };
        let avc = find(entry.children, b"avcC").and_then(avc_units);
        let units = avc.or_else(|| find(entry.children, b"hvcC").and_then(hevc_units));
        Self { units: units.unwrap_or_default() }
    }

    /// Whether this NAL unit is one of them, byte for byte.
    pub fn holds(&self, unit: &[u8]) -> bool {
        self.units.iter().any(|own| own == unit)
    }
}

/// Turns one packet of an encoder into an MP4 sample. Bytes are copied only where they must change.
///
/// H.264 and HEVC: start codes of three or four bytes become four-byte lengths; access unit delimiters go, and so do NAL
/// units that equal one of `drop` byte for byte. A parameter set that differs from all of `drop` stays, for the caller to
/// notice. AV1: temporal delimiters go (AV1 in ISO BMFF §2.4). Anything else is taken as it is.
///
/// # Errors
/// `FramingError` when the bytes do not follow the framing or hold nothing but what is dropped.
pub fn to_sample<'a>(codec: VideoCodec, packet: &'a [u8], drop: &ParameterSets) -> Result<Cow<'a, [u8]>, FramingError> {
    match codec.traits().framing {
        Framing::AnnexB => annex_b_to_lengths(codec, packet, drop).map(Cow::Owned),
        Framing::Obu => without_temporal_delimiters(packet),
        Framing::Raw if packet.is_empty() => Err(FramingError::Empty),
        Framing::Raw => Ok(Cow::Borrowed(packet)),
    }
}

/// What one H.264 access unit holds (ITU-T H.264 §7.4.1.2.3, table 7-1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccessUnit<'a> {
    /// Whether there is a picture in it at all.
    pub picture: bool,
    /// Whether that is an IDR picture: nothing after it refers to anything before it.
    pub idr: bool,
    /// Its sequence and picture parameter sets.
    pub parameter_sets: Vec<&'a [u8]>,
    /// Whether it begins with an access unit delimiter.
    pub delimiter: bool,
    /// All its other NAL units, in order.
    pub units: Vec<&'a [u8]>,
}

impl AccessUnit<'_> {
    /// The access unit in Annex B framing without delimiter and parameter sets, for a muxer that puts both where they
    /// belong: in front (ITU-T H.264 §7.4.1.2.3).
    pub fn bare(&self) -> Vec<u8> {
        self.units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit]).flatten().copied().collect()
    }
}

/// Looks through an H.264 access unit in Annex B framing.
///
/// # Errors
/// `FramingError` when it does not begin with a start code.
pub fn h264_access_unit(packet: &[u8]) -> Result<AccessUnit<'_>, FramingError> {
    let mut access_unit = AccessUnit::default();
    for unit in nal_units(packet)? {
        match unit[0] & 0x1f {
            7 | 8 => access_unit.parameter_sets.push(unit),
            9 => access_unit.delimiter = true,
            kind => {
                access_unit.picture |= (1..=5).contains(&kind);
                access_unit.idr |= kind == 5;
                access_unit.units.push(unit);
            }
        }
    }
    Ok(access_unit)
}

fn annex_b_to_lengths(codec: VideoCodec, packet: &[u8], drop: &ParameterSets) -> Result<Vec<u8>, FramingError> {
    let mut sample = Vec::with_capacity(packet.len() + 16);
    for unit in nal_units(packet)? {
        if is_delimiter(codec, unit) || drop.holds(unit) {
            continue;
        }
        let length = u32::try_from(unit.len()).map_err(|_| FramingError::TooLong)?;
        sample.extend(length.to_be_bytes());
        sample.extend_from_slice(unit);
    }
    if sample.is_empty() { Err(FramingError::Empty) } else { Ok(sample) }
}

/// `nal_unit_type` 9 of H.264 (ITU-T H.264 table 7-1) and 35 of HEVC (ITU-T H.265 table 7-1).
fn is_delimiter(codec: VideoCodec, unit: &[u8]) -> bool {
    match (codec, unit.first()) {
        (VideoCodec::H264, Some(first)) => first & 0x1f == 9,
        (VideoCodec::Hevc, Some(first)) => first >> 1 & 0x3f == 35,
        _ => false,
    }
}

/// The NAL units of a byte stream, without start codes and without the zeros that may stand before and after them
/// (Annex B.1.1: `leading_zero_8bits`, `trailing_zero_8bits`; no NAL unit ends in a zero byte, §7.4.1).
fn nal_units(packet: &[u8]) -> Result<Vec<&[u8]>, FramingError> {
    let first = next_start_code(packet, 0).ok_or(FramingError::NoStartCode)?;
    if packet[..first].iter().any(|byte| *byte != 0) {
        return Err(FramingError::NoStartCode);
    }
    let mut units = Vec::with_capacity(8);
    let mut at = first + 3;
    loop {
        let next = next_start_code(packet, at);
        let unit = trim_zeros(&packet[at..next.unwrap_or(packet.len())]);
        if !unit.is_empty() {
            units.push(unit);
        }
        match next {
            Some(next) => at = next + 3,
            None => return Ok(units),
        }
    }
}

/// Where the next `00 00 01` begins. Looks at every third byte as long as that byte rules a start code out.
fn next_start_code(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(third) = bytes.get(at + 2) {
        match *third {
            0 => at += 1,
            1 if bytes[at] == 0 && bytes[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

/// `obu_type` of a temporal delimiter (AV1 §6.2.2).
const OBU_TEMPORAL_DELIMITER: u8 = 2;

fn without_temporal_delimiters(packet: &[u8]) -> Result<Cow<'_, [u8]>, FramingError> {
    let (mut kept, mut at) = (Kept::default(), 0);
    while at < packet.len() {
        let (kind, length) = obu(&packet[at..]).ok_or(FramingError::BadObu { at })?;
        if kind != OBU_TEMPORAL_DELIMITER {
            kept.push(at..at + length);
        }
        at += length;
    }
    match kept.ranges.as_slice() {
        [] => Err(FramingError::Empty),
        // The usual packet: one delimiter, then everything else.
        [whole] => Ok(Cow::Borrowed(&packet[whole.clone()])),
        several => Ok(Cow::Owned(several.iter().flat_map(|range| &packet[range.clone()]).copied().collect())),
    }
}

/// Byte ranges in order, neighbours joined.
#[derive(Default)]
struct Kept {
    ranges: Vec<Range<usize>>,
}

impl Kept {
    fn push(&mut self, range: Range<usize>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }
}

/// Type and whole length of the unit that begins here (AV1 §5.3.1, §5.3.2). A unit without a size field reaches to the end.
fn obu(bytes: &[u8]) -> Option<(u8, usize)> {
    let header = *bytes.first()?;
    if header & 0x80 != 0 {
        return None;
    }
    let kind = header >> 3 & 0x0f;
    let start = if header & 0x04 != 0 { 2 } else { 1 };
    if header & 0x02 == 0 {
        return (start <= bytes.len()).then_some((kind, bytes.len()));
    }
    let (size, width) = leb128(bytes.get(start..)?)?;
    let length = start.checked_add(width)?.checked_add(size)?;
    (length <= bytes.len()).then_some((kind, length))
}

/// A little-endian base-128 number and the bytes it takes, at most eight (AV1 §4.10.5).
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

fn avc_units(config: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Units { rest: config.get(5..)?, units: Vec::new() };
    let sequence = reader.byte()? & 0x1f;
    reader.take(u16::from(sequence))?;
    let picture = reader.byte()?;
    reader.take(u16::from(picture))?;
    Some(reader.units)
}

fn hevc_units(config: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Units { rest: config.get(22..)?, units: Vec::new() };
    let arrays = reader.byte()?;
    for _ in 0..arrays {
        reader.byte()?;
        let count = reader.word()?;
        reader.take(count)?;
    }
    Some(reader.units)
}

/// Reads NAL units that are each preceded by a 16-bit length.
struct Units<'a> {
    rest: &'a [u8],
    units: Vec<Vec<u8>>,
}

impl Units<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn word(&mut self) -> Option<u16> {
        let value = read_u16(self.rest, 0)?;
        self.rest = &self.rest[2..];
        Some(value)
    }

    fn take(&mut self, count: u16) -> Option<()> {
        for _ in 0..count {
            let length = usize::from(self.word()?);
            self.units.push(self.rest.get(..length)?.to_vec());
            self.rest = &self.rest[length..];
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
