//! Sources in memory, and an outlet that records.

use reelmill::av::frame::SampleFormat;
use reelmill::av::mux::Muxer;
use reelmill::av::{AudioEncoderSpec, ByteSource, Encoder, Frame, Packet, Polled, VideoEncoderSpec};
use reelmill::model::facts::{ColorTags, MediaFacts};
use reelmill::model::{LoudnessFigures, Plan, Problem, Ratio};
use reelmill::pipeline::{Control, FinishedSegment, Outlet, TrackFailure, TrackInit};
use reelmill::plan::{Node, Request, plan};
use reelmill::worker::probe::probe;
use std::io;
use std::sync::{Arc, Mutex};

pub(crate) const RATE: u32 = 48_000;

/// Bytes in memory; reads at or behind `fails_at` fail.
pub(crate) struct Bytes {
    pub(crate) data: Arc<Vec<u8>>,
    pub(crate) fails_at: u64,
}

impl Bytes {
    pub(crate) fn whole(data: &Arc<Vec<u8>>) -> Box<Self> {
        Box::new(Self { data: Arc::clone(data), fails_at: u64::MAX })
    }
}

impl ByteSource for Bytes {
    fn size(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset + buffer.len() as u64 > self.fails_at {
            return Err(io::Error::other("the cable was pulled"));
        }
        let from = self.data.len().min(offset as usize);
        let count = buffer.len().min(self.data.len() - from);
        buffer[..count].copy_from_slice(&self.data[from..from + count]);
        Ok(count)
    }
}

/// What a recorder does with each segment before it records it.
type Act = Box<dyn Fn(&FinishedSegment) -> Result<(), Problem> + Send + Sync>;

/// Records everything; can be told to do something at a segment.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) inits: Mutex<Vec<TrackInit>>,
    pub(crate) segments: Mutex<Vec<FinishedSegment>>,
    pub(crate) failures: Mutex<Vec<TrackFailure>>,
    /// Tracks and the codes of why what they alone are made with cannot be used.
    pub(crate) refusals: Mutex<Vec<(String, String)>>,
    pub(crate) at_segment: Option<Act>,
}

impl Recorder {
    /// Segments of a track in order.
    pub(crate) fn track(&self, id: &str) -> Vec<FinishedSegment> {
        let mut segments: Vec<_> = self.segments.lock().unwrap().iter().filter(|s| s.track == id).cloned().collect();
        segments.sort_by_key(|segment| segment.index);
        segments
    }

    /// (index, start, duration, frames) of a track's segments.
    pub(crate) fn shape(&self, id: &str) -> Vec<(u32, i64, i64, u32)> {
        self.track(id).iter().map(|s| (s.index, s.start, s.duration, s.frames)).collect()
    }
}

impl Outlet for Recorder {
    fn init(&self, init: TrackInit) -> Result<(), Problem> {
        self.inits.lock().unwrap().push(init);
        Ok(())
    }

    fn segment(&self, segment: FinishedSegment) -> Result<(), Problem> {
        let known = self.inits.lock().unwrap().iter().any(|init| init.track == segment.track);
        assert!(known, "{} has a segment before its init", segment.track);
        if let Some(act) = &self.at_segment {
            act(&segment)?;
        }
        self.segments.lock().unwrap().push(segment);
        Ok(())
    }

    fn progress(&self, _track: &str, _frames: u64, _media_us: i64) {}

    fn loudness(&self, _track: &str, _figures: LoudnessFigures) {}

    fn failed(&self, failure: TrackFailure) {
        self.failures.lock().unwrap().push(failure);
    }

    fn refused(&self, track: &str, problem: &Problem) {
        self.refusals.lock().unwrap().push((track.to_owned(), problem.code.clone()));
    }
}

/// A Matroska file of grey pictures shown at these times (ms), each brighter than the one before.
pub(crate) fn video(width: u32, height: u32, times_ms: &[i64]) -> Arc<Vec<u8>> {
    pictures(("matroska", "libx264"), (width, height), 1000, times_ms, 0, &[("g", "10")])
}

/// An MP4 file of `frames` such pictures, 25 a second, in closed groups of `gop`. When none is given a duration the
/// file's edit list hides the last one, which others refer to.
pub(crate) fn groups(frames: i64, gop: u32, frame_ms: i64) -> Arc<Vec<u8>> {
    let times: Vec<i64> = (0..frames).map(|at| at * 40).collect();
    let gop = gop.to_string();
    let options = [("g", &*gop), ("sc_threshold", "0"), ("flags", "+cgop")];
    pictures(("mp4", "libx264"), (320, 240), 1000, &times, frame_ms, &options)
}

/// An MP4 file of such pictures at these times, ticks of a second's `timescale`th, with a key frame each `gop`.
pub(crate) fn timed(timescale: u32, times: &[i64], duration: i64, gop: u32) -> Arc<Vec<u8>> {
    let gop = gop.to_string();
    pictures(("mp4", "libx264"), (320, 240), timescale, times, duration, &[("g", &gop), ("sc_threshold", "0")])
}

