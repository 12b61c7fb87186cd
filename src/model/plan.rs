//! What will be done, as data: made by `plan`, carried out by workers, shown to people.

use super::cadence::nominal;
pub use super::cadence::{Cadence, Fields};
use super::codec::{AudioCodec, Packaging, RateControl, Speed, VideoCodec};
use super::device::{Accelerator, Memory};
use super::facts::{Chapter, ColorTags, Hdr, SoundRole, VideoFacts};
use super::joined::{AudioPart, VideoPart};
use super::labels::FileLabels;
use super::mark::Mark;
use super::request::{EncoderOption, Loudness, ManifestOptions, PictureOptions};
use super::stills::StillsPlan;
use super::text::TextRendition;
use super::time::{Ratio, Timeline, scale_floor};
pub use super::uses::{PictureUse, TrackUse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything that a job will make: what its outputs need of each source is made once and shared by them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobPlan {
    /// One for each source and segment grid that anything is made of, sources in order; a second one where a source has
    /// more renditions than fit into one.
    pub works: Vec<Work>,
    /// One for each output of the job, in its order; `None` for one that cannot be planned.
    pub outputs: Vec<Option<OutputPlan>>,
    /// What is worth telling and concerns no output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl JobPlan {
    /// What an output is alone in needing: for each work the ids of renditions that no other output has, in the plan's
    /// order. This is what need no longer be made when the output is stopped.
    pub fn renditions_only_needed_by(&self, output: usize) -> Vec<Vec<String>> {
        let others = self.without(&[output]);
        let only =
            |(all, others): (Vec<String>, &Vec<String>)| all.into_iter().filter(|id| !others.contains(id)).collect();
        self.without(&[]).into_iter().zip(&others).map(only).collect()
    }

    /// What is still wanted when these outputs are gone: for each work the ids of renditions that any other output has,
    /// in the plan's order. None of a work: nothing of it need be made, not even its decode.
    pub fn without(&self, outputs: &[usize]) -> Vec<Vec<String>> {
        let kept =
            self.outputs.iter().enumerate().filter(|(i, _)| !outputs.contains(i)).filter_map(|(_, o)| o.as_ref());
        let mut wanted = vec![BTreeSet::new(); self.works.len()];
        for (work, rendition) in kept.flat_map(OutputPlan::uses) {
            if let Some(ids) = wanted.get_mut(work) {
                ids.insert(rendition);
            }
        }
        let ids = |(work, wanted): (&Work, BTreeSet<&str>)| {
            let all = work.plan.rendition_ids().filter(|id| wanted.contains(id));
            all.map(str::to_owned).collect()
        };
        self.works.iter().zip(wanted).map(ids).collect()
    }
}

/// What is made of one source on one grid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Work {
    /// Index of the source in the job.
    pub source: usize,
    /// For a joined source, the sources that its parts lie in, each once; a part names its place in this list. Behind them,
    /// or behind the source itself, stand the images of watermarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<usize>,
    /// What is made of it: the union of what the outputs need. Its notes are those of the outputs, so it has none.
    pub plan: Plan,
}

/// What an output consists of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutputPlan {
    /// Its packagings.
    pub packagings: Vec<Packaging>,
    /// The segment grid; all of its tracks have the same.
    pub grid: Grid,
    /// Its tracks in the order of its manifests, video before audio before text.
    pub tracks: Vec<TrackUse>,
    /// Its single pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureUse>,
    /// Expected duration, microseconds; `None` when the source does not say.
    pub duration_us: Option<i64>,
    /// A progressive MP4 file is made of each rung.
    pub progressive: bool,
    /// What such files say of themselves.
    #[serde(default, skip_serializing_if = "FileLabels::is_empty")]
    pub labels: FileLabels,
    /// How its manifests are written.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub manifests: ManifestOptions,
    /// The chapters that they tell, on the output's timeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chapters: Vec<Chapter>,
    /// What the planner decided that the client may not expect, one sentence each.
    pub notes: Vec<Note>,
}

impl OutputPlan {
    /// What it consists of: works, and ids of renditions and sets of pictures in their plans.
    pub fn uses(&self) -> impl Iterator<Item = (usize, &str)> {
        let tracks = self.tracks.iter().map(|track| (track.work, track.rendition.as_str()));
        tracks.chain(self.pictures.iter().map(|pictures| (pictures.work, pictures.set.as_str())))
    }

