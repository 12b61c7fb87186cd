//! What is tried on each kind of device.

use crate::model::device::{DeviceKind, Operation};

/// One thing to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// What it does.
    pub operation: Operation,
    /// FFmpeg's name of the codec, or of the filter.
    pub codec: &'static str,
    /// Bits a sample; 0 for sound.
    pub depth: u8,
}

const fn trial(operation: Operation, codec: &'static str, depth: u8) -> Trial {
    Trial { operation, codec, depth }
}

/// All that is tried on a kind of device, in the order of the answers.
pub fn trials(kind: DeviceKind) -> Vec<Trial> {
    use Operation::{Decode, Encode, Filter};
    let pictures = [("h264", 8), ("hevc", 8), ("hevc", 10), ("av1", 8), ("av1", 10)];
    let more: &[(&str, u8)] = match kind {
        DeviceKind::Cpu => &[("h264", 10), ("vp9", 8), ("vp9", 10), ("mpeg2video", 8)],
        DeviceKind::Cuda | DeviceKind::Vaapi => &[("vp9", 8), ("mpeg2video", 8)],
    };
    let filters: &[(&str, u8)] = match kind {
        DeviceKind::Cpu => &[("scale", 8), ("scale", 10)],
        DeviceKind::Cuda => &[("scale_cuda", 8), ("scale_cuda", 10)],
        DeviceKind::Vaapi => &[("scale_vaapi", 8), ("scale_vaapi", 10)],
    };
    // Sound and single pictures are the CPU's, whatever devices there are.
    let own: &[(&str, u8)] = if kind == DeviceKind::Cpu { &[("vp9", 8), ("vp9", 10)] } else { &[] };
    let images: &[(&str, u8)] = &[("mjpeg", 8), ("png", 8), ("webp", 8)];
    let sound: &[(&str, u8)] = &[("aac", 0), ("opus", 0), ("mp3", 0), ("ac3", 0), ("eac3", 0)];
    let beside = if kind == DeviceKind::Cpu { [images, sound].concat() } else { Vec::new() };
    let of = |operation| move |(codec, depth): &(&'static str, u8)| trial(operation, codec, *depth);
    let mut all: Vec<Trial> = pictures.iter().chain(more).chain(&beside).map(of(Decode)).collect();
    all.extend(filters.iter().map(of(Filter)));
    all.extend(pictures.iter().chain(own).chain(&beside).map(of(Encode)));
    all
}
