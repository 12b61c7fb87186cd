//! Services of digital television that write into windows, as packets bring them.

use super::*;
use cea708_types::tables::{
    BorderType, Color as Rgb, Direction, DisplayEffect, Opacity, SetPenLocationArgs, SetWindowAttributesArgs,
};
use cea708_types::{DTVCCPacket, Service as Block708};

/// The packet of some codes of a service, as pairs.
pub(in super::super) fn packet(service: u8, codes: &[Code]) -> Vec<[u8; 2]> {
    let mut block = Block708::new(service);
    codes.iter().for_each(|code| block.push_code(code).unwrap());
    let mut packet = DTVCCPacket::new(1);
    packet.push_service(block).unwrap();
    let mut bytes = Vec::new();
    packet.write(&mut bytes).unwrap();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
}

pub(in super::super) fn letters(text: &str) -> Vec<Code> {
    text.chars().map(|letter| Code::from_char(letter).unwrap()).collect()
}

pub(in super::super) const fn window(id: u8, visible: bool) -> Code {
    let (rows, columns) = (1, 31);
    Code::DefineWindow(DefineWindowArgs::new(
        id,
        0,
        Anchor::BottomMiddle,
        true,
        90,
        50,
        rows,
        columns,
        true,
        true,
        visible,
        1,
        1,
    ))
}

fn push(service: &mut Service, codes: &[Code], now: i64) {
    let mut packets = Packets::default();
    let mut blocks = Vec::new();
    for (at, pair) in packet(1, codes).into_iter().enumerate() {
        blocks.extend(packets.push(at == 0, pair));
    }
    assert_eq!(blocks.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
    for (_, codes) in blocks {
        service.push(&codes, now);
    }
}

fn seen(service: &mut Service) -> Vec<(i64, i64, String, String)> {
    service.take().into_iter().map(|seen| (seen.start, seen.end, seen.block.settings, seen.block.text)).collect()
}

#[test]
fn a_hidden_window_is_shown_with_what_was_written() {
    let mut service = Service::default();
    push(&mut service, &[vec![window(0, false)], letters("Hello")].concat(), 1_000_000);
    push(
        &mut service,
        &[vec![Code::SetPenLocation(SetPenLocationArgs::new(1, 4))], letters("there")].concat(),
        1_100_000,
    );
    push(&mut service, &[Code::DisplayWindows(WindowBits::ZERO)], 2_000_000);
    assert_eq!(service.open_since(), Some(2_000_000));
    push(&mut service, &[Code::HideWindows(WindowBits::ZERO)], 4_000_000);
    assert_eq!(service.open_since(), None);
    // Two rows that end at 90 %, and 32 columns around the middle.
    let place = "line:80% position:20% align:start".to_owned();
    assert_eq!(seen(&mut service), [(2_000_000, 4_000_000, place, "Hello\nthere".to_owned())]);
    assert!(service.has_text());
}

#[test]
fn a_visible_window_scrolls() {
    let mut service = Service::default();
    push(&mut service, &[vec![window(3, true)], letters("one")].concat(), 0);
    push(&mut service, &[vec![Code::CR], letters("two")].concat(), 1_000_000);
    push(&mut service, &[vec![Code::CR], letters("three")].concat(), 2_000_000);
    push(&mut service, &[Code::FF], 3_000_000);
    service.finish(4_000_000);
    let texts: Vec<String> = seen(&mut service).into_iter().map(|(.., text)| text).collect();
    assert_eq!(texts, ["one", "one\ntwo", "two\nthree"]);
}

#[test]
fn windows_are_placed_styled_and_deleted() {
    let mut service = Service::default();
    let place = DefineWindowArgs::new(1, 0, Anchor::TopLeft, false, 15, 42, 0, 20, true, true, true, 1, 1);
    push(&mut service, &[Code::DefineWindow(place)], 0);
    let black = Rgb::BLACK;
    let attributes = SetWindowAttributesArgs {
        justify: Justify::Center,
        print_direction: Direction::LeftToRight,
        scroll_direction: Direction::BottomToTop,
        wordwrap: false,
        display_effect: DisplayEffect::Snap,
        effect_direction: Direction::LeftToRight,
        effect_speed: 1,
        fill_color: black,
        fill_opacity: Opacity::Solid,
        border_type: BorderType::None,
        border_color: black,
    };
    push(&mut service, &[Code::SetWindowAttributes(attributes)], 0);
    let mut pen = place.pen_color();
    pen.foreground_color = Rgb::RED;
    let quote = [Code::SetPenColor(pen), Code::Ext1(Ext1::DoubleOpenQuote), Code::MusicalSymbolEighthNote];
    push(&mut service, &quote, 0);
    push(&mut service, &[Code::DeleteWindows(WindowBits::ONE)], 1_000_000);
    push(&mut service, &letters("nowhere"), 1_500_000);
    service.finish(2_000_000);
    let text = "<c.red>\u{201c}\u{266a}</c>".to_owned();
    assert_eq!(seen(&mut service), [(0, 1_000_000, "line:20% position:40% align:center".to_owned(), text)]);
}

#[test]
fn packets_that_break_off_cost_themselves_and_no_more() {
    let whole = packet(1, &letters("abcdef"));
    let mut packets = Packets::default();
    assert!(packets.push(false, [0x22, 0x41]).is_empty(), "the middle of one");
    for pair in &whole[..2] {
        assert!(packets.push(pair == &whole[0], *pair).is_empty());
    }
    let blocks: Vec<_> = whole.iter().enumerate().flat_map(|(at, pair)| packets.push(at == 0, *pair)).collect();
    assert_eq!(blocks, [(1, letters("abcdef"))]);
    let high = packet(42, &letters("x"));
    let blocks: Vec<_> = high.iter().enumerate().flat_map(|(at, pair)| packets.push(at == 0, *pair)).collect();
    assert_eq!(blocks, [(42, letters("x"))], "behind an extended header");
}

#[test]
fn any_bytes_are_taken() {
    let mut random = fastrand::Rng::with_seed(3);
    let (mut packets, mut service) = (Packets::default(), Service::default());
    let mut blocks = 0;
    for at in 0..300_000 {
        // Mostly short packets, so that most of the codes are reached.
        let starts = random.u8(..8) == 0;
        let pair = [if starts { random.u8(1..8) } else { random.u8(..) }, random.u8(..)];
        for (_, codes) in packets.push(starts, pair) {
            blocks += 1;
            service.push(&codes, at);
            assert!(service.take().len() <= WINDOWS * codes.len().max(1));
        }
    }
    assert!(blocks > 1000 && service.has_text(), "{blocks}");
}
