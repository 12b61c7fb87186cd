//! Renditions in two passes: a first one over the pictures of the span finds out where bits are needed, the second one
//! makes the segments of everything. The first has the same stages and nothing that it can do without: rungs in two passes,
//! those that their pictures are made from, and encoders whose packets nobody wants. What it finds lies in files beside the
//! span's segments (x264, x265) or in memory (libvpx), and is gone with the span. Whoever makes the rest of a span makes
//! the first pass of that rest too, so nothing but segments outlives a worker.

use super::control::Control;
use super::encode::encode;
use super::faults;
use super::flow::Stopped;
use super::joined::{self, Open};
use super::outlet::{Outlet, TrackOutlet};
use super::rung::RungSpec;
use super::steps::Lap;
use super::video;
use crate::av::{AvError, Encoder, EncoderPass, Frame, VideoEncoderSpec};
use crate::model::plan::{SpanRange, VideoPlan, VideoRendition};
use crate::model::time::{Ratio, rescale};
use crate::model::{Plan, Problem, two_pass};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// What encoders append to the names of their files, while they write them and for what they keep of blocks.
const ENDINGS: [&str; 7] = ["", ".temp", ".mbtree", ".mbtree.temp", ".cutree", ".cutree.temp", ".lock"];

/// Which pass over the pictures it is.
#[derive(Clone, Copy, Default)]
pub enum Pass<'a> {
    /// The one and only.
    #[default]
    Only,
    /// The first of two: nothing but statistics is made.
    First(&'a Statistics),
    /// The second of two; renditions in one pass are made in it as always.
    Second(&'a Statistics),
}

/// Makes all segments of a span, in one pass or two. `scratch` is a directory of the span's own.
///
/// # Errors
/// The first problem of any stage; that of a cancelled job when every rung was dropped.
pub fn run(
    open: Open<'_>,
    plan: &Plan,
    span: SpanRange,
    scratch: &Path,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    let Some(first) = plan.video.as_ref().and_then(|video| first_of(video, control)) else {
        return one(open, plan, span, Pass::Only, outlet, control);
    };
    let statistics = Statistics::new(scratch, &first);
    let told = control.decode_errors.load(Ordering::Relaxed);
    let result =
        one(open, &Plan { video: Some(first), ..plan.clone() }, span, Pass::First(&statistics), outlet, control);
    // What does not decode is counted when it is made.
    control.decode_errors.store(told, Ordering::Relaxed);
    // All that have two passes may have been dropped meanwhile, and others not.
    if control.stopped() {
        result?;
    }
    one(open, plan, span, Pass::Second(&statistics), outlet, control)
}

fn one(
    open: Open<'_>,
    plan: &Plan,
    span: SpanRange,
    pass: Pass<'_>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Problem> {
    match &plan.video {
        Some(video) if !video.parts.is_empty() => joined::video_pass(open, plan, span, pass, outlet, control),
        _ => video::run_pass(open(0)?, plan, span, pass, outlet, control),
    }
}

/// The plan of a first pass; `None` where none is wanted.
fn first_of(video: &VideoPlan, control: &Control) -> Option<VideoPlan> {
    let is_wanted = |rung: &VideoRendition| rung.rate.is_two_pass() && !rung.copy && !control.is_dropped(&rung.id);
    if !video.renditions.iter().any(is_wanted) {
        return None;
    }
    let needed = two_pass::needed(video);
    let kept: Vec<usize> = (0..video.renditions.len()).filter(|i| needed.contains(&video.renditions[*i].id)).collect();
    let rung = |index: &usize| {
        let rung = video.renditions[*index].clone();
        let parent = rung.parent.and_then(|parent| kept.iter().position(|kept| *kept == parent));
        VideoRendition { parent, ..rung }
    };
    Some(VideoPlan { renditions: kept.iter().map(rung).collect(), ..video.clone() })
}

/// What first passes have found out of a span.
pub struct Statistics {
    directory: PathBuf,
    tracks: Vec<String>,
    kept: Mutex<BTreeMap<String, CString>>,
}

impl Statistics {
    fn new(directory: &Path, video: &VideoPlan) -> Self {
        let tracks = video.renditions.iter().map(|rung| rung.id.clone()).collect();
        Self { directory: directory.to_owned(), tracks, kept: Mutex::default() }
    }

    fn path(&self, track: &str) -> PathBuf {
        self.directory.join(format!("first-pass-{track}"))
    }

    /// The options of a rendition's encoder in pass 1 or 2: x265 has no other way than its own parameters.
    fn options(&self, rendition: &VideoRendition, pass: u8) -> Vec<(String, String)> {
        let mut options = rendition.options.clone();
        let path = self.path(&rendition.id).to_string_lossy().into_owned();
        if rendition.encoder == "libx265" {
            let first = if pass == 1 { ":slow-firstpass=0" } else { "" };
            let own = format!(":pass={pass}:stats={}{first}", escaped(&path));
            options.iter_mut().filter(|(name, _)| name == "x265-params").for_each(|(_, value)| value.push_str(&own));
            return options;
        }
        if rendition.encoder == "libx264" {
            options.push(("stats".to_owned(), path));
        }
        options
    }

    /// Opens the encoder of a second pass.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn second(&self, spec: &VideoEncoderSpec<'_>, rendition: &VideoRendition) -> Result<Encoder, AvError> {
        let options = self.options(rendition, 2);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(&rendition.id).map(CString::as_c_str);
        Encoder::video_in_pass(&VideoEncoderSpec { options: &options, ..*spec }, EncoderPass::Second(found))
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        for track in &self.tracks {
            let path = self.path(track).to_string_lossy().into_owned();
            // Most of them never were; what cannot be removed goes with the span's directory.
            ENDINGS.iter().for_each(|ending| drop(fs::remove_file(format!("{path}{ending}"))));
        }
    }
}

