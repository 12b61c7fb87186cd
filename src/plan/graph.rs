//! Filter graphs as text, in FFmpeg's own syntax (5.1 up to 7.1).

use super::color::{Look, is_rgb};
use super::picture;
use crate::model::facts::{ColorTags, Hdr, Scan, VideoFacts};
use crate::model::plan::Fields;
use crate::model::request::ToneMap;

/// From HDR to BT.709 pictures (zimg and FFmpeg's `tonemap`): linear light with SDR white at 100 cd/m², BT.709
/// primaries, Hable's curve, then back to limited-range 4:2:0. The curve's peak comes from the stream's own mastering
/// data, or 1000 cd/m² where there is none.
pub(super) const TONE_MAP: &str = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,\
                        zscale=t=bt709:m=bt709:r=tv,format=yuv420p";
/// Primaries and matrices that the tone mapper converts from; HDR with any other tag is read as BT.2020. `bt2020c` in
/// particular makes zimg fail ("invalid colorspace definition"), upon which FFmpeg 5.1 and 7.1 hang for ever.
const HDR_PRIMARIES: [&str; 5] = ["bt2020", "bt709", "smpte428", "smpte431", "smpte432"];
const HDR_MATRICES: [&str; 2] = ["bt2020nc", "bt709"];
/// `bwdif` refuses pictures with fewer columns or lines.
const DEINTERLACE_SIDE_MIN: u32 = 3;

/// What film is matched and compared in.
pub(super) const TELECINE_FORMAT: &str = "yuv420p";

/// What every decoded frame goes through once: fields to frames at the source's frame rate, then upright. Empty for
/// pictures that already are. A quarter turn swaps width and height, and inverts the pixel's aspect by itself.
pub(super) fn prepare(video: &VideoFacts, fields: Option<Fields>) -> String {
    let mut filters = Vec::new();
    match parity(video) {
        // What no neighbour's field fits stays marked as interlaced, and is interpolated.
        Some(parity) if fields.is_some_and(|fields| fields.telecine.is_some()) => filters.push(format!(
            "fieldmatch=order={parity},bwdif=mode=send_frame:parity={parity}:deint=interlaced,format={TELECINE_FORMAT}"
        )),
        Some(parity) => filters.push(format!("bwdif=mode={}:parity={parity}:deint=all", deinterlaced(fields))),
        None => {}
    }
    if video.mirrored {
        filters.push("hflip".to_owned());
    }
    match video.rotation {
        90 => filters.push("transpose=clock".to_owned()),
        180 => filters.push("hflip,vflip".to_owned()),
        270 => filters.push("transpose=cclock".to_owned()),
        _ => {}
    }
    filters.join(",")
}

/// What the deinterlacers send, in their words.
pub(super) fn deinterlaced(fields: Option<Fields>) -> &'static str {
    if fields.is_some_and(|fields| fields.each) { "send_field" } else { "send_frame" }
}

/// Which field comes first, in the words of the deinterlacers; `None` for pictures that need none.
pub(super) fn parity(video: &VideoFacts) -> Option<&'static str> {
    let parity = match video.scan {
        Scan::Progressive => None,
        Scan::TopFirst => Some("tff"),
        Scan::BottomFirst => Some("bff"),
    };
    parity.filter(|_| video.width.min(video.height) >= DEINTERLACE_SIDE_MIN)
}

