//! Stage: decode. Receives packets; sends frames in presentation order; owns the decoder.
//! Thread: its own (the decoder adds its own workers). Bound: the channel. Ends: `End` after the decoder was drained,
//! with the duration of the last packet; early when its frames are not wanted any more; a source of which nothing can
//! be decoded fails the span. Counters: frames decoded, decode errors.

use super::control::Control;
use super::faults;
use super::flow::{Flow, Inflow, Outflow, Stopped};
use crate::av::{Decoder, Frame, Packet, Params, Polled, Splitter};
use crate::model::time::Ratio;
use crate::model::{Problem, limits};
use std::sync::atomic::Ordering;

/// What a decoder needs to open.
pub struct DecoderSpec {
    /// The stream.
    pub params: Params,
    /// Seconds a tick of its packets.
    pub time_base: Ratio,
    /// Threads.
    pub threads: u32,
}

/// A decoder that counts and survives damage.
pub struct Tolerant<'a> {
    decoder: Decoder,
    splitter: Option<Splitter>,
    control: &'a Control,
    made: u64,
    errors: u64,
}

impl<'a> Tolerant<'a> {
    /// Opens the decoder.
    pub fn open(spec: &DecoderSpec, control: &'a Control) -> Result<Self, Problem> {
        let decoder = Decoder::open(&spec.params, spec.time_base, spec.threads).map_err(|error| {
            Problem::input(
                "source.unsupported",
                format!("no decoder here takes {} ({error})", spec.params.codec_name()),
            )
        })?;
        let splitter = Splitter::for_codec(&spec.params, spec.time_base).map_err(faults::internal)?;
        Ok(Self { decoder, splitter, control, made: 0, errors: 0 })
    }

    /// Decodes a packet, or with `None` drains, and hands on each frame.
    pub fn decode(
        &mut self,
        packet: Option<&Packet>,
        each: &mut dyn FnMut(Frame) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let (Some(splitter), Some(whole)) = (&mut self.splitter, packet) else { return self.decode_one(packet, each) };
        for part in splitter.split(whole).map_err(faults::internal)? {
            self.decode_one(Some(&part), each)?;
        }
        Ok(())
    }

    fn decode_one(
        &mut self,
        packet: Option<&Packet>,
        each: &mut dyn FnMut(Frame) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let mut pending = true;
        while pending {
            match self.decoder.send(packet) {
                Ok(Polled::NeedInput) => {}
                Ok(_) => pending = false,
                Err(_) => {
                    self.note_error()?;
                    pending = false;
                }
            }
            self.receive(each)?;
        }
        Ok(())
    }

    fn receive(&mut self, each: &mut dyn FnMut(Frame) -> Result<(), Stopped>) -> Result<(), Stopped> {
        loop {
            let mut frame = Frame::new().map_err(faults::internal)?;
            match self.decoder.receive(&mut frame) {
                Ok(Polled::Ready) => {
                    self.made += 1;
                    self.control.frames_decoded.fetch_add(1, Ordering::Relaxed);
                    if frame.is_corrupt() {
                        self.control.decode_errors.fetch_add(1, Ordering::Relaxed);
                    }
                    each(frame)?;
                }
                Ok(_) => return Ok(()),
                Err(_) => self.note_error()?,
            }
        }
    }

    fn note_error(&mut self) -> Result<(), Stopped> {
        self.errors += 1;
        self.control.decode_errors.fetch_add(1, Ordering::Relaxed);
        if self.made == 0 && self.errors > limits::DECODE_ERRORS_MAX {
            return Err(undecodable().into());
        }
        Ok(())
    }

    /// Whether any frame came out.
    pub const fn made_any(&self) -> bool {
        self.made > 0
    }
}

/// The problem of a source that opens but yields nothing.
pub fn undecodable() -> Problem {
    Problem::input(
        "source.undecodable",
        "not one picture or sound of the source could be decoded; check that the file is whole",
    )
}

/// Runs the stage.
pub fn run(
    spec: &DecoderSpec,
    inflow: Inflow<Packet, ()>,
    out: Outflow<Frame, Option<i64>>,
    control: &Control,
) -> Result<(), Stopped> {
    let result = decode_all(spec, &inflow, out, control);
    inflow.settle(result)
}

fn decode_all(
    spec: &DecoderSpec,
    inflow: &Inflow<Packet, ()>,
    out: Outflow<Frame, Option<i64>>,
    control: &Control,
) -> Result<(), Stopped> {
    let mut decoder = Tolerant::open(spec, control)?;
    let mut last: Option<(i64, i64)> = None;
    loop {
        match inflow.receive()? {
            Flow::Item(packet) => {
                if let Some(time) = packet.pts().or(packet.dts())
                    && last.is_none_or(|(latest, _)| time > latest)
                {
                    last = Some((time, packet.duration()));
                }
                decoder.decode(Some(&packet), &mut |frame| out.send(frame))?;
            }
            Flow::End(()) => {
                decoder.decode(None, &mut |frame| out.send(frame))?;
                return out.end(last.map(|(_, duration)| duration).filter(|d| *d > 0));
            }
        }
    }
}
