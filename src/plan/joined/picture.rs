//! What the pictures of a joined source look like, and the graph that makes those of each part so.

use crate::model::Ratio;
use crate::model::facts::{ColorTags, VideoFacts};
use crate::plan::color::{self, Look};
use crate::plan::graph;

/// Names that `setparams` knows as FFmpeg's frames have them; any other tag is left as it is.
const PRIMARIES: [&str; 7] = ["bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020", "smpte431", "smpte432"];
const TRANSFERS: [&str; 8] =
    ["bt709", "bt470bg", "smpte170m", "iec61966-2-1", "bt2020-10", "bt2020-12", "smpte2084", "arib-std-b67"];
const MATRICES: [&str; 6] = ["bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020nc", "fcc"];
/// Primaries, transfers and matrices of standard dynamic range between which zimg has a path.
const SDR_PRIMARIES: [&str; 5] = ["bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020"];
const SDR_TRANSFERS: [&str; 5] = ["bt709", "smpte170m", "bt2020-10", "bt2020-12", "iec61966-2-1"];
const SDR_MATRICES: [&str; 5] = ["bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"];

/// What all parts are brought to: the prepared pictures of the first one.
pub(super) struct Canvas {
    /// Size, pixels.
    pub size: (u32, u32),
    /// Size as shown, in square pixels.
    display: (u32, u32),
    /// Width of a pixel over its height.
    aspect: Ratio,
    /// Pixel format and colour.
    look: Look,
}

impl Canvas {
    /// That of a source whose first part has pictures `first`. `hdr`: all parts have the same high dynamic range.
    pub(super) fn of(first: &VideoFacts, hdr: bool) -> Self {
        let decoded = color::decoded(first);
        let look = color::joined_look(first, &decoded, hdr);
        let aspect = first.sample_aspect;
        let aspect = if aspect.is_known() { aspect } else { Ratio::new(1, 1) };
        let turned = matches!(first.rotation, 90 | 270);
        Self {
            size: graph::prepared_size(first),
            display: (first.display_width.max(1), first.display_height.max(1)),
            aspect: if turned { Ratio::new(aspect.den, aspect.num) } else { aspect },
            look,
        }
    }

    /// The joined pictures as facts: those of the first part, upright and whole.
    pub(super) fn facts(&self, first: &VideoFacts) -> VideoFacts {
        VideoFacts {
            width: self.size.0,
            height: self.size.1,
            sample_aspect: self.aspect,
            rotation: 0,
            mirrored: false,
            scan: crate::model::facts::Scan::Progressive,
            pixel_format: self.look.pixel_format.to_owned(),
            bit_depth: if self.look.pixel_format == "yuv420p" { 8 } else { 10 },
            rgb: false,
            color: self.look.color.clone(),
            hdr: self.look.hdr.clone(),
            first_pts: Some(0),
            key_frames: Vec::new(),
            area: None,
            ..first.clone()
        }
    }

    /// From decoded pictures to these: whole, upright, in these colours, fitted inside with their shape kept, the rest
    /// black.
    pub(super) fn graph(&self, video: &VideoFacts) -> String {
        let decoded = color::decoded(video);
        let (width, height) = self.fitted(video);
        let mut filters = vec![graph::prepare(video, None)];
        let tone_map = video.hdr.is_some() && self.look.hdr.is_none();
        let from = decoded.matrix.as_deref().filter(|_| !color::is_rgb(video));
        let to = self.look.color.matrix.as_deref();
        let converted = self.converted(video, &decoded, (width, height));
        let other_matrix =
            !tone_map && converted.is_none() && from.map(graph::scaler_matrix) != to.map(graph::scaler_matrix);
        let full = decoded.range.as_deref() == Some("pc");
        let pixel_format = if tone_map { "yuv420p10le" } else { self.look.pixel_format };
        let resized = graph::prepared_size(video) != (width, height);
        let reshaped = resized || full || color::is_rgb(video) || other_matrix;
        if reshaped || video.pixel_format != pixel_format {
            let named = graph::look_matrix(&decoded, &self.look, tone_map);
            let mut scale = graph::scale(video, full, named, width, height);
            if let (true, Some(from), Some(to)) = (other_matrix, from, to) {
                let (from, to) = (graph::scaler_matrix(from), graph::scaler_matrix(to));
                scale.push_str(&format!(":in_color_matrix={from}:out_color_matrix={to}"));
            }
            filters.push(scale);
            filters.push(format!("format={pixel_format}"));
        }
        if let Some(converted) = converted {
            filters.push(converted);
            filters.push(format!("format={pixel_format}"));
        }
        if tone_map {
            filters.push(graph::tags_for_zimg(&decoded));
            filters.push(graph::TONE_MAP.to_owned());
            if let Some(to) = to.map(graph::scaler_matrix).filter(|to| *to != "bt709") {
                filters.push(format!("scale=in_color_matrix=bt709:out_color_matrix={to}"));
            }
            filters.push(format!("format={}", self.look.pixel_format));
        }
        if (width, height) != self.size {
            // At even places, where the coarser planes of colour have samples.
            let (x, y) = ((self.size.0 - width) / 4 * 2, (self.size.1 - height) / 4 * 2);
            filters.push(format!("pad=w={}:h={}:x={x}:y={y}", self.size.0, self.size.1));
        }
        filters.push(format!("setsar={}/{}", self.aspect.num, self.aspect.den));
        filters.push(self.tags());
        filters.retain(|filter| !filter.is_empty());
        filters.join(",")
    }

