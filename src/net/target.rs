//! An address to send a request to. Credentials in it are used and never shown.

use super::Failure;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// An http or https URL. What is written like a number is one: `http://0x7f.1/` has the host 127.0.0.1 (the host parser
/// of the WHATWG URL standard), so that rules about addresses cannot be got round by spelling.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`Failure::Url`] for what is none, or has another scheme.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::of(Url::parse(text).map_err(|error| Failure::Url(error.to_string()))?)
    }

    fn of(mut url: Url) -> Result<Self, Failure> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failure::Url("only http and https are spoken".to_owned()));
        }
        if url.host().is_none() {
            return Err(Failure::Url("it names no host".to_owned()));
        }
        url.set_fragment(None);
        Ok(Self { url })
    }

    /// The address for people: without user and password, and without the query, which in signed addresses is a secret.
    pub fn shown(&self) -> String {
        let query = if self.url.query().is_some() { "?…" } else { "" };
        format!("{}{}{query}", self.url.origin().ascii_serialization(), self.url.path())
    }

    /// The host as rules know it: a name, or an address without brackets.
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(v4)) => v4.to_string(),
            Some(Host::Ipv6(v6)) => v6.to_string(),
            None => String::new(),
        }
    }

    /// The address, where the URL has one in place of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
            Host::Domain(_) => None,
        }
    }

    pub(super) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Where a `Location` leads from here (RFC 9110 §10.2.2). User and password go along only to the same origin, and
    /// those that the other side writes are not taken: a server has no business in choosing them.
    ///
    /// # Errors
    /// [`Failure::Redirect`] from https to http, and to what is no address.
    pub(super) fn hop(&self, location: &str) -> Result<Self, Failure> {
        let url = self.url.join(location).map_err(|error| Failure::Redirect(format!("to no address ({error})")))?;
        let mut next = Self::of(url).map_err(|failure| Failure::Redirect(format!("to no address ({failure})")))?;
        if self.url.scheme() == "https" && next.url.scheme() == "http" {
            return Err(Failure::Redirect("from https to http".to_owned()));
        }
        let same = self.url.origin() == next.url.origin();
        let (user, password) = if same { (self.url.username(), self.url.password()) } else { ("", None) };
        // Refused only for URLs without a host, which `of` does not let through.
        let _ = next.url.set_username(user);
        let _ = next.url.set_password(password);
        Ok(next)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for text in [
            "http://127.1/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://user@127.0.0.1:80/",
            "http:127.0.0.1",
        ] {
            assert_eq!(target(text).address(), Some("127.0.0.1".parse().unwrap()), "{text}");
        }
        assert_eq!(target("http://[::FFFF:7f00:1]/").address(), Some("::ffff:127.0.0.1".parse().unwrap()));
        assert_eq!(target("http://a.Example/").host(), "a.example");
        for text in
            ["ftp://a/", "file:///etc/passwd", "http://", "http://256.256.256.256/", "http://[fe80::1%25eth0]/", "a"]
        {
            assert!(matches!(Target::parse(text), Err(Failure::Url(_))), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let target = target("https://me:s3cret@h.example:8443/a/b.mp4?X-Amz-Signature=s3cret#s3cret");
        assert_eq!(target.shown(), "https://h.example:8443/a/b.mp4?…");
        assert!(!format!("{target:?}").contains("s3cret"));
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let from = target("https://me:p%40ss@h.example/a/b.mp4");
        let kept = from.hop("/c.mp4").unwrap();
        assert_eq!(kept.url.as_str(), "https://me:p%40ss@h.example/c.mp4");
        assert_eq!(from.hop("https://h.example/c").unwrap().url.password(), Some("p%40ss"));
        for elsewhere in ["https://o.example/c", "https://h.example:444/c", "//o.example/c", "https://x:y@o.example/c"]
        {
            let next = from.hop(elsewhere).unwrap();
            assert!(next.url.username().is_empty() && next.url.password().is_none(), "{elsewhere}");
        }
    }

    #[test]
    fn a_hop_never_leaves_tls_and_never_leaves_http() {
        let from = target("https://h.example/a");
        for to in ["http://h.example/a", "file:///etc/passwd", "gopher://h.example/", "https://", "data:,x"] {
            assert!(matches!(from.hop(to), Err(Failure::Redirect(_))), "{to}");
        }
        assert!(target("http://h.example/a").hop("https://h.example/a").is_ok());
    }
}
