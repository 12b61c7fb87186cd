//! Where the stages of a plan run, as graph text and encoder options: a pure function of a plan that the CPU could carry
//! out, a placement, a device, and what the FFmpeg at hand is built with.
//!
//! Frames stay in the memory that they were made in; a path from source to encoder crosses from one to the other at
//! most once. Only tone mapping, which the CPU does once for all rungs of a source, may bring them to it, back to the device
//! for rungs that it encodes, and down again for smaller ones that it does not. Three forms come of that:
//!
//! | decode | what happens |
//! |---|---|
//! | device | each rung that the CPU encodes is scaled on the device and then downloaded, so that the bus carries small pictures |
//! | CPU, every rung on the device | prepared frames are uploaded once, before scaling; from there on all is the device's |
//! | CPU, otherwise | rungs of the CPU as without a device; one rung of the device is scaled by the CPU and handed over; of several, each that starts from the source uploads it |
//!
//! What the device's filters cannot do to a picture (turn it, convert its range or layout) keeps the decode on the CPU:
//! decoding elsewhere would carry every frame over the bus at full size only to prepare it here.

mod choose;
mod encoder;
mod filters;
mod fit;
mod layout;
mod pool;
#[cfg(test)]
mod tests;
mod text;

pub use choose::{StageReason, candidates, only, reasons};
pub use filters::{DEVICE_FILTERS, FilterSet, HOST_FILTERS, Release};

use super::encoder::gop;
use crate::model::device::{Accelerator, DeviceInfo, DeviceKind, Memory, Placement};
use crate::model::plan::VideoPlan;
use crate::model::{Plan, VideoCodec};
use layout::Layout;

/// Something that a placement asks of a device and that it cannot do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Unmet {
    /// The rendition's id, or `decode`.
    pub track: String,
    /// What is needed and missing: "needs NVENC H.264 10-bit; no engine here can".
    pub sentence: String,
}

/// The name under which [`Unmet`] and [`StageReason`] speak of the decode.
pub const DECODE: &str = "decode";

/// The plan with its stages placed. Without a device, or with a placement that uses none, it is the plan as it is. Copied
/// rungs and sound have no place; ids of `placement.encode` that the plan does not have, or only as copies, count for
/// nothing.
///
/// # Errors
/// All that the placement asks of the device and that it cannot do; never empty.
pub fn place(
    plan: &Plan,
    placement: &Placement,
    device: Option<&DeviceInfo>,
    ffmpeg: FilterSet,
) -> Result<Plan, Vec<Unmet>> {
    let (Some(device), Some(video)) = (device, &plan.video) else { return Ok(plan.clone()) };
    let encodes = video.renditions.iter().any(|rung| !rung.copy);
    let on_device: Vec<bool> =
        video.renditions.iter().map(|rung| !rung.copy && placement.encode.contains(&rung.id)).collect();
    let takes_part = encodes && (placement.decode || on_device.contains(&true));
    if device.kind == DeviceKind::Cpu || placement.device.is_none() || !takes_part {
        return Ok(plan.clone());
    }
    if placement.device.as_ref() != Some(&device.id) {
        let sentence = format!("the placement is for another device than {}", device.id);
        return Err(vec![Unmet { track: DECODE.to_owned(), sentence }]);
    }
    let unmet = fit::unmet(video, placement.decode, &on_device, device, ffmpeg);
    let Some(source) = video.source.as_ref().filter(|_| unmet.is_empty()) else { return Err(unmet) };
    let layout = Layout::new(video, source, device, ffmpeg, placement.decode, on_device);
    let placed = VideoPlan {
        prepare: layout.prepare_text(),
        decode_threads: if placement.decode { 1 } else { video.decode_threads },
        accelerator: Some(Accelerator {
            id: device.id.clone(),
            kind: device.kind,
            address: device.address.clone(),
            simulated: device.simulated,
            decode: placement.decode,
            extra_frames: if placement.decode { pool::extra_frames(&source.video, video.cadence.is_some()) } else { 0 },
        }),
        memory: layout.prepared,
        renditions: renditions(plan, video, &layout, device, ffmpeg),
        ..video.clone()
    };
    Ok(Plan { video: Some(placed), ..plan.clone() })
}

fn renditions(
    plan: &Plan,
    video: &VideoPlan,
    layout: &Layout<'_>,
    device: &DeviceInfo,
    ffmpeg: FilterSet,
) -> Vec<crate::model::VideoRendition> {
    let one = |(i, rung): (usize, &crate::model::VideoRendition)| {
        if rung.copy {
            return rung.clone();
        }
        let mut placed = rung.clone();
        placed.parent = layout.parents[i];
        placed.graph = layout.rung_text(i);
        placed.memory = layout.memory[i];
        placed.on_device = layout.on_device[i];
        placed.mark_graphs = layout.mark_graphs(i);
        placed.pixel_format = layout.pixel_format(i).to_owned();
        if placed.on_device {
            let gop = gop(plan.grid.segment_ms, video.frame_rate);
            placed.encoder = encoder::name(rung.codec, device.kind).to_owned();
            placed.options = encoder::options(rung, layout.is_deep(i), gop, device, ffmpeg);
        }
        placed
    };
    video.renditions.iter().enumerate().map(one).collect()
}

/// FFmpeg's name of the encoder that makes a codec on a kind of device.
pub fn encoder_name(codec: VideoCodec, kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Cpu => codec.traits().encoder,
        _ => encoder::name(codec, kind),
    }
}

/// The layout of pictures in device memory, and of those that are about to be uploaded.
const fn device_format(deep: bool) -> &'static str {
    if deep { "p010le" } else { "nv12" }
}

/// Whether frames lie in the device.
fn is_device(memory: Memory) -> bool {
    memory == Memory::Device
}