    /// To these primaries in linear light, with transfer and matrix, where both are of standard dynamic range and have others.
    /// RGB has a screen's primaries whatever its size, and pictures of odd sides have no path there: they are only tagged.
    fn converted(&self, video: &VideoFacts, decoded: &ColorTags, (width, height): (u32, u32)) -> Option<String> {
        let to = &self.look.color;
        let sdr = video.hdr.is_none() && self.look.hdr.is_none() && !color::is_rgb(video);
        let even = width % 2 == 0 && height % 2 == 0;
        if !sdr || !even || gamut(decoded) == gamut(to) {
            return None;
        }
        let [from, to] = [decoded, to].map(named);
        let ((from_p, from_t, from_m), (p, t, m)) = (from?, to?);
        let tags = format!("setparams=range=tv:color_primaries={from_p}:color_trc={from_t}:colorspace={from_m}");
        Some(format!("{tags},zscale=p={p}:t={t}:m={m}:r=tv"))
    }

    /// Every part's pictures say the same about their colour.
    fn tags(&self) -> String {
        let ColorTags { primaries, transfer, matrix, .. } = &self.look.color;
        let mut text = "setparams=range=tv".to_owned();
        let tags = [
            ("color_primaries", primaries, &PRIMARIES[..]),
            ("color_trc", transfer, &TRANSFERS),
            ("colorspace", matrix, &MATRICES),
        ];
        for (name, tag, known) in tags {
            if let Some(tag) = tag.as_deref().filter(|tag| known.contains(tag)) {
                text.push_str(&format!(":{name}={tag}"));
            }
        }
        text
    }

    /// The largest size inside that has the shape of these pictures.
    fn fitted(&self, video: &VideoFacts) -> (u32, u32) {
        let (box_width, box_height) = (u64::from(self.display.0), u64::from(self.display.1));
        let (width, height) = (u64::from(video.display_width.max(1)), u64::from(video.display_height.max(1)));
        if width * box_height >= height * box_width {
            (self.size.0, side(height * box_width * u64::from(self.size.1), width * box_height, self.size.1))
        } else {
            (side(width * box_height * u64::from(self.size.0), height * box_width, self.size.0), self.size.1)
        }
    }
}

/// The even number nearest to a quotient, at least 2 and at most the whole side, which may be odd.
fn side(over: u64, under: u64, whole: u32) -> u32 {
    let even = (over + under) / (2 * under) * 2;
    let even = u32::try_from(even).unwrap_or(u32::MAX).max(2);
    if even.saturating_add(1) >= whole { whole } else { even }
}

/// The primaries, of those that are the same by one name: SMPTE 240M has those of 170M.
fn gamut(tags: &ColorTags) -> Option<&str> {
    tags.primaries.as_deref().map(|name| if name == "smpte240m" { "smpte170m" } else { name })
}

