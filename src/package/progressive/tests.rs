//! Files from small made segments, read back box by box; and hostile segments.

use super::*;
use crate::package::boxes::{boxes, find, read_u32};
use crate::package::edit_list::with_edit_list;
use crate::package::fmp4::{self, put_box, put_full_box};

/// An initialisation segment that says no more than it must.
pub(crate) fn init(kind: &[u8; 4], timescale: u32, media_time: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put_box(&mut out, b"ftyp", |out| out.extend(b"iso6\0\0\0\0"));
    put_box(&mut out, b"moov", |moov| {
        put_full_box(moov, b"mvhd", 0, 0, |out| out.extend([0; 96]));
        put_box(moov, b"trak", |trak| {
            put_full_box(trak, b"tkhd", 0, 7, |out| {
                out.extend([0; 20]);
                out.extend([9; 60]);
            });
            put_box(trak, b"mdia", |mdia| {
                put_full_box(mdia, b"mdhd", 0, 0, |out| {
                    out.extend([[0; 4], [0; 4], timescale.to_be_bytes(), [0; 4], [0x55, 0xc4, 0, 0]].concat());
                });
                put_full_box(mdia, b"hdlr", 0, 0, |out| out.extend([&[0; 4][..], kind, &[0; 13]].concat()));
                put_box(mdia, b"minf", |minf| {
                    put_full_box(minf, b"vmhd", 0, 1, |out| out.extend([0; 8]));
                    put_box(minf, b"stbl", |stbl| {
                        put_full_box(stbl, b"stsd", 0, 0, |out| {
                            out.extend(1_u32.to_be_bytes());
                            put_box(out, b"avc1", |out| out.extend([1; 78]));
                        });
                        put_full_box(stbl, b"stts", 0, 0, |out| out.extend([0; 4]));
                    });
                });
            });
        });
        put_box(moov, b"mvex", |_| {});
    });
    with_edit_list(&out, media_time)
}

fn sample(data: &[u8], duration: u32, composition_offset: i32, key: bool) -> fmp4::Sample<'_> {
    fmp4::Sample { data, duration, composition_offset, key }
}

/// Shows a track the `moof`s of a segment file.
fn add(track: &mut Track, file: u32, bytes: &[u8]) -> Result<(), ProgressiveError> {
    let (mut at, mut moof) = (0_u64, None);
    for found in boxes(bytes) {
        let size = found.body.len() as u64 + 8;
        match &found.kind {
            b"moof" => moof = Some((at, found.body)),
            b"mdat" => {
                let (moof_offset, moof) = moof.take().ok_or(ProgressiveError::Malformed("moof"))?;
                track.add(file, &Fragment { moof, moof_offset, data: at + 8..at + size })?;
            }
            _ => {}
        }
        at += size;
    }
    Ok(())
}

/// The box at a path below the first track, or the second.
fn in_track<'a>(head: &'a [u8], nth: usize, path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let trak = boxes(find(head, b"moov")?).filter(|found| found.kind == *b"trak").nth(nth)?.body;
    path.iter().try_fold(trak, |bytes, kind| find(bytes, kind))
}

fn table(head: &[u8], nth: usize, kind: &[u8; 4]) -> Option<Vec<u32>> {
    let body = in_track(head, nth, &[b"mdia", b"minf", b"stbl", kind])?;
    Some(words(body))
}

fn words(body: &[u8]) -> Vec<u32> {
    (0..body.len() / 4).filter_map(|at| read_u32(body, at * 4)).collect()
}

