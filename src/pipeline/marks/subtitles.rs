//! Subtitles that are pictures, drawn as a mark whose picture changes with time.
//!
//! Their packets are read before the span's pictures are, so that nothing depends on how a container interleaves them, and
//! from far enough before it that it begins with what was on the screen already. They stay coded: each rung decodes them as its
//! pictures come. What is shown is a function of the time and of the packets alone.

use super::paint::{Colors, Painted};
use super::raster::Raster;
use crate::av::subtitle::Bitmap;
use crate::av::{ByteSource, Packet, Params, SubtitleDecoder};
use crate::model::limits::{BURNED_BYTES_MAX, BURNED_PACKETS_MAX};
use crate::model::plan::{SpanRange, VideoPlan};
use crate::model::time::{Ratio, rescale};
use crate::model::{Plan, Problem};
use crate::pipeline::demux::Demux;
use crate::pipeline::{Control, faults};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

const MICROS: Ratio = Ratio::new(1, 1_000_000);
/// How long a subtitle is shown at the longest, µs: it takes half as long to read the longest of them.
const SHOWN_US_MAX: i64 = 60_000_000;
/// How far before a span its subtitles are read, µs: one that is still shown began at most [`SHOWN_US_MAX`] before, and
/// what that is made of (an epoch of PGS, a page of DVB) came a little earlier.
const LOOK_BACK_US: i64 = 90_000_000;
/// How far packets of subtitles may stand behind pictures of their time in a container, µs.
const INTERLEAVED_US: i64 = 10_000_000;
const _: () = assert!(SHOWN_US_MAX < LOOK_BACK_US, "a span must see what is still shown where it begins");

/// Coded subtitles of a span.
pub(super) struct Coded {
    params: Mutex<Params>,
    time_base: Ratio,
    /// Width and height of the source's pictures, for subtitles that do not say what they are laid over.
    picture: (u32, u32),
    packets: Vec<CodedPacket>,
}

struct CodedPacket {
    pts: i64,
    duration: i64,
    bytes: Vec<u8>,
}

impl Coded {
    /// Reads those of a stream that a span needs.
    ///
    /// # Errors
    /// `text.burn_in`; `text.too_large`; `source.unreadable`.
    pub(super) fn read(
        source: Box<dyn ByteSource>,
        (plan, video, span): (&Plan, &VideoPlan, SpanRange),
        (stream, origin_us): (u32, i64),
        control: &Control,
    ) -> Result<Self, Problem> {
        // The pictures say where the clock jumps, and where the span is over.
        let mut demux = Demux::open(source, &[stream, video.stream], control)?;
        let info = demux.input().stream_info(stream).map_err(faults::internal)?;
        let picture = demux.input().stream_info(video.stream).map_err(faults::internal)?.size;
        let at = |segment: u32| {
            let ticks = plan.grid.boundary(i64::from(segment), video.timescale);
            rescale(ticks, Ratio::new(1, i64::from(video.timescale)), MICROS).saturating_add(origin_us)
        };
        let from = at(span.first).saturating_sub(LOOK_BACK_US);
        // Where the pictures are reached without a seek so are these; what begins within the look-back is read from there.
        let may_seek = span.first > 0 || video.in_point && demux.input().seeks_exactly(video.stream);
        if may_seek && demux.input().start_us().is_none_or(|start| from > start) {
            demux.seek_before(video.stream, rescale(from, MICROS, video.time_base))?;
        }
        let until = span.end.map(|end| at(end).saturating_add(INTERLEAVED_US));
        let packets = packets(&mut demux, stream, until, control)?;
        let time_base = info.time_base;
        Ok(Self { params: Mutex::new(info.params), time_base, picture, packets })
    }
}

