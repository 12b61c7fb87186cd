//! Text of a joined source: its renditions last for all parts, decoders for one. While a part is read, what it has text for
//! is in the tracks of that part; the others wait, at the part's end already, as nothing of it is theirs.

use super::{INTERLEAVED_US, MICROS, Texts, Track, Window, Written};
use crate::av::Packet;
use crate::model::joined::{PartText, TextPart};
use crate::model::plan::Plan;
use crate::model::time::{Ratio, rescale};
use crate::pipeline::control::Control;
use crate::pipeline::demux::Demux;
use crate::pipeline::flow::Stopped;
use crate::pipeline::outlet::{Outlet, TrackOutlet};

/// All text of the pass.
pub(in crate::pipeline) struct Parts<'a> {
    plan: &'a Plan,
    waiting: Vec<Written<'a>>,
    here: Texts<'a>,
    /// Source time behind which nothing of the part is shown, µs.
    end: i64,
    /// Until when all text of the part was read, source µs.
    read: i64,
}

impl<'a> Parts<'a> {
    /// Tells the outlet of the renditions.
    pub(in crate::pipeline) fn begin(
        plan: &'a Plan,
        outlet: &'a dyn Outlet,
        control: &'a Control,
    ) -> Result<Self, Stopped> {
        let begin = |rendition| Written::begin(rendition, plan.grid, TrackOutlet::new(&rendition.id, outlet, control));
        let waiting = plan.text.iter().map(begin).collect::<Result<_, _>>()?;
        Ok(Self { plan, waiting, here: Texts::none(), end: i64::MAX, read: i64::MIN })
    }

    /// How many parts there are; zero without text.
    pub(in crate::pipeline) fn count(&self) -> usize {
        self.plan.text.iter().map(|rendition| rendition.parts.len()).max().unwrap_or(0)
    }

    /// The input of a part, and its streams that somebody wants the text of.
    pub(in crate::pipeline) fn wanted(&mut self, number: usize) -> Option<(usize, Vec<u32>)> {
        self.waiting.retain(|written| written.outlet.wanted().is_ok());
        let parts = self.waiting.iter().filter_map(|written| written.rendition.parts.get(number));
        let found: Vec<(usize, u32)> = parts.filter_map(|part| Some((part.input, part.text?.stream))).collect();
        let (input, _) = *found.first()?;
        Some((input, found.into_iter().map(|(_, stream)| stream).collect()))
    }

    /// A part begins: what it has nothing for is over with it, for the rest there are decoders.
    pub(in crate::pipeline) fn enter(&mut self, number: usize, demux: Option<&Demux>) -> Result<(), Stopped> {
        (self.end, self.read) = (i64::MIN, i64::MIN);
        for mut written in std::mem::take(&mut self.waiting) {
            let Some(part) = written.rendition.parts.get(number) else {
                self.waiting.push(written);
                continue;
            };
            written.window = Window::of(part);
            let Some((text, demux)) = part.text.zip(demux) else {
                written.leave()?;
                self.waiting.push(written);
                continue;
            };
            self.end = self.end.max(end_in_source(part, text));
            match self.here.tracks.iter_mut().find(|track| track.stream == text.stream) {
                Some(track) => track.renditions.push(written),
                None => {
                    let track = Track::open(demux, text.stream, false)?;
                    self.here.tracks.push(Track { renditions: vec![written], ..track });
                }
            }
        }
        Ok(())
    }

    /// Takes a packet of any stream of the part; true when it was text.
    pub(in crate::pipeline) fn take(
        &mut self,
        packet: &Packet,
        time_base: Ratio,
        control: &Control,
    ) -> Result<bool, Stopped> {
        let is_text = self.here.take(packet, time_base, control)?;
        if let Some(time) = packet.order_time() {
            self.read = self.read.max(rescale(time, time_base, MICROS).saturating_sub(INTERLEAVED_US));
        }
        Ok(is_text)
    }

    /// Whether nothing more of the part is needed.
    pub(in crate::pipeline) fn is_over(&self) -> bool {
        self.here.tracks.is_empty() || self.read >= self.end
    }

    /// Whether nobody wants any text of any part.
    pub(in crate::pipeline) fn is_unwanted(&mut self) -> bool {
        self.waiting.retain(|written| written.outlet.wanted().is_ok());
        self.here.is_unwanted() && self.waiting.is_empty()
    }

    /// The part is over.
    pub(in crate::pipeline) fn leave(&mut self) -> Result<(), Stopped> {
        for mut track in std::mem::take(&mut self.here.tracks) {
            track.close(i64::MAX);
            track.renditions.iter_mut().try_for_each(Written::leave)?;
            self.waiting.append(&mut track.renditions);
        }
        Ok(())
    }

    /// All parts are over.
    pub(in crate::pipeline) fn finish(self) -> Result<(), Stopped> {
        self.waiting.into_iter().try_for_each(Written::finish)
    }
}

impl Window {
    /// Where a part lies.
    fn of(part: &TextPart) -> Self {
        let origin = part.text.map_or(0, |text| text.origin_us);
        Self { origin, start: part.start_us, end: part.end_us.unwrap_or(i64::MAX) }
    }
}

impl Written<'_> {
    /// Nothing more is shown in the part.
    fn leave(&mut self) -> Result<(), Stopped> {
        match self.window.end {
            // The last one: what ends it is the end of the output.
            i64::MAX => Ok(()),
            end => self.advance(end.saturating_sub(self.window.start).saturating_add(self.window.origin)),
        }
    }
}

/// Where a part ends in its source, µs.
fn end_in_source(part: &TextPart, text: PartText) -> i64 {
    part.end_us.map_or(i64::MAX, |end| text.origin_us.saturating_add(end - part.start_us))
}
