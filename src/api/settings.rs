//! What the API is told by the configuration.

use crate::model::backoff::BackOff;
use crate::profile::Profiles;
use crate::report::metrics::Metrics;
use crate::report::traces::Traces;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use url::{Host, Url};

/// Largest request, bytes: 64 outputs of 32 rungs with all their metadata are a third of it, and all calls in flight
/// together stay within half a gigabyte.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Calls that may be in flight, watchers not counted: what two cores answer within a second.
pub const CALLS_MAX: usize = 512;
/// Watchers that may be connected: each holds some kilobytes.
pub const WATCHERS_MAX: usize = 4096;

/// Says whether an address may be used; the sentence says why not.
pub type UrlRule = Arc<dyn Fn(&Url) -> Result<(), String> + Send + Sync>;

/// Settings of the API.
#[derive(Clone)]
pub struct ApiSettings {
    /// Certificates; `None` for plain HTTP/2.
    pub tls: Option<Tls>,
    /// Who may call. Empty: everybody, without a token.
    pub tokens: Vec<Token>,
    /// Largest request, bytes.
    pub message_bytes_max: usize,
    /// Calls that may be in flight.
    pub calls_max: usize,
    /// Watchers that may be connected.
    pub watchers_max: usize,
    /// What a job may ask for.
    pub rules: Rules,
    /// Templates of jobs.
    pub profiles: Arc<Profiles>,
    /// Where traces of jobs go: clients are told the ids of those that are sent.
    pub traces: Traces,
    /// Where calls are counted.
    pub metrics: Metrics,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            tls: None,
            tokens: Vec::new(),
            message_bytes_max: MESSAGE_BYTES_MAX,
            calls_max: CALLS_MAX,
            watchers_max: WATCHERS_MAX,
            rules: Rules::default(),
            profiles: Arc::default(),
            traces: Traces::default(),
            metrics: Metrics::default(),
        }
    }
}

/// What a job may ask for on this node, and what it gets when it does not say.
#[derive(Clone)]
pub struct Rules {
    /// Directories below which local sources lie; `None` for anywhere.
    pub source_roots: Option<Vec<PathBuf>>,
    /// Directories below which local outputs lie; `None` for anywhere.
    pub output_roots: Option<Vec<PathBuf>>,
    /// Names of the secrets that webhooks are signed with.
    pub secret_names: BTreeSet<String>,
    /// Where webhooks may go.
    pub webhook_rule: UrlRule,
    /// Where sources may be read on the web.
    pub source_rule: UrlRule,
    /// When something is tried again, unless the job says otherwise.
    pub retry: BackOff,
    /// How long records are kept after the end, seconds, unless the job says otherwise.
    pub expire_after_s: u64,
}

impl Default for Rules {
    /// Any local path, no secrets, public https addresses only, records for 30 days.
    fn default() -> Self {
        Self {
            source_roots: None,
            output_roots: None,
            secret_names: BTreeSet::new(),
            webhook_rule: Arc::new(public_https),
            source_rule: Arc::new(public_https),
            retry: BackOff::default(),
            expire_after_s: 30 * 24 * 3600,
        }
    }
}

/// PEM texts of a TLS server.
#[derive(Clone)]
pub struct Tls {
    /// The certificate and those between it and the root.
    pub cert: String,
    /// Its private key.
    pub key: String,
    /// The authority whose clients alone may connect; `None` for all clients.
    pub client_ca: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("client_ca", &self.client_ca.is_some()).finish_non_exhaustive()
    }
}

/// Lets its holder call, as an owner of jobs.
#[derive(Clone)]
pub struct Token {
    /// The owner. Several tokens may have the same, so that one can be replaced by another.
    pub name: String,
    /// May see and change the jobs of all owners, and drain the node.
    pub admin: bool,
    secret_sha256: [u8; 32],
}

impl Token {
    /// A token of which only the hash is known.
    pub const fn new(name: String, admin: bool, secret_sha256: [u8; 32]) -> Self {
        Self { name, admin, secret_sha256 }
    }

    /// A token with this secret.
    pub fn of_secret(name: impl Into<String>, admin: bool, secret: &str) -> Self {
        Self::new(name.into(), admin, Sha256::digest(secret).into())
    }

    /// Whether this is its secret's hash. Takes the same time wherever the two differ.
    pub(super) fn fits(&self, sha256: &[u8; 32]) -> bool {
        self.secret_sha256.iter().zip(sha256).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("admin", &self.admin).finish_non_exhaustive()
    }
}

/// The strict rule: https, no credentials, and no address that is written as a number of a private network. Names are
/// looked up when a connection is made, and checked again there.
///
/// # Errors
/// The end of a sentence that begins with the address.
pub fn public_https(url: &Url) -> Result<(), String> {
    if url.scheme() != "https" {
        return Err("must begin with https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".into());
    }
    let private = match url.host() {
        None => return Err("names no host".into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
    };
    if private { Err("is not a public address".into()) } else { Ok(()) }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            // Global unicast is 2000::/3 (RFC 4291 §2.4); 2001:db8::/32 is for documents (RFC 3849).
            None => v6.segments()[0] & 0xe000 == 0x2000 && v6.segments()[..2] != [0x2001, 0xdb8],
        },
    }
}

/// What RFC 6890 does not list as special.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291 §2.5.5.2), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_addresses_pass_the_strict_rule() {
        for good in ["https://example.com/hook?x=1", "https://8.8.8.8:444/", "https://[2606:4700::1]/", "https://a.b"] {
            assert_eq!(public_https(&Url::parse(good).unwrap()), Ok(()), "{good}");
        }
        for bad in [
            "http://example.com/",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://localhost/",
            "https://a.localhost./",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.1.2.3/",
            "https://172.31.0.1/",
            "https://192.168.0.1/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:db8::1]/",
        ] {
            assert!(public_https(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_fits_its_secret_alone_and_never_shows_it() {
        let token = Token::of_secret("ci", false, "s3cret");
        assert!(token.fits(&Sha256::digest("s3cret").into()) && !token.fits(&Sha256::digest("s3creT").into()));
        assert_eq!(format!("{token:?}"), "Token { name: \"ci\", admin: false, .. }");
        let tls = Tls { cert: "c".into(), key: "k3y".into(), client_ca: None };
        assert_eq!(format!("{tls:?}"), "Tls { client_ca: false, .. }");
    }
}
