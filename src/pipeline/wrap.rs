//! From cut pictures and packets of sound to the bytes of segments, in each packaging that a track has.
//!
//! CMAF chunks are written by `package::fmp4`, one for each key frame, so that an I-frame playlist can name every one;
//! the initialisation segment comes from FFmpeg, which knows every codec's sample entry. Transport stream segments are
//! muxed by FFmpeg one by one; the publisher lets their continuity counters run on.

use super::account::TrackAccounts;
use super::cut::{Cut, Placed};
use super::faults;
use super::outlet::{FinishedFile, FinishedSegment, TrackInit};
use super::rung::RungSpec;
use super::sound::SoundSpec;
use crate::av::mux::Muxer;
use crate::av::{self, Packet, Params};
use crate::model::ledger::KeyFrame;
use crate::model::plan::Grid;
use crate::model::time::{Ratio, rescale, scale_round};
use crate::model::{AudioCodec, Packaging, Problem, VideoCodec};
use crate::package::framing::{self, ParameterSets};
use crate::package::light::with_light;
use crate::package::vp9_level::vp9_level;
use crate::package::{self, edit_list, fmp4};
use std::borrow::Cow;

/// Ticks a second in a transport stream (ISO/IEC 13818-1 §2.4.3.7).
const TS_CLOCK: Ratio = Ratio::new(1, 90_000);
/// Every transport stream starts at ten seconds: room for decoding times before zero, and the same in all renditions.
const TS_START: i64 = 900_000;
const TRACK_ID: u32 = 1;

/// Wraps the segments of one rung.
pub struct VideoWrapper {
    init: TrackInit,
    params: Params,
    codec: VideoCodec,
    /// What the sample entry holds already, and packets need not repeat.
    in_header: ParameterSets,
    timescale: u32,
    packagings: Vec<Packaging>,
    /// By how much decoding runs ahead of presentation, ticks: the edit list of the initialisation segment takes it off.
    reorder: i64,
}

impl VideoWrapper {
    /// A wrapper for pictures that `params` describe, parameter sets included, and whose decoding order runs ahead of
    /// presentation by at most `reorder_frames`. `maker` names what made them: an encoder, or `copy`.
    pub fn new(spec: &RungSpec<'_>, mut params: Params, reorder_frames: u32, maker: &str) -> Result<Self, Problem> {
        let rendition = spec.rendition;
        let traits = rendition.codec.traits();
        let frame = if rendition.frame_rate.is_known() {
            scale_round(i64::from(spec.timescale), rendition.frame_rate.den, rendition.frame_rate.num)
        } else {
            i64::from(spec.timescale / 25)
        };
        let reorder = frame * i64::from(reorder_frames);
        if rendition.codec == VideoCodec::Vp9 {
            params.set_level(vp9_level(rendition.width, rendition.height, rendition.frame_rate));
        }
        params.set_tag(tag(traits.sample_entry));
        let init_segment =
            init(&params, spec.timescale, reorder).map_err(|error| faults::encoder(&rendition.id, error))?;
        let init_segment = match &rendition.hdr {
            Some(hdr) => with_light(&init_segment, hdr),
            None => init_segment,
        };
        params.set_tag([0; 4]);
        let packagings = rendition.packagings.clone();
        Ok(Self {
            in_header: ParameterSets::from_init(&init_segment),
            init: track_init(&rendition.id, identity(maker, &rendition.options), init_segment, &packagings)?,
            params,
            codec: rendition.codec,
            timescale: spec.timescale,
            packagings,
            reorder,
        })
    }

    /// By how many ticks decoding runs ahead of presentation.
    pub const fn reorder(&self) -> i64 {
        self.reorder
    }

    /// The parameter sets that packets may have: those in the initialisation segment.
    pub const fn parameter_sets(&self) -> &ParameterSets {
        &self.in_header
    }

    /// What is told before the first segment.
    pub fn init(&self) -> TrackInit {
        self.init.clone()
    }

    /// The segment in each packaging.
    pub fn wrap(&mut self, cut: Cut) -> Result<FinishedSegment, Problem> {
        let mut files = Vec::with_capacity(self.packagings.len());
        for packaging in &self.packagings {
            files.push(match packaging {
                Packaging::Cmaf => self.cmaf(&cut)?,
                Packaging::Ts => self.ts(&cut)?,
            });
        }
        Ok(FinishedSegment {
            track: self.init.track.clone(),
            index: cut.index,
            start: cut.start,
            duration: cut.end - cut.start,
            frames: cut.pictures.len() as u32,
            files,
        })
    }

