//! Finished segments as files in the spool directory, told to the daemon one by one, with room as the throttle.

use super::link::Link;
use super::usage::Meter;
use crate::model::hash::sha256;
use crate::model::{LoudnessFigures, Measured, Problem};
use crate::pipeline::stills::{FinishedPicture, PictureOutlet};
use crate::pipeline::watched::OpenCalls;
use crate::pipeline::{Control, FinishedFile, FinishedSegment, Outlet, TrackFailure, TrackInit};
use crate::wire::v1::{self, from_worker::Message};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often progress is told. It is the heartbeat too.
const TICK: Duration = Duration::from_millis(250);
/// How often the worker tells what it has used: asking each of some hundred threads for its time takes a while.
const USAGE_TICK: Duration = Duration::from_secs(1);

/// The outlet of a worker.
pub(super) struct SpoolOutlet {
    directory: PathBuf,
    link: Arc<Link>,
    state: Arc<State>,
    meter: Arc<Meter>,
    ticker: Option<JoinHandle<()>>,
}

/// How far a track is.
#[derive(Clone, Copy, Default)]
struct Reached {
    frames: u64,
    media_us: i64,
    first_pass_us: Option<i64>,
}

#[derive(Default)]
struct State {
    tracks: Mutex<BTreeMap<String, Reached>>,
    done: AtomicBool,
}

impl SpoolOutlet {
    /// Starts telling progress and what was used, for as long as no call to a device has been open for too long: then silence tells that
    /// this worker hangs.
    pub(super) fn start(directory: &Path, link: Arc<Link>, meter: &Arc<Meter>, calls: Arc<OpenCalls>) -> Self {
        let state = Arc::new(State::default());
        let (shared, wire, own) = (Arc::clone(&state), Arc::clone(&link), Arc::clone(meter));
        let ticker = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || {
                let mut told = Instant::now();
                while !shared.done.load(Ordering::Relaxed) {
                    if wire.device_call_max().is_none_or(|most| calls.longest() < most) {
                        wire.send(Message::Progress(shared.snapshot(own.control())));
                        if told.elapsed() >= USAGE_TICK {
                            told = Instant::now();
                            own.tell();
                        }
                    }
                    thread::park_timeout(TICK);
                }
            })
            .ok();
        Self { directory: directory.to_owned(), link, state, meter: Arc::clone(meter), ticker }
    }

    /// Stops telling progress.
    pub(super) fn stop(mut self) {
        self.state.done.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            ticker.thread().unpark();
            // A ticker that panicked has nothing more to tell.
            drop(ticker.join());
        }
    }

    fn store(&self, track: &str, index: u32, file: &FinishedFile) -> Result<v1::SpoolFile, Problem> {
        let name = format!("{track}-{index:06}.{}", file.packaging.extension());
        fs::write(self.directory.join(&name), &file.bytes).map_err(|error| full(&error))?;
        let key_frames =
            file.key_frames.iter().map(|key| v1::KeyFrame { offset: key.offset, bytes: key.bytes, time: key.time });
        Ok(v1::SpoolFile {
            packaging: file.packaging.name().to_owned(),
            name,
            bytes: file.bytes.len() as u64,
            sha256: sha256(&file.bytes),
            key_frames: key_frames.collect(),
        })
    }
}

impl State {
    fn snapshot(&self, control: &Control) -> v1::Progress {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        v1::Progress {
            tracks: tracks
                .iter()
                .filter(|(track, _)| !control.is_dropped(track))
                .map(|(track, reached)| v1::TrackProgress {
                    track: track.clone(),
                    frames: reached.frames,
                    media_us: reached.media_us,
                    first_pass_us: reached.first_pass_us,
                })
                .collect(),
            decode_errors: control.decode_errors.load(Ordering::Relaxed),
            frames_decoded: control.frames_decoded.load(Ordering::Relaxed),
        }
    }
}

