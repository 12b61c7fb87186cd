//! Samples out of a movie fragment (ISO/IEC 14496-12 §8.8).

use super::{Fragment, ProgressiveError};
use crate::package::boxes::{boxes, find, read_u32};

/// `base-data-offset-present` and `default-base-is-moof` (§8.8.7).
const TFHD_DATA_OFFSET: u32 = 0x01;
const TFHD_DESCRIPTION: u32 = 0x02;
const TFHD_DURATION: u32 = 0x08;
const TFHD_SIZE: u32 = 0x10;
const TFHD_FLAGS: u32 = 0x20;
const TFHD_BASE_IS_MOOF: u32 = 0x02_0000;
/// §8.8.8.
const TRUN_DATA_OFFSET: u32 = 0x01;
const TRUN_FIRST_FLAGS: u32 = 0x04;
const TRUN_DURATION: u32 = 0x100;
const TRUN_SIZE: u32 = 0x200;
const TRUN_FLAGS: u32 = 0x400;
const TRUN_OFFSET: u32 = 0x800;
/// `sample_is_non_sync_sample` (§8.8.3.1).
const NON_SYNC: u32 = 0x01_0000;
/// Most samples in one `trun`: far more than a segment of thirty seconds has, and few enough to walk through.
const RUN_SAMPLES_MAX: u32 = 1 << 20;

/// One sample as its fragment describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sample {
    /// First byte in the segment file.
    pub(super) offset: u64,
    /// Bytes.
    pub(super) size: u32,
    /// Ticks to the next in decoding order.
    pub(super) duration: u32,
    /// Presentation less decoding time, ticks.
    pub(super) composition_offset: i32,
    /// Whether decoding can start here.
    pub(super) key: bool,
}

/// Calls `begun` with the decoding time of the fragment, then `push` with each sample; both get `taker`.
pub(super) fn each_sample<T>(
    fragment: &Fragment<'_>,
    taker: &mut T,
    begun: impl FnOnce(&mut T, u64) -> Result<(), ProgressiveError>,
    mut push: impl FnMut(&mut T, Sample) -> Result<(), ProgressiveError>,
) -> Result<(), ProgressiveError> {
    let mut trafs = boxes(fragment.moof).filter(|found| found.kind == *b"traf");
    let (Some(traf), None) = (trafs.next(), trafs.next()) else { return Err(ProgressiveError::Malformed("traf")) };
    let tfhd = find(traf.body, b"tfhd").and_then(Defaults::read).ok_or(ProgressiveError::Malformed("tfhd"))?;
    let time = find(traf.body, b"tfdt").and_then(decode_time).ok_or(ProgressiveError::Malformed("tfdt"))?;
    begun(taker, time)?;
    let mut at = None;
    for trun in boxes(traf.body).filter(|found| found.kind == *b"trun") {
        let run = TrackRun::read(trun.body, &tfhd).ok_or(ProgressiveError::Malformed("trun"))?;
        let mut offset = match (run.data_offset, at) {
            (Some(relative), _) => fragment.moof_offset.checked_add_signed(i64::from(relative)),
            (None, Some(end)) => Some(end),
            // Without an offset the data would start at the `moof` itself.
            (None, None) => None,
        }
        .ok_or(ProgressiveError::Malformed("trun"))?;
        for index in 0..run.count {
            let sample = run.sample(index, offset).ok_or(ProgressiveError::Malformed("trun"))?;
            let end = offset.checked_add(u64::from(sample.size)).ok_or(ProgressiveError::OutsideData)?;
            if offset < fragment.data.start || end > fragment.data.end {
                return Err(ProgressiveError::OutsideData);
            }
            push(taker, sample)?;
            offset = end;
        }
        at = Some(offset);
    }
    Ok(())
}

/// `tfhd` (§8.8.7): what `trun` leaves out.
struct Defaults {
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

impl Defaults {
    fn read(tfhd: &[u8]) -> Option<Self> {
        let flags = read_u32(tfhd, 0)? & 0x00ff_ffff;
        // Offsets are then counted from the `moof`, which is the only base that stays right when files are moved.
        if flags & TFHD_DATA_OFFSET != 0 || flags & TFHD_BASE_IS_MOOF == 0 {
            return None;
        }
        let mut at = 8;
        let mut optional = |flag: u32| -> Option<Option<u32>> {
            if flags & flag == 0 {
                return Some(None);
            }
            at += 4;
            Some(Some(read_u32(tfhd, at - 4)?))
        };
        // All samples of a track have its one sample entry.
        if optional(TFHD_DESCRIPTION)?.is_some_and(|index| index != 1) {
            return None;
        }
        Some(Self { duration: optional(TFHD_DURATION)?, size: optional(TFHD_SIZE)?, flags: optional(TFHD_FLAGS)? })
    }
}

/// `tfdt` (§8.8.12).
fn decode_time(tfdt: &[u8]) -> Option<u64> {
    match tfdt.first()? {
        0 => read_u32(tfdt, 4).map(u64::from),
        _ => tfdt.get(4..)?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)),
    }
}

/// `trun` (§8.8.8).
struct TrackRun<'a> {
    flags: u32,
    count: u32,
    data_offset: Option<i32>,
    first_flags: Option<u32>,
    rows: &'a [u8],
    defaults: &'a Defaults,
}

impl<'a> TrackRun<'a> {
    fn read(trun: &'a [u8], defaults: &'a Defaults) -> Option<Self> {
        let flags = read_u32(trun, 0)? & 0x00ff_ffff;
        let count = read_u32(trun, 4).filter(|count| *count <= RUN_SAMPLES_MAX)?;
        let mut at = 8;
        let mut optional = |flag: u32| -> Option<Option<u32>> {
            if flags & flag == 0 {
                return Some(None);
            }
            at += 4;
            Some(Some(read_u32(trun, at - 4)?))
        };
        let data_offset = optional(TRUN_DATA_OFFSET)?.map(u32::cast_signed);
        let first_flags = optional(TRUN_FIRST_FLAGS)?;
        Some(Self { flags, count, data_offset, first_flags, rows: trun.get(at..)?, defaults })
    }

    fn sample(&self, index: u32, offset: u64) -> Option<Sample> {
        let columns = [TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_OFFSET];
        let width = columns.iter().filter(|flag| self.flags & **flag != 0).count() * 4;
        let mut at = width * index as usize;
        let mut column = |flag: u32| -> Option<Option<u32>> {
            if self.flags & flag == 0 {
                return Some(None);
            }
            at += 4;
            Some(Some(read_u32(self.rows, at - 4)?))
        };
        let duration = column(TRUN_DURATION)?.or(self.defaults.duration)?;
        let size = column(TRUN_SIZE)?.or(self.defaults.size)?;
        let own = column(TRUN_FLAGS)?;
        let first = self.first_flags.filter(|_| index == 0);
        let flags = first.or(own).or(self.defaults.flags)?;
        // Version 0 has unsigned offsets; one above half the range is later than any picture may be.
        let composition_offset = column(TRUN_OFFSET)?.unwrap_or(0).cast_signed();
        Some(Sample { offset, size, duration, composition_offset, key: flags & NON_SYNC == 0 })
    }
}
