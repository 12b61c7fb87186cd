//! Stage: decode. Receives packets; sends frames in presentation order; owns the decoder.
//! Thread: its own (the decoder adds its own workers). Bound: the channel. Ends: `End` after the decoder was drained,
//! with the duration of the last packet; early when its frames are not wanted any more; a source of which nothing can
//! be decoded fails the span, and so does a device that fails, or gives out less than went in. Counters: frames decoded,
//! decode errors.

use super::accel::{Accelerator, DeviceError, Host, PictureDecoder};
use super::check::DecodeCheck;
use super::control::Control;
use super::equipment::Chosen;
use super::faults;
use super::flow::{Flow, Inflow, Outflow, Stopped};
use super::trouble::DeviceTrouble;
use crate::av::{Frame, Packet, Params, Polled, Splitter};
use crate::model::device::{Memory, Operation};
use crate::model::time::{Ratio, rescale};
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
    decoder: Box<dyn PictureDecoder>,
    splitter: Option<Splitter>,
    control: &'a Control,
    /// The codec, and seconds a tick, of what a device decodes.
    on_device: Option<(String, Ratio)>,
    /// Looks at what a device decodes.
    check: Option<DecodeCheck<'a>>,
    made: u64,
    errors: u64,
    /// Packets whose frames are to come out, and the latest time of any.
    sent: u64,
    last_sent: Option<i64>,
    /// The latest time of a frame that came out.
    last_made: Option<i64>,
}

impl<'a> Tolerant<'a> {
    /// Opens a decoder in software.
    pub fn open(spec: &DecoderSpec, control: &'a Control) -> Result<Self, Problem> {
        let decoder = Host.decoder(&spec.params, spec.time_base, spec.threads, Memory::System);
        Self::of(spec, decoder.map_err(|error| unsupported(spec, &error))?, control)
    }

