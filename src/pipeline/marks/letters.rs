//! Texts and timecodes as pixels. Lines are laid out as SVG text: shaped in any script, in both directions, with letters from
//! other fonts where the one that is asked lacks them.

use super::fonts::Fonts;
use super::lines::{self, Piece};
use super::paint::{Colors, Painted};
use super::raster::Raster;
use crate::model::Problem;
use crate::model::mark::TextStyle;
use crate::model::request::Position;
use resvg::tiny_skia::{self, Pixmap, Transform};
use resvg::usvg;

/// From one line to the next, hundredths of the letters' size.
const LINE_HUNDREDTHS: u32 = 125;
/// A line around letters is this part of their size wide, half of it outside.
const OUTLINE_PART: u32 = 7;
/// What timecodes are made of.
const CLOCK_LETTERS: &str = "0123456789:;";

/// A text as wide and high as it is, at most as the picture; its lines begin, stand in the middle or end where it stands.
///
/// # Errors
/// `watermark.font`, `watermark.glyph`.
pub(super) fn text(
    text: &str,
    style: &TextStyle,
    position: Position,
    picture: (u32, u32),
    fonts: &Fonts,
) -> Result<Raster, Problem> {
    let anchor = match position {
        Position::TopLeft | Position::Left | Position::BottomLeft => "start",
        Position::Top | Position::Center | Position::Bottom => "middle",
        Position::TopRight | Position::Right | Position::BottomRight => "end",
    };
    let tree = fonts.read(&svg(text.lines(), style, anchor, fonts)?)?;
    let bounds = bounds(&tree, style);
    let pad = padding(style);
    let (wide, high) = (bounds.width() + 2.0 * pad, bounds.height() + 2.0 * pad);
    // What is too large is made smaller, so that all of it can be read.
    let scale = (picture.0 as f32 / wide).min(picture.1 as f32 / high).min(1.0);
    let side = |length: f32, most: u32| ((length * scale).ceil() as u32).clamp(1, most.max(1));
    let (width, height) = (side(wide, picture.0), side(high, picture.1));
    let place = Transform::from_translate(pad - bounds.x(), pad - bounds.y()).post_scale(scale, scale);
    Ok(render(&tree, style, (width, height), place))
}

/// The letters of timecodes, each painted once, all digits equally wide.
pub(super) struct Clock {
    letters: Vec<(char, Painted)>,
    edge: Painted,
}

impl Clock {
    /// # Errors
    /// `watermark.font`, `watermark.glyph`.
    pub(super) fn new(style: &TextStyle, colors: &Colors, fonts: &Fonts) -> Result<Self, Problem> {
        let read = |letter: char| {
            let tree = fonts.read(&svg(std::iter::once(letter.to_string().as_str()), style, "start", fonts)?)?;
            let bounds = bounds(&tree, style);
            Ok((letter, tree, bounds))
        };
        let all = CLOCK_LETTERS.chars().map(read).collect::<Result<Vec<_>, Problem>>()?;
        let even = |length: f32| (length.ceil() as u32).div_ceil(2) * 2;
        let widest = |digits: bool| {
            let of = all.iter().filter(|(letter, ..)| letter.is_ascii_digit() == digits);
            even(of.map(|(.., bounds)| bounds.width()).fold(1.0, f32::max))
        };
        let (digit, separator) = (widest(true), widest(false));
        let top = all.iter().map(|(.., bounds)| bounds.top()).fold(f32::MAX, f32::min);
        let bottom = all.iter().map(|(.., bounds)| bounds.bottom()).fold(f32::MIN, f32::max);
        let pad = padding(style);
        let height = even(bottom - top + 2.0 * pad);
        let one = |(letter, tree, bounds): &(char, usvg::Tree, tiny_skia::Rect)| {
            let width = if letter.is_ascii_digit() { digit } else { separator };
            let x = (width as f32 - bounds.width()) / 2.0 - bounds.x();
            let raster = render(tree, style, (width, height), Transform::from_translate(x, pad - top));
            (*letter, colors.paint(&raster))
        };
        let letters = all.iter().map(one).collect();
        let empty = fonts.read(&svg(std::iter::empty(), style, "start", fonts)?)?;
        let edge = render(&empty, style, (even(pad.max(1.0)), height), Transform::identity());
        Ok(Self { letters, edge: colors.paint(&edge) })
    }

