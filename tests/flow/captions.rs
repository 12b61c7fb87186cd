//! Closed captions inside the pictures of a source: what is published carries them as its manifests say, or does not.

use crate::tools::{ffmpeg, joined, reelmill, segments, transcode};
use reelmill_testkit::captions::{self, CAPTIONS, PLAIN_H264, Triplet, pair, said};
use std::fs;
use std::path::{Path, PathBuf};

/// H.264 of 4 s at 25 pictures a second, with these captions at each.
fn captioned(dir: &Path, triplets: impl Fn(usize) -> Vec<Triplet>) -> PathBuf {
    let (plain, marked, path) = (dir.join("plain.h264"), dir.join("marked.h264"), dir.join("clip.mp4"));
    let input = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4", "-pix_fmt", "yuv420p"];
    ffmpeg(&[&input[..], &PLAIN_H264, &[plain.to_str().unwrap()]].concat());
    let with = captions::marked(&fs::read(&plain).unwrap(), triplets);
    fs::write(&marked, with).unwrap();
    ffmpeg(&["-r", "25", "-i", marked.to_str().unwrap(), "-c", "copy", path.to_str().unwrap()]);
    path
}

/// The cues of a track of text, each once.
fn cues(track: &Path) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for segment in segments(&track.join("media.m3u8")) {
        let text = fs::read_to_string(segment).unwrap();
        let blocks = text.split("\n\n").skip(1).map(|block| block.trim().replace('\n', " | "));
        all.extend(blocks.filter(|block| !all.contains(block)).collect::<Vec<_>>());
    }
    all
}

#[test]
fn captions_become_tracks_of_text() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = captioned(scratch.path(), said);
    let out = scratch.path().join("out");
    let options = ["--renditions", "90p", "--speed", "fast", "--segment", "2s"];
    transcode(&clip, &out, &[&options[..], &["--captions", "CC2,CC1=eng,all"]].concat());
    let of = |track: &str| cues(&out.join("cmaf").join(track));
    assert_eq!(of("text-1"), Vec::<String>::new(), "nobody says anything there");
    let pops = "00:00:01.000 --> 00:00:02.000 line:84% position:20% align:start | Hi &lt;a&gt;";
    assert_eq!(of("text-2"), [pops]);
    let rolls = [
        "00:00:00.160 --> 00:00:01.480 line:84% position:10% align:start | one",
        "00:00:01.480 --> 00:00:03.960 line:79% position:10% align:start | one | two",
    ];
    assert_eq!(of("text-3"), rolls);
    assert_eq!(of("text-4"), ["00:00:00.400 --> 00:00:03.000 line:80% position:20% align:start | News!"]);
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    for name in ["NAME=\"CC2\"", "NAME=\"eng\",LANGUAGE=\"en\"", "NAME=\"CC3\"", "NAME=\"SERVICE1\""] {
        assert!(master.contains(name), "{name} in {master}");
    }
    assert_eq!(master.matches("public.accessibility.transcribes-spoken-dialog").count(), 4, "{master}");
    assert!(fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap().contains("text-4-wvtt"));

    // Cut with the pictures, and nothing asked for.
    let later = scratch.path().join("later");
    transcode(&clip, &later, &[&options[..], &["--captions", "CC1", "--from", "1.6"]].concat());
    let cut = "00:00:00.000 --> 00:00:00.400 line:84% position:20% align:start | Hi &lt;a&gt;";
    assert_eq!(cues(&later.join("cmaf/text-1")), [cut]);
    let plain = scratch.path().join("plain");
    transcode(&clip, &plain, &options);
    assert!(!plain.join("cmaf/text-1").exists());
}

#[test]
fn captions_in_other_carriers_are_read_too() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = captioned(scratch.path(), said);
    let options = ["--renditions", "90p", "--speed", "fast", "--packaging", "cmaf", "--captions", "CC1"];
    let read = |source: &Path, name: &str| {
        let out = scratch.path().join(name);
        transcode(source, &out, &options);
        cues(&out.join("cmaf/text-1"))
    };
    let expected = ["00:00:01.000 --> 00:00:02.000 line:84% position:20% align:start | Hi &lt;a&gt;"];
    let stream = scratch.path().join("stream.ts");
    ffmpeg(&["-i", clip.to_str().unwrap(), "-c", "copy", stream.to_str().unwrap()]);
    assert_eq!(read(&stream, "ts"), expected, "start codes");
    // A track of captions, in QuickTime, beside pictures that have none.
    let (track, filter) = (scratch.path().join("track.mov"), format!("movie={}[out0+subcc]", clip.display()));
    let maps = ["-map", "0:v", "-map", "0:s", "-c:s", "copy", "-c:v", "mpeg4"];
    ffmpeg(&[&["-f", "lavfi", "-i", &filter], &maps[..], &[track.to_str().unwrap()]].concat());
    assert_eq!(read(&track, "mov"), expected, "a track of its own");
}

#[test]
fn captions_of_what_carries_none_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = scratch.path().join("clip.webm");
    let input = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1", "-c:v", "libvpx"];
    ffmpeg(&[&input[..], &[clip.to_str().unwrap()]].concat());
    let out = scratch.path().join("out");
    let ran = reelmill().arg("transcode").arg(&clip).arg(&out).args(["--captions", "CC1"]).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && told.contains("[text.captions]"), "{told}");
    // All of none is none.
    transcode(&clip, &out, &["--captions", "all", "--renditions", "90p", "--speed", "fast"]);
    assert!(!out.join("cmaf/text-1").exists());
}

