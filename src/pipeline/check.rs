//! Looks now and then at what a device has made, since a card that is overheated, overclocked or badly driven gives out
//! wrong pictures without a word. The CPU does some pictures again and compares them from afar ([`super::look`]):
//!
//! - encoders: the key frame that starts each segment is decoded before the segment in front of it is handed out, and the
//!   last segment of a span as far as into its last half second, so that no segment is published behind which wrong pictures came;
//! - decoders: a key frame every two seconds, the first before any picture of the span goes on;
//! - graphs that only scale: the picture that starts each segment.
//!
//! A picture that the device does not give out, or that the CPU has no decoder for, is not looked at.

use super::accel::DeviceError;
use super::cut::Placed;
use super::equipment::Equipment;
use super::look::{self, CODED, Cells, DECODED, Look, PREDICTED, SCALED, Tolerance};
use crate::av::{AvError, Decoder, Frame, Packet, Params, Polled};
use crate::model::classify::averror;
use crate::model::time::{Ratio, rescale};
use std::collections::VecDeque;

/// Between pictures that an encoder was given and that are looked at beside those that start segments, microseconds.
const LOOK_US: i64 = 500_000;
/// Between key frames of a source that the CPU decodes too, microseconds. Sources of key frames alone would be decoded twice.
const SOURCE_US: i64 = 2_000_000;

/// Looks at what an encoder makes.
pub struct EncodeCheck<'a> {
    equipment: Equipment<'a>,
    cells: Cells,
    params: Params,
    time_base: Ratio,
    /// Pictures that start segments and have not come out yet: as many as the encoder keeps back, at most.
    due: VecDeque<(i64, Look)>,
    /// The latest picture that was looked at.
    last: Option<(i64, Look)>,
}

impl<'a> EncodeCheck<'a> {
    /// For an encoder that makes streams of these parameters, of pictures of this size; times are in `time_base`.
    pub fn new(equipment: Equipment<'a>, size: (u32, u32), params: Params, time_base: Ratio) -> Self {
        let cells = look::cells_of(size);
        Self { equipment, cells, params, time_base, due: VecDeque::new(), last: None }
    }

    /// A picture that is about to be encoded; `starts` says that it starts a segment.
    pub fn given(&mut self, frame: &Frame, pts: i64, starts: bool) {
        let far = |last: i64| rescale(pts - last, self.time_base, Ratio::new(1, 1_000_000)) >= LOOK_US;
        if !starts && !self.last.as_ref().is_none_or(|(last, _)| far(*last)) {
            return;
        }
        let Some(look) = given_out(Look::of_any(frame, self.cells, self.equipment)) else { return };
        if starts {
            self.due.push_back((pts, look.clone()));
        }
        self.last = Some((pts, look));
    }

    /// A packet that came out. In which way the key frame that it is differs from the picture that was given.
    pub fn came(&mut self, packet: &Packet) -> Option<String> {
        let pts = packet.pts()?;
        let given = due_at(&mut self.due, pts)?;
        self.compare(&given, pts, std::iter::once(packet), CODED)
    }

    /// The pictures of the last segment, in decoding order. In which way the last that was looked at is another.
    pub fn last(&self, pictures: &[Placed]) -> Option<String> {
        let (pts, given) = self.last.as_ref()?;
        let first = pictures.first()?;
        // The key frame was compared already.
        let is_inside = *pts > first.pts && pictures.iter().any(|picture| picture.pts == *pts);
        let upto = pictures.iter().position(|picture| picture.pts == *pts).filter(|_| is_inside)?;
        self.compare(given, *pts, pictures[..=upto].iter().map(|picture| &picture.packet), PREDICTED)
    }

    fn compare<'p>(
        &self,
        given: &Look,
        pts: i64,
        packets: impl Iterator<Item = &'p Packet>,
        tolerance: Tolerance,
    ) -> Option<String> {
        let ms = rescale(pts, self.time_base, Ratio::new(1, 1000));
        let wrong = |told: String| Some(format!("the picture at {ms} ms is not the one that was given: {told}"));
        // Not the strict one: what it objects to in a stream of a device may well be harmless, and damage shows.
        let decoder = Decoder::open(&self.params, self.time_base, 1);
        match decoder.and_then(|decoder| decoded(decoder, packets, pts)) {
            Err(error) if is_undecodable_here(error) => None,
            Err(error) => wrong(format!("it cannot be decoded ({})", error.text())),
            Ok(None) => wrong("it does not come out of a decoder".to_owned()),
            Ok(Some(frame)) => {
                let look = Look::of(&frame, self.cells)?;
                given.unlike(&look, tolerance).and_then(wrong)
            }
        }
    }
}

/// Looks at what a decoder makes.
pub struct DecodeCheck<'a> {
    equipment: Equipment<'a>,
    params: Params,
    time_base: Ratio,
    /// The time of the last key frame that was decoded twice, ticks.
    last: Option<i64>,
    /// The pictures that the CPU made and the device has not given out yet, with their sizes. One or two, since key frames
    /// that are looked at lie further apart than a decoder keeps back.
    due: VecDeque<Due>,
}

struct Due {
    pts: i64,
    size: (u32, u32),
    look: Look,
}

/// Most key frames that are waited for: a device that swallows pictures is noticed by their number.
const DUE_MAX: usize = 4;

