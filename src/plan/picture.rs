//! Picture options of one output on one source: sizes, and the filters that are not scaling.
//!
//! All of it stands in the graph of a rung, none in what all decoded frames go through, so that outputs that ask for
//! different pictures share one decode.

use super::checks::SOURCE_SIDE_MAX;
use super::notes::Notes;
use super::source::Source;
use super::{color, graph};
use crate::model::facts::{ColorTags, Scan, VideoFacts};
use crate::model::request::{Color, Crop, DynamicRange, PictureOptions, Strength, ToneMap};
use crate::model::{Problem, Signal};
use std::borrow::Cow;

/// Pictures of a source after cropping and padding.
pub(super) struct Framed<'a> {
    /// What they are then: upright and whole where anything is done to them.
    pub video: Cow<'a, VideoFacts>,
    /// The filters, on prepared frames.
    pub filters: Vec<String>,
}

/// The options as far as they change anything about rungs that are tone-mapped or not: what differs in nothing else is
/// made once. What becomes of dynamic range is said by the rung's look.
pub(super) fn effective(asked: &PictureOptions, tone_mapped: bool) -> PictureOptions {
    let tone_map = if tone_mapped { asked.tone_map } else { ToneMap::default() };
    PictureOptions { tone_map, dynamic_range: DynamicRange::default(), ..asked.untimed() }
}

/// Crops and pads, in that order, at even places and to even sizes, where the coarser planes of colour have samples. What
/// of a crop lies outside of the picture is not there ([`problem`] refuses it beforehand).
pub(super) fn framed<'a>(video: &'a VideoFacts, options: &PictureOptions) -> Framed<'a> {
    framed_in(video, &color::decoded(video), options)
}

/// [`framed`] for frames of these colours.
pub(super) fn framed_in<'a>(video: &'a VideoFacts, decoded: &ColorTags, options: &PictureOptions) -> Framed<'a> {
    let asked = options.crop.or(video.area.filter(|_| options.crop_bars));
    if asked.is_none() && options.pad.is_none() {
        return Framed { video: Cow::Borrowed(video), filters: Vec::new() };
    }
    let prepared = graph::prepared_size(video);
    let (mut size, mut filters) = (prepared, Vec::new());
    // Shown pixels are square, stored ones need not be.
    let shown = (u64::from(video.display_width.max(1)), u64::from(video.display_height.max(1)));
    if let Some(crop) = asked {
        let (x, width) = side(crop.x, crop.width, size.0, shown.0);
        let (y, height) = side(crop.y, crop.height, size.1, shown.1);
        if (width, height) != size {
            filters.push(format!("crop=w={width}:h={height}:x={x}:y={y}"));
            size = (width, height);
        }
    }
    if let Some(pad) = options.pad {
        let wide =
            [size.0, prepared.1, pad.shape.height].map(u128::from).iter().product::<u128>() * u128::from(shown.0);
        let high = [size.1, prepared.0, pad.shape.width].map(u128::from).iter().product::<u128>() * u128::from(shown.1);
        let padded =
            if wide < high { (longer(size.0, high, wide), size.1) } else { (size.0, longer(size.1, wide, high)) };
        if padded != size {
            let (x, y) = ((padded.0 - size.0) / 4 * 2, (padded.1 - size.1) / 4 * 2);
            filters.push(bars(size, padded, (x, y), pad.color, (video, decoded)));
            size = padded;
        }
    }
    if filters.is_empty() {
        return Framed { video: Cow::Borrowed(video), filters };
    }
    let display = |side: u32, of: u32, shown: u64| {
        let of = u64::from(of.max(1));
        u32::try_from((u64::from(side) * shown + of / 2) / of).unwrap_or(u32::MAX).max(1)
    };
    let video = VideoFacts {
        width: size.0,
        height: size.1,
        display_width: display(size.0, prepared.0, shown.0),
        display_height: display(size.1, prepared.1, shown.1),
        rotation: 0,
        mirrored: false,
        scan: Scan::Progressive,
        key_frames: Vec::new(),
        area: None,
        ..video.clone()
    };
    Framed { video: Cow::Owned(video), filters }
}