/// Two segments of four pictures at 1000 ticks a second, reordered by 40, and sound in packets of 20 ms at 48 kHz.
fn both() -> (Track, Track, [Vec<u8>; 2]) {
    let group = [
        sample(b"IIII", 40, 40, true),
        sample(b"PP", 40, 120, false),
        sample(b"b", 40, 40, false),
        sample(b"b", 480, 40, false),
    ];
    let mut video = Track::new(&init(b"vide", 1000, 40), 1200).unwrap();
    let mut files = [Vec::new(), Vec::new()];
    for (number, start) in [(0, 0), (1, 600)] {
        let file = [&fmp4::styp()[..], &fmp4::chunk(number + 1, 1, start, &group).bytes].concat();
        add(&mut video, number, &file).unwrap();
        files[0] = file;
    }
    let packets: Vec<_> = (0..60).map(|_| sample(b"snd", 960, 0, true)).collect();
    let mut audio = Track::new(&init(b"soun", 48_000, 960), 56_640).unwrap();
    files[1] = [&fmp4::styp()[..], &fmp4::chunk(1, 1, 0, &packets).bytes].concat();
    add(&mut audio, 0, &files[1]).unwrap();
    (video, audio, files)
}

#[test]
fn tables_say_what_fragments_said() {
    let (video, audio, _) = both();
    let Layout { head, runs } = layout(&[&video, &audio], Labels::default()).unwrap();
    let kinds: Vec<_> = boxes(&head[..head.len() - 8]).map(|found| found.kind).collect();
    assert_eq!(kinds, [*b"ftyp", *b"moov"]);
    let bytes: u64 = runs.iter().map(|run| run.bytes).sum();
    assert_eq!(bytes, 2 * 8 + 60 * 3);
    assert_eq!(head[head.len() - 8..], [&(bytes as u32 + 8).to_be_bytes()[..], b"mdat"].concat());

    assert_eq!(table(&head, 0, b"stts"), Some(vec![0, 4, 3, 40, 1, 480, 3, 40, 1, 480]));
    assert_eq!(table(&head, 0, b"ctts"), Some(vec![0, 5, 1, 40, 1, 120, 3, 40, 1, 120, 2, 40]));
    assert_eq!(table(&head, 0, b"stss"), Some(vec![0, 2, 1, 5]));
    assert_eq!(table(&head, 0, b"stsz"), Some(vec![0, 0, 8, 4, 2, 1, 1, 4, 2, 1, 1]));
    assert_eq!(table(&head, 1, b"stts"), Some(vec![0, 1, 60, 960]));
    assert_eq!((table(&head, 1, b"ctts"), table(&head, 1, b"stss")), (None, None));
    assert_eq!(table(&head, 1, b"stsz"), Some(vec![0, 3, 60]));
    assert_eq!(table(&head, 1, b"stsc"), Some(vec![0, 2, 1, 25, 1, 3, 10, 1]));
    assert!(find(find(&head, b"moov").unwrap(), b"mvex").is_none());
}

#[test]
fn the_description_is_taken_over_and_times_are_real() {
    let (video, audio, _) = both();
    let head = layout(&[&video, &audio], Labels::default()).unwrap().head;
    // Durations: movie and tracks in ticks of the first track, media in its own.
    assert_eq!(words(find(find(&head, b"moov").unwrap(), b"mvhd").unwrap())[3..5], [1000, 1200]);
    for (nth, shown, media_time, length) in [(0, 1200, 40, 1200), (1, 1180, 960, 57_600)] {
        let tkhd = in_track(&head, nth, &[b"tkhd"]).unwrap();
        assert_eq!(words(&tkhd[..24]), [3, 0, 0, nth as u32 + 1, 0, shown]);
        assert_eq!(tkhd[24..], [9; 60]);
        let edit = in_track(&head, nth, &[b"edts", b"elst"]).unwrap();
        assert_eq!(words(edit), [0, 1, shown, media_time, 0x1_0000]);
        let mdhd = words(in_track(&head, nth, &[b"mdia", b"mdhd"]).unwrap());
        assert_eq!(mdhd[3..], [[1000, 48_000][nth], length, 0x55c4_0000]);
        assert!(in_track(&head, nth, &[b"mdia", b"minf", b"vmhd"]).is_some());
        let stsd = in_track(&head, nth, &[b"mdia", b"minf", b"stbl", b"stsd"]).unwrap();
        assert_eq!(find(&stsd[8..], b"avc1"), Some(&[1; 78][..]));
    }
}

