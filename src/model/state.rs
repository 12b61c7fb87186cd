//! Where a job, its sources and its outputs stand: one table of transitions each, and no other way to change a state.
//!
//! A [`Phase`] begins at the start of its table and changes only by [`Phase::after`], so a transition that the table
//! does not have cannot be written. `docs/STATES.md` shows the tables as diagrams; a test compares them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Something whose states and transitions are a table.
pub trait Machine: Copy + Eq + fmt::Debug + 'static {
    /// What makes it change.
    type Event: Copy + Eq + fmt::Debug + 'static;
    /// Where it begins.
    const START: Self;
    /// From, event, to.
    const TABLE: &'static [(Self, Self::Event, Self)];
    /// The name in messages, JSON and the API, lower case.
    fn name(self) -> &'static str;
}

/// A state that was reached by the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phase<M>(M);

impl<M: Machine> Phase<M> {
    /// The state now.
    pub const fn get(self) -> M {
        self.0
    }

    /// The state after an event; `None` where the table has no such transition, and nothing changes.
    pub fn after(self, event: M::Event) -> Option<Self> {
        M::TABLE.iter().find(|(from, on, _)| *from == self.0 && *on == event).map(|(_, _, to)| Self(*to))
    }

    /// Whether nothing can follow but a retry.
    pub fn is(self, state: M) -> bool {
        self.0 == state
    }
}

impl<M: Machine> Default for Phase<M> {
    fn default() -> Self {
        Self(M::START)
    }
}

macro_rules! names {
    ($type:ty { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every state, in the order of a life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The state with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The name in messages, JSON and the API, lower case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

/// Where a job stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Stored, waiting for its time or for room.
    Queued,
    /// Sources are looked at, destinations checked, the work planned.
    Preparing,
    /// Encoded and published.
    Running,
    /// Asked to stop, and not over yet.
    Stopping,
    /// Over: every output that was not stopped is there.
    Succeeded,
    /// Over: some outputs are there and some failed.
    Partial,
    /// Over: no output is there and at least one failed.
    Failed,
    /// Over: every output was stopped.
    Stopped,
}

names!(JobState { Queued => "queued", Preparing => "preparing", Running => "running", Stopping => "stopping",
    Succeeded => "succeeded", Partial => "partial", Failed => "failed", Stopped => "stopped" });

/// What changes a job.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobEvent {
    /// An attempt begins.
    Begin,
    /// Sources, destinations and plan are good.
    Prepared,
    /// The attempt ended before the job did: the daemon ended, or a fault that may pass is waited out.
    Suspend,
    /// A client asks for the stop.
    Stop,
    /// Over, with everything that was not stopped.
    Succeed,
    /// Over, with some outputs failed.
    SucceedInPart,
    /// Over, with nothing.
    Fail,
    /// Over, stopped.
    EndStopped,
    /// A client asks for another try.
    Retry,
}

impl JobState {
    /// Whether the job is over; only a retry follows.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Partial | Self::Failed | Self::Stopped)
    }
}

impl Machine for JobState {
    type Event = JobEvent;
    const START: Self = Self::Queued;
    const TABLE: &'static [(Self, JobEvent, Self)] = &[
        (Self::Queued, JobEvent::Begin, Self::Preparing),
        (Self::Queued, JobEvent::Stop, Self::Stopping),
        (Self::Preparing, JobEvent::Prepared, Self::Running),
        (Self::Preparing, JobEvent::Suspend, Self::Queued),
        (Self::Preparing, JobEvent::Stop, Self::Stopping),
        (Self::Preparing, JobEvent::Succeed, Self::Succeeded),
        (Self::Preparing, JobEvent::SucceedInPart, Self::Partial),
        (Self::Preparing, JobEvent::Fail, Self::Failed),
        (Self::Preparing, JobEvent::EndStopped, Self::Stopped),
        (Self::Running, JobEvent::Suspend, Self::Queued),
        (Self::Running, JobEvent::Stop, Self::Stopping),
        (Self::Running, JobEvent::Succeed, Self::Succeeded),
        (Self::Running, JobEvent::SucceedInPart, Self::Partial),
        (Self::Running, JobEvent::Fail, Self::Failed),
        (Self::Running, JobEvent::EndStopped, Self::Stopped),
        (Self::Stopping, JobEvent::EndStopped, Self::Stopped),
        (Self::Stopping, JobEvent::Succeed, Self::Succeeded),
        (Self::Stopping, JobEvent::SucceedInPart, Self::Partial),
        (Self::Stopping, JobEvent::Fail, Self::Failed),
        (Self::Partial, JobEvent::Retry, Self::Queued),
        (Self::Failed, JobEvent::Retry, Self::Queued),
        (Self::Stopped, JobEvent::Retry, Self::Queued),
        // With some outputs ready and the rest stopped.
        (Self::Succeeded, JobEvent::Retry, Self::Queued),
    ];
    fn name(self) -> &'static str {
        self.as_str()
    }
}

/// Where a source stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputState {
    /// Not looked at.
    Pending,
    /// Being opened and probed.
    Checking,
    /// Its facts are known.
    Ready,
    /// It cannot be used.
    Failed,
    /// The job was stopped before it was known.
    Stopped,
}

names!(InputState { Pending => "pending", Checking => "checking", Ready => "ready", Failed => "failed",
    Stopped => "stopped" });

