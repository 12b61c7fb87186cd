//! Closed captions of a source: read from coded pictures, without decoding them, and turned into what was seen when.
//!
//! Order of a caption's way: `Carrier` finds it in a packet, `Order` puts pictures in the order in which they are shown,
//! `line21` and `dtvcc` are the receivers, `screen` says what was seen. All of it works on bytes alone. Captions that
//! stay in pictures go around the encoder, by `Embedder`.

mod carrier;
mod dtvcc;
mod embed;
mod line21;
mod look;
mod order;
mod screen;

pub(crate) use embed::Embedder;
pub use look::measure;
pub(crate) use screen::Seen;

use crate::av::Packet;
use crate::model::CaptionChannel;
use crate::model::time::{Ratio, rescale};
use carrier::{Carrier, Triplet};
use dtvcc::{Packets, Service};
use line21::Field;
use order::Order;
use std::collections::BTreeMap;

const MICROS: Ratio = Ratio::new(1, 1_000_000);

/// The captions of one stream.
#[derive(Debug)]
pub(crate) struct Captions {
    carrier: Carrier,
    time_base: Ratio,
    order: Order,
    fields: [Field; 2],
    packets: Packets,
    services: BTreeMap<u8, Service>,
    /// The last time that is known, µs.
    now: i64,
}

impl Captions {
    /// Those of a stream of this codec; `None` where none are looked for in it.
    pub(crate) fn of(codec: &str, extradata: &[u8], time_base: Ratio) -> Option<Self> {
        Some(Self {
            carrier: Carrier::of(codec, extradata)?,
            time_base,
            order: Order::default(),
            fields: <[Field; 2]>::default(),
            packets: Packets::default(),
            services: BTreeMap::new(),
            now: 0,
        })
    }

    /// Takes a packet of the stream.
    pub(crate) fn push(&mut self, packet: &Packet) {
        let triplets = self.carrier.triplets(packet.data());
        let due = self.order.push((packet.pts(), packet.dts()), triplets);
        self.receive(due);
    }

    /// The source is over at `end`, µs, or with its last picture.
    pub(crate) fn finish(&mut self, end: Option<i64>) {
        let due = self.order.finish();
        self.receive(due);
        let now = end.unwrap_or(self.now);
        for field in &mut self.fields {
            field.channel(false).finish(now);
            field.channel(true).finish(now);
        }
        self.services.values_mut().for_each(|service| service.finish(now));
    }

    fn receive(&mut self, pictures: Vec<(i64, Vec<Triplet>)>) {
        for (at, triplets) in pictures {
            self.now = rescale(at, self.time_base, MICROS);
            for [kind, first, second] in triplets {
                match kind & 3 {
                    0 => self.fields[0].push([first, second], self.now),
                    1 => self.fields[1].push([first, second], self.now),
                    kind => {
                        for (number, codes) in self.packets.push(kind == 3, [first, second]) {
                            self.services.entry(number).or_default().push(&codes, self.now);
                        }
                    }
                }
            }
        }
    }

    /// What was seen of a channel and is over.
    pub(crate) fn take(&mut self, channel: CaptionChannel) -> Vec<Seen> {
        match channel {
            CaptionChannel::Line21(_) => self.receiver(channel).map_or_else(Vec::new, line21::Receiver::take),
            CaptionChannel::Service(number) => self.services.get_mut(&number).map_or_else(Vec::new, Service::take),
        }
    }

    /// Before when nothing of a channel begins that is taken later, µs.
    pub(crate) fn settled(&mut self, channel: CaptionChannel) -> i64 {
        let open = match channel {
            CaptionChannel::Line21(_) => self.receiver(channel).and_then(|receiver| receiver.open_since()),
            CaptionChannel::Service(number) => self.services.get(&number).and_then(Service::open_since),
        };
        open.unwrap_or(self.now)
    }

    /// The channels that carried text so far.
    pub(crate) fn channels(&mut self) -> Vec<CaptionChannel> {
        let mut found: Vec<_> = (1..=4).map(CaptionChannel::Line21).collect();
        found.retain(|channel| self.receiver(*channel).is_some_and(|receiver| receiver.has_text()));
        let services = self
            .services
            .iter()
            .filter(|(number, service)| (1..=CaptionChannel::SERVICES_MAX).contains(*number) && service.has_text());
        found.extend(services.map(|(number, _)| CaptionChannel::Service(*number)));
        found
    }

    fn receiver(&mut self, channel: CaptionChannel) -> Option<&mut line21::Receiver> {
        let CaptionChannel::Line21(number @ 1..=4) = channel else { return None };
        Some(self.fields[usize::from(number > 2)].channel(number % 2 == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtvcc::tests::{letters, packet, window};

    const PICTURE: i64 = 3003;

    /// A packet of H.264 with an SEI unit of these captions.
    fn picture(at: i64, triplets: &[Triplet]) -> Packet {
        let bytes = [carrier::sei(triplets, false), vec![0, 0, 1, 0x41, 9]].concat();
        let mut packet = Packet::from_bytes(&bytes).unwrap();
        packet.set_times(Some(at * PICTURE), Some(at * PICTURE), PICTURE);
        packet
    }

    #[test]
    fn channels_and_services_are_told_apart() {
        let mut captions = Captions::of("h264", &[], Ratio::new(1, 90_000)).unwrap();
        let parity = |byte: u8| if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte };
        let pair = |field: u8, bytes: [u8; 2]| [0xfc | field, parity(bytes[0]), parity(bytes[1])];
        // Resume direct captioning and letters, in the second channel of the second field.
        captions.push(&picture(0, &[pair(1, [0x1d, 0x29]), pair(0, [0, 0])]));
        captions.push(&picture(1, &[pair(1, *b"hi")]));
        let service = packet(2, &[vec![window(0, true)], letters("yo")].concat());
        let carried: Vec<Triplet> = service
            .iter()
            .enumerate()
            .map(|(at, pair)| [if at == 0 { 0xff } else { 0xfe }, pair[0], pair[1]])
            .collect();
        captions.push(&picture(2, &carried));
        let (fourth, second) = (CaptionChannel::Line21(4), CaptionChannel::Service(2));
        captions.push(&picture(60, &[]));
        assert_eq!(captions.channels(), [fourth, second]);
        assert_eq!(captions.settled(fourth), 33_367);
        assert_eq!(captions.settled(CaptionChannel::Line21(1)), 2_002_000);
        captions.finish(Some(3_000_000));
        let told = |seen: Vec<Seen>| -> Vec<_> { seen.into_iter().map(|s| (s.start, s.end, s.block.text)).collect() };
        assert_eq!(told(captions.take(fourth)), [(33_367, 3_000_000, "hi".to_owned())]);
        assert_eq!(told(captions.take(second)), [(66_733, 3_000_000, "yo".to_owned())]);
        assert!(captions.take(CaptionChannel::Line21(1)).is_empty());
        assert!(Captions::of("av1", &[], MICROS).is_none());
    }
}