fn count(bytes: &[u8]) -> usize {
    bytes.windows(CAPTIONS.len()).filter(|window| *window == CAPTIONS).count()
}

#[test]
fn what_is_encoded_has_no_captions_and_says_so_and_what_is_copied_promises_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = captioned(scratch.path(), |_| vec![pair(0, [0x14, 0x2c])]);
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

/// The words of all captions of a file, by channel.
fn words(source: &Path, scratch: &Path) -> Vec<Vec<String>> {
    let out = scratch.join("read");
    let options = ["--renditions", "90p", "--speed", "fast", "--packaging", "cmaf", "--overwrite"];
    transcode(source, &out, &[&options[..], &["--captions", "CC1,CC3,SERVICE1"]].concat());
    let track = |number: usize| -> Vec<String> {
        let cues = cues(&out.join(format!("cmaf/text-{number}")));
        cues.iter().map(|cue| cue.split_once(" | ").unwrap().1.to_owned()).collect()
    };
    (1..=3).map(track).collect()
}

#[test]
fn captions_stay_in_the_pictures_of_every_rendition_and_are_told() {
    let scratch = tempfile::tempdir().unwrap();
    let (clip, out) = (captioned(scratch.path(), said), scratch.path().join("out"));
    let expected = [vec!["Hi &lt;a&gt;"], vec!["one", "one | two"], vec!["News!"]];
    let options = ["--renditions", "180p,90p", "--codec", "h264,hevc,av1", "--speed", "fast", "--segment", "1s"];
    let captions = ["--captions", "CC1=eng,SERVICE1=fra,all", "--captions-as", "embedded", "--packaging", "cmaf,ts"];
    transcode(&clip, &out, &[&options[..], &captions].concat());
    for rendition in ["cmaf/180p-h264", "cmaf/90p-hevc", "ts/90p-h264"] {
        let made = joined(&out.join(rendition), &scratch.path().join("made.bin"));
        // H.264 in transport streams is padded with nothing, so every picture of the source is there.
        let of_pictures = count(&fs::read(&made).unwrap());
        assert_eq!(of_pictures, 100, "{rendition}");
        assert_eq!(words(&made, scratch.path()), expected, "{rendition}");
    }
    let av1 = joined(&out.join("cmaf/90p-av1"), &scratch.path().join("made.bin"));
    assert_eq!(count(&fs::read(av1).unwrap()), 0);
    assert!(!out.join("cmaf/text-1").exists(), "no tracks were asked for");

    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    let told = [
        "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"captions\",NAME=\"eng\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,\
         INSTREAM-ID=\"CC1\"",
        "NAME=\"fra\",LANGUAGE=\"fr\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"SERVICE1\"",
        // What the source has and nobody named.
        "NAME=\"CC3\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"CC3\"",
    ];
    for line in told {
        assert!(master.contains(line), "{line} in {master}");
    }
    let variants: Vec<&str> = master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF")).collect();
    for variant in variants {
        let carries = !variant.contains("av01");
        assert_eq!(variant.contains("CLOSED-CAPTIONS=\"captions\""), carries, "{variant}");
        assert!(!variant.contains("NONE"), "{variant}");
    }
    // A playlist that names services is of version 7.
    assert!(fs::read_to_string(out.join("ts/master.m3u8")).unwrap().contains("#EXT-X-VERSION:7"));
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert_eq!(mpd.matches("schemeIdUri=\"urn:scte:dash:cc:cea-608:2015\" value=\"CC1=eng;CC3\"").count(), 2, "{mpd}");
    assert_eq!(mpd.matches("schemeIdUri=\"urn:scte:dash:cc:cea-708:2015\" value=\"1=lang:fra\"").count(), 2, "{mpd}");
}

#[test]
fn captions_stay_whole_at_another_rate_and_over_spans_and_beside_tracks() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = captioned(scratch.path(), said);
    let expected = [vec!["Hi &lt;a&gt;"], vec!["one", "one | two"], vec!["News!"]];
    let options = ["--renditions", "90p", "--speed", "fast", "--packaging", "cmaf", "--captions-as", "both"];
    for (name, more) in [
        ("half", &["--frame-rate", "25/2"][..]),
        ("twice", &["--frame-rate", "50"]),
        ("spans", &["--spans", "2", "--segment", "1s"]),
    ] {
        let out = scratch.path().join(name);
        transcode(&clip, &out, &[&options[..], &["--captions", "all"], more].concat());
        let made = joined(&out.join("cmaf/90p"), &scratch.path().join(format!("{name}.mp4")));
        assert_eq!(words(&made, scratch.path()), expected, "{name}");
        let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
        assert!(master.contains("TYPE=SUBTITLES") && master.contains("TYPE=CLOSED-CAPTIONS"), "{master}");
    }
    let out = scratch.path().join("fields");
    let wrong = ["--deinterlace", "force", "--field-rate", "field", "--captions-as", "embedded"];
    let ran = reelmill().arg("transcode").arg(&clip).arg(&out).args(wrong).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && told.contains("[text.captions]"), "{told}");
}
