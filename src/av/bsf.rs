//! Bitstream filters: packets in, packets out, nothing decoded.

use super::error::{AvError, Polled, check, polled};
use super::names::c_string;
use super::packet::Packet;
use super::params::Params;
use super::to_rational;
use crate::model::Ratio;
use ffmpeg_sys_next as ff;
use std::ptr;

/// A chain of bitstream filters.
pub struct BitstreamFilter {
    context: *mut ff::AVBSFContext,
}

impl BitstreamFilter {
    /// A chain by FFmpeg's text, for example `aac_adtstoasc`.
    pub fn new(text: &str, params: &Params, time_base: Ratio) -> Result<Self, AvError> {
        let text = c_string(text);
        let mut context = ptr::null_mut();
        // SAFETY: the text lives through the call; the context is ours and its parameters are copied.
        unsafe {
            check("parse a bitstream filter", ff::av_bsf_list_parse_str(text.as_ptr(), &mut context))?;
            let filter = Self { context };
            check("describe a packet stream", ff::avcodec_parameters_copy((*context).par_in, params.as_ptr()))?;
            (*context).time_base_in = to_rational(time_base);
            check("initialise a bitstream filter", ff::av_bsf_init(context))?;
            Ok(filter)
        }
    }

    /// What comes out; complete after the first packet did.
    pub fn params(&self) -> Result<Params, AvError> {
        // SAFETY: an initialised filter has output parameters.
        unsafe { Params::copy_of((*self.context).par_out) }
    }

    /// Gives the chain a packet, whose data it takes, or with `None` tells it that no more comes.
    pub fn send(&mut self, packet: Option<&mut Packet>) -> Result<Polled, AvError> {
        let packet = packet.map_or(ptr::null_mut(), |packet| packet.as_ptr());
        // SAFETY: initialised; the packet is live or null, and left empty.
        polled("filter a packet", unsafe { ff::av_bsf_send_packet(self.context, packet) })
    }

    /// Takes the next packet out.
    pub fn receive(&mut self, packet: &mut Packet) -> Result<Polled, AvError> {
        packet.clear();
        // SAFETY: initialised, and the packet is empty.
        polled("filter a packet", unsafe { ff::av_bsf_receive_packet(self.context, packet.as_ptr()) })
    }
}

impl Drop for BitstreamFilter {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::av_bsf_free(&mut self.context) };
    }
}
