//! Every option that a client may set, given to the encoder itself at the ends of its range: one that an encoder does not
//! know, or does not take, is only a line in its log.

use reelmill::av::encoder::VideoEncoderSpec;
use reelmill::av::log::{self, Recent};
use reelmill::av::{Encoder, options};
use reelmill::model::Ratio;
use reelmill::model::encoders::{EncoderTraits, OptionTraits, Reader, Values, encoders};
use reelmill::model::facts::ColorTags;

/// The ends of a range, or all words.
fn values(values: Values) -> Vec<String> {
    let decimal = |n: i32| format!("{}{}.{:03}", if n < 0 { "-" } else { "" }, n.abs() / 1000, n.abs() % 1000);
    match values {
        Values::Whole(least, most) => vec![least.to_string(), most.to_string()],
        Values::Decimal(least, most) => vec![decimal(least), decimal(most)],
        Values::Pair(least, most) => vec![format!("{},{}", least / 1000, most / 1000)],
        Values::Word(words) => words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// SVT-AV1 hangs when it is closed without a picture (docs/QUIRKS.md), so it gets one.
fn with_a_picture(name: &str, value: &str) -> Result<Vec<String>, String> {
    let params = format!("lp=1:{name}={value}");
    let arguments = ["-nostdin", "-v", "warning", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=0.04"];
    let ran = std::process::Command::new("ffmpeg")
        .args(arguments)
        .args(["-c:v", "libsvtav1", "-preset", "12", "-crf", "30", "-svtav1-params", &params, "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    if ran.status.success() { Ok(said.lines().map(str::to_owned).collect()) } else { Err(said) }
}

/// What an encoder of the CPU says when it is opened so.
fn opened(encoder: &EncoderTraits, option: &OptionTraits, value: &str) -> Result<Vec<String>, String> {
    if encoder.name == "libsvtav1" {
        return with_a_picture(option.name, value);
    }
    let base = match encoder.name {
        "libx264" => "stitchable=1:open-gop=0",
        "libx265" => "open-gop=0:info=0:log-level=warning:pools=none:wpp=0:frame-threads=1",
        _ => "",
    };
    let mut given = vec![("crf".to_owned(), "30".to_owned())];
    match (option.reader, encoder.params) {
        (Reader::Encoder, Some(params)) => given.push((params.to_owned(), format!("{base}:{}={value}", option.name))),
        _ => given.push((option.name.to_owned(), value.to_owned())),
    }
    let spec = VideoEncoderSpec {
        encoder: encoder.name,
        width: 192,
        height: 128,
        pixel_format: "yuv420p",
        timescale: 90_000,
        frame_rate: Ratio::new(25, 1),
        color: &ColorTags::default(),
        options: &given,
    };
    let recent = Recent::default();
    let result = recent.during(|| Encoder::video(&spec).map(drop));
    result.map(|()| recent.take()).map_err(|error| format!("{error:?}"))
}

#[test]
fn every_option_that_may_be_set_is_taken_at_the_ends_of_its_range() {
    log::listen();
    let mut tried = 0;
    for encoder in encoders() {
        for option in encoder.options {
            for value in values(option.values) {
                let what = format!("{} {}={value}", encoder.name, option.name);
                assert!(option.values.allow(&value), "{what}");
                if encoder.name.contains('_') {
                    // Without its device an encoder is not opened, but FFmpeg knows its options.
                    let pair = [(option.name.to_owned(), value)];
                    assert!(options::encoder_takes(encoder.name, &pair).is_none_or(|taken| taken.is_ok()), "{what}");
                    continue;
                }
                let lines = opened(encoder, option, &value).unwrap_or_else(|error| panic!("{what}: {error}"));
                let bad = ["error", "unknown", "invalid"];
                // SVT-AV1 says of pictures without noise that there is none to imitate, and of a process that may not
                // raise it that its threads' priority stays: no faults of the option.
                let others = ["noise estimate", "thread priority"];
                let of_options = |line: &&String| !others.iter().any(|other| line.contains(other));
                let bad = lines
                    .iter()
                    .filter(of_options)
                    .find(|line| bad.iter().any(|word| line.to_lowercase().contains(word)));
                assert_eq!(bad, None, "{what}");
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}
