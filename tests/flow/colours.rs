//! Colours of single sources: what is stored in each rung, and what its tags say of it, by decoded samples.

use crate::tools::{ffmpeg, ffprobe, joined, transcode};
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMON: [&str; 8] = ["--packaging", "cmaf", "--speed", "fast", "--segment", "1s", "--renditions", "180p,90p"];
const TAGS: &str = "stream=color_range,color_space,color_transfer,color_primaries";

/// Mean luma and chromas of a file's first picture, as 8 bits.
fn stored(file: &Path) -> [i64; 3] {
    let form = ["-vf", "scale=w=2:h=2:flags=area,format=yuv444p", "-frames:v", "1", "-f", "rawvideo", "-"];
    let arguments = [&["-nostdin", "-v", "error", "-i", file.to_str().unwrap()][..], &form].concat();
    let ran = Command::new("ffmpeg").args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    [0, 4, 8].map(|at| i64::from(ran.stdout[at]))
}

fn rungs(clip: &Path, dir: &Path, name: &str, options: &[&str]) -> [PathBuf; 2] {
    let out = dir.join(name);
    transcode(clip, &out, &[&COMMON[..], options].concat());
    ["180p", "90p"].map(|rung| joined(&out.join("cmaf").join(rung), &dir.join(format!("{name}-{rung}.mp4"))))
}

fn near(a: [i64; 3], b: [i64; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 3)
}

#[test]
fn samples_and_tags_stay_together_through_the_ladder() {
    let dir = tempfile::tempdir().unwrap();
    let own = "color=c=0x20C040:s=320x180:r=25:d=1,format=rgb24,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709";
    let cases = [
        ("709", "", ["bt709"; 3]),
        ("525", ",colorspace=all=bt601-6-525:iall=bt709", ["smpte170m"; 3]),
        ("625", ",colorspace=all=bt601-6-625:iall=bt709", ["bt470bg", "smpte170m", "bt470bg"]),
        ("2020", ",colorspace=all=bt2020:iall=bt709", ["bt2020", "bt2020-10", "bt2020nc"]),
    ];
    for (name, filter, [primaries, transfer, matrix]) in cases {
        let clip = dir.path().join(format!("{name}.mp4"));
        let tags = ["-color_primaries", primaries, "-color_trc", transfer, "-colorspace", matrix, "-color_range", "tv"];
        let picture = format!("{own}{filter}");
        let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "4"];
        ffmpeg(&[&["-f", "lavfi", "-i", &picture][..], &codec, &tags, &[clip.to_str().unwrap()]].concat());
        for rung in rungs(&clip, dir.path(), name, &[]) {
            assert_eq!(ffprobe(&rung, TAGS), ffprobe(&clip, TAGS), "{name}");
            assert!(near(stored(&rung), stored(&clip)), "{name}: {:?} of {:?}", stored(&rung), stored(&clip));
        }
    }
    let untagged = dir.path().join("untagged.mp4");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "color=c=0x20C040:s=320x180:r=25:d=1",
        "-c:v",
        "libx264",
        untagged.to_str().unwrap(),
    ]);
    for rung in rungs(&untagged, dir.path(), "untagged", &[]) {
        assert_eq!(ffprobe(&rung, TAGS), ["tv,smpte170m,bt709,smpte170m"], "what players assume of this size");
        assert!(near(stored(&rung), stored(&untagged)));
    }
}

#[test]
fn hlg_stays_as_it_is_in_ten_bits_and_becomes_neutral_standard_range_in_eight() {
    let dir = tempfile::tempdir().unwrap();
    let clip = |name: &str, grey: &str| {
        let path = dir.path().join(name);
        let picture = format!("color=c={grey}:s=320x180:r=25:d=1,format=yuv420p10le");
        let x265 = "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc:range=limited";
        let codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
        ffmpeg(&[&["-f", "lavfi", "-i", &picture][..], &codec, &[path.to_str().unwrap()]].concat());
        path
    };
    let mut last = 0;
    for (name, grey) in [("dark", "0x404040"), ("middle", "0x808080"), ("white", "0xBFBFBF")] {
        let clip = clip(&format!("{name}.mp4"), grey);
        for rung in rungs(&clip, dir.path(), &format!("{name}-kept"), &["--codec", "hevc"]) {
            assert_eq!(ffprobe(&rung, TAGS), ["tv,bt2020nc,arib-std-b67,bt2020"]);
            assert_eq!(ffprobe(&rung, "stream=pix_fmt"), ["yuv420p10le"]);
            assert!(near(stored(&rung), stored(&clip)), "{name}");
        }
        let [large, small] = rungs(&clip, dir.path(), &format!("{name}-sdr"), &[]);
        assert_eq!(
            (ffprobe(&large, TAGS), ffprobe(&small, TAGS)),
            (vec!["tv,bt709,bt709,bt709".to_owned()], ffprobe(&large, TAGS))
        );
        let [luma, blue, red] = stored(&large);
        assert!(near(stored(&small), [luma, blue, red]), "{name}");
        assert!((blue - 128).abs() <= 2 && (red - 128).abs() <= 2, "{name}: grey is grey, not {blue} {red}");
        assert!(luma > last && luma < 235, "{name}: {luma} behind {last}");
        last = luma;
    }
}
