//! A receiver of webhooks on loopback whose every answer a test decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// What is done with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, headers and a body.
    Status(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, for as long as the other side waits.
    Silence,
    /// A status, and no end of body.
    Endless(u16),
    /// A reset.
    Reset,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), Vec::new())
    }

    pub(crate) fn saying(status: u16, body: &str) -> Self {
        Self::Status(status, Vec::new(), body.into())
    }

    pub(crate) fn with(status: u16, name: &'static str, value: &str) -> Self {
        Self::Status(status, vec![(name, value.to_owned())], Vec::new())
    }
}

/// A running receiver. It ends when this is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: watch::Receiver<Vec<Seen>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that answers by `handle`, which is told the request and how many came before.
    pub(crate) async fn start(handle: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (log, seen) = watch::channel(Vec::new());
        let (handle, log) = (Arc::new(handle), Arc::new(log));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (handle, log) = (Arc::clone(&handle), Arc::clone(&log));
                connections.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = request(&mut stream).await {
                        let mut before = 0;
                        log.send_modify(|log| {
                            before = log.len();
                            log.push(request.clone());
                        });
                        if answer(&mut stream, handle(&request, before)).await.is_none() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    /// One that answers each request with the next of these, and for ever with the last.
    pub(crate) async fn script(answers: &[Answer]) -> Self {
        let answers = answers.to_vec();
        Self::start(move |_, before| answers[before.min(answers.len() - 1)].clone()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Waits for so many requests.
    pub(crate) async fn until(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.clone();
        let enough = tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|seen| seen.len() >= count)).await;
        assert!(enough.is_ok(), "only {} requests came", self.seen().len());
        self.seen()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let (method, rest) = line.split_once(' ')?;
    let (method, path) = (method.to_owned(), rest.split(' ').next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, path, headers, body })
}

/// Answers; `None` when the connection ends with it.
async fn answer(stream: &mut BufReader<TcpStream>, answer: Answer) -> Option<()> {
    match answer {
        Answer::Status(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
            head.push_str("\r\n");
            stream.write_all(&[head.into_bytes(), body].concat()).await.ok()?;
            stream.flush().await.ok()
        }
        Answer::Silence => {
            // Until the other side has had enough.
            let _ = stream.read_u8().await;
            None
        }
        Answer::Endless(status) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 1000000000000\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(&[b'x'; 65_536]).await.ok()?;
            }
        }
        Answer::Reset => {
            stream.get_ref().set_zero_linger().unwrap();
            None
        }
    }
}