    fn cmaf(&self, cut: &Cut) -> Result<FinishedFile, Problem> {
        let data: Vec<Cow<'_, [u8]>> =
            cut.pictures.iter().map(|picture| self.sample_data(picture.packet.data())).collect::<Result<_, _>>()?;
        let samples: Vec<fmp4::Sample<'_>> = cut
            .pictures
            .iter()
            .zip(&data)
            .map(|(picture, data)| fmp4::Sample {
                data,
                duration: u32::try_from(picture.duration).unwrap_or(u32::MAX),
                composition_offset: i32::try_from(picture.pts + self.reorder - picture.dts).unwrap_or(0),
                key: picture.key,
            })
            .collect();
        let mut bytes = fmp4::styp().to_vec();
        let mut key_frames = Vec::new();
        let mut first = 0;
        while first < samples.len() {
            let end = samples[first + 1..].iter().position(|s| s.key).map_or(samples.len(), |more| first + 1 + more);
            let placed = &cut.pictures[first];
            let chunk = fmp4::chunk(sequence(cut.index), TRACK_ID, unsigned(placed.dts), &samples[first..end]);
            key_frames.push(KeyFrame { offset: bytes.len() as u64, bytes: chunk.first_sample_end, time: placed.pts });
            bytes.extend_from_slice(&chunk.bytes);
            first = end;
        }
        Ok(FinishedFile { packaging: Packaging::Cmaf, bytes, key_frames })
    }

    fn sample_data<'a>(&self, data: &'a [u8]) -> Result<Cow<'a, [u8]>, Problem> {
        framing::to_sample(self.codec, data, &self.in_header).map_err(|error| {
            let track = &self.init.track;
            Problem::device(
                "encoder.bad_bitstream",
                format!("the encoder of {track} made a malformed packet ({error}); use another encoder"),
            )
        })
    }

    fn ts(&self, cut: &Cut) -> Result<FinishedFile, Problem> {
        let internal = |error| faults::encoder(&self.init.track, error);
        let mut muxer = Muxer::new("mpegts", &self.params, TS_CLOCK, &TS_OPTIONS).map_err(internal)?;
        let times = self.ts_times(&cut.pictures);
        let mut key_frames = Vec::new();
        for (picture, (pts, dts)) in cut.pictures.iter().zip(times) {
            let mut packet = picture.packet.reference().map_err(internal)?;
            packet.set_times(Some(pts), Some(dts), 0);
            let offset = muxer.position();
            if picture.key {
                packet.set_key();
            }
            muxer.write(&packet, TS_CLOCK).map_err(internal)?;
            if picture.key {
                muxer.flush().map_err(internal)?;
                key_frames.push(KeyFrame { offset, bytes: muxer.position() - offset, time: picture.pts });
            }
        }
        let bytes = muxer.finish().map_err(internal)?;
        Ok(FinishedFile { packaging: Packaging::Ts, bytes, key_frames })
    }

    /// Presentation and decoding times on the transport stream's clock, which is coarser than some timescales: decoding
    /// times that fall together are spread again.
    fn ts_times(&self, pictures: &[Placed]) -> Vec<(i64, i64)> {
        let own = Ratio::new(1, i64::from(self.timescale));
        let clock = |ticks| TS_START + rescale(ticks, own, TS_CLOCK);
        let mut times: Vec<(i64, i64)> = pictures
            .iter()
            .map(|picture| {
                let pts = clock(picture.pts);
                (pts, clock(picture.dts - self.reorder).min(pts))
            })
            .collect();
        for at in (1..times.len()).rev() {
            times[at - 1].1 = times[at - 1].1.min(times[at].1 - 1);
        }
        times
    }
}

/// Collects and wraps the segments of one rendition of sound.
pub struct AudioWrapper {
    init: TrackInit,
    params: Params,
    rate: u32,
    grid: Grid,
    packagings: Vec<Packaging>,
    /// Samples before time zero that the edit list of the initialisation segment takes off again.
    padding: i64,
    pending: Vec<(i64, Packet)>,
    index: i64,
    count: u64,
    accounts: TrackAccounts,
}

