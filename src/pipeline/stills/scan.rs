//! Finds the picture that is shown at an instant, with as little decoding as the container allows.
//!
//! Whole groups of pictures that nothing is wanted of are left out: by the index where that leads exactly to any place,
//! elsewhere by a look at the packets ahead. Of key frames alone those are decoded. Instants must not go back.

use super::Ended;
use super::keys::KeyWalk;
use super::packets::Packets;
use crate::av::{ByteSource, Frame, Packet};
use crate::model::Problem;
use crate::model::plan::VideoPlan;
use crate::model::time::{Ratio, rescale, scale_floor};
use crate::pipeline::clock::FrameClock;
use crate::pipeline::control::Control;
use crate::pipeline::decode::{DecoderSpec, Tolerant, undecodable};
use crate::pipeline::demux::Demux;
use crate::pipeline::faults;
use crate::pipeline::flow::Stopped;
use crate::pipeline::prepare::Filter;
use crate::pipeline::video::PREROLL_US;
use std::collections::VecDeque;

/// Jumps that would save less decoding than this are not worth a new decoder.
const JUMP_US: i64 = 500_000;
const MICROS: Ratio = Ratio::new(1, 1_000_000);

/// Opens an input by its place, each time from its beginning; the source is the first, the parts of a joined one follow.
pub type Open<'a> = &'a dyn Fn(usize) -> Result<Box<dyn ByteSource>, Problem>;

/// A picture and where it begins to be shown, output ticks.
pub struct Shown {
    /// The pixels, as decoded or without fields.
    pub frame: Frame,
    /// Output ticks; below zero for one that stands at an in point.
    pub ticks: i64,
}

/// A walk through the pictures of a source.
pub struct Scanner<'a> {
    pub(super) open: (Open<'a>, usize),
    pub(super) video: &'a VideoPlan,
    pub(super) control: &'a Control,
    pub(super) keys_only: bool,
    pub(super) packets: Packets<'a>,
    spec: DecoderSpec,
    /// Where decoding can start, ticks of the source by the container's index; empty where a seek is not exact.
    pub(super) keys: Vec<i64>,
    /// Without an index, packets tell where decoding can start.
    looks_ahead: bool,
    run: Run<'a>,
    pub(super) queue: VecDeque<Shown>,
    pub(super) current: Option<Shown>,
    /// Of key frames alone, which of them the current picture is.
    pub(super) key: KeyWalk,
    /// Decoding began at the source's beginning.
    pub(super) from_start: bool,
    /// Source time of the latest picture.
    position: Option<i64>,
    /// Where the pictures end, output ticks, once that was seen.
    pub(super) over: Option<i64>,
}

/// What begins anew after a jump.
struct Run<'a> {
    decoder: Tolerant<'a>,
    clock: FrameClock,
    /// Deinterlacing looks at neighbours, so all pictures go through it.
    fields: Option<Filter<'a>>,
    /// For each frame in there whether it came without a time.
    untimed: VecDeque<bool>,
}

