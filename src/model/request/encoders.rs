//! Options of encoders, as asked.

use crate::model::encoders::{self, EncoderTraits, Reader};
use crate::model::{Problem, VideoCodec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Most options of an output: all that one encoder has, and more.
pub const ENCODER_OPTIONS_MAX: usize = 64;
/// Longest part of a text that is told back, characters.
const SHOWN_MAX: usize = 40;

/// One option of one encoder. Written `libx264:aq-mode=3`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EncoderOption {
    /// FFmpeg's name of the encoder.
    pub encoder: String,
    /// The option's name, as the encoder's documentation has it.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl EncoderOption {
    /// The codec that it is about; `None` for one that [`check`] refuses.
    pub fn codec(&self) -> Option<VideoCodec> {
        encoders::encoder(&self.encoder).map(|encoder| encoder.codec)
    }

    /// Why it cannot be set.
    fn problem(&self) -> Option<Problem> {
        let refuse = |message| Some(Problem::input("request.encoder_option", message));
        let Some(encoder) = encoders::encoder(&self.encoder) else {
            let known: Vec<&str> = encoders::encoders().map(|encoder| encoder.name).collect();
            return refuse(format!("there is no encoder `{}`: name one of {}", shown(&self.encoder), known.join(", ")));
        };
        let Some(option) = encoder.option(&self.name) else {
            let name = shown(&self.name);
            let why = match encoders::reserved(&self.name) {
                Some(reserved) => format!("`{name}` {}", reserved.why),
                None => format!("`{name}` is not an option of {} that can be set here", encoder.name),
            };
            return refuse(format!("{why}; {} has {}", encoder.name, names(encoder)));
        };
        if !option.values.allow(&self.value) {
            let (value, values) = (shown(&self.value), option.values.shown());
            return refuse(format!("{} of {} cannot be `{value}`: give {values}", option.name, encoder.name));
        }
        None
    }
}

/// What of these options cannot be set, by fields of `reelmill.v1.OutputSpec`.
pub fn check(options: &[EncoderOption]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if options.len() > ENCODER_OPTIONS_MAX {
        let message = format!("{} options of encoders are too many: give at most {ENCODER_OPTIONS_MAX}", options.len());
        problems.push(Problem::input("request.encoder_option", message).at("encoder_options"));
    }
    let mut seen = BTreeSet::new();
    for (index, option) in options.iter().take(ENCODER_OPTIONS_MAX).enumerate() {
        let twice = || {
            let message = format!("{} of {} is there twice: leave one out", option.name, option.encoder);
            Problem::input("request.encoder_option", message)
        };
        let problem = option.problem().or_else(|| (!seen.insert((&option.encoder, &option.name))).then(twice));
        problems.extend(problem.map(|problem| problem.at(format_args!("encoder_options[{index}]"))));
    }
    problems
}

/// Those of one encoder that FFmpeg reads, and those that the encoder reads itself, as text behind other parameters:
/// `:aq-mode=3:ref=4`.
pub fn for_encoder<'a>(options: &'a [EncoderOption], encoder: &str) -> (Vec<&'a EncoderOption>, String) {
    let traits = encoders::encoder(encoder);
    let reader = |option: &EncoderOption| Some(traits?.option(&option.name)?.reader);
    let (mut ffmpeg, mut own) = (Vec::new(), String::new());
    for option in options.iter().filter(|option| option.encoder == encoder) {
        match reader(option) {
            Some(Reader::Ffmpeg) => ffmpeg.push(option),
            Some(Reader::Encoder) => own.push_str(&format!(":{}={}", option.name, option.value)),
            None => {}
        }
    }
    (ffmpeg, own)
}

fn names(encoder: &EncoderTraits) -> String {
    encoder.options.iter().map(|option| option.name).collect::<Vec<_>>().join(", ")
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect::<String>().escape_debug().to_string()
}

impl FromStr for EncoderOption {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts = text.split_once(':').and_then(|(encoder, rest)| Some((encoder, rest.split_once('=')?)));
        let Some((encoder, (name, value))) = parts else {
            let message = format!("`{}` is no option of an encoder: write it as libx264:aq-mode=3", shown(text));
            return Err(Problem::input("request.encoder_option", message));
        };
        Ok(Self { encoder: encoder.to_owned(), name: name.to_owned(), value: value.to_owned() })
    }
}

impl TryFrom<String> for EncoderOption {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<EncoderOption> for String {
    fn from(option: EncoderOption) -> Self {
        option.to_string()
    }
}

impl fmt::Display for EncoderOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}={}", self.encoder, self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(texts: &[&str]) -> Vec<EncoderOption> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_would_break_a_promise_is_refused_with_the_reason_and_the_list() {
        for (text, word) in [
            ("libx264:keyint=50", "where key frames are"),
            ("libx264:keyint_min=50", "where key frames are"),
            ("libx265:open-gop=1", "where key frames are"),
            ("libx264:vbv-maxrate=1000", "rate_control"),
            ("libx265:stats=/etc/passwd", "two passes"),
            ("libx264:threads=64", "threads"),
            ("libx264:preset=placebo", "speed"),
            ("libx264:nonsense=1", "is not an option of libx264"),
            ("h264_nvenc:surfaces=9", "threads"),
        ] {
            let problems = check(&options(&[text]));
            assert_eq!((problems.len(), problems[0].code.as_str()), (1, "request.encoder_option"), "{text}");
            assert!(problems[0].message.contains(word), "{text}: {}", problems[0].message);
            assert!(problems[0].message.contains("aq-"), "{text}: {}", problems[0].message);
            assert_eq!(problems[0].field, "encoder_options[0]");
        }
    }

    #[test]
    fn values_encoders_and_repetitions_are_checked() {
        let first = |texts: &[&str]| check(&options(texts)).first().map(|problem| problem.message.clone());
        assert_eq!(first(&["libx264:aq-mode=3", "libx265:aq-mode=3", "libx264:psy-rd=1.0,0.15"]), None);
        assert_eq!(
            first(&["libx264:aq-mode=4"]).as_deref(),
            Some("aq-mode of libx264 cannot be `4`: give a whole number from 0 to 3")
        );
        assert!(first(&["libx264:me=esa:threads=9"]).unwrap().contains("one of dia, hex"));
        assert!(first(&["libfoo:me=esa"]).unwrap().contains("libx264, libx265"));
        assert!(first(&["libx264:ref=4", "libx264:ref=5"]).unwrap().contains("twice"));
        assert_eq!(check(&options(&["libx264:ref=4"; 65])).first().unwrap().field, "encoder_options");
        for text in ["", "libx264", "libx264:ref", "ref=4"] {
            assert_eq!(text.parse::<EncoderOption>().unwrap_err().code, "request.encoder_option");
        }
    }

    #[test]
    fn options_are_for_ffmpeg_or_for_the_encoder() {
        let all = options(&["libx264:tune=film", "libx264:ref=4", "libx265:ref=2", "libx264:aq-mode=3"]);
        let (ffmpeg, own) = for_encoder(&all, "libx264");
        assert_eq!((ffmpeg.len(), ffmpeg[0].value.as_str(), own.as_str()), (1, "film", ":ref=4:aq-mode=3"));
        assert_eq!(for_encoder(&all, "h264_nvenc"), (Vec::new(), String::new()));
    }
}
