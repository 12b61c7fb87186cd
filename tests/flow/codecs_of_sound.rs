//! Sound in every codec: where its samples lie once it is decoded, how segments are described, and what surround becomes.

use crate::tools::{ffmpeg, ffprobe, joined, reelmill, transcode};
use std::fs;
use std::path::{Path, PathBuf};

/// Samples a second of everything here.
const RATE: usize = 48_000;
/// Where the source clicks, samples; the last one is within its last block.
const CLICKS: [usize; 4] = [4_800, 96_000, 192_500, 239_900];
/// Samples of the source: five seconds, which are a whole number of AC-3 frames less a few samples, so that the end must be
/// fetched out of the encoder.
const SAMPLES: usize = 240_000;

/// Silence with one sample of full scale wherever it clicks, in each of the channels.
fn clicks(dir: &Path, channels: usize) -> PathBuf {
    let path = dir.join(format!("clicks-{channels}.wav"));
    let when: Vec<String> = CLICKS.iter().map(|at| format!("eq(n\\,{at})")).collect();
    let one = format!("0.9*({})", when.join("+"));
    let layout = if channels == 6 { "5.1" } else { "stereo" };
    let all = vec![one; channels].join("|");
    let sound = format!("aevalsrc={all}:c={layout}:s={RATE}:d=5");
    ffmpeg(&["-f", "lavfi", "-i", &sound, "-c:a", "pcm_s16le", path.to_str().unwrap()]);
    path
}

/// The samples of one channel of a file: of an MP4 file from time zero on, of others from where they start.
fn samples(file: &Path, channel: usize) -> Vec<f32> {
    let raw = file.with_extension(format!("{channel}.f32"));
    let pick = format!("pan=mono|c0=c{channel},aresample=async=1:first_pts=0");
    let times: &[&str] = if file.extension().is_some_and(|is| is == "mp4") { &["-copyts"] } else { &[] };
    let all = ["-i", file.to_str().unwrap(), "-af", &pick, "-f", "f32le", raw.to_str().unwrap()];
    ffmpeg(&[times, &all].concat());
    let bytes = fs::read(raw).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Where the loudest sample is around each click.
fn heard(samples: &[f32]) -> Vec<usize> {
    let loudest = |at: usize| {
        let around = at - 2_000..(at + 2_000).min(samples.len());
        around.max_by(|a, b| samples[*a].abs().total_cmp(&samples[*b].abs())).unwrap()
    };
    CLICKS.iter().map(|at| loudest(*at)).collect()
}

#[test]
fn samples_lie_where_they_were_in_every_codec_and_the_end_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (clicks(dir.path(), 2), dir.path().join("out"));
    transcode(&source, &out, &["--audio-codec", "aac,opus,mp3,ac3,eac3", "--segment", "2s"]);
    let codecs = [("aac", "mp4a"), ("opus", "Opus"), ("mp3", "mp4a"), ("ac3", "ac-3"), ("eac3", "ec-3")];
    for (codec, tag) in codecs {
        let track = out.join(format!("cmaf/audio-1-{codec}"));
        let whole = joined(&track, &dir.path().join(format!("{codec}.mp4")));
        assert_eq!(ffprobe(&whole, "stream=codec_name,codec_tag_string"), [format!("{codec},{tag}")]);
        let pcm = samples(&whole, 0);
        // What players leave out at the end is what fills the last packet.
        assert!((SAMPLES..SAMPLES + 2048).contains(&pcm.len()), "{codec}: {} samples", pcm.len());
        assert_eq!(heard(&pcm), CLICKS, "{codec}");
        let playlist = fs::read_to_string(track.join("media.m3u8")).unwrap();
        let total: f64 = playlist
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse::<f64>().ok())
            .sum();
        assert!((total - 5.0).abs() < 0.000_1, "{codec}: {total}");
    }
    for (codec, kind) in [("mp3", "3"), ("ac3", "129"), ("eac3", "135")] {
        let track = out.join(format!("ts/audio-1-{codec}"));
        let whole = joined(&track, &dir.path().join(format!("{codec}.ts")));
        assert_eq!(ffprobe(&whole, "stream=codec_name"), [codec, codec], "one program and one stream");
        assert!(program_map_types(&fs::read(&whole).unwrap()).contains(&kind.parse().unwrap()), "{codec}");
    }
}

/// Stream types in the first program map table of a transport stream (ISO/IEC 13818-1 §2.4.4.8).
fn program_map_types(stream: &[u8]) -> Vec<u8> {
    let packet = |pid: usize| {
        let is = |packet: &&[u8]| (usize::from(packet[1] & 0x1f) << 8 | usize::from(packet[2])) == pid;
        let packet = stream.chunks_exact(188).find(is).unwrap();
        let from = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        packet[from + 1 + usize::from(packet[from])..].to_vec()
    };
    let length = |at: &[u8]| usize::from(at[0] & 0x0f) << 8 | usize::from(at[1]);
    let programs = packet(0);
    let map = packet(usize::from(programs[10] & 0x1f) << 8 | usize::from(programs[11]));
    let end = 3 + length(&map[1..]) - 4;
    let mut at = 12 + length(&map[10..]);
    let mut types = Vec::new();
    while at < end {
        types.push(map[at]);
        at += 5 + length(&map[at + 3..]);
    }
    types
}

