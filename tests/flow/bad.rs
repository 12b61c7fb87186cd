//! Bad input: one clear sentence, a stable code, an exit status, and nothing left behind.

use crate::tools::{clip, reelmill};
use std::fs;
use std::time::{Duration, Instant};

fn refused(name: &str, bytes: &[u8], code: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let (source, out) = (scratch.path().join(name), scratch.path().join("out"));
    fs::write(&source, bytes).unwrap();
    let began = Instant::now();
    let ran = reelmill().arg("transcode").arg("--").arg(&source).arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(began.elapsed() < Duration::from_secs(10), "{name}");
    assert_eq!(ran.status.code(), Some(2), "{name}: {said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("reelmill: ") && last.ends_with(&format!("[{code}]")), "{name}: {said}");
    assert!(!out.exists(), "{name}: nothing is left");
}

#[test]
fn what_is_not_media_is_named() {
    refused("empty.mp4", b"", "source.empty");
    refused("letter.mp4", b"Dear editor, please find enclosed the film.\n".repeat(40).as_slice(), "source.not_media");
    refused("zeroes.mp4", &[0; 4096], "source.not_media");
    refused("playlist.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "source.not_media");
    refused("concat.txt", b"ffconcat version 1.0\nfile /etc/passwd\n", "source.not_media");
}

#[test]
fn a_file_that_was_cut_is_named() {
    let (_scratch, clip) = clip();
    let bytes = fs::read(&clip).unwrap();
    // The index of a file made by FFmpeg stands at its end: without it nothing is known.
    refused("no-index.mp4", &bytes[..bytes.len() / 2], "source.not_media");
    let scratch = tempfile::tempdir().unwrap();
    let front = scratch.path().join("front.mp4");
    crate::tools::ffmpeg(&[
        "-i",
        clip.to_str().unwrap(),
        "-c",
        "copy",
        "-movflags",
        "faststart",
        front.to_str().unwrap(),
    ]);
    let bytes = fs::read(front).unwrap();
    refused("cut.mp4", &bytes[..bytes.len() / 2], "source.truncated");
}

#[test]
fn requests_that_cannot_be_met_are_named() {
    let (scratch, clip) = clip();
    let out = scratch.path().join("out");
    for (options, code) in [
        (&["--codec", "av1", "--packaging", "ts"][..], "request.codec_packaging"),
        (&["--renditions", "banana"], "request.rendition"),
        (&["--segment", "0s"], "request.segment"),
        (&["--spans", "0"], "request.spans"),
        (&["--encoder-option", "libx264:keyint=50"], "request.encoder_option"),
    ] {
        let ran = reelmill().arg("transcode").arg(&clip).arg(&out).args(options).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{options:?}: {said}");
        assert!(said.contains(code), "{options:?}: {said}");
        assert!(!out.exists(), "{options:?}");
    }
}
