//! Colour, depth and dynamic range: what decoded frames have, and what each codec's rungs get.

use super::picture;
use crate::model::VideoCodec;
use crate::model::facts::{ColorTags, Hdr, HdrKind, VideoFacts};
use crate::model::request::{DynamicRange, PictureOptions};

/// What the frames that go into an encoder look like, apart from their size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Look {
    /// FFmpeg's name of the pixel format.
    pub pixel_format: &'static str,
    /// Tags, complete, always limited range.
    pub color: ColorTags,
    /// High dynamic range that is kept.
    pub hdr: Option<Hdr>,
    /// What is done to them beside scaling, as far as it changes them.
    pub picture: PictureOptions,
}

impl Look {
    /// Whether frames of one can become frames of the other by scaling alone.
    pub(super) fn same_frames(&self, other: &Self) -> bool {
        self == other
    }
}

/// The colour of decoded frames, with what the source leaves unsaid filled in: full range for RGB and the `yuvj`
/// formats, limited otherwise; BT.2020 for HDR, BT.709 from 720 lines on, and below that BT.601 in its 625-line or
/// 525-line form. This is what players assume, so writing it down changes no picture.
pub(super) fn decoded(video: &VideoFacts) -> ColorTags {
    let rgb = is_rgb(video);
    let full = rgb || video.pixel_format.starts_with("yuvj");
    let known =
        |tag: &Option<String>| tag.clone().filter(|t| !matches!(t.as_str(), "unknown" | "unspecified" | "reserved"));
    let (primaries, transfer, matrix) = usual(video);
    let matrix = if rgb { "gbr" } else { matrix };
    let named_matrix = known(&video.color.matrix).filter(|tag| rgb == matches!(tag.as_str(), "gbr" | "rgb"));
    ColorTags {
        range: known(&video.color.range).or(Some(if full { "pc" } else { "tv" }.to_owned())),
        primaries: known(&video.color.primaries).or(Some(primaries.to_owned())),
        transfer: known(&video.color.transfer).or(Some(transfer.to_owned())),
        matrix: named_matrix.or(Some(matrix.to_owned())),
    }
}

/// What rungs of `codec` look like. HDR stays HDR, in 10 bits, where the codec has them; elsewhere it is tone-mapped
/// to BT.709. SDR keeps 10 bits where the source has more than 8 and the codec takes them. Always 4:2:0 in limited
/// range, the one form that every player takes.
pub(super) fn look(codec: VideoCodec, video: &VideoFacts, decoded: &ColorTags) -> Look {
    let ten_bit = codec.traits().ten_bit && (video.hdr.is_some() || video.bit_depth > 8);
    let pixel_format = if ten_bit { "yuv420p10le" } else { "yuv420p" };
    if video.hdr.is_some() && !ten_bit {
        return Look {
            pixel_format,
            color: tags("bt709", "bt709", "bt709"),
            hdr: None,
            picture: PictureOptions::default(),
        };
    }
    let mut color = ColorTags { range: Some("tv".to_owned()), ..decoded.clone() };
    if is_rgb(video) {
        color.matrix = Some(usual(video).2.to_owned());
    }
    Look { pixel_format, color, hdr: video.hdr.clone(), picture: PictureOptions::default() }
}

/// What rungs of `codec` look like when pictures are asked to be made so.
pub(super) fn asked(codec: VideoCodec, video: &VideoFacts, decoded: &ColorTags, options: &PictureOptions) -> Look {
    let tone_mapped = video.hdr.is_some() && options.dynamic_range == DynamicRange::Sdr;
    // H.264 is the one that never keeps it.
    let look = look(if tone_mapped { VideoCodec::H264 } else { codec }, video, decoded);
    let picture = picture::effective(options, video.hdr.is_some() && look.hdr.is_none());
    Look { picture, ..look }
}

/// What the pictures of a joined source look like whose first part has these: with `hdr` as they are, in 10 bits where
/// they have more than 8; without it tone-mapped where they are HDR.
pub(super) fn joined_look(first: &VideoFacts, decoded: &ColorTags, hdr: bool) -> Look {
    let codec = if first.hdr.is_some() && !hdr { VideoCodec::H264 } else { VideoCodec::Hevc };
    look(codec, first, decoded)
}

/// Whether samples are RGB; palettes are RGB too.
pub(super) fn is_rgb(video: &VideoFacts) -> bool {
    video.rgb || video.pixel_format == "pal8"
}

/// Primaries, transfer and matrix by convention, for what tags leave unsaid.
fn usual(video: &VideoFacts) -> (&'static str, &'static str, &'static str) {
    match &video.hdr {
        Some(Hdr { kind: HdrKind::Pq, .. }) => ("bt2020", "smpte2084", "bt2020nc"),
        Some(Hdr { kind: HdrKind::Hlg, .. }) => ("bt2020", "arib-std-b67", "bt2020nc"),
        None if video.height.max(video.width * 9 / 16) >= 720 => ("bt709", "bt709", "bt709"),
        None if is_625_line(video) => ("bt470bg", "bt709", "bt470bg"),
        None => ("smpte170m", "bt709", "smpte170m"),
    }
}

/// 576 or 288 lines at 25 or 50 frames a second.
fn is_625_line(video: &VideoFacts) -> bool {
    let rate = video.frame_rate;
    matches!(video.height, 576 | 288) && rate.is_known() && (rate.num == rate.den * 25 || rate.num == rate.den * 50)
}

fn tags(primaries: &str, transfer: &str, matrix: &str) -> ColorTags {
    ColorTags {
        range: Some("tv".to_owned()),
        primaries: Some(primaries.to_owned()),
        transfer: Some(transfer.to_owned()),
        matrix: Some(matrix.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::video;

    #[test]
    fn what_the_source_leaves_unsaid_follows_its_size() {
        let matrix = |w, h, fps| decoded(&video(w, h, fps, 1)).matrix.unwrap();
        assert_eq!(matrix(1920, 1080, 25), "bt709");
        assert_eq!(matrix(1280, 536, 24), "bt709");
        assert_eq!(matrix(720, 1280, 30), "bt709");
        assert_eq!(matrix(720, 576, 25), "bt470bg");
        assert_eq!(matrix(640, 480, 30), "smpte170m");
    }

    #[test]
    fn rgb_frames_get_a_matrix_only_when_they_become_yuv() {
        let mut gif = video(200, 150, 10, 1);
        gif.rgb = true;
        gif.pixel_format = "bgra".into();
        let from = decoded(&gif);
        assert_eq!((from.matrix.as_deref(), from.range.as_deref()), (Some("gbr"), Some("pc")));
        let to = look(VideoCodec::H264, &gif, &from);
        assert_eq!((to.color.matrix.as_deref(), to.color.range.as_deref()), (Some("smpte170m"), Some("tv")));
    }

    #[test]
    fn depth_is_kept_where_the_codec_has_it() {
        let mut deep = video(1920, 1080, 25, 1);
        deep.bit_depth = 10;
        deep.pixel_format = "yuv422p10le".into();
        let from = decoded(&deep);
        assert_eq!(look(VideoCodec::H264, &deep, &from).pixel_format, "yuv420p");
        assert_eq!(look(VideoCodec::Hevc, &deep, &from).pixel_format, "yuv420p10le");
    }
}
