//! Framing, on packets made by hand.

use super::*;

const NONE: ParameterSets = ParameterSets { units: Vec::new() };

fn h264(packet: &[u8]) -> Result<Vec<u8>, FramingError> {
    to_sample(VideoCodec::H264, packet, &NONE).map(Cow::into_owned)
}

#[test]
fn start_codes_of_both_lengths_become_lengths_and_padding_goes() {
    let packet = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 4, 5, 6, 0, 0];
    let sample = [0, 0, 0, 3, 0x67, 1, 2, 0, 0, 0, 2, 0x68, 3, 0, 0, 0, 4, 0x65, 4, 5, 6];
    assert_eq!(h264(&packet).unwrap(), sample);
}

#[test]
fn emulation_prevention_and_zeros_inside_are_left_alone() {
    let packet = [0, 0, 1, 0x65, 0, 0, 3, 1, 0, 7, 0, 0, 3];
    assert_eq!(h264(&packet).unwrap(), [0, 0, 0, 10, 0x65, 0, 0, 3, 1, 0, 7, 0, 0, 3]);
}

#[test]
fn delimiters_go_by_the_codecs_own_numbering() {
    assert_eq!(h264(&[0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x41, 9]).unwrap(), [0, 0, 0, 2, 0x41, 9]);
    let hevc = [0, 0, 1, 0x46, 1, 0x50, 0, 0, 1, 0x26, 1, 9];
    assert_eq!(*to_sample(VideoCodec::Hevc, &hevc, &NONE).unwrap(), [0, 0, 0, 3, 0x26, 1, 9]);
    // 0x46 is a picture in H.264 and 0x09 is one in HEVC: neither is dropped there.
    assert_eq!(h264(&[0, 0, 1, 0x46, 1]).unwrap(), [0, 0, 0, 2, 0x46, 1]);
    assert_eq!(to_sample(VideoCodec::Hevc, &[0, 0, 1, 0x09, 1], &NONE).unwrap().len(), 6);
}

#[test]
fn only_parameter_sets_that_the_sample_entry_has_are_dropped() {
    let drop = ParameterSets { units: vec![vec![0x67, 1], vec![0x68, 2]] };
    let packet = [0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4];
    let sample = to_sample(VideoCodec::H264, &packet, &drop).unwrap();
    assert_eq!(*sample, [0, 0, 0, 2, 0x68, 3, 0, 0, 0, 2, 0x65, 4]);
}

#[test]
fn what_is_not_a_byte_stream_is_refused() {
    assert_eq!(h264(&[]), Err(FramingError::NoStartCode));
    assert_eq!(h264(&[0, 0]), Err(FramingError::NoStartCode));
    assert_eq!(h264(&[0, 0, 0, 5, 0x65, 1, 2, 3, 4]), Err(FramingError::NoStartCode));
    assert_eq!(h264(&[7, 0, 0, 1, 0x65]), Err(FramingError::NoStartCode));
    assert_eq!(h264(&[0, 0, 1]), Err(FramingError::Empty));
    assert_eq!(h264(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1]), Err(FramingError::Empty));
    assert_eq!(h264(&[0, 0, 1, 9, 0xf0]), Err(FramingError::Empty));
}

#[test]
fn every_start_code_is_found_wherever_it_stands() {
    for lead in 0..7 {
        let mut packet = vec![0, 0, 1, 0x65];
        packet.extend(std::iter::repeat_n(9, lead));
        let first = packet.len() - 3;
        packet.extend([0, 0, 1, 0x41, 8]);
        let sample = h264(&packet).unwrap();
        assert_eq!(sample[..4], (first as u32).to_be_bytes(), "{lead}");
        assert_eq!(sample[4 + first..], [0, 0, 0, 2, 0x41, 8], "{lead}");
    }
}

