//! Which addresses may be connected to.

use super::special::{LINK_LOCAL, covers4, covers6, faces, special};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What may be connected to. The default is every global unicast address and nothing else.
///
/// IPv6 addresses that stand for one of IPv4 (mapped, translated, NAT64, 6to4, Teredo) are judged by that one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AddressRules {
    /// What may be connected to although it is not global unicast. A host name opens all addresses that the name has,
    /// but for link-local ones, where clouds answer with credentials: those are opened by their block alone.
    pub allow: Vec<Allowed>,
    /// Where this is not empty, nothing else may be connected to. It opens nothing by itself: a private address that is
    /// listed here must be listed in `allow` too.
    pub only: Vec<Allowed>,
}

/// Addresses, by block or by the name of a host: `10.1.0.0/16`, `fd00::/8`, `10.1.2.3`, `media.internal`, `*.example.org`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Allowed {
    /// The addresses of a block.
    Block(Block),
    /// The host of this name, in lower case.
    Host(String),
    /// Every host whose name ends with a dot and this, in lower case; not the host of this very name.
    Below(String),
}

/// A block of addresses (RFC 4632 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Its first address.
    pub address: IpAddr,
    /// Bits that all its addresses have in common: 0 to 32, or 0 to 128.
    pub prefix: u8,
}

/// Why an address may not be connected to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The address is no global unicast one, and nothing allows it.
    ///
    /// The address is not part of the sentence: a client would learn what lies where in the operator's network.
    #[error("{host} is at {kind} address, and none of these may be connected to")]
    Special {
        /// The host as it is named.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What the address is, with its article.
        kind: &'static str,
    },
    /// There is a list of what may be connected to, and this is not on it.
    #[error("{0} is not on the list of hosts that may be connected to")]
    NotListed(String),
}

/// A text that is neither a block of addresses nor a host name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is neither a block of addresses such as 10.1.0.0/16 nor a host such as media.internal or *.example.org")]
pub struct BadAllowed(String);

impl AddressRules {
    /// Whether `host` may be connected to at `address`.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        let host = host.trim_end_matches('.');
        for face in faces(address) {
            let listed = self.only.is_empty() || self.only.iter().any(|row| row.covers(host, face));
            if !listed {
                return Err(Refusal::NotListed(host.to_owned()));
            }
            let Some(kind) = special(face) else { continue };
            let opens =
                |row: &Allowed| row.covers(host, face) && (kind != LINK_LOCAL || matches!(row, Allowed::Block(_)));
            if !self.allow.iter().any(opens) {
                return Err(Refusal::Special { host: host.to_owned(), address, kind });
            }
        }
        Ok(())
    }

    /// Whether a host of this name may be looked up at all: a name that no rule can let through is not even asked for.
    ///
    /// # Errors
    /// [`Refusal::NotListed`].
    pub fn check_name(&self, host: &str) -> Result<(), Refusal> {
        let host = host.trim_end_matches('.');
        let may = |row: &Allowed| matches!(row, Allowed::Block(_)) || row.names(host);
        if self.only.is_empty() || self.only.iter().any(may) {
            return Ok(());
        }
        Err(Refusal::NotListed(host.to_owned()))
    }
}

impl Allowed {
    fn covers(&self, host: &str, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Block(Block { address: IpAddr::V4(block), prefix }), IpAddr::V4(v4)) => covers4(*block, *prefix, v4),
            (Self::Block(Block { address: IpAddr::V6(block), prefix }), IpAddr::V6(v6)) => covers6(*block, *prefix, v6),
            _ => self.names(host),
        }
    }

    fn names(&self, host: &str) -> bool {
        match self {
            Self::Block(_) => false,
            Self::Host(name) => host.eq_ignore_ascii_case(name),
            Self::Below(parent) => {
                let (host, parent) = (host.as_bytes(), parent.as_bytes());
                let Some(at) = host.len().checked_sub(parent.len() + 1) else { return false };
                at > 0 && host[at] == b'.' && host[at + 1..].eq_ignore_ascii_case(parent)
            }
        }
    }
}

impl FromStr for Allowed {
    type Err = BadAllowed;

    fn from_str(text: &str) -> Result<Self, BadAllowed> {
        let bad = || BadAllowed(text.chars().take(100).collect());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        if let Ok(address) = address.parse::<IpAddr>() {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Ok(whole), str::parse).map_err(|_| bad())?;
            return if prefix <= whole { Ok(Self::Block(Block { address, prefix })) } else { Err(bad()) };
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |parent| (parent, true));
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        // A name that ends in a number would be read as an address.
        let last = name.rsplit('.').next().unwrap_or_default();
        if name.len() > 253 || !name.split('.').all(label) || last.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(bad());
        }
        let name = name.to_ascii_lowercase();
        Ok(if below { Self::Below(name) } else { Self::Host(name) })
    }
}

impl TryFrom<String> for Allowed {
    type Error = BadAllowed;

    fn try_from(text: String) -> Result<Self, BadAllowed> {
        text.parse()
    }
}

impl From<Allowed> for String {
    fn from(allowed: Allowed) -> Self {
        allowed.to_string()
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(block) => write!(f, "{}/{}", block.address, block.prefix),
            Self::Host(name) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
