//! Where finished segments go. The worker spools them; tests record them.

use super::account::TrackAccounts;
use super::control::Control;
use super::flow::Stopped;
use super::steps::Lap;
use super::trouble::{DeviceTrouble, TrackFailure};
use crate::model::ledger::KeyFrame;
use crate::model::{LoudnessFigures, Packaging, Problem};

/// What a track is, told once, before its first segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackInit {
    /// The rendition's id.
    pub track: String,
    /// CMAF initialisation segment; empty where the track has no CMAF.
    pub init_segment: Vec<u8>,
    /// RFC 6381.
    pub codec_string: String,
    /// Encoder identity: what must not change within a rendition.
    pub encoder: String,
}

/// One segment of one track, in every packaging that it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishedSegment {
    /// The rendition's id.
    pub track: String,
    /// Index on the grid.
    pub index: u32,
    /// Presentation time of the first frame, ticks of the track.
    pub start: i64,
    /// Time to the first frame of the next segment, ticks.
    pub duration: i64,
    /// Frames or packets.
    pub frames: u32,
    /// The bytes, by packaging.
    pub files: Vec<FinishedFile>,
}

/// The bytes of a segment in one packaging.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishedFile {
    /// Which packaging.
    pub packaging: Packaging,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Where its key frames lie.
    pub key_frames: Vec<KeyFrame>,
}

/// Takes what a span makes. Called from many threads.
pub trait Outlet: Send + Sync {
    /// A track is about to begin.
    fn init(&self, init: TrackInit) -> Result<(), Problem>;
    /// A segment is finished. May wait for room: that is how a slow store throttles the source.
    fn segment(&self, segment: FinishedSegment) -> Result<(), Problem>;
    /// How far a track is: frames encoded, and the end of its media in microseconds.
    fn progress(&self, track: &str, frames: u64, media_us: i64);
    /// How far the first of two passes over a track is: the end of its media in microseconds.
    fn looked_ahead(&self, _track: &str, _media_us: i64) {}
    /// How loud a track was and is, once all of it is made.
    fn loudness(&self, track: &str, figures: LoudnessFigures);
    /// A track could not be made on its device: nothing further comes of it.
    fn failed(&self, failure: TrackFailure);
    /// What a track alone is made with cannot be used: nothing further comes of it.
    fn refused(&self, track: &str, problem: &Problem);
}

/// The outlet for one track, open while anybody wants that.
#[derive(Clone, Copy)]
pub struct TrackOutlet<'a> {
    track: &'a str,
    outlet: &'a dyn Outlet,
    control: &'a Control,
    /// Whom the thread works for that makes the track.
    pub accounts: TrackAccounts,
}

impl<'a> TrackOutlet<'a> {
    /// The outlet for the track of this id.
    pub fn new(track: &'a str, outlet: &'a dyn Outlet, control: &'a Control) -> Self {
        Self { track, outlet, control, accounts: TrackAccounts::of(&control.accounts, track) }
    }

    /// What its span shares.
    pub const fn control(&self) -> &'a Control {
        self.control
    }

    /// A step of the track, which takes turns with others.
    pub const fn lap(&self, name: &'static str) -> Lap<'a> {
        Lap::new(self.control.steps(), name, self.track)
    }

    /// `Unwanted` once the track was dropped.
    pub fn wanted(&self) -> Result<(), Stopped> {
        if self.control.is_dropped(self.track) { Err(Stopped::Unwanted) } else { Ok(()) }
    }

    /// As [`Outlet::init`].
    pub fn init(&self, init: TrackInit) -> Result<(), Stopped> {
        self.wanted()?;
        let _packaging = self.accounts.packaging();
        Ok(self.outlet.init(init)?)
    }

    /// As [`Outlet::segment`].
    pub fn segment(&self, segment: FinishedSegment) -> Result<(), Stopped> {
        self.wanted()?;
        let _packaging = self.accounts.packaging();
        Ok(self.outlet.segment(segment)?)
    }

    /// Ends the track, and says why unless nobody wants it any more.
    pub fn fail(&self, trouble: &DeviceTrouble) {
        if self.control.fail_track(self.track, trouble) {
            self.outlet.failed(TrackFailure { track: self.track.to_owned(), trouble: trouble.clone() });
        }
    }

    /// As [`TrackOutlet::fail`], where what the track is made with is to blame.
    pub fn refuse(&self, problem: &Problem) {
        if self.control.refuse_track(self.track, problem) {
            self.outlet.refused(self.track, problem);
        }
    }

    /// As [`Outlet::loudness`].
    pub fn loudness(&self, figures: LoudnessFigures) {
        self.outlet.loudness(self.track, figures);
    }

    /// As [`Outlet::looked_ahead`].
    pub fn looked_ahead(&self, media_us: i64) {
        self.outlet.looked_ahead(self.track, media_us);
    }

    /// As [`Outlet::progress`].
    pub fn progress(&self, frames: u64, media_us: i64) {
        self.outlet.progress(self.track, frames, media_us);
    }
}
