//! What all stages of a span share: the wish to stop, the tracks that nobody wants any more or that their device cannot
//! make, the device, and the first thing that went wrong.

use super::accel::Accelerator;
use super::account::Accounts;
use super::equipment::Equipment;
use super::flow::Stopped;
use super::marks::Images;
use super::steps::Steps;
use super::trouble::DeviceTrouble;
use crate::model::Problem;
use crate::model::device::{DeviceFault, DeviceKind};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One for each span.
#[derive(Default)]
pub struct Control {
    stop: Arc<AtomicBool>,
    end: Mutex<End>,
    // As many as the daemon names, and those of the plan that failed; it names tracks of the plan.
    dropped: Mutex<BTreeSet<String>>,
    device: OnceLock<(DeviceKind, Box<dyn Accelerator>)>,
    images: OnceLock<Images>,
    trusts: AtomicBool,
    /// Whom CPU time is spent for.
    pub accounts: Accounts,
    steps: Steps,
    /// Frames that the decoder made.
    pub frames_decoded: AtomicU64,
    /// Packets and frames that could not be decoded whole.
    pub decode_errors: AtomicU64,
}

/// How a span comes to its end before it is whole.
#[derive(Default)]
struct End {
    /// The first problem.
    problem: Option<Problem>,
    /// What it says about the device, where that is to blame.
    device: Option<(DeviceFault, String)>,
    /// Why the last track failed that failed alone, and what that says about the device.
    last_track: Option<(Problem, Option<(DeviceFault, String)>)>,
}

impl Control {
    /// The span has this device beside the CPU. The first one stays.
    pub fn equip(&self, kind: DeviceKind, device: Box<dyn Accelerator>) {
        // A span has one device at most; who gives it a second one is not obeyed.
        let _ = self.device.set((kind, device));
    }

    /// What carries the stages out.
    pub fn equipment(&self) -> Equipment<'_> {
        self.device.get().map_or(Equipment::default(), |(kind, device)| Equipment::with(*kind, device.as_ref()))
    }

    /// The span has these images of watermarks. The first ones stay.
    pub fn lend_images(&self, images: Images) {
        // A span reads its images once; who gives it others is not obeyed.
        let _ = self.images.set(images);
    }

    /// The images of watermarks; none where none were given.
    pub fn images(&self) -> &Images {
        self.images.get_or_init(Images::default)
    }

    /// What the device makes is not looked at: for drivers of tests that make no pictures, and to measure what looking costs.
    pub fn trust_device(&self) {
        self.trusts.store(true, Ordering::Relaxed);
    }

    /// Whether what the device makes is looked at.
    pub fn is_checked(&self) -> bool {
        !self.trusts.load(Ordering::Relaxed)
    }

    /// The steps that were taken.
    pub const fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Records a problem, the first one wins, and stops every stage.
    pub fn fail(&self, problem: Problem) {
        self.end(problem, None);
    }

    /// As [`Control::fail`], where the device failed at what all renditions need.
    pub fn fail_on_device(&self, trouble: DeviceTrouble) {
        self.end(trouble.problem, Some((trouble.fault, trouble.ability)));
    }

    fn end(&self, problem: Problem, device: Option<(DeviceFault, String)>) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.problem.is_none() {
            (end.problem, end.device) = (Some(problem), device);
        }
        drop(end);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// A stage has stopped before its end: records why, where it was the first to fail.
    pub fn stage_stopped(&self, stopped: Stopped) {
        match stopped {
            Stopped::Failed(problem) => self.fail(problem),
            Stopped::Device(trouble) => self.fail_on_device(*trouble),
            Stopped::Alone(problem) => self.fail(*problem),
            Stopped::Neighbour | Stopped::Unwanted => {}
        }
    }

    /// A track cannot be made on its device: it ends as if it had been dropped. False when it had been.
    pub fn fail_track(&self, track: &str, trouble: &DeviceTrouble) -> bool {
        self.end_track(track, &trouble.problem, Some((trouble.fault, trouble.ability.clone())))
    }

    /// As [`Control::fail_track`], where what the track is made with is to blame.
    pub fn refuse_track(&self, track: &str, problem: &Problem) -> bool {
        self.end_track(track, problem, None)
    }

    fn end_track(&self, track: &str, problem: &Problem, device: Option<(DeviceFault, String)>) -> bool {
        let wanted = self.dropped.lock().unwrap_or_else(PoisonError::into_inner).insert(track.to_owned());
        if wanted {
            self.end.lock().unwrap_or_else(PoisonError::into_inner).last_track = Some((problem.clone(), device));
        }
        wanted
    }

    /// No track is left: that of which the last one died is what the span died of. False when none failed.
    pub fn fail_with_last_track(&self) -> bool {
        let last = self.end.lock().unwrap_or_else(PoisonError::into_inner).last_track.take();
        last.map(|(problem, device)| self.end(problem, device)).is_some()
    }

    /// In which way, and at what, the device failed, where the recorded problem is that.
    pub fn device_fault(&self) -> Option<(DeviceFault, String)> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).device.clone()
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
        self.end.lock().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }
}
