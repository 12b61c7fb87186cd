//! What players and packagers look at: alignment, key frames, codecs strings, tags, encodes counted.

use crate::tools::{clip, clip_of, ffmpeg, ffprobe, joined, pictures, segments, transcode};
use std::fs;

const TONE: &str = "sine=frequency=440:duration=7";

#[test]
fn every_rung_of_every_codec_is_aligned_and_starts_segments_with_key_frames() {
    let (scratch, clip) = clip_of("testsrc2=size=640x360:rate=30000/1001:duration=7", TONE);
    let out = scratch.path().join("out");
    let options =
        ["--renditions", "360p,240p", "--codec", "h264,hevc,av1", "--audio-codec", "aac,opus", "--segment", "2s"];
    let report = transcode(&clip, &out, &[&options[..], &["--speed", "fast"]].concat());
    let mut durations = Vec::new();
    for track in ["360p-h264", "240p-h264", "360p-hevc", "240p-hevc", "360p-av1", "240p-av1"] {
        let playlist = fs::read_to_string(out.join("cmaf").join(track).join("media.m3u8")).unwrap();
        durations
            .push(playlist.lines().filter(|line| line.starts_with("#EXTINF")).map(str::to_owned).collect::<Vec<_>>());
        for segment in segments(&out.join("cmaf").join(track).join("media.m3u8")) {
            let alone = scratch.path().join("alone.mp4");
            let init = fs::read(segment.with_file_name("init.mp4")).unwrap();
            fs::write(&alone, [init, fs::read(&segment).unwrap()].concat()).unwrap();
            ffmpeg(&["-xerror", "-i", alone.to_str().unwrap(), "-f", "null", "-"]);
            assert!(ffprobe(&alone, "packet=flags")[0].starts_with('K'), "{}", segment.display());
        }
    }
    assert!(durations.windows(2).all(|pair| pair[0] == pair[1]), "{durations:?}");
    assert_eq!(durations[0].len(), 4);
    assert!(!out.join("ts/360p-av1").exists(), "AV1 has no place in a transport stream");

    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    for codec in ["avc1.64", "hvc1.1.", "av01.0.", "mp4a.40.2", "opus"] {
        assert!(master.to_lowercase().contains(codec), "{codec} in {master}");
    }
    let hevc = joined(&out.join("cmaf/360p-hevc"), &scratch.path().join("hevc.mp4"));
    assert_eq!(ffprobe(&hevc, "stream=codec_tag_string"), ["hvc1"]);
    // One encode a rung and codec, whatever the number of packagings.
    let video: Vec<_> = report["tracks"].as_array().unwrap().iter().filter(|t| t["size"].is_array()).collect();
    assert_eq!(video.len(), 6);
    assert_eq!(video[0]["files"].as_array().unwrap().len(), 2);
}

#[test]
fn pictures_of_a_phone_held_upright_stand_upright() {
    let (scratch, clip) = clip_of("testsrc2=size=640x360:rate=30:duration=3", "sine=duration=3");
    let turned = scratch.path().join("turned.mp4");
    let (from, to) = (clip.to_str().unwrap(), turned.to_str().unwrap());
    ffmpeg(&["-i", from, "-c", "copy", "-metadata:s:v:0", "rotate=90", to]);
    let out = scratch.path().join("out");
    transcode(&turned, &out, &["--renditions", "240p", "--speed", "fast", "--packaging", "cmaf"]);
    let video = joined(&out.join("cmaf/240p"), &scratch.path().join("v.mp4"));
    let size = ffprobe(&video, "stream=width,height,sample_aspect_ratio");
    let upright = size == ["240,426,1:1"];
    // FFmpeg 7 writes no matrix for the tag; then the source itself lies on its side.
    let tagged = ffprobe(&turned, "stream_side_data=rotation").iter().any(|line| line.contains("90"));
    assert!(upright || !tagged, "{size:?}");
}

#[test]
fn an_i_frame_range_decodes_to_one_picture() {
    let (scratch, clip) = clip_of("testsrc2=size=640x360:rate=25:duration=7", TONE);
    let out = scratch.path().join("out");
    transcode(&clip, &out, &["--renditions", "240p", "--speed", "fast", "--segment", "2s"]);
    for packaging in ["cmaf", "ts"] {
        let track = out.join(packaging).join("240p");
        let playlist = fs::read_to_string(track.join("iframes.m3u8")).unwrap();
        let lines: Vec<&str> = playlist.lines().collect();
        let ranges: Vec<_> =
            lines.windows(2).filter_map(|w| Some((w[0].strip_prefix("#EXT-X-BYTERANGE:")?, w[1]))).collect();
        assert!(ranges.len() >= 4, "{playlist}");
        for (range, name) in ranges {
            let (length, offset) = range.split_once('@').unwrap();
            let (length, offset): (usize, usize) = (length.parse().unwrap(), offset.parse().unwrap());
            let file = fs::read(track.join(name)).unwrap();
            let header = match packaging {
                "cmaf" => fs::read(track.join("init.mp4")).unwrap(),
                _ => file[..564].to_vec(),
            };
            let alone = scratch.path().join(format!("alone.{packaging}"));
            fs::write(&alone, [&header, &file[offset..offset + length]].concat()).unwrap();
            let demuxer = if packaging == "cmaf" { "mov" } else { "mpegts" };
            // The chunk's table names more pictures than the range holds, which FFmpeg complains about.
            let count = pictures(&["-f", demuxer, "-i", alone.to_str().unwrap()]);
            assert_eq!(count, 1, "{packaging} {name} {range}");
        }
    }
}

#[test]
fn transport_streams_can_be_made_alone() {
    let (scratch, clip) = clip();
    let out = scratch.path().join("out");
    let report = transcode(&clip, &out, &["--renditions", "240p", "--packaging", "ts", "--speed", "fast"]);
    assert_eq!(report["manifests"], serde_json::json!(["ts/master.m3u8"]));
    assert!(out.join("ts/master.m3u8").exists() && !out.join("cmaf").exists());
    assert_eq!(segments(&out.join("ts/240p/media.m3u8")).len(), 3);
}
