//! Watermarks: images, texts and timecodes, and subtitles that are burned in, drawn over a rung's pictures on their way to its encoder. One drawer for all: the
//! CPU draws in the host's memory, whichever device scales and encodes, so that they look the same everywhere
//! (docs/decisions/0011). What is drawn is a function of the output timeline alone.

mod draw;
mod fonts;
pub(super) mod image;
mod letters;
mod lines;
mod paint;
mod raster;
mod subtitles;

pub use image::probe;

use super::control::Control;
use super::equipment::Equipment;
use super::flow::Stopped;
use super::prepare::Filter;
use crate::av::{ByteSource, Frame};
use crate::model::mark::{self, Mark, MarkContent};
use crate::model::plan::{SpanRange, VideoRendition};
use crate::model::time::{Ratio, rescale, scale_round};
use crate::model::{Fault, Plan, Problem};
use fonts::Fonts;
use image::Artwork;
use letters::Clock;
use paint::{Colors, Painted};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use subtitles::{Coded, Subtitles};

/// The images of a plan's watermarks, the fonts of its texts, and the subtitles that are burned in, for all rungs.
#[derive(Default)]
pub struct Images {
    /// By their input. One that is no image any more fails the rungs that have it, and no others.
    artwork: BTreeMap<usize, Result<Artwork, Problem>>,
    fonts: OnceLock<Fonts>,
    /// By their stream, likewise.
    subtitles: BTreeMap<u32, Result<Arc<Coded>, Problem>>,
}

impl Images {
    /// Reads the images that the rungs of a plan have, and subtitles for a span; `open` opens inputs by their place.
    ///
    /// # Errors
    /// `source.unreadable`. What was read and cannot be used fails the rungs that are to have it, when they are drawn.
    pub fn load(
        open: &dyn Fn(usize) -> Result<Box<dyn ByteSource>, Problem>,
        plan: &Plan,
        span: SpanRange,
        control: &Control,
    ) -> Result<Self, Problem> {
        let mut images = Self::default();
        let Some(video) = &plan.video else { return Ok(images) };
        for mark in video.renditions.iter().flat_map(|rung| &rung.marks) {
            match mark.content {
                MarkContent::Image { input, .. } if !images.artwork.contains_key(&input) => {
                    images.artwork.insert(input, kept(Artwork::read(open(input)?))?);
                }
                MarkContent::Subtitles { stream, origin_us } if !images.subtitles.contains_key(&stream) => {
                    let coded = Coded::read(open(0)?, (plan, video, span), (stream, origin_us), control);
                    images.subtitles.insert(stream, kept(coded.map(Arc::new))?);
                }
                _ => {}
            }
        }
        Ok(images)
    }

    fn artwork(&self, input: usize) -> Result<&Artwork, Problem> {
        let unread = || Problem::bug("internal.watermark", "an image was planned and not read; please report this");
        self.artwork.get(&input).ok_or_else(unread)?.as_ref().map_err(Problem::clone)
    }

    fn fonts(&self) -> &Fonts {
        self.fonts.get_or_init(Fonts::of_this_machine)
    }
}

/// What was read, or why it cannot be used.
///
/// # Errors
/// Why it was not read: the next one who tries may succeed.
fn kept<T>(read: Result<T, Problem>) -> Result<Result<T, Problem>, Problem> {
    let is_lasting = |problem: &Problem| {
        let of_content = ["watermark.", "text."].iter().any(|area| problem.code.starts_with(area));
        problem.fault == Fault::Input && (of_content || problem.code == "source.empty")
    };
    match read {
        Err(problem) if !is_lasting(&problem) => Err(problem),
        read => Ok(read),
    }
}

/// Checks that texts and timecodes can be written with the fonts of this machine.
///
/// # Errors
/// `watermark.font`, `watermark.glyph`.
pub fn check_texts(marks: &[Mark]) -> Result<(), Problem> {
    let images = Images::default();
    for mark in marks {
        drawn(mark, (1920, 1080), &Colors::usual(), &images)?;
    }
    Ok(())
}

/// Draws the watermarks of one rung.
pub(super) struct Marker<'a> {
    rendition: &'a VideoRendition,
    timescale: u32,
    drawn: Vec<(&'a Mark, Drawn)>,
    /// To the host's memory, and back.
    around: Option<(Filter<'a>, Filter<'a>)>,
}

/// What is drawn of a watermark.
enum Drawn {
    Still(Painted),
    Clock { first: u64, drop: bool, clock: Clock },
    Subtitles(Box<Subtitles>),
}