/// Bars in this colour around pictures of a size. `pad` takes any colour by BT.601 (FFmpeg 5.1), and to the brightest that
/// HDR can be, so bars that are not black are made of pictures with the codes that the colour has there.
fn bars(
    size: (u32, u32),
    padded: (u32, u32),
    (x, y): (u32, u32),
    color: Color,
    (video, decoded): (&VideoFacts, &ColorTags),
) -> String {
    let format = video.pixel_format.as_str();
    let usual = ["yuv420", "yuv422", "yuv444", "yuvj42", "yuvj444", "yuva42", "yuva444"];
    let is_whole =
        size.0.is_multiple_of(2) && size.1.is_multiple_of(2) && usual.iter().any(|start| format.starts_with(start));
    // Black is what `pad` takes it for, but in full range that the name of the format does not tell.
    let full = decoded.range.as_deref() == Some("pc") && !format.starts_with("yuvj");
    if color::is_rgb(video) || !is_whole || color == Color([0; 3]) && !full {
        let [red, green, blue] = color.0;
        return format!("pad=w={}:h={}:x={x}:y={y}:color=0x{red:02x}{green:02x}{blue:02x}", padded.0, padded.1);
    }
    let signal = Signal::of(decoded, video.bit_depth, video.hdr.as_ref().map(|hdr| hdr.kind));
    let (luma, cb, cr) = signal.code(color.0.map(|channel| f32::from(channel) / 255.0));
    let [luma, cb, cr] = [luma, cb, cr].map(|code| code.round() as u32);
    let is_wide = padded.1 == size.1;
    let (before, after) = if is_wide { (x, padded.0 - size.0 - x) } else { (y, padded.1 - size.1 - y) };
    let bar = |name: &str, side: u32| {
        let (width, height) = if is_wide { (side, size.1) } else { (size.0, side) };
        format!("[{name}]scale=w={width}:h={height}:flags=neighbor,lutyuv=y={luma}:u={cb}:v={cr}[{name}_bar];")
    };
    let (split, first) = if before > 0 { ("[before]", bar("before", before)) } else { ("", String::new()) };
    let (bars, first_bar) = if before > 0 { (3, "[before_bar]") } else { (2, "") };
    let stack = if is_wide { "hstack" } else { "vstack" };
    let last = bar("after", after);
    format!("split={bars}{split}[kept][after];{first}{last}{first_bar}[kept][after_bar]{stack}=inputs={bars},setsar=1")
}

/// What cannot be done to the pictures of a source, by the fields of `reelmill.v1.PictureSpec`.
pub(super) fn unfit(source: &Source<'_>, video: &VideoFacts, options: &PictureOptions) -> Option<Problem> {
    if source.joined.is_some() && options.crop_bars {
        let message = "black bars of a joined source are not looked for: its parts may have different ones; \
                       say what is kept with `crop`";
        return Some(Problem::input("request.crop", message).at("picture.crop_bars"));
    }
    problem(video, options)
}

/// Says what became of black bars that were to be left out.
pub(super) fn tell_of_bars(video: &VideoFacts, options: &PictureOptions, notes: &mut Notes) {
    let whole = |area: &Crop| (area.width, area.height) == (video.display_width, video.display_height);
    match video.area {
        _ if !options.crop_bars => {}
        Some(area) if whole(&area) => {
            notes.add("crop.no_bars", "no black bars were found, so the whole picture is kept")
        }
        Some(Crop { x, y, width, height }) => {
            let message = format!("black bars are left out: {width}x{height}+{x}+{y} of the picture is kept");
            notes.add("crop.bars", message);
        }
        None => {
            let message =
                "too little of the source could be looked at to tell black bars, so the whole picture is kept";
            notes.add("crop.unknown", message);
        }
    }
}

/// What cannot be done to these pictures, by the fields of `reelmill.v1.PictureSpec`.
pub(super) fn problem(video: &VideoFacts, options: &PictureOptions) -> Option<Problem> {
    let shown = (video.display_width.max(1), video.display_height.max(1));
    let inside = |at: u32, side: u32, all: u32| at.checked_add(side).is_some_and(|end| end <= all);
    let outside =
        options.crop.filter(|crop| !(inside(crop.x, crop.width, shown.0) && inside(crop.y, crop.height, shown.1)));
    if let Some(crop) = outside {
        let message = format!(
            "{}x{} pixels from column {} and line {} do not lie in the picture, which is {}x{} as shown",
            crop.width, crop.height, crop.x, crop.y, shown.0, shown.1
        );
        return Some(Problem::input("request.crop", message).at("picture.crop"));
    }
    let framed = framed(video, options);
    let side = framed.video.width.max(framed.video.height).max(framed.video.display_width);
    (side.max(framed.video.display_height) > SOURCE_SIDE_MAX && !framed.filters.is_empty()).then(|| {
        let message =
            format!("with its bars the picture would be {side} pixels long: the limit is {SOURCE_SIDE_MAX} a side");
        Problem::input("request.pad", message).at("picture.pad")
    })
}

