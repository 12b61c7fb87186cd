//! CMAF media segments: `styp`, then chunks of `moof` and `mdat` (ISO/IEC 14496-12 §8.8, ISO/IEC 23000-19 §7.3).

/// One encoded picture or packet of sound, already framed for MP4 (see `framing`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Time to the next sample in decoding order, ticks.
    pub duration: u32,
    /// Presentation time less decoding time, ticks; negative where a picture is shown before its place in decoding order.
    ///
    /// Either form of CMAF is written (ISO/IEC 23000-19 §7.5.17): offsets around zero, or offsets from zero up with an edit
    /// list of the same delay in the initialisation segment. FFmpeg (seen in 5.1) shows the former late by the most negative
    /// offset, so the latter is what plays in time everywhere.
    pub composition_offset: i32,
    /// Whether decoding can start here; true for every packet of sound.
    pub key: bool,
}

/// A `moof` with its `mdat`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Both boxes.
    pub bytes: Vec<u8>,
    /// From the first byte of `bytes` to the end of the first sample: what an I-frame playlist names as one key frame.
    pub first_sample_end: u64,
}

/// The `styp` box that opens a media segment file (ISO/IEC 14496-12 §8.16.2), with the brands `msdh`
/// (ISO/IEC 23009-1 §6.3.4.2) and `cmfs` (ISO/IEC 23000-19 §7.3.3.1). Byte offsets of chunks in the file start after it.
pub const fn styp() -> [u8; 24] {
    *b"\0\0\0\x18stypmsdh\0\0\0\0msdhcmfs"
}

/// `default-base-is-moof`, `default-sample-flags-present` (§8.8.7).
const TFHD_BASE: u32 = 0x02_0020;
const TFHD_DURATION: u32 = 0x08;
const TFHD_SIZE: u32 = 0x10;
/// `data-offset-present` (§8.8.8).
const TRUN_BASE: u32 = 0x01;
const TRUN_FIRST_FLAGS: u32 = 0x04;
const TRUN_DURATION: u32 = 0x100;
const TRUN_SIZE: u32 = 0x200;
const TRUN_FLAGS: u32 = 0x400;
const TRUN_OFFSET: u32 = 0x800;
/// `sample_depends_on` = 2: on no other sample (§8.6.4.3, §8.8.3.1).
const FLAGS_KEY: u32 = 0x0200_0000;
/// `sample_depends_on` = 1 and `sample_is_non_sync_sample`.
const FLAGS_OTHER: u32 = 0x0101_0000;

