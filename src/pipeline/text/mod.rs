//! Stage: text. Receives packets of text and how far the others are, on the thread that demuxes; sends finished segments to
//! the outlet; owns a decoder for each stream and a segmenter for each rendition. Bound: cues and bytes by
//! `model::limits`. Ends: with the source; renditions that are dropped are let go.

mod captions;
mod parts;
mod sidecar;

use captions::Carried;
pub(super) use parts::Parts;
pub use sidecar::sidecar;

use super::control::Control;
use super::demux::Demux;
use super::faults;
use super::flow::Stopped;
use super::outlet::{FinishedFile, FinishedSegment, Outlet, TrackInit, TrackOutlet};
use crate::av::{Packet, SubtitleDecoder};
use crate::model::limits::CUES_MAX;
use crate::model::plan::Grid;
use crate::model::text::{TextFormat, TextRendition};
use crate::model::time::{Ratio, rescale};
use crate::model::{Packaging, Plan, Problem};
use crate::package::webvtt::{Clock, Cue, Segment, Segmenter, file, fragment, from_ass, init_segment};
use std::sync::atomic::Ordering;

const MICROS: Ratio = Ratio::new(1, 1_000_000);
/// How far packets of text may stand behind others of their time in a container, µs: muxers interleave to a second, and
/// what comes later still is shown from the next segment on.
const INTERLEAVED_US: i64 = 10_000_000;
/// How long text is shown that nothing ends, µs.
const SHOWN_US_MAX: i64 = 10_000_000;

/// All text of a pass.
pub(super) struct Texts<'a> {
    tracks: Vec<Track<'a>>,
    carried: Vec<Carried<'a>>,
}

/// Counts cues, of which a damaged or hostile source may have endless ones.
struct TextLimit {
    what: String,
    cues: u32,
}

/// One stream of the source.
struct Track<'a> {
    stream: u32,
    time_base: Ratio,
    decoder: SubtitleDecoder,
    /// It is a file of text, in which times are what they say; in a container no duration means until something else is.
    is_file: bool,
    limit: TextLimit,
    /// What is shown until something else is said: since when, source µs, and what.
    open: Option<(i64, Vec<(String, String)>)>,
    renditions: Vec<Written<'a>>,
}

/// One rendition of it.
struct Written<'a> {
    rendition: &'a TextRendition,
    window: Window,
    segmenter: Option<Segmenter>,
    outlet: TrackOutlet<'a>,
    segments: u64,
}

/// Where what is read lies on the output timeline, µs.
#[derive(Clone, Copy)]
struct Window {
    /// Source time that lies at `start`.
    origin: i64,
    /// Nothing is shown before this.
    start: i64,
    /// Nor from here on.
    end: i64,
}

impl<'a> Texts<'a> {
    /// No text.
    const fn none() -> Self {
        Self { tracks: Vec::new(), carried: Vec::new() }
    }

    /// Opens the decoders, and tells the outlet of the renditions.
    pub(super) fn open(
        demux: &Demux,
        plan: &'a Plan,
        outlet: &'a dyn Outlet,
        control: &'a Control,
    ) -> Result<Self, Stopped> {
        let Self { mut tracks, mut carried } = Self::none();
        for rendition in &plan.text {
            let written = Written::begin(rendition, plan.grid, TrackOutlet::new(&rendition.id, outlet, control));
            if let Some(channel) = rendition.caption {
                let at = match carried.iter().position(|one| one.stream() == rendition.stream) {
                    Some(at) => at,
                    None => {
                        let info = demux.input().stream_info(rendition.stream).map_err(faults::internal)?;
                        let (codec, extradata) = (info.params.codec_name(), info.params.extradata());
                        carried.push(Carried::open(rendition.stream, &codec, extradata, info.time_base)?);
                        carried.len() - 1
                    }
                };
                carried[at].add(channel, written?);
                continue;
            }
            match tracks.iter_mut().find(|track| track.stream == rendition.stream) {
                Some(track) => track.renditions.push(written?),
                None => {
                    let is_file = rendition.sidecar_encoding.is_some();
                    let track = Track::open(demux, rendition.stream, is_file)?;
                    tracks.push(Track { renditions: vec![written?], ..track });
                }
            }
        }
        Ok(Self { tracks, carried })
    }

