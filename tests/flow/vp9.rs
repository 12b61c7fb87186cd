//! VP9, looked at in packets, headers and manifests.

use crate::tools::{clip_of, ffmpeg, ffprobe, joined, pictures, reelmill, segments, transcode};
use std::fs;

const TONE: &str = "sine=frequency=440:duration=3";

#[test]
fn segments_begin_with_key_frames_and_hold_every_picture_once() {
    let (scratch, clip) = clip_of("testsrc2=size=320x180:rate=25:duration=3", TONE);
    let out = scratch.path().join("out");
    // Constant quality looks ahead, so hidden alternate references are made.
    let options =
        ["--codec", "vp9", "--renditions", "180p,90p", "--segment", "1s", "--speed", "fast", "--mp4", "--spans", "2"];
    transcode(&clip, &out, &[&options[..], &["--rate-control", "crf"]].concat());
    for rung in ["180p", "90p"] {
        let files = segments(&out.join("cmaf").join(rung).join("media.m3u8"));
        assert_eq!(files.len(), 3);
        for segment in files {
            let alone = scratch.path().join("alone.mp4");
            let init = fs::read(segment.with_file_name("init.mp4")).unwrap();
            fs::write(&alone, [init, fs::read(&segment).unwrap()].concat()).unwrap();
            ffmpeg(&["-xerror", "-i", alone.to_str().unwrap(), "-f", "null", "-"]);
            assert_eq!(pictures(&["-i", alone.to_str().unwrap()]), 25, "{}", segment.display());
            assert!(ffprobe(&alone, "packet=flags")[0].starts_with('K'), "{}", segment.display());
        }
    }
    let whole = joined(&out.join("cmaf/180p"), &scratch.path().join("whole.mp4"));
    assert_eq!(ffprobe(&whole, "stream=codec_name,profile,codec_tag_string"), ["vp9,Profile 0,vp09"]);
    assert_eq!(ffprobe(&whole, "packet=pts").len(), 75);
    assert_eq!(pictures(&["-i", out.join("mp4/180p.mp4").to_str().unwrap()]), 75);
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(master.contains("vp09.00.11.08") && master.contains("vp09.00.10.08"), "{master}");
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    // With the colours behind it, where the source tells them.
    assert!(mpd.contains("codecs=\"vp09.00.11.08"), "{mpd}");
    assert!(!out.join("ts").exists(), "VP9 has no place in a transport stream");
}

#[test]
fn vp9_in_transport_streams_is_refused() {
    let (scratch, clip) = clip_of("testsrc2=size=320x180:rate=25:duration=1", TONE);
    let ran = reelmill()
        .arg("transcode")
        .args([&clip, &scratch.path().join("out")])
        .args(["--codec", "vp9", "--packaging", "ts"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(2) && said.contains("[request.codec_packaging]"), "{said}");
}

#[test]
fn hdr10_stays_in_bitstreams_and_headers_of_all_codecs_with_ten_bits() {
    let scratch = tempfile::tempdir().unwrap();
    let (clip, out) = (scratch.path().join("hdr.mp4"), scratch.path().join("out"));
    let x265 = "log-level=none:hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:\
                master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)";
    let tags = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"];
    let input = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1", "-pix_fmt", "yuv420p10le"];
    let codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
    ffmpeg(&[&input[..], &tags, &codec, &[clip.to_str().unwrap()]].concat());
    let options = ["--codec", "hevc,av1,vp9", "--renditions", "180p", "--segment", "1s", "--speed", "fast"];
    transcode(&clip, &out, &[&options[..], &["--packaging", "cmaf"]].concat());
    for codec in ["hevc", "av1", "vp9"] {
        let track = out.join(format!("cmaf/180p-{codec}"));
        let whole = joined(&track, &scratch.path().join(format!("{codec}.mp4")));
        let colors = ffprobe(&whole, "stream=pix_fmt,color_space,color_transfer,color_primaries");
        assert_eq!(colors, ["yuv420p10le,bt2020nc,smpte2084,bt2020"], "{codec}");
        let told = ffprobe(&whole, "stream_side_data=side_data_type,max_luminance,max_content").join(" ");
        assert!(told.contains("Mastering display") && told.contains("Content light"), "{codec}: {told}");
        assert!(told.contains("10000000/10000") && told.contains("1000"), "{codec}: {told}");
    }
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(master.contains("vp09.02.11.10.01.09.16.09.00") && master.contains("VIDEO-RANGE=PQ"), "{master}");
}