/// What changes a source.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InputEvent {
    /// It is opened; in a later attempt, again.
    Check,
    /// Its facts are known.
    Accept,
    /// It cannot be used.
    Fail,
    /// The attempt ended before its facts were known.
    Suspend,
    /// The job was stopped.
    Stop,
}

impl Machine for InputState {
    type Event = InputEvent;
    const START: Self = Self::Pending;
    const TABLE: &'static [(Self, InputEvent, Self)] = &[
        (Self::Pending, InputEvent::Check, Self::Checking),
        (Self::Pending, InputEvent::Stop, Self::Stopped),
        (Self::Checking, InputEvent::Accept, Self::Ready),
        (Self::Checking, InputEvent::Fail, Self::Failed),
        (Self::Checking, InputEvent::Suspend, Self::Pending),
        (Self::Checking, InputEvent::Stop, Self::Stopped),
        (Self::Ready, InputEvent::Check, Self::Checking),
        (Self::Failed, InputEvent::Check, Self::Checking),
        (Self::Stopped, InputEvent::Check, Self::Checking),
    ];
    fn name(self) -> &'static str {
        self.as_str()
    }
}

/// Where an output stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputState {
    /// Nothing of it is made.
    Pending,
    /// Segments are made and published.
    Running,
    /// Everything is encoded; the check and the final manifests remain.
    Finishing,
    /// Asked to stop; what was published is being removed.
    Stopping,
    /// Over: published, checked, final.
    Ready,
    /// Over: something lay there, and is left.
    Skipped,
    /// Over: its problem says why.
    Failed,
    /// Over: stopped by request; nothing of it is left.
    Stopped,
}

names!(OutputState { Pending => "pending", Running => "running", Finishing => "finishing", Stopping => "stopping",
    Ready => "ready", Skipped => "skipped", Failed => "failed", Stopped => "stopped" });

/// What changes an output.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OutputEvent {
    /// The first of it is about to be made.
    Begin,
    /// The last of it is encoded.
    Encoded,
    /// It is published, checked and final.
    Publish,
    /// Something lies at its destination, and is to be left.
    Skip,
    /// It cannot be made.
    Fail,
    /// The attempt ended before the output did.
    Suspend,
    /// A client, or another output's failure, asks for the stop.
    Stop,
    /// Nothing of it is left.
    EndStopped,
    /// A client asks for another try.
    Retry,
}

impl OutputState {
    /// Whether the output is over; only a retry follows.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ready | Self::Skipped | Self::Failed | Self::Stopped)
    }
}

impl Machine for OutputState {
    type Event = OutputEvent;
    const START: Self = Self::Pending;
    const TABLE: &'static [(Self, OutputEvent, Self)] = &[
        (Self::Pending, OutputEvent::Begin, Self::Running),
        (Self::Pending, OutputEvent::Skip, Self::Skipped),
        (Self::Pending, OutputEvent::Fail, Self::Failed),
        (Self::Pending, OutputEvent::Stop, Self::Stopping),
        (Self::Running, OutputEvent::Encoded, Self::Finishing),
        (Self::Running, OutputEvent::Fail, Self::Failed),
        (Self::Running, OutputEvent::Suspend, Self::Pending),
        (Self::Running, OutputEvent::Stop, Self::Stopping),
        (Self::Finishing, OutputEvent::Publish, Self::Ready),
        (Self::Finishing, OutputEvent::Fail, Self::Failed),
        (Self::Finishing, OutputEvent::Suspend, Self::Pending),
        (Self::Finishing, OutputEvent::Stop, Self::Stopping),
        (Self::Stopping, OutputEvent::EndStopped, Self::Stopped),
        (Self::Failed, OutputEvent::Retry, Self::Pending),
        (Self::Stopped, OutputEvent::Retry, Self::Pending),
    ];
    fn name(self) -> &'static str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn check<M: Machine + Ord>(all: &[M]) -> String {
        let mut reached = BTreeSet::from([M::START]);
        let mut pairs = Vec::new();
        for _ in all {
            let next: Vec<_> = M::TABLE.iter().filter(|(from, _, _)| reached.contains(from)).collect();
            reached.extend(next.iter().map(|(_, _, to)| *to));
        }
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), all, "every state can be reached");
        let mut diagram = format!("stateDiagram-v2\n    [*] --> {}\n", M::START.name());
        for (from, event, to) in M::TABLE {
            assert!(!pairs.contains(&(*from, *event)), "{from:?} has two ways for {event:?}");
            pairs.push((*from, *event));
            diagram.push_str(&format!("    {} --> {}: {event:?}\n", from.name(), to.name()));
        }
        diagram
    }

    #[test]
    fn the_diagrams_show_the_tables() {
        let shown = std::fs::read_to_string("docs/STATES.md").unwrap();
        for diagram in [check(JobState::ALL), check(InputState::ALL), check(OutputState::ALL)] {
            assert!(shown.contains(&format!("```mermaid\n{diagram}```")), "docs/STATES.md needs\n{diagram}");
        }
    }

    #[test]
    fn only_what_the_table_has_can_happen() {
        let queued = Phase::<JobState>::default();
        assert_eq!(queued.after(JobEvent::Succeed), None);
        let running = queued.after(JobEvent::Begin).and_then(|p| p.after(JobEvent::Prepared)).unwrap();
        assert!(running.is(JobState::Running) && !running.get().is_over());
        assert_eq!(serde_json::to_string(&running).unwrap(), "\"running\"");
        assert_eq!(JobState::from_name("partial"), Some(JobState::Partial));
    }
}
