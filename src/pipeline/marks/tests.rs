//! What is drawn, pixel by pixel.

use super::*;
use crate::av::names;
use crate::model::mark::TextStyle;
use crate::model::request::{Color, Position};
use raster::Raster;

fn style(size: u32) -> TextStyle {
    TextStyle { font: "DejaVu Sans".into(), size, color: Color([255; 3]), outline: None, background: None }
}

fn lines(text: &str, size: u32) -> Raster {
    letters::text(text, &style(size), Position::TopLeft, (1920, 1080), &Fonts::of_this_machine()).unwrap()
}

#[test]
fn half_of_white_over_black_is_grey_and_the_rest_stays() {
    let mut frame = Frame::picture(16, 8, names::pixel_format("yuv420p").unwrap()).unwrap();
    let shared = frame.reference().unwrap();
    let painted = Colors::usual().paint(&Raster { width: 4, height: 2, pixels: vec![255; 32] });
    draw::over(&mut frame, &painted, (4, 2), mark::OPAQUE);
    assert_eq!(frame.row(0, 2).unwrap(), [16; 16], "others see the picture, so nothing is drawn");
    frame.make_writable().unwrap();
    draw::over(&mut frame, &painted, (4, 2), mark::OPAQUE / 2);
    let row = |row| frame.row(0, row).unwrap().to_vec();
    assert_eq!((row(1), row(4)), (vec![16; 16], vec![16; 16]));
    assert_eq!(row(2), [vec![16; 4], vec![125; 4], vec![16; 8]].concat());
    assert_eq!(shared.row(0, 2).unwrap(), [16; 16]);
    draw::over(&mut frame, &painted, (14, 6), mark::OPAQUE);
    assert_eq!(frame.row(0, 7).unwrap()[13..], [16, 235, 235], "what lies outside is left out");
}

#[test]
fn arabic_letters_join_and_devanagari_letters_combine() {
    let joined = lines("بببب", 60);
    let apart = lines("ب\u{200c}ب\u{200c}ب\u{200c}ب", 60);
    assert!(joined.width < apart.width, "{} {}", joined.width, apart.width);
    let combined = lines("क्ष", 60);
    let parts = lines("क\u{200c}ष", 60);
    assert_ne!(combined, parts);
    assert!(lines("A\nB", 60).height > lines("A", 60).height + 60);
}

#[test]
fn a_text_that_is_too_wide_is_made_smaller() {
    let wide = lines(&"wide ".repeat(60), 100);
    assert!(wide.width <= 1920 && wide.height < 100 && wide.width > 1900, "{} {}", wide.width, wide.height);
}

#[test]
fn a_clock_shows_every_letter_in_cells_of_one_size() {
    let style = TextStyle { background: Some(Color([0; 3])), font: "DejaVu Sans Mono".into(), ..style(40) };
    let clock = Clock::new(&style, &Colors::usual(), &Fonts::of_this_machine()).unwrap();
    assert_eq!(clock.cells("01:23:45;67").count(), 13);
    assert_eq!(clock.size("00:00:00:00"), clock.size("98:76:54:32"));
    let seen: Vec<_> = clock.cells("0123456789:;").collect();
    for (index, cell) in seen.iter().enumerate() {
        assert!(!seen[..index].contains(cell) || index == seen.len() - 1, "{index}");
        assert!(cell.luma.iter().all(|(_, alpha)| *alpha == 65_535), "a box has no holes");
    }
}

#[test]
fn fonts_and_letters_that_are_missing_are_told() {
    let fonts = Fonts::of_this_machine();
    let of = |text: &str, font: &str| {
        let style = TextStyle { font: font.into(), ..style(20) };
        letters::text(text, &style, Position::Top, (640, 360), &fonts).unwrap_err()
    };
    assert_eq!(of("x", "No Such Font").code, "watermark.font");
    let problem = of("a\u{10fffd}", "DejaVu Sans");
    assert!(problem.code == "watermark.glyph" && problem.message.contains("U+10FFFD"), "{problem}");
}
