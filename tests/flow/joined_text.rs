//! Text in the parts of joined sources: what playlists hold of it, by the times of the whole.

use crate::teletext::with_teletext;
use crate::tools::{ffmpeg, reelmill, segments, transcode};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of pictures, with a tone where it has one.
fn clip(dir: &Path, name: &str, (seconds, rate): (u32, u32), has_sound: bool) -> PathBuf {
    let path = dir.join(name);
    let (picture, sound) =
        (format!("testsrc2=size=160x90:rate={rate}:duration={seconds}"), format!("sine=duration={seconds}"));
    let mut arguments = vec!["-f", "lavfi", "-i", &picture];
    if has_sound {
        arguments.extend(["-f", "lavfi", "-i", &sound, "-c:a", "aac"]);
    }
    arguments.extend(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path.to_str().unwrap()]);
    ffmpeg(&arguments);
    path
}

/// A file as it is with tracks of text: codec, language and SubRip of each.
fn with_text(clip: &Path, name: &str, tracks: &[(&str, &str, &str)]) -> PathBuf {
    let path = clip.with_file_name(name);
    let mut arguments: Vec<String> = ["-i", clip.to_str().unwrap()].map(str::to_owned).to_vec();
    let mut options = ["-map", "0", "-c", "copy"].map(str::to_owned).to_vec();
    for (nth, (codec, language, srt)) in tracks.iter().enumerate() {
        let file = path.with_extension(format!("{nth}.srt"));
        fs::write(&file, srt).unwrap();
        arguments.extend(["-i".to_owned(), file.to_str().unwrap().to_owned()]);
        options.extend(["-map".to_owned(), (nth + 1).to_string(), format!("-c:s:{nth}"), (*codec).to_owned()]);
        if !language.is_empty() {
            options.extend([format!("-metadata:s:s:{nth}"), format!("language={language}")]);
        }
    }
    arguments.extend(options);
    arguments.push(path.to_str().unwrap().to_owned());
    ffmpeg(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    path
}

/// SubRip of cues, ms.
fn srt(cues: &[(u32, u32, &str)]) -> String {
    let time = |ms: &u32| format!("00:00:{:02},{:03}", ms / 1000, ms % 1000);
    cues.iter().map(|(start, end, text)| format!("1\n{} --> {}\n{text}\n\n", time(start), time(end))).collect()
}

/// Milliseconds of `hh:mm:ss.mmm`.
fn milliseconds(time: &str) -> u32 {
    let (whole, ms) = time.split_once('.').unwrap();
    let seconds = whole.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().unwrap());
    seconds * 1000 + ms.parse::<u32>().unwrap()
}

/// What a playlist of text shows: each cue once, by its times, which lie in every segment that it stands in.
fn shown(playlist: &Path, segment_ms: u32) -> Vec<(u32, u32, String)> {
    let mut all = Vec::new();
    for (nth, segment) in segments(playlist).iter().enumerate() {
        let text = fs::read_to_string(segment).unwrap();
        for block in text.split("\n\n").skip(1) {
            let (times, text) = block.trim_end().split_once('\n').unwrap();
            let (start, end) = times.split_once(" --> ").unwrap();
            let end = end.split(' ').next().unwrap();
            let cue = (milliseconds(start), milliseconds(end), text.to_owned());
            let from = nth as u32 * segment_ms;
            assert!(cue.0 < from + segment_ms && cue.1 > from, "{cue:?} stands in segment {nth}");
            if !all.contains(&cue) {
                all.push(cue);
            }
        }
    }
    all.sort();
    all
}

fn expected(cues: &[(u32, u32, &str)]) -> Vec<(u32, u32, String)> {
    cues.iter().map(|(start, end, text)| (*start, *end, (*text).to_owned())).collect()
}

/// Two languages, of which one runs over the in point and the out point of 1 s and 5 s.
fn film(dir: &Path) -> PathBuf {
    let german = [(500, 1500, "davor"), (3000, 3500, "mitten"), (4500, 5800, "dar\u{fc}ber"), (5200, 5600, "danach")];
    let english = [(2000, 2500, "middle"), (4000, 9000, "long")];
    let tracks = [("srt", "ger", &*srt(&german)), ("ass", "eng", &*srt(&english))];
    with_text(&clip(dir, "film.mp4", (6, 25), true), "film.mkv", &tracks)
}

