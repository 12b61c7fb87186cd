//! What the parts of a job need while they run, for the scheduler.

use crate::model::spec;
use crate::publish::Part;
use reelmill_scheduler::{CPU_THREADS, Priority, Vector};

/// What a part needs while it runs. Video spans share the threads evenly, so that all of them run side by side where
/// there are as many threads. The audio pass needs a small part of one, so it is let in beside them.
pub(super) fn demand(part: Part, threads: u64, spans: usize) -> Vector {
    match part {
        Part::Video(_) => Vector::of(CPU_THREADS, (threads / spans.max(1) as u64).max(1)),
        Part::Audio => Vector::default(),
    }
}

/// The scheduler's word for a class.
pub(super) const fn priority(class: spec::Priority) -> Priority {
    match class {
        spec::Priority::High => Priority::High,
        spec::Priority::Normal => Priority::Normal,
        spec::Priority::Batch => Priority::Batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_spans_as_asked_run_side_by_side_where_there_are_threads() {
        let fit = |threads: u64, spans: usize| threads / demand(Part::Video(0), threads, spans).get(&CPU_THREADS);
        for (threads, spans, side_by_side) in [(8, 1, 1), (8, 3, 4), (8, 8, 8), (2, 3, 2), (1, 1, 1)] {
            assert_eq!(fit(threads, spans), side_by_side, "{spans} spans on {threads} threads");
        }
        assert!(demand(Part::Audio, 8, 1).is_zero());
    }
}
