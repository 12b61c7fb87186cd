//! Options of a hardware encoder as options of the fast software in its place: rates and GOPs stay, speed becomes the speed
//! class that the engine's rate goes by.

use crate::model::Speed;
use crate::model::device::DeviceKind;

/// The hardware encoder that a name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Named {
    /// FFmpeg's name of the codec.
    pub(super) codec: &'static str,
    /// FFmpeg's name of the software in its place.
    pub(super) software: &'static str,
    kind: DeviceKind,
}

/// Options of libavcodec's own that any encoder takes.
const COMMON: [&str; 14] = [
    "b",
    "maxrate",
    "minrate",
    "bufsize",
    "g",
    "bf",
    "keyint_min",
    "refs",
    "qmin",
    "qmax",
    "profile",
    "level",
    "global_quality",
    "threads",
];
const NVENC: [&str; 24] = [
    "preset",
    "tune",
    "rc",
    "rc-lookahead",
    "surfaces",
    "delay",
    "gpu",
    "no-scenecut",
    "forced-idr",
    "b_adapt",
    "spatial-aq",
    "spatial_aq",
    "temporal-aq",
    "temporal_aq",
    "aq-strength",
    "zerolatency",
    "strict_gop",
    "cq",
    "qp",
    "b_ref_mode",
    "multipass",
    "tier",
    "coder",
    "highbitdepth",
];
const VAAPI: [&str; 12] = [
    "rc_mode",
    "qp",
    "quality",
    "compression_level",
    "low_power",
    "idr_interval",
    "b_depth",
    "async_depth",
    "aud",
    "sei",
    "coder",
    "tier",
];

/// The encoder of a name on a device of this kind; `None` where there is none.
pub(super) fn named(name: &str, kind: DeviceKind) -> Option<Named> {
    let (codec, interface) = name.split_once('_')?;
    let right = matches!((interface, kind), ("nvenc", DeviceKind::Cuda) | ("vaapi", DeviceKind::Vaapi));
    let (codec, software) = match codec {
        "h264" if right => ("h264", "libx264"),
        "hevc" if right => ("hevc", "libx265"),
        "av1" if right => ("av1", "libsvtav1"),
        _ => return None,
    };
    Some(Named { codec, software, kind })
}

/// The first option that such an encoder does not have.
pub(super) fn unknown(named: Named, options: &[(String, String)]) -> Option<&str> {
    let own: &[&str] = if named.kind == DeviceKind::Cuda { &NVENC } else { &VAAPI };
    let known = |key: &str| COMMON.contains(&key) || own.contains(&key);
    options.iter().map(|(key, _)| key.as_str()).find(|key| !known(key))
}

/// The speed class of an encoder's options.
pub(super) fn speed(named: Named, options: &[(String, String)]) -> Speed {
    let get = |key: &str| options.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    if named.kind == DeviceKind::Cuda {
        return match get("preset") {
            Some("p1" | "p2" | "p3" | "fast" | "hp" | "ll" | "llhp") => Speed::Fast,
            Some("p6" | "p7" | "slow" | "hq") => Speed::Quality,
            _ => Speed::Balanced,
        };
    }
    match get("quality").or_else(|| get("compression_level")).and_then(|value| value.parse::<u32>().ok()) {
        Some(1 | 2) => Speed::Quality,
        Some(6..) => Speed::Fast,
        _ => Speed::Balanced,
    }
}

/// The options of the software.
pub(super) fn software(named: Named, width: u32, options: &[(String, String)]) -> Vec<(String, String)> {
    let get = |key: &str| options.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    let mut made: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: &str| made.push((key.to_owned(), value.to_owned()));
    add("preset", if named.codec == "av1" { "12" } else { "ultrafast" });
    match get("b").filter(|bits| bits.as_str() != "0") {
        Some(bits) => {
            add("b", &bits);
            for key in ["maxrate", "bufsize"].into_iter().filter(|_| named.codec != "av1") {
                if let Some(value) = get(key) {
                    add(key, &value);
                }
            }
        }
        None => {
            let quality = ["cq", "qp", "global_quality"].into_iter().find_map(get);
            let quality = quality.and_then(|text| text.parse::<u32>().ok()).unwrap_or(28);
            add("crf", &quality.clamp(1, 51).to_string());
        }
    }
    if let Some(frames) = get("g") {
        add("g", &frames);
    }
    match named.codec {
        "h264" => {
            add("forced-idr", "1");
            add("threads", "1");
            add("bf", "0");
            add("x264-params", "stitchable=1:open-gop=0:scenecut=0");
        }
        "hevc" => {
            add("forced-idr", "1");
            // Narrow pictures corrupt x265's heap with the tree on; pools ask what a worker that is locked in cannot tell.
            let tree = if width < 64 { ":cutree=0" } else { "" };
            let params = "open-gop=0:repeat-headers=0:info=0:log-level=warning:pools=none:wpp=0:lookahead-slices=0:\
                          frame-threads=1:bframes=0:scenecut=0";
            add("x265-params", &format!("{params}{tree}"));
        }
        _ => add("svtav1-params", "enable-force-key-frames=1:lp=1"),
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn encoders_belong_to_their_kind_of_device() {
        assert_eq!(named("h264_nvenc", DeviceKind::Cuda).unwrap().software, "libx264");
        assert_eq!(named("av1_vaapi", DeviceKind::Vaapi).unwrap().software, "libsvtav1");
        assert_eq!(named("h264_vaapi", DeviceKind::Cuda), None);
        assert_eq!(named("libx264", DeviceKind::Cuda), None);
    }

    #[test]
    fn rates_and_gops_stay_and_speed_becomes_a_class() {
        let named = named("h264_nvenc", DeviceKind::Cuda).unwrap();
        let given = options(&[("preset", "p6"), ("rc", "vbr"), ("b", "800000"), ("maxrate", "900000"), ("g", "50")]);
        assert_eq!(unknown(named, &given), None);
        assert_eq!(speed(named, &given), Speed::Quality);
        let made = software(named, 320, &given);
        for pair in
            options(&[("preset", "ultrafast"), ("b", "800000"), ("maxrate", "900000"), ("g", "50"), ("bf", "0")])
        {
            assert!(made.contains(&pair), "{pair:?} in {made:?}");
        }
        assert!(!made.iter().any(|(key, _)| key == "crf" || key == "rc"));
    }

    #[test]
    fn a_quality_stands_in_for_a_rate() {
        let named = named("hevc_vaapi", DeviceKind::Vaapi).unwrap();
        let given = options(&[("rc_mode", "ICQ"), ("global_quality", "24"), ("quality", "7"), ("b", "0")]);
        assert_eq!(speed(named, &given), Speed::Fast);
        assert!(software(named, 320, &given).contains(&("crf".to_owned(), "24".to_owned())));
        assert_eq!(unknown(named, &options(&[("preset", "p4")])), Some("preset"));
    }
}