    /// Whether it has this rendition, or set of pictures, of a work.
    pub fn has(&self, work: usize, id: &str) -> bool {
        self.uses().any(|used| used == (work, id))
    }
}

/// Everything that will be made from one source. A pure function of request, facts and capabilities.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The segment grid.
    pub grid: Grid,
    /// Packagings that the job has: for each a master, and in it the renditions that say that they have it.
    pub packagings: Vec<Packaging>,
    /// The video ladder; `None` for a job of sound alone.
    pub video: Option<VideoPlan>,
    /// Audio renditions; each is encoded once, in one pass.
    pub audio: Vec<AudioRendition>,
    /// Text renditions; they are made in the pass that makes the sound, out of one reading of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<TextRendition>,
    /// Single pictures, each made on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stills: Option<StillsPlan>,
    /// Expected duration of the outputs, microseconds; `None` when the source does not say.
    pub duration_us: Option<i64>,
    /// Runs of segments that are made independently of one another, in order.
    pub spans: Vec<SpanRange>,
    /// How many of them are to run side by side, where there are more for another reason; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_by_side: Option<u32>,
    /// What the planner decided that the client may not expect, one sentence each.
    pub notes: Vec<Note>,
}

impl Plan {
    /// How many spans share the node's threads; at least one.
    pub fn spans_side_by_side(&self) -> usize {
        let all = self.spans.len();
        self.side_by_side.map_or(all, |wanted| (wanted as usize).min(all)).max(1)
    }

    /// The ids of everything that is made: video first, single pictures last.
    pub fn rendition_ids(&self) -> impl Iterator<Item = &str> {
        let video = self.video.iter().flat_map(|video| &video.renditions).map(|rung| rung.id.as_str());
        let sound = self.audio.iter().map(|track| track.id.as_str());
        let sets = self.stills.iter().flat_map(|stills| &stills.sets).map(|set| set.id.as_str());
        video.chain(sound).chain(self.text.iter().map(|track| track.id.as_str())).chain(sets)
    }
}

/// A decision worth telling.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Stable, dotted, lower case.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// Boundary `k` is at `k · segment_ms` on the output timeline, the same for every rendition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grid {
    /// Target duration of a segment, milliseconds.
    pub segment_ms: u32,
}

impl Grid {
    /// The segment that an instant belongs to: integer quotient, so that renditions agree without talking.
    pub fn index(self, ticks: i64, timescale: u32) -> i64 {
        scale_floor(ticks, 1000, i64::from(self.segment_ms) * i64::from(timescale))
    }

    /// The boundary before segment `index`, in ticks, rounded up: the first tick that belongs to it.
    pub fn boundary(self, index: i64, timescale: u32) -> i64 {
        super::time::scale_ceil(index, i64::from(self.segment_ms) * i64::from(timescale), 1000)
    }
}

/// Segments `first..end` of the grid; `end` is `None` for the rest of the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpanRange {
    /// First segment index.
    pub first: u32,
    /// One past the last segment index.
    pub end: Option<u32>,
}

