//! Values of settings: how they are written, what is allowed, and how they are shown.

use super::secret::Secret;
use crate::model::DeviceChoice;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Units of sizes, largest first.
const SIZES: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
/// Units of times in ms, largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Billionths in a unit of a currency.
const NANOS: u64 = 1_000_000_000;
/// Longest name that an operator gives something, bytes: an S3 bucket name has as many.
const NAME_BYTES_MAX: usize = 63;

/// What may be written for a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Any text but the empty one.
    Text,
    /// A path. In a file it starts from the directory of that file.
    Path,
    /// Paths of directories.
    Paths,
    /// Blocks of addresses and names of hosts.
    Hosts,
    /// Address and port to listen at.
    Address,
    /// `http://` or `https://` and a host.
    Url,
    /// What `tracing` calls a filter.
    Filter,
    /// True or false.
    Flag,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A size from the first to the second, bytes.
    Bytes(u64, u64),
    /// A time from the first to the second, ms.
    Time(u64, u64),
    /// Money: units of a currency with up to nine digits behind the point.
    Money,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Which devices may be used.
    Devices,
    /// A secret; where true, one that may stand in the file as it is.
    Secret(bool),
}

/// A value as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Raw {
    /// In the environment or on the command line: everything is text there, and lists are joined by commas.
    Plain(String),
    /// A string of a file.
    Text(String),
    /// A whole number of a file; `None` for one that is below 0 or beyond all limits.
    Number(Option<u64>),
    /// A truth value of a file.
    Flag(bool),
    /// A list of strings of a file.
    List(Vec<String>),
    /// Anything else, by its name.
    Other(&'static str),
}

/// A value that was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Unset,
    Text(String),
    Path(PathBuf),
    List(Vec<String>),
    Flag(bool),
    Number(u64),
    /// Billionths of a unit of a currency.
    Money(u64),
    Bytes(u64),
    Time(Duration),
    Address(SocketAddr),
    Secret(Secret),
}

impl Kind {
    /// Reads a value; the error says what is allowed.
    pub(super) fn read(self, raw: &Raw) -> Result<Value, String> {
        self.understood(raw).ok_or_else(|| self.allowed())
    }

    fn understood(self, raw: &Raw) -> Option<Value> {
        let text = match raw {
            Raw::Plain(text) | Raw::Text(text) => Some(text.as_str()).filter(|text| is_clean(text)),
            _ => None,
        };
        let within = |number: u64, least, most| Some(number).filter(|number| (least..=most).contains(number));
        match (self, raw) {
            (Self::Devices, Raw::List(list)) => devices(&list.join(",")),
            (Self::Devices, _) => devices(text?),
            (Self::Paths | Self::Hosts, Raw::List(list)) => self.list(list.iter().map(String::as_str)),
            (Self::Paths | Self::Hosts, Raw::Plain(text)) => {
                self.list(text.split(',').map(str::trim).filter(|part| !part.is_empty()))
            }
            (Self::Flag, Raw::Flag(flag)) => Some(Value::Flag(*flag)),
            (Self::Flag, Raw::Plain(text)) => text.parse().ok().map(Value::Flag),
            (Self::Number(least, most), Raw::Number(number)) => within((*number)?, least, most).map(Value::Number),
            (Self::Number(least, most), Raw::Plain(text)) => within(digits(text)?, least, most).map(Value::Number),
            (Self::Bytes(least, most), Raw::Number(number)) => within((*number)?, least, most).map(Value::Bytes),
            (Self::Bytes(least, most), Raw::Plain(text)) if digits(text).is_some() => {
                within(digits(text)?, least, most).map(Value::Bytes)
            }
            (Self::Bytes(least, most), _) => within(with_unit(text?, &SIZES)?, least, most).map(Value::Bytes),
            (Self::Time(least, most), _) => {
                within(with_unit(text?, &TIMES)?, least, most).map(|ms| Value::Time(Duration::from_millis(ms)))
            }
            (Self::Money, Raw::Number(number)) => nanos(&(*number)?.to_string()).map(Value::Money),
            (Self::Money, _) => nanos(text?).map(Value::Money),
            (Self::Address, _) => text?.parse().ok().map(Value::Address),
            (Self::Path, _) => text.map(|text| Value::Path(text.into())),
            (Self::Choice(words), _) => {
                text.filter(|text| words.contains(text)).map(|text| Value::Text(text.to_owned()))
            }
            (Self::Url, _) => text.filter(|text| is_address_of_host(text)).map(|text| Value::Text(text.to_owned())),
            (Self::Filter, _) => text.filter(|text| is_filter(text)).map(|text| Value::Text(text.to_owned())),
            (Self::Secret(_), _) => text.map(|text| Value::Secret(Secret::new(text))),
            (Self::Text, _) => text.map(|text| Value::Text(text.to_owned())),
            _ => None,
        }
    }

