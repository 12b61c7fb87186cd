//! Key frames alone: each instant costs one picture, decoded by itself. By the index where that is exact; elsewhere packets
//! are read up to the instant and all but key frames passed by. A key frame is never decoded behind another one: of open
//! groups some decoders make nothing of the second.

use super::Ended;
use super::scan::Scanner;
use crate::av::Packet;
use crate::pipeline::decode::undecodable;

/// Where a walk along key frames stands.
#[derive(Default)]
pub(super) struct KeyWalk {
    /// By the index: which of the keys the current picture is.
    at: Option<usize>,
    /// Without: those that were read and are not decoded: the one that is due, and as few as a decoder holds back.
    later: Vec<Packet>,
    /// When the first of all is shown, ticks of the source.
    first: Option<i64>,
}

impl Scanner<'_> {
    /// Makes the last key frame at or before an instant the current picture; false past the end.
    pub(super) fn find_key(&mut self, ticks: i64) -> Result<bool, Ended> {
        if self.keys.is_empty() { self.find_key_ahead(ticks) } else { self.find_indexed_key(ticks) }
    }

    fn find_indexed_key(&mut self, ticks: i64) -> Result<bool, Ended> {
        let target = self.source_time(ticks);
        // Where an edit list hides the first key frame, what is shown up to the next one hangs on it.
        let Some(key) = self.key_before(target) else { return self.find(ticks) };
        if self.key.at != Some(key) {
            let at = self.seek_for(target, target)?;
            if self.packets.peek()?.and_then(Packet::pts).is_some_and(|pts| pts > target) {
                self.restart()?;
                return self.find(ticks);
            }
            self.decode_one()?;
            self.current = self.queue.pop_front();
            self.key.at = Some(at);
        }
        if self.current.is_none() {
            return Err(undecodable().into());
        }
        if key + 1 == self.keys.len() && self.over.is_none() {
            while self.packets.next()?.is_some() {}
            self.over = Some(self.last_end());
        }
        Ok(self.end().is_none_or(|end| ticks < end))
    }

    fn find_key_ahead(&mut self, ticks: i64) -> Result<bool, Ended> {
        let target = self.source_time(ticks);
        if !self.pass_by(target)? {
            self.keys_only = false;
            self.restart()?;
            return self.find(ticks);
        }
        if let Some(due) = self.key.later.iter().position(|packet| shown(packet).is_some_and(|time| time <= target)) {
            let packet = self.key.later.remove(due);
            self.decode_key(&packet)?;
        }
        // The first picture stands from zero.
        while self.current.is_none() {
            let packet = if self.key.later.is_empty() { self.next_key()? } else { Some(self.key.later.remove(0)) };
            self.decode_key(&packet.ok_or_else(undecodable)?)?;
        }
        Ok(self.end().is_none_or(|end| ticks < end))
    }

    /// Reads all packets that can be shown at a source time; of the key frames that are, the last one stays. False: there is
    /// one without a time.
    fn pass_by(&mut self, target: i64) -> Result<bool, Ended> {
        loop {
            let Some(packet) = self.packets.peek()? else {
                self.over = self.over.or_else(|| Some(self.last_end()));
                return Ok(true);
            };
            // What is decoded later is shown later still.
            if packet.order_time().is_some_and(|time| time > target) {
                return Ok(true);
            }
            let Some(packet) = self.packets.next()?.filter(is_whole) else { continue };
            let Some(time) = shown(&packet) else { return Ok(false) };
            self.key.first.get_or_insert(time);
            if time <= target {
                self.key.later.retain(|other| shown(other).is_some_and(|other| other > time));
            }
            self.key.later.push(packet);
        }
    }

    fn next_key(&mut self) -> Result<Option<Packet>, Ended> {
        while let Some(packet) = self.packets.next()? {
            if is_whole(&packet) {
                self.key.first = self.key.first.or_else(|| shown(&packet));
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }

    /// Makes a key frame the current picture; of one that is damaged the one before stays.
    fn decode_key(&mut self, packet: &Packet) -> Result<(), Ended> {
        let before = self.current.take();
        self.begin(self.key.first == shown(packet))?;
        self.decode(Some(packet))?;
        self.decode(None)?;
        self.current = self.queue.pop_front().or(before);
        Ok(())
    }

    /// Decodes the key frame that the source stands at, and nothing else.
    fn decode_one(&mut self) -> Result<(), Ended> {
        while let Some(packet) = self.packets.next()? {
            if is_whole(&packet) {
                self.decode(Some(&packet))?;
                return self.decode(None);
            }
        }
        Ok(())
    }
}

/// When a packet's picture is shown, as far as it says.
fn shown(packet: &Packet) -> Option<i64> {
    packet.pts().or(packet.dts())
}

fn is_whole(packet: &Packet) -> bool {
    packet.is_key() && !packet.is_discarded()
}
