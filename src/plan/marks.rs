//! Watermarks of one output, at the size of each of its rungs.
//!
//! They are drawn last, at the rung's own size, over pictures that rungs of other sizes and outputs without watermarks are
//! made from as well: an image stays crisp at every size, and a job with marked and clean outputs decodes and scales once.

use crate::model::facts::MediaFacts;
use crate::model::mark::{Mark, MarkContent, TextStyle, nominal_rate};
use crate::model::plan::{VideoRendition, Work};
use crate::model::request::{
    Color, IMAGE_SIZE_DEFAULT, MARGIN_DEFAULT, PERIOD_MS_DEFAULT, Share, SizeOf, TEXT_SIZE_DEFAULT, Watermark,
};
use crate::model::{JobSpec, Ratio};

/// The font of texts that name none; `fonts-dejavu-core` in Debian.
const FONT: &str = "DejaVu Sans";
/// That of timecodes: all digits are equally wide.
const FONT_OF_DIGITS: &str = "DejaVu Sans Mono";
/// Smallest letters, pixels: below it nothing can be read.
const LETTERS_MIN: u32 = 6;

/// An image of a watermark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    /// The source that it is, in the job.
    pub source: usize,
    /// Width and height, pixels.
    pub size: (u32, u32),
}

/// The images of an output's watermarks, `None` for those that are none or are not known.
pub(super) fn images(spec: &JobSpec, output: usize, facts: &[Option<MediaFacts>]) -> Vec<Option<Image>> {
    let watermarks = spec.outputs.get(output).map_or(&[][..], |output| &output.request.watermarks);
    let image = |mark: &Watermark| {
        let source = spec.image_source(mark.image.as_ref()?)?;
        Some(Image { source, size: size_of(facts.get(source)?.as_ref()?)? })
    };
    watermarks.iter().map(image).collect()
}

/// The texts and timecodes among watermarks, by their place, at a usual size: to check that they can be written.
pub(super) fn texts(watermarks: &[Watermark]) -> Vec<(usize, Mark)> {
    let texts = watermarks.iter().enumerate().filter(|(_, mark)| mark.image.is_none());
    let marks = texts
        .map(|(place, mark)| (place, of_rung(std::slice::from_ref(mark), &[None], (1920, 1080), Ratio::new(25, 1), 0)));
    marks.filter_map(|(place, mark)| Some((place, mark.into_iter().next()?))).collect()
}

/// Width and height of an image as the probe tells them.
pub(super) fn size_of(facts: &MediaFacts) -> Option<(u32, u32)> {
    facts.main_video().map(|(_, video)| (video.width.max(1), video.height.max(1)))
}

/// The watermarks of a rung of this size whose pictures come so many a second, from `in_us` of the source on.
pub(super) fn of_rung(
    watermarks: &[Watermark],
    images: &[Option<Image>],
    rung: (u32, u32),
    rate: Ratio,
    in_us: i64,
) -> Vec<Mark> {
    let one = |(index, mark): (usize, &Watermark)| {
        let content = content(mark, images.get(index).copied().flatten(), rung, rate, in_us)?;
        let short = Share(rung.0.min(rung.1));
        let ms = |time: Option<crate::model::request::Millis>| time.unwrap_or_default().0;
        Some(Mark {
            content,
            opacity: mark.opacity.unwrap_or(Share(1000)).0,
            margin: (
                part(mark.margin_x.unwrap_or(MARGIN_DEFAULT), short.0),
                part(mark.margin_y.unwrap_or(MARGIN_DEFAULT), short.0),
            ),
            position: mark.position,
            motion: mark.motion.map(|path| (path, mark.period.map_or(PERIOD_MS_DEFAULT, |period| period.0))),
            start_ms: ms(mark.start),
            end_ms: mark.end.map(|end| end.0),
            fade_ms: (ms(mark.fade_in), ms(mark.fade_out)),
        })
    };
    watermarks.iter().enumerate().filter_map(one).collect()
}

fn content(mark: &Watermark, image: Option<Image>, rung: (u32, u32), rate: Ratio, in_us: i64) -> Option<MarkContent> {
    if mark.image.is_some() {
        let image = image?;
        let (width, height) = image_size(mark, image.size, rung);
        // The source's place in the job, until the work's list of inputs is known.
        return Some(MarkContent::Image { input: image.source, width, height });
    }
    let style = |font: &str| TextStyle {
        font: mark.font.clone().unwrap_or_else(|| font.to_owned()),
        size: letters(mark, rung),
        color: mark.color.unwrap_or(Color([255; 3])),
        outline: mark.outline,
        background: mark.background,
    };
    if let Some(text) = &mark.text {
        return Some(MarkContent::Text { text: text.clone(), style: style(FONT) });
    }
    let timecode = mark.timecode?;
    let nominal = nominal_rate(rate);
    let cut = i128::from(in_us.max(0)) * i128::from(rate.num.max(1)) / i128::from(rate.den.max(1));
    let cut = u64::try_from((cut + 500_000) / 1_000_000).unwrap_or(0);
    let first = timecode.frame_number(nominal) + cut;
    Some(MarkContent::Timecode { first, drop: timecode.drops(nominal), style: style(FONT_OF_DIGITS) })
}