    /// What stands side by side for a text, with an edge before and behind it.
    pub(super) fn cells<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a Painted> {
        let letter = |letter: char| self.letters.iter().find(|(known, _)| *known == letter).map(|(_, painted)| painted);
        std::iter::once(&self.edge).chain(text.chars().filter_map(letter)).chain(std::iter::once(&self.edge))
    }

    /// Width and height of that, pixels.
    pub(super) fn size(&self, text: &str) -> (u32, u32) {
        self.cells(text).map(Painted::size).fold((0, 0), |(width, height), (w, h)| (width + w, height.max(h)))
    }
}

/// The space between letters and the edge of what is drawn, pixels.
fn padding(style: &TextStyle) -> f32 {
    let outline = if style.outline.is_some() { style.size as f32 / OUTLINE_PART as f32 } else { 0.0 };
    let background = if style.background.is_some() { style.size as f32 / 4.0 } else { 0.0 };
    outline.max(background)
}

/// The room that all lines take, by the font's own measures.
fn bounds(tree: &usvg::Tree, style: &TextStyle) -> tiny_skia::Rect {
    let root = tree.root();
    let (shown, laid) = (root.abs_layer_bounding_box(), root.abs_bounding_box());
    let seen = shown.to_rect();
    let left = seen.left().min(laid.left());
    let right = seen.right().max(laid.right());
    let usual = tiny_skia::Rect::from_xywh(0.0, 0.0, 1.0, style.size as f32);
    let united = tiny_skia::Rect::from_ltrb(left, seen.top().min(laid.top()), right, seen.bottom().max(laid.bottom()));
    united
        .or(usual)
        .unwrap_or_else(|| tiny_skia::Rect::from_xywh(0.0, 0.0, 1.0, 1.0).expect("a unit square is a rectangle"))
}

fn render(tree: &usvg::Tree, style: &TextStyle, (width, height): (u32, u32), place: Transform) -> Raster {
    let Some(mut pixmap) = Pixmap::new(width, height) else {
        return Raster { width: 1, height: 1, pixels: vec![0; 4] };
    };
    if let Some(color) = style.background {
        let [red, green, blue] = color.0;
        pixmap.fill(tiny_skia::Color::from_rgba8(red, green, blue, 255));
    }
    resvg::render(tree, place, &mut pixmap.as_mut());
    Raster { width, height, pixels: pixmap.take() }
}

fn svg<'a>(
    lines: impl Iterator<Item = &'a str>,
    style: &TextStyle,
    anchor: &str,
    fonts: &Fonts,
) -> Result<String, Problem> {
    let mut elements = String::new();
    for (index, line) in lines.enumerate() {
        let y = style.size + index as u32 * style.size * LINE_HUNDREDTHS / 100;
        let (pieces, width) = lines::pieces(line, style, fonts)?;
        if let [piece] = &pieces[..] {
            elements += &element(piece, style, (0.0, y), anchor);
            continue;
        }
        let left = match anchor {
            "end" => -width,
            "middle" => -width / 2.0,
            _ => 0.0,
        };
        for piece in &pieces {
            elements += &element(piece, style, (left + piece.x, y), "start");
        }
    }
    Ok(drawing(&elements))
}

/// A drawing of these elements.
pub(super) fn drawing(elements: &str) -> String {
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16">{elements}</svg>"#)
}

/// A piece of a line as an element of a drawing.
pub(super) fn element(piece: &Piece, style: &TextStyle, (x, y): (f32, u32), anchor: &str) -> String {
    let outline = style.outline.map_or_else(String::new, |color| {
        let width = (style.size / OUTLINE_PART).max(1);
        format!(r#" stroke="{color}" stroke-width="{width}" stroke-linejoin="round" paint-order="stroke""#)
    });
    let (size, color, text) = (style.size, style.color, escaped(&piece.text));
    let family = match piece.family.as_str() {
        generic @ ("sans-serif" | "serif" | "monospace") => generic.to_owned(),
        name => format!("'{}'", escaped(&name.replace(['\'', '"', '\\'], " "))),
    };
    format!(
        r#"<text xml:space="preserve" x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{outline} font-family="{family}">{text}</text>"#
    )
}

fn escaped(text: &str) -> String {
    let mut made = String::new();
    for letter in text.chars() {
        match letter {
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '&' => made.push_str("&amp;"),
            '"' => made.push_str("&quot;"),
            '\'' => made.push_str("&apos;"),
            other => made.push(other),
        }
    }
    made
}