    /// Whether nobody wants any text, or any more of it.
    pub(super) fn is_unwanted(&mut self) -> bool {
        for track in &mut self.tracks {
            track.renditions.retain(|written| written.outlet.wanted().is_ok());
        }
        self.tracks.retain(|track| !track.renditions.is_empty());
        self.carried.retain_mut(|carried| !carried.is_unwanted());
        self.tracks.is_empty() && self.carried.is_empty()
    }

    /// Takes a packet of any stream; true when it was text and nothing else.
    pub(super) fn take(&mut self, packet: &Packet, time_base: Ratio, control: &Control) -> Result<bool, Stopped> {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.stream == packet.stream()) {
            track.decode(packet, control)?;
            return Ok(true);
        }
        if let Some(carried) = self.carried.iter_mut().find(|carried| carried.stream() == packet.stream()) {
            carried.take(packet)?;
        }
        if let Some(time) = packet.order_time() {
            let until = rescale(time, time_base, MICROS).saturating_sub(INTERLEAVED_US);
            for track in self.tracks.iter_mut().filter(|track| track.open.is_none()) {
                track.renditions.iter_mut().try_for_each(|written| written.advance(until))?;
            }
        }
        Ok(false)
    }

    /// The source is over.
    pub(super) fn finish(self) -> Result<(), Stopped> {
        for mut track in self.tracks {
            track.close(i64::MAX);
            track.renditions.into_iter().try_for_each(Written::finish)?;
        }
        self.carried.into_iter().try_for_each(Carried::finish)
    }
}

impl TextLimit {
    const fn new(what: String) -> Self {
        Self { what, cues: 0 }
    }

    /// One more.
    fn count(&mut self) -> Result<(), Stopped> {
        self.cues = self.cues.saturating_add(1);
        if self.cues > CUES_MAX {
            let message = format!("{} has more than {CUES_MAX} cues: leave it out", self.what);
            return Err(Problem::input("text.too_large", message).into());
        }
        Ok(())
    }
}

impl Track<'_> {
    /// Opens the decoder of a stream, for no rendition yet.
    fn open(demux: &Demux, stream: u32, is_file: bool) -> Result<Self, Stopped> {
        let info = demux.input().stream_info(stream).map_err(faults::internal)?;
        let decoder = SubtitleDecoder::open(&info.params, info.time_base).map_err(|error| {
            let what = format!("text stream {stream} cannot be decoded here ({error})");
            Problem::input("text.unsupported", format!("{what}; leave it out, or convert it to WebVTT"))
        })?;
        let (time_base, limit) = (info.time_base, TextLimit::new(format!("text stream {stream}")));
        Ok(Self { stream, time_base, decoder, is_file, limit, open: None, renditions: Vec::new() })
    }

    fn decode(&mut self, packet: &Packet, control: &Control) -> Result<(), Stopped> {
        let Some(time) = packet.pts().or(packet.dts()) else { return Ok(()) };
        let start = rescale(time, self.time_base, MICROS);
        let shown = match self.decoder.decode(packet) {
            Ok(Some(shown)) => shown,
            Ok(None) => return Ok(()),
            // One cue that cannot be read is no reason to lose the others.
            Err(_) => {
                control.decode_errors.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        };
        self.close(start);
        let cues: Vec<_> = shown.events.iter().filter_map(|event| from_ass(event)).collect();
        if cues.is_empty() {
            return Ok(());
        }
        self.limit.count()?;
        let lasts = Some(rescale(packet.duration(), self.time_base, MICROS)).filter(|us| *us > 0);
        match lasts.or(shown.end_ms.map(|ms| i64::from(ms) * 1000)) {
            Some(us) => self.show(start, start.saturating_add(us), &with_settings(cues, packet)),
            None if self.is_file => {}
            None => self.open = Some((start, with_settings(cues, packet))),
        }
        Ok(())
    }

    /// Ends what is shown until something else is said.
    fn close(&mut self, now: i64) {
        if let Some((start, cues)) = self.open.take() {
            self.show(start, now.min(start.saturating_add(SHOWN_US_MAX)), &cues);
        }
    }

    fn show(&mut self, start: i64, end: i64, cues: &[(String, String)]) {
        self.renditions.iter_mut().for_each(|written| written.show(start, end, cues));
    }
}

