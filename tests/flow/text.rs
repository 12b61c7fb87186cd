//! Subtitles of a source and beside it: what is read back of them, with FFmpeg's tools and out of the boxes.

use crate::tools::{ffmpeg, reelmill, segments, transcode};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Cues over boundaries, overlapping, out of order, with markup, and without any time.
const SRT: &str = "1\n00:00:00,500 --> 00:00:01,250\n<i>one</i> & <b>two</b>\n\n\
                   2\n00:00:03,000 --> 00:00:06,500\nlong\n\n\
                   4\n00:00:05,000 --> 00:00:05,400\nwithin\n\n\
                   3\n00:00:04,100 --> 00:00:04,900\nearlier\n\n\
                   5\n00:00:07,000 --> 00:00:07,000\nnever\n";

fn picture(dir: &Path) -> PathBuf {
    let path = dir.join("clip.mp4");
    let inputs = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=8", "-f", "lavfi", "-i"];
    let rest = ["sine=duration=8", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &rest].concat());
    path
}

fn written(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A source with text in it: SubRip and styled.
fn with_text(dir: &Path) -> PathBuf {
    let timed = SRT.split_inclusive("\n\n").take(4).collect::<String>();
    let (clip, srt, path) = (picture(dir), written(dir, "in.srt", timed), dir.join("text.mkv"));
    let (clip, srt) = (clip.to_str().unwrap(), srt.to_str().unwrap());
    let maps =
        ["-map", "0", "-map", "1", "-map", "2", "-c:v", "copy", "-c:a", "copy", "-c:s:0", "srt", "-c:s:1", "ass"];
    let said = ["-metadata:s:s:0", "language=ger", "-metadata:s:s:0", "title=Deutsch", "-disposition:s:1", "forced"];
    ffmpeg(&[&["-i", clip, "-i", srt, "-i", srt][..], &maps, &said, &[path.to_str().unwrap()]].concat());
    path
}

/// The cues of a playlist of text as FFmpeg reads it: each once, with its times.
fn cues(playlist: &Path) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for segment in segments(playlist) {
        let text = fs::read_to_string(segment).unwrap();
        let blocks = text.split("\n\n").skip(1).map(|block| block.trim().replace('\n', " | "));
        all.extend(blocks.filter(|block| !all.contains(block)).collect::<Vec<_>>());
    }
    all
}

const EXPECTED: [&str; 4] = [
    "00:00:00.500 --> 00:00:01.250 | <i>one</i> &amp; <b>two</b>",
    "00:00:03.000 --> 00:00:06.500 | long",
    "00:00:04.100 --> 00:00:04.900 | earlier",
    "00:00:05.000 --> 00:00:05.400 | within",
];

/// Durations and bytes of the samples of a track of WebVTT in MP4, walked by the boxes of its segments.
fn samples(track: &Path) -> Vec<String> {
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(track).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "m4s") {
            files.push((path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), path));
        }
    }
    // Sound ends a little after the pictures, and so does text, of which manifests tell only what has pictures.
    files.retain(|(start, _)| *start < 8000);
    files.sort_unstable();
    let texts = files.into_iter().map(|(start, path)| {
        let bytes = fs::read(path).unwrap();
        let at = bytes.windows(4).position(|four| four == b"mdat").unwrap();
        let shown: String =
            bytes[at + 4..].iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
        format!("{start}: {shown}")
    });
    texts.collect()
}

#[test]
fn text_of_the_source_is_kept_in_every_packaging() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (with_text(dir.path()), dir.path().join("out"));
    transcode(&source, &out, &["--renditions", "90p", "--segment", "2s"]);
    for packaging in ["cmaf", "ts"] {
        let master = fs::read_to_string(out.join(packaging).join("master.m3u8")).unwrap();
        let text: Vec<&str> = master.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=SUBTITLES")).collect();
        assert_eq!(
            text,
            [
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=NO,\
                 AUTOSELECT=YES,FORCED=NO,URI=\"text-1/media.m3u8\"",
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"Text 2\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,\
                 URI=\"text-2/media.m3u8\""
            ]
        );
        assert!(master.contains("SUBTITLES=\"subtitles\""), "{master}");
        for track in ["text-1", "text-2"] {
            let playlist = out.join(packaging).join(track).join("media.m3u8");
            assert_eq!(segments(&playlist).len(), 4);
            assert_eq!(cues(&playlist), EXPECTED, "{packaging} {track}");
        }
        let second = fs::read_to_string(out.join(packaging).join("text-1/00003.vtt")).unwrap();
        let zero = if packaging == "ts" { 900_000 } else { 0 };
        let long = "\n00:00:03.000 --> 00:00:06.500\nlong\n";
        assert_eq!(second, format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{zero},LOCAL:00:00:00.000\n{long}"));
    }
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    let set = "contentType=\"text\" mimeType=\"application/mp4\" lang=\"de\"";
    for words in [set, "codecs=\"wvtt\"", "value=\"subtitle\"", "value=\"forced-subtitle\""] {
        assert!(mpd.contains(words), "{words}: {mpd}");
    }
    let made = samples(&out.join("cmaf/text-1-wvtt"));
    assert_eq!(made.len(), 4);
    assert!(made[0].contains("<i>one</i>") && made[0].starts_with("0: ....vtte"), "{made:?}");
    assert_eq!(made[3], "6000: ....vttc....vsid........payllong....vtte");
    read_back(&out.join("ts/text-1/media.m3u8"), dir.path());
}

