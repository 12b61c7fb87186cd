//! Options of each encoder, in a fixed order: part of the encoder identity that one rendition keeps.

use crate::model::facts::{ColorTags, Hdr, MasteringDisplay};
use crate::model::request::{EncoderOption, encoders};
use crate::model::{RateControl, Ratio, Speed, VideoCodec};

/// Most threads that SVT-AV1 is given: from 2.x on `lp` is a level of parallelism, and 6 is the highest.
const SVT_THREADS_MAX: u32 = 6;
/// Most frame threads that x265 takes.
const X265_FRAME_THREADS_MAX: u32 = 16;
/// Widths below which x265's macroblock tree is off: under 50 pixels (fewer than four of its 16-pixel blocks) its SIMD
/// code writes past its buffers and corrupts the heap (x265 3.5, seen by valgrind; crashes in 3.5 and 4.1).
const X265_TREE_WIDTH_MIN: u32 = 64;
/// Longest GOP, frames: what a segment of 30 s at 50 frames a second needs, twice.
const GOP_MAX: i64 = 3000;

/// What an encoder needs to know of its rung.
pub(super) struct Settings<'a> {
    /// Which encoder.
    pub codec: VideoCodec,
    /// Width of its pictures, pixels.
    pub width: u32,
    /// Speed class.
    pub speed: Speed,
    /// How bits are spent.
    pub rate: RateControl,
    /// Longest distance of key frames, from [`gop`].
    pub gop: i64,
    /// Threads it may use.
    pub threads: u32,
    /// Colour tags of its input.
    pub color: &'a ColorTags,
    /// High dynamic range of its input.
    pub hdr: Option<&'a Hdr>,
    /// Options of encoders of its codec, as asked.
    pub encoder_options: &'a [EncoderOption],
}

/// Longest distance of key frames, frames: twice a segment, rounded up, so that it never cuts where no boundary is.
/// Forced IDRs make the real GOPs, and scene cuts stay on: they cost nothing and seek well.
pub(super) fn gop(segment_ms: u32, frame_rate: Ratio) -> i64 {
    let frames = i128::from(segment_ms) * i128::from(frame_rate.num) / (1000 * i128::from(frame_rate.den.max(1))) + 1;
    (2 * frames).clamp(2, i128::from(GOP_MAX)) as i64
}

/// The options, by FFmpeg's names.
pub(super) fn options(settings: &Settings<'_>) -> Vec<(String, String)> {
    let mut options = Options(Vec::new());
    if settings.codec != VideoCodec::Vp9 {
        options.add("preset", preset(settings.codec, settings.speed));
    }
    match settings.codec {
        VideoCodec::H264 => x264(settings, &mut options),
        VideoCodec::Hevc => x265(settings, &mut options),
        VideoCodec::Av1 => svt_av1(settings, &mut options),
        VideoCodec::Vp9 => vpx(settings, &mut options),
    }
    options.0
}

struct Options(Vec<(String, String)>);

impl Options {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// Rate control and GOP, which have the same names everywhere.
    fn common(&mut self, settings: &Settings<'_>) {
        match settings.rate {
            RateControl::Vbv { bitrate, max_rate, buffer } | RateControl::TwoPass { bitrate, max_rate, buffer } => {
                self.add("b", bitrate);
                self.bucket(max_rate, buffer);
            }
            RateControl::CappedCrf { crf, max_rate, buffer } => {
                self.add("crf", crf);
                self.bucket(max_rate, buffer);
            }
            RateControl::Crf { crf } => self.add("crf", crf),
        }
        self.add("g", settings.gop);
    }

    /// What a client asked for of what FFmpeg reads, over what is there; what the encoder reads itself is given back.
    fn asked(&mut self, settings: &Settings<'_>) -> String {
        let (ffmpeg, own) = encoders::for_encoder(settings.encoder_options, settings.codec.traits().encoder);
        set_all(&mut self.0, ffmpeg);
        own
    }

    fn bucket(&mut self, max_rate: u64, buffer: u64) {
        self.add("maxrate", max_rate);
        self.add("bufsize", buffer);
    }
}

/// Sets options, over those that are there.
pub(super) fn set_all(options: &mut Vec<(String, String)>, asked: Vec<&EncoderOption>) {
    for EncoderOption { name, value, .. } in asked {
        match options.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => options.push((name.clone(), value.clone())),
        }
    }
}

const fn preset(codec: VideoCodec, speed: Speed) -> &'static str {
    match (codec, speed) {
        (VideoCodec::Av1, Speed::Fast) => "10",
        (VideoCodec::Av1, Speed::Balanced) => "8",
        (VideoCodec::Av1, Speed::Quality) => "6",
        (_, Speed::Fast) => "veryfast",
        (_, Speed::Balanced) => "medium",
        (_, Speed::Quality) => "slow",
    }
}