fn packets(demux: &mut Demux, stream: u32, until: Option<i64>, control: &Control) -> Result<Vec<CodedPacket>, Problem> {
    let (mut packets, mut bytes) = (Vec::new(), 0);
    while let Some(packet) = demux.read()? {
        if control.stopped() {
            break;
        }
        if packet.stream() != stream {
            let time_base = demux.time_base(packet.stream());
            let time = packet.order_time().map(|time| rescale(time, time_base, MICROS));
            if until.zip(time).is_some_and(|(until, time)| time > until) {
                break;
            }
            continue;
        }
        let Some(pts) = packet.pts().or(packet.dts()) else { continue };
        bytes += packet.data().len();
        if bytes > BURNED_BYTES_MAX || packets.len() >= BURNED_PACKETS_MAX {
            let message = format!("subtitle stream {stream} is too large to burn in: leave it out");
            return Err(Problem::input("text.too_large", message));
        }
        packets.push(CodedPacket { pts, duration: packet.duration(), bytes: packet.data().to_vec() });
    }
    Ok(packets)
}

/// What is shown from some time on.
struct Event {
    start_us: i64,
    end_us: i64,
    bitmaps: Vec<Bitmap>,
    canvas: (u32, u32),
}

/// A picture, and where its upper left corner lies.
pub(super) type Placed = (Painted, (u32, u32));

/// The subtitles of one rung, for pictures in order of time.
pub(super) struct Subtitles {
    coded: Arc<Coded>,
    decoder: SubtitleDecoder,
    origin_us: i64,
    colors: Colors,
    rung: (u32, u32),
    /// Packets that were decoded.
    taken: usize,
    /// What was decoded and is not shown yet.
    coming: VecDeque<Event>,
    shown: Vec<Placed>,
    /// Until when, source µs.
    shown_until: i64,
}

impl Subtitles {
    /// Those of a rung of this size.
    ///
    /// # Errors
    /// `text.burn_in` where FFmpeg here cannot decode them.
    pub(super) fn new(coded: Arc<Coded>, origin_us: i64, colors: &Colors, rung: (u32, u32)) -> Result<Self, Problem> {
        let params = coded.params.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = SubtitleDecoder::open(&params, coded.time_base);
        drop(params);
        let decoder = opened.map_err(|error| {
            let message = format!("the subtitles to burn in cannot be decoded here ({error}): leave them out");
            Problem::input("text.burn_in", message)
        })?;
        let (coming, shown, colors) = (VecDeque::new(), Vec::new(), *colors);
        Ok(Self { coded, decoder, origin_us, colors, rung, taken: 0, coming, shown, shown_until: i64::MIN })
    }

    /// What is shown at an instant of the output timeline, µs; instants never go back.
    pub(super) fn at(&mut self, at_us: i64) -> &[Placed] {
        let now = at_us.saturating_add(self.origin_us);
        self.decode(now);
        let mut latest = None;
        while self.coming.front().is_some_and(|event| event.start_us <= now) {
            latest = self.coming.pop_front();
        }
        if let Some(event) = latest {
            self.shown_until = event.end_us;
            self.shown = if event.end_us > now { self.painted(&event) } else { Vec::new() };
        }
        if now < self.shown_until { &self.shown } else { &[] }
    }

    /// Decodes what has come by `now`. Packets of one screen stand together, the one that tells its time first.
    fn decode(&mut self, now: i64) {
        let coded = Arc::clone(&self.coded);
        while let Some(packet) = coded.packets.get(self.taken) {
            let time_us = rescale(packet.pts, coded.time_base, MICROS);
            if time_us > now {
                return;
            }
            self.taken += 1;
            let Ok(mut whole) = Packet::from_bytes(&packet.bytes) else { continue };
            whole.set_times(Some(packet.pts), Some(packet.pts), packet.duration);
            // One that cannot be read is no reason to lose the others.
            let Ok(Some(shown)) = self.decoder.decode(&whole) else { continue };
            let start_us = shown.start_us.unwrap_or(time_us);
            let told = shown.end_ms.map(|ms| i64::from(ms).saturating_mul(1000).saturating_add(time_us));
            let lasts = rescale(packet.duration, coded.time_base, MICROS);
            let by_container = (lasts > 0).then(|| time_us.saturating_add(lasts));
            let longest = start_us.saturating_add(SHOWN_US_MAX);
            let end_us = told.or(by_container).filter(|end| *end > start_us).map_or(longest, |end| end.min(longest));
            let canvas = self.decoder.canvas().unwrap_or(coded.picture);
            self.coming.push_back(Event { start_us, end_us, bitmaps: shown.bitmaps, canvas });
        }
    }