impl AudioWrapper {
    /// A wrapper for a stream whose first packet is `first`. Taking packets costs whoever made them nearly nothing; what a
    /// segment costs is packaging of the track that has these `accounts`.
    pub fn new(
        spec: &SoundSpec<'_>,
        mut params: Params,
        first: &Packet,
        (encoder, accounts): (&str, TrackAccounts),
    ) -> Result<Self, Problem> {
        let _packaging = accounts.packaging();
        let rendition = spec.rendition;
        params.set_tag([0; 4]);
        let padding = (-first.pts().unwrap_or(0)).max(0);
        let described = match rendition.codec {
            AudioCodec::Ac3 | AudioCodec::Eac3 => Some(first),
            AudioCodec::Aac | AudioCodec::Opus | AudioCodec::Mp3 => None,
        };
        let init_segment = sound_init(&params, rendition.sample_rate, padding, described)
            .map_err(|error| faults::encoder(&rendition.id, error))?;
        let packagings = rendition.packagings.clone();
        Ok(Self {
            init: track_init(&rendition.id, identity(encoder, &rendition.options), init_segment, &packagings)?,
            params,
            rate: rendition.sample_rate,
            grid: spec.grid,
            packagings,
            padding,
            pending: Vec::new(),
            index: 0,
            count: 0,
            accounts,
        })
    }

    /// Packets taken so far.
    pub const fn packets(&self) -> u64 {
        self.count
    }

    /// What is told before the first segment.
    pub fn init(&self) -> TrackInit {
        self.init.clone()
    }

    /// Takes a packet; gives out the segment that it ends, if it ends one.
    pub fn push(&mut self, packet: Packet) -> Result<Option<FinishedSegment>, Problem> {
        let Some(pts) = packet.pts() else {
            return Err(Problem::bug("encoder.no_time", format!("a packet of {} has no time", self.init.track)));
        };
        let index = self.grid.index(pts.max(0), self.rate);
        let finished = if index > self.index && !self.pending.is_empty() { Some(self.close(pts)?) } else { None };
        self.index = index;
        self.count += 1;
        self.pending.push((pts, packet));
        Ok(finished)
    }

    /// No more packets come; the sound ends at `end`.
    pub fn finish(&mut self, end: i64) -> Result<Option<FinishedSegment>, Problem> {
        if self.pending.is_empty() { Ok(None) } else { self.close(end).map(Some) }
    }

    fn close(&mut self, end: i64) -> Result<FinishedSegment, Problem> {
        let _packaging = self.accounts.packaging();
        let pending = std::mem::take(&mut self.pending);
        let start = pending.first().map_or(0, |(pts, _)| *pts);
        let end = end.max(pending.last().map_or(end, |(pts, _)| pts + 1));
        let mut files = Vec::with_capacity(self.packagings.len());
        for packaging in &self.packagings {
            let bytes = match packaging {
                Packaging::Cmaf => self.cmaf(&pending, end),
                Packaging::Ts => self.ts(&pending)?,
            };
            files.push(FinishedFile { packaging: *packaging, bytes, key_frames: Vec::new() });
        }
        let shown = start.max(0);
        Ok(FinishedSegment {
            track: self.init.track.clone(),
            index: u32::try_from(self.index).unwrap_or(0),
            start: shown,
            duration: (end - shown).max(1),
            frames: pending.len() as u32,
            files,
        })
    }

    fn cmaf(&self, pending: &[(i64, Packet)], end: i64) -> Vec<u8> {
        let ends = pending.iter().skip(1).map(|(pts, _)| *pts).chain([end]);
        let samples: Vec<fmp4::Sample<'_>> = pending
            .iter()
            .zip(ends)
            .map(|((pts, packet), end)| fmp4::Sample {
                data: packet.data(),
                duration: u32::try_from(end - pts).unwrap_or(1),
                composition_offset: 0,
                key: true,
            })
            .collect();
        let start = pending.first().map_or(0, |(pts, _)| *pts) + self.padding;
        let mut bytes = fmp4::styp().to_vec();
        let index = u32::try_from(self.index).unwrap_or(0);
        bytes.extend_from_slice(&fmp4::chunk(sequence(index), TRACK_ID, unsigned(start), &samples).bytes);
        bytes
    }

