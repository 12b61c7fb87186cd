//! What a decoder, graph or encoder holds of the device, and the calls that it makes of it.

use super::Calls;
use crate::av::{AvError, log};
use crate::model::classify::averror;
use crate::model::device::DeviceId;
use crate::model::simulated::{Call, Effect, Opened, Opening, Reply};
use crate::pipeline::accel::DeviceError;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Opens sessions on one device.
#[derive(Clone)]
pub(super) struct Sessions {
    pub(super) device: DeviceId,
    calls: Arc<dyn Calls>,
}

/// An open session. Closed when dropped.
pub(super) struct Session {
    pub(super) opened: Opened,
    calls: Arc<dyn Calls>,
    what: &'static str,
    /// Something came out of it.
    pub(super) after_first: bool,
}

/// Asks whether the device is there.
pub(super) fn find(device: &DeviceId, calls: &dyn Calls) -> Result<(), DeviceError> {
    match calls.call(Call::Device(device.clone())) {
        Some(Reply::Go { .. }) => Ok(()),
        other => Err(unexpected("open the device", other, false)),
    }
}

impl Sessions {
    pub(super) fn new(device: DeviceId, calls: Arc<dyn Calls>) -> Self {
        Self { device, calls }
    }

    /// Opens one; `what` says what for, in the words of an error.
    pub(super) fn open(&self, what: &'static str, opening: Opening) -> Result<Session, DeviceError> {
        let opened = match self.calls.call(Call::Open(opening)) {
            Some(Reply::Opened(opened)) => opened,
            other => return Err(unexpected(what, other, false)),
        };
        Ok(Session { opened, calls: Arc::clone(&self.calls), what, after_first: false })
    }
}

impl Session {
    /// Lets the engine do a picture, for as long as it takes.
    pub(super) fn work(&self, pixels: u64) -> Result<Effect, DeviceError> {
        match self.calls.call(Call::Work { session: self.opened.session, pixels }) {
            Some(Reply::Go { wait_us, effect }) => {
                if wait_us > 0 {
                    thread::sleep(Duration::from_micros(wait_us));
                }
                Ok(effect)
            }
            other => Err(unexpected(self.what, other, self.after_first)),
        }
    }

    /// The error of a call of this session.
    pub(super) fn failed(&self, error: AvError) -> DeviceError {
        DeviceError { after_first: self.after_first, ..DeviceError::from(error) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nobody to answer means that nothing is held any more either.
        drop(self.calls.call(Call::Close { session: self.opened.session }));
    }
}

/// What any reply but the good one comes to; a call that hangs does not come back.
fn unexpected(what: &'static str, reply: Option<Reply>, after_first: bool) -> DeviceError {
    match reply {
        Some(Reply::Hang) => loop {
            thread::park();
        },
        Some(Reply::Refused { code, lines }) => failure(what, code, lines, after_first),
        Some(Reply::Opened(_) | Reply::Go { .. }) | None => {
            failure(what, averror::EIO, vec!["the daemon that simulates the device is gone".to_owned()], after_first)
        }
    }
}

/// An error with its lines, which are written to the log too, as FFmpeg's are.
pub(super) fn failure(what: &'static str, code: i32, lines: Vec<String>, after_first: bool) -> DeviceError {
    for line in &lines {
        log::write(log::Level::Error, line);
    }
    DeviceError { error: AvError { what, code }, lines, after_first }
}
