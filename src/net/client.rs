//! The client: one pool of connections, rules at each hop.

use super::address::{AddressRules, Refusal};
use super::resolve::{Filtered, Lookup, SystemLookup};
use super::target::Target;
use super::{Failure, tls};
use crate::model::Problem;
use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// Redirects that are followed one after another: real chains have one or two, loops have no end.
const HOPS_MAX: usize = 5;
/// Idle connections that are kept for each host: as many as one source reads over at once.
const IDLE_MAX: usize = 16;

/// What becomes of redirects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Redirects {
    /// Reads follow up to five, each checked like the first address, never from https to http. Requests with a body do
    /// not.
    #[default]
    Follow,
    /// A redirect is a failure: for webhooks, whose receiver was named and checked when the job was taken.
    Refuse,
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time for a connection, name service and TLS included. A host that is there answers within seconds.
    pub connect_timeout: Duration,
    /// Longest time without a byte. Stores that wake from the cold answer within it.
    pub read_timeout: Duration,
    /// What becomes of redirects.
    pub redirects: Redirects,
    /// Certificate authorities that are trusted beside those of the system, in PEM; often empty.
    pub authorities_pem: Vec<u8>,
    /// Who knows the addresses of names.
    pub lookup: Arc<dyn Lookup>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(20),
            redirects: Redirects::default(),
            authorities_pem: Vec::new(),
            lookup: Arc::new(SystemLookup),
        }
    }
}

/// An HTTP/1.1 client that connects only where its rules let it. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    rules: Arc<AddressRules>,
    redirects: Redirects,
}

/// An answer: its head, and its body in pieces.
#[derive(Debug)]
pub struct Response {
    target: Target,
    inner: reqwest::Response,
}

impl Client {
    /// A client under `rules`. Reads the system's certificate authorities, which takes some milliseconds.
    ///
    /// # Errors
    /// `internal.http_client` when TLS cannot be set up, for which malformed `authorities_pem` are a reason.
    pub fn new(rules: AddressRules, options: &Options) -> Result<Self, Problem> {
        let broken = |error: String| {
            let message = format!("the HTTP client cannot be set up ({error}); check its certificate authorities");
            Problem::bug("internal.http_client", message)
        };
        let rules = Arc::new(rules);
        let tls = tls::config(&options.authorities_pem).map_err(broken)?;
        let resolver = Filtered { rules: Arc::clone(&rules), lookup: Arc::clone(&options.lookup) };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver)
            // Followed by hand below, so that each hop meets the rules.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("reelmill/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .pool_max_idle_per_host(IDLE_MAX)
            .build()
            .map_err(|error| broken(error.to_string()))?;
        Ok(Self { http, rules, redirects: options.redirects })
    }

    /// The same client, connections included, with another way with redirects.
    pub fn with_redirects(&self, redirects: Redirects) -> Self {
        Self { redirects, ..self.clone() }
    }

    /// Sends a request and waits for the head of its answer. Every status is an answer, but for redirects.
    ///
    /// # Errors
    /// What kept the answer away. Whether to try again is the caller's to decide: [`Failure::passes`].
    pub async fn send(
        &self,
        method: &Method,
        target: &Target,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, Failure> {
        let mut target = target.clone();
        for _ in 0..=HOPS_MAX {
            // Addresses in place of names are never looked up, so nobody else would check them.
            if let Some(address) = target.address() {
                self.rules.check(&target.host(), address).map_err(|refusal| noted(refusal.into()))?;
            }
            let mut request = self.http.request(method.clone(), target.url()).headers(headers.clone());
            if !headers.contains_key(ACCEPT_ENCODING) {
                request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            if !body.is_empty() {
                request = request.body(body.clone());
            }
            let inner = request.send().await.map_err(|error| noted(Failure::of(&error)))?;
            let Some(location) = location(&inner) else { return Ok(Response { target, inner }) };
            let reads = matches!(*method, Method::GET | Method::HEAD);
            if self.redirects == Redirects::Refuse || !reads {
                let status = inner.status().as_u16();
                return Err(Failure::Redirect(format!("(status {status}), and redirects are not followed here")));
            }
            target = target.hop(&location)?;
        }
        Err(Failure::Redirect(format!("more than {HOPS_MAX} times")))
    }
}

/// Refused addresses are for the operator's eyes.
fn noted(failure: Failure) -> Failure {
    if let Failure::Refused(Refusal::Special { host, address, .. }) = &failure {
        tracing::info!(%address, "{host} is not connected to: no rule allows its address");
    }
    failure
}

/// Where an answer redirects to (RFC 9110 §15.4), if it does.
fn location(response: &reqwest::Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    Some(String::from_utf8_lossy(response.headers().get(LOCATION)?.as_bytes()).into_owned())
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// A header's first value, where it is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// Who answered, after redirects.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The next piece of the body; `None` at its end. A body that ends before its announced length is a failure.
    ///
    /// # Errors
    /// [`Failure::Broken`], [`Failure::TimedOut`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        self.inner.chunk().await.map_err(|error| Failure::of(&error))
    }

    /// The beginning of the body, up to `most` bytes.
    ///
    /// # Errors
    /// [`Failure::Broken`], [`Failure::TimedOut`].
    pub async fn beginning(mut self, most: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while bytes.len() < most {
            let Some(chunk) = self.chunk().await? else { break };
            bytes.extend_from_slice(&chunk[..chunk.len().min(most - bytes.len())]);
        }
        Ok(bytes)
    }
}