/// Whether a rung can be made of another one's pictures as far as options go. What is sharpened was so for its own size,
/// and is taken over at that size alone.
pub(super) fn joins(a: (&PictureOptions, (u32, u32)), b: (&PictureOptions, (u32, u32))) -> bool {
    a.0 == b.0 && (a.0.sharpen.is_none() || a.1 == b.1)
}

/// The filter that takes noise away: three-dimensional, so that what moves keeps its edges (FFmpeg's `hqdn3d`, whose own
/// default is the medium one).
pub(super) fn denoise(strength: Strength) -> &'static str {
    match strength {
        Strength::Light => "hqdn3d=luma_spatial=2:chroma_spatial=1.5:luma_tmp=3:chroma_tmp=2.25",
        Strength::Medium => "hqdn3d=luma_spatial=4:chroma_spatial=3:luma_tmp=6:chroma_tmp=4.5",
        Strength::Strong => "hqdn3d=luma_spatial=8:chroma_spatial=6:luma_tmp=12:chroma_tmp=9",
    }
}

/// The filter that raises edges: an unsharp mask of 5 by 5 on luma alone, for halos of colour are seen first.
pub(super) fn sharpen(strength: Strength) -> &'static str {
    match strength {
        Strength::Light => "unsharp=luma_msize_x=5:luma_msize_y=5:luma_amount=0.4",
        Strength::Medium => "unsharp=luma_msize_x=5:luma_msize_y=5:luma_amount=0.8",
        Strength::Strong => "unsharp=luma_msize_x=5:luma_msize_y=5:luma_amount=1.4",
    }
}

/// Where a crop begins and how long it is, stored pixels: `at` and `length` are of `shown` pixels.
fn side(at: u32, length: u32, stored: u32, shown: u64) -> (u32, u32) {
    let place = |shown_at: u64| (shown_at * u64::from(stored) / shown).min(u64::from(stored));
    let start = place(u64::from(at)) / 2 * 2;
    let end = place(u64::from(at) + u64::from(length));
    // A whole odd side stays whole.
    if start == 0 && end == u64::from(stored) {
        return (0, stored);
    }
    let length = (end.saturating_sub(start) / 2 * 2).max(2);
    let start = start.min(u64::from(stored).saturating_sub(length) / 2 * 2);
    // Both are at most `stored`, or 2.
    (start as u32, length as u32)
}

