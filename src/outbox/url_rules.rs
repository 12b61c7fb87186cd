//! Where webhooks may go: asked when a job is taken, and again at each delivery.

use crate::net::AddressRules;
use std::net::{IpAddr, Ipv4Addr};
use url::{Host, Url};

/// Where webhooks may go. By default to public addresses, over https.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UrlRules {
    /// Which addresses may be connected to.
    pub addresses: AddressRules,
    /// `http://` may be used: bodies tell of jobs, so they are encrypted by default.
    pub allow_http: bool,
}

/// Why a URL is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Objection {
    /// The address is not one that may be connected to.
    Address(String),
    /// Anything else about it.
    Form(String),
}

/// What is wrong with the URL of a webhook, as the end of a sentence that begins with it; `None` when it may be used.
///
/// Addresses that are written as such are judged by the rules that hold at delivery. Names are judged by their answers
/// there, at each connection, and here as far as their spelling goes.
pub fn url_objection(url: &str, rules: &UrlRules) -> Option<String> {
    match check(url, rules) {
        Ok(_) => None,
        Err(Objection::Address(why) | Objection::Form(why)) => Some(why),
    }
}

pub(super) fn check(text: &str, rules: &UrlRules) -> Result<Url, Objection> {
    let form = |why: &str| Err(Objection::Form(why.to_owned()));
    // The parser would drop tabs and new lines, and give another address than was written.
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return form("has a control character or a space in it");
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return form(&format!("cannot be read ({error})")),
    };
    match (url.scheme(), rules.allow_http) {
        ("https", _) | ("http", true) => {}
        (_, false) => return form("must begin with https://"),
        (_, true) => return form("must begin with https:// or http://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return form("must not hold a user name or a password: messages are signed instead");
    }
    let refused = match url.host() {
        None => return form("names no host"),
        Some(Host::Ipv4(v4)) => rules.addresses.check(&v4.to_string(), v4.into()),
        Some(Host::Ipv6(v6)) => rules.addresses.check(&v6.to_string(), v6.into()),
        // These names mean this machine wherever they are asked for (RFC 6761 §6.3).
        Some(Host::Domain(name)) if is_localhost(name) => rules.addresses.check(name, IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(Host::Domain(name)) => rules.addresses.check_name(name),
    };
    match refused {
        Ok(()) => Ok(url),
        Err(refusal) => Err(Objection::Address(format!("may not be used: {refusal}"))),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], allow_http: bool) -> UrlRules {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        UrlRules { addresses: AddressRules { allow, only: Vec::new() }, allow_http }
    }

    #[test]
    fn public_https_addresses_pass_and_nothing_else_does() {
        let usual = UrlRules::default();
        for good in ["https://example.com/hook?x=1", "https://8.8.8.8:444/", "https://[2606:4700::1]/", "https://a.b"] {
            assert_eq!(url_objection(good, &usual), None, "{good}");
        }
        for (bad, why) in [
            ("http://example.com/", "must begin with https://"),
            ("ftp://example.com/", "must begin with https://"),
            ("example.com/hook", "cannot be read"),
            ("https://", "cannot be read"),
            ("https://a b/", "has a control character"),
            ("https://a/\n", "has a control character"),
            ("https://me@example.com/", "must not hold a user name"),
            ("https://:secret@example.com/", "must not hold a user name"),
            ("https://localhost/", "may not be used: localhost is at a loopback address"),
            ("https://a.localhost./", "may not be used"),
            ("https://127.0.0.1/", "may not be used"),
            ("https://0x7f.1/", "may not be used: 127.0.0.1 is at a loopback address"),
            ("https://2130706433/", "may not be used"),
            ("https://169.254.169.254/latest/meta-data", "may not be used: 169.254.169.254 is at a link-local address"),
            ("https://10.1.2.3/", "may not be used"),
            ("https://[::1]/", "may not be used"),
            ("https://[::ffff:10.0.0.1]/", "may not be used"),
        ] {
            let objection = url_objection(bad, &usual).unwrap_or_default();
            assert!(objection.starts_with(why) && !objection.contains("secret"), "{bad}: {objection}");
        }
    }

    #[test]
    fn what_the_operator_allows_passes() {
        let open = rules(&["10.1.0.0/16", "localhost"], true);
        for good in ["http://10.1.2.3/", "http://localhost:80/", "https://example.com/"] {
            assert_eq!(url_objection(good, &open), None, "{good}");
        }
        assert!(url_objection("http://10.2.0.1/", &open).is_some());
        assert!(url_objection("ftp://10.1.2.3/", &open).unwrap().contains("or http://"));
        let listed = UrlRules {
            addresses: AddressRules { allow: Vec::new(), only: vec!["*.example.org".parse().unwrap()] },
            allow_http: false,
        };
        assert_eq!(url_objection("https://a.example.org/", &listed), None);
        assert!(url_objection("https://example.com/", &listed).unwrap().contains("not on the list"));
    }
}
