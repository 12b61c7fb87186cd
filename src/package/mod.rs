//! Packets to segments, and the ledger to manifests. Pure functions: no IO, no clock, no FFmpeg.

mod bitrate;
mod boxes;
pub mod codec_string;
pub mod content_type;
pub mod edit_list;
pub mod fmp4;
pub mod framing;
pub mod ts;

pub use codec_string::codec_string;
pub use content_type::content_type;
