//! Stage tests: spans over sources made in memory, with an outlet that records what it is given.

mod copy;
mod made;
mod sound;
mod span;
