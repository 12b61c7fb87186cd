//! From what workers say they have used to what each output has cost. Pure: no IO, no clock.
//!
//! In the order of the flow: [`Audience`] says who wants what an order makes; an [`Attempt`] turns a worker's running totals
//! into what was added since; [`Accounts`] keeps that by who bears it, over attempts and restarts; [`Accounts::bill`] shares
//! it out to outputs ([`split`]: integer shares that add up exactly), weighs media ([`weights`]) and prices it ([`Prices`]).
//! The rules, for people: `docs/USAGE.md`.

/// The document beside a job that holds its [`Kept`].
pub const DOCUMENT: &str = "usage";

mod accounts;
mod attempt;
mod audience;
mod bill;
mod price;
mod split;
#[cfg(test)]
mod tests;
pub mod weights;

pub use accounts::{Accounts, Kept};
pub use attempt::Attempt;
pub use audience::{Audience, Bearer, Made};
pub use bill::Told;
pub use price::Prices;
pub use split::split;