impl Outlet for SpoolOutlet {
    fn init(&self, init: TrackInit) -> Result<(), Problem> {
        self.link.send(Message::Init(v1::Init {
            track: init.track,
            init_segment: init.init_segment.into(),
            codec_string: init.codec_string,
            encoder: init.encoder,
        }));
        Ok(())
    }

    fn segment(&self, segment: FinishedSegment) -> Result<(), Problem> {
        let bytes = segment.files.iter().map(|file| file.bytes.len() as u64).sum();
        if !self.link.take_room(&segment.track, bytes)? {
            return Ok(());
        }
        let files = segment
            .files
            .iter()
            .map(|file| self.store(&segment.track, segment.index, file))
            .collect::<Result<Vec<_>, _>>()?;
        self.link.send(Message::Segment(v1::Segment {
            track: segment.track,
            index: segment.index,
            start: segment.start,
            duration: segment.duration,
            frames: segment.frames,
            files,
        }));
        Ok(())
    }

    fn progress(&self, track: &str, frames: u64, media_us: i64) {
        self.meter.progressed(track, frames);
        let mut tracks = self.state.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let reached = tracks.entry(track.to_owned()).or_default();
        (reached.frames, reached.media_us) = (frames, media_us);
    }

    fn looked_ahead(&self, track: &str, media_us: i64) {
        let mut tracks = self.state.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.entry(track.to_owned()).or_default().first_pass_us = Some(media_us);
    }

    fn loudness(&self, track: &str, figures: LoudnessFigures) {
        let measured = |one: Measured| v1::LoudnessMeasured {
            integrated: one.integrated,
            range: one.range,
            true_peak: one.true_peak,
        };
        self.link.send(Message::Loudness(v1::Loudness {
            track: track.to_owned(),
            before: figures.before.map(measured),
            after: figures.after.map(measured),
        }));
    }

    fn failed(&self, failure: TrackFailure) {
        self.link.send(Message::TrackFailed(v1::TrackFailed {
            track: failure.track,
            device_fault: failure.trouble.fault.name().to_owned(),
            ability: failure.trouble.ability,
            code: failure.trouble.problem.code,
            message: failure.trouble.problem.message,
        }));
    }

    fn refused(&self, track: &str, problem: &Problem) {
        self.link.send(Message::TrackFailed(v1::TrackFailed {
            track: track.to_owned(),
            code: problem.code.clone(),
            message: problem.message.clone(),
            ..v1::TrackFailed::default()
        }));
    }
}

impl PictureOutlet for SpoolOutlet {
    fn picture(&self, picture: FinishedPicture) -> Result<(), Problem> {
        let FinishedPicture { set, number, format, bytes, asked_us, time_us, end_us, tiles, width, height } = picture;
        let size = bytes.len() as u64;
        if !self.link.take_room(&set, size)? {
            return Ok(());
        }
        let name = format!("{set}-{number:06}.{}", format.extension());
        fs::write(self.directory.join(&name), &bytes).map_err(|error| full(&error))?;
        let (bytes, sha256) = (size, sha256(&bytes));
        self.link.send(Message::Picture(v1::Picture {
            set,
            number,
            name,
            bytes,
            sha256,
            asked_us,
            time_us,
            end_us,
            tiles,
            width,
            height,
        }));
        Ok(())
    }

    fn note(&self, set: &str, failed: bool, problem: Problem) {
        let Problem { code, message, .. } = problem;
        self.link.send(Message::PictureNote(v1::PictureNote { set: set.to_owned(), failed, code, message }));
    }

    fn progress(&self, set: &str, pictures: u64, media_us: i64) {
        Outlet::progress(self, set, pictures, media_us);
    }
}

fn full(error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::StorageFull {
        return Problem::sink("output.full", "the disk with the output is full; free some room and run again");
    }
    Problem::sink("output.unwritable", format!("a segment could not be spooled ({error}); check the output directory"))
}