/// `stitchable` keeps the parameter sets the same whatever the content, so that spans can be joined.
fn x264(settings: &Settings<'_>, options: &mut Options) {
    options.add("profile", "high");
    options.common(settings);
    options.add("forced-idr", 1);
    options.add("threads", settings.threads);
    let asked = options.asked(settings);
    options.add("x264-params", format!("stitchable=1:open-gop=0{asked}"));
}

/// Parameter sets leave in the extradata alone (`hvc1` wants them nowhere else; the packager repeats them in TS), except
/// with static HDR metadata, where x265 insists on repeating them; the packager takes them out for `hvc1`. The info SEI
/// would tell where a span starts. Frame threads instead of a thread pool: a pool asks libnuma, which a worker that is
/// locked in cannot answer ("Failed to generate CPU mask"), and it brings more threads than were counted.
fn x265(settings: &Settings<'_>, options: &mut Options) {
    options.common(settings);
    options.add("forced-idr", 1);
    let threads = settings.threads.clamp(1, X265_FRAME_THREADS_MAX);
    let repeat = u8::from(settings.hdr.is_some_and(has_static_metadata));
    let mut params = format!("open-gop=0:repeat-headers={repeat}:info=0:log-level=warning");
    params.push_str(&format!(":pools=none:wpp=0:lookahead-slices=0:frame-threads={threads}"));
    params.push_str(&options.asked(settings));
    if settings.width < X265_TREE_WIDTH_MIN {
        params.push_str(":cutree=0");
    }
    if let Some(hdr) = settings.hdr {
        params.push_str(&x265_hdr(hdr, settings.color));
    }
    options.add("x265-params", params);
}

fn has_static_metadata(hdr: &Hdr) -> bool {
    hdr.mastering.is_some() || hdr.max_cll.is_some()
}

/// Static HDR metadata as SEI messages (ISO/IEC 23008-2 D.2.28, D.2.35).
fn x265_hdr(hdr: &Hdr, color: &ColorTags) -> String {
    let mut params = String::new();
    let tags = [("colorprim", &color.primaries), ("transfer", &color.transfer), ("colormatrix", &color.matrix)];
    for (name, tag) in tags {
        if let Some(tag) = tag {
            params.push_str(&format!(":{name}={tag}"));
        }
    }
    if has_static_metadata(hdr) {
        params.push_str(":hdr10=1");
    }
    if let Some(MasteringDisplay { red, green, blue, white, min_luminance, max_luminance }) = hdr.mastering {
        let point = |(x, y): (u32, u32)| format!("({x},{y})");
        let (g, b, r, w) = (point(green), point(blue), point(red), point(white));
        params.push_str(&format!(":master-display=G{g}B{b}R{r}WP{w}L({max_luminance},{min_luminance})"));
    }
    if let Some(max_cll) = hdr.max_cll {
        params.push_str(&format!(":max-cll={max_cll},{}", hdr.max_fall.unwrap_or(0)));
    }
    params
}

/// libvpx keeps to a bucket in its constant rate mode alone, which FFmpeg chooses where lowest, highest and average rate are
/// the same: its variable one went 40 % over the average on hard pictures (1.12). Its realtime modes, five times as fast, go far over it too, and look
/// worse than x264 at half the rate. So an average is constant, and constant quality
/// under a cap is that with a quantiser that goes no lower than the factor. Tiles follow from the width alone, and rows go
/// to threads, so that a span made with other threads differs in time and not in headers. Nothing is looked ahead
/// with a cap; without one, hidden alternate references come in the packet of the picture before which they are decoded
/// (a superframe, Annex B), so each packet is one picture that is shown, and forced key frames come where they are asked for.
fn vpx(settings: &Settings<'_>, options: &mut Options) {
    let cpu_used = match settings.speed {
        Speed::Fast => 5,
        Speed::Balanced => 3,
        Speed::Quality => 1,
    };
    options.add("deadline", "good");
    options.add("cpu-used", cpu_used);
    let (rate, buffer) = match settings.rate {
        RateControl::Vbv { bitrate, buffer, .. } | RateControl::TwoPass { bitrate, buffer, .. } => (bitrate, buffer),
        RateControl::CappedCrf { crf, max_rate, buffer } => {
            options.add("qmin", crf);
            (max_rate, buffer)
        }
        RateControl::Crf { crf } => {
            options.add("crf", crf);
            (0, 0)
        }
    };
    options.add("b", rate);
    if let RateControl::TwoPass { max_rate, .. } = settings.rate {
        options.bucket(max_rate, buffer);
    } else if rate > 0 {
        options.add("minrate", rate);
        options.bucket(rate, buffer);
    }
    options.add("g", settings.gop);
    options.add("threads", settings.threads);
    options.add("row-mt", 1);
    options.add("tile-columns", tile_columns(settings.width));
    options.asked(settings);
}

