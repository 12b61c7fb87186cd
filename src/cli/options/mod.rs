//! What to make, as it is written on a command line.

mod encoders;
mod manifests;
mod metadata;
mod picture;
mod sound;
mod sources;
mod stills;
mod text;
mod watermark;

use crate::input::Transport;
pub(super) use crate::model::request::micros;
use crate::model::spec::Fallback;
use crate::model::{AudioCodec, DeviceChoice, Packaging, Problem, Speed, VideoCodec};
use crate::plan::{Channels, RateMode, Request, parse_segment};
use encoders::EncoderFlags;
use manifests::ManifestFlags;
use metadata::MetadataFlags;
use picture::PictureFlags;
use sound::SoundFlags;
pub(super) use sources::{Listed, Listing, SourceFlags};
use stills::StillsFlags;
pub(super) use stills::StillsOnly;
use text::TextFlags;
use watermark::WatermarkFlags;

/// Options that `transcode` and `plan` share.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct PlanOptions {
    /// Rungs, such as 1080p,720p,640x360@700k [default: a ladder that fits the source]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) renditions: Vec<String>,
    /// Packagings: cmaf (HLS and DASH), ts (HLS) [default: both, as far as the codecs fit]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) packaging: Vec<String>,
    /// Video codecs: h264, hevc, av1, vp9; each gets the whole ladder [default: h264]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) codec: Vec<String>,
    /// Audio codecs: aac, opus, mp3, ac3, eac3 [default: aac]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) audio_codec: Vec<String>,
    /// What becomes of surround sound: stereo, keep, by-codec (kept in ac3 and eac3) [default: by-codec]
    #[arg(long, value_name = "WHAT")]
    pub(super) channels: Option<String>,
    /// How much time the encoders may take: fast, balanced, quality [default: balanced]
    #[arg(long, value_name = "CLASS")]
    pub(super) speed: Option<String>,
    /// How bits are spent: vbv (an average), two-pass (the same, after a look at all of it), capped-crf, crf [default: vbv, or capped-crf with --crf]
    #[arg(long, value_name = "MODE")]
    pub(super) rate_control: Option<String>,
    /// Constant rate factor on the encoder's own scale; less is better
    #[arg(long, value_name = "N")]
    pub(super) crf: Option<String>,
    /// Target duration of a segment, such as 4s or 2500ms [default: 4s]
    #[arg(long, value_name = "TIME")]
    pub(super) segment: Option<String>,
    /// Runs of segments that are made side by side [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) spans: Option<String>,
    /// Take over tracks that already are what is asked
    #[arg(long)]
    pub(super) copy: bool,
    /// Make an MP4 file of each rung too, with the default sound, from the same encodes
    #[arg(long)]
    pub(super) mp4: bool,
    /// Devices that may be used, by id or kind: cpu, cuda, vaapi; for transcode also sim:FILE [default: any]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) devices: Vec<String>,
    /// Who makes again what fails on its device: any, cpu, never [default: any]
    #[arg(long, value_name = "WHO")]
    pub(super) fallback: Option<String>,
    /// How workers get the source: descriptor, socket
    #[arg(long, value_name = "WAY", hide = true)]
    pub(super) transport: Option<String>,
    #[command(flatten)]
    pub(super) manifests: ManifestFlags,
    #[command(flatten)]
    pub(super) picture: PictureFlags,
    #[command(flatten)]
    pub(super) sound: SoundFlags,
    #[command(flatten)]
    pub(super) encoders: EncoderFlags,
    #[command(flatten)]
    pub(super) watermark: WatermarkFlags,
    #[command(flatten)]
    pub(super) stills: StillsFlags,
    #[command(flatten)]
    pub(super) text: TextFlags,
    #[command(flatten)]
    pub(super) metadata: MetadataFlags,
}

impl PlanOptions {
    /// The request that is meant.
    ///
    /// # Errors
    /// `request.*`, naming what can be written instead.
    pub(super) fn request(&self) -> Result<Request, Problem> {
        let usual = Request::default();
        Ok(Request {
            renditions: self.renditions.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            codecs: named(&self.codec, "codec", "h264, hevc, av1 or vp9", VideoCodec::from_name)?,
            audio_codecs: named(
                &self.audio_codec,
                "audio_codec",
                "aac, opus, mp3, ac3 or eac3",
                AudioCodec::from_name,
            )?,
            packagings: named(&self.packaging, "packaging", "cmaf or ts", Packaging::from_name)?,
            speed: one(self.speed.as_deref(), "speed", "fast, balanced or quality", speed)?.unwrap_or(usual.speed),
            rate_mode: self.rate_mode()?,
            segment_ms: self.segment.as_deref().map_or(Ok(usual.segment_ms), parse_segment)?,
            spans: one(self.spans.as_deref(), "spans", "a number from 1", positive)?.unwrap_or(usual.spans),
            copy: self.copy,
            channels: one(self.channels.as_deref(), "channels", "stereo, keep or by-codec", channels)?
                .unwrap_or(usual.channels),
            progressive: self.mp4,
            manifests: self.manifests.options()?,
            picture: self.picture.options()?,
            sound: self.sound.options()?,
            encoder_options: self.encoders.options()?,
            watermarks: self.watermark.watermarks()?,
            stills: self.stills.stills()?,
            sprites: self.stills.sprites()?,
            text: self.text.options()?,
            file_metadata: self.metadata.options()?,
            ..usual
        })
    }

