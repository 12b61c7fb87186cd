//! The content types of published files, until `package` has them.

/// The content type of a file of an output directory, by its name's ending.
pub(super) fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("m4s") => "video/iso.segment",
        Some("mp4") => "video/mp4",
        Some("ts") => "video/mp2t",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