/// One chunk: all samples in one `traf` with one `trun`, whatever they share as defaults in `tfhd`.
///
/// `sequence` is the fragment's number, `track_id` the one in the initialisation segment, `base_time` the decoding time of
/// the first sample in ticks of the track.
pub fn chunk(sequence: u32, track_id: u32, base_time: u64, samples: &[Sample<'_>]) -> Chunk {
    let layout = Layout::of(samples);
    let data: u64 = samples.iter().map(|sample| sample.data.len() as u64).sum();
    let mut moof = Vec::with_capacity(128 + samples.len() * 16);
    put_box(&mut moof, b"moof", |moof| {
        put_full_box(moof, b"mfhd", 0, 0, |out| out.extend(sequence.to_be_bytes()));
        put_box(moof, b"traf", |traf| {
            put_tfhd(traf, track_id, &layout);
            put_full_box(traf, b"tfdt", 1, 0, |out| out.extend(base_time.to_be_bytes()));
            put_trun(traf, samples, &layout);
        });
    });
    let header = mdat_header(data);
    let data_at = moof.len() + header.len();
    // `data_offset` is counted from the first byte of `moof`; its place is fixed because `trun` is the last box.
    let place = moof.len() - layout.trun_tail(samples.len());
    moof[place..place + 4].copy_from_slice(&(data_at as u32).to_be_bytes());

    let mut bytes = moof;
    bytes.reserve_exact(header.len() + usize::try_from(data).unwrap_or(0));
    bytes.extend(header);
    for sample in samples {
        bytes.extend_from_slice(sample.data);
    }
    let first = samples.first().map_or(0, |sample| sample.data.len());
    Chunk { bytes, first_sample_end: (data_at + first) as u64 }
}

/// What all samples share, and so what `trun` need not repeat.
struct Layout {
    duration: Option<u32>,
    size: Option<u32>,
    flags: u32,
    trun_flags: u32,
}

impl Layout {
    fn of(samples: &[Sample<'_>]) -> Self {
        let duration = shared(samples.iter().map(|sample| sample.duration));
        let size = shared(samples.iter().map(size_of_sample));
        let mut trun_flags = TRUN_BASE;
        trun_flags |= if duration.is_none() { TRUN_DURATION } else { 0 };
        trun_flags |= if size.is_none() { TRUN_SIZE } else { 0 };
        trun_flags |= if samples.iter().any(|sample| sample.composition_offset != 0) { TRUN_OFFSET } else { 0 };
        // The first sample's flags stand alone where only they differ: the usual chunk is one key frame and its followers.
        let flags = shared(samples.iter().skip(1).map(flags_of)).unwrap_or(FLAGS_OTHER);
        if samples.iter().skip(1).any(|sample| flags_of(sample) != flags) {
            trun_flags |= TRUN_FLAGS;
        } else if samples.first().is_some_and(|sample| flags_of(sample) != flags) {
            trun_flags |= TRUN_FIRST_FLAGS;
        }
        Self { duration, size, flags, trun_flags }
    }

    const fn has(&self, flag: u32) -> bool {
        self.trun_flags & flag != 0
    }

    /// Bytes from `data_offset` to the end of `trun`.
    fn trun_tail(&self, samples: usize) -> usize {
        let fields = [TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_OFFSET].iter().filter(|flag| self.has(**flag)).count();
        let first = if self.has(TRUN_FIRST_FLAGS) { 4 } else { 0 };
        4 + first + samples * fields * 4
    }
}

fn shared(mut values: impl Iterator<Item = u32>) -> Option<u32> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn size_of_sample(sample: &Sample<'_>) -> u32 {
    u32::try_from(sample.data.len()).expect("an encoder's packet is smaller than 2 GiB")
}

const fn flags_of(sample: &Sample<'_>) -> u32 {
    if sample.key { FLAGS_KEY } else { FLAGS_OTHER }
}

fn put_tfhd(out: &mut Vec<u8>, track_id: u32, layout: &Layout) {
    let mut flags = TFHD_BASE;
    flags |= if layout.duration.is_some() { TFHD_DURATION } else { 0 };
    flags |= if layout.size.is_some() { TFHD_SIZE } else { 0 };
    put_full_box(out, b"tfhd", 0, flags, |out| {
        out.extend(track_id.to_be_bytes());
        for value in [layout.duration, layout.size].into_iter().flatten() {
            out.extend(value.to_be_bytes());
        }
        out.extend(layout.flags.to_be_bytes());
    });
}

fn put_trun(out: &mut Vec<u8>, samples: &[Sample<'_>], layout: &Layout) {
    // Version 1: composition offsets are signed, so that the first picture can be shown at its decoding time.
    put_full_box(out, b"trun", 1, layout.trun_flags, |out| {
        let count = u32::try_from(samples.len()).expect("a chunk is one GOP of at most some thousand samples");
        out.extend(count.to_be_bytes());
        out.extend(0_u32.to_be_bytes());
        if let (true, Some(first)) = (layout.has(TRUN_FIRST_FLAGS), samples.first()) {
            out.extend(flags_of(first).to_be_bytes());
        }
        for sample in samples {
            let fields = [
                (TRUN_DURATION, sample.duration),
                (TRUN_SIZE, size_of_sample(sample)),
                (TRUN_FLAGS, flags_of(sample)),
                (TRUN_OFFSET, sample.composition_offset.cast_unsigned()),
            ];
            for (_, value) in fields.into_iter().filter(|(flag, _)| layout.has(*flag)) {
                out.extend(value.to_be_bytes());
            }
        }
    });
}

/// The header of an `mdat` (§8.1.1) around so many bytes, with a 64-bit size where it takes one.
pub(super) fn mdat_header(data: u64) -> Vec<u8> {
    match u32::try_from(data + 8) {
        Ok(size) => [&size.to_be_bytes()[..], b"mdat"].concat(),
        Err(_) => [&1_u32.to_be_bytes()[..], b"mdat", &(data + 16).to_be_bytes()].concat(),
    }
}

/// A box (§4.2): what `body` writes, with size and type in front.
pub(super) fn put_box(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    body(out);
    let size = u32::try_from(out.len() - start).expect("boxes other than mdat hold some words a sample");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// A box with version and flags (§4.2).
pub(super) fn put_full_box(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    put_box(out, kind, |out| {
        out.extend((u32::from(version) << 24 | flags).to_be_bytes());
        body(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::boxes::{boxes, find, read_u32};

    fn sample(data: &[u8], duration: u32, composition_offset: i32, key: bool) -> Sample<'_> {
        Sample { data, duration, composition_offset, key }
    }

    fn child<'a>(chunk: &'a Chunk, kind: &[u8; 4]) -> &'a [u8] {
        find(find(find(&chunk.bytes, b"moof").unwrap(), b"traf").unwrap(), kind).unwrap()
    }

    #[test]
    fn a_usual_group_of_pictures_writes_only_what_differs() {
        let made = chunk(
            7,
            1,
            360_000,
            &[sample(b"IIIII", 3600, 0, true), sample(b"PP", 3600, 3600, false), sample(b"b", 3600, -3600, false)],
        );
        let top: Vec<_> = boxes(&made.bytes).map(|found| found.kind).collect();
        assert_eq!(top, [*b"moof", *b"mdat"]);
        assert_eq!(find(&made.bytes, b"mdat").unwrap(), b"IIIIIPPb");
        assert_eq!(&made.bytes[..made.first_sample_end as usize][made.first_sample_end as usize - 5..], b"IIIII");
        assert_eq!(find(find(&made.bytes, b"moof").unwrap(), b"mfhd").unwrap(), [0, 0, 0, 0, 0, 0, 0, 7]);
        let tfhd = child(&made, b"tfhd");
        assert_eq!(read_u32(tfhd, 0), Some(TFHD_BASE | TFHD_DURATION));
        assert_eq!(read_u32(tfhd, 8), Some(3600));
        assert_eq!(read_u32(tfhd, 12), Some(FLAGS_OTHER));
        assert_eq!(child(&made, b"tfdt"), [1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0x7e, 0x40]);
        let trun = child(&made, b"trun");
        assert_eq!(read_u32(trun, 0), Some(1 << 24 | TRUN_BASE | TRUN_FIRST_FLAGS | TRUN_SIZE | TRUN_OFFSET));
        assert_eq!(read_u32(trun, 4), Some(3));
        assert_eq!(read_u32(trun, 8), Some(made.first_sample_end as u32 - 5));
        assert_eq!(read_u32(trun, 12), Some(FLAGS_KEY));
        assert_eq!(trun[16..], [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 14, 16, 0, 0, 0, 1, 255, 255, 241, 240]);
    }

    #[test]
    fn packets_of_sound_need_nothing_but_sizes() {
        let made = chunk(1, 1, 0, &[sample(&[1; 9], 1024, 0, true), sample(&[2; 8], 1024, 0, true)]);
        let trun = child(&made, b"trun");
        assert_eq!(read_u32(trun, 0), Some(1 << 24 | TRUN_BASE | TRUN_SIZE));
        assert_eq!(trun.len(), 12 + 2 * 4);
        assert_eq!(read_u32(child(&made, b"tfhd"), 12), Some(FLAGS_KEY));
    }

    #[test]
    fn a_key_frame_in_the_middle_and_uneven_durations_are_written_in_full() {
        let made = chunk(
            1,
            1,
            u64::MAX,
            &[sample(b"I", 1, 0, true), sample(b"P", 2, 0, false), sample(b"I", 1, 0, true), sample(b"P", 1, 0, false)],
        );
        let trun = child(&made, b"trun");
        assert_eq!(read_u32(trun, 0), Some(1 << 24 | TRUN_BASE | TRUN_DURATION | TRUN_FLAGS));
        assert_eq!(read_u32(trun, 8), Some(made.first_sample_end as u32 - 1));
        assert_eq!(read_u32(child(&made, b"tfhd"), 0), Some(TFHD_BASE | TFHD_SIZE));
    }

    #[test]
    fn one_sample_and_none_are_whole_boxes() {
        let one = chunk(1, 1, 0, &[sample(b"abc", 5, 0, true)]);
        assert_eq!(one.first_sample_end, one.bytes.len() as u64);
        let none = chunk(1, 1, 0, &[]);
        assert_eq!(boxes(&none.bytes).count(), 2);
        assert_eq!(boxes(&styp()).next().map(|found| found.kind), Some(*b"styp"));
        assert_eq!(find(&styp(), b"styp").unwrap().len(), 16);
    }
}