/// Settings that came beside the cue stand instead of those that its style gives.
fn with_settings(mut cues: Vec<(String, String)>, packet: &Packet) -> Vec<(String, String)> {
    if let Some(own) = packet.webvtt_settings() {
        cues.iter_mut().for_each(|(settings, _)| settings.clone_from(&own));
    }
    cues
}

impl<'a> Written<'a> {
    fn begin(rendition: &'a TextRendition, grid: Grid, outlet: TrackOutlet<'a>) -> Result<Self, Stopped> {
        let init = match rendition.format {
            TextFormat::Vtt => Vec::new(),
            TextFormat::Wvtt => init_segment(),
        };
        let (track, encoder) = (rendition.id.clone(), format!("{} 1", rendition.format.name()));
        match outlet.init(TrackInit { track, init_segment: init, codec_string: "wvtt".to_owned(), encoder }) {
            // It is let go with the first packet.
            Ok(()) | Err(Stopped::Unwanted) => {}
            Err(stopped) => return Err(stopped),
        }
        let end = rendition.end_us.map(|us| rescale(us, MICROS, Ratio::new(1, 1000)).max(1));
        let window = Window { origin: rendition.origin_us, start: 0, end: i64::MAX };
        Ok(Self { rendition, window, segmenter: Some(Segmenter::new(grid, end)), outlet, segments: 0 })
    }

    /// Takes what is shown from when to when, source µs: settings and text.
    fn show(&mut self, start: i64, end: i64, cues: &[(String, String)]) {
        let Some(segmenter) = &mut self.segmenter else { return };
        let window = self.window;
        let ms = |us: i64| milliseconds(window.place(us).max(window.start).min(window.end));
        for (settings, text) in cues {
            let (settings, text) = (settings.clone(), text.clone());
            segmenter.push(Cue { start: ms(start), end: ms(end), settings, text });
        }
    }

    /// No cue that starts before `until`, source µs, comes any more.
    fn advance(&mut self, until: i64) -> Result<(), Stopped> {
        let ms = milliseconds(self.window.place(until).min(self.window.end));
        let segments = self.segmenter.as_mut().map(|segmenter| segmenter.cut(ms)).unwrap_or_default();
        self.write(segments)
    }

    fn finish(mut self) -> Result<(), Stopped> {
        let segments = self.segmenter.take().map(Segmenter::finish).unwrap_or_default();
        self.write(segments)
    }

    fn write(&mut self, segments: Vec<Segment>) -> Result<(), Stopped> {
        for segment in segments {
            let made = finished(self.rendition, &segment);
            match self.outlet.segment(made) {
                Ok(()) => {}
                Err(Stopped::Unwanted) => return Ok(()),
                Err(stopped) => return Err(stopped),
            }
            self.segments += 1;
            self.outlet.progress(self.segments, segment.end.saturating_mul(1000));
        }
        Ok(())
    }
}

impl Window {
    /// A source time on the output timeline.
    const fn place(self, us: i64) -> i64 {
        us.saturating_sub(self.origin).saturating_add(self.start)
    }
}

fn milliseconds(us: i64) -> i64 {
    rescale(us, MICROS, Ratio::new(1, 1000))
}

/// A segment in every packaging that it has. A file counts its cues, an empty one as one.
fn finished(rendition: &TextRendition, segment: &Segment) -> FinishedSegment {
    let mut frames = u32::try_from(segment.cues.len()).unwrap_or(u32::MAX).max(1);
    let mut files = Vec::new();
    for packaging in &rendition.packagings {
        let bytes = match (rendition.format, packaging) {
            (TextFormat::Vtt, Packaging::Cmaf) => file(segment, Clock::Cmaf).into_bytes(),
            (TextFormat::Vtt, Packaging::Ts) => file(segment, Clock::Ts).into_bytes(),
            (TextFormat::Wvtt, _) => {
                let (bytes, samples) = fragment(segment);
                frames = samples;
                bytes
            }
        };
        files.push(FinishedFile { packaging: *packaging, bytes, key_frames: Vec::new() });
    }
    FinishedSegment {
        track: rendition.id.clone(),
        index: segment.index,
        start: segment.start,
        duration: segment.end - segment.start,
        frames,
        files,
    }
}
