//! How many frames pools must have beyond what codecs need themselves.

use super::super::graph;
use crate::model::facts::VideoFacts;
use crate::model::limits::FRAMES_IN_FLIGHT;

/// Frames that a stage has in hand: the one that it works on.
const IN_HAND: usize = 1;
/// The frame that stands at an in point until the next one comes.
const STANDING: usize = 1;
/// The picture that stands until another one is due, where not all are shown.
const IN_CADENCE: usize = 1;
/// Frames that a deinterlacer keeps: the one before, this one, the one after.
const DEINTERLACER: usize = 3;
/// Most pictures that a stream refers to (ITU-T H.264 A.3.1, H.265 A.4.2: 16 and the current one's place).
const REFERENCES_MAX: usize = 16;
/// What FFmpeg adds to the references for NVDEC: 2 for the decoder, 3 for output, 1 for its single thread.
const NVDEC_OWN: usize = 2 + 3 + 1;
/// NVDEC may refuse more surfaces.
const NVDEC_SURFACES_MAX: usize = 32;
/// Surfaces of one rung on VAAPI that are with somebody: being scaled, on their way to the rungs made from it, in their
/// graphs, and with the encoder (two in work by `async_depth`, the next one, and the one that is referred to).
const VAAPI_HELD: usize = IN_HAND + FRAMES_IN_FLIGHT + IN_HAND + 4;
/// Surfaces beyond FFmpeg's own few that each VAAPI pool starts with where pools do not grow: three times what is held,
/// since drivers keep surfaces of their own, and an empty pool fails the job where a surface costs 3 MiB at 1080p.
pub(super) const VAAPI_EXTRA: usize = 24;

/// Frames that the graphs hold of a decoder's pool. All rungs get references to the same frame, and a slow rung holds up
/// the others, so the number of rungs does not matter: distinct frames are on their way to the slowest rung, or before
/// it. No encoder holds any, whatever its lookahead, since every rung scales into a pool of its own.
pub(super) fn extra_frames(video: &VideoFacts, some_left_out: bool) -> u32 {
    let held = if graph::parity(video).is_some() { DEINTERLACED_HELD } else { PREPARED_HELD };
    (held + if some_left_out { IN_CADENCE } else { 0 }) as u32
}

/// From decoder to prepare, in prepare, from there to the slowest rung, and in that rung.
const PREPARED_HELD: usize = FRAMES_IN_FLIGHT + IN_HAND + IN_HAND + STANDING + FRAMES_IN_FLIGHT + IN_HAND;
/// From decoder to prepare, and in the deinterlacer, whose own frames go further.
const DEINTERLACED_HELD: usize = FRAMES_IN_FLIGHT + IN_HAND + IN_HAND + DEINTERLACER;

const _: () = assert!(
    REFERENCES_MAX + NVDEC_OWN + PREPARED_HELD + IN_CADENCE <= NVDEC_SURFACES_MAX,
    "NVDEC has so many surfaces"
);
const _: () = assert!(DEINTERLACED_HELD <= PREPARED_HELD, "a deinterlacer needs no larger pool");
const _: () = assert!(VAAPI_HELD * 3 <= VAAPI_EXTRA, "pools that do not grow have room for all that is held");
