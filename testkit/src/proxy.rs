//! A proxy in front of any plain HTTP server: it remembers every request, and breaks those it is told to break.
//!
//! It serves one request a connection, and otherwise passes on what it gets byte by byte.

use crate::background::{Background, listen};
use crate::http::Request;
use crate::relay;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What goes wrong with one request. Bytes are counted in the body, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The proxy answers itself, with this status and S3 error code; the server never sees the request.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Code` of the S3 error document.
        code: &'static str,
        /// Seconds of a Retry-After field.
        retry_after: Option<u32>,
    },
    /// The connection is closed as soon as the request's head is there.
    Refuse,
    /// The connection is reset after so many bytes of the request's body.
    ResetRequest(u64),
    /// The connection is reset after so many bytes of the answer's body.
    ResetResponse(u64),
    /// The server does all it was asked to, and the client gets no answer.
    LoseResponse,
    /// The whole request reaches the server only after so many milliseconds, whether the client is still there or not: a
    /// long way, on which things are when their sender gives up.
    Late(u64),
    /// No more of the request's body is read after so many bytes, and nothing is answered.
    StallRequest(u64),
    /// Nothing more comes after so many bytes of the answer's body.
    StallResponse(u64),
    /// Both bodies pass at this many bytes a second.
    Slow(u64),
    /// The connection ends in order after so many bytes of the answer's body, fewer than were promised.
    Truncate(u64),
    /// The answer promises and holds only so many bytes.
    Shorten(u64),
    /// The byte of the request's body at this place is changed.
    CorruptRequest(u64),
    /// The byte of the answer's body at this place is changed.
    CorruptResponse(u64),
}

/// Which requests meet with which fault, and how many of them.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    target: Option<String>,
    times: usize,
    skip: usize,
}

impl Rule {
    /// The next request, whatever it is.
    pub fn new(fault: Fault) -> Rule {
        Rule { fault, method: None, target: None, times: 1, skip: 0 }
    }

    /// Only requests with this method.
    pub fn method(mut self, method: &str) -> Rule {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path and query, as sent, contain this.
    pub fn target(mut self, part: &str) -> Rule {
        self.target = Some(part.to_owned());
        self
    }

    /// So many of them.
    pub fn times(mut self, times: usize) -> Rule {
        self.times = times;
        self
    }

    /// All of them, until the rules are cleared.
    pub fn always(self) -> Rule {
        self.times(usize::MAX)
    }

    /// Lets so many of them pass first.
    pub fn after(mut self, skip: usize) -> Rule {
        self.skip = skip;
        self
    }

    fn matches(&self, request: &Request) -> bool {
        self.times > 0
            && self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.target.as_ref().is_none_or(|part| request.target.contains(part))
    }
}

/// The proxy; it ends, with every connection, when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    background: Background,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    requests: watch::Sender<Vec<Request>>,
    open: AtomicUsize,
}

impl FaultProxy {
    /// Starts a proxy in front of `host:port`. It answers when this returns.
    pub fn start(upstream: &str) -> FaultProxy {
        let (listener, address) = listen();
        let background = Background::start("test-proxy");
        let shared = Arc::new(Shared {
            rules: Mutex::default(),
            requests: watch::Sender::new(Vec::new()),
            open: AtomicUsize::new(0),
        });
        let (state, upstream) = (Arc::clone(&shared), upstream.to_owned());
        background.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let (state, upstream) = (Arc::clone(&state), upstream.clone());
                tokio::spawn(async move {
                    let _open = Open::count(&state.open);
                    // Clients and servers that go away in the middle are no fault of the proxy.
                    let _gone = relay::serve(client, &upstream, |request| state.decide(request)).await;
                });
            }
        });
        FaultProxy { background, address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint, as clients want it: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule. The first one that matches a request decides.
    pub fn fail(&self, rule: Rule) {
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Forgets all rules; what is under way stays as it is.
    pub fn clear(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Every request since the start, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.borrow().clone()
    }

    /// How many requests had this method and this in their path or query.
    pub fn count(&self, method: &str, target: &str) -> usize {
        self.requests().iter().filter(|seen| seen.method == method && seen.target.contains(target)).count()
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Waits until the requests so far satisfy a condition.
    pub async fn until(&self, condition: impl FnMut(&Vec<Request>) -> bool) {
        // An error would mean that the sender, which is in `self`, is gone.
        drop(self.shared.requests.subscribe().wait_for(condition).await);
    }

    /// The same for synchronous tests; false when the time is over.
    pub fn wait_until(&self, condition: impl FnMut(&Vec<Request>) -> bool, timeout: Duration) -> bool {
        self.background.wait(async { tokio::time::timeout(timeout, self.until(condition)).await }).is_ok()
    }
}

impl Shared {
    fn decide(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let mut fault = None;
        for rule in rules.iter_mut().filter(|rule| rule.matches(request)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times = rule.times.saturating_sub(1);
            fault = Some(rule.fault.clone());
            break;
        }
        drop(rules);
        self.requests.send_modify(|requests| requests.push(request.clone()));
        fault
    }
}

/// One connection more while this lives.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn count(open: &'a AtomicUsize) -> Open<'a> {
        open.fetch_add(1, Ordering::SeqCst);
        Open(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
