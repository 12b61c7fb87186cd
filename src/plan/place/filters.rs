//! What the FFmpeg at hand is built with, as far as placed plans need it.

use crate::model::device::DeviceInfo;
use serde::{Deserialize, Serialize};

/// Every filter on devices, or to and from them, that stands in placed graphs.
pub const DEVICE_FILTERS: [&str; 8] = [
    "scale_cuda",
    "yadif_cuda",
    "bwdif_cuda",
    "colorspace_cuda",
    "scale_vaapi",
    "deinterlace_vaapi",
    "hwupload",
    "hwdownload",
];
/// Every other filter that stands in graphs for pictures.
pub const HOST_FILTERS: [&str; 16] = [
    "scale",
    "format",
    "setsar",
    "setparams",
    "zscale",
    "tonemap",
    "fieldmatch",
    "bwdif",
    "setfield",
    "hflip",
    "vflip",
    "transpose",
    "crop",
    "pad",
    "hqdn3d",
    "unsharp",
];

/// What an FFmpeg may have or not, with the release that it came with. In a release that has it, it is still missing
/// from builds that were made without the device's headers or compiler.
const NAMES: [(&str, Release); 14] = [
    ("scale_cuda", (3, 4)),
    ("yadif_cuda", (4, 1)),
    ("bwdif_cuda", (6, 1)),
    ("colorspace_cuda", (6, 0)),
    ("scale_vaapi", (3, 1)),
    ("deinterlace_vaapi", (3, 3)),
    ("hwupload", (3, 0)),
    ("hwdownload", (3, 0)),
    ("h264_nvenc", (3, 0)),
    ("hevc_nvenc", (3, 0)),
    ("av1_nvenc", (6, 0)),
    ("h264_vaapi", (3, 1)),
    ("hevc_vaapi", (3, 1)),
    ("av1_vaapi", (6, 1)),
];

/// Major and minor number of a release of FFmpeg.
pub type Release = (u32, u32);

/// Decoded frames are the decoder's own surfaces before this release; from it on they are copies of them.
const FRAMES_COPIED: Release = (6, 0);
/// Pools of frames on VAAPI grow as needed from this release on.
const POOLS_GROW: Release = (7, 1);
/// NVENC computes decoding times of B-frames rightly, and writes HDR metadata, from this release on.
const NVENC_WHOLE: Release = (7, 1);

/// The oldest release that is supported: what every FFmpeg has that workers may be built with.
const OLDEST: Release = (5, 1);
/// Versions of libavcodec by the release that they came with, oldest first.
const CODECS: [(Release, Release); 5] =
    [((59, 37), (5, 1)), ((60, 3), (6, 0)), ((60, 31), (6, 1)), ((61, 3), (7, 0)), ((61, 19), (7, 1))];

/// Filters and encoders that an FFmpeg has, and its release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Listed", into = "Listed")]
pub struct FilterSet {
    release: Release,
    has: u32,
}

/// How it is written.
#[derive(Serialize, Deserialize)]
struct Listed {
    release: Release,
    names: Vec<String>,
}

impl FilterSet {
    /// What an FFmpeg of this release has, by the names of its filters and encoders; names that do not matter here are
    /// passed over.
    pub fn new<'a>(release: Release, names: impl IntoIterator<Item = &'a str>) -> Self {
        let place = |name| NAMES.iter().position(|(known, _)| *known == name);
        let has = names.into_iter().filter_map(place).fold(0, |has, at| has | 1 << at);
        Self { release, has }
    }

    /// What a release has when nothing is left out, as Debian builds it.
    pub fn of_release(release: Release) -> Self {
        Self::new(release, NAMES.iter().filter(|(_, since)| release >= *since).map(|(name, _)| *name))
    }

    /// What the FFmpeg that drives a device is built with; before a worker has told, and for simulated devices, what every
    /// release that is supported has.
    pub fn of_device(device: &DeviceInfo) -> Self {
        match &device.built {
            Some(built) => Self::new(built.release.max(OLDEST), built.names.iter().map(String::as_str)),
            None => Self::of_release(OLDEST),
        }
    }

    /// The release that came with this libavcodec: the newest that is known and not newer than it; zeros for one before.
    pub fn release_of(libavcodec: Release) -> Release {
        CODECS.iter().rev().find(|(codec, _)| libavcodec >= *codec).map_or((0, 0), |(_, release)| *release)
    }

    /// The names that [`FilterSet::new`] looks for.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether it has this filter or encoder.
    pub fn has(self, name: &str) -> bool {
        NAMES.iter().position(|(known, _)| *known == name).is_some_and(|at| self.has & 1 << at != 0)
    }

    /// Its release.
    pub const fn release(self) -> Release {
        self.release
    }

    /// Decoders on CUDA hand out their own surfaces, which whoever keeps a frame keeps from them.
    pub(super) fn decoder_surfaces_are_handed_out(self) -> bool {
        self.release < FRAMES_COPIED
    }

    /// Pools of frames on VAAPI have the size that they start with.
    pub(super) fn pools_are_fixed(self) -> bool {
        self.release < POOLS_GROW
    }

    /// NVENC gives B-frames the right decoding times, and writes HDR metadata.
    pub(super) fn nvenc_is_whole(self) -> bool {
        self.release >= NVENC_WHOLE
    }
}

impl From<Listed> for FilterSet {
    fn from(listed: Listed) -> Self {
        Self::new(listed.release, listed.names.iter().map(String::as_str))
    }
}

impl From<FilterSet> for Listed {
    fn from(set: FilterSet) -> Self {
        let names = FilterSet::names().filter(|name| set.has(name)).map(str::to_owned).collect();
        Self { release: set.release, names }
    }
}

const _: () = assert!(NAMES.len() <= 32, "each name has a bit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_what_came_with_them() {
        let (old, new) = (FilterSet::of_release((5, 1)), FilterSet::of_release((7, 1)));
        for name in ["bwdif_cuda", "colorspace_cuda", "av1_nvenc", "av1_vaapi"] {
            assert!(!old.has(name) && new.has(name), "{name}");
        }
        assert!(old.has("scale_cuda") && old.has("h264_vaapi") && !new.has("scale_npp"));
        assert!(FilterSet::names().filter(|name| new.has(name)).count() == NAMES.len());
    }

    #[test]
    fn releases_are_told_by_their_libavcodec() {
        let known = [((59, 37), (5, 1)), ((60, 30), (6, 0)), ((60, 31), (6, 1)), ((61, 19), (7, 1)), ((62, 0), (7, 1))];
        for (codec, release) in known {
            assert_eq!(FilterSet::release_of(codec), release);
        }
        assert_eq!(FilterSet::release_of((58, 134)), (0, 0));
    }

    #[test]
    fn sets_survive_json_with_names_that_are_not_known_left_out() {
        let set = FilterSet::new((5, 1), ["hwupload", "scale_vaapi", "no_such_filter"]);
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, r#"{"release":[5,1],"names":["scale_vaapi","hwupload"]}"#);
        assert_eq!(serde_json::from_str::<FilterSet>(&text).unwrap(), set);
    }
}
