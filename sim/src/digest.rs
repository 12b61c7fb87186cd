//! One number for a list of actions: equal lists have equal numbers, others almost never.

use crate::rng::mix;
use reelmill_scheduler::{Action, DeviceId, JobId, SpanId};

/// A running digest. Not made against malice, only against change.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Digest(pub u64);

impl Digest {
    /// Adds a number.
    pub fn number(&mut self, value: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ value.wrapping_add(0x9E37_79B9_7F4A_7C15));
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
    }

    fn span(&mut self, tag: u64, job: JobId, span: SpanId) {
        self.number(tag);
        self.number(job.0);
        self.number(u64::from(span.0));
    }

    fn device(&mut self, device: Option<DeviceId>) {
        self.number(device.map_or(u64::MAX, |device| u64::from(device.0)));
    }

    /// Adds an action, the sentence of its reason too.
    pub fn action(&mut self, action: &Action) {
        match action {
            Action::Start { job, span, attempt, lease, choice, device, reason } => {
                self.span(1, *job, *span);
                self.number(u64::from(*attempt));
                self.number(lease.0);
                self.number(u64::from(*choice));
                self.device(*device);
                self.text(reason);
            }
            Action::Wait { job, span, dimension } => {
                self.span(2, *job, *span);
                self.text(&dimension.to_string());
            }
            Action::Refuse { job, span, dimension, needed, capacity } => {
                self.span(3, *job, *span);
                self.text(&dimension.to_string());
                self.number(*needed);
                self.number(*capacity);
            }
            Action::Stop { job, span } => self.span(4, *job, *span),
            Action::JobDone { job } => self.span(5, *job, SpanId(0)),
            Action::JobStopped { job } => self.span(6, *job, SpanId(0)),
            Action::Probe { device, ability } => {
                self.number(7);
                self.device(Some(*device));
                self.text(&ability.0);
            }
        }
    }
}

/// The digest of what one event led to.
pub fn of(actions: &[Action]) -> Digest {
    let mut digest = Digest::default();
    actions.iter().for_each(|action| digest.action(action));
    digest
}