/// From prepared source frames to a rung; empty when they already are what the rung needs. Scaling makes pixels square.
/// Transparent sources lose their alpha plane here (`format` drops it, nothing is blended): the colour that is stored
/// beneath shows, which is black in most media and white in FFmpeg's GIF decoder. Pictures are cropped and padded first,
/// lose noise at the rung's size, before tone mapping shows it more plainly, and are sharpened last.
pub(super) fn from_source(video: &VideoFacts, decoded: &ColorTags, look: &Look, width: u32, height: u32) -> String {
    let whole = prepared_size(video);
    let framed = picture::framed_in(video, decoded, &look.picture);
    let video = framed.video.as_ref();
    let tone_map = tone_maps(video, look.hdr.as_ref());
    let full = decoded.range.as_deref() == Some("pc");
    let (from_width, from_height) = prepared_size(video);
    let square = !video.sample_aspect.is_known() || video.sample_aspect.num == video.sample_aspect.den;
    let pixel_format = if tone_map { "yuv420p10le" } else { look.pixel_format };
    let same_size = (from_width, from_height) == (width, height);
    let mut filters = Vec::new();
    if !same_size || full || is_rgb(video) || video.pixel_format != pixel_format {
        filters.push(scale(video, full, look_matrix(decoded, look, tone_map), width, height));
    }
    if !filters.is_empty() || !square {
        filters.push("setsar=1".to_owned());
    }
    if !filters.is_empty() || tone_map {
        filters.push(format!("format={pixel_format}"));
    }
    filters.extend(look.picture.denoise.map(|strength| picture::denoise(strength).to_owned()));
    if tone_map {
        filters.push(tone_map_graph(decoded, look.picture.tone_map));
    }
    filters.extend(look.picture.sharpen.map(|strength| picture::sharpen(strength).to_owned()));
    // Changes nothing but pictures that a source makes smaller or larger in mid-stream: what is left out of them, and
    // what is put beside them, has its place in those of the size that was planned with.
    let whole = (!framed.filters.is_empty()).then(|| format!("scale=w={}:h={}:flags=bicubic", whole.0, whole.1));
    [whole.into_iter().collect(), framed.filters, filters].concat().join(",")
}

/// Whether a rung's pictures are tone-mapped: the source is HDR and what is `kept` is not.
pub(super) const fn tone_maps(video: &VideoFacts, kept: Option<&Hdr>) -> bool {
    video.hdr.is_some() && kept.is_none()
}

/// From 10-bit HDR in limited range to 8-bit BT.709, by a curve.
pub(super) fn tone_map_graph(decoded: &ColorTags, curve: ToneMap) -> String {
    let by_curve = TONE_MAP.replace("=hable", &format!("={}", curve.name()));
    format!("{},{by_curve}", tags_for_zimg(decoded))
}

/// From one rung's frames to a smaller one of the same look; empty for the same size.
pub(super) fn from_rung(parent: (u32, u32), width: u32, height: u32) -> String {
    if parent == (width, height) { String::new() } else { format!("scale=w={width}:h={height}:flags=bicubic,setsar=1") }
}

/// Size of prepared frames: as coded, turned by the quarter turns of `prepare`.
pub(super) fn prepared_size(video: &VideoFacts) -> (u32, u32) {
    if matches!(video.rotation, 90 | 270) { (video.height, video.width) } else { (video.width, video.height) }
}

/// The scaler also converts range (from full to limited) and RGB to YUV, by the matrix that the output is tagged with.
/// Grey is full range to FFmpeg's scaler, whatever its tags, so there the output's range is named too.
pub(super) fn scale(video: &VideoFacts, full: bool, matrix: Option<&str>, width: u32, height: u32) -> String {
    let mut text = format!("scale=w={width}:h={height}:flags=bicubic");
    if is_rgb(video) {
        if let Some(matrix) = matrix {
            text.push_str(&format!(":out_color_matrix={}", scaler_matrix(matrix)));
        }
        text.push_str(":out_range=tv");
    } else if full {
        text.push_str(":in_range=pc:out_range=tv");
    } else if video.pixel_format.starts_with("gray") {
        text.push_str(":out_range=tv");
    }
    text
}

/// The matrix that RGB becomes YUV by.
pub(super) fn look_matrix<'a>(decoded: &'a ColorTags, look: &'a Look, tone_map: bool) -> Option<&'a str> {
    // Between RGB HDR and the tone mapper stands YUV by the matrix that `tags_for_zimg` names.
    if tone_map { Some(among(&HDR_MATRICES, decoded.matrix.as_deref())) } else { look.color.matrix.as_deref() }
}

/// The `scale` filter's name of a matrix, by the ones that it has; it takes BT.601 for both of its kinds.
pub(super) fn scaler_matrix(matrix: &str) -> &str {
    match matrix {
        "bt709" | "fcc" | "smpte170m" | "smpte240m" => matrix,
        "bt2020nc" | "bt2020c" => "bt2020",
        _ => "bt601",
    }
}

