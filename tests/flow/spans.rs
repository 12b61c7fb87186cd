//! Spans that are made side by side play as one.

use crate::tools::{clip, ffmpeg, joined, segments, ssim, times, transcode};
use std::fs;
use std::path::Path;

/// Continuity counters of each PID run on through all segments of a track (ISO/IEC 13818-1 §2.4.3.3).
fn check_counters(track: &Path) {
    let mut last = [None; 8192];
    for segment in segments(&track.join("media.m3u8")) {
        for packet in fs::read(&segment).unwrap().chunks(188) {
            assert_eq!((packet.len(), packet[0]), (188, 0x47), "{}", segment.display());
            let pid = usize::from(u16::from_be_bytes([packet[1] & 0x1f, packet[2]]));
            let (counter, payload) = (packet[3] & 0x0f, packet[3] & 0x10 != 0);
            if let Some(last) = last[pid] {
                let due = if payload { (last + 1) & 0x0f } else { last };
                assert_eq!(counter, due, "PID {pid} in {}", segment.display());
            }
            last[pid] = Some(counter);
        }
    }
}

#[test]
fn joints_cannot_be_told_from_an_unbroken_run() {
    let (scratch, clip) = clip();
    let path = |name: &str| scratch.path().join(name);
    let options = ["--renditions", "360p,180p@200k", "--codec", "h264,hevc", "--speed", "fast", "--segment", "2s"];
    transcode(&clip, &path("one"), &options);
    let report = transcode(&clip, &path("three"), &[&options[..], &["--spans", "3"]].concat());
    assert_eq!(report["plan"]["spans"].as_array().unwrap().len(), 3);

    for track in ["360p-h264", "180p-h264", "360p-hevc", "180p-hevc"] {
        let (one, three) = (path("one/cmaf").join(track), path("three/cmaf").join(track));
        assert_eq!(fs::read(one.join("init.mp4")).unwrap(), fs::read(three.join("init.mp4")).unwrap(), "{track}");
        let (one, three) = (joined(&one, &path("one.mp4")), joined(&three, &path("three.mp4")));
        assert_eq!(times(&one).len(), 300, "{track}: every picture once");
        assert_eq!(times(&one), times(&three), "{track}");
        ffmpeg(&["-xerror", "-i", three.to_str().unwrap(), "-f", "null", "-"]);
        let (whole, apart) = (ssim(&one, &clip, scratch.path()), ssim(&three, &clip, scratch.path()));
        for joint in [100, 200] {
            for picture in joint - 3..joint + 3 {
                let (whole, apart) = (whole[picture], apart[picture]);
                assert!(
                    apart > whole - 0.05,
                    "{track}: picture {picture} at a joint has SSIM {apart}, unbroken {whole}"
                );
            }
        }
        check_counters(&path("three/ts").join(track));
        let ts = joined(&path("three/ts").join(track), &path("three.ts"));
        ffmpeg(&["-xerror", "-copyts", "-i", ts.to_str().unwrap(), "-f", "null", "-"]);
    }
    for file in segments(&path("one/cmaf/audio-1/media.m3u8")) {
        let same = path("three/cmaf/audio-1").join(file.file_name().unwrap());
        assert_eq!(fs::read(&file).unwrap(), fs::read(same).unwrap(), "sound does not know of spans");
    }
    check_counters(&path("three/ts/audio-1"));
}

#[test]
fn the_source_as_ranges_over_the_socket_gives_the_same_stream() {
    let (scratch, clip) = clip();
    let path = |name: &str| scratch.path().join(name);
    let options = ["--renditions", "180p", "--speed", "fast", "--packaging", "cmaf", "--transport"];
    transcode(&clip, &path("file"), &[&options[..], &["descriptor"]].concat());
    transcode(&clip, &path("socket"), &[&options[..], &["socket"]].concat());
    // Pictures are compared by time: x264 with a bucket and two threads does not make the same bytes twice.
    let video = |name: &str| times(&joined(&path(name).join("cmaf/180p"), &path("v.mp4")));
    assert_eq!(video("file"), video("socket"));
    for segment in segments(&path("file/cmaf/audio-1/media.m3u8")) {
        let same = path("socket/cmaf/audio-1").join(segment.file_name().unwrap());
        assert_eq!(fs::read(&segment).unwrap(), fs::read(same).unwrap(), "{}", segment.display());
    }
}