    /// Opens a decoder by whoever was chosen, whose frames come out in `memory`.
    pub fn open_on(
        (chosen, memory): (Chosen<'_>, Memory),
        spec: &DecoderSpec,
        control: &'a Control,
    ) -> Result<Self, Stopped> {
        let codec = spec.params.codec_name();
        let decoder = chosen.by.decoder(&spec.params, spec.time_base, spec.threads, memory);
        let decoder = decoder.map_err(|error| match chosen.on_device {
            true => Stopped::from(faults::device(Operation::Decode, &codec, "the source", &error)),
            false => unsupported(spec, &error).into(),
        })?;
        let on_device = chosen.on_device.then_some((codec, spec.time_base));
        let decoder = Self::of(spec, decoder, control)?;
        // A packet that is split is decoded in parts.
        let looks = chosen.on_device && control.is_checked() && decoder.splitter.is_none();
        let params = spec.params.duplicate().map_err(faults::internal)?;
        let check = looks.then(|| DecodeCheck::new(control.equipment(), params, spec.time_base));
        Ok(Self { on_device, check, ..decoder })
    }

    fn of(spec: &DecoderSpec, decoder: Box<dyn PictureDecoder>, control: &'a Control) -> Result<Self, Problem> {
        let splitter = Splitter::for_codec(&spec.params, spec.time_base).map_err(faults::internal)?;
        Ok(Self {
            decoder,
            splitter,
            control,
            on_device: None,
            check: None,
            made: 0,
            errors: 0,
            sent: 0,
            last_sent: None,
            last_made: None,
        })
    }

    /// Decodes a packet, or with `None` drains, and hands on each frame.
    pub fn decode(
        &mut self,
        packet: Option<&Packet>,
        each: &mut dyn FnMut(Frame) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        if let Some(packet) = packet.filter(|packet| !packet.is_discarded()) {
            self.sent += 1;
            self.last_sent = self.last_sent.max(packet.pts());
            if let Some(check) = &mut self.check {
                check.given(packet);
            }
        }
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
                Err(error) => {
                    self.note_error(&error)?;
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
                    self.last_made = self.last_made.max(frame.best_effort_pts());
                    self.control.frames_decoded.fetch_add(1, Ordering::Relaxed);
                    if frame.is_corrupt() {
                        self.control.decode_errors.fetch_add(1, Ordering::Relaxed);
                    }
                    self.look_at(&frame)?;
                    each(frame)?;
                }
                Ok(_) => return Ok(()),
                Err(error) => self.note_error(&error)?,
            }
        }
    }

    fn note_error(&mut self, error: &DeviceError) -> Result<(), Stopped> {
        if let Some((codec, _)) = &self.on_device
            && let Some(trouble) = DeviceTrouble::of(Operation::Decode, codec, "the source", error)
        {
            return Err(trouble.into());
        }
        self.errors += 1;
        self.control.decode_errors.fetch_add(1, Ordering::Relaxed);
        if self.made == 0 && self.errors > limits::DECODE_ERRORS_MAX {
            return Err(undecodable().into());
        }
        Ok(())
    }

    /// Fails where the device has made another picture of a packet than software does.
    fn look_at(&mut self, frame: &Frame) -> Result<(), Stopped> {
        let (Some((codec, _)), Some(check)) = (&self.on_device, &mut self.check) else { return Ok(()) };
        match check.came(frame) {
            Some(told) => Err(DeviceTrouble::corrupt(Operation::Decode, codec, "the source", &told).into()),
            None => Ok(()),
        }
    }

    /// Checks, once it was drained, that a device has not lost frames without a word. Fields and hidden pictures are
    /// packets of their own, and pictures that refer to ones before the start are not shown: so only what is far too
    /// little counts, or an end that is missing.
    fn check_whole(&self) -> Result<(), Stopped> {
        const SLACK: u64 = 64;
        const END_US: i64 = 1_000_000;
        let Some((codec, time_base)) = &self.on_device else { return Ok(()) };
        let too_few = self.sent > 2 * self.made + self.errors + SLACK;
        let missing = match (self.last_sent, self.last_made) {
            (Some(sent), Some(made)) => rescale(sent - made, *time_base, Ratio::new(1, 1_000_000)) > END_US,
            _ => false,
        };
        if too_few || self.errors == 0 && missing {
            let made = DeviceTrouble::truncated(Operation::Decode, codec, "the source", self.sent, self.made);
            return Err(made.into());
        }
        Ok(())
    }

    /// Whether any frame came out.
    pub const fn made_any(&self) -> bool {
        self.made > 0
    }
}

fn unsupported(spec: &DecoderSpec, error: &DeviceError) -> Problem {
    let codec = spec.params.codec_name();
    Problem::input("source.unsupported", format!("no decoder here takes {codec} ({})", error.error))
}

/// The problem of a source that opens but yields nothing.
pub fn undecodable() -> Problem {
    Problem::input(
        "source.undecodable",
        "not one picture or sound of the source could be decoded; check that the file is whole",
    )
}

/// Runs the stage in software.
pub fn run(
    spec: &DecoderSpec,
    inflow: Inflow<Packet, ()>,
    out: Outflow<Frame, Option<i64>>,
    control: &Control,
) -> Result<(), Stopped> {
    let result = Tolerant::open(spec, control).map_err(Stopped::from);
    let result = result.and_then(|decoder| decode_all(decoder, &inflow, out));
    inflow.settle(result)
}

/// Runs the stage by whoever was chosen; its frames come out in this memory.
pub fn run_on(
    chosen: (Chosen<'_>, Memory),
    spec: &DecoderSpec,
    inflow: Inflow<Packet, ()>,
    out: Outflow<Frame, Option<i64>>,
    control: &Control,
) -> Result<(), Stopped> {
    let result = Tolerant::open_on(chosen, spec, control).and_then(|decoder| decode_all(decoder, &inflow, out));
    inflow.settle(result)
}

fn decode_all(
    mut decoder: Tolerant<'_>,
    inflow: &Inflow<Packet, ()>,
    out: Outflow<Frame, Option<i64>>,
) -> Result<(), Stopped> {
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
                decoder.check_whole()?;
                return out.end(last.map(|(_, duration)| duration).filter(|d| *d > 0));
            }
        }
    }
}