#[test]
fn chunks_lie_where_the_tables_say_and_tracks_take_turns() {
    let (video, audio, files) = both();
    let Layout { head, runs } = layout(&[&video, &audio], Labels::default()).unwrap();
    let turns: Vec<_> = runs.iter().map(|run| (run.track, run.file)).collect();
    assert_eq!(turns, [(0, 0), (1, 0), (1, 0), (0, 1), (1, 0)]);
    let mut file = head.clone();
    for run in &runs {
        let range = run.offset as usize..(run.offset + run.bytes) as usize;
        file.extend_from_slice(&files[run.track][range]);
    }
    let starts = |nth| table(&head, nth, b"stco").unwrap()[2..].to_vec();
    assert_eq!((starts(0).len(), starts(1).len()), (2, 3));
    assert!(starts(0).iter().all(|at| file[*at as usize..].starts_with(b"IIIIPPbb")));
    assert!(starts(1).iter().all(|at| file[*at as usize..].starts_with(b"sndsnd")));
}

#[test]
fn a_track_that_starts_late_gets_an_empty_edit() {
    let (video, ..) = both();
    let mut late = Track::new(&init(b"soun", 48_000, 0), 96_000).unwrap();
    add(&mut late, 0, &fmp4::chunk(1, 1, 72_000, &[sample(b"x", 24_000, 0, true)]).bytes).unwrap();
    let head = layout(&[&video, &late], Labels::default()).unwrap().head;
    let edits = words(in_track(&head, 1, &[b"edts", b"elst"]).unwrap());
    assert_eq!(edits, [0, 2, 1500, u32::MAX, 0x1_0000, 500, 0, 0x1_0000]);
    assert_eq!(words(find(find(&head, b"moov").unwrap(), b"mvhd").unwrap())[4], 2000);
}

#[test]
fn decoders_of_sound_are_told_how_much_earlier_to_begin() {
    for (entry, duration, distance) in
        [(b"Opus", 960, Some(-4_i16)), (b"Opus", 2880, Some(-2)), (b"mp4a", 1024, Some(-1))]
    {
        let header = init(b"soun", 48_000, 0);
        let place = header.windows(4).position(|w| w == b"avc1").unwrap();
        let header = [&header[..place], entry, &header[place + 4..]].concat();
        let mut track = Track::new(&header, 5000).unwrap();
        add(&mut track, 0, &fmp4::chunk(1, 1, 0, &[sample(b"x", duration, 0, true), sample(b"y", 7, 0, true)]).bytes)
            .unwrap();
        let head = layout(&[&track], Labels::default()).unwrap().head;
        let group = in_track(&head, 0, &[b"mdia", b"minf", b"stbl", b"sgpd"]).unwrap();
        assert_eq!(group.last_chunk().map(|bytes| i16::from_be_bytes(*bytes)), distance);
        assert_eq!(table(&head, 0, b"sbgp").unwrap()[2..], [1, 2, 1]);
    }
    let (video, ..) = both();
    assert!(table(&layout(&[&video], Labels::default()).unwrap().head, 0, b"sgpd").is_none());
}

#[test]
fn the_last_sample_of_a_fragment_lasts_until_the_next_one() {
    let mut track = Track::new(&init(b"vide", 1000, 0), 200).unwrap();
    let one = [sample(b"x", 40, 0, true)];
    for (number, start) in [(0, 0), (1, 100), (2, 130)] {
        add(&mut track, number, &fmp4::chunk(1, 1, start, &one).bytes).unwrap();
    }
    let head = layout(&[&track], Labels::default()).unwrap().head;
    assert_eq!(table(&head, 0, b"stts"), Some(vec![0, 3, 1, 100, 1, 30, 1, 40]));
    let back = add(&mut track, 3, &fmp4::chunk(1, 1, 130, &one).bytes);
    assert_eq!(back, Err(ProgressiveError::Discontinuous));
}

