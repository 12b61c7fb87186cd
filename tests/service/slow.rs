//! A source on an HTTP server that sends only as much of it as a test allows, so that a job stands where the test wants it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A file over HTTP/1.1, with ranges. It ends when this is dropped.
pub(crate) struct SlowFile {
    address: SocketAddr,
    bytes: u64,
    allowed: Arc<watch::Sender<u64>>,
    /// Readers that wait for what is not allowed yet.
    waiting: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl SlowFile {
    /// Serves a file of which the first `percent` are given out, the rest later. A probe wants the first 12 s.
    pub(crate) async fn start(path: &Path, percent: u64) -> Self {
        let body = Arc::new(std::fs::read(path).unwrap());
        let bytes = body.len() as u64;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let allowed = Arc::new(watch::Sender::new(bytes * percent / 100));
        let (waits, waiting) = watch::channel(0);
        let (gate, waits) = (Arc::clone(&allowed), Arc::new(waits));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (body, gate, waits) = (Arc::clone(&body), gate.subscribe(), Arc::clone(&waits));
                // A reader that goes away in the middle is what some of the tests are about.
                connections.spawn(async move { drop(serve(stream, &body, gate, &waits).await) });
            }
        });
        Self { address, bytes, allowed, waiting, task }
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}/clip.mp4", self.address)
    }

    /// Gives out so much of it from now on.
    pub(crate) fn allow(&self, percent: u64) {
        self.allowed.send_replace(self.bytes * percent / 100);
    }

    /// Gives out everything from now on.
    pub(crate) fn release(&self) {
        self.allow(100);
    }

    /// Waits until a reader wants what is not allowed yet.
    pub(crate) async fn is_waited_for(&self) {
        let mut waiting = self.waiting.clone();
        tokio::time::timeout(crate::daemon::PATIENCE, waiting.wait_for(|count| *count > 0)).await.unwrap().unwrap();
    }
}

impl Drop for SlowFile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    body: &[u8],
    mut gate: watch::Receiver<u64>,
    waits: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut from, mut to, mut is_head) = (0, body.len() - 1, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim().to_ascii_lowercase();
        is_head |= line.starts_with("head ");
        if let Some((first, last)) = line.strip_prefix("range: bytes=").and_then(|range| range.split_once('-')) {
            from = first.parse().unwrap();
            to = last.parse().unwrap_or(to).min(to);
        }
        if line.is_empty() {
            break;
        }
    }
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nAccept-Ranges: bytes\r\nETag: \"clip\"\r\n\
         Content-Length: {}\r\nContent-Range: bytes {from}-{to}/{}\r\nConnection: close\r\n\r\n",
        to + 1 - from,
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    while !is_head && from <= to {
        let end = (*gate.borrow_and_update() as usize).min(to + 1);
        if end > from {
            stream.write_all(&body[from..end]).await?;
            from = end;
            continue;
        }
        waits.send_modify(|count| *count += 1);
        let changed = tokio::select! {
            changed = gate.changed() => changed.is_ok(),
            // Nothing more is sent by the other side but its end.
            _ = stream.fill_buf() => false,
        };
        waits.send_modify(|count| *count -= 1);
        if !changed {
            return Ok(());
        }
    }
    stream.shutdown().await
}
