//! Line 21 as broadcasters send it, a pair a frame.

use super::*;
use cea608_types::tables::{ControlCode, Field as InField, PreambleType};
use cea608_types::{Cea608, Mode as Sent, Text};

const FRAME_US: i64 = 33_367;

/// Sends to the first field, a pair a frame, commands twice as broadcasters do.
struct Sender {
    field: Field,
    now: i64,
}

impl Sender {
    fn new() -> Self {
        Self { field: Field::default(), now: 0 }
    }

    fn pair(&mut self, codes: [Code; 2]) {
        let mut bytes = Vec::new();
        for code in codes {
            code.write(&mut bytes).unwrap();
        }
        self.field.push([bytes[0], bytes[1]], self.now);
        self.now += FRAME_US;
    }

    fn command(&mut self, command: Cea608) {
        for _ in 0..2 {
            let codes = command.into_code(InField::ONE);
            let mut bytes = Vec::new();
            codes[0].write(&mut bytes).unwrap();
            self.field.push([bytes[0], bytes[1]], self.now);
            self.now += FRAME_US;
        }
    }

    fn say(&mut self, text: &str) {
        let letters: Vec<char> = text.chars().collect();
        for pair in letters.chunks(2) {
            let code =
                |at: usize| pair.get(at).map_or(Code::NUL, |letter| Code::from_char(*letter, Channel::ONE).unwrap());
            self.pair([code(0), code(1)]);
        }
    }

    fn mode(&mut self, mode: Sent) {
        self.command(Cea608::NewMode(Channel::ONE, mode));
    }

    fn row(&mut self, row: u8, indent: u8) {
        let kind = PreambleType::from_indent(indent).unwrap();
        self.command(Cea608::Preamble(Channel::ONE, PreambleAddressCode::new(row, false, kind)));
    }

    fn wait(&mut self, us: i64) {
        self.now += us;
    }

    fn seen(mut self) -> Vec<(i64, i64, String, String)> {
        self.field.channels[0].finish(self.now);
        let told = |seen: Seen| (seen.start, seen.end, seen.block.settings, seen.block.text);
        self.field.channels[0].take().into_iter().map(told).collect()
    }
}

#[test]
fn captions_pop_on_together_and_are_erased_together() {
    let mut sender = Sender::new();
    sender.mode(Sent::PopOn);
    sender.row(13, 4);
    sender.say("First line");
    sender.row(14, 8);
    sender.say("and second");
    let shown = sender.now;
    sender.command(Cea608::EndOfCaption(Channel::ONE));
    sender.wait(2_000_000);
    sender.mode(Sent::PopOn);
    sender.row(0, 0);
    sender.say("top");
    let erased = sender.now;
    sender.command(Cea608::EraseDisplay(Channel::ONE));
    let again = sender.now;
    sender.command(Cea608::EndOfCaption(Channel::ONE));
    sender.wait(1_000_000);
    let end = sender.now;
    let seen = sender.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    let (settings, text) = ("line:79% position:20% align:start".to_owned(), "First line\nand second".to_owned());
    assert_eq!(seen[0], (shown, erased, settings, text));
    assert_eq!(seen[1], (again, end, "line:10% position:10% align:start".to_owned(), "top".to_owned()));
}

#[test]
fn rows_roll_up() {
    let mut sender = Sender::new();
    sender.mode(Sent::RollUp2);
    sender.row(14, 0);
    for line in ["one", "two", "three"] {
        sender.command(Cea608::CarriageReturn(Channel::ONE));
        sender.say(line);
        sender.wait(1_500_000);
    }
    let texts: Vec<String> = sender.seen().into_iter().map(|(.., text)| text).collect();
    assert_eq!(texts, ["one", "one\ntwo", "two\nthree"]);
}

#[test]
fn rolling_rows_go_where_the_lowest_goes() {
    let mut sender = Sender::new();
    sender.mode(Sent::RollUp3);
    sender.say("low");
    sender.row(4, 0);
    sender.wait(500_000);
    let seen = sender.seen();
    let places: Vec<_> = seen.iter().map(|(.., settings, text)| (settings.as_str(), text.as_str())).collect();
    assert_eq!(places, [("line:84% position:10% align:start", "low"), ("line:31% position:10% align:start", "low")]);
}

#[test]
fn letters_are_painted_replaced_and_deleted() {
    let mut sender = Sender::new();
    sender.mode(Sent::PaintOn);
    sender.row(7, 12);
    sender.say("Cafe");
    // An extended letter takes the place of the plain one.
    let letter = Code::from_char('\u{c9}', Channel::ONE).unwrap();
    assert!(letter.needs_backspace());
    sender.pair([letter, Code::NUL]);
    sender.say("!!");
    sender.command(Cea608::Backspace(Channel::ONE));
    sender.command(Cea608::MidRowChange(Channel::ONE, MidRow::new_italics(false)));
    sender.say("so");
    sender.wait(300_000);
    let seen = sender.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].2, "line:47% position:40% align:start");
    assert_eq!(seen[0].3, "Caf\u{c9}! <i>so</i>");
}

#[test]
fn channels_and_services_do_not_mix() {
    let mut sender = Sender::new();
    sender.mode(Sent::PaintOn);
    sender.say("ours");
    // The second channel takes over, then text mode of the first, then extended data.
    let second = Cea608::Text(Text { needs_backspace: false, char1: Some('x'), char2: None, channel: Channel::TWO });
    sender.command(Cea608::NewMode(Channel::TWO, Sent::PaintOn));
    assert_eq!(second.channel(), Channel::TWO);
    sender.say("theirs");
    let text = Code::Control(ControlCode::new(InField::ONE, Channel::ONE, Control::TextRestart));
    sender.pair([text, Code::NUL]);
    sender.say("teletext");
    sender.mode(Sent::PaintOn);
    sender.field.push([0x01, 0x83], sender.now);
    sender.say("XDS!");
    sender.field.push([0x8f, 0x40], sender.now);
    sender.say("??");
    sender.now += 100_000;
    let now = sender.now;
    sender.field.channels[1].finish(now);
    let theirs: Vec<String> = sender.field.channels[1].take().into_iter().map(|seen| seen.block.text).collect();
    assert_eq!(theirs, ["theirs"]);
    assert!(sender.field.channels[0].has_text());
    let ours: Vec<String> = sender.seen().into_iter().map(|(.., text)| text).collect();
    assert_eq!(ours.last().map(String::as_str), Some("ours??"), "{ours:?}");
}

#[test]
fn nothing_is_shown_before_a_mode_is_said_and_wrong_parity_is_passed_over() {
    let mut sender = Sender::new();
    sender.row(3, 0);
    sender.say("lost");
    sender.mode(Sent::PaintOn);
    sender.field.push([0x41, 0x42], sender.now);
    sender.say("ok");
    sender.wait(10_000);
    let seen = sender.seen();
    assert_eq!(seen.into_iter().map(|(.., text)| text).collect::<Vec<_>>(), ["ok"]);
}

#[test]
fn any_bytes_are_taken() {
    let mut random = fastrand::Rng::with_seed(1);
    let parity = |byte: u8| if byte.count_ones().is_multiple_of(2) { byte ^ 0x80 } else { byte };
    let mut field = Field::default();
    for at in 0..200_000 {
        field.push([parity(random.u8(..)), parity(random.u8(..))], at * FRAME_US);
        for channel in 0..2 {
            assert!(field.channels[channel].take().len() < ROWS);
        }
    }
    assert!(field.channels.iter().all(Receiver::has_text));
}
