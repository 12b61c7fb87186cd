//! Placed plans: goldens, what must be true of every one, and all strings that can be emitted.

mod goldens;
mod made;
mod marks;
mod properties;
mod refusals;
mod strings;
