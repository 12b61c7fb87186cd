//! The encoders that there are, and the options of each that a client may set: a checked list, so that no option can break
//! what is promised of every stream (aligned key frames, declared rates, joints that cannot be told, threads as planned).

mod device;
mod reserved;
mod software;

pub use reserved::{Reserved, reserved};

use super::VideoCodec;

/// One encoder.
#[derive(Clone, Copy, Debug)]
pub struct EncoderTraits {
    /// FFmpeg's name.
    pub name: &'static str,
    /// What it makes.
    pub codec: VideoCodec,
    /// FFmpeg's option that carries the encoder's own parameters, as `name=value` with colons between.
    pub params: Option<&'static str>,
    /// What a client may set.
    pub options: &'static [OptionTraits],
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionTraits {
    /// Its name, as the encoder's documentation has it.
    pub name: &'static str,
    /// What it may be.
    pub values: Values,
    /// Who reads it.
    pub reader: Reader,
}

/// Who reads an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// FFmpeg, as an option of that name.
    Ffmpeg,
    /// The encoder, among its own parameters.
    Encoder,
}

/// What an option may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// A whole number from one to another.
    Whole(i32, i32),
    /// A number with up to three decimals, from one to another; both in thousandths.
    Decimal(i32, i32),
    /// One or two of those, with a comma between.
    Pair(i32, i32),
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Values {
    /// Whether `text` is such a value.
    pub fn allow(self, text: &str) -> bool {
        match self {
            Self::Whole(least, most) => {
                thousandths(text).is_some_and(|_| !text.contains('.'))
                    && text.parse::<i32>().is_ok_and(|number| (least..=most).contains(&number))
            }
            Self::Decimal(least, most) => thousandths(text).is_some_and(|number| (least..=most).contains(&number)),
            Self::Pair(least, most) => {
                let parts: Vec<&str> = text.split(',').collect();
                parts.len() <= 2 && parts.iter().all(|part| Self::Decimal(least, most).allow(part))
            }
            Self::Word(words) => words.contains(&text),
        }
    }

    /// The values, as a sentence lists them.
    pub fn shown(self) -> String {
        let number = |n: i32| {
            let (sign, n) = (if n < 0 { "-" } else { "" }, n.unsigned_abs());
            let text = format!("{sign}{}.{:03}", n / 1000, n % 1000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        match self {
            Self::Whole(0, 1) => "0 or 1".to_owned(),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Decimal(least, most) => format!("a number from {} to {}", number(least), number(most)),
            Self::Pair(least, most) => format!(
                "one or two numbers from {} to {} with a comma between, such as {},{}",
                number(least),
                number(most),
                number(most),
                number(least.max(0))
            ),
            Self::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// The encoders, those of the CPU first.
pub fn encoders() -> impl Iterator<Item = &'static EncoderTraits> {
    software::ENCODERS.iter().chain(&device::ENCODERS)
}

/// The encoder of this name.
pub fn encoder(name: &str) -> Option<&'static EncoderTraits> {
    encoders().find(|encoder| encoder.name == name)
}

impl EncoderTraits {
    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&'static OptionTraits> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// A number as it may be written: digits, at most three of them behind a point, with a minus where it is below zero.
/// Anything else could say more to an encoder than a number.
fn thousandths(text: &str) -> Option<i32> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole, 6) || !is_number(fraction, 3) {
        return None;
    }
    let scale = 10_i32.pow(3 - fraction.len() as u32);
    Some(sign * (whole.parse::<i32>().ok()? * 1000 + fraction.parse::<i32>().ok()? * scale))
}

/// An option that FFmpeg reads.
const fn ffmpeg(name: &'static str, values: Values) -> OptionTraits {
    OptionTraits { name, values, reader: Reader::Ffmpeg }
}

/// An option among the encoder's own parameters.
const fn own(name: &'static str, values: Values) -> OptionTraits {
    OptionTraits { name, values, reader: Reader::Encoder }
}

/// On or off.
const SWITCH: Values = Values::Whole(0, 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_and_words_and_nothing_else() {
        let whole = Values::Whole(-6, 16);
        for (text, allowed) in [("-6", true), ("16", true), ("17", false), ("1.0", false), ("+1", false), ("", false)] {
            assert_eq!(whole.allow(text), allowed, "{text}");
        }
        let decimal = Values::Decimal(0, 3000);
        for (text, allowed) in [
            ("0", true),
            ("0.8", true),
            ("3.000", true),
            ("3.001", false),
            ("-0.1", false),
            ("1e0", false),
            ("0.8:me=esa", false),
            (".5", false),
            ("1.", false),
        ] {
            assert_eq!(decimal.allow(text), allowed, "{text}");
        }
        let pair = Values::Pair(-6000, 6000);
        for (text, allowed) in [("-1,-1", true), ("1", true), ("1,2,3", false), ("1:2", false), ("1,", false)] {
            assert_eq!(pair.allow(text), allowed, "{text}");
        }
        assert!(Values::Word(&["hex"]).allow("hex") && !Values::Word(&["hex"]).allow("umh"));
        assert_eq!(decimal.shown(), "a number from 0 to 3");
        assert_eq!(
            Values::Pair(-6000, 6500).shown(),
            "one or two numbers from -6 to 6.5 with a comma between, such as 6.5,0"
        );
    }

    #[test]
    fn no_name_is_there_twice_or_kept_back_and_listed() {
        let names: Vec<&str> = encoders().map(|encoder| encoder.name).collect();
        for encoder in encoders() {
            assert_eq!(names.iter().filter(|name| **name == encoder.name).count(), 1, "{}", encoder.name);
            for option in encoder.options {
                let same = encoder.options.iter().filter(|other| other.name == option.name).count();
                assert_eq!(same, 1, "{} {}", encoder.name, option.name);
                assert!(reserved(option.name).is_none(), "{} {}", encoder.name, option.name);
                assert!(
                    option.reader == Reader::Ffmpeg || encoder.params.is_some(),
                    "{} {}",
                    encoder.name,
                    option.name
                );
            }
        }
    }
}
