//! Closed captions: which there are, and what becomes of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Captions that come with the pictures, by their names in HLS (`INSTREAM-ID`, RFC 8216 §4.3.4.1) and DASH.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CaptionChannel {
    /// `CC1` to `CC4`: a channel of line 21 (CTA-608-E).
    Line21(u8),
    /// `SERVICE1` to `SERVICE63`: a service of digital television (CTA-708-E).
    Service(u8),
}

impl CaptionChannel {
    /// Services that there can be.
    pub const SERVICES_MAX: u8 = 63;
}

impl fmt::Display for CaptionChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line21(channel) => write!(f, "CC{channel}"),
            Self::Service(service) => write!(f, "SERVICE{service}"),
        }
    }
}

/// Closed captions in the pictures of an output, as players are told of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaptionLabel {
    /// Which.
    pub channel: CaptionChannel,
    /// Language code, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What players show, unique in the output.
    pub title: String,
    /// Shown unless the viewer chooses otherwise; true for at most one of the output.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
}

/// A name that is none of a channel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no captions: there are CC1 to CC4, and SERVICE1 to SERVICE63")]
pub struct NoChannel(String);

impl FromStr for CaptionChannel {
    type Err = NoChannel;

    fn from_str(name: &str) -> Result<Self, NoChannel> {
        let upper = name.to_ascii_uppercase();
        let number = |prefix: &str, max: u8| {
            let digits = upper.strip_prefix(prefix)?;
            let number = digits.parse::<u8>().ok().filter(|number| (1..=max).contains(number))?;
            (number.to_string() == digits).then_some(number)
        };
        let found =
            number("CC", 4).map(Self::Line21).or_else(|| number("SERVICE", Self::SERVICES_MAX).map(Self::Service));
        found.ok_or_else(|| NoChannel(name.chars().take(40).collect()))
    }
}

impl TryFrom<String> for CaptionChannel {
    type Error = NoChannel;

    fn try_from(name: String) -> Result<Self, NoChannel> {
        name.parse()
    }
}

impl From<CaptionChannel> for String {
    fn from(channel: CaptionChannel) -> Self {
        channel.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_called_as_in_manifests() {
        for name in ["CC1", "CC4", "SERVICE1", "SERVICE63"] {
            assert_eq!(name.parse::<CaptionChannel>().unwrap().to_string(), name);
        }
        assert_eq!("cc3".parse(), Ok(CaptionChannel::Line21(3)));
        for name in ["", "CC", "CC0", "CC5", "CC01", "SERVICE0", "SERVICE64", "SERVICE+1", "T1"] {
            assert!(name.parse::<CaptionChannel>().is_err(), "{name}");
        }
    }
}
