//! Finds the picture that is shown at an instant, with as little decoding as the container allows.
//!
//! Where it leads exactly to any place, whole groups of pictures that nothing is wanted of are jumped over; elsewhere all
//! is decoded up to the instant, or of key frames alone those. Instants must not go back.

use super::Ended;
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

/// Opens the source, each time from its beginning.
pub type Open<'a> = &'a dyn Fn() -> Result<Box<dyn ByteSource>, Problem>;

/// A picture and where it begins to be shown, output ticks.
pub struct Shown {
    /// The pixels, as decoded or without fields.
    pub frame: Frame,
    /// Output ticks; below zero for one that stands at an in point.
    pub ticks: i64,
}

/// A walk through the pictures of a source.
pub struct Scanner<'a> {
    open: Open<'a>,
    video: &'a VideoPlan,
    control: &'a Control,
    keys_only: bool,
    demux: Demux,
    spec: DecoderSpec,
    /// Where decoding can start, ticks of the source by the container's index; empty where a seek is not exact.
    keys: Vec<i64>,
    run: Run<'a>,
    /// A packet that was read to look at it.
    peeked: Option<Packet>,
    queue: VecDeque<Shown>,
    current: Option<Shown>,
    /// Of key frames alone: which of `keys` the current picture is.
    at_key: Option<usize>,
    /// Decoding began at the source's beginning.
    from_start: bool,
    /// Source time of the latest picture.
    position: Option<i64>,
    /// Time and duration of the latest packet, source ticks.
    latest: Option<(i64, i64)>,
    /// Where the pictures end, output ticks, once that was seen.
    over: Option<i64>,
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
    /// Opens the source of a plan.
    ///
    /// # Errors
    /// `source.*`.
    pub fn start(open: Open<'a>, video: &'a VideoPlan, keys_only: bool, control: &'a Control) -> Result<Self, Ended> {
        let demux = Demux::open(open()?, &[video.stream], control)?;
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
            demux,
            spec,
            keys,
            run,
            peeked: None,
            queue: VecDeque::new(),
            current: None,
            at_key: None,
            from_start: true,
            position: None,
            latest: None,
            over: None,
        })
    }

    /// The picture that is shown at an instant, µs of the output; `None` past the end. Instants must not go back.
    ///
    /// # Errors
    /// `source.*`, or that nobody wants it any more.
    pub fn at(&mut self, us: i64) -> Result<Option<&Shown>, Ended> {
        let ticks = scale_floor(us, i64::from(self.video.timescale), 1_000_000);
        if self.video.end.is_some_and(|end| ticks >= end) {
            return Ok(None);
        }
        let found = if self.keys_only && !self.keys.is_empty() { self.find_key(ticks)? } else { self.find(ticks)? };
        Ok(if found { self.current.as_ref() } else { None })
    }

    /// Where the pictures end, µs, once an instant past it was asked for.
    pub fn end_us(&self) -> Option<i64> {
        self.end().map(|end| scale_floor(end, 1_000_000, i64::from(self.video.timescale)))
    }

    fn end(&self) -> Option<i64> {
        [self.over, self.video.end].into_iter().flatten().min()
    }

    /// Makes the picture shown at an instant the current one; false past the end.
    fn find(&mut self, ticks: i64) -> Result<bool, Ended> {
        self.jump(ticks)?;
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
            self.advance()?;
        }
        if self.current.is_none() && !self.from_start {
            // The index was wrong about where pictures lie.
            self.keys.clear();
            self.restart()?;
            return self.find(ticks);
        }
        // The first picture stands from zero.
        if self.current.is_none() {
            self.current = self.queue.pop_front();
        }
        if self.current.is_none() { Err(undecodable().into()) } else { Ok(true) }
    }

    /// As [`Scanner::find`], by the index alone: one key frame is decoded.
    fn find_key(&mut self, ticks: i64) -> Result<bool, Ended> {
        let target = self.source_time(ticks);
        let key = self.key_before(target).unwrap_or(0);
        if self.at_key != Some(key) {
            let at = self.seek_for(target, target)?;
            self.decode_one()?;
            self.current = self.queue.pop_front();
            self.at_key = Some(at);
        }
        if self.current.is_none() {
            return Err(undecodable().into());
        }
        if key + 1 == self.keys.len() && self.over.is_none() {
            self.read_to_end()?;
        }
        Ok(self.end().is_none_or(|end| ticks < end))
    }

    /// Reads what is left of the source without decoding it, to see where it ends.
    fn read_to_end(&mut self) -> Result<(), Ended> {
        while self.packet()?.is_some() {}
        self.over = Some(self.last_end());
        Ok(())
    }

    /// Where the last packet's picture ends, output ticks.
    fn last_end(&self) -> i64 {
        let timeline = self.video.timeline();
        let last = self.latest.map_or(0, |(pts, _)| timeline.snap(timeline.ticks(pts)));
        let own = self.latest.map(|(_, duration)| rescale(duration, self.video.time_base, timeline.output_time_base()));
        let own = own.filter(|own| *own > 0 && self.video.frame_ticks.is_none());
        let by_packets = last + own.unwrap_or_else(|| self.video.nominal_ticks());
        if self.keys_only { by_packets } else { self.run.clock.end(self.latest.map(|(_, duration)| duration)) }
    }

    /// Jumps to the group of pictures that an instant lies in, where that leaves enough out.
    fn jump(&mut self, ticks: i64) -> Result<(), Ended> {
        let us = |us: i64| rescale(us, MICROS, self.video.time_base);
        // Filters that look at neighbours see some before the instant.
        let before = if self.run.fields.is_some() { us(PREROLL_US) } else { 0 };
        let target = self.source_time(ticks);
        let time = target.saturating_sub(before);
        let Some(key) = self.key_before(time) else { return Ok(()) };
        let reached = self.position.or_else(|| self.keys.first().copied());
        if reached.is_none_or(|reached| self.keys[key].saturating_sub(reached) < us(JUMP_US)) {
            return Ok(());
        }
        self.seek_for(time, target).map(drop)
    }

    /// Goes to where decoding of a source time can start, so that the first picture there is shown no later than `target`;
    /// gives which of the keys that is.
    fn seek_for(&mut self, time: i64, target: i64) -> Result<usize, Ended> {
        let mut at = self.seek(time)?;
        // The index is by decoding time: the first picture there may be shown later than the instant.
        while at > 0 && self.peeked.as_ref().and_then(Packet::pts).is_some_and(|pts| pts > target) {
            let earlier = self.seek(self.keys[at].saturating_sub(1))?;
            if earlier >= at {
                break;
            }
            at = earlier;
        }
        Ok(at)
    }

    /// The last place at or before a source time from where decoding can start.
    fn key_before(&self, time: i64) -> Option<usize> {
        self.keys.partition_point(|key| *key <= time).checked_sub(1)
    }

    fn source_time(&self, ticks: i64) -> i64 {
        let output = Ratio::new(1, i64::from(self.video.timescale));
        self.video.origin.saturating_add(rescale(ticks, output, self.video.time_base))
    }

    /// Containers differ in whether they look for times of decoding or of presentation, so where it led is looked at.
    fn seek(&mut self, time: i64) -> Result<usize, Ended> {
        self.demux.seek_before(self.video.stream, time)?;
        self.peeked = None;
        let first = self.packet()?;
        let stands = first.as_ref().and_then(|packet| packet.dts().or(packet.pts()));
        let at = stands.and_then(|stands| self.key_before(stands)).unwrap_or(0);
        self.begin(at == 0)?;
        self.peeked = first;
        Ok(at)
    }

    /// Begins again, at the beginning.
    fn restart(&mut self) -> Result<(), Ended> {
        self.demux = Demux::open((self.open)()?, &[self.video.stream], self.control)?;
        self.begin(true)
    }

    fn begin(&mut self, from_start: bool) -> Result<(), Ended> {
        self.run = Run::new(&self.spec, self.video, from_start, self.control)?;
        self.queue.clear();
        (self.current, self.peeked, self.position, self.over) =
            (None, None, None, self.over.filter(|_| self.keys_only));
        self.from_start = from_start;
        Ok(())
    }

    /// Decodes the key frame that the source stands at, and nothing else.
    fn decode_one(&mut self) -> Result<(), Ended> {
        while let Some(packet) = self.packet()? {
            if packet.is_key() {
                self.decode(Some(&packet))?;
                return self.decode(None);
            }
        }
        Ok(())
    }

    /// Decodes a packet more.
    fn advance(&mut self) -> Result<(), Ended> {
        match self.packet()? {
            Some(packet) if self.keys_only && !packet.is_key() => Ok(()),
            Some(packet) => self.decode(Some(&packet)),
            None => {
                self.decode(None)?;
                self.over = Some(self.last_end());
                Ok(())
            }
        }
    }

    /// The next packet of the pictures; `None` at the end of the source.
    fn packet(&mut self) -> Result<Option<Packet>, Ended> {
        if let Some(packet) = self.peeked.take() {
            return Ok(Some(packet));
        }
        loop {
            if self.control.stopped() {
                return Err(Ended::All(Problem::cancelled()));
            }
            let Some(packet) = self.demux.read()? else { return Ok(None) };
            if packet.stream() != self.video.stream {
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

    /// Gives the decoder a packet, or drains it, and puts what comes out on the timeline.
    fn decode(&mut self, packet: Option<&Packet>) -> Result<(), Ended> {
        let Self { run, queue, position, video, .. } = self;
        let Run { decoder, clock, fields, untimed } = run;
        let mut place = |frame: Frame, pts: Option<i64>| {
            *position = (*position).max(pts);
            if let Some(ticks) = clock.place(pts).filter(|ticks| video.end.is_none_or(|end| *ticks < end)) {
                queue.push_back(Shown { frame, ticks });
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
