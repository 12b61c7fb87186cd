//! What work has cost: figures that say how they came about, by stage and by output.
//!
//! A figure that nobody knows is absent, never 0: `Option<Figure>`. Sums keep the weakest way in which a part of them came
//! about, and are absent when a part is.

use serde::{Deserialize, Serialize};

/// The steps of a job's life that are accounted for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the container and decoding, and what is done to all pictures or all sound before they are shared out.
    Decode,
    /// Scaling, watermarks, conversion of one rendition.
    Filter,
    /// Encoding of one rendition.
    Encode,
    /// Segmenting, manifests.
    Package,
    /// Uploads and checks of what was uploaded.
    Publish,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Decode, Self::Filter, Self::Encode, Self::Package, Self::Publish];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Filter => "filter",
            Self::Encode => "encode",
            Self::Package => "package",
            Self::Publish => "publish",
        }
    }

    /// The stage of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// How a figure came about. In order: the later one is the weaker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Counted one by one: bytes, pictures, media time.
    Counted,
    /// Read from a clock.
    Clock,
    /// The CPU clocks of the threads that did the work (`CLOCK_THREAD_CPUTIME_ID`), threads of libraries included.
    ThreadClock,
    /// What the kernel accounts to the process (`getrusage`).
    Process,
    /// Busy time of a device's engines that the kernel accounts to an open device (`/proc/*/fdinfo`, `drm-engine-*`).
    DeviceEngine,
    /// Told by a simulated device.
    Simulated,
    /// A device's measured use, shared out to those that used it by how much work each gave it.
    UtilisationShare,
    /// Work over the rate at which the device is known to do it.
    RateModel,
}

impl Method {
    /// All, the strongest first.
    pub const ALL: [Self; 8] = [
        Self::Counted,
        Self::Clock,
        Self::ThreadClock,
        Self::Process,
        Self::DeviceEngine,
        Self::Simulated,
        Self::UtilisationShare,
        Self::RateModel,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Clock => "clock",
            Self::ThreadClock => "thread_clock",
            Self::Process => "process",
            Self::DeviceEngine => "device_engine",
            Self::Simulated => "simulated",
            Self::UtilisationShare => "utilisation_share",
            Self::RateModel => "rate_model",
        }
    }

    /// The method of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// False: a model stands between what was read and the figure.
    pub const fn is_measured(self) -> bool {
        !matches!(self, Self::UtilisationShare | Self::RateModel)
    }
}

/// An amount, and how it came about. The unit is where it stands: its name ends in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// How much.
    pub value: u64,
    /// How that is known.
    pub method: Method,
}

impl Figure {
    /// So much, known so.
    pub const fn new(value: u64, method: Method) -> Self {
        Self { value, method }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        // Of nothing it does not matter how it is known.
        let method = match (self.value, other.value) {
            (0, _) => other.method,
            (_, 0) => self.method,
            _ => self.method.max(other.method),
        };
        Self { value: self.value.saturating_add(other.value), method }
    }

    /// The part `of` out of `total` of it, rounded down; nothing of nothing.
    pub fn share(self, of: u128, total: u128) -> Self {
        let part = u128::from(self.value).saturating_mul(of).checked_div(total).unwrap_or(0);
        Self { value: u64::try_from(part).unwrap_or(u64::MAX), method: self.method }
    }
}

/// The sum of what may be unknown: unknown when either is.
pub fn plus(one: Option<Figure>, other: Option<Figure>) -> Option<Figure> {
    Some(one?.plus(other?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_as_weak_as_its_weakest_part() {
        let clock = Figure::new(3, Method::ThreadClock);
        let guess = Figure::new(4, Method::RateModel);
        assert_eq!(clock.plus(guess), Figure::new(7, Method::RateModel));
        assert_eq!(Figure::new(0, Method::RateModel).plus(clock), clock);
        assert_eq!(plus(Some(clock), None), None);
    }

    #[test]
    fn shares_do_not_exceed_the_whole() {
        let whole = Figure::new(10, Method::Process);
        let parts: u64 = [1, 1, 1].iter().map(|part| whole.share(*part, 3).value).sum();
        assert_eq!(parts, 9);
        assert_eq!(whole.share(1, 0).value, 0);
        assert_eq!(Figure::new(u64::MAX, Method::Counted).share(u128::MAX, 1).value, u64::MAX);
    }

    #[test]
    fn names_lead_back() {
        assert!(Stage::ALL.iter().all(|stage| Stage::from_name(stage.name()) == Some(*stage)));
        assert!(Method::ALL.iter().all(|method| Method::from_name(method.name()) == Some(*method)));
        assert!(Method::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
