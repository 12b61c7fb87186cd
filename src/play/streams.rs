//! The manifests that an output directory can hold.

use serde::Serialize;
use std::net::SocketAddr;
use std::path::Path;

/// One way to play an output directory.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Stream {
    /// Stable name, also the fragment of the page's address.
    pub(super) id: &'static str,
    /// `hls` or `dash`.
    pub(super) protocol: &'static str,
    /// What people read.
    pub(super) label: &'static str,
    /// Manifest, relative to the output directory.
    #[serde(skip)]
    pub(super) path: &'static str,
    /// Manifest, relative to the page.
    pub(super) url: &'static str,
}

/// All that there can be, in the order in which they are offered.
pub(super) const STREAMS: [Stream; 3] = [
    Stream {
        id: "hls-cmaf",
        protocol: "hls",
        label: "HLS · CMAF",
        path: "cmaf/master.m3u8",
        url: "stream/cmaf/master.m3u8",
    },
    Stream {
        id: "dash",
        protocol: "dash",
        label: "DASH · CMAF",
        path: "cmaf/manifest.mpd",
        url: "stream/cmaf/manifest.mpd",
    },
    Stream { id: "hls-ts", protocol: "hls", label: "HLS · TS", path: "ts/master.m3u8", url: "stream/ts/master.m3u8" },
];

/// Those whose manifest lies in `root` now.
pub(super) fn present(root: &Path) -> Vec<Stream> {
    STREAMS.into_iter().filter(|stream| root.join(stream.path).is_file()).collect()
}

/// The address that a browser on this machine opens, without a slash at its end.
pub(super) fn base_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://localhost:{}", address.port());
    }
    format!("http://{address}")
}