/// The even side that is `over / under` as long, or the side itself where that is less than two pixels more.
fn longer(side: u32, over: u128, under: u128) -> u32 {
    let even = (u128::from(side) * over + under) / (2 * under.max(1)) * 2;
    let even = u32::try_from(even).unwrap_or(u32::MAX - 1);
    if even < side.saturating_add(2) { side } else { even }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ratio;
    use crate::model::request::Pad;
    use crate::plan::testing::video;

    fn cropped(x: u32, y: u32, width: u32, height: u32) -> PictureOptions {
        PictureOptions { crop: Some(Crop { x, y, width, height }), ..PictureOptions::default() }
    }

    fn padded(shape: &str) -> PictureOptions {
        let pad = Pad { shape: shape.parse().unwrap(), color: Color([0; 3]) };
        PictureOptions { pad: Some(pad), ..PictureOptions::default() }
    }

    fn shown(framed: &Framed<'_>) -> (u32, u32) {
        (framed.video.display_width, framed.video.display_height)
    }

    #[test]
    fn a_crop_is_of_the_picture_as_shown() {
        let hd = video(1920, 1080, 25, 1);
        let part = framed(&hd, &cropped(241, 0, 1441, 1080));
        assert_eq!((part.filters.join(","), shown(&part)), ("crop=w=1442:h=1080:x=240:y=0".into(), (1442, 1080)));
        assert!(framed(&hd, &cropped(0, 0, 1920, 1080)).filters.is_empty());

        let mut wide = video(720, 576, 25, 1);
        (wide.sample_aspect, wide.display_width) = (Ratio::new(64, 45), 1024);
        let part = framed(&wide, &cropped(128, 0, 768, 576));
        assert_eq!((part.filters.join(","), shown(&part)), ("crop=w=540:h=576:x=90:y=0".into(), (768, 576)));

        let mut turned = video(1920, 1080, 25, 1);
        (turned.rotation, turned.display_width, turned.display_height) = (90, 1080, 1920);
        let part = framed(&turned, &cropped(0, 420, 1080, 1080));
        assert_eq!((part.filters.join(","), shown(&part)), ("crop=w=1080:h=1080:x=0:y=420".into(), (1080, 1080)));
        assert_eq!(part.video.rotation, 0);
    }

    #[test]
    fn bars_make_a_shape_of_square_pixels() {
        let square = video(1080, 1080, 25, 1);
        let wide = framed(&square, &padded("16:9"));
        assert_eq!(wide.filters, ["pad=w=1920:h=1080:x=420:y=0:color=0x000000"]);
        let high = framed(&square, &padded("9:16"));
        assert_eq!(high.filters, ["pad=w=1080:h=1920:x=0:y=420:color=0x000000"]);
        assert!(framed(&square, &padded("1:1")).filters.is_empty());

        let mut pal = video(720, 576, 25, 1);
        (pal.sample_aspect, pal.display_width) = (Ratio::new(16, 15), 768);
        let wide = framed(&pal, &padded("16:9"));
        assert_eq!(wide.filters, ["pad=w=960:h=576:x=120:y=0:color=0x000000"]);
        assert_eq!(shown(&wide), (1024, 576));
        let both = PictureOptions { crop: cropped(0, 0, 540, 1080).crop, ..padded("1:1") };
        let framed = framed(&square, &both);
        assert_eq!(framed.filters, ["crop=w=540:h=1080:x=0:y=0", "pad=w=1080:h=1080:x=270:y=0:color=0x000000"]);
    }

    #[test]
    fn bars_have_the_codes_of_their_color_in_the_pictures() {
        let pad = |color| PictureOptions {
            pad: Some(Pad { shape: "16:9".parse().unwrap(), color: Color(color) }),
            ..PictureOptions::default()
        };
        let graph = |video: &VideoFacts, color| framed(video, &pad(color)).filters.concat();
        let mut square = video(1080, 1080, 25, 1);
        let orange = "split=3[before][kept][after];\
                      [before]scale=w=420:h=1080:flags=neighbor,lutyuv=y=141:u=59:v=189[before_bar];\
                      [after]scale=w=420:h=1080:flags=neighbor,lutyuv=y=141:u=59:v=189[after_bar];\
                      [before_bar][kept][after_bar]hstack=inputs=3,setsar=1";
        assert_eq!(graph(&square, [255, 128, 0]), orange);
        square.color.matrix = Some("smpte170m".into());
        assert!(graph(&square, [255, 128, 0]).contains("lutyuv=y=146:u=53:v=193"));
        (square.color.range, square.pixel_format, square.bit_depth) = (Some("pc".into()), "yuv420p10le".into(), 10);
        assert!(graph(&square, [0; 3]).contains("lutyuv=y=0:u=512:v=512"));
        square.pixel_format = "yuv410p".into();
        assert!(graph(&square, [1, 2, 3]).starts_with("pad="));
    }

    #[test]
    fn what_lies_outside_or_grows_too_large_is_refused() {
        let hd = video(1920, 1080, 25, 1);
        let code = |options| problem(&hd, &options).map(|problem| (problem.code, problem.field));
        assert_eq!(code(cropped(0, 0, 1920, 1080)), None);
        for wrong in [cropped(1, 0, 1920, 1080), cropped(0, u32::MAX, 2, 2), cropped(0, 0, 2, 1081)] {
            assert_eq!(code(wrong), Some(("request.crop".into(), "picture.crop".into())));
        }
        assert_eq!(code(padded("1:9")), Some(("request.pad".into(), "picture.pad".into())));
        assert_eq!(code(padded("1:8")), None);
    }

    #[test]
    fn sharpened_pictures_are_made_for_one_size() {
        let sharp = PictureOptions { sharpen: Some(Strength::Light), ..PictureOptions::default() };
        let plain = PictureOptions::default();
        assert!(joins((&plain, (2, 2)), (&plain, (4, 4))) && joins((&sharp, (2, 2)), (&sharp, (2, 2))));
        assert!(!joins((&sharp, (2, 2)), (&sharp, (4, 4))) && !joins((&sharp, (2, 2)), (&plain, (2, 2))));
    }
}