/// How one video stream becomes a ladder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VideoPlan {
    /// Stream index in the source.
    pub stream: u32,
    /// Seconds a tick in the source.
    pub time_base: Ratio,
    /// Source timestamp that becomes zero, ticks of `time_base`. Pictures before it are not shown.
    pub origin: i64,
    /// The origin is an in point, not the start of the source. Then what is shown from zero is the picture that stands
    /// at that instant: the one there, otherwise the last one before, otherwise the first of all; and span 0 seeks, where
    /// the container allows that. Otherwise the first picture is shown from zero, whatever its time. At a constant rate
    /// pictures snap to multiples of a frame counted from here, so an in point half-way moves them by up to half a frame
    /// against the sound: put it at the time of a picture. A copied rung needs a key frame of a closed group here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_point: bool,
    /// Where the pictures end on the output timeline, exclusive, output ticks; over zero. `None`: where the source does.
    /// Any tick: the last picture before it is shown exactly until here, even where it would be shown longer or shorter;
    /// a source that ends sooner ends as usual. A copied rung ends at packet grain: pictures from here on are kept where
    /// ones before it need them, and it then ends with the last of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Ticks a second on the output timeline.
    pub timescale: u32,
    /// Frame duration in output ticks when the rate is constant: timestamps within half a frame of a multiple snap to it.
    pub frame_ticks: Option<u32>,
    /// Frames a second; the mean where variable.
    pub frame_rate: Ratio,
    /// How many pictures there were before some were left out or repeated; `None` where all are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cadence: Option<Cadence>,
    /// What is made of fields, where it is not what is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
    /// Filter graph applied to every decoded frame, once: deinterlace, rotate. Empty for none.
    pub prepare: String,
    /// Colour of decoded frames, with what the source leaves unsaid filled in by convention.
    pub color: ColorTags,
    /// The parts of a joined source, in order: `prepare` is empty then, and `stream` and `origin` are the whole's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<VideoPart>,
    /// Threads for the decoder.
    pub decode_threads: u32,
    /// The device that takes part, once the plan was placed; `None`: the CPU does all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// Where prepared frames lie.
    #[serde(default, skip_serializing_if = "is_system")]
    pub memory: Memory,
    /// What the graphs are made from, so that they can be made anew for other devices and other sets of rungs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePictures>,
    /// The rungs; a parent always stands before its children.
    pub renditions: Vec<VideoRendition>,
}

/// The pictures of a source as they are stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourcePictures {
    /// FFmpeg's name of their codec.
    pub codec: String,
    /// What they are when decoded, without the list of key frames.
    pub video: VideoFacts,
}

impl VideoPlan {
    /// Where the source's timestamps lie on the output timeline.
    pub const fn timeline(&self) -> Timeline {
        Timeline {
            time_base: self.time_base,
            origin: self.origin,
            timescale: self.timescale,
            frame_ticks: self.frame_ticks,
        }
    }

    /// Duration of a frame, output ticks, at least 1: exact at a constant rate, the mean where it varies, a twenty-fifth
    /// of a second where no rate is known.
    pub fn nominal_ticks(&self) -> i64 {
        nominal(self.timescale, self.frame_ticks, self.frame_rate)
    }
}

/// One rung.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VideoRendition {
    /// Unique in the job; also its directory.
    pub id: String,
    /// What it is encoded as.
    pub codec: VideoCodec,
    /// What its segments are wrapped in, all of them packagings that the codec has; at least one, each once.
    pub packagings: Vec<Packaging>,
    /// The source's packets are taken over as they are: nothing is decoded for this rung, and no other is made from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copy: bool,
    /// Width, pixels (square).
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// FFmpeg's name of the pixel format given to the encoder; of frames in device memory, of their layout (`p010le`).
    pub pixel_format: String,
    /// Whose scaled frames this one starts from; `None` for prepared source frames. An index into `renditions`.
    pub parent: Option<usize>,
    /// Filter graph from the parent's frames to this one's. Empty when they are already right.
    pub graph: String,
    /// Where this rung's frames lie: those that come out of `graph`, go to the encoder, and to rungs made from this one.
    #[serde(default, skip_serializing_if = "is_system")]
    pub memory: Memory,
    /// The plan's accelerator encodes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_device: bool,
    /// How bits are spent.
    pub rate: RateControl,
    /// Speed class.
    pub speed: Speed,
    /// FFmpeg's encoder; unused for a copy.
    pub encoder: String,
    /// Options for it, in a fixed order.
    pub options: Vec<(String, String)>,
    /// Frames a second, for rate control and manifests.
    pub frame_rate: Ratio,
    /// Colour tags of the output.
    pub color: ColorTags,
    /// High dynamic range that is kept.
    pub hdr: Option<Hdr>,
    /// What is done to its pictures beside scaling, which `graph` does; for graphs that are made anew.
    #[serde(default, skip_serializing_if = "PictureOptions::is_plain")]
    pub picture: PictureOptions,
    /// Options of encoders of its codec, in order; those of the one that makes it are among `options`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoder_options: Vec<EncoderOption>,
    /// What is drawn over its pictures on their way to the encoder; those that others are made from are without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// Filter graphs around that, where its frames lie in a device: to the host's memory, and back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_graphs: Option<(String, String)>,
    /// It carries the closed captions that come with the source's pictures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub captions: bool,
    /// Rate that growing manifests declare, bits a second.
    pub declared_peak: u64,
}