/// A value as it is in a list of `name=value` pairs.
fn escaped(value: &str) -> String {
    value.chars().flat_map(|c| [Some('\\').filter(|_| matches!(c, '\\' | '\'' | ':')), Some(c)]).flatten().collect()
}

/// The encoder of a rung in a first pass.
pub(super) struct Measurer<'a> {
    spec: RungSpec<'a>,
    statistics: &'a Statistics,
    outlet: TrackOutlet<'a>,
    // Opened on the first frame, as in every pass.
    encoder: Option<Encoder>,
    lap: Lap<'a>,
}

impl<'a> Measurer<'a> {
    /// For a rung in its first pass; `None` in any other.
    pub(super) fn of(spec: RungSpec<'a>, outlet: TrackOutlet<'a>) -> Option<Self> {
        let Pass::First(statistics) = spec.pass else { return None };
        Some(Self { spec, statistics, outlet, encoder: None, lap: outlet.lap("first_pass") })
    }

    /// Looks at the next picture.
    pub(super) fn take(&mut self, frame: &Frame, pts: i64) -> Result<(), Stopped> {
        self.lap.touch();
        let rendition = self.spec.rendition;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Self::open(self.statistics, &self.spec)?),
        };
        encode(encoder, &rendition.id, Some(frame), &mut |_, _| Ok(()))?;
        self.lap.touch();
        self.lap.count("frames", 1);
        let media_us = rescale(pts, Ratio::new(1, i64::from(self.spec.timescale)), Ratio::new(1, 1_000_000));
        self.outlet.looked_ahead(media_us);
        Ok(())
    }

    fn open(statistics: &Statistics, spec: &RungSpec<'_>) -> Result<Encoder, Problem> {
        let rendition = spec.rendition;
        let options = statistics.options(rendition, 1);
        let wanted = VideoEncoderSpec { options: &options, ..encoder_spec(spec) };
        Encoder::video_in_pass(&wanted, EncoderPass::First).map_err(|error| faults::encoder(&rendition.id, error))
    }

    /// Keeps what was found. Files are whole once the encoder is closed.
    pub(super) fn finish(self) -> Result<(), Stopped> {
        self.outlet.wanted()?;
        let Some(mut encoder) = self.encoder else { return Ok(()) };
        let id = &self.spec.rendition.id;
        encode(&mut encoder, id, None, &mut |_, _| Ok(()))?;
        if let Some(found) = encoder.statistics() {
            self.statistics.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), found);
        }
        Ok(())
    }
}

/// What the encoder of a rung is asked for, with the plan's options.
pub(super) fn encoder_spec<'a>(spec: &RungSpec<'a>) -> VideoEncoderSpec<'a> {
    let rendition = spec.rendition;
    VideoEncoderSpec {
        encoder: &rendition.encoder,
        width: rendition.width,
        height: rendition.height,
        pixel_format: &rendition.pixel_format,
        timescale: spec.timescale,
        frame_rate: rendition.frame_rate,
        color: &rendition.color,
        options: &rendition.options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_for_lists_of_parameters() {
        assert_eq!(escaped("/a b/c:d/e'f\\g"), "/a b/c\\:d/e\\'f\\\\g");
    }
}
