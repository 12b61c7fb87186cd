//! What progressive files say of themselves: tags and covers, read back by FFmpeg's own tools and as bytes.

use crate::tools::{clip_of, ffmpeg, ffprobe, reelmill, transcode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image of one colour.
fn image(dir: &Path, name: &str, color: &str) -> PathBuf {
    let path = dir.join(name);
    let picture = format!("color=c={color}:size=96x64");
    ffmpeg(&["-f", "lavfi", "-i", &picture, "-frames:v", "1", "-update", "1", path.to_str().unwrap()]);
    path
}

/// A song with tags and a picture attached to it.
fn song(dir: &Path, name: &str, cover: &Path) -> PathBuf {
    let path = dir.join(name);
    let (tone, cover) = ("sine=frequency=440:sample_rate=44100:duration=3", cover.to_str().unwrap());
    let said = ["title=Für Elise", "artist=Ludwig van B.", "album=Bagatellen", "album_artist=Somebody", "date=1810"];
    let more = ["genre=Classical", "comment=a\nb", "track=3/12", "composer=Beethoven"];
    let tags = said.iter().chain(&more).flat_map(|tag| ["-metadata", tag]);
    let inputs = ["-f", "lavfi", "-i", tone, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy"];
    let arguments: Vec<&str> = inputs.into_iter().chain(["-disposition:v", "attached_pic"]).chain(tags).collect();
    ffmpeg(&[&arguments[..], &[path.to_str().unwrap()]].concat());
    path
}

/// The tags of a file.
fn tags(file: &Path) -> BTreeMap<String, String> {
    let arguments = ["-v", "error", "-show_entries", "format_tags", "-of", "json", file.to_str().unwrap()];
    let ran = Command::new("ffprobe").args(arguments).output().unwrap();
    let json: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let all = json["format"]["tags"].as_object().unwrap().iter();
    let all = all.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    all.filter(|(name, _)| !name.ends_with("_brand") && !name.ends_with("_brands") && name != "minor_version").collect()
}

/// The bytes of a file's cover, as FFmpeg finds it.
fn cover(file: &Path, dir: &Path) -> Vec<u8> {
    let to = dir.join("cover.bin");
    ffmpeg(&["-i", file.to_str().unwrap(), "-map", "0:v", "-c", "copy", "-f", "data", to.to_str().unwrap()]);
    fs::read(to).unwrap()
}

#[test]
fn tags_and_cover_of_the_source_stand_in_files_of_sound() {
    let dir = tempfile::tempdir().unwrap();
    let (jpeg, png) = (image(dir.path(), "front.jpg", "red"), image(dir.path(), "front.png", "blue"));
    for (name, picture, codec) in [("song.flac", &jpeg, "mjpeg"), ("song.mp3", &png, "png"), ("song.m4a", &png, "png")]
    {
        let source = song(dir.path(), name, picture);
        let out = dir.path().join(format!("out-{name}"));
        transcode(&source, &out, &["--mp4"]);
        let file = out.join("mp4/audio-1.m4a");
        assert_eq!(
            ffprobe(&file, "stream=codec_name:stream_disposition=attached_pic"),
            ["aac,0", &format!("{codec},1")]
        );
        assert_eq!(cover(&file, dir.path()), fs::read(picture).unwrap(), "{name}: the very same bytes");
        let said = tags(&file);
        let expected = [
            ("title", "Für Elise"),
            ("artist", "Ludwig van B."),
            ("album", "Bagatellen"),
            ("album_artist", "Somebody"),
            ("date", "1810"),
            ("genre", "Classical"),
            ("comment", "a b"),
            ("track", "3/12"),
            ("composer", "Beethoven"),
        ];
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(said, expected, "{name}");
        ffmpeg(&["-xerror", "-i", file.to_str().unwrap(), "-map", "0:a", "-f", "null", "-"]);
    }
}

#[test]
fn what_is_asked_stands_instead_and_what_is_not_wanted_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (red, blue) = (image(dir.path(), "red.jpg", "red"), image(dir.path(), "blue.png", "blue"));
    let source = song(dir.path(), "song.flac", &red);
    let out = dir.path().join("asked");
    let asked = ["--tag", "title=Another", "--tag", "disc=2", "--tag", "comment=", "--cover", blue.to_str().unwrap()];
    transcode(&source, &out, &[&["--mp4"][..], &asked].concat());
    let file = out.join("mp4/audio-1.m4a");
    let said = tags(&file);
    assert_eq!((said["title"].as_str(), said["disc"].as_str(), said.get("comment")), ("Another", "2", None));
    assert_eq!(said["artist"], "Ludwig van B.");
    assert_eq!(cover(&file, dir.path()), fs::read(&blue).unwrap());
    let out = dir.path().join("bare");
    transcode(&source, &out, &["--mp4", "--cover", "none", "--no-source-tags"]);
    let bare = fs::read(out.join("mp4/audio-1.m4a")).unwrap();
    assert!(!bare.windows(4).any(|word| word == b"udta"));
}

#[test]
fn files_with_pictures_have_a_title_and_the_cover_that_is_asked_for() {
    let (scratch, clip) = clip_of("testsrc2=size=320x180:rate=25:duration=2", "sine=duration=2");
    let titled = scratch.path().join("titled.mkv");
    let (from, to) = (clip.to_str().unwrap(), titled.to_str().unwrap());
    ffmpeg(&["-i", from, "-c", "copy", "-metadata", "title=A Film", "-metadata", "genre=Short", to]);
    let out = scratch.path().join("out");
    let options = ["--mp4", "--renditions", "180p", "--speed", "fast"];
    transcode(&titled, &out, &options);
    let file = out.join("mp4/180p.mp4");
    assert_eq!((tags(&file)["title"].as_str(), tags(&file)["genre"].as_str()), ("A Film", "Short"));
    assert_eq!(ffprobe(&file, "stream=codec_type"), ["video", "audio"]);
    let poster = image(scratch.path(), "poster.jpg", "green");
    let out = scratch.path().join("poster");
    transcode(&titled, &out, &[&options[..], &["--cover", poster.to_str().unwrap()]].concat());
    let file = out.join("mp4/180p.mp4");
    assert_eq!(ffprobe(&file, "stream=codec_type:stream_disposition=attached_pic"), ["video,0", "audio,0", "video,1"]);
    ffmpeg(&["-xerror", "-i", file.to_str().unwrap(), "-map", "0:0", "-map", "0:1", "-f", "null", "-"]);
}

#[test]
fn a_cover_that_cannot_be_used_is_refused_by_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let source = song(dir.path(), "song.flac", &image(dir.path(), "red.jpg", "red"));
    fs::write(path("text.jpg"), "this is no image").unwrap();
    fs::write(path("empty.jpg"), "").unwrap();
    fs::write(path("drawing.svg"), "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>").unwrap();
    image(dir.path(), "red.webp", "red");
    let moving = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1"];
    ffmpeg(&[&moving[..], &["-f", "apng", path("animated.png").to_str().unwrap()]].concat());
    let sized = |side: u32| {
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        [head, side.to_be_bytes().to_vec(), side.to_be_bytes().to_vec(), b"\x08\x06\0\0\0".to_vec()].concat()
    };
    fs::write(path("large.png"), sized(20_000)).unwrap();
    fs::write(path("heavy.png"), vec![0; (3 << 20) + 1]).unwrap();
    let whole = fs::read(image(dir.path(), "whole.png", "red")).unwrap();
    fs::write(path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    for (name, code) in [
        ("text.jpg", "cover.not_image"),
        ("drawing.svg", "cover.not_image"),
        ("red.webp", "cover.not_image"),
        ("empty.jpg", "source.empty"),
        ("missing.jpg", "source.not_found"),
        ("animated.png", "cover.animated"),
        ("large.png", "cover.too_large"),
        ("heavy.png", "cover.too_large"),
        ("cut.png", "cover.damaged"),
    ] {
        let out = path("out");
        let with = ["--mp4".into(), "--cover".into(), path(name)];
        let ran = reelmill().arg("transcode").args([&source, &out]).args(with).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success() && said.contains(&format!("[{code}]")), "{name}: {said}");
        assert!(!out.exists(), "{name}");
    }
}

#[test]
fn a_picture_of_the_source_that_cannot_be_used_is_left_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let animated = dir.path().join("animated.png");
    let moving = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1", "-f", "apng"];
    ffmpeg(&[&moving[..], &[animated.to_str().unwrap()]].concat());
    let red = image(dir.path(), "red.bmp", "red");
    let source = song(dir.path(), "song.mp3", &image(dir.path(), "red.png", "red"));
    // A bitmap is attached, which players do not show.
    let odd = dir.path().join("odd.flac");
    let (from, with) = (source.to_str().unwrap(), red.to_str().unwrap());
    let maps = ["-i", from, "-i", with, "-map", "0:a", "-map", "1", "-c:v", "bmp", "-disposition:v", "attached_pic"];
    ffmpeg(&[&maps[..], &[odd.to_str().unwrap()]].concat());
    let out = dir.path().join("out");
    let report = transcode(&odd, &out, &["--mp4"]);
    assert!(report.to_string().contains("cover.left_out"), "{report}");
    assert_eq!(ffprobe(&out.join("mp4/audio-1.m4a"), "stream=codec_name"), ["aac"]);
    assert_eq!(tags(&out.join("mp4/audio-1.m4a"))["title"], "Für Elise");
}
