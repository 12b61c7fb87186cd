//! Closed captions into coded pictures: each picture's into its own access unit, whatever encodes it. Encoders of FFmpeg
//! differ in whether they write captions down, so none is given any.

use super::carrier::{Carrier, Triplet, sei};
use crate::av::{Frame, Packet};
use crate::model::{Problem, VideoCodec};
use crate::pipeline::faults;
use std::collections::BTreeMap;

/// Pictures whose captions wait for their packets: encoders look some hundred ahead.
const WAITING_MAX: usize = 4096;

/// Hands captions around an encoder.
#[derive(Debug)]
pub(crate) struct Embedder {
    is_hevc: bool,
    waiting: BTreeMap<i64, Vec<Triplet>>,
}

impl Embedder {
    /// For a codec that carries captions.
    pub(crate) fn of(codec: VideoCodec) -> Option<Self> {
        let is_hevc = match codec {
            VideoCodec::H264 => false,
            VideoCodec::Hevc => true,
            VideoCodec::Av1 | VideoCodec::Vp9 => return None,
        };
        Some(Self { is_hevc, waiting: BTreeMap::new() })
    }

    /// Takes the captions of a picture that goes into the encoder at `pts`.
    pub(crate) fn take(&mut self, frame: &Frame, pts: i64) {
        let Some(captions) = frame.captions() else { return };
        let mut triplets: Vec<Triplet> = captions.chunks_exact(3).map(|three| [three[0], three[1], three[2]]).collect();
        // Line 21 stands before digital television (CTA-708-E §4.3.5), also where pictures were left out between.
        triplets.sort_by_key(|[kind, ..]| kind & 3 > 1);
        if !triplets.is_empty() && self.waiting.len() < WAITING_MAX {
            self.waiting.insert(pts, triplets);
        }
    }

    /// The packet of a picture with its captions.
    pub(crate) fn give(&mut self, packet: Packet) -> Result<Packet, Problem> {
        let Some(triplets) = packet.pts().and_then(|pts| self.waiting.remove(&pts)) else { return Ok(packet) };
        let Some(at) = Carrier::first_picture(packet.data(), self.is_hevc) else { return Ok(packet) };
        let (before, behind) = packet.data().split_at(at);
        let bytes = [before, &sei(&triplets, self.is_hevc), behind].concat();
        packet.with_bytes(&bytes).map_err(faults::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(triplets: &[Triplet]) -> Frame {
        let mut frame = Frame::picture(2, 2, 0).unwrap();
        frame.set_captions(&triplets.concat()).unwrap();
        frame
    }

    fn packet(bytes: &[u8], pts: i64) -> Packet {
        let mut packet = Packet::from_bytes(bytes).unwrap();
        packet.set_times(Some(pts), Some(pts - 2), 1);
        packet.set_key();
        packet
    }

    #[test]
    fn each_packet_gets_the_captions_of_its_picture_before_its_first_slice() {
        let mut embedder = Embedder::of(VideoCodec::H264).unwrap();
        let digital = [0xff, 0x02, 0x21];
        let (first, second) = ([digital, [0xfc, 0x94, 0x20]], [[0xfd, 0, 0], [0xfe, 0, 1]]);
        embedder.take(&picture(&first), 5);
        embedder.take(&picture(&second), 6);
        let head = [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 6, 5, 1, 0, 0x80];
        let slice = [0, 0, 1, 0x65, 7, 7];
        let whole = [&head[..], &slice].concat();
        // They come out in another order than they went in.
        let later = embedder.give(packet(&whole, 6)).unwrap();
        assert_eq!(Carrier::H264(None).triplets(later.data()), second);
        assert!(later.data().starts_with(&head) && later.data().ends_with(&slice));
        assert_eq!((later.pts(), later.dts(), later.is_key()), (Some(6), Some(4), true));
        let earlier = embedder.give(packet(&whole, 5)).unwrap();
        assert_eq!(Carrier::H264(None).triplets(earlier.data()), [[0xfc, 0x94, 0x20], digital], "line 21 first");
        assert_eq!(embedder.give(packet(&whole, 7)).unwrap().data(), whole, "a picture without any");
    }

    #[test]
    fn hevc_has_units_of_its_own_and_long_captions_several_messages() {
        let mut embedder = Embedder::of(VideoCodec::Hevc).unwrap();
        let many = vec![[0xfe, 1, 2]; 50];
        embedder.take(&picture(&many), 0);
        let whole = [0, 0, 0, 1, 0x40, 1, 9, 0, 0, 0, 1, 0x26, 1, 3, 3];
        let made = embedder.give(packet(&whole, 0)).unwrap();
        assert_eq!(Carrier::Hevc(None).triplets(made.data()), many);
        assert_eq!(made.data().windows(4).filter(|bytes| bytes == b"GA94").count(), 2);
        assert!(Embedder::of(VideoCodec::Av1).is_none());
    }
}