/// Columns of tiles, as a power of two: each at least 480 pixels wide, at most eight. The standard takes 256 and more.
const fn tile_columns(width: u32) -> u32 {
    match width {
        ..960 => 0,
        960..1920 => 1,
        1920..3840 => 2,
        _ => 3,
    }
}

/// Without `enable-force-key-frames` the encoder ignores the picture type that it is asked for.
fn svt_av1(settings: &Settings<'_>, options: &mut Options) {
    options.common(settings);
    let threads = settings.threads.clamp(1, SVT_THREADS_MAX);
    let mut params = format!("enable-force-key-frames=1:lp={threads}{}", options.asked(settings));
    if let Some(hdr) = settings.hdr {
        params.push_str(&svt_av1_hdr(hdr));
    }
    options.add("svtav1-params", params);
}

/// Static HDR metadata as metadata OBUs (AV1 §5.8.3, §5.8.4), in SVT-AV1's own decimal notation.
fn svt_av1_hdr(hdr: &Hdr) -> String {
    let mut params = String::new();
    if let Some(MasteringDisplay { red, green, blue, white, min_luminance, max_luminance }) = hdr.mastering {
        let point = |(x, y): (u32, u32)| format!("({},{})", decimal(x, 50_000, 5), decimal(y, 50_000, 5));
        let light = format!("({},{})", decimal(max_luminance, 10_000, 4), decimal(min_luminance, 10_000, 4));
        let (g, b, r, w) = (point(green), point(blue), point(red), point(white));
        params.push_str(&format!(":mastering-display=G{g}B{b}R{r}WP{w}L{light}"));
    }
    if let Some(max_cll) = hdr.max_cll {
        params.push_str(&format!(":content-light={max_cll},{}", hdr.max_fall.unwrap_or(0)));
    }
    params
}

/// `value / unit` with `digits` decimals; `unit` divides the power of ten.
fn decimal(value: u32, unit: u64, digits: u32) -> String {
    let power = 10_u64.pow(digits);
    let scaled = u64::from(value) * (power / unit);
    format!("{}.{:0width$}", scaled / power, scaled % power, width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::HdrKind;

    fn hdr10() -> Hdr {
        let mastering = MasteringDisplay {
            red: (34_000, 16_000),
            green: (13_250, 34_500),
            blue: (7_500, 3_000),
            white: (15_635, 16_450),
            min_luminance: 50,
            max_luminance: 10_000_000,
        };
        Hdr { kind: HdrKind::Pq, mastering: Some(mastering), max_cll: Some(1000), max_fall: Some(400) }
    }

    #[test]
    fn mastering_data_is_written_in_each_encoders_units() {
        let color = ColorTags { primaries: Some("bt2020".into()), ..ColorTags::default() };
        assert_eq!(
            x265_hdr(&hdr10(), &color),
            ":colorprim=bt2020:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)\
             L(10000000,50):max-cll=1000,400"
        );
        assert_eq!(
            svt_av1_hdr(&hdr10()),
            ":mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)\
             L(1000.0000,0.0050):content-light=1000,400"
        );
    }

    #[test]
    fn narrow_pictures_do_without_the_tree_that_corrupts_the_heap() {
        let params = |width| {
            let rate = RateControl::Crf { crf: 24 };
            let (color, codec, speed) = (ColorTags::default(), VideoCodec::Hevc, Speed::Balanced);
            let (color, hdr, encoder_options) = (&color, None, &[][..]);
            let settings = Settings { codec, width, speed, rate, gop: 200, threads: 1, color, hdr, encoder_options };
            options(&settings).pop().map(|(_, params)| params).unwrap()
        };
        assert!(params(48).ends_with(":cutree=0"));
        assert!(!params(64).contains("cutree"));
    }

    #[test]
    fn a_gop_is_longer_than_any_segment() {
        assert_eq!(gop(4000, Ratio::new(25, 1)), 202);
        assert_eq!(gop(4000, Ratio::new(30_000, 1001)), 240);
        assert_eq!(gop(500, Ratio::new(1, 10)), 2);
        assert_eq!(gop(30_000, Ratio::new(1000, 1)), GOP_MAX);
    }
}