/// FFmpeg's own player of playlists finds the same cues at the same times.
fn read_back(playlist: &Path, scratch: &Path) {
    let one = scratch.join("first.srt");
    let first = segments(playlist)[0].clone();
    ffmpeg(&["-i", first.to_str().unwrap(), one.to_str().unwrap()]);
    let text = fs::read_to_string(one).unwrap();
    assert!(text.contains("00:00:00,500 --> 00:00:01,250\n<i>one</i> & <b>two</b>"), "{text}");
}

#[test]
fn files_beside_the_source_are_added_with_what_is_said_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (picture(dir.path()), dir.path().join("out"));
    let latin = SRT.replace("long", "lang\u{e4}").chars().map(|c| c as u8).collect::<Vec<u8>>();
    let latin = written(dir.path(), "latin.srt", latin);
    let wide: Vec<u8> = format!("\u{feff}{SRT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = written(dir.path(), "wide.srt", wide);
    let vtt = "WEBVTT\n\n00:01.000 --> 00:02.000 line:0 align:start\n<v Ann>hello\n";
    let vtt = written(dir.path(), "say.vtt", vtt);
    let latin = format!("{}:lang=deu,title=Ger\u{e4}usche,sdh,encoding=windows-1252", latin.display());
    let options = ["--subtitles", &latin, "--subtitles", wide.to_str().unwrap(), "--subtitles", vtt.to_str().unwrap()];
    transcode(&source, &out, &[&["--renditions", "90p", "--segment", "2s"][..], &options].concat());
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    for words in ["NAME=\"Ger\u{e4}usche\",LANGUAGE=\"de\"", "public.accessibility.describes-music-and-sound"] {
        assert!(master.contains(words), "{master}");
    }
    let of = |track: &str| cues(&out.join("cmaf").join(track).join("media.m3u8"));
    assert_eq!(of("text-1")[1], "00:00:03.000 --> 00:00:06.500 | lang\u{e4}");
    assert_eq!(of("text-2"), EXPECTED);
    assert_eq!(of("text-3"), ["00:00:01.000 --> 00:00:02.000 line:0 align:start | hello"]);
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert!(mpd.contains("value=\"caption\""), "{mpd}");
}

#[test]
fn text_is_left_out_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (with_text(dir.path()), dir.path().join("out"));
    transcode(&source, &out, &["--renditions", "90p", "--text", "none"]);
    assert!(!out.join("cmaf/text-1").exists() && !out.join("cmaf/text-1-wvtt").exists());
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(!master.contains("SUBTITLES"), "{master}");
}

fn refused(source: &Path, out: &Path, options: &[&str]) -> String {
    let ran: Output = reelmill().arg("transcode").arg(source).arg(out).args(options).output().unwrap();
    assert!(!ran.status.success());
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

#[test]
fn bad_text_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (picture(dir.path()), dir.path().join("out"));
    let latin = written(dir.path(), "latin.srt", b"1\n00:00:01,000 --> 00:00:02,000\nl\xe4ng\n");
    let said = refused(&source, &out, &["--renditions", "90p", "--subtitles", latin.to_str().unwrap()]);
    assert!(said.contains("[text.encoding]") && said.contains("byte 33 "), "{said}");
    let said = refused(&source, &out, &["--subtitles", source.to_str().unwrap()]);
    assert!(said.contains("[text.track]"), "{said}");
    let noise = written(dir.path(), "noise.srt", b"\x89PNG this is not what it says");
    let said = refused(&source, &out, &["--subtitles", noise.to_str().unwrap()]);
    assert!(said.contains("[source."), "{said}");
    let said = refused(&source, &out, &["--text", "ita"]);
    assert!(said.contains("[text.track]") && said.contains("are none"), "{said}");
}

#[test]
fn text_is_cut_with_the_source_and_told_as_it_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    let (source, marked, out) = (with_text(dir.path()), dir.path().join("marked.mkv"), dir.path().join("out"));
    let marks = ["-map", "0", "-c", "copy", "-disposition:s:0", "hearing_impaired", marked.to_str().unwrap()];
    ffmpeg(&[&["-i", source.to_str().unwrap()][..], &marks].concat());
    transcode(&marked, &out, &["--renditions", "90p", "--segment", "2s", "--from", "4s", "--to", "6s"]);
    let expected = [
        "00:00:00.000 --> 00:00:02.000 | long",
        "00:00:00.100 --> 00:00:00.900 | earlier",
        "00:00:01.000 --> 00:00:01.400 | within",
    ];
    assert_eq!(cues(&out.join("cmaf/text-1/media.m3u8")), expected);
    assert_eq!(segments(&out.join("cmaf/text-1/media.m3u8")).len(), 1);
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    let told: Vec<bool> = master
        .lines()
        .filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=SUBTITLES"))
        .map(|line| line.contains("public.accessibility.describes-music-and-sound"))
        .collect();
    assert_eq!(told, [true, false], "{master}");
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert_eq!(mpd.matches("value=\"caption\"").count(), 1, "{mpd}");
}
