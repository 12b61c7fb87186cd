//! Whom the CPU time of a span is spent for: a stage of a rendition, or of all of them together.
//!
//! A thread works for an account, and so do the threads that libraries start from it. What all renditions share (the
//! input, the decoder, what is done to all pictures) is decoding of no rendition; a rung's thread filters, and changes
//! hands where it encodes or packages.

use crate::model::usage::Stage;
use crate::sys::threads::{self, Entered, Owner};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The accounts of a span, in the order in which they were first named. Threads know them by number, one more than the
/// place, since number 0 is nobody's.
#[derive(Default, Debug)]
pub struct Accounts {
    // At most three for each rendition of the plan, and one.
    names: Mutex<Vec<(String, Stage)>>,
}

impl Accounts {
    /// The owner that stands for a stage of a rendition; an empty one stands for all of them.
    pub fn owner(&self, track: &str, stage: Stage) -> Owner {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.iter().position(|(name, of)| name == track && *of == stage);
        let place = known.unwrap_or_else(|| {
            names.push((track.to_owned(), stage));
            names.len() - 1
        });
        Owner::of(place + 1)
    }

    /// This thread, and those that are made from it, work for what all renditions share, until the guard is dropped.
    pub fn share(&self) -> Entered {
        threads::enter(self.owner("", Stage::Decode))
    }

    /// CPU time that was spent up to now, by account. `None` where threads are not accounted for.
    pub fn spent(&self) -> Option<Vec<(String, Stage, Duration)>> {
        let spent = threads::spent()?;
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let told = names.iter().zip(spent.get(1..)?);
        Some(told.map(|((track, stage), ns)| (track.clone(), *stage, Duration::from_nanos(*ns))).collect())
    }
}

/// The accounts of one track.
#[derive(Clone, Copy, Debug)]
pub struct TrackAccounts {
    filter: Owner,
    encode: Owner,
    package: Owner,
}

impl TrackAccounts {
    /// Those of the track of this id.
    pub fn of(accounts: &Accounts, track: &str) -> Self {
        Self {
            filter: accounts.owner(track, Stage::Filter),
            encode: accounts.owner(track, Stage::Encode),
            package: accounts.owner(track, Stage::Package),
        }
    }

    /// What this thread does is filtering, until the guard is dropped.
    pub fn filtering(self) -> Entered {
        threads::enter(self.filter)
    }

    /// What this thread does is encoding, until the guard is dropped.
    pub fn encoding(self) -> Entered {
        threads::enter(self.encode)
    }

    /// What this thread does is packaging, until the guard is dropped.
    pub fn packaging(self) -> Entered {
        threads::enter(self.package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_keeps_its_owner() {
        let accounts = Accounts::default();
        let shared = accounts.owner("", Stage::Decode);
        let track = TrackAccounts::of(&accounts, "720p");
        assert_ne!(shared, Owner::NOBODY);
        assert_eq!(accounts.owner("", Stage::Decode), shared);
        assert_eq!(accounts.owner("720p", Stage::Encode), track.encode);
        assert_eq!(accounts.owner("480p", Stage::Encode).number(), 5);
    }
}
