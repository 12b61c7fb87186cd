//! Every graph and every set of options that plans for devices can have, given to FFmpeg without a device. Both lists are
//! recorded by the planner's own tests (`plan::place::tests::strings`), which fail when they are not complete.
//!
//! A graph is parsed and its filters are initialised, which reads all options, before formats are agreed on: that is where
//! a good one fails without a device, and a bad one never gets.

use reelmill::av::frame::PictureFormat;
use reelmill::av::{AvError, Graph, names, options};
use reelmill::model::Ratio;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where libavfilter gives up on a good graph when there is no device.
const AGREEING_ON_FORMATS: &str = "configure a filter graph";

fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn parse(text: &str) -> Result<(), AvError> {
    let format = names::pixel_format("yuv420p").unwrap();
    let input = PictureFormat { width: 1920, height: 1080, format, sample_aspect: Ratio::new(1, 1) };
    Graph::video(text, input, Ratio::new(1, 25)).map(|_| ())
}

/// Whether a graph is one that a device could run.
fn is_good(text: &str) -> bool {
    parse(text).err().is_none_or(|error| error.what == AGREEING_ON_FORMATS)
}

#[test]
fn every_graph_of_a_placed_plan_is_parsed() {
    let (mut parsed, mut skipped) = (0, BTreeSet::new());
    for text in lines("tests/golden/place/strings/graphs.txt") {
        let filters = text.split(',').map(|filter| filter.split('=').next().unwrap_or_default());
        let missing: Vec<String> = filters.filter(|f| !names::is_filter(f)).map(str::to_owned).collect();
        if missing.is_empty() {
            assert!(is_good(&text), "{text}: {:?}", parse(&text));
            parsed += 1;
        }
        skipped.extend(missing);
    }
    // Each needs a newer release than the oldest one supported, or a compiler for CUDA when FFmpeg is built.
    let newer = ["bwdif_cuda", "colorspace_cuda"];
    assert!(skipped.iter().all(|filter| newer.contains(&filter.as_str())), "not in this FFmpeg: {skipped:?}");
    assert!(parsed > 200, "{parsed}");
}

#[test]
fn a_broken_graph_is_told_from_a_good_one() {
    for good in lines("tests/golden/place/strings/graphs.txt").iter().filter(|text| text.contains("interp_algo=")) {
        if good.contains("colorspace_cuda") || good.contains("bwdif_cuda") {
            continue;
        }
        assert!(!is_good(&good.replace("interp_algo=", "interp_alg0=")), "an unknown option passes in {good}");
        assert!(!is_good(&good.replace("interp_algo=bi", "interp_algo=by")), "{good}");
        assert!(!is_good(&good.replace("scale_cuda", "scale_nothing")), "an unknown filter passes in {good}");
        assert!(!is_good(&good.replace("format=nv12", "format=nv99").replace("p010le", "p0x0le")), "{good}");
    }
    assert!(is_good("format=nv12,hwupload") && !is_good("format=nv12,hwupload=nothing=1"));
    assert!(!is_good("scale_vaapi=w=2:h=2:format=nv99") && !is_good("deinterlace_vaapi=rate=frames"));
}

#[test]
fn every_option_of_an_encoder_on_a_device_is_taken() {
    let (mut taken, mut absent) = (BTreeSet::new(), BTreeSet::new());
    for line in lines("tests/golden/place/strings/options.txt") {
        let (encoder, text) = line.split_once(' ').unwrap();
        let pairs: Vec<(String, String)> =
            text.split(' ').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        match options::encoder_takes(encoder, &pairs) {
            Some(result) => {
                assert_eq!(result, Ok(()), "{line}");
                taken.insert(encoder.to_owned());
            }
            None => {
                absent.insert(encoder.to_owned());
            }
        }
    }
    for encoder in ["h264_nvenc", "hevc_nvenc", "h264_vaapi", "hevc_vaapi"] {
        assert!(taken.contains(encoder), "{encoder} is not in this FFmpeg");
    }
    assert!(absent.iter().all(|encoder| encoder.starts_with("av1_")), "{absent:?}");
}

#[test]
fn an_option_that_an_encoder_does_not_have_or_whose_value_it_refuses_is_named() {
    let taken = |encoder, name: &str, value: &str| {
        options::encoder_takes(encoder, &[(name.to_owned(), value.to_owned())]).unwrap().map_err(|(name, _)| name)
    };
    assert_eq!(taken("h264_nvenc", "forced-idr", "1"), Ok(()));
    assert_eq!(taken("h264_nvenc", "forced_idle", "1"), Err("forced_idle".to_owned()));
    assert_eq!(taken("h264_nvenc", "cq", "52"), Err("cq".to_owned()));
    assert_eq!(taken("h264_nvenc", "preset", "p8"), Err("preset".to_owned()));
    assert_eq!(taken("h264_vaapi", "rc_mode", "VBV"), Err("rc_mode".to_owned()));
}

#[test]
fn graphs_of_picture_options_run_without_a_device() {
    let mut seen = BTreeSet::new();
    for name in ["picture-all", "picture-denoised", "telecine-1080i"] {
        let text = lines(&format!("tests/golden/plan/{name}.json")).join("");
        let plan: reelmill::model::Plan = serde_json::from_str(&text).unwrap();
        let video = plan.video.unwrap();
        if !video.prepare.is_empty() {
            parse(&video.prepare).unwrap_or_else(|error| panic!("{}: {error:?}", video.prepare));
            seen.extend(video.prepare.split(',').filter_map(|filter| filter.split('=').next()).map(str::to_owned));
        }
        for rung in video.renditions.iter().filter(|rung| rung.parent.is_none()) {
            parse(&rung.graph).unwrap_or_else(|error| panic!("{}: {error:?}", rung.graph));
            seen.extend(rung.graph.split(',').filter_map(|filter| filter.split('=').next()).map(str::to_owned));
        }
    }
    for filter in ["crop", "lutyuv", "hqdn3d", "tonemap", "unsharp", "fieldmatch", "bwdif"] {
        assert!(seen.contains(filter), "{filter} is not among {seen:?}");
    }
}