#[test]
fn surround_is_kept_beside_stereo_and_told_in_every_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (clicks(dir.path(), 6), dir.path().join("out"));
    transcode(&source, &out, &["--audio-codec", "aac,ac3,mp3"]);
    let channels = |codec: &str| {
        let whole = joined(&out.join(format!("cmaf/audio-1-{codec}")), &dir.path().join(format!("{codec}.mp4")));
        (ffprobe(&whole, "stream=channels").join(""), whole)
    };
    assert_eq!((channels("aac").0, channels("mp3").0), ("2".to_owned(), "2".to_owned()));
    let (count, whole) = channels("ac3");
    assert_eq!(count, "6");
    for channel in [0, 1, 2, 4, 5] {
        assert_eq!(heard(&samples(&whole, channel)), CLICKS, "channel {channel}");
    }
    let init = fs::read(out.join("cmaf/audio-1-ac3/init.mp4")).unwrap();
    let at = init.windows(4).position(|four| four == b"dac3").unwrap();
    // 48 kHz, bsid 8, bsmod 0, acmod 7 (3/2), LFE, and the code of 448 kb/s (ETSI TS 102 366 §F.4).
    let bits = u32::from_be_bytes([0, init[at + 4], init[at + 5], init[at + 6]]);
    assert_eq!(
        [bits >> 22, bits >> 17 & 31, bits >> 14 & 7, bits >> 11 & 7, bits >> 10 & 1, bits >> 5 & 31],
        [0, 8, 0, 7, 1, 15]
    );
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    for words in ["CODECS=\"mp4a.40.2\"", "CODECS=\"ac-3\"", "CODECS=\"mp4a.40.34\""] {
        assert!(master.contains(words), "{words}: {master}");
    }
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    let dolby = "schemeIdUri=\"tag:dolby.com,2014:dash:audio_channel_configuration:2011\" value=\"F801\"";
    for words in ["codecs=\"ac-3\"", "codecs=\"mp4a.6B\"", dolby] {
        assert!(mpd.contains(words), "{words}: {mpd}");
    }
}

#[test]
fn surround_that_a_codec_does_not_have_is_mixed_down_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (clicks(dir.path(), 6), dir.path().join("out"));
    let report = transcode(&source, &out, &["--audio-codec", "mp3", "--channels", "keep"]);
    assert!(report.to_string().contains("mixed down to stereo"), "{report}");
    let whole = joined(&out.join("cmaf/audio-1"), &dir.path().join("mp3.mp4"));
    assert_eq!(ffprobe(&whole, "stream=codec_name,channels"), ["mp3,2"]);
}

#[test]
fn tracks_that_are_what_is_asked_are_taken_over_in_new_codecs_too() {
    let dir = tempfile::tempdir().unwrap();
    let source = clicks(dir.path(), 6);
    for (codec, container) in [("ac3", "mkv"), ("ac3", "ts"), ("eac3", "mp4"), ("mp3", "mkv"), ("mp3", "mp3")] {
        let made = dir.path().join(format!("{codec}.{container}"));
        let encoder = if codec == "mp3" { "libmp3lame" } else { codec };
        let layout = if codec == "mp3" { "2" } else { "6" };
        let (from, to) = (source.to_str().unwrap(), made.to_str().unwrap());
        ffmpeg(&["-i", from, "-c:a", encoder, "-b:a", "256k", "-ac", layout, to]);
        let out = dir.path().join(format!("out-{codec}-{container}"));
        transcode(&made, &out, &["--audio-codec", codec, "--copy"]);
        let whole = joined(&out.join("cmaf/audio-1"), &dir.path().join(format!("{codec}-{container}.mp4")));
        let sizes = |file: &Path| ffprobe(file, "packet=size").into_iter().map(|line| line.parse::<u32>().unwrap());
        let (before, after): (Vec<_>, Vec<_>) = (sizes(&made).collect(), sizes(&whole).collect());
        // The very packets, but for those in front of zero.
        assert!(before.ends_with(&after) && before.len() - after.len() <= 2, "{codec} in {container}");
        let (of_source, of_copy) = (heard(&samples(&made, 0)), heard(&samples(&whole, 0)));
        let apart = of_source.iter().zip(&of_copy).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(apart <= 48, "{codec} in {container}: {of_source:?} and {of_copy:?}");
    }
}

#[test]
fn a_codec_that_there_is_not_is_refused_with_those_that_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let source = clicks(dir.path(), 2);
    let out = dir.path().join("out");
    let ran = reelmill().arg("transcode").arg(&source).arg(&out).args(["--audio-codec", "dts"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success() && said.contains("aac, opus, mp3, ac3 or eac3"), "{said}");
}