#[test]
fn offsets_beyond_four_gigabytes_take_64_bits() {
    let mut track = Track::new(&init(b"vide", 1000, 0), 4000).unwrap();
    // A size that no memory is needed for: only the `moof` is read.
    let mut moof = fmp4::chunk(1, 1, 0, &[sample(b"x", 1000, 0, true)]).bytes;
    moof.truncate(moof.len() - 9);
    let place = moof.windows(4).position(|w| w == b"tfhd").unwrap() + 16;
    moof[place..place + 4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    for file in 0..3 {
        let time = moof.windows(4).position(|w| w == b"tfdt").unwrap() + 8;
        moof[time..time + 8].copy_from_slice(&(u64::from(file) * 1000).to_be_bytes());
        track.add(file, &Fragment { moof: &moof[8..], moof_offset: 0, data: 0..u64::MAX }).unwrap();
    }
    let head = layout(&[&track], Labels::default()).unwrap().head;
    assert!(table(&head, 0, b"stco").is_none());
    let places = table(&head, 0, b"co64").unwrap();
    let (first, step) = (head.len() as u32, 0x7fff_ffff_u32);
    assert_eq!(places, [0, 3, 0, first, 0, first + step, 1, first.wrapping_add(step).wrapping_add(step)]);
    assert_eq!(head[head.len() - 16..head.len() - 8], *b"\0\0\0\x01mdat");
}

#[test]
fn hostile_fragments_and_headers_give_errors() {
    let header = init(b"vide", 1000, 40);
    for length in 0..header.len() {
        assert!(Track::new(&header[..length], 9).is_err(), "cut at {length}");
    }
    let usual = fmp4::chunk(1, 1, 0, &[sample(b"abc", 1, 0, true), sample(b"de", 2, 7, false)]).bytes;
    let moof = find(&usual, b"moof").unwrap();
    let data = usual.len() as u64 - 5..usual.len() as u64;
    let try_with = |moof: &[u8], data: std::ops::Range<u64>| {
        let mut track = Track::new(&header, 9).unwrap();
        track.add(0, &Fragment { moof, moof_offset: 0, data })
    };
    assert_eq!(try_with(moof, data.clone()), Ok(()));
    for length in 0..moof.len() {
        assert!(try_with(&moof[..length], data.clone()).is_err(), "cut at {length}");
    }
    assert_eq!(try_with(moof, 0..data.end - 1), Err(ProgressiveError::OutsideData));
    assert_eq!(try_with(moof, data.start + 1..data.end), Err(ProgressiveError::OutsideData));
    // Every bit in turn: whatever comes of it, it ends, and what is laid out stays within the data.
    for bit in 0..moof.len() * 8 {
        let mut bent = moof.to_vec();
        bent[bit / 8] ^= 1 << (bit % 8);
        let mut track = Track::new(&header, 9).unwrap();
        if track.add(0, &Fragment { moof: &bent, moof_offset: 0, data: data.clone() }).is_ok()
            && let Ok(layout) = layout(&[&track], Labels::default())
        {
            assert!(layout.runs.iter().all(|r| r.offset >= data.start && r.offset + r.bytes <= data.end), "bit {bit}");
        }
    }
    for bit in 0..header.len() * 8 {
        let mut bent = header.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        if let Ok(mut track) = Track::new(&bent, 9) {
            add(&mut track, 0, &usual).unwrap();
            let _ = layout(&[&track], Labels::default());
        }
    }
    assert_eq!(layout(&[], Labels::default()), Err(ProgressiveError::Empty));
    assert_eq!(layout(&[&Track::new(&header, 9).unwrap()], Labels::default()), Err(ProgressiveError::Empty));
}