    fn list<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<Value> {
        let good = |part: &&str| is_clean(part) && (self != Self::Hosts || is_host_or_block(part));
        let list: Vec<_> = parts.map(|part| Some(part).filter(good).map(str::to_owned)).collect::<Option<_>>()?;
        Some(Value::List(list))
    }

    /// What may be written, as the end of "write …".
    pub(super) fn allowed(self) -> String {
        match self {
            Self::Text | Self::Secret(_) => "a text that is not empty, on one line".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Paths => "a list of directories".to_owned(),
            Self::Hosts => {
                "a list of addresses and hosts such as 10.1.0.0/16, fd00::/8, media.internal or *.example.org"
                    .to_owned()
            }
            Self::Address => "an address with a port such as 127.0.0.1:7443 or [::]:7443".to_owned(),
            Self::Url => "an address such as https://store.example:9000, without path or password".to_owned(),
            Self::Filter => "a log filter such as info or warn,reelmill::publish=debug".to_owned(),
            Self::Devices => DeviceChoice::allowed().to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Bytes(least, most) => {
                format!(
                    "a size from {} to {}, in bytes or with a unit (B, KiB, MiB, GiB, TiB)",
                    size(least),
                    size(most)
                )
            }
            Self::Time(least, most) => {
                format!("a time from {} to {}, with a unit (ms, s, m, h, d)", time(least), time(most))
            }
            Self::Money => {
                "money in quotes, with at most nine digits behind the point, such as \"0.000015\"".to_owned()
            }
            Self::Choice(words) => words.join(" or "),
        }
    }
}

impl Value {
    /// As it would be written; empty when it is not set.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Unset => String::new(),
            Self::Text(text) => text.clone(),
            Self::Path(path) => path.display().to_string(),
            Self::List(list) => list.join(", "),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Money(nanos) => money(*nanos),
            Self::Bytes(bytes) => size(*bytes),
            Self::Time(duration) => time(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            Self::Address(address) => address.to_string(),
            Self::Secret(secret) => secret.to_string(),
        }
    }
}

/// A size in the largest unit that it is a whole number of.
fn size(bytes: u64) -> String {
    let (unit, number) = largest(bytes, &SIZES);
    format!("{number} {unit}")
}

/// A time in ms, in the largest unit that it is a whole number of.
fn time(ms: u64) -> String {
    let (unit, number) = largest(ms, &TIMES);
    format!("{number}{unit}")
}

fn largest(value: u64, units: &[(&'static str, u64)]) -> (&'static str, u64) {
    let fits = |(_, scale): &&(&str, u64)| value >= *scale && value.is_multiple_of(*scale);
    let smallest = units.iter().min_by_key(|(_, scale)| *scale);
    units.iter().find(fits).or(smallest).map_or(("", value), |(unit, scale)| (*unit, value / scale))
}

/// `20 GiB`, `30s`: a whole number and its unit.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits(number)?.checked_mul(*scale)
}

/// `12.05` in billionths, up to a million.
fn nanos(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || !(1..=9).contains(&rest.len()) {
        return None;
    }
    let rest = digits(rest)?.checked_mul(10_u64.pow(9 - rest.len() as u32))?;
    digits(whole).filter(|whole| *whole <= 1_000_000)?.checked_mul(NANOS)?.checked_add(rest)
}

/// Billionths as they are written.
fn money(nanos: u64) -> String {
    let text = format!("{}.{:09}", nanos / NANOS, nanos % NANOS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Not empty, and on one line.
fn is_clean(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn is_filter(text: &str) -> bool {
    tracing_subscriber::EnvFilter::try_new(text).is_ok()
}

/// What `devices` may be; kept as text.
fn devices(text: &str) -> Option<Value> {
    text.parse::<DeviceChoice>().is_ok().then(|| Value::Text(text.to_owned()))
}

/// Scheme, host and port of a store: its buckets and keys make the path.
fn is_address_of_host(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// A block of addresses (RFC 4632 §3.1), one address, a host, or every host below a name.
fn is_host_or_block(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    if let Ok(address) = address.parse::<IpAddr>() {
        let most = if address.is_ipv4() { 32 } else { 128 };
        return prefix.is_none_or(|prefix| digits(prefix).is_some_and(|bits| bits <= most));
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A name whose end is a number would be read as an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(label) && !last.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether an operator may name something so: lower case, so that the environment can name it too.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