    fn ts(&self, pending: &[(i64, Packet)]) -> Result<Vec<u8>, Problem> {
        let internal = |error| faults::encoder(&self.init.track, error);
        let own = Ratio::new(1, i64::from(self.rate));
        let mut muxer = Muxer::new("mpegts", &self.params, TS_CLOCK, &TS_OPTIONS).map_err(internal)?;
        for (pts, packet) in pending {
            let mut packet = packet.reference().map_err(internal)?;
            let time = TS_START + rescale(*pts, own, TS_CLOCK);
            packet.set_times(Some(time), Some(time), 0);
            packet.set_key();
            muxer.write(&packet, TS_CLOCK).map_err(internal)?;
        }
        muxer.finish().map_err(internal)
    }
}

/// Times as they are; program tables once, at the start of each segment.
const TS_OPTIONS: [(&str, &str); 3] = [("mpegts_copyts", "1"), ("pat_period", "3600"), ("sdt_period", "3600")];

/// The initialisation segment of a track whose presentation starts `before_zero` ticks into its media.
fn init(params: &Params, timescale: u32, before_zero: i64) -> Result<Vec<u8>, av::AvError> {
    let scale = timescale.to_string();
    let options =
        [("movflags", "+frag_custom+empty_moov+default_base_moof+cmaf"), ("video_track_timescale", scale.as_str())];
    let header = Muxer::new("mp4", params, Ratio::new(1, i64::from(timescale)), &options)?.into_bytes();
    Ok(edit_list::with_edit_list(&header, u32::try_from(before_zero).unwrap_or(0)))
}

/// The initialisation segment of a track of sound. Packets of AC-3 say by themselves what they are, and FFmpeg makes the
/// box of it (ETSI TS 102 366 §F.4) once it has seen one; of E-AC-3 (§F.6) once it has seen where one ends.
fn sound_init(params: &Params, rate: u32, before_zero: i64, first: Option<&Packet>) -> Result<Vec<u8>, av::AvError> {
    let Some(first) = first else { return init(params, rate, before_zero) };
    let options = [("movflags", "+frag_custom+empty_moov+delay_moov+default_base_moof+cmaf"), ("use_editlist", "0")];
    let time_base = Ratio::new(1, i64::from(rate));
    let mut muxer = Muxer::new("mp4", params, time_base, &options)?;
    for nth in 0..2 {
        let mut packet = first.reference()?;
        let duration = packet.duration().max(1);
        packet.set_times(Some(nth * duration), Some(nth * duration), duration);
        packet.set_key();
        muxer.write(&packet, time_base)?;
    }
    muxer.flush()?;
    let bytes = muxer.into_bytes();
    Ok(edit_list::with_edit_list(edit_list::initialisation(&bytes), u32::try_from(before_zero).unwrap_or(0)))
}

/// The codec is read from the initialisation segment, which itself is told only where there is CMAF to begin with it.
fn track_init(
    track: &str,
    encoder: String,
    init_segment: Vec<u8>,
    packagings: &[Packaging],
) -> Result<TrackInit, Problem> {
    let codec_string = package::codec_string(&init_segment).map_err(|error| {
        Problem::device(
            "encoder.bad_bitstream",
            format!("the header of {track} names no codec ({error}); use another encoder"),
        )
    })?;
    let init_segment = if packagings.contains(&Packaging::Cmaf) { init_segment } else { Vec::new() };
    Ok(TrackInit { track: track.to_owned(), init_segment, codec_string, encoder })
}

/// Everything that must stay the same for segments of one rendition to play as one stream.
fn identity(encoder: &str, options: &[(String, String)]) -> String {
    let options: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{encoder} ({}) {}", av::version(), options.join(" "))
}

fn tag(text: &str) -> [u8; 4] {
    let mut tag = [0; 4];
    for (to, from) in tag.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    tag
}

/// Fragment sequence numbers start at one (ISO/IEC 14496-12 §8.8.5).
const fn sequence(index: u32) -> u32 {
    index.saturating_add(1)
}

fn unsigned(ticks: i64) -> u64 {
    u64::try_from(ticks).unwrap_or(0)
}
