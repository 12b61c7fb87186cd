//! The conversation with an encoder, the same for pictures and sound: it may want its packets taken out before it takes
//! a frame in.

use super::accel::{DeviceError, PictureEncoder};
use super::faults;
use super::flow::Stopped;
use crate::av::{Encoder, Frame, Packet, Polled};

/// As [`encode_on`], for an encoder in software: that of `track`.
pub fn encode(
    encoder: &mut Encoder,
    track: &str,
    frame: Option<&Frame>,
    each: &mut dyn FnMut(&Encoder, Packet) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    encode_on(encoder, &|error| faults::encoder(track, error.error).into(), frame, each)
}

/// Gives an encoder a frame, or with `None` tells it that no more comes, and hands on each packet that comes
/// out, beside the encoder itself.
pub fn encode_on<E: PictureEncoder + ?Sized>(
    encoder: &mut E,
    failed: &dyn Fn(DeviceError) -> Stopped,
    frame: Option<&Frame>,
    each: &mut dyn FnMut(&E, Packet) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    loop {
        let taken = encoder.send(frame).map_err(failed)?;
        loop {
            let mut packet = Packet::new().map_err(faults::internal)?;
            if encoder.receive(&mut packet).map_err(failed)? != Polled::Ready {
                break;
            }
            each(encoder, packet)?;
        }
        if taken != Polled::NeedInput {
            return Ok(());
        }
    }
}