impl<'a> Marker<'a> {
    /// One for a rung's pictures, whose times are in ticks of the output; `None` for a rung without watermarks.
    ///
    /// # Errors
    /// As [`check_texts`], `watermark.*` of images and `text.*` of subtitles, by the client's fault.
    pub(super) fn new(
        rendition: &'a VideoRendition,
        timescale: u32,
        images: &Images,
        equipment: Equipment<'a>,
    ) -> Result<Option<Self>, Problem> {
        if rendition.marks.is_empty() {
            return Ok(None);
        }
        let colors = Colors::of(rendition);
        let size = (rendition.width, rendition.height);
        let one = |mark: &'a Mark| Ok((mark, drawn(mark, size, &colors, images)?));
        let drawn = rendition.marks.iter().map(one).collect::<Result<_, Problem>>()?;
        let filter =
            |text: &String| Filter::new(&rendition.id, text, Ratio::new(1, i64::from(timescale))).on(equipment);
        let around = rendition.mark_graphs.as_ref().map(|(down, up)| (filter(down), filter(up)));
        Ok(Some(Self { rendition, timescale, drawn, around }))
    }

    /// The picture with what is seen at its time. Whoever else refers to its memory sees it as it was.
    pub(super) fn draw(&mut self, frame: Frame, pts: i64) -> Result<Frame, Stopped> {
        let Some((down, up)) = &mut self.around else {
            return over(self.rendition, self.timescale, &mut self.drawn, frame, pts);
        };
        // All pictures go this way, whether anything is seen in them or not: encoders take frames of one pool only.
        let mut lowered = Vec::new();
        down.apply(frame, &mut |frame| {
            lowered.push(frame);
            Ok(())
        })?;
        let mut raised = Vec::new();
        for frame in lowered {
            let frame = over(self.rendition, self.timescale, &mut self.drawn, frame, pts)?;
            up.apply(frame, &mut |frame| {
                raised.push(frame);
                Ok(())
            })?;
        }
        let lost =
            || Problem::bug("filter.failed", "a picture was lost on its way to its watermarks; please report this");
        Ok(raised.pop().ok_or_else(lost)?)
    }
}

/// Draws over a picture in the host's memory.
fn over(
    rendition: &VideoRendition,
    timescale: u32,
    drawn: &mut [(&Mark, Drawn)],
    mut frame: Frame,
    pts: i64,
) -> Result<Frame, Stopped> {
    let at_us = rescale(pts, Ratio::new(1, i64::from(timescale)), Ratio::new(1, 1_000_000));
    let picture = (rendition.width, rendition.height);
    let mut writable = false;
    for (mark, drawn) in drawn {
        let opacity = mark.opacity_at(at_us);
        let nothing = match drawn {
            Drawn::Subtitles(subtitles) => subtitles.at(at_us).is_empty(),
            _ => opacity == 0,
        };
        if nothing {
            continue;
        }
        if !writable {
            frame.make_writable().map_err(super::faults::internal)?;
            writable = true;
        }
        match drawn {
            Drawn::Still(painted) => {
                let corner = mark.corner_at(at_us, painted.size(), picture);
                draw::over(&mut frame, painted, corner, opacity);
            }
            Drawn::Subtitles(subtitles) => {
                for (painted, corner) in subtitles.at(at_us) {
                    draw::over(&mut frame, painted, *corner, opacity);
                }
            }
            Drawn::Clock { first, drop, clock } => {
                let rate = rendition.frame_rate;
                let frames = scale_round(pts, rate.num, rate.den.max(1).saturating_mul(i64::from(timescale.max(1))));
                let number = first.saturating_add(frames.max(0).unsigned_abs());
                let text = mark::timecode(number, mark::nominal_rate(rate), *drop);
                let (mut x, y) = mark.corner_at(at_us, clock.size(&text), picture);
                for cell in clock.cells(&text) {
                    draw::over(&mut frame, cell, (x, y), opacity);
                    x += cell.size().0;
                }
            }
        }
    }
    Ok(frame)
}

fn drawn(mark: &Mark, picture: (u32, u32), colors: &Colors, images: &Images) -> Result<Drawn, Problem> {
    Ok(match &mark.content {
        MarkContent::Image { input, width, height } => {
            Drawn::Still(colors.paint(&images.artwork(*input)?.at_size(*width, *height, images)?))
        }
        MarkContent::Subtitles { stream, origin_us } => {
            let unread =
                || Problem::bug("internal.watermark", "subtitles were planned and not read; please report this");
            let coded = images.subtitles.get(stream).ok_or_else(unread)?.as_ref().map_err(Problem::clone)?;
            Drawn::Subtitles(Box::new(Subtitles::new(Arc::clone(coded), *origin_us, colors, picture)?))
        }
        MarkContent::Text { text, style } => {
            let raster = letters::text(text, style, mark.position, picture, images.fonts())?;
            Drawn::Still(colors.paint(&raster))
        }
        MarkContent::Timecode { first, drop, style } => {
            let clock = Clock::new(style, colors, images.fonts())?;
            Drawn::Clock { first: *first, drop: *drop, clock }
        }
    })
}

#[cfg(test)]
mod tests;
