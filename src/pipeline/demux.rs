//! Stage: demux. Receives nothing; sends packets of the wanted streams with mended clocks, references to the same bytes to
//! each consumer; owns the input. Thread: its own. Bound: the channels. Ends: `End` at the end of the source; early when
//! all consumers have let go, or a stop was asked; a source that cannot be read any more fails the span.

use super::clock::JumpMender;
use super::control::Control;
use super::faults;
use super::flow::{Fan, Stopped};
use crate::av::input::Interrupt;
use crate::av::{ByteSource, Input, Packet};
use crate::model::Problem;
use crate::model::time::Ratio;

/// Unreadable places that are skipped before the source counts as over. A damaged file has a few; a demuxer that fails
/// for ever would spin.
const READ_ERRORS_MAX: u32 = 64;

/// An open source that gives packets of some streams.
pub struct Demux {
    input: Input,
    mender: JumpMender,
    /// Seconds a tick of each stream, and whether its pauses may be long.
    streams: Vec<(Ratio, bool)>,
    errors: u32,
}

impl Demux {
    /// Opens the source and lets only `wanted` streams through.
    pub fn open(source: Box<dyn ByteSource>, wanted: &[u32], control: &Control) -> Result<Self, Problem> {
        let interrupt = Interrupt { stop: control.stop_flag(), deadline: None };
        let mut input = Input::open(source, interrupt).map_err(|error| faults::source(error, None))?;
        input.find_stream_info().map_err(|error| faults::source(error, input.source_failure()))?;
        input.select(wanted);
        let mender = JumpMender::new(input.may_jump());
        Ok(Self { input, mender, streams: Vec::new(), errors: 0 })
    }

    /// The open input.
    pub const fn input(&self) -> &Input {
        &self.input
    }

    /// Goes to where decoding of `ticks` can start.
    pub fn seek_before(&mut self, stream: u32, ticks: i64) -> Result<(), Problem> {
        self.input.seek_before(stream, ticks).map_err(|error| faults::source(error, self.input.source_failure()))
    }

    /// The next packet; `None` at the end.
    pub fn read(&mut self) -> Result<Option<Packet>, Problem> {
        let mut packet = Packet::new().map_err(faults::internal)?;
        loop {
            match self.input.read(&mut packet) {
                Ok(true) => break,
                // Some demuxers take a source that cannot be read any more for one that is over.
                Ok(false) => return self.input.source_failure().map_or(Ok(None), |why| Err(faults::unreadable(&why))),
                Err(error) => {
                    if let Some(failure) = self.input.source_failure() {
                        return Err(faults::source(error, Some(failure)));
                    }
                    self.errors += 1;
                    if error.is_interrupted() || self.errors > READ_ERRORS_MAX {
                        return Ok(None);
                    }
                }
            }
        }
        let stream = packet.stream();
        let (time_base, is_sparse) = self.known(stream);
        let shift = match is_sparse {
            true => self.mender.shift_of_sparse(time_base),
            false => self.mender.shift(stream, packet.order_time(), packet.duration(), time_base),
        };
        if shift != 0 {
            packet.shift(shift);
        }
        Ok(Some(packet))
    }

    /// Seconds a tick of a stream.
    pub fn time_base(&mut self, stream: u32) -> Ratio {
        self.known(stream).0
    }

    fn known(&mut self, stream: u32) -> (Ratio, bool) {
        // Streams can appear while reading, so the list grows with them.
        while self.streams.len() <= stream as usize {
            let info = self.input.stream_info(self.streams.len() as u32);
            self.streams.push(info.map_or((Ratio::new(0, 0), false), |info| (info.time_base, info.kind == "subtitle")));
        }
        self.streams[stream as usize]
    }
}

/// Runs the stage.
pub fn run(mut demux: Demux, wanted: u32, mut outs: Fan<Packet, ()>, control: &Control) -> Result<(), Stopped> {
    while !control.stopped() {
        if outs.is_unwanted() {
            return Err(Stopped::Unwanted);
        }
        let Some(packet) = demux.read()? else { return outs.end(&()) };
        if packet.stream() == wanted {
            outs.send(|| Ok(packet.reference().map_err(faults::internal)?))?;
        }
    }
    Err(Stopped::Neighbour)
}
