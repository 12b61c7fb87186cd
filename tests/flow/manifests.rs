//! What is said in manifests beside the media, and tracks as one file each: read back with FFmpeg's own tools.

use crate::tools::{clip, ffmpeg, ffprobe, pictures, transcode};
use std::fs;
use std::path::{Path, PathBuf};

/// File names below a directory.
fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_track_as_one_file_plays_as_its_segments_do() {
    let (dir, clip) = clip();
    let (apart, single) = (dir.path().join("apart"), dir.path().join("single"));
    let options = ["--renditions", "360p,180p", "--segment", "1s"];
    transcode(&clip, &apart, &options);
    transcode(&clip, &single, &[&options[..], &["--single-file", "--mp4"]].concat());
    for rung in ["360p", "180p"] {
        assert_eq!(files(&single.join("cmaf").join(rung)), ["iframes.m3u8", "media.m3u8", "media.mp4"]);
        assert_eq!(files(&single.join("ts").join(rung)), ["iframes.m3u8", "media.m3u8", "media.ts"]);
    }
    let manifests = ["cmaf/master.m3u8", "cmaf/manifest.mpd", "ts/master.m3u8", "cmaf/360p/media.m3u8"];
    for manifest in manifests {
        let count = |out: &Path| pictures(&["-i", out.join(manifest).to_str().unwrap()]);
        let expected = count(&apart);
        assert!(expected > 0, "{manifest}");
        assert_eq!(count(&single), expected, "{manifest}");
    }
    // By itself it is a file that plays, with an index that says how long it is.
    let file = single.join("cmaf/360p/media.mp4");
    let own = ffprobe(&file, "format=duration");
    assert_eq!(own, ffprobe(&single.join("mp4/360p.mp4"), "stream=duration").into_iter().take(1).collect::<Vec<_>>());
    assert!(single.join("mp4/360p.mp4").is_file());
}

#[test]
fn a_key_frame_range_of_one_file_decodes_to_one_picture() {
    let (dir, clip) = clip();
    let out = dir.path().join("out");
    transcode(&clip, &out, &["--renditions", "180p", "--segment", "1s", "--single-file"]);
    for packaging in ["cmaf", "ts"] {
        let track = out.join(packaging).join("180p");
        let playlist = fs::read_to_string(track.join("iframes.m3u8")).unwrap();
        let range = |text: &str| {
            let (bytes, at) = text.trim_matches('"').split_once('@').unwrap();
            (at.parse::<usize>().unwrap(), bytes.parse::<usize>().unwrap())
        };
        let map = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:")).unwrap();
        let map = range(map.split_once("BYTERANGE=").unwrap().1);
        let keys: Vec<_> =
            playlist.lines().filter_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:")).map(range).collect();
        assert!(keys.len() > 1, "{playlist}");
        let name = if packaging == "cmaf" { "media.mp4" } else { "media.ts" };
        let whole = fs::read(track.join(name)).unwrap();
        for (index, key) in keys.iter().enumerate() {
            let mut bytes = whole[map.0..map.0 + map.1].to_vec();
            bytes.extend(&whole[key.0..key.0 + key.1]);
            let one: PathBuf = dir.path().join(format!("{packaging}-{index}"));
            fs::write(&one, bytes).unwrap();
            assert_eq!(pictures(&["-i", one.to_str().unwrap()]), 1, "{packaging} {index}");
        }
    }
}

#[test]
fn chapters_start_and_time_of_day_are_told() {
    let (dir, clip) = clip();
    let meta = dir.path().join("chapters.txt");
    let text = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n\
                [CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=60000\ntitle=Two\n";
    fs::write(&meta, text).unwrap();
    let source = dir.path().join("with.mkv");
    let [clip, meta, source_path] = [&clip, &meta, &source].map(|path| path.to_str().unwrap());
    ffmpeg(&["-i", clip, "-i", meta, "-map_metadata", "1", "-map", "0", "-c", "copy", source_path]);
    let out = dir.path().join("out");
    let told = ["--renditions", "180p", "--segment", "1s", "--chapters", "--start-at", "1.5s", "--start-precise"];
    transcode(&source, &out, &[&told[..], &["--program-date-time", "2026-12-01T06:00:00.500Z"]].concat());
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(
        master.contains("#EXT-X-SESSION-DATA:DATA-ID=\"com.apple.hls.chapters\",URI=\"chapters.json\""),
        "{master}"
    );
    let chapters: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("cmaf/chapters.json")).unwrap()).unwrap();
    assert_eq!(
        (&chapters[0]["titles"][0]["title"], &chapters[1]["titles"][0]["title"]),
        (&"One".into(), &"Two".into())
    );
    // The file's clock begins with its sound, whose priming is 23 ms.
    let second = chapters[1]["start-time"].as_f64().unwrap();
    assert!((second - 1.0).abs() < 0.05, "{second}");
    let playlist = fs::read_to_string(out.join("cmaf/180p/media.m3u8")).unwrap();
    assert!(playlist.contains("#EXT-X-START:TIME-OFFSET=1.500000,PRECISE=YES\n"), "{playlist}");
    assert!(playlist.contains("#EXT-X-PROGRAM-DATE-TIME:2026-12-01T06:00:00.500Z\n"), "{playlist}");
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert!(mpd.contains("wallClockTime=\"2026-12-01T06:00:00.500Z\""), "{mpd}");
}