/// Width and height of an image in a rung: one side is the share that is asked, the other keeps its shape. Never larger than
/// the picture.
fn image_size(mark: &Watermark, image: (u32, u32), rung: (u32, u32)) -> (u32, u32) {
    let share = mark.size.unwrap_or(IMAGE_SIZE_DEFAULT);
    let (wanted, own) = match mark.size_of.unwrap_or(SizeOf::Width) {
        SizeOf::Width => (part(share, rung.0), image.0),
        SizeOf::Height => (part(share, rung.1), image.1),
        SizeOf::Short => (part(share, rung.0.min(rung.1)), image.0.max(image.1)),
    };
    let scaled = |side: u32, wanted: u32, own: u32| {
        let (side, wanted, own) = (u64::from(side), u64::from(wanted.max(1)), u64::from(own.max(1)));
        u32::try_from((side * wanted + own / 2) / own).unwrap_or(u32::MAX).max(1)
    };
    let size = (scaled(image.0, wanted, own), scaled(image.1, wanted, own));
    let size = if size.0 > rung.0 { (rung.0, scaled(size.1, rung.0, size.0)) } else { size };
    if size.1 > rung.1 { (scaled(size.0, rung.1, size.1), rung.1) } else { size }
}

fn letters(mark: &Watermark, rung: (u32, u32)) -> u32 {
    let of = match mark.size_of.unwrap_or(SizeOf::Height) {
        SizeOf::Width => rung.0,
        SizeOf::Height => rung.1,
        SizeOf::Short => rung.0.min(rung.1),
    };
    part(mark.size.unwrap_or(TEXT_SIZE_DEFAULT), of).max(LETTERS_MIN)
}

fn part(share: Share, of: u32) -> u32 {
    u32::try_from((u64::from(share.0) * u64::from(of) + 500) / 1000).unwrap_or(u32::MAX)
}

/// Puts the images of a work's watermarks behind its other inputs, and names them by their places there.
pub(super) fn list_inputs(work: &mut Work) {
    let Some(video) = &mut work.plan.video else { return };
    let mut images = video.renditions.iter_mut().flat_map(|rung: &mut VideoRendition| &mut rung.marks).peekable();
    if images.peek().is_none() {
        return;
    }
    if work.inputs.is_empty() {
        work.inputs.push(work.source);
    }
    let others = work.inputs.len();
    for mark in images {
        if let MarkContent::Image { input, .. } = &mut mark.content {
            let known = work.inputs[others..].iter().position(|source| source == input);
            let place = known.unwrap_or_else(|| {
                work.inputs.push(*input);
                work.inputs.len() - 1 - others
            });
            *input = others + place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logo(text: &str) -> Watermark {
        let mark: Watermark = serde_json::from_str(text).unwrap();
        Watermark { image: Some("/logo.png".parse().unwrap()), ..mark }
    }

    fn size(text: &str, rung: (u32, u32)) -> (u32, u32) {
        image_size(&logo(text), (400, 100), rung)
    }

    #[test]
    fn an_image_is_a_share_of_a_side_and_keeps_its_shape() {
        assert_eq!(size("{}", (1920, 1080)), (230, 58));
        assert_eq!(size(r#"{"size": "10%"}"#, (1920, 1080)), (192, 48));
        assert_eq!(size(r#"{"size": "10%", "size_of": "height"}"#, (1920, 1080)), (432, 108));
        assert_eq!(size(r#"{"size": "10%", "size_of": "short"}"#, (1080, 1920)), (108, 27));
        assert_eq!(size(r#"{"size": "100%", "size_of": "height"}"#, (640, 360)), (640, 160));
    }

    #[test]
    fn timecodes_begin_where_the_source_is_cut() {
        let mark = Watermark { timecode: Some("01:00:00:00".parse().unwrap()), ..Watermark::default() };
        let first =
            |rate, in_us| match of_rung(std::slice::from_ref(&mark), &[None], (640, 360), rate, in_us)[0].content {
                MarkContent::Timecode { first, .. } => first,
                _ => 0,
            };
        assert_eq!(first(Ratio::new(25, 1), 0), 90_000);
        assert_eq!(first(Ratio::new(25, 1), 2_000_000), 90_050);
        assert_eq!(first(Ratio::new(30_000, 1001), 1_001_000), 108_030);
    }
}
