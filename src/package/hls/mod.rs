//! HLS playlists (RFC 8216 and draft-pantos-hls-rfc8216bis, "bis" below).

mod captions;
mod chapters;
mod master;
mod media;

pub(super) use chapters::chapters;
pub(super) use master::master;
pub(super) use media::{i_frames, media};

use crate::model::Packaging;

/// File names in a track's directory; the master playlist names them.
pub(super) const MEDIA: &str = "media.m3u8";
/// As `MEDIA`.
pub(super) const I_FRAMES: &str = "iframes.m3u8";
/// File name of the chapters, beside the master playlist.
pub(super) const CHAPTERS: &str = "chapters.json";

/// `EXT-X-VERSION` (RFC 8216 §7): fragmented MP4 with `EXT-X-MAP` outside of I-frame playlists is described as of version
/// 6 and, as a segment format, 7; nothing in transport streams needs more than 6.
const fn version(packaging: Packaging) -> u32 {
    match packaging {
        Packaging::Cmaf => 7,
        Packaging::Ts => 6,
    }
}
