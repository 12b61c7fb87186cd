//! Which bills are asked for, and in which order they come.

use crate::model::JobId;
use crate::model::bill::UsageRow;

/// Where a bill stands among all. Compared field by field.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UsagePlace {
    /// The owner where bills are ordered by that first, else empty.
    pub owner: String,
    /// When the job ended, ms since 1970.
    pub ended_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// Index of the output in it.
    pub output: usize,
}

impl UsagePlace {
    /// Where this bill stands.
    pub fn of(row: &UsageRow, by_owner: bool) -> Self {
        let owner = if by_owner { row.owner.clone() } else { String::new() };
        Self { owner, ended_unix_ms: row.ended_unix_ms, job: row.job, output: row.output }
    }

    /// Behind all bills of an owner.
    pub const fn behind(owner: String) -> Self {
        Self { owner, ended_unix_ms: i64::MAX, job: JobId::from_number(u128::MAX), output: usize::MAX }
    }
}

/// Which bills to give; empty fields filter nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UsageQuery {
    /// Only those of this owner's jobs.
    pub owner: Option<String>,
    /// Only of jobs that ended at or after this, ms since 1970.
    pub from_unix_ms: Option<i64>,
    /// Only of jobs that ended before this.
    pub to_unix_ms: Option<i64>,
    /// By owner, then by end; else by end.
    pub by_owner: bool,
    /// Only those behind this place of the order.
    pub after: Option<UsagePlace>,
    /// At most so many; more than [`super::PAGE_MAX`] counts as that.
    pub limit: usize,
}

impl UsageQuery {
    /// Whether a bill is one that is asked for.
    pub(super) fn takes(&self, row: &UsageRow) -> bool {
        self.owner.as_ref().is_none_or(|owner| *owner == row.owner)
            && self.from_unix_ms.is_none_or(|from| row.ended_unix_ms >= from)
            && self.to_unix_ms.is_none_or(|to| row.ended_unix_ms < to)
            && self.after.as_ref().is_none_or(|after| UsagePlace::of(row, self.by_owner) > *after)
    }
}
