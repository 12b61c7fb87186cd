//! Facts of made-up sources, for the planner's tests.

use crate::model::Ratio;
use crate::model::facts::{
    AudioFacts, ColorTags, Hdr, HdrKind, MasteringDisplay, MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts,
};

/// Progressive 8-bit pictures with square pixels and no tags, `fps / den` frames a second.
pub(crate) fn video(width: u32, height: u32, fps: i64, den: i64) -> VideoFacts {
    VideoFacts {
        width,
        height,
        sample_aspect: Ratio::new(1, 1),
        rotation: 0,
        mirrored: false,
        display_width: width,
        display_height: height,
        frame_rate: Ratio::new(fps, den),
        variable_rate: false,
        scan: Scan::Progressive,
        pixel_format: "yuv420p".into(),
        bit_depth: 8,
        rgb: false,
        color: ColorTags::default(),
        hdr: None,
        first_pts: Some(0),
        key_frames: Vec::new(),
        area: None,
    }
}

/// A stream of nothing yet, at 90 kHz.
fn stream(kind: StreamKind, codec: &str) -> StreamFacts {
    StreamFacts {
        index: 0,
        program: None,
        kind,
        codec: codec.into(),
        profile: None,
        time_base: Ratio::new(1, 90_000),
        start: Some(0),
        duration: None,
        bit_rate: None,
        language: None,
        title: None,
        default: false,
        forced: false,
        descriptive: false,
        role: None,
        hearing_impaired: false,
        attached_picture: false,
        encrypted: false,
        decodable: true,
        video: None,
        audio: None,
    }
}

/// A track of pictures.
pub(super) fn picture_stream(codec: &str, video: VideoFacts) -> StreamFacts {
    StreamFacts { video: Some(video), default: true, ..stream(StreamKind::Video, codec) }
}

/// A track of AAC-LC.
pub(super) fn sound_stream(sample_rate: u32, channels: u32, layout: &str) -> StreamFacts {
    StreamFacts {
        profile: Some("LC".into()),
        time_base: Ratio::new(1, i64::from(sample_rate)),
        audio: Some(AudioFacts { sample_rate, channels, layout: layout.into(), first_pts: Some(0) }),
        ..stream(StreamKind::Audio, "aac")
    }
}

/// A seekable MP4 of 60 s with these streams.
pub(super) fn file(streams: Vec<StreamFacts>) -> MediaFacts {
    let numbered = streams.into_iter().enumerate().map(|(i, s)| StreamFacts { index: i as u32, ..s }).collect();
    MediaFacts {
        chapters: Vec::new(),
        tags: std::collections::BTreeMap::new(),
        captions: None,
        container: "mov,mp4,m4a,3gp,3g2,mj2".into(),
        size_bytes: 75_000_000,
        duration_us: Some(60_000_000),
        media_end_us: Some(60_000_000),
        start_us: Some(0),
        bit_rate: Some(10_000_000),
        truncated: false,
        seekable: true,
        streams: numbered,
    }
}

/// Pictures in H.264 with stereo sound.
pub(crate) fn movie(video: VideoFacts) -> MediaFacts {
    file(vec![picture_stream("h264", video), sound_stream(48_000, 2, "stereo")])
}

/// 10-bit BT.2020 pictures; PQ with mastering data, HLG without.
pub(super) fn hdr_video(width: u32, height: u32, kind: HdrKind) -> VideoFacts {
    let transfer = match kind {
        HdrKind::Pq => "smpte2084",
        HdrKind::Hlg => "arib-std-b67",
    };
    let display = MasteringDisplay {
        red: (34_000, 16_000),
        green: (13_250, 34_500),
        blue: (7_500, 3_000),
        white: (15_635, 16_450),
        min_luminance: 50,
        max_luminance: 10_000_000,
    };
    let hdr = match kind {
        HdrKind::Pq => Hdr { kind, mastering: Some(display), max_cll: Some(1000), max_fall: Some(400) },
        HdrKind::Hlg => Hdr { kind, mastering: None, max_cll: None, max_fall: None },
    };
    VideoFacts {
        pixel_format: "yuv420p10le".into(),
        bit_depth: 10,
        hdr: Some(hdr),
        color: ColorTags {
            range: Some("tv".into()),
            primaries: Some("bt2020".into()),
            transfer: Some(transfer.into()),
            matrix: Some("bt2020nc".into()),
        },
        ..video(width, height, 25, 1)
    }
}
