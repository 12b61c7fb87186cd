//! A job as the simulated dispatcher knows it: which groups it has, how its spans stand, and what follows from a failure.

use crate::cost::Way;
use crate::fleet::{Amounts, RAM, THREADS};
use crate::load::{Arrival, Shape, owner_name};
use reelmill_scheduler::{Group, GroupId, JobDemand, JobId};
use std::sync::Arc;

/// How a span stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// To be started.
    Pending,
    /// Running.
    Running,
    /// Done, or no longer wanted.
    Ended,
}

/// One span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// How it stands.
    pub(crate) state: State,
    /// How often it failed and a device was to blame.
    pub(crate) blamed: u8,
    /// How often it was started.
    pub(crate) attempts: u16,
    /// It is made again in software, for it failed on devices.
    pub(crate) software: bool,
}

const FRESH: Span = Span { state: State::Pending, blamed: 0, attempts: 0, software: false };

/// A job that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// As it arrived.
    pub(crate) arrival: Arrival,
    /// Its spans; where it has sound, the first is the sound's.
    pub(crate) spans: Vec<Span>,
    /// When the first of them started, ms.
    pub(crate) started_ms: Option<u64>,
    /// Slots of the runs of its spans.
    pub(crate) running: Vec<usize>,
    /// The encoders that its pictures have been begun with.
    pub(crate) identity: Option<u32>,
    /// The kind that its pictures no longer run on.
    pub(crate) without: Option<usize>,
    /// Spans that are made again in software.
    pub(crate) redone: u32,
    /// It has been cancelled.
    pub(crate) cancelled: bool,
}

/// Threads that no fleet has.
const IMPOSSIBLE_THREADS: u64 = 1 << 40;
/// How much faster than playing a span of sound is encoded.
const SOUND_SPEED: f64 = 60.0;

impl Job {
    /// A job that has just arrived.
    pub(crate) fn new(arrival: Arrival) -> Self {
        let count = arrival.spans as usize + usize::from(arrival.sound);
        Self {
            spans: vec![FRESH; count],
            arrival,
            started_ms: None,
            running: vec![],
            identity: None,
            without: None,
            redone: 0,
            cancelled: false,
        }
    }

    /// What the scheduler is told of it.
    pub(crate) fn demand(&self, id: JobId, shape: &Shape) -> JobDemand {
        let mut groups = vec![shape.group.clone()];
        let mut spans = vec![GroupId(0); self.arrival.spans as usize];
        if self.arrival.sound {
            groups.push(Group { choices: vec![self.sound(shape).choice()] });
            spans.insert(0, GroupId(1));
        }
        if self.arrival.impossible {
            let mut way = self.sound(shape);
            way.host[THREADS] = IMPOSSIBLE_THREADS;
            groups[0] = Group { choices: vec![way.choice()] };
        }
        JobDemand {
            job: id,
            priority: self.arrival.priority,
            owner: owner_name(self.arrival.owner),
            deadline_ms: self.arrival.deadline_ms,
            groups,
            spans,
        }
    }

    /// Whether a span is the one of the sound.
    pub(crate) fn is_sound(&self, span: u32) -> bool {
        self.arrival.sound && span == 0
    }

    /// How the sound runs: one thread, all of it in one go.
    pub(crate) fn sound(&self, shape: &Shape) -> Way {
        let mut host = Amounts::default();
        (host[THREADS], host[RAM]) = (1, 256);
        let run_ms = (f64::from(self.arrival.spans) * shape.span_s * 1000.0 / SOUND_SPEED) as u64;
        Way { kind: None, abilities: vec![], device: Amounts::default(), host, identity: 0, run_ms }
    }

    /// The way that a choice of a span's group means, as an index of the shape's ways.
    pub(crate) fn way(&self, shape: &Shape, span: u32, choice: u32) -> Option<usize> {
        let software = self.spans.get(span as usize)?.software;
        let mut ways = (0..shape.ways.len()).filter(|at| match shape.ways[*at].kind {
            _ if software => *at + SOFTWARE_WAYS >= shape.ways.len(),
            kind => self.without.is_none() || kind != self.without,
        });
        ways.nth(choice as usize)
    }

    /// The group that spans made again in software belong to.
    pub(crate) fn software_group(&self) -> GroupId {
        GroupId(1 + u32::from(self.arrival.sound))
    }

    /// One more span, to be made in software in place of one that failed on devices.
    pub(crate) fn redo(&mut self) {
        self.spans.push(Span { software: true, ..FRESH });
        self.redone += 1;
    }
}

/// The last ways of every shape are those in software.
const SOFTWARE_WAYS: usize = 2;

/// The ways of a shape in software alone.
pub(crate) fn software(shape: &Shape) -> Group {
    let from = shape.group.choices.len().saturating_sub(SOFTWARE_WAYS);
    Group { choices: shape.group.choices[from..].to_vec() }
}

/// The ways of a shape without those of a kind.
pub(crate) fn without(shape: &Shape, kind: usize) -> Group {
    let keep = |way: &&Arc<Way>| way.kind != Some(kind);
    Group { choices: shape.ways.iter().filter(keep).map(|way| way.choice()).collect() }
}
