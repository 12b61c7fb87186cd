//! What the planner decided that the client may not expect.

use crate::model::plan::Note;

/// Notes in the order in which decisions were made, none twice.
#[derive(Clone, Default, Debug)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    /// Tells one decision: a stable dotted code and one sentence.
    pub(super) fn add(&mut self, code: &str, message: impl Into<String>) {
        let note = Note { code: code.to_owned(), message: message.into() };
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// Tells what is told here too.
    pub(super) fn extend(&mut self, others: &Self) {
        for Note { code, message } in &others.0 {
            self.add(code, message.as_str());
        }
    }

    /// All of them.
    pub(super) fn into_vec(self) -> Vec<Note> {
        self.0
    }
}
