//! Short words for events and answers, shared by the tests of decisions.
#![expect(dead_code, reason = "each test program uses some of them")]

use reelmill_scheduler::{
    Ability, Action, CPU_THREADS, Choice, Device, DeviceId, ENCODE_SHARE, Event, Group, GroupId, JobDemand, JobId,
    KindId, LeaseId, Priority, SpanId, Vector,
};

/// A minute in milliseconds.
pub(crate) const MINUTE: u64 = 60_000;

/// A device with so much encode share.
pub(crate) fn device(id: u32, kind: u32, share: u64) -> Event {
    let device = Device { id: DeviceId(id), kind: KindId(kind), capacity: Vector::of(ENCODE_SHARE, share) };
    Event::DeviceUp { device }
}

/// A choice of a kind of device.
pub(crate) fn choice(kind: u32, share: u64, ability: Option<Ability>) -> Choice {
    Choice {
        kind: Some(KindId(kind)),
        abilities: ability.into_iter().collect(),
        device: Vector::of(ENCODE_SHARE, share),
        host: Vector::default(),
        identity: 0,
        run_ms: 0,
    }
}

/// The same, relying on nothing in particular.
pub(crate) fn gpu(kind: u32, share: u64) -> Choice {
    choice(kind, share, None)
}

/// A choice of the host's threads.
pub(crate) fn cpu(threads: u64) -> Choice {
    let host = Vector::of(CPU_THREADS, threads);
    Choice { kind: None, abilities: vec![], device: Vector::default(), host, identity: 0, run_ms: 0 }
}

/// A group of these choices.
pub(crate) fn group<const N: usize>(choices: [Choice; N]) -> Group {
    Group { choices: choices.into() }
}

/// A job of so many spans, which take its groups in turn.
pub(crate) fn submit(id: u64, priority: Priority, owner: &str, groups: Vec<Group>, spans: u32) -> Event {
    let count = groups.len().max(1) as u32;
    let spans = (0..spans).map(|span| GroupId(span % count)).collect();
    Event::JobSubmitted {
        job: JobDemand { job: job(id), priority, owner: owner.into(), deadline_ms: None, groups, spans },
    }
}

/// The same with a deadline.
pub(crate) fn submit_by(deadline_ms: u64, event: Event) -> Event {
    match event {
        Event::JobSubmitted { job } => Event::JobSubmitted { job: JobDemand { deadline_ms: Some(deadline_ms), ..job } },
        other => other,
    }
}

/// A job's name.
pub(crate) fn job(id: u64) -> JobId {
    JobId(id)
}

/// A span is done.
pub(crate) fn done(id: u64, span: u32) -> Event {
    Event::SpanFinished { job: job(id), span: SpanId(span) }
}

/// A span failed through no fault of a device.
pub(crate) fn failed(id: u64, span: u32, again_ms: u64) -> Event {
    Event::SpanFailed { job: job(id), span: SpanId(span), again_ms, blame: None }
}

/// A span is not wanted any more.
pub(crate) fn drop_span(id: u64, span: u32) -> Event {
    Event::SpanDropped { job: job(id), span: SpanId(span) }
}

/// The first start among actions: its lease, device and reason.
pub(crate) fn start(actions: &[Action]) -> Option<(LeaseId, Option<DeviceId>, String)> {
    actions.iter().find_map(|action| match action {
        Action::Start { lease, device, reason, .. } => Some((*lease, *device, reason.clone())),
        _ => None,
    })
}

/// `start 1.0 by 2 on 3` and so on: job, span, choice, device.
pub(crate) fn answers(actions: &[Action]) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Start { job, span, choice, device, .. } => {
            let on = device.map_or_else(String::new, |device| format!(" on {}", device.0));
            format!("start {}.{} by {choice}{on}", job.0, span.0)
        }
        Action::Wait { job, span, dimension } => format!("wait {}.{} {dimension}", job.0, span.0),
        Action::Refuse { job, span, dimension, needed, capacity } => {
            format!("refuse {}.{} {dimension} {needed} of {capacity}", job.0, span.0)
        }
        Action::Stop { job, span } => format!("stop {}.{}", job.0, span.0),
        Action::JobDone { job } => format!("done {}", job.0),
        Action::JobStopped { job } => format!("stopped {}", job.0),
        Action::Probe { device, ability } => format!("probe {} {ability}", device.0),
    };
    actions.iter().map(line).collect()
}