/// Tags on every frame that zimg converts: with one of them missing it finds "no path between colorspaces", even
/// when its own input options name them.
pub(super) fn tags_for_zimg(decoded: &ColorTags) -> String {
    let transfer = if decoded.transfer.as_deref() == Some("arib-std-b67") { "arib-std-b67" } else { "smpte2084" };
    let primaries = among(&HDR_PRIMARIES, decoded.primaries.as_deref());
    let matrix = among(&HDR_MATRICES, decoded.matrix.as_deref());
    format!("setparams=range=tv:color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}")
}

/// The tag if it is known, otherwise the first of the known ones.
fn among(known: &[&'static str], tag: Option<&str>) -> &'static str {
    known.iter().copied().find(|k| tag == Some(*k)).unwrap_or(known[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::HdrKind;
    use crate::model::{Ratio, VideoCodec};
    use crate::plan::color;
    use crate::plan::testing::video;

    fn graph(video: &VideoFacts, codec: VideoCodec, width: u32, height: u32) -> String {
        let decoded = color::decoded(video);
        from_source(video, &decoded, &color::look(codec, video, &decoded), width, height)
    }

    #[test]
    fn frames_that_are_right_already_pass_untouched() {
        let plain = video(1920, 1080, 25, 1);
        assert_eq!(graph(&plain, VideoCodec::H264, 1920, 1080), "");
        assert_eq!(prepare(&plain, None), "");
        assert_eq!(from_rung((1280, 720), 1280, 720), "");
    }

    #[test]
    fn depth_range_and_pixel_shape_are_each_converted() {
        let mut source = video(1920, 1080, 25, 1);
        source.pixel_format = "yuv422p10le".into();
        assert_eq!(
            graph(&source, VideoCodec::H264, 1280, 720),
            "scale=w=1280:h=720:flags=bicubic,setsar=1,format=yuv420p"
        );
        source.pixel_format = "yuvj420p".into();
        assert_eq!(
            graph(&source, VideoCodec::H264, 1920, 1080),
            "scale=w=1920:h=1080:flags=bicubic:in_range=pc:out_range=tv,setsar=1,format=yuv420p"
        );
        let mut wide = video(720, 576, 25, 1);
        wide.sample_aspect = Ratio::new(64, 45);
        assert_eq!(graph(&wide, VideoCodec::H264, 720, 576), "setsar=1,format=yuv420p");
    }

    #[test]
    fn rgb_is_converted_by_the_matrix_of_the_tags() {
        let mut gif = video(200, 150, 10, 1);
        gif.pixel_format = "bgra".into();
        gif.rgb = true;
        assert_eq!(
            graph(&gif, VideoCodec::H264, 200, 150),
            "scale=w=200:h=150:flags=bicubic:out_color_matrix=smpte170m:out_range=tv,setsar=1,format=yuv420p"
        );
    }

    #[test]
    fn hdr_is_tone_mapped_for_h264_alone() {
        let mut hdr = video(1920, 1080, 25, 1);
        hdr.pixel_format = "yuv420p10le".into();
        hdr.bit_depth = 10;
        hdr.hdr = Some(Hdr { kind: HdrKind::Hlg, mastering: None, max_cll: None, max_fall: None });
        let sdr = graph(&hdr, VideoCodec::H264, 1920, 1080);
        let tags =
            "format=yuv420p10le,setparams=range=tv:color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc,";
        assert_eq!(sdr, format!("{tags}{TONE_MAP}"));
        assert_eq!(graph(&hdr, VideoCodec::Hevc, 1920, 1080), "");
        hdr.color.matrix = Some("bt2020c".into());
        assert_eq!(graph(&hdr, VideoCodec::H264, 1920, 1080), sdr, "a matrix that hangs the tone mapper reaches it");
    }

    #[test]
    fn fields_come_first_then_the_mirror_then_the_turn() {
        let mut source = video(1440, 1080, 25, 1);
        source.scan = Scan::BottomFirst;
        source.mirrored = true;
        source.rotation = 90;
        assert_eq!(prepare(&source, None), "bwdif=mode=send_frame:parity=bff:deint=all,hflip,transpose=clock");
        let each = Fields { each: true, told: false, telecine: None };
        assert_eq!(prepare(&source, Some(each)), "bwdif=mode=send_field:parity=bff:deint=all,hflip,transpose=clock");
        source.height = 2;
        source.mirrored = false;
        source.rotation = 180;
        assert_eq!(prepare(&source, None), "hflip,vflip");
    }
}
