//! Safe, owning wrappers over FFmpeg. With `src/sys`, the only place where `unsafe` is allowed.
//!
//! One type owns each C object and frees it on drop; fields that must go in an order say so. No raw pointer and no
//! `Deref` to a C struct leaves this module. Callbacks from C never unwind into C. Types that are `Send` say why.
//! Builds on FFmpeg 5.1 and 7.1: only what both have is used.

pub mod bsf;
pub mod cells;
pub mod decoder;
pub mod dict;
pub mod encoder;
pub mod error;
pub mod frame;
pub mod graph;
pub mod hw;
mod hw_decoder;
pub mod input;
pub mod io;
pub mod log;
pub mod mux;
pub mod names;
pub mod options;
pub mod packet;
pub mod params;
pub mod parser;
pub mod pixels;
pub mod subtitle;
pub mod surface;

pub use decoder::Decoder;
pub use encoder::{AudioEncoderSpec, Encoder, EncoderPass, VideoEncoderSpec};
pub use error::{AvError, Polled};
pub use frame::Frame;
pub use graph::Graph;
pub use input::Input;
pub use io::ByteSource;
pub use packet::Packet;
pub use params::Params;
pub use parser::Splitter;
pub use subtitle::SubtitleDecoder;

use crate::model::Ratio;
use ffmpeg_sys_next as ff;

/// FFmpeg's "no timestamp" (`AV_NOPTS_VALUE`).
const NO_PTS: i64 = i64::MIN;

/// `None` for FFmpeg's "no timestamp".
const fn timestamp(value: i64) -> Option<i64> {
    if value == NO_PTS { None } else { Some(value) }
}

const fn to_ratio(value: ff::AVRational) -> Ratio {
    Ratio::new(value.num as i64, value.den as i64)
}

fn to_rational(value: Ratio) -> ff::AVRational {
    let value = value.reduced();
    let fits = |part: i64| i32::try_from(part).unwrap_or(i32::MAX);
    ff::AVRational { num: fits(value.num), den: fits(value.den) }
}

/// Major and minor version of libavcodec: unlike the release's name, which builds from a repository lack, a number.
pub fn codec_version() -> (u32, u32) {
    // SAFETY: the function has no preconditions.
    let codec = unsafe { ff::avcodec_version() };
    (codec >> 16, (codec >> 8) & 0xff)
}

/// FFmpeg's release, for example `5.1.9-0+deb12u1`, and libavcodec's version, for the encoder identity.
pub fn version() -> String {
    // SAFETY: both functions have no preconditions; the first returns a static NUL-terminated string.
    let (release, codec) = unsafe { (names::text(ff::av_version_info()), ff::avcodec_version()) };
    format!("FFmpeg {release}, libavcodec {}.{}.{}", codec >> 16, (codec >> 8) & 0xff, codec & 0xff)
}
