//! Which rung is the source itself, its packets taken over as they are, or why none can be (FEATURES R3).

use super::source::{Pictures, Source};
use crate::model::VideoCodec;
use crate::model::facts::{Scan, StreamFacts, VideoFacts};
use crate::model::plan::Grid;
use crate::model::time::{Ratio, Timeline, rescale};

/// Profiles that every player of H.264 takes (ITU-T H.264 §A.2), by FFmpeg's names.
const PROFILES: [&str; 4] = ["Constrained Baseline", "Baseline", "Main", "High"];

/// A rung as far as copying asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    /// Its codec.
    pub codec: VideoCodec,
    /// Its width and height, pixels.
    pub size: (u32, u32),
    /// The rate that it may peak at, bits a second.
    pub peak: u64,
}

/// The rung that the source already is; otherwise the reason why there is none, a clause for a sentence. `spans` is
/// the number of spans that the source is made in.
pub(super) fn choose(source: &Source<'_>, spans: usize, grid: Grid, rungs: &[Candidate]) -> Result<usize, String> {
    let Some(pictures) = &source.pictures else { return Err("it has none".to_owned()) };
    let video = pictures.video;
    if source.joined.is_some() {
        return Err("it is joined of several".to_owned());
    }
    if let Some(reason) = unfit(pictures.stream, video) {
        return Err(reason.to_owned());
    }
    let size = (video.width, video.height);
    let alike = || rungs.iter().enumerate().filter(|(_, rung)| rung.codec == VideoCodec::H264 && rung.size == size);
    let Some(highest) = alike().map(|(_, rung)| rung.peak).max() else {
        return Err(format!("no H.264 rendition has its size, {}x{}", size.0, size.1));
    };
    let Some(rate) = pictures.stream.bit_rate.filter(|rate| *rate > 0) else {
        return Err("its bit rate is not known".to_owned());
    };
    // Of several that are large enough, the one that is nearest to the source.
    let nearest = alike().filter(|(_, rung)| rung.peak >= rate).min_by_key(|(_, rung)| rung.peak);
    let Some((chosen, _)) = nearest else {
        return Err(format!("its {} kb/s are over the {} kb/s of its rendition", rate.div_ceil(1000), highest / 1000));
    };
    if spans != 1 {
        return Err("a copy is made in one span".to_owned());
    }
    starts_segments(source, pictures, grid)?;
    Ok(chosen)
}

/// What about the pictures themselves keeps them from being what a rung is: H.264 that all players take, upright,
/// whole pictures, 8-bit 4:2:0 in limited range, square pixels.
fn unfit(stream: &StreamFacts, video: &VideoFacts) -> Option<&'static str> {
    let aspect = video.sample_aspect;
    let full = video.color.range.as_deref() == Some("pc");
    let profile = stream.profile.as_deref().unwrap_or_default();
    // H.264 has the same name here and in FFmpeg's facts.
    if stream.codec != VideoCodec::H264.traits().name {
        Some("only H.264 is copied")
    } else if video.pixel_format != "yuv420p" || video.bit_depth != 8 || full || video.hdr.is_some() {
        Some("its pictures are not 8-bit 4:2:0 in limited range")
    } else if !PROFILES.contains(&profile) {
        Some("its H.264 profile is not one that every player takes")
    } else if video.scan != Scan::Progressive {
        Some("it is interlaced")
    } else if aspect.is_known() && aspect.num != aspect.den {
        Some("its pixels are not square")
    } else if video.rotation != 0 || video.mirrored {
        Some("it must be turned or mirrored")
    } else {
        None
    }
}

/// Whether the first picture at or after each boundary is a key frame, up to the last picture; and whether that is the
/// last one of its group, because pictures behind a cut that others need would be shown.
fn starts_segments(source: &Source<'_>, pictures: &Pictures<'_>, grid: Grid) -> Result<(), String> {
    let (time_base, clock) = (pictures.stream.time_base, pictures.clock);
    let first = pictures.video.first_pts.filter(|_| time_base.is_known());
    let (Some(first), Some(frame_ticks)) = (first, clock.frame_ticks) else {
        return Err("its frame rate varies".to_owned());
    };
    let frame = i64::from(frame_ticks);
    if grid.boundary(1, clock.timescale) < frame {
        return Err("a frame lasts longer than a segment".to_owned());
    }
    let origin = source.range.origin.in_ticks(time_base);
    if origin < first || (origin > first && !source.range.in_point()) {
        return Err("its sound starts well before its pictures".to_owned());
    }
    if pictures.video.key_frames.is_empty() {
        return Err("its container does not list its key frames, or hides pictures between them".to_owned());
    }
    let line = Timeline { time_base, origin, timescale: clock.timescale, frame_ticks: clock.frame_ticks };
    let Some((end, _)) = pictures.end(source) else {
        return Err("its duration is not known".to_owned());
    };
    let mut keys = pictures.video.key_frames.iter().map(|pts| line.snap(line.ticks(*pts))).peekable();
    for index in 0.. {
        let boundary = grid.boundary(index, clock.timescale);
        if boundary > end.saturating_sub(frame) && index > 0 {
            break;
        }
        while keys.next_if(|key| *key < boundary).is_some() {}
        if keys.peek().is_none_or(|key| *key >= boundary.saturating_add(frame)) {
            return Err(format!("no key frame starts the segment at {} s", seconds(boundary, clock.timescale)));
        }
    }
    let cut = pictures.cut(source);
    if let Some(cut) = cut.filter(|cut| keys.find(|key| key >= cut) != Some(*cut)) {
        return Err(format!("no key frame stands where it is cut off, at {} s", seconds(cut, clock.timescale)));
    }
    Ok(())
}

fn seconds(ticks: i64, timescale: u32) -> String {
    let ms = rescale(ticks, Ratio::new(1, i64::from(timescale)), Ratio::new(1, 1000));
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
