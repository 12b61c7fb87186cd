//! Tries what a device can do, with real pictures and sound: the worker's side of `reelmill doctor`.
//!
//! Receives: one order with a device and a list of trials. Sends: what it is built with, then one answer a trial, in
//! order, each as soon as it is known, so that those before a crash count. Ends: after the last, or when it is asked to.

mod pace;
mod picture;
mod sound;
mod trial;

use super::link::Link;
use crate::av;
use crate::model::Problem;
use crate::model::device::{self, DeviceFault, DeviceKind, Operation};
use crate::pipeline::Control;
use crate::pipeline::accel::{Accelerator, DeviceError, Host};
use crate::pipeline::hardware;
use crate::wire::v1::{self, from_worker::Message};
use pace::Paced;
use std::time::Duration;

/// Most lines of the log that one answer carries, each already bounded by the log itself.
const LINES_MAX: usize = 20;
/// Most names of filters and encoders that one order asks about.
const NAMES_MAX: usize = 64;

/// Carries the order out.
///
/// # Errors
/// `worker.bad_order` for an order that is not understood; a trial that fails is an answer, not an error.
pub(super) fn run(order: &v1::DoctorOrder, link: &Link, control: &Control) -> Result<(), Problem> {
    let is_built_in = |name: &&String| av::names::is_filter(name) || av::names::is_encoder(name);
    let has = order.names.iter().take(NAMES_MAX).filter(is_built_in).cloned().collect();
    let (codec_major, codec_minor) = av::codec_version();
    link.send(Message::Doctor(v1::Doctor { ffmpeg: av::version(), has, codec_major, codec_minor }));
    let (kind, accelerator) = if order.accelerator_json.is_empty() {
        (DeviceKind::Cpu, None)
    } else {
        let accelerator: device::Accelerator = serde_json::from_slice(&order.accelerator_json)
            .map_err(|error| super::bad_order(&format!("no accelerator: {error}")))?;
        (accelerator.kind, Some(accelerator))
    };
    let trials: Vec<Trial> = order.trials.iter().map(Trial::of).collect::<Result<_, _>>()?;
    if trials.is_empty() {
        return Ok(());
    }
    let opened: Result<Box<dyn Accelerator>, DeviceError> = match &accelerator {
        None => Ok(Box::new(Host)),
        Some(accelerator) => hardware::open(accelerator),
    };
    let opened = opened.map_err(Failure::from);
    let mut drawn = pace::Drawn::default();
    for (index, trial) in trials.iter().enumerate() {
        if control.stopped() {
            return Err(Problem::cancelled());
        }
        let result = match &opened {
            Ok(device) => match &trial.paced {
                Some(paced) => pace::run(device.as_ref(), kind, trial, paced, &mut drawn),
                None => trial::run(device.as_ref(), kind, trial).map(|()| Duration::ZERO),
            },
            Err(failure) => Err(failure.clone()),
        };
        let busy = result.as_ref().map_or(Duration::ZERO, |busy| *busy);
        let busy_us = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        let failure = result.err().map(Failure::into_message);
        link.send(Message::Tried(v1::Tried { trial: index as u32, failure, busy_us }));
    }
    Ok(())
}

/// One thing to try.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Trial {
    operation: Operation,
    codec: String,
    /// Bits a sample; 0 for sound.
    depth: u32,
    /// It is measured; else it is tried and compared.
    paced: Option<Paced>,
}

impl Trial {
    fn of(trial: &v1::Trial) -> Result<Self, Problem> {
        let known = [Operation::Decode, Operation::Filter, Operation::Encode];
        let operation = known.into_iter().find(|operation| operation.name() == trial.operation);
        let operation = operation.ok_or_else(|| super::bad_order("a trial of no known operation"))?;
        let rendition = || serde_json::from_slice(&trial.rendition_json);
        let paced = (trial.frames > 0).then(|| rendition().map(|rendition| Paced { rendition, frames: trial.frames }));
        let paced = paced.transpose().map_err(|error| super::bad_order(&format!("no rendition: {error}")))?;
        Ok(Self { operation, codec: trial.codec.clone(), depth: trial.depth, paced })
    }
}

/// Why a trial failed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Failure {
    what: String,
    error: i32,
    message: String,
    lines: Vec<String>,
    after_first: bool,
    fault: Option<DeviceFault>,
}

impl Failure {
    /// Every call did well, and what came out is not right.
    fn of_result(fault: DeviceFault, message: String) -> Self {
        Self { what: "compare".to_owned(), error: 0, message, lines: Vec::new(), after_first: true, fault: Some(fault) }
    }

    fn into_message(self) -> v1::TrialFailure {
        let skipped = self.lines.len().saturating_sub(LINES_MAX);
        v1::TrialFailure {
            what: self.what,
            error: self.error,
            message: self.message,
            lines: self.lines.into_iter().skip(skipped).collect(),
            after_first: self.after_first,
            device_fault: self.fault.map_or(String::new(), |fault| fault.name().to_owned()),
        }
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Self {
            what: error.error.what.to_owned(),
            error: error.error.code,
            message: error.error.text(),
            lines: error.lines,
            after_first: error.after_first,
            fault: None,
        }
    }
}

impl From<av::AvError> for Failure {
    fn from(error: av::AvError) -> Self {
        DeviceError::from(error).into()
    }
}
