//! What a part does on a device, as the node's meter is to know it: kinds of work, pictures' sizes, surfaces.

use super::needs::{self, Decoded, Step};
use crate::devices::Rates;
use crate::devices::usage::{Lap, Meter, Surfaces, Work};
use crate::model::device::{DeviceInfo, Operation, Placement, RateKey};
use crate::model::plan::{VideoPlan, VideoRendition};

/// Begins to meter an attempt at pictures; `video` is as it is placed. `span` names it in the log.
pub(super) fn begin(
    meter: &Meter,
    rates: &Rates,
    (video, source): (&VideoPlan, &Decoded),
    placement: &Placement,
    device: &DeviceInfo,
    span: &str,
) -> Lap {
    let steps = needs::steps(video, source, placement);
    let on_device = steps.into_iter().filter(|step| step.on_device && !step.again).chain(filters(video, source));
    let work = |step: Step| Work::on(device, rates, &step.rendition.unwrap_or_default(), step.key, step.pixels);
    meter.begin(device, span, on_device.map(work).collect(), surfaces(video, source, placement))
}

/// Filters of the device itself. They bind no engine, so that the scheduler's steps leave them out; they take time and
/// power all the same.
fn filters<'a>(video: &'a VideoPlan, source: &Decoded) -> impl Iterator<Item = Step> + use<'a> {
    let filter = |rendition: Option<&str>, pixels, depth| Step {
        on_device: true,
        rendition: rendition.map(str::to_owned),
        again: false,
        key: RateKey { operation: Operation::Filter, codec: String::new(), depth, speed: None },
        pixels,
    };
    let first = runs_on_device(&video.prepare).then(|| filter(None, source.pixels, source.depth));
    let rungs = video.renditions.iter().filter(|rung| !rung.copy && runs_on_device(&rung.graph));
    let each = move |rung: &VideoRendition| filter(Some(&rung.id), pixels(rung), needs::depth(&rung.pixel_format));
    first.into_iter().chain(rungs.map(each))
}

/// Whether a graph has filters that the device does; to load frames up is none.
fn runs_on_device(graph: &str) -> bool {
    let is_device = |name: &str| name.ends_with("_cuda") || name.ends_with("_vaapi");
    let words = graph.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| *word != "hwupload_cuda").any(is_device)
}

/// What is held of the device's memory: surfaces of the decoder for all, those of each encoder for its rendition.
fn surfaces(video: &VideoPlan, source: &Decoded, placement: &Placement) -> Vec<Surfaces> {
    let mut held = vec![Surfaces { rendition: String::new(), bytes: needs::context_bytes() }];
    if placement.decode {
        held.push(Surfaces { rendition: String::new(), bytes: needs::decode_bytes(source) });
    }
    let rungs = video.renditions.iter().filter(|rung| placement.encode.contains(&rung.id));
    held.extend(rungs.map(|rung| Surfaces { rendition: rung.id.clone(), bytes: needs::encode_bytes(rung) }));
    held
}

fn pixels(rung: &VideoRendition) -> u64 {
    u64::from(rung.width) * u64::from(rung.height)
}

#[cfg(test)]
mod tests {
    use super::runs_on_device;

    #[test]
    fn filters_of_a_device_are_known_by_their_names() {
        assert!(runs_on_device("scale_cuda=w=640:h=360:format=yuv420p"));
        assert!(runs_on_device("format=nv12,hwupload,scale_vaapi=w=640:h=360"));
        assert!(!runs_on_device("format=nv12,hwupload_cuda"));
        assert!(!runs_on_device("scale=640:360,format=yuv420p"));
        assert!(!runs_on_device(""));
    }
}
