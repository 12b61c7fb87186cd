//! The packets of a source's pictures, in its order, with a look ahead: which groups of pictures need no decoding is seen by
//! packets alone, also in containers without an index.

use super::Ended;
use crate::av::Packet;
use crate::model::Problem;
use crate::pipeline::control::Control;
use crate::pipeline::demux::Demux;
use std::collections::VecDeque;

/// Most packets that are looked ahead at: twenty seconds at 50 pictures a second, two key frames of anything that is sent
/// to viewers.
const AHEAD_PACKETS_MAX: usize = 1_000;
/// Most bytes of them. What has fewer key frames is decoded.
const AHEAD_BYTES_MAX: usize = 32 << 20;

/// A reading of the pictures.
pub(super) struct Packets<'a> {
    demux: Demux,
    stream: u32,
    control: &'a Control,
    /// Read and not yet taken.
    held: VecDeque<Packet>,
    held_bytes: usize,
    /// Presentation time and duration of the latest picture that was read, source ticks.
    latest: Option<(i64, i64)>,
}

impl<'a> Packets<'a> {
    pub(super) const fn new(demux: Demux, stream: u32, control: &'a Control) -> Self {
        Self { demux, stream, control, held: VecDeque::new(), held_bytes: 0, latest: None }
    }

    pub(super) const fn latest(&self) -> Option<(i64, i64)> {
        self.latest
    }

    /// Whether nothing was read that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The next one; `None` at the end of the source.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Ended> {
        if let Some(packet) = self.held.pop_front() {
            self.held_bytes -= packet.data().len();
            return Ok(Some(packet));
        }
        self.read()
    }

    /// The next one, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<&Packet>, Ended> {
        if self.held.is_empty()
            && let Some(packet) = self.read()?
        {
            self.hold(packet);
        }
        Ok(self.held.front())
    }

    /// Goes to where a source time can be decoded from, as far as the container knows.
    pub(super) fn seek(&mut self, time: i64) -> Result<(), Problem> {
        self.held.clear();
        self.held_bytes = 0;
        self.demux.seek_before(self.stream, time)
    }

    /// Leaves out what comes before the last key frame that is shown at or before `time`, where that one is shown at or
    /// behind `worth`. True: packets were left out, and the next one is that key frame.
    pub(super) fn skip_to_key(&mut self, time: i64, worth: i64) -> Result<bool, Ended> {
        let mut looked = 0;
        let mut key = None;
        loop {
            while let Some(packet) = self.held.get(looked) {
                // A picture without a time gets one from those before it.
                let Some(pts) = packet.pts() else { return Ok(false) };
                if packet.is_key() && !packet.is_discarded() && (worth..=time).contains(&pts) {
                    key = Some(looked);
                }
                looked += 1;
            }
            let behind = self.held.back().and_then(Packet::order_time).is_some_and(|last| last > time);
            if behind || self.held.len() >= AHEAD_PACKETS_MAX || self.held_bytes >= AHEAD_BYTES_MAX {
                break;
            }
            let Some(packet) = self.read()? else { break };
            self.hold(packet);
        }
        let Some(key) = key.filter(|key| *key > 0) else { return Ok(false) };
        self.held_bytes -= self.held.drain(..key).map(|packet| packet.data().len()).sum::<usize>();
        Ok(true)
    }

    fn hold(&mut self, packet: Packet) {
        self.held_bytes += packet.data().len();
        self.held.push_back(packet);
    }

    fn read(&mut self) -> Result<Option<Packet>, Ended> {
        loop {
            if self.control.stopped() {
                return Err(Ended::All(Problem::cancelled()));
            }
            let Some(packet) = self.demux.read()? else { return Ok(None) };
            if packet.stream() != self.stream {
                continue;
            }
            if let Some(pts) = packet.pts()
                && !packet.is_discarded()
                && self.latest.is_none_or(|(latest, _)| pts > latest)
            {
                self.latest = Some((pts, packet.duration()));
            }
            return Ok(Some(packet));
        }
    }
}