    fn painted(&self, event: &Event) -> Vec<Placed> {
        let one = |bitmap: &Bitmap| {
            let (corner, size) = placed(bitmap, event.canvas, self.rung);
            let raster = Raster::premultiplied(bitmap.width, bitmap.height, bitmap.pixels.clone());
            (self.colors.paint(&raster.at_size(size.0, size.1)), corner)
        };
        event.bitmaps.iter().map(one).collect()
    }
}

/// Where a bitmap of a canvas lies in a rung, and how large it is there; the corner is even, and all of it inside.
///
/// A canvas of the rung's shape, or of standard definition, whose pixels are as little square as those of its pictures, is
/// stretched over it. Another one is what the pictures were cut from: it keeps its shape, covers the rung from its middle,
/// and what would lie outside moves in.
fn placed(bitmap: &Bitmap, canvas: (u32, u32), rung: (u32, u32)) -> ((u32, u32), (u32, u32)) {
    /// Largest difference of shapes that is stretched, thousandths.
    const ALIKE: i64 = 20;
    let (cw, ch) = (i64::from(canvas.0.max(1)), i64::from(canvas.1.max(1)));
    let (rw, rh) = (i64::from(rung.0.max(1)), i64::from(rung.1.max(1)));
    let (of_canvas, of_rung) = (cw * rh, rw * ch);
    let alike = (of_canvas - of_rung).abs() * 1000 <= of_rung * ALIKE;
    let standard = cw <= 720 && ch <= 576;
    // Scales as fractions, across and down.
    let (across, down) = match of_canvas > of_rung {
        _ if alike || standard => ((rw, cw), (rh, ch)),
        true => ((rh, ch), (rh, ch)),
        false => ((rw, cw), (rw, cw)),
    };
    let scaled = |value: i64, (num, den): (i64, i64)| (value * num + den / 2) / den;
    let (mut width, mut height) =
        (scaled(i64::from(bitmap.width), across).max(1), scaled(i64::from(bitmap.height), down).max(1));
    if width > rw {
        (width, height) = (rw, (height * rw / width).max(1));
    }
    if height > rh {
        (width, height) = ((width * rh / height).max(1), rh);
    }
    let corner = |at: u32, (num, den): (i64, i64), canvas: i64, size: i64, room: i64| {
        let outside = (scaled(canvas, (num, den)) - room) / 2;
        (scaled(i64::from(at), (num, den)) - outside).clamp(0, room - size) / 2 * 2
    };
    let x = corner(bitmap.x, across, cw, width, rw);
    let y = corner(bitmap.y, down, ch, height, rh);
    ((x as u32, y as u32), (width as u32, height as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: (u32, u32, u32, u32), canvas: (u32, u32), rung: (u32, u32)) -> ((u32, u32), (u32, u32)) {
        let (x, y, width, height) = place;
        placed(&Bitmap { x, y, width, height, pixels: Vec::new() }, canvas, rung)
    }

    #[test]
    fn a_canvas_of_the_pictures_shape_is_stretched_over_them() {
        let hd = (1920, 1080);
        assert_eq!(at((480, 900, 960, 90), hd, (1920, 1080)), ((480, 900), (960, 90)));
        assert_eq!(at((480, 900, 960, 90), hd, (640, 360)), ((160, 300), (320, 30)));
        assert_eq!(at((180, 480, 360, 48), (720, 576), (1024, 576)), ((256, 480), (512, 48)), "wide pixels");
    }

    #[test]
    fn another_canvas_keeps_its_shape_and_nothing_is_lost() {
        let hd = (1920, 1080);
        assert_eq!(at((480, 500, 960, 90), hd, (1920, 800)), ((480, 360), (960, 90)), "cut from the middle");
        assert_eq!(at((480, 980, 960, 90), hd, (1920, 800)), ((480, 710), (960, 90)), "below the pictures");
        assert_eq!(at((480, 900, 960, 90), hd, (1440, 1080)), ((240, 900), (960, 90)));
        let (corner, size) = at((0, 900, 1920, 100), hd, (608, 1080));
        assert_eq!((corner.0, size), (0, (608, 31)), "too wide");
    }
}
