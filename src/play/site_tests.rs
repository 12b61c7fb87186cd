//! The site over a real socket, asked byte by byte as a client could.

use super::*;
use std::fs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PAGE: &[(&str, &[u8])] = &[("index.html", b"<p>page</p>"), ("player.js", b"let a;")];

/// A served directory: one CMAF stream, a spool, a link that leads out, and a file beside the directory.
struct Fixture {
    dir: TempDir,
    address: SocketAddr,
}

impl Fixture {
    async fn start(files: &'static [(&'static str, &'static [u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir_all(out.join("cmaf/720p")).unwrap();
        fs::create_dir_all(out.join(".spool")).unwrap();
        fs::write(out.join("cmaf/master.m3u8"), "#EXTM3U\n").unwrap();
        fs::write(out.join("cmaf/720p/0.m4s"), "0123456789").unwrap();
        fs::write(out.join("reelmill.json"), "{}").unwrap();
        fs::write(out.join(".spool/secret"), "secret").unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), out.join("link")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let site = Site { root: out.canonicalize().unwrap(), address, files };
        tokio::spawn(async move { axum::serve(listener, router(site)).await });
        Self { dir, address }
    }

    /// Status, head (lower case) and body of the answer to `method target` with more header lines.
    async fn ask(&self, method: &str, target: &str, headers: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let request = format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn files_come_with_their_types_and_manifests_are_never_stale() {
    let site = Fixture::start(PAGE).await;
    for (path, content_type) in [
        ("cmaf/master.m3u8", "application/vnd.apple.mpegurl"),
        ("cmaf/720p/0.m4s", "video/"),
        ("reelmill.json", "application/json"),
    ] {
        let (status, head, _) = site.ask("GET", &format!("/stream/{path}"), "").await;
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("content-type: {content_type}")), "{path}: {head}");
        assert!(head.contains("cache-control: no-cache"), "{path}: {head}");
    }
    let since = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    let (status, head, body) = site.ask("GET", "/stream/cmaf/master.m3u8", since).await;
    assert_eq!((status, body.as_str()), (200, "#EXTM3U\n"));
    assert!(!head.contains("last-modified"), "{head}");
    assert_eq!(site.ask("GET", "/stream/cmaf/720p/0.m4s", since).await.0, 304);
}

#[tokio::test]
async fn ranges_and_heads_are_answered_and_nothing_can_be_written() {
    let site = Fixture::start(PAGE).await;
    let (status, head, body) = site.ask("GET", "/stream/cmaf/720p/0.m4s", "Range: bytes=2-4\r\n").await;
    assert_eq!((status, body.as_str()), (206, "234"));
    assert!(head.contains("content-range: bytes 2-4/10"), "{head}");
    assert_eq!(site.ask("GET", "/stream/cmaf/720p/0.m4s", "Range: bytes=20-\r\n").await.0, 416);
    let (status, head, body) = site.ask("HEAD", "/stream/cmaf/720p/0.m4s", "").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: 10"), "{head}");
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(site.ask(method, "/stream/cmaf/720p/0.m4s", "Content-Length: 0\r\n").await.0, 405, "{method}");
    }
    assert!(site.dir.path().join("out/cmaf/720p/0.m4s").is_file());
}

#[tokio::test]
async fn nothing_hidden_and_nothing_outside_is_served() {
    let site = Fixture::start(PAGE).await;
    for path in [
        "/stream/.spool/secret",
        "/stream/%2espool/secret",
        "/stream/../secret",
        "/stream/%2e%2e/secret",
        "/stream/cmaf/..%2f..%2fsecret",
        "/stream//etc/hostname",
        "/stream/%2fetc/hostname",
        "/stream/link",
        "/stream/cmaf",
        "/stream/cmaf/",
        "/stream/",
        "/stream/cmaf%00/master.m3u8",
        "/stream/none.m3u8",
        "/build.rs",
    ] {
        let (status, _, body) = site.ask("GET", path, "").await;
        assert_eq!(status, 404, "{path}: {body}");
        assert!(!body.contains("secret"), "{path}");
    }
    let escape = site.ask("GET", "/stream/%ff", "").await;
    assert_eq!(escape.0, 400, "{escape:?}");
}

#[tokio::test]
async fn only_names_of_this_machine_are_answered() {
    let site = Fixture::start(PAGE).await;
    for (host, status) in [
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("rebound.example", 403),
        ("localhost.example:80", 403),
        ("10.0.0.1", 403),
        ("", 403),
    ] {
        let answer = site.ask("GET", "/streams.json", &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.0, status, "{host}");
    }
}

#[tokio::test]
async fn the_page_lists_what_is_there_now() {
    let site = Fixture::start(PAGE).await;
    assert_eq!(site.ask("GET", "/", "").await.2, "<p>page</p>");
    let (_, head, _) = site.ask("GET", "/player.js", "").await;
    assert!(head.contains("content-type: text/javascript"), "{head}");
    let ids = |body: &str| -> Vec<String> {
        let list: serde_json::Value = serde_json::from_str(body).unwrap();
        let streams = list["streams"].as_array().unwrap();
        streams.iter().map(|stream| stream["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&site.ask("GET", "/streams.json", "").await.2), ["hls-cmaf"]);
    fs::write(site.dir.path().join("out/cmaf/manifest.mpd"), "<MPD/>").unwrap();
    assert_eq!(ids(&site.ask("GET", "/streams.json", "").await.2), ["hls-cmaf", "dash"]);
}

#[tokio::test]
async fn without_a_built_page_the_exact_addresses_are_shown() {
    let site = Fixture::start(&[]).await;
    let (status, head, body) = site.ask("GET", "/", "").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html"), "{head}");
    assert!(body.contains(&format!("mpv http://{}/stream/cmaf/master.m3u8", site.address)), "{body}");
    assert!(!body.contains("ts/master.m3u8"), "{body}");
}