    /// Who makes again what fails on its device; `None` where that is not written.
    ///
    /// # Errors
    /// `request.fallback`.
    pub(super) fn fallback(&self) -> Result<Option<Fallback>, Problem> {
        let find = |name: &str| Fallback::ALL.into_iter().find(|fallback| fallback.name() == name);
        one(self.fallback.as_deref(), "fallback", "any, cpu or never", find)
    }

    /// The devices of this machine that are meant.
    ///
    /// # Errors
    /// `request.device`.
    pub(super) fn device_choice(&self) -> Result<DeviceChoice, Problem> {
        if self.devices.is_empty() {
            return Ok(DeviceChoice::Auto);
        }
        let text = self.devices.join(",");
        text.parse().map_err(|_| {
            let allowed = DeviceChoice::allowed();
            Problem::input("request.device", format!("`{}` are no devices: write {allowed}", text.escape_debug()))
                .at("--devices")
        })
    }

    /// How workers are to get the source.
    pub(super) fn transport(&self) -> Result<Transport, Problem> {
        let way = |name: &str| match name {
            "descriptor" => Some(Transport::Descriptor),
            "socket" => Some(Transport::Socket),
            _ => None,
        };
        Ok(one(self.transport.as_deref(), "transport", "descriptor or socket", way)?.unwrap_or_default())
    }

    pub(super) fn rate_mode(&self) -> Result<RateMode, Problem> {
        let crf = one(self.crf.as_deref(), "crf", "a whole number such as 23", |text| text.parse::<u8>().ok())?;
        match (self.rate_control.as_deref(), crf) {
            (None | Some("vbv"), None) => Ok(RateMode::Vbv),
            (None | Some("capped-crf"), crf) => Ok(RateMode::CappedCrf { crf }),
            (Some("crf"), crf) => Ok(RateMode::Crf { crf }),
            (Some("two-pass"), None) => Ok(RateMode::TwoPass),
            (Some(mode @ ("vbv" | "two-pass")), Some(_)) => {
                let message = format!("--crf has no meaning with --rate-control {mode}; leave one of them out");
                Err(Problem::input("request.rate_control", message))
            }
            (Some(other), _) => Err(refused("rate_control", other, "vbv, two-pass, capped-crf or crf")),
        }
    }
}

fn speed(name: &str) -> Option<Speed> {
    match name {
        "fast" => Some(Speed::Fast),
        "balanced" => Some(Speed::Balanced),
        "quality" => Some(Speed::Quality),
        _ => None,
    }
}

fn channels(name: &str) -> Option<Channels> {
    match name {
        "by-codec" => Some(Channels::ByCodec),
        "stereo" => Some(Channels::Stereo),
        "keep" => Some(Channels::Keep),
        _ => None,
    }
}

fn positive(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

fn named<T>(texts: &[String], what: &str, help: &str, find: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Problem> {
    texts.iter().map(|text| find(text.trim()).ok_or_else(|| refused(what, text, help))).collect()
}

fn one<T>(text: Option<&str>, what: &str, help: &str, find: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    text.map(|text| find(text.trim()).ok_or_else(|| refused(what, text, help))).transpose()
}

fn refused(what: &str, text: &str, help: &str) -> Problem {
    let option = what.replace('_', "-");
    Problem::input(&format!("request.{what}"), format!("--{option} `{text}` is not understood; write {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: PlanOptions,
    }

    fn request(line: &str) -> Result<Request, String> {
        let words = std::iter::once("reelmill").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().options.request().map_err(|problem| problem.code)
    }

    #[test]
    fn nothing_written_is_the_default_request() {
        assert_eq!(request(""), Ok(Request::default()));
    }

    #[test]
    fn everything_that_can_be_written() {
        let line = "--renditions 1080p,640x360@700k --packaging cmaf --codec h264,av1 --audio-codec opus --channels keep \
                    --speed fast --rate-control crf --crf 21 --segment 2.5s --spans 3 --copy --mp4";
        let request = request(line).unwrap();
        assert_eq!(request.renditions, ["1080p", "640x360@700k"].map(|text| text.parse().unwrap()));
        assert_eq!(
            (request.codecs, request.audio_codecs),
            (vec![VideoCodec::H264, VideoCodec::Av1], vec![AudioCodec::Opus])
        );
        assert_eq!((request.packagings, request.channels), (vec![Packaging::Cmaf], Channels::Keep));
        assert_eq!((request.speed, request.rate_mode), (Speed::Fast, RateMode::Crf { crf: Some(21) }));
        assert_eq!((request.segment_ms, request.spans, request.copy, request.progressive), (2500, 3, true, true));
    }

    #[test]
    fn a_rate_factor_alone_is_capped() {
        assert_eq!(request("--crf 20").unwrap().rate_mode, RateMode::CappedCrf { crf: Some(20) });
        assert_eq!(request("--rate-control vbv --crf 20"), Err("request.rate_control".into()));
        assert_eq!(request("--rate-control two-pass").unwrap().rate_mode, RateMode::TwoPass);
        assert_eq!(request("--rate-control two-pass --crf 20"), Err("request.rate_control".into()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, code) in [
            ("--renditions huge", "request.rendition"),
            ("--codec theora", "request.codec"),
            ("--audio-codec flac", "request.audio_codec"),
            ("--packaging zip", "request.packaging"),
            ("--channels 7", "request.channels"),
            ("--speed ludicrous", "request.speed"),
            ("--rate-control abr", "request.rate_control"),
            ("--crf 300", "request.crf"),
            ("--segment 4h", "request.segment"),
            ("--spans 0", "request.spans"),
        ] {
            assert_eq!(request(line), Err(code.into()), "{line}");
        }
    }
}
