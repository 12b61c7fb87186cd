//! One source and one request for each thing that can be odd.

use crate::model::facts::{HdrKind, MediaFacts, Scan, StreamFacts, VideoFacts};
use crate::model::request::{
    Color, Crop, Deinterlace, DynamicRange, FieldRate, Pad, PictureOptions, Shape, Strength, ToneMap,
};
use crate::model::{AudioCodec, Packaging, Ratio, Speed, VideoCodec};
use crate::plan::testing::{file, hdr_video, movie, picture_stream, sound_stream, video};
use crate::plan::{Channels, RateMode, Request};

/// A name, which is also that of the golden, and what is planned.
pub(in crate::plan) type Case = (&'static str, MediaFacts, Request);

/// A request for these renditions.
pub(in crate::plan) fn asking(renditions: &str) -> Request {
    let specs = renditions.split(',').map(|text| text.parse().unwrap()).collect();
    Request { renditions: specs, ..Request::default() }
}

pub(in crate::plan) fn all() -> Vec<Case> {
    let mut cases = shapes();
    cases.extend(pictures());
    cases.extend(tracks());
    cases.extend(requests());
    cases
}

/// A movie of 60 s in H.264 whose key frames stand every 2 s, at a rate of its own.
pub(in crate::plan) fn grouped(width: u32, height: u32, bit_rate: u64) -> MediaFacts {
    let mut facts = movie(video(width, height, 25, 1));
    let stream = &mut facts.streams[0];
    stream.profile = Some("High".into());
    stream.bit_rate = Some(bit_rate);
    stream.duration = Some(60 * 90_000);
    if let Some(pictures) = &mut stream.video {
        pictures.key_frames = (0..30).map(|at| at * 180_000).collect();
    }
    facts
}

fn shapes() -> Vec<Case> {
    let turned = VideoFacts { rotation: 90, display_width: 1080, display_height: 1920, ..video(1920, 1080, 30, 1) };
    let anamorphic = VideoFacts {
        sample_aspect: Ratio::new(64, 45),
        display_width: 1024,
        display_height: 576,
        ..video(720, 576, 25, 1)
    };
    let plain = Request::default;
    vec![
        ("sdr-1080p", movie(video(1920, 1080, 25, 1)), plain()),
        ("portrait-phone", movie(turned), asking("1080p,720p,640x360")),
        ("scope-1920x804", movie(video(1920, 804, 24_000, 1001)), plain()),
        ("anamorphic-pal", movie(anamorphic), plain()),
        ("tall-16x4000", movie(video(16, 4000, 25, 1)), plain()),
        ("tiny-1x1", movie(video(1, 1, 25, 1)), plain()),
        ("odd-641x363", movie(video(641, 363, 25, 1)), plain()),
        ("custom-boxes", movie(video(1920, 1080, 60, 1)), asking("1280x1280@3M,640x360@700k,500x500")),
        ("capped-720p", movie(video(1280, 720, 25, 1)), asking("4K,1080p,720p,480p")),
    ]
}

fn pictures() -> Vec<Case> {
    let three = vec![VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1];
    let all_codecs = Request { codecs: three, ..asking("1080p,720p,480p") };
    let interlaced = VideoFacts { scan: Scan::TopFirst, ..video(1920, 1080, 25, 1) };
    let variable =
        VideoFacts { variable_rate: true, frame_rate: Ratio::new(140_000, 5087), ..video(1920, 1080, 30, 1) };
    let full = VideoFacts { pixel_format: "yuvj420p".into(), ..video(1280, 720, 30, 1) };
    let gif = VideoFacts { pixel_format: "bgra".into(), rgb: true, variable_rate: true, ..video(200, 150, 45, 1) };
    let deep = VideoFacts { pixel_format: "yuv422p10le".into(), bit_depth: 10, ..video(1920, 1080, 50, 1) };
    let hlg = Request { codecs: vec![VideoCodec::Hevc, VideoCodec::H264], ..asking("1080p,720p") };
    let changed = PictureOptions {
        crop: Some(Crop { x: 240, y: 0, width: 1440, height: 1080 }),
        pad: Some(Pad { shape: Shape { width: 16, height: 9 }, color: Color([26, 43, 60]) }),
        denoise: Some(Strength::Light),
        sharpen: Some(Strength::Medium),
        tone_map: ToneMap::Mobius,
        dynamic_range: DynamicRange::Sdr,
        ..PictureOptions::default()
    };
    let timed = |picture| Request { picture, ..asking("1080p,540p") };
    let smooth = timed(PictureOptions { field_rate: FieldRate::Field, ..PictureOptions::default() });
    let halved = timed(PictureOptions { frame_rate_max: "30".parse().ok(), ..PictureOptions::default() });
    let slowed = timed(PictureOptions { frame_rate: "24".parse().ok(), ..PictureOptions::default() });
    let film = timed(PictureOptions { deinterlace: Deinterlace::InverseTelecine, ..PictureOptions::default() });
    let changed = Request { picture: changed, codecs: vec![VideoCodec::Hevc], ..asking("1080p,720p") };
    let clean = PictureOptions { denoise: Some(Strength::Medium), ..PictureOptions::default() };
    vec![
        ("picture-all", movie(hdr_video(1920, 1080, HdrKind::Pq)), changed),
        ("picture-denoised", movie(interlaced.clone()), Request { picture: clean, ..asking("1080p,540p") }),
        ("telecine-1080i", movie(VideoFacts { scan: Scan::TopFirst, ..video(1920, 1080, 30_000, 1001) }), film),
        ("fields-each-1080i", movie(interlaced.clone()), smooth),
        ("rate-halved", movie(video(1920, 1080, 60_000, 1001)), halved.clone()),
        ("rate-limit-variable", movie(variable.clone()), halved),
        ("rate-exact", movie(interlaced.clone()), slowed),
        ("hdr10-three-codecs", movie(hdr_video(1920, 1080, HdrKind::Pq)), all_codecs),
        ("hlg-1080p", movie(hdr_video(1920, 1080, HdrKind::Hlg)), hlg),
        ("interlaced-1080i", movie(interlaced), asking("1080p,540p")),
        ("variable-rate", movie(variable), asking("720p")),
        ("full-range", movie(full), asking("720p,360p")),
        ("gif", file(vec![picture_stream("gif", gif)]), Request::default()),
        ("deep-422", movie(deep), Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc], ..asking("1080p,720p") }),
    ]
}

