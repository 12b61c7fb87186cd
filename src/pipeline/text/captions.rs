//! Closed captions as text: packets of pictures are looked into, none is decoded.

use super::{TextLimit, Written};
use crate::av::Packet;
use crate::model::time::Ratio;
use crate::model::{CaptionChannel, Problem};
use crate::pipeline::captions::Captions;
use crate::pipeline::flow::Stopped;

/// A stream that carries captions, and what is made of them.
pub(super) struct Carried<'a> {
    stream: u32,
    captions: Captions,
    channels: Vec<Channel<'a>>,
}

/// One channel or service.
struct Channel<'a> {
    channel: CaptionChannel,
    limit: TextLimit,
    renditions: Vec<Written<'a>>,
}

impl<'a> Carried<'a> {
    /// Of a stream of this codec.
    ///
    /// # Errors
    /// `text.captions`.
    pub(super) fn open(stream: u32, codec: &str, extradata: &[u8], time_base: Ratio) -> Result<Self, Problem> {
        let captions = Captions::of(codec, extradata, time_base).ok_or_else(|| {
            let message =
                format!("stream {stream} is {codec}, from which closed captions are not read: leave them out");
            Problem::input("text.captions", message)
        })?;
        Ok(Self { stream, captions, channels: Vec::new() })
    }

    pub(super) const fn stream(&self) -> u32 {
        self.stream
    }

    /// Adds a rendition of a channel.
    pub(super) fn add(&mut self, channel: CaptionChannel, written: Written<'a>) {
        match self.channels.iter_mut().find(|one| one.channel == channel) {
            Some(one) => one.renditions.push(written),
            None => {
                let limit = TextLimit::new(format!("the closed captions {channel}"));
                self.channels.push(Channel { channel, limit, renditions: vec![written] });
            }
        }
    }

    /// Whether nobody wants any of them any more.
    pub(super) fn is_unwanted(&mut self) -> bool {
        for channel in &mut self.channels {
            channel.renditions.retain(|written| written.outlet.wanted().is_ok());
        }
        self.channels.retain(|channel| !channel.renditions.is_empty());
        self.channels.is_empty()
    }

    /// Takes a packet of the stream.
    pub(super) fn take(&mut self, packet: &Packet) -> Result<(), Stopped> {
        self.captions.push(packet);
        self.show()?;
        for Channel { channel, renditions, .. } in &mut self.channels {
            let until = self.captions.settled(*channel);
            renditions.iter_mut().try_for_each(|written| written.advance(until))?;
        }
        Ok(())
    }

    /// The source is over.
    pub(super) fn finish(mut self) -> Result<(), Stopped> {
        self.captions.finish(None);
        self.show()?;
        self.channels.into_iter().flat_map(|channel| channel.renditions).try_for_each(Written::finish)
    }

    fn show(&mut self) -> Result<(), Stopped> {
        for Channel { channel, limit, renditions } in &mut self.channels {
            for seen in self.captions.take(*channel) {
                limit.count()?;
                let cue = [(seen.block.settings, seen.block.text)];
                renditions.iter_mut().for_each(|written| written.show(seen.start, seen.end, &cue));
            }
        }
        Ok(())
    }
}
