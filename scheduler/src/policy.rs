//! The constants of the policy, each with its reason.

/// Times and counts by which the scheduler decides. The default is for spans that take seconds to a few minutes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// A batch job of which nothing was started for so long counts as normal, ms. Long beside a span, so that batch work
    /// does not disturb a busy hour; short beside a night, so that it does not wait for one.
    pub batch_to_normal_ms: u64,
    /// A normal job (or a batch one that counts as normal) of which nothing was started for so long counts as high, ms.
    pub normal_to_high_ms: u64,
    /// A job that is high, or counts as such, comes before all shares after so long without a start, ms. With this every
    /// wait is bounded, whatever arrives.
    pub high_to_first_ms: u64,
    /// When no span of one demand could be started for so long though some waited, room is kept free for the next one,
    /// ms. Long enough that the ordinary end of spans would have made room, were it not for smaller ones.
    pub reserve_ms: u64,
    /// Room is kept free for one span, and for one more for each so many devices: what is kept free works for nobody
    /// until it suffices.
    pub devices_per_reservation: u32,
    /// So many failures of one ability of one device set it aside.
    pub failures_max: u32,
    /// Failures that are older than this do not count, ms.
    pub failure_window_ms: u64,
    /// How long an ability is set aside the first time, ms; each further time twice as long.
    pub quarantine_ms: u64,
    /// How long it is set aside at most, ms.
    pub quarantine_max_ms: u64,
    /// A probe that was not answered for so long has failed, ms.
    pub probe_timeout_ms: u64,
    /// So many spans in a row that went well make good one failure, and halve the next quarantine.
    pub forgive_spans: u32,
    /// A learned cap is raised by one step each time so long, ms: the others who hold the rest come and go by minutes.
    pub cap_probe_ms: u64,
    /// A device that is gone or set aside may come back for so long, ms: until then what only it could run waits, from
    /// then on it is refused. A driver is replaced, or a machine restarted, in less.
    pub absent_grace_ms: u64,
}

const MINUTE: u64 = 60_000;

impl Default for Policy {
    fn default() -> Self {
        Self {
            batch_to_normal_ms: 30 * MINUTE,
            normal_to_high_ms: 60 * MINUTE,
            high_to_first_ms: 60 * MINUTE,
            reserve_ms: 3 * MINUTE,
            devices_per_reservation: 256,
            failures_max: 3,
            failure_window_ms: 10 * MINUTE,
            quarantine_ms: MINUTE,
            quarantine_max_ms: 60 * MINUTE,
            probe_timeout_ms: 2 * MINUTE,
            forgive_spans: 32,
            cap_probe_ms: 5 * MINUTE,
            absent_grace_ms: 5 * MINUTE,
        }
    }
}

impl Policy {
    /// How long a job waits in a class before it rises.
    pub(crate) fn patience_ms(&self, class: usize) -> u64 {
        [self.high_to_first_ms, self.normal_to_high_ms, self.batch_to_normal_ms].get(class).copied().unwrap_or(0)
    }
}
