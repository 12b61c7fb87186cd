//! Closed captions inside the pictures of a source: what is published carries them as its manifests say, or does not.

use crate::tools::{ffmpeg, joined, transcode};
use std::fs;
use std::path::{Path, PathBuf};

/// Captions of ATSC A/53 as H.264 carries them: a registered message of a country, a provider and `GA94`.
const CAPTIONS: &[u8] = b"\xb5\x00\x31GA94\x03";

/// A supplemental message with one pair of bytes of field 1.
const MESSAGE: &[u8] = b"\x00\x00\x00\x01\x06\x04\x0e\xb5\x00\x31GA94\x03\xc1\xff\xfc\x94\x2c\xff\x80";

/// H.264 with captions at every picture.
fn captioned(dir: &Path) -> PathBuf {
    let (plain, marked, path) = (dir.join("plain.h264"), dir.join("marked.h264"), dir.join("clip.mp4"));
    let input = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4", "-pix_fmt", "yuv420p"];
    // One slice a picture, so that each gets one message.
    let codec = [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "40",
        "-bf",
        "0",
        "-g",
        "25",
        "-x264-params",
        "sliced-threads=0:slices=1",
    ];
    ffmpeg(&[&input[..], &codec, &[plain.to_str().unwrap()]].concat());
    let bytes = fs::read(&plain).unwrap();
    let mut all = Vec::new();
    let starts: Vec<usize> = (0..bytes.len() - 3).filter(|at| bytes[*at..].starts_with(b"\x00\x00\x01")).collect();
    for (place, start) in starts.iter().enumerate() {
        if matches!(bytes[start + 3] & 0x1f, 1 | 5) {
            all.extend(MESSAGE);
        }
        all.extend(&bytes[*start..starts.get(place + 1).copied().unwrap_or(bytes.len())]);
    }
    fs::write(&marked, all).unwrap();
    ffmpeg(&["-r", "25", "-i", marked.to_str().unwrap(), "-c", "copy", path.to_str().unwrap()]);
    path
}

fn count(bytes: &[u8]) -> usize {
    bytes.windows(CAPTIONS.len()).filter(|window| *window == CAPTIONS).count()
}

#[test]
fn what_is_encoded_has_no_captions_and_says_so_and_what_is_copied_promises_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = captioned(scratch.path());
    assert_eq!(count(&fs::read(&clip).unwrap()), 100, "the source has captions");

    let encoded = scratch.path().join("encoded");
    transcode(&clip, &encoded, &["--renditions", "180p", "--speed", "fast", "--packaging", "cmaf,ts"]);
    let bytes = fs::read(joined(&encoded.join("cmaf/180p"), &scratch.path().join("encoded.mp4"))).unwrap();
    assert_eq!(count(&bytes), 0, "captions in what says that it has none");
    let ts = fs::read(joined(&encoded.join("ts/180p"), &scratch.path().join("encoded.ts"))).unwrap();
    assert_eq!(count(&ts), 0, "captions in what says that it has none");
    let master = fs::read_to_string(encoded.join("cmaf/master.m3u8")).unwrap();
    assert!(master.contains("CLOSED-CAPTIONS=NONE"), "{master}");

    let copied = scratch.path().join("copied");
    transcode(&clip, &copied, &["--renditions", "180p", "--copy", "--segment", "1s", "--packaging", "cmaf"]);
    let track = fs::read_dir(copied.join("cmaf")).unwrap().find(|entry| entry.as_ref().unwrap().path().is_dir());
    let bytes = fs::read(joined(&track.unwrap().unwrap().path(), &scratch.path().join("copied.mp4"))).unwrap();
    assert_eq!(count(&bytes), 100, "a copy is whole");
    let master = fs::read_to_string(copied.join("cmaf/master.m3u8")).unwrap();
    assert!(!master.contains("CLOSED-CAPTIONS"), "{master}");
}
