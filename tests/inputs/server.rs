//! An HTTP/1.1 server on loopback whose every answer a test decides, and openers to read from it.

use reelmill::input::{CACHE_BYTES_MIN, Opener, OpenerOptions, Source};
use reelmill::model::{BackOff, Problem};
use reelmill::net::{AddressRules, Client, Options};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    /// First and last byte that it asks for.
    pub(crate) fn range(&self) -> (u64, u64) {
        let (from, to) = self.headers["range"].strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (from.parse().unwrap(), to.parse().unwrap())
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Whole,
    /// The connection is closed after so many bytes.
    Closed(usize),
    /// The connection is reset after so many bytes.
    Reset(usize),
    /// Nothing comes after so many bytes.
    Stalled(usize),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), end: End::Whole }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// What a good server says to a range request on these bytes.
    pub(crate) fn range(seen: &Seen, content: &[u8]) -> Self {
        let (from, to) = seen.range();
        let to = to.min(content.len() as u64 - 1);
        let body = content[from as usize..=to as usize].to_vec();
        let range = format!("bytes {from}-{to}/{}", content.len());
        Self { body, ..Self::status(206).with("Content-Range", range) }
    }
}

/// A running server. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server that answers by `handle`, which is told the request and how many came before.
    pub(crate) async fn start(handle: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", handle).await
    }

    pub(crate) async fn start_at(
        address: &str,
        handle: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (handle, seen) = (Arc::new(handle), Arc::<Mutex<Vec<Seen>>>::default());
        let (address, log) = (listener.local_addr().unwrap(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (handle, log) = (Arc::clone(&handle), Arc::clone(&log));
                connections.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = request(&mut stream).await {
                        let before = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.len() - 1
                        };
                        if !answer(&mut stream, handle(&request, before)).await {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    /// A good server for these bytes, whatever the path.
    pub(crate) async fn of(content: Arc<Vec<u8>>) -> Self {
        Self::start(move |seen, _| Answer::range(seen, &content).with("ETag", "\"v1\"")).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Some(Seen { path, headers })
}

/// Writes an answer; whether the connection goes on.
async fn answer(stream: &mut BufReader<TcpStream>, answer: Answer) -> bool {
    let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let length = match answer.end {
        End::Whole => answer.body.len(),
        End::Closed(length) | End::Reset(length) | End::Stalled(length) => length,
    };
    let written = [head.as_bytes(), &answer.body[..length]].concat();
    if stream.write_all(&written).await.is_err() || stream.flush().await.is_err() {
        return false;
    }
    match answer.end {
        End::Whole => return true,
        End::Closed(_) => {}
        End::Reset(_) => stream.get_ref().set_zero_linger().unwrap(),
        // Until the client has had enough.
        End::Stalled(_) => drop(stream.read_u8().await),
    }
    false
}

/// Bytes that tell where they stand.
pub(crate) fn content(length: usize) -> Arc<Vec<u8>> {
    Arc::new((0..length).map(|at| (at / 7 % 251) as u8).collect())
}

/// An opener in a directory of its own.
pub(crate) struct Reader {
    pub(crate) opener: Opener,
    _cache: TempDir,
}

impl Reader {
    /// One that may read from loopback addresses.
    pub(crate) fn local() -> Self {
        Self::under(&["127.0.0.0/8"], &Options { read_timeout: Duration::from_millis(300), ..Options::default() })
    }

    pub(crate) fn under(allow: &[&str], options: &Options) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let rules = AddressRules { allow: allow.iter().map(|text| text.parse().unwrap()).collect(), only: Vec::new() };
        let opener = Opener::new(OpenerOptions {
            roots: Vec::new(),
            http: Client::new(rules, options).unwrap(),
            cache_dir: cache.path().to_owned(),
            cache_bytes_max: CACHE_BYTES_MIN,
            retry: BackOff { first_ms: 5, max_ms: 20, ..Opener::RETRY },
            s3: None,
        });
        Self { opener, _cache: cache }
    }

    pub(crate) async fn open(&self, url: &str) -> Result<Source, Problem> {
        self.opener.open(&url.parse().unwrap()).await
    }

    /// The code of the problem with which opening fails.
    pub(crate) async fn refusal(&self, url: &str) -> String {
        self.open(url).await.unwrap_err().code
    }
}

/// Reads a source from its beginning to its end.
pub(crate) async fn whole(source: &Source) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < source.size_bytes() {
        bytes.extend_from_slice(&source.read_range(bytes.len() as u64, 700_000).await?);
    }
    Ok(bytes)
}