#[test]
fn temporal_delimiters_go_and_the_rest_is_not_copied() {
    let packet = [0x12, 0, 0x0a, 2, 7, 8, 0x32, 1, 9];
    let sample = to_sample(VideoCodec::Av1, &packet, &NONE).unwrap();
    assert!(matches!(&sample, Cow::Borrowed(rest) if **rest == packet[2..]));
    let twice = [0x32, 1, 9, 0x12, 0, 0x32, 1, 8];
    assert_eq!(*to_sample(VideoCodec::Av1, &twice, &NONE).unwrap(), [0x32, 1, 9, 0x32, 1, 8]);
    // The last unit may have no size field, and an extension byte may follow the header.
    assert_eq!(to_sample(VideoCodec::Av1, &[0x34, 0, 5, 6], &NONE).unwrap().len(), 4);
}

#[test]
fn malformed_units_are_named_by_their_place() {
    let av1 = |packet: &[u8]| to_sample(VideoCodec::Av1, packet, &NONE).map(|_| ());
    assert_eq!(av1(&[0x12, 0, 0x92, 0]), Err(FramingError::BadObu { at: 2 }));
    assert_eq!(av1(&[0x32, 5, 1]), Err(FramingError::BadObu { at: 0 }));
    assert_eq!(av1(&[0x32]), Err(FramingError::BadObu { at: 0 }));
    assert_eq!(av1(&[0x34]), Err(FramingError::BadObu { at: 0 }));
    assert_eq!(av1(&[0x32, 255, 255, 255, 255, 255, 255, 255, 255, 1]), Err(FramingError::BadObu { at: 0 }));
    assert_eq!(av1(&[0x32, 255, 255, 255, 255, 255, 255, 255, 127]), Err(FramingError::BadObu { at: 0 }));
    assert_eq!(av1(&[0x12, 0]), Err(FramingError::Empty));
    assert_eq!(av1(&[]), Err(FramingError::Empty));
}

#[test]
fn configuration_records_cut_short_give_no_parameter_sets() {
    let whole = [1, 100, 0, 31, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 1, 0x68];
    assert_eq!(avc_units(&whole).unwrap(), [vec![0x67, 1], vec![0x68]]);
    for length in 0..whole.len() {
        assert_eq!(avc_units(&whole[..length]), None, "{length}");
    }
    let mut hevc = vec![0; 22];
    hevc.extend([1, 0x20, 0, 1, 0, 2, 0x40, 1]);
    assert_eq!(hevc_units(&hevc).unwrap(), [vec![0x40, 1]]);
    for length in 0..hevc.len() {
        assert_eq!(hevc_units(&hevc[..length]), None, "{length}");
    }
}

#[test]
fn an_access_unit_tells_its_picture_and_its_parameter_sets() {
    let start = |unit: &[u8]| [&[0, 0, 0, 1], unit].concat();
    let aud = start(&[0x09, 0xf0]);
    // As FFmpeg's filter makes them of MP4: parameter sets right before the picture, behind what needs them.
    let key = [start(&[0x06, 4]), start(&[0x67, 1, 2]), start(&[0x68, 3]), start(&[0x65, 5])].concat();
    let key = [aud.clone(), key].concat();
    let unit = h264_access_unit(&key).unwrap();
    assert!(unit.picture && unit.idr && unit.delimiter);
    assert_eq!(unit.parameter_sets, [&[0x67, 1, 2][..], &[0x68, 3]]);
    assert_eq!(unit.bare(), [start(&[0x06, 4]), start(&[0x65, 5])].concat());
    let other = start(&[0x41, 7]);
    let unit = h264_access_unit(&other).unwrap();
    assert!(unit.picture && !unit.idr && !unit.delimiter && unit.parameter_sets.is_empty());
    assert_eq!(h264_access_unit(&aud).map(|unit| (unit.picture, unit.units.len())), Ok((false, 0)));
    assert_eq!(h264_access_unit(b"avc"), Err(FramingError::NoStartCode));
}
