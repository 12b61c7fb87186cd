//! Options of encoders, looked at in what the encoders make.

use crate::tools::{clip_of, ffprobe, joined, reelmill, transcode};

const TONE: &str = "sine=frequency=440:duration=2";
const COMMON: [&str; 8] = ["--packaging", "cmaf", "--speed", "fast", "--segment", "1s", "--renditions", "144p"];

#[test]
fn an_option_is_in_the_stream_and_one_of_another_encoder_is_told() {
    let (scratch, clip) = clip_of("testsrc2=size=256x144:rate=25:duration=2", TONE);
    let made = |name: &str, options: &[&str]| {
        let out = scratch.path().join(name);
        let report = transcode(&clip, &out, &[&COMMON[..], options].concat());
        (joined(&out.join("cmaf/144p"), &scratch.path().join(format!("{name}.mp4"))), report)
    };
    let (usual, _) = made("usual", &[]);
    assert_eq!(ffprobe(&usual, "stream=profile,has_b_frames"), ["High,2"]);
    let options = ["libx264:bframes=0", "libx264:profile=main", "libx264:level=4.2", "libx265:rd=4"];
    let options: Vec<&str> = options.iter().flat_map(|option| ["--encoder-option", option]).collect();
    let (set, report) = made("set", &options);
    assert_eq!(ffprobe(&set, "stream=profile,level,has_b_frames"), ["Main,0,42"], "profile, B-frames, level");
    let notes = report["plan"]["notes"].to_string() + &report["warnings"].to_string();
    assert!(notes.contains("encoder_option.unused") && notes.contains("libx265:rd=4"), "{report}");
}

#[test]
fn a_refusal_says_what_would_break_and_what_there_is() {
    let (scratch, clip) = clip_of("testsrc2=size=256x144:rate=25:duration=1", TONE);
    let ran = reelmill()
        .arg("transcode")
        .args([&clip, &scratch.path().join("out")])
        .args(["--encoder-option", "libx264:vbv-maxrate=100"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("rate_control") && said.contains("aq-strength") && said.contains("[request.encoder_option]"));
}
