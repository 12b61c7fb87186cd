//! Stage: sound that is copied. Receives packets; sends finished segments to the outlet; owns a bitstream filter where the
//! set-up bytes stand in packets. Thread: its own. Bound: the channel. Ends: `End`, or the packet behind the plan's end, cuts
//! the last segment; a rendition that is dropped lets its sender go. Counters: packets and media time, through the outlet.

use super::control::Control;
use super::faults;
use super::flow::{Flow, Inflow, Stopped};
use super::outlet::{Outlet, TrackOutlet};
use super::sound::SoundSpec;
use super::wrap::AudioWrapper;
use crate::av::{self, Packet, Polled};
use crate::model::AudioCodec;
use crate::model::time::{Ratio, rescale};

/// Runs the stage for a rendition whose packets are taken over as they are.
pub fn run(
    spec: &SoundSpec<'_>,
    params: &av::Params,
    inflow: Inflow<Packet, ()>,
    outlet: &dyn Outlet,
    control: &Control,
) -> Result<(), Stopped> {
    av::log::label_thread(&spec.rendition.id);
    let outlet = TrackOutlet::new(&spec.rendition.id, outlet, control);
    let _packaging = outlet.accounts.packaging();
    let mut copier = Copier { spec, outlet, wrapper: None, packets: 0, last_end: None, full: false };
    let result = copier.receive_all(params, &inflow, control);
    inflow.settle(result)?;
    copier.finish()
}

/// Packets taken over, put on the output timeline.
struct Copier<'a> {
    spec: &'a SoundSpec<'a>,
    outlet: TrackOutlet<'a>,
    wrapper: Option<AudioWrapper>,
    packets: u64,
    last_end: Option<i64>,
    /// A packet at or after the plan's end has come.
    full: bool,
}

impl Copier<'_> {
    fn receive_all(
        &mut self,
        params: &av::Params,
        inflow: &Inflow<Packet, ()>,
        control: &Control,
    ) -> Result<(), Stopped> {
        let aac = self.spec.rendition.codec == AudioCodec::Aac;
        let mut filter = if aac && params.extradata().is_empty() {
            // ADTS, as transport streams carry it: the set-up bytes are in each packet and must move to the header.
            let filter = av::bsf::BitstreamFilter::new("aac_adtstoasc", params, self.spec.rendition.time_base);
            Some(filter.map_err(faults::internal)?)
        } else {
            None
        };
        while !self.full {
            if control.stopped() {
                return Err(Stopped::Neighbour);
            }
            self.outlet.wanted()?;
            match (inflow.receive()?, &mut filter) {
                (Flow::Item(packet), Some(filter)) => self.push_filtered(filter, packet)?,
                (Flow::Item(packet), None) => self.push(params, packet)?,
                (Flow::End(()), _) => break,
            }
        }
        Ok(())
    }

    fn push_filtered(&mut self, filter: &mut av::bsf::BitstreamFilter, mut packet: Packet) -> Result<(), Stopped> {
        if filter.send(Some(&mut packet)).is_err() {
            return Ok(());
        }
        loop {
            let mut out = Packet::new().map_err(faults::internal)?;
            match filter.receive(&mut out) {
                Ok(Polled::Ready) => {
                    let params = filter.params().map_err(faults::internal)?;
                    self.push(&params, out)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn push(&mut self, params: &av::Params, mut packet: Packet) -> Result<(), Stopped> {
        let rendition = self.spec.rendition;
        let own_time = Ratio::new(1, i64::from(rendition.sample_rate));
        let Some(pts) = packet.pts().or(packet.dts()) else { return Ok(()) };
        let pts = rescale(pts.saturating_sub(rendition.origin), rendition.time_base, own_time);
        let duration = rescale(packet.duration(), rendition.time_base, own_time).max(1);
        // Sound before the first picture is left out; so is what would go back in time.
        if pts + duration <= 0 || self.last_end.is_some_and(|end| pts + duration <= end) {
            return Ok(());
        }
        // A packet that zero cuts, at an in point or by its encoder's delay, stays where it is: the edit list takes off what
        // lies before zero.
        let pts = self.last_end.map_or(pts, |end| if (pts - end).abs() <= duration / 2 { end } else { pts });
        self.full |= rendition.end.is_some_and(|end| pts >= end);
        if self.full {
            return Ok(());
        }
        packet.set_times(Some(pts), Some(pts), duration);
        self.last_end = Some(pts + duration);
        let wrapper = match &mut self.wrapper {
            Some(wrapper) => wrapper,
            None => {
                let params = params.duplicate().map_err(faults::internal)?;
                let made =
                    self.wrapper.insert(AudioWrapper::new(self.spec, params, &packet, ("copy", self.outlet.accounts))?);
                self.outlet.init(made.init())?;
                made
            }
        };
        self.packets += 1;
        self.outlet.progress(self.packets, rescale(pts + duration, own_time, Ratio::new(1, 1_000_000)));
        wrapper.push(packet)?.map_or(Ok(()), |segment| self.outlet.segment(segment))
    }

    fn finish(mut self) -> Result<(), Stopped> {
        let (Some(wrapper), Some(last_end)) = (&mut self.wrapper, self.last_end) else { return Ok(()) };
        let end = self.spec.rendition.end.map_or(last_end, |end| end.min(last_end));
        wrapper.finish(end)?.map_or(Ok(()), |segment| self.outlet.segment(segment))
    }
}