fn tracks() -> Vec<Case> {
    let mut early = movie(video(1280, 720, 25, 1));
    if let Some(pictures) = &mut early.streams[0].video {
        pictures.first_pts = Some(2 * 90_000);
    }
    let language = |code: &str, default| StreamFacts {
        language: Some(code.into()),
        default,
        ..sound_stream(44_100, 6, "5.1(side)")
    };
    let broadcast = file(vec![
        picture_stream("h264", video(1280, 720, 50, 1)),
        sound_stream(48_000, 8, "8 channels"),
        language("deu", true),
        language("deu", false),
    ]);
    let both = vec![AudioCodec::Aac, AudioCodec::Opus];
    vec![
        ("audio-only", file(vec![sound_stream(22_050, 1, "mono")]), Request::default()),
        ("audio-first-by-2s", early, asking("720p")),
        ("video-only", file(vec![picture_stream("h264", video(1280, 720, 25, 1))]), asking("720p")),
        (
            "opus-and-ts",
            movie(video(640, 360, 25, 1)),
            Request { audio_codecs: vec![AudioCodec::Opus], ..asking("360p") },
        ),
        ("surround-two-codecs", broadcast, Request { audio_codecs: both, channels: Channels::Keep, ..asking("720p") }),
        ("video-copy", grouped(1920, 1080, 4_200_000), Request { copy: true, ..asking("1080p,720p,480p") }),
        ("audio-copy", movie(video(640, 360, 25, 1)), Request { copy: true, ..asking("360p") }),
    ]
}

fn requests() -> Vec<Case> {
    let quality = Request {
        codecs: vec![VideoCodec::H264, VideoCodec::Hevc],
        speed: Speed::Quality,
        rate_mode: RateMode::CappedCrf { crf: None },
        segment_ms: 6000,
        ..asking("1080p,480p")
    };
    let av1 = Request {
        codecs: vec![VideoCodec::Av1],
        packagings: vec![Packaging::Cmaf],
        speed: Speed::Fast,
        rate_mode: RateMode::Crf { crf: Some(30) },
        ..asking("720p")
    };
    let every = vec![VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Vp9];
    let two_pass = Request { codecs: every, rate_mode: RateMode::TwoPass, ..asking("1080p,480p") };
    let vp9 = Request { codecs: vec![VideoCodec::Vp9], speed: Speed::Fast, ..asking("1080p,720p,360p@500k") };
    vec![
        ("two-pass", movie(video(1920, 1080, 25, 1)), two_pass),
        ("vp9", movie(video(1920, 1080, 25, 1)), vp9),
        ("spans-4", movie(video(1920, 1080, 25, 1)), Request { spans: 4, ..asking("1080p,720p") }),
        ("capped-quality", movie(video(1920, 1080, 30_000, 1001)), quality),
        ("av1-crf", movie(video(1280, 720, 25, 1)), av1),
        ("upscaled", movie(video(640, 360, 25, 1)), Request { allow_upscale: true, ..asking("720p,360p,240p") }),
    ]
}
