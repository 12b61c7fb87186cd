//! Reelmill's scheduler: a pure function from events and time to actions.
#![forbid(unsafe_code)]