/// Primaries, transfer and matrix that are all convertible.
fn named(tags: &ColorTags) -> Option<(&'static str, &'static str, &'static str)> {
    let one = |known: &[&'static str], tag: &Option<String>| known.iter().copied().find(|k| tag.as_deref() == Some(*k));
    let primaries = one(&SDR_PRIMARIES, &tags.primaries)?;
    Some((primaries, one(&SDR_TRANSFERS, &tags.transfer)?, one(&SDR_MATRICES, &tags.matrix)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::{HdrKind, Scan};
    use crate::plan::testing::{hdr_video, video};

    const TAGS: &str = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709";

    fn canvas() -> Canvas {
        Canvas::of(&video(1280, 720, 25, 1), false)
    }

    #[test]
    fn pictures_like_those_of_the_first_part_are_only_tagged() {
        assert_eq!(canvas().graph(&video(1280, 720, 50, 1)), format!("setsar=1/1,{TAGS}"));
    }

    #[test]
    fn another_shape_is_kept_and_padded() {
        let graph = canvas().graph(&video(720, 1280, 25, 1));
        let fitted =
            format!("scale=w=406:h=720:flags=bicubic,format=yuv420p,pad=w=1280:h=720:x=436:y=0,setsar=1/1,{TAGS}");
        assert_eq!(graph, fitted);
        let graph = canvas().graph(&video(2048, 858, 24, 1));
        assert!(graph.contains("scale=w=1280:h=536:") && graph.contains("pad=w=1280:h=720:x=0:y=92"), "{graph}");
    }

    #[test]
    fn shapes_of_pixels_count_on_both_sides() {
        let mut wide = video(720, 576, 25, 1);
        (wide.sample_aspect, wide.display_width) = (Ratio::new(64, 45), 1024);
        let square = canvas().graph(&wide);
        assert!(square.starts_with("scale=w=1280:h=720:"), "16:9 fills 16:9: {square}");
        let first = Canvas::of(&wide, false);
        let fitted = first.graph(&video(1080, 1080, 25, 1));
        assert!(fitted.contains("scale=w=406:h=576:") && fitted.contains("x=156:y=0,setsar=64/45"), "{fitted}");
    }

    #[test]
    fn turned_interlaced_pictures_are_made_upright_and_whole_first() {
        let mut turned = video(1280, 720, 25, 1);
        (turned.rotation, turned.scan) = (90, Scan::TopFirst);
        (turned.display_width, turned.display_height) = (720, 1280);
        let graph = canvas().graph(&turned);
        assert!(
            graph.starts_with("bwdif=mode=send_frame:parity=tff:deint=all,transpose=clock,scale=w=406:h=720"),
            "{graph}"
        );
        let first = Canvas::of(&turned, false);
        assert_eq!((first.size, first.facts(&turned).display_height), ((720, 1280), 1280));
    }

    #[test]
    fn matrices_and_ranges_are_converted_to_those_of_the_first_part() {
        let mut small = video(640, 360, 25, 1);
        small.color.primaries = Some("bt709".into());
        let small = canvas().graph(&small);
        assert!(
            small.starts_with("scale=w=1280:h=720:flags=bicubic:in_color_matrix=smpte170m:out_color_matrix=bt709,")
        );
        let mut full = video(1280, 720, 25, 1);
        full.pixel_format = "yuvj420p".into();
        assert!(canvas().graph(&full).contains("in_range=pc:out_range=tv"));
    }

    #[test]
    fn primaries_are_converted_in_linear_light_where_there_is_a_path() {
        let small = canvas().graph(&video(640, 360, 25, 1));
        let from = "setparams=range=tv:color_primaries=smpte170m:color_trc=bt709:colorspace=smpte170m";
        let to = "zscale=p=bt709:t=bt709:m=bt709:r=tv";
        let all =
            format!("scale=w=1280:h=720:flags=bicubic,format=yuv420p,{from},{to},format=yuv420p,setsar=1/1,{TAGS}");
        assert_eq!(small, all);
        let mut rgb = VideoFacts { rgb: true, ..video(640, 360, 25, 1) };
        rgb.pixel_format = "gbrp".into();
        let mut film = video(1280, 720, 25, 1);
        film.color.primaries = Some("film".into());
        assert!([rgb, film].iter().all(|video| !canvas().graph(video).contains("zscale")));
        let small = Canvas::of(&video(640, 360, 25, 1), false);
        let pal =
            VideoFacts { height: 288, width: 512, display_height: 288, display_width: 512, ..video(640, 360, 25, 1) };
        assert!(small.graph(&pal).contains("zscale=p=smpte170m"));
    }

    #[test]
    fn high_dynamic_range_stays_only_where_all_have_it() {
        let hdr = hdr_video(1280, 720, HdrKind::Pq);
        let kept = Canvas::of(&hdr, true);
        assert_eq!(kept.facts(&hdr).hdr, hdr.hdr);
        assert!(
            kept.graph(&hdr).starts_with("setsar=1/1,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084")
        );
        let mixed = Canvas::of(&hdr, false);
        assert_eq!((mixed.facts(&hdr).hdr, mixed.facts(&hdr).bit_depth), (None, 8));
        assert!(mixed.graph(&hdr).contains("tonemap") && mixed.graph(&hdr).ends_with(TAGS));
        assert!(canvas().graph(&hdr).contains("tonemap"));
    }

    #[test]
    fn what_hardly_differs_is_not_padded() {
        assert_eq!(canvas().fitted(&video(1279, 720, 25, 1)), (1280, 720));
        assert_eq!(canvas().fitted(&video(1, 16_384, 25, 1)), (2, 720));
    }
}
