//! Which captions a source carries: looked for in packets of places that lie spread over it.

use super::Captions;
use crate::av::input::Interrupt;
use crate::av::{ByteSource, Input, Packet};
use crate::model::facts::MediaFacts;
use crate::model::limits::CAPTIONS_SECONDS_MAX;
use crate::model::time::{Ratio, rescale};
use crate::model::{CaptionChannel, Problem};
use crate::pipeline::{Control, faults};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Places that are looked at: of a film, one each four or five minutes.
const PLACES: i64 = 24;
/// How much of the source is read at each, µs: hardly anybody is silent for longer, for a whole film.
const PLACE_US: i64 = 10_000_000;
/// Most bytes of packets that are read at each.
const PLACE_BYTES_MAX: usize = 32 << 20;
const MICROS: Ratio = Ratio::new(1, 1_000_000);

/// The channels and services that carry text. What cannot be read is passed over: the encode says that better.
///
/// # Errors
/// `job.cancelled`.
pub fn measure(
    source: Box<dyn ByteSource>,
    facts: &MediaFacts,
    control: &Control,
) -> Result<Vec<CaptionChannel>, Problem> {
    let carriers = [CaptionChannel::Line21(1), CaptionChannel::Service(1)];
    let mut streams: Vec<u32> =
        carriers.iter().filter_map(|channel| facts.caption_stream(*channel)).map(|stream| stream.index).collect();
    streams.dedup();
    let deadline = Instant::now() + Duration::from_secs(CAPTIONS_SECONDS_MAX);
    let interrupt = Interrupt { stop: control.stop_flag(), deadline: Some(deadline) };
    let found = look(source, facts, &streams, interrupt, deadline);
    if control.stop_flag().load(Ordering::Relaxed) {
        return Err(Problem::cancelled());
    }
    Ok(found.map_or_else(|_| Vec::new(), |found| found.into_iter().collect()))
}

fn look(
    source: Box<dyn ByteSource>,
    facts: &MediaFacts,
    streams: &[u32],
    interrupt: Interrupt,
    deadline: Instant,
) -> Result<BTreeSet<CaptionChannel>, Problem> {
    let Some(first) = streams.first().copied() else { return Ok(BTreeSet::new()) };
    let mut input = Input::open(source, interrupt).map_err(|error| faults::source(error, None))?;
    input.find_stream_info().map_err(|error| faults::source(error, input.source_failure()))?;
    input.select(streams);
    let start = facts.start_us.unwrap_or(0);
    let end = facts.media_end_us.or(facts.duration_us.map(|us| start.saturating_add(us)));
    let length = end.map_or(0, |end| end.saturating_sub(start).max(0));
    let time_base = input.stream_info(first).map_err(faults::internal)?.time_base;
    let mut found = BTreeSet::new();
    // A short source is read as one place.
    let places = (length / PLACE_US).clamp(1, PLACES);
    for place in 0..places {
        let from = start.saturating_add(length / places * place);
        if place > 0 && input.seek_before(first, rescale(from, MICROS, time_base)).is_err() {
            break;
        }
        found.extend(read(&mut input, streams, deadline));
        if Instant::now() >= deadline {
            break;
        }
    }
    Ok(found)
}

/// The channels that carry text at one place.
fn read(input: &mut Input, streams: &[u32], deadline: Instant) -> Vec<CaptionChannel> {
    let mut carried: Vec<(u32, Ratio, Captions)> = Vec::new();
    for stream in streams {
        let Ok(info) = input.stream_info(*stream) else { continue };
        let captions = Captions::of(&info.params.codec_name(), info.params.extradata(), info.time_base);
        carried.extend(captions.map(|captions| (*stream, info.time_base, captions)));
    }
    let Ok(mut packet) = Packet::new() else { return Vec::new() };
    let (mut bytes, mut first) = (0, None);
    while bytes < PLACE_BYTES_MAX && Instant::now() < deadline && input.read(&mut packet).unwrap_or(false) {
        let Some((_, time_base, captions)) = carried.iter_mut().find(|(stream, ..)| *stream == packet.stream()) else {
            continue;
        };
        bytes += packet.data().len();
        captions.push(&packet);
        let Some(at) = packet.order_time().map(|time| rescale(time, *time_base, MICROS)) else { continue };
        if at - *first.get_or_insert(at) > PLACE_US {
            break;
        }
    }
    carried
        .into_iter()
        .flat_map(|(.., mut captions)| {
            captions.finish(None);
            captions.channels()
        })
        .collect()
}