/// Whether manifests are written as they usually are, which plans leave unsaid.
fn is_usual(manifests: &ManifestOptions) -> bool {
    *manifests == ManifestOptions::default()
}

/// Whether frames lie in the host's memory, which plans leave unsaid.
fn is_system(memory: &Memory) -> bool {
    *memory == Memory::System
}

/// One audio rendition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AudioRendition {
    /// Unique in the job; also its directory.
    pub id: String,
    /// Stream index in the source.
    pub stream: u32,
    /// Seconds a tick in the source.
    pub time_base: Ratio,
    /// Source timestamp that becomes zero, ticks of `time_base`.
    pub origin: i64,
    /// The origin is an in point, not the start of the source: the sound is cut there to the sample (without this, sound
    /// that starts up to a millisecond off passes as it is), and reading seeks, where the container allows that. A copy
    /// keeps the packet that is cut, and its edit list cuts it; in a transport stream that packet is heard whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_point: bool,
    /// Where the sound ends on the output timeline, exclusive, samples; over zero. `None`: where the source does. Cut to
    /// the sample; a source that ends sooner is not filled up. A copy keeps the packet that is cut, with a shorter duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// What it is encoded as.
    pub codec: AudioCodec,
    /// What its segments are wrapped in, all of them packagings that the codec has; at least one, each once.
    pub packagings: Vec<Packaging>,
    /// Packets are taken over as they are.
    pub copy: bool,
    /// FFmpeg's encoder; unused for a copy.
    pub encoder: String,
    /// Options for it.
    pub options: Vec<(String, String)>,
    /// Samples a second, also the timescale.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u32,
    /// FFmpeg's name of the layout.
    pub layout: String,
    /// Filter graph from decoded to encoded samples.
    pub graph: String,
    /// Filter graph over all encoded-to-be samples, behind the graph of the source or of each part; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub whole: String,
    /// Channels that it is put together of, in the order of their layout; then `graph` is the one behind that. Empty for a
    /// track that is one in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_inputs: Vec<ChannelInput>,
    /// How loud it is made, and measured to be. In two passes `whole` is empty: the worker measures first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
    /// The parts of a joined source, in order: each has a graph of its own then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<AudioPart>,
    /// Bits a second aimed at.
    pub bit_rate: u64,
    /// Language code, where known.
    pub language: Option<String>,
    /// What players show.
    pub title: String,
    /// Played unless the viewer chooses otherwise; true for exactly one.
    pub default: bool,
    /// Described sound.
    pub descriptive: bool,
    /// What it is there for beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<SoundRole>,
}

/// A channel that a track is put together of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChannelInput {
    /// Stream index in the source.
    pub stream: u32,
    /// Seconds a tick of that stream.
    pub time_base: Ratio,
    /// Source timestamp that becomes zero, ticks of `time_base`.
    pub origin: i64,
    /// Filter graph from decoded samples to those of this channel alone, planar floats at the rendition's rate.
    pub graph: String,
}

impl AudioRendition {
    /// The streams that it is made of, with their time bases and origins; one may stand here more than once.
    pub fn streams(&self) -> Vec<(u32, Ratio, i64)> {
        match self.channel_inputs.is_empty() {
            true => vec![(self.stream, self.time_base, self.origin)],
            false => self.channel_inputs.iter().map(|one| (one.stream, one.time_base, one.origin)).collect(),
        }
    }

    /// Whether all of it is measured before it is made.
    pub fn is_measured_first(&self) -> bool {
        !self.copy && self.loudness.is_some_and(|asked| asked.passes > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tick_lies_in_the_segment_whose_boundary_precedes_it() {
        let grid = Grid { segment_ms: 4000 };
        for timescale in [90_000, 24_000, 30_000, 12_800, 1_000] {
            for index in 0..50 {
                let first = grid.boundary(index, timescale);
                assert_eq!(grid.index(first, timescale), index);
                assert_eq!(grid.index(first - 1, timescale), index - 1);
            }
        }
    }

    #[test]
    fn a_boundary_between_ticks_belongs_to_the_next_tick() {
        let grid = Grid { segment_ms: 1500 };
        assert_eq!(grid.boundary(1, 25), 38);
        assert_eq!(grid.index(37, 25), 0);
        assert_eq!(grid.index(38, 25), 1);
    }
}