impl<'a> DecodeCheck<'a> {
    /// For a stream of these parameters; times are in `time_base`.
    pub const fn new(equipment: Equipment<'a>, params: Params, time_base: Ratio) -> Self {
        Self { equipment, params, time_base, last: None, due: VecDeque::new() }
    }

    /// A packet that is about to be decoded. A damaged one is not looked at, since decoders conceal in their own ways; nor
    /// is one field of a picture.
    pub fn given(&mut self, packet: &Packet) {
        let Some(pts) = packet.pts().filter(|_| packet.is_key()) else { return };
        let near = |last: i64| rescale(pts - last, self.time_base, Ratio::new(1, 1_000_000)) < SOURCE_US;
        if self.last.is_some_and(near) || self.due.len() >= DUE_MAX {
            return;
        }
        self.last = Some(pts);
        let Ok(decoder) = Decoder::strict(&self.params, self.time_base) else { return };
        let Ok(Some(frame)) = decoded(decoder, std::iter::once(packet), pts) else { return };
        let format = frame.picture_format();
        let size = (format.width, format.height);
        if frame.is_corrupt() || frame.interlaced().is_some() {
            return;
        }
        if let Some(look) = Look::of(&frame, look::cells_of(size)) {
            self.due.push_back(Due { pts, size, look });
        }
    }

    /// A frame that came out. In which way it is not the one that the CPU made.
    pub fn came(&mut self, frame: &Frame) -> Option<String> {
        let pts = frame.best_effort_pts()?;
        let at = self.due.iter().position(|due| due.pts == pts)?;
        let Due { size, look, .. } = self.due.remove(at)?;
        let format = frame.picture_format();
        if size != (format.width, format.height) || frame.is_corrupt() {
            return None;
        }
        let found = given_out(Look::of_any(frame, look::cells_of(size), self.equipment))?;
        let ms = rescale(pts, self.time_base, Ratio::new(1, 1000));
        let told = look.unlike(&found, DECODED)?;
        Some(format!("the picture at {ms} ms is not the one that software makes of it: {told}"))
    }
}

/// Looks at what a graph makes that only scales.
pub struct ScaleCheck<'a> {
    equipment: Equipment<'a>,
    cells: Cells,
    due: VecDeque<(i64, Look)>,
}

impl<'a> ScaleCheck<'a> {
    /// For a graph whose pictures come out in this size; `None` for one that does more than scale, and so may well change
    /// what a picture looks like.
    pub fn new(equipment: Equipment<'a>, graph: &str, size: (u32, u32)) -> Option<Self> {
        equipment.kind()?;
        let name = |filter: &str| filter.split('=').next().unwrap_or(filter).trim().to_owned();
        let plain = |filter: &str| match name(filter).as_str() {
            "scale_cuda" | "scale_vaapi" => !filter.contains("out_"),
            "setsar" | "format" | "hwupload" | "hwdownload" => true,
            _ => false,
        };
        let scales = graph.contains("scale_") && graph.split(',').all(plain);
        scales.then(|| Self { equipment, cells: look::cells_of(size), due: VecDeque::new() })
    }

    /// A picture that is about to be scaled, and starts a segment.
    pub fn given(&mut self, frame: &Frame, pts: i64) {
        if let Some(look) = given_out(Look::of_any(frame, self.cells, self.equipment)) {
            self.due.push_back((pts, look));
        }
    }

    /// A picture that came out. In which way it is another.
    pub fn came(&mut self, frame: &Frame, pts: i64) -> Option<String> {
        let given = due_at(&mut self.due, pts)?;
        let found = given_out(Look::of_any(frame, self.cells, self.equipment))?;
        let told = given.unlike(&found, SCALED)?;
        Some(format!("a picture is another one than before it was scaled: {told}"))
    }
}

/// What the picture of this time was; whatever lies before it is not waited for any more.
fn due_at(due: &mut VecDeque<(i64, Look)>, pts: i64) -> Option<Look> {
    while due.front().is_some_and(|(at, _)| *at < pts) {
        due.pop_front();
    }
    due.front().is_some_and(|(at, _)| *at == pts).then(|| due.pop_front()).flatten().map(|(_, look)| look)
}

/// A device that gives no picture out says so again where it is asked for what the job needs; here it is not looked at.
fn given_out(look: Result<Option<Look>, DeviceError>) -> Option<Look> {
    look.ok().flatten()
}

/// Decodes packets in software, from a key frame on, and gives the picture of this time.
fn decoded<'p>(
    mut decoder: Decoder,
    packets: impl Iterator<Item = &'p Packet>,
    pts: i64,
) -> Result<Option<Frame>, AvError> {
    let mut frame = Frame::new()?;
    let mut found = None;
    for packet in packets.map(Some).chain([None]) {
        loop {
            let sent = decoder.send(packet)?;
            while decoder.receive(&mut frame)? == Polled::Ready {
                if frame.best_effort_pts() == Some(pts) {
                    found = Some(std::mem::replace(&mut frame, Frame::new()?));
                }
            }
            if sent != Polled::NeedInput {
                break;
            }
        }
    }
    Ok(found)
}

/// Whether software has no decoder for such a stream, as where FFmpeg was built without one for AV1.
const fn is_undecodable_here(error: AvError) -> bool {
    matches!(error.code, averror::DECODER_NOT_FOUND | averror::ENOSYS | averror::PATCHWELCOME)
}
