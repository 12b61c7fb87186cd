//! The media type of every kind of file in an output directory.

/// The media type of a file, by the ending of its name.
///
/// | ending | type | registered by |
/// |---|---|---|
/// | `m3u8` | `application/vnd.apple.mpegurl` | RFC 8216 §10 |
/// | `mpd` | `application/dash+xml` | ISO/IEC 23009-1 Annex C |
/// | `m4s` | `video/iso.segment` | IANA, for ISO base media file format segments (ISO/IEC 23009-1 §6.3.4) |
/// | `mp4` | `video/mp4`; in the directory of a track of sound `audio/mp4`, of text `application/mp4` | RFC 4337 |
/// | `m4a` | `audio/mp4` | RFC 4337 |
/// | `ts` | `video/mp2t` | RFC 3555 §4.2.8 |
/// | `vtt` | `text/vtt` | W3C WebVTT §11 |
/// | `json` | `application/json` | RFC 8259 §11 |
/// | `jpg`, `png`, `webp` | `image/jpeg`, `image/png`, `image/webp` | RFC 2046 §4.2, IANA, RFC 9649 §6 |
/// | `vtt` | `text/vtt` | WebVTT §6 |
/// | anything else | `application/octet-stream` | RFC 2046 §4.5.1 |
pub fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "m4s" => "video/iso.segment",
        // Directories of sound and text are called so by the planner; rungs are called by their size.
        "mp4" if is_called(path, "audio-") => "audio/mp4",
        "mp4" if is_called(path, "text-") => "application/mp4",
        "m4a" => "audio/mp4",
        "mp4" => "video/mp4",
        "ts" => "video/mp2t",
        "vtt" => "text/vtt",
        "json" => "application/json",
        "jpg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}

/// Whether a path lies in the directory of a track that is called so, or is called after one.
fn is_called(path: &str, name: &str) -> bool {
    path.rsplit('/').take(2).any(|part| part.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ending_of_the_last_component_counts() {
        assert_eq!(content_type("cmaf/master.m3u8"), "application/vnd.apple.mpegurl");
        assert_eq!(content_type("cmaf/manifest.mpd"), "application/dash+xml");
        assert_eq!(content_type("cmaf/1080p/360000.m4s"), "video/iso.segment");
        assert_eq!(content_type("cmaf/1080p/init.mp4"), "video/mp4");
        assert_eq!(content_type("cmaf/audio-1/init.mp4"), "audio/mp4");
        assert_eq!(content_type("mp4/audio-1-opus.mp4"), "audio/mp4");
        assert_eq!(content_type("mp4/audio-1.m4a"), "audio/mp4");
        assert_eq!(content_type("cmaf/text-1/00000.vtt"), "text/vtt");
        assert_eq!(content_type("cmaf/text-1-wvtt/init.mp4"), "application/mp4");
        assert_eq!(content_type("ts/1080p/00000.ts"), "video/mp2t");
        assert_eq!(content_type("reelmill.json"), "application/json");
        assert_eq!(content_type("sprites/00001.jpg"), "image/jpeg");
        assert_eq!(content_type("sprites/thumbnails.vtt"), "text/vtt");
        assert_eq!(content_type("a.ts/readme"), "application/octet-stream");
        assert_eq!(content_type(""), "application/octet-stream");
    }
}