impl<'a> Scanner<'a> {
    /// Opens the source of a plan, which is this input.
    ///
    /// # Errors
    /// `source.*`.
    pub fn start(
        open: (Open<'a>, usize),
        video: &'a VideoPlan,
        keys_only: bool,
        control: &'a Control,
    ) -> Result<Self, Ended> {
        let demux = Demux::open(open.0(open.1)?, &[video.stream], control)?;
        let info = demux.input().stream_info(video.stream).map_err(faults::internal)?;
        let mut keys = Vec::new();
        if demux.input().seeks_exactly(video.stream) {
            let shown = |entry: &crate::av::input::IndexEntry| entry.key && !entry.hidden;
            keys =
                demux.input().index(video.stream).iter().filter(|entry| shown(entry)).map(|entry| entry.time).collect();
            keys.sort_unstable();
        }
        let spec = DecoderSpec { params: info.params, time_base: info.time_base, threads: video.decode_threads };
        let run = Run::new(&spec, video, true, control)?;
        Ok(Self {
            open,
            video,
            control,
            keys_only,
            packets: Packets::new(demux, video.stream, control),
            spec,
            looks_ahead: keys.is_empty(),
            keys,
            run,
            queue: VecDeque::new(),
            current: None,
            key: KeyWalk::default(),
            from_start: true,
            position: None,
            over: None,
        })
    }

    /// The picture that is shown at an instant, µs of the output; `None` past the end. Instants must not go back.
    ///
    /// # Errors
    /// `source.*`, or that nobody wants it any more.
    pub fn at(&mut self, us: i64) -> Result<Option<&Shown>, Ended> {
        self.at_ticks(scale_floor(us, i64::from(self.video.timescale), 1_000_000))
    }

    /// The same by ticks of the output.
    ///
    /// # Errors
    /// As [`Scanner::at`].
    pub fn at_ticks(&mut self, ticks: i64) -> Result<Option<&Shown>, Ended> {
        if self.video.end.is_some_and(|end| ticks >= end) {
            return Ok(None);
        }
        let found = if self.keys_only { self.find_key(ticks)? } else { self.find(ticks)? };
        Ok(if found { self.current.as_ref() } else { None })
    }

    /// The picture that was found last: past the end the last one of all.
    pub const fn current(&self) -> Option<&Shown> {
        self.current.as_ref()
    }

    /// Whether pictures come out as the plan prepares them: those that filters look around for.
    pub const fn is_prepared(&self) -> bool {
        self.run.fields.is_some()
    }

    /// Where the pictures end, µs, once an instant past it was asked for.
    pub fn end_us(&self) -> Option<i64> {
        self.end().map(|end| scale_floor(end, 1_000_000, i64::from(self.video.timescale)))
    }

    /// The same in ticks of the output; sooner, where the plan says so.
    pub fn end(&self) -> Option<i64> {
        [self.over, self.video.end].into_iter().flatten().min()
    }

    /// Makes the picture shown at an instant the current one; false past the end.
    pub(super) fn find(&mut self, ticks: i64) -> Result<bool, Ended> {
        self.jump(ticks)?;
        self.look_ahead(ticks)?;
        loop {
            while self.queue.front().is_some_and(|next| next.ticks <= ticks) {
                self.current = self.queue.pop_front();
            }
            if !self.queue.is_empty() {
                break;
            }
            if let Some(end) = self.end().filter(|_| self.over.is_some()) {
                if ticks >= end {
                    return Ok(false);
                }
                break;
            }
            if self.packets.is_empty() {
                self.look_ahead(ticks)?;
            }
            self.advance()?;
        }
        if self.current.is_none() && !self.from_start {
            // The index was wrong about where pictures lie, or the packets were.
            self.keys.clear();
            self.looks_ahead = false;
            self.restart()?;
            return self.find(ticks);
        }
        // The first picture stands from zero.
        if self.current.is_none() {
            self.current = self.queue.pop_front();
        }
        if self.current.is_none() { Err(undecodable().into()) } else { Ok(true) }
    }

    /// Where the last packet's picture ends, output ticks.
    pub(super) fn last_end(&self) -> i64 {
        let timeline = self.video.timeline();
        let latest = self.packets.latest();
        let last = latest.map_or(0, |(pts, _)| timeline.snap(timeline.ticks(pts)));
        let own = latest.map(|(_, duration)| rescale(duration, self.video.time_base, timeline.output_time_base()));
        let own = own.filter(|own| *own > 0 && self.video.frame_ticks.is_none());
        let by_packets = last + own.unwrap_or_else(|| self.video.nominal_ticks());
        if self.keys_only { by_packets } else { self.run.clock.end(latest.map(|(_, duration)| duration)) }
    }

    /// Jumps to the group of pictures that an instant lies in, where that leaves enough out.
    fn jump(&mut self, ticks: i64) -> Result<(), Ended> {
        let target = self.source_time(ticks);
        let time = self.decoded_from(target);
        let Some(key) = self.key_before(time) else { return Ok(()) };
        let reached = self.position.or_else(|| self.keys.first().copied());
        let least = rescale(JUMP_US, MICROS, self.video.time_base);
        if reached.is_none_or(|reached| self.keys[key].saturating_sub(reached) < least) {
            return Ok(());
        }
        self.seek_for(time, target).map(drop)
    }

    /// The same without an index.
    fn look_ahead(&mut self, ticks: i64) -> Result<(), Ended> {
        if !self.looks_ahead {
            return Ok(());
        }
        let first = self.position.or(self.packets.peek()?.and_then(Packet::pts));
        let Some(reached) = first else { return Ok(()) };
        let worth = reached.saturating_add(rescale(JUMP_US, MICROS, self.video.time_base));
        let time = self.decoded_from(self.source_time(ticks));
        if worth <= time && self.packets.skip_to_key(time, worth)? {
            self.begin(false)?;
        }
        Ok(())
    }

    /// Filters that look at neighbours see some before the instant.
    fn decoded_from(&self, target: i64) -> i64 {
        let before = if self.run.fields.is_some() { PREROLL_US } else { 0 };
        target.saturating_sub(rescale(before, MICROS, self.video.time_base))
    }

    /// Goes to where decoding of a source time can start, so that the first picture there is shown no later than `target`;
    /// gives which of the keys that is.
    pub(super) fn seek_for(&mut self, time: i64, target: i64) -> Result<usize, Ended> {
        let mut at = self.seek(time)?;
        // The index is by decoding time: the first picture there may be shown later than the instant.
        while at > 0 && self.packets.peek()?.and_then(Packet::pts).is_some_and(|pts| pts > target) {
            let earlier = self.seek(self.keys[at].saturating_sub(1))?;
            if earlier >= at {
                break;
            }
            at = earlier;
        }
        Ok(at)
    }

    /// The last place at or before a source time from where decoding can start.
    pub(super) fn key_before(&self, time: i64) -> Option<usize> {
        self.keys.partition_point(|key| *key <= time).checked_sub(1)
    }

    pub(super) fn source_time(&self, ticks: i64) -> i64 {
        let output = Ratio::new(1, i64::from(self.video.timescale));
        self.video.origin.saturating_add(rescale(ticks, output, self.video.time_base))
    }

    /// Containers differ in whether they look for times of decoding or of presentation, so where it led is looked at.
    fn seek(&mut self, time: i64) -> Result<usize, Ended> {
        self.packets.seek(time)?;
        let stands = self.packets.peek()?.and_then(Packet::order_time);
        let at = stands.and_then(|stands| self.key_before(stands)).unwrap_or(0);
        self.begin(at == 0)?;
        Ok(at)
    }

    /// Begins again, at the beginning.
    pub(super) fn restart(&mut self) -> Result<(), Ended> {
        let demux = Demux::open(self.open.0(self.open.1)?, &[self.video.stream], self.control)?;
        self.packets = Packets::new(demux, self.video.stream, self.control);
        self.begin(true)
    }

    pub(super) fn begin(&mut self, from_start: bool) -> Result<(), Ended> {
        self.run = Run::new(&self.spec, self.video, from_start, self.control)?;
        self.queue.clear();
        (self.current, self.position, self.over) = (None, None, self.over.filter(|_| self.keys_only));
        self.from_start = from_start;
        Ok(())
    }

    /// Decodes a packet more.
    fn advance(&mut self) -> Result<(), Ended> {
        match self.packets.next()? {
            Some(packet) => self.decode(Some(&packet)),
            None => {
                self.decode(None)?;
                self.over = Some(self.last_end());
                Ok(())
            }
        }
    }

    /// Gives the decoder a packet, or drains it, and puts what comes out on the timeline.
    pub(super) fn decode(&mut self, packet: Option<&Packet>) -> Result<(), Ended> {
        let Self { run, queue, position, over, video, .. } = self;
        let Run { decoder, clock, fields, untimed } = run;
        let mut place = |frame: Frame, pts: Option<i64>| {
            *position = (*position).max(pts);
            match (clock.place(pts), video.end) {
                // Those that follow lie behind the end too.
                (Some(ticks), Some(end)) if ticks >= end => *over = Some(end),
                (Some(ticks), _) => queue.push_back(Shown { frame, ticks }),
                (None, _) => {}
            }
            Ok(())
        };
        let Some(filter) = fields else {
            decoder.decode(packet, &mut |mut frame| {
                let pts = frame.best_effort_pts();
                frame.set_pts(Some(pts.unwrap_or(0)));
                place(frame, pts)
            })?;
            return Ok(());
        };
        let mut decoded = Vec::new();
        decoder.decode(packet, &mut |frame| {
            decoded.push(frame);
            Ok(())
        })?;
        for mut frame in decoded {
            let pts = frame.best_effort_pts();
            frame.set_pts(pts);
            untimed.push_back(pts.is_none());
            filter.apply(frame, &mut |frame| leave(untimed, frame, &mut place))?;
        }
        if packet.is_none() {
            filter.drain(&mut |frame| leave(untimed, frame, &mut place))?;
        }
        Ok(())
    }
}

/// A frame has come out of the graph.
fn leave(
    untimed: &mut VecDeque<bool>,
    frame: Frame,
    place: &mut dyn FnMut(Frame, Option<i64>) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let pts = if untimed.pop_front().unwrap_or(false) { None } else { frame.pts() };
    place(frame, pts)
}

impl<'a> Run<'a> {
    fn new(spec: &DecoderSpec, video: &VideoPlan, from_start: bool, control: &'a Control) -> Result<Self, Problem> {
        let looks_around = video.prepare.contains("bwdif");
        Ok(Self {
            decoder: Tolerant::open(spec, control)?,
            clock: FrameClock::new(video, from_start),
            fields: looks_around.then(|| Filter::new("single pictures", &video.prepare, video.time_base)),
            untimed: VecDeque::new(),
        })
    }
}