/// A file of `frames` such pictures, 25 a second, in open groups of 25 with two B-frames in a row, in this container and
/// by this encoder.
pub(crate) fn open_groups(container: &str, encoder: &str, frames: i64) -> Arc<Vec<u8>> {
    let own: &[_] = match encoder {
        "libx264" => &[("x264-params", "open-gop=1:keyint=25:min-keyint=25:scenecut=0")],
        "libx265" => &[("x265-params", "open-gop=1:keyint=25:min-keyint=25:scenecut=0:bframes=2:log-level=none")],
        _ => &[("g", "25"), ("flags", "-cgop"), ("sc_threshold", "1000000000"), ("b", "4000000")],
    };
    pictures((container, encoder), (320, 240), 25, &(0..frames).collect::<Vec<_>>(), 1, own)
}

/// The grey of the picture at this place: neighbours are far apart.
pub(crate) fn grey(at: usize) -> u8 {
    16 + (at * 37 % 200) as u8
}

fn pictures(
    (format, encoder): (&str, &str),
    (width, height): (u32, u32),
    timescale: u32,
    times: &[i64],
    duration: i64,
    more: &[(&str, &str)],
) -> Arc<Vec<u8>> {
    let usual = [("bf", "2"), ("threads", "1")];
    let preset = encoder.starts_with("libx").then_some(&("preset", "ultrafast"));
    let options: Vec<(String, String)> =
        usual.iter().chain(preset).chain(more).map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let color = ColorTags::default();
    let mut encoder = Encoder::video(&VideoEncoderSpec {
        encoder,
        width,
        height,
        pixel_format: "yuv420p",
        timescale,
        frame_rate: Ratio::new(25, 1),
        color: &color,
        options: &options,
    })
    .unwrap();
    let pixel_format = reelmill::av::names::pixel_format("yuv420p").unwrap();
    let frames = times.iter().enumerate().map(|(at, time)| {
        let mut frame = Frame::picture(width, height, pixel_format).unwrap();
        frame.paint(0, if timescale == 1000 { 16 + (at % 200) as u8 } else { grey(at) });
        frame.set_pts(Some(*time));
        frame
    });
    encode(format, &mut encoder, frames, Ratio::new(1, i64::from(timescale)), duration)
}

/// A Matroska file of silence in AAC, in runs of (start, length) samples.
pub(crate) fn sound(runs: &[(i64, i64)]) -> Arc<Vec<u8>> {
    silence("matroska", runs)
}

/// The same in another container.
pub(crate) fn silence(format: &str, runs: &[(i64, i64)]) -> Arc<Vec<u8>> {
    let input = SampleFormat {
        rate: RATE,
        format: reelmill::av::names::sample_format("fltp").unwrap(),
        channels: 2,
        layout: "stereo".to_owned(),
    };
    let mut encoder = Encoder::audio(&AudioEncoderSpec { encoder: "aac", input: &input, options: &[] }).unwrap();
    let mut frames = Vec::new();
    for (start, length) in runs {
        // Whole frames only: FFmpeg 7 takes a short one nowhere but at the end.
        for at in (0..length / 1024).map(|frame| frame * 1024) {
            let mut frame = Frame::silence(RATE, 2, 1024).unwrap();
            frame.set_pts(Some(start + at));
            frames.push(frame);
        }
    }
    encode(format, &mut encoder, frames.into_iter(), Ratio::new(1, i64::from(RATE)), 0)
}

/// `duration` is that of every packet, or zero to leave them without.
fn encode(
    format: &str,
    encoder: &mut Encoder,
    frames: impl Iterator<Item = Frame>,
    time_base: Ratio,
    duration: i64,
) -> Arc<Vec<u8>> {
    let mut muxer = Muxer::new(format, &encoder.params().unwrap(), time_base, &[]).unwrap();
    let drain = |encoder: &mut Encoder, muxer: &mut Muxer| {
        let mut packet = Packet::new().unwrap();
        while encoder.receive(&mut packet).unwrap() == Polled::Ready {
            packet.set_times(packet.pts(), packet.dts(), packet.duration().max(duration));
            muxer.write(&packet, time_base).unwrap();
        }
    };
    for frame in frames {
        encoder.send(Some(&frame)).unwrap();
        drain(encoder, &mut muxer);
    }
    encoder.send(None).unwrap();
    drain(encoder, &mut muxer);
    Arc::new(muxer.finish().unwrap())
}

/// Facts of a source in memory.
pub(crate) fn facts(data: &Arc<Vec<u8>>) -> MediaFacts {
    probe(Bytes::whole(data), data.len() as u64, &Control::default()).unwrap()
}

/// The plan for a source in memory, with segments of `segment_ms`.
pub(crate) fn planned(data: &Arc<Vec<u8>>, segment_ms: u32, spans: u32) -> Plan {
    let request = Request {
        renditions: vec!["240p".parse().unwrap(), "144p".parse().unwrap()],
        speed: reelmill::model::Speed::Fast,
        segment_ms,
        spans,
        ..Request::default()
    };
    plan(&facts(data), &request, &Node { threads: 2 }).unwrap()
}
