//! What all stages of a span share: the wish to stop, the tracks that nobody wants any more, and the first thing that
//! went wrong.

use crate::model::Problem;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One for each span.
#[derive(Default)]
pub struct Control {
    stop: Arc<AtomicBool>,
    problem: Mutex<Option<Problem>>,
    // As many as the daemon names; it names tracks of the plan.
    dropped: Mutex<BTreeSet<String>>,
    /// Frames that the decoder made.
    pub frames_decoded: AtomicU64,
    /// Packets and frames that could not be decoded whole.
    pub decode_errors: AtomicU64,
}

impl Control {
    /// Records a problem, the first one wins, and stops every stage.
    pub fn fail(&self, problem: Problem) {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asks every stage to stop without recording a problem.
    pub fn cancel(&self) {
        self.fail(Problem::cancelled());
    }

    /// Nobody wants these tracks any more. Each ends with its next frame; what is made from its frames goes on.
    pub fn drop_tracks(&self, tracks: impl IntoIterator<Item = String>) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).extend(tracks);
    }

    /// Whether nobody wants this track any more.
    pub fn is_dropped(&self, track: &str) -> bool {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).contains(track)
    }

    /// Whether to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The flag behind [`Control::stopped`], for FFmpeg's interrupt callback.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// The first problem, if there was one.
    pub fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
