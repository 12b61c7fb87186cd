//! Whole-system tests of the service: a real daemon, real workers, real encodes, asked over the network.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod accelerators;
mod accelerators_faults;
mod accelerators_killed;
mod accelerators_told;
mod accelerators_wishes;
mod bucket;
mod covers;
mod daemon;
mod faults;
mod forgets;
mod heavy;
mod hooks;
mod http;
mod interrupted;
mod joined;
mod joined_texts;
mod keys;
mod kills;
mod loudness;
mod media;
mod order;
mod pictures;
mod rates;
mod ready;
mod retries;
mod s3;
mod shapes;
mod slow;
mod spans;
mod states;
mod stills;
mod stops;
mod stores;
mod texts;
mod traces;
mod two_pass;
mod upgrades;
mod usage;
mod watches;
mod watermarks;