#[test]
fn cues_of_parts_stand_where_their_pictures_do_and_end_at_joints() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let (film, advert) = (film(dir), clip(dir, "advert.mp4", (2, 25), true));
    // Without sound, at another rate, in another format, with another code of the language.
    let spoken = srt(&[(200, 1000, "gleich"), (2500, 4000, "bald")]);
    let trailer = clip(dir, "silent.mp4", (3, 30), false);
    let trailer = with_text(&trailer, "trailer.mp4", &[("mov_text", "deu", &spoken)]);
    // Nothing is told of its language.
    let closing = clip(dir, "closing.mp4", (2, 25), true);
    let closing = with_text(&closing, "closing.mkv", &[("webvtt", "", &srt(&[(500, 1000, "Ende")]))]);
    let out = dir.join("out");
    let [advert, trailer, closing] = [&advert, &trailer, &closing].map(|path| path.to_str().unwrap());
    let parts = ["--prepend", advert, "--append", trailer, "--append", advert, "--append", closing];
    let options = ["--from", "1s", "--to", "5s", "--renditions", "90p", "--speed", "fast", "--segment", "2s"];
    let report = transcode(&film, &out, &[&parts[..], &options].concat());
    // The advert has 2 s, the film 4, the trailer 3, the advert 2, and the closing 2 s.
    let german = expected(&[
        (2000, 2500, "davor"),
        (4000, 4500, "mitten"),
        (5500, 6000, "dar\u{fc}ber"),
        (6200, 7000, "gleich"),
        (8500, 9000, "bald"),
        (11_500, 12_000, "Ende"),
    ]);
    let english = expected(&[(3000, 3500, "middle"), (5000, 6000, "long")]);
    for packaging in ["cmaf", "ts"] {
        let root = out.join(packaging);
        assert_eq!(shown(&root.join("text-1/media.m3u8"), 2000), german, "{packaging}");
        assert_eq!(shown(&root.join("text-2/media.m3u8"), 2000), english, "{packaging}");
        let counts = ["text-1", "text-2", "90p"].map(|track| segments(&root.join(track).join("media.m3u8")).len());
        assert_eq!(counts, [7; 3], "{packaging}");
        let master = fs::read_to_string(root.join("master.m3u8")).unwrap();
        assert!(["\"de\"", "\"en\""].iter().all(|code| master.contains(&format!("LANGUAGE={code}"))), "{master}");
        assert_eq!(master.matches("TYPE=SUBTITLES").count(), 2, "{master}");
    }
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert!(mpd.contains("contentType=\"text\" mimeType=\"application/mp4\" lang=\"de\""), "{mpd}");
    assert!(!out.join("cmaf/text-3").exists());
    let notes = report["plan"]["notes"].to_string();
    assert!(!notes.contains("text."), "{notes}");
}

#[test]
fn text_of_a_later_part_alone_is_chosen_by_its_language_without_any_sound() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let first = clip(dir, "first.mp4", (3, 25), false);
    let tracks = [("mov_text", "eng", &*srt(&[(100, 900, "one")])), ("mov_text", "fra", &*srt(&[(0, 9000, "un")]))];
    let second = with_text(&clip(dir, "plain.mp4", (2, 25), false), "second.mp4", &tracks);
    let whole = dir.join("whole.srt");
    fs::write(&whole, srt(&[(2500, 3500, "whole")])).unwrap();
    let out = dir.join("out");
    let [again, second, whole] = [&first, &second, &whole].map(|path| path.to_str().unwrap());
    let parts = ["--append", second, "--append", again, "--text", "fre", "--subtitles", whole];
    transcode(&first, &out, &[&parts[..], &["--renditions", "90p", "--segment", "2s"]].concat());
    let of = |track: &str| shown(&out.join("ts").join(track).join("media.m3u8"), 2000);
    assert_eq!(of("text-1"), expected(&[(3000, 5000, "un")]), "and no longer than its part");
    // A file beside it has the times of the whole, and is not cut at joints.
    assert_eq!(of("text-2"), expected(&[(2500, 3500, "whole")]));
    assert!(!out.join("cmaf/text-3").exists());
    for track in ["text-1", "text-2"] {
        assert_eq!(segments(&out.join("ts").join(track).join("media.m3u8")).len(), 4, "all 8 s");
    }
    let mut refused = reelmill();
    refused.arg("transcode").args([again, dir.join("refused").to_str().unwrap(), "--append", second, "--text", "ita"]);
    let said = String::from_utf8_lossy(&refused.output().unwrap().stderr).into_owned();
    assert!(said.contains("[text.track]") && said.contains("1 (eng), 2 (fra)"), "{said}");
}

#[test]
fn teletext_that_nothing_ends_is_shown_until_the_joint() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let seconds = |tenths: u64| tenths * 9000;
    let pages = [(seconds(10), "eins"), (seconds(20), ""), (seconds(30), "zwei")];
    let news = with_teletext(&clip(dir, "plain.ts", (4, 25), true), "news.ts", &pages);
    let film = clip(dir, "film.mp4", (2, 25), true);
    let film = with_text(&film, "film.mkv", &[("srt", "ger", &srt(&[(500, 1000, "drei")]))]);
    let alone = dir.join("alone");
    let options = ["--renditions", "90p", "--speed", "fast", "--segment", "2s"];
    transcode(&news, &alone, &options);
    let of = |out: &Path| shown(&out.join("cmaf/text-1/media.m3u8"), 2000);
    let single = of(&alone);
    let texts = |cues: &[(u32, u32, String)]| cues.iter().map(|cue| cue.2.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&single), ["eins", "zwei"]);
    let out = dir.join("out");
    let parts = ["--append", film.to_str().unwrap(), "--append", news.to_str().unwrap()];
    transcode(&news, &out, &[&parts[..], &options].concat());
    let made = of(&out);
    assert_eq!(texts(&made), ["eins", "zwei", "drei", "eins", "zwei"]);
    // As it is alone, from where each part begins; the last page of the first one is over with it.
    let report = fs::read(out.join("reelmill.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let start = |part: usize| report["plan"]["text"][0]["parts"][part]["start_us"].as_u64().unwrap() as u32 / 1000;
    assert_eq!((start(1), made[1].1, made[2].0), (4000, 4000, 4500));
    for (nth, cue) in single.iter().enumerate() {
        assert_eq!((made[nth].0, made[nth + 3].0), (cue.0, cue.0 + start(2)), "{made:?}");
    }
    assert!(single[1].0 > single[0].1 && (single[1].0 - single[0].0).abs_diff(2000) < 100, "{single:?}");
}
