//! The page: what `npm run build` made of `player/`, or, without Node, a page that says what else can play the streams.

use super::streams::{Stream, base_url};
use std::net::SocketAddr;

/// Files of the built page by name; empty when `player/dist` did not exist at build time.
pub(super) const BUILT: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/player_files.rs"));

/// What the page may load: its own files, the stream, and what the libraries make in memory.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; \
     media-src 'self' blob:; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The content type of a file of the page.
pub(super) fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The page for a build without Node.
pub(super) fn fallback(streams: &[Stream], address: SocketAddr) -> String {
    let mut rows = String::new();
    for Stream { label, path, .. } in streams {
        let url = format!("{}/stream/{path}", base_url(address));
        rows.push_str(&format!(
            "<h2>{label}</h2>\n<pre>mpv {url}\nvlc {url}</pre>\n<p><a href=\"{url}\">{url}</a></p>\n"
        ));
    }
    if streams.is_empty() {
        rows.push_str("<p>There is no stream in this directory yet; load this page again in a moment.</p>\n");
    }
    include_str!("fallback.html").replace("<!-- streams -->", &rows)
}
