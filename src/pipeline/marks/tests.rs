//! What is drawn, pixel by pixel.

use super::*;
use crate::av::names;
use crate::model::mark::TextStyle;
use crate::model::request::{Color, Position};
use raster::Raster;

fn style(size: u32) -> TextStyle {
    TextStyle { font: "DejaVu Sans".into(), size, color: Color([255; 3]), outline: None, background: None }
}

fn drawn_lines(text: &str, size: u32) -> Raster {
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
    let joined = drawn_lines("بببب", 60);
    let apart = drawn_lines("ب\u{200c}ب\u{200c}ب\u{200c}ب", 60);
    assert!(joined.width < apart.width, "{} {}", joined.width, apart.width);
    let combined = drawn_lines("क्ष", 60);
    let parts = drawn_lines("क\u{200c}ष", 60);
    assert_ne!(combined, parts);
    assert!(drawn_lines("A\nB", 60).height > drawn_lines("A", 60).height + 60);
}

#[test]
fn a_text_that_is_too_wide_is_made_smaller() {
    let wide = drawn_lines(&"wide ".repeat(60), 100);
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

/// How much of a picture is covered.
fn ink(raster: &Raster) -> u64 {
    raster.pixels.chunks_exact(4).map(|pixel| u64::from(pixel[3])).sum()
}

/// What is covered left and right of the middle.
fn halves(raster: &Raster) -> (u64, u64) {
    let row = raster.width as usize * 4;
    let of = |part: fn(&[u8]) -> &[u8]| {
        let rows = raster.pixels.chunks_exact(row);
        rows.flat_map(|row| part(row).chunks_exact(4)).map(|pixel| u64::from(pixel[3])).sum()
    };
    (of(|row| &row[..row.len() / 8 * 4]), of(|row| &row[row.len() / 8 * 4..]))
}

/// Lohit Devanagari, DejaVu Sans and a font with Han letters, as far as they are here.
fn scripts() -> Vec<&'static str> {
    let fonts = Fonts::of_this_machine();
    let all = ["क्षत्रिय", "漢字", "مرحبا", "abc", "ไทย"];
    let known: Vec<&str> = all.into_iter().filter(|text| fonts.runs(text, "DejaVu Sans").is_ok()).collect();
    for missing in all.iter().filter(|text| !known.contains(text)) {
        eprintln!("SKIPPED: no font of this machine has {missing}");
    }
    known
}

#[test]
fn no_letter_is_lost_where_fonts_meet() {
    let scripts = scripts();
    for first in &scripts {
        for second in &scripts {
            for between in ["", " ", " x "] {
                let text = [*first, between, *second, between, *first].concat();
                let alone = 2 * ink(&drawn_lines(first, 60))
                    + ink(&drawn_lines(second, 60))
                    + 2 * ink(&drawn_lines(between, 60));
                let together = ink(&drawn_lines(&text, 60));
                // Letters of the same script join across nothing; edges fall on other parts of pixels.
                let unlike = alone.abs_diff(together);
                let joins = first == second && between.is_empty();
                assert!(joins || unlike * 50 < alone, "{text}: {together}, and alone {alone}");
            }
        }
    }
}

#[test]
fn pieces_stand_in_the_order_in_which_they_are_read() {
    let place = |line: &str| {
        let (pieces, width) = lines::pieces(line, &style(60), &Fonts::of_this_machine()).unwrap();
        let places: Vec<f32> = pieces.iter().map(|piece| piece.x).chain([width]).collect();
        assert!(places.is_sorted_by(|left, right| left < right), "{places:?}");
        let bare = |text: &str| text.trim_matches(['\u{202e}', '\u{202c}', '\u{200f}', ' ']).to_owned();
        pieces.iter().map(|piece| bare(&piece.text)).filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    if !scripts().contains(&"漢字") {
        return;
    }
    assert_eq!(place("ab 漢字 cd"), ["ab", "漢字", "cd"]);
    assert_eq!(place("漢字 مرحبا 12 سلام 漢"), ["漢字", "سلام", "12", "مرحبا", "漢"], "Arabic runs to the left");
    // The space between a word and a number to its left is there, and not behind the word: ink reaches to the end.
    let ended = drawn_lines("漢 سلام 12", 60);
    let last = |row: &[u8]| row.chunks_exact(4).rposition(|pixel| pixel[3] > 0).unwrap_or(0);
    let ink_ends = ended.pixels.chunks_exact(ended.width as usize * 4).map(last).max().unwrap();
    assert!(ended.width as usize - ink_ends < 10, "{ink_ends} of {}", ended.width);
    let heavy = drawn_lines("漢字漢字漢字漢字 i", 60);
    let (left, right) = halves(&heavy);
    assert!(left > right, "{left} {right}");
    // Both ends hang at the same place, whichever side the text hangs at.
    let at =
        |position| letters::text("ab 漢字", &style(60), position, (1920, 1080), &Fonts::of_this_machine()).unwrap();
    let of =
        [Position::TopLeft, Position::Top, Position::TopRight].map(|position| (at(position).width, ink(&at(position))));
    assert!(
        of.iter().all(|(width, inked)| width.abs_diff(of[0].0) <= 1 && inked.abs_diff(of[0].1) * 50 < *inked),
        "{of:?}"
    );
}
