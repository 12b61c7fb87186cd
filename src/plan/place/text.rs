//! The text of placed graphs.
//!
//! The grammar is small: `[CPU filters,] [format=F,hwupload,] [device filters,] [hwdownload,format=F,] [CPU filters]`, in
//! a single chain, with options by name.

use super::super::color::Look;
use super::super::graph;
use super::layout::Layout;
use super::{device_format, is_device, pool};
use crate::model::device::DeviceKind;

/// `scale_cuda` looks at four samples around each point, so a picture that is made more than this many times smaller in
/// one step loses detail to aliasing: its bilinear kernel widens up to a factor of 3 and no further.
const CUDA_STEP_MAX: u32 = 3;
/// From this factor on the bilinear kernel, which widens, is better than the bicubic one, which does not.
const CUDA_BILINEAR_FROM: u32 = 2;

/// Filters in their order.
#[derive(Default)]
struct Chain(Vec<String>);

impl Chain {
    fn add(&mut self, filter: impl Into<String>) {
        let filter = filter.into();
        if !filter.is_empty() {
            self.0.push(filter);
        }
    }

    fn format(&mut self, name: &str) {
        self.add(format!("format={name}"));
    }

    fn text(self) -> String {
        self.0.join(",")
    }
}

/// One scaling on the device.
struct Scaling {
    from: (u32, u32),
    to: (u32, u32),
    deep: bool,
    /// Frames come from the device's decoder.
    decoded: bool,
}

impl Layout<'_> {
    /// What every decoded frame goes through.
    pub(super) fn prepare_text(&self) -> String {
        let mut chain = Chain::default();
        if self.decode {
            chain.add(self.deinterlace());
        } else {
            chain.add(self.video.prepare.clone());
            if is_device(self.prepared) {
                let encoded = || (0..self.memory.len()).filter(|i| !self.rung(*i).copy);
                let deepest = encoded().find(|i| self.is_deep(*i)).or_else(|| encoded().next()).unwrap_or(0);
                chain.add(self.host_text(deepest, self.prepared_size()));
                upload(&mut chain, self.is_deep(deepest));
            }
        }
        chain.text()
    }

    /// To the host's memory and back, around what is drawn over pictures that lie in the device's.
    pub(super) fn mark_graphs(&self, i: usize) -> Option<(String, String)> {
        if self.rung(i).marks.is_empty() || !is_device(self.memory[i]) {
            return None;
        }
        let (mut down, mut up) = (Chain::default(), Chain::default());
        download(&mut down, self.is_deep(i));
        down.format(&self.rung(i).pixel_format);
        upload(&mut up, self.is_deep(i));
        Some((down.text(), up.text()))
    }

    /// From a rung's parent, or from prepared frames, to the rung.
    pub(super) fn rung_text(&self, i: usize) -> String {
        match self.parents[i] {
            Some(parent) => self.rung_chain(parent, i),
            None if is_device(self.prepared) => self.device_chain(i),
            None => self.host_chain(i),
        }
    }

    fn rung_chain(&self, parent: usize, i: usize) -> String {
        let (from, to, deep) = (self.size(parent), self.size(i), self.is_deep(i));
        let mut chain = Chain::default();
        if is_device(self.memory[parent]) {
            if from != to {
                self.scale(&mut chain, &Scaling { from, to, deep, decoded: false });
            }
            if !is_device(self.memory[i]) {
                download(&mut chain, deep);
                chain.format(self.pixel_format(i));
            }
        } else {
            chain.add(graph::from_rung(from, to.0, to.1));
            if is_device(self.memory[i]) {
                upload(&mut chain, deep);
            } else if self.pixel_format(parent) != self.pixel_format(i) {
                chain.format(self.pixel_format(i));
            }
        }
        chain.text()
    }

    /// From prepared frames in device memory. What is tone-mapped comes down for it, small already.
    fn device_chain(&self, i: usize) -> String {
        let tone_mapped = self.is_tone_mapped(i);
        let deep = self.is_deep(i) || tone_mapped;
        let mut chain = Chain::default();
        self.scale(&mut chain, &Scaling { from: self.prepared_size(), to: self.size(i), deep, decoded: self.decode });
        if tone_mapped {
            download(&mut chain, true);
            chain.format("yuv420p10le");
            chain.add(graph::tone_map_graph(&self.video.color, self.rung(i).picture.tone_map));
            if is_device(self.memory[i]) {
                upload(&mut chain, false);
            }
        } else if !is_device(self.memory[i]) {
            download(&mut chain, deep);
            chain.format(self.pixel_format(i));
        }
        chain.text()
    }

    /// From prepared frames in the host's memory.
    fn host_chain(&self, i: usize) -> String {
        let (size, deep) = (self.size(i), self.is_deep(i));
        let mut chain = Chain::default();
        if !is_device(self.memory[i]) {
            chain.add(self.host_text(i, size));
            if self.pixel_format(i) != self.rung(i).pixel_format {
                chain.format(self.pixel_format(i));
            }
            return chain.text();
        }
        let alone = self.on_device.iter().filter(|on| **on).count() == 1;
        if alone || self.is_tone_mapped(i) || !self.is_even() {
            chain.add(self.host_text(i, size));
            upload(&mut chain, deep);
        } else {
            let from = self.prepared_size();
            chain.add(self.host_text(i, from));
            upload(&mut chain, deep);
            self.scale(&mut chain, &Scaling { from, to: size, deep, decoded: false });
        }
        chain.text()
    }

    /// From prepared frames to what a rung looks like, at this size, by the CPU.
    fn host_text(&self, i: usize, size: (u32, u32)) -> String {
        let rung = self.rung(i);
        let pixel_format = if self.is_deep(i) { "yuv420p10le" } else { "yuv420p" };
        let look = Look { pixel_format, color: rung.color.clone(), hdr: rung.hdr.clone(), picture: rung.picture };
        graph::from_source(&self.source.video, &self.video.color, &look, size.0, size.1)
    }

    fn deinterlace(&self) -> String {
        let Some(parity) = graph::parity(&self.source.video) else { return String::new() };
        let mode = graph::deinterlaced(self.video.fields);
        match self.kind {
            // Which field comes first it reads from each frame.
            DeviceKind::Vaapi => {
                let fields = self.video.fields;
                let told = fields.filter(|fields| fields.told).map(|_| format!("setfield=mode={parity},"));
                let rate = if fields.is_some_and(|fields| fields.each) { "field" } else { "frame" };
                told.unwrap_or_default() + &self.pooled(format!("deinterlace_vaapi=rate={rate}"))
            }
            _ if self.ffmpeg.has("bwdif_cuda") => format!("bwdif_cuda=mode={mode}:parity={parity}:deint=all"),
            _ => format!("yadif_cuda=mode={mode}:parity={parity}:deint=all"),
        }
    }

    fn scale(&self, chain: &mut Chain, scaling: &Scaling) {
        let limited = scaling.decoded && self.video.color.range.as_deref() == Some("pc");
        let format = device_format(scaling.deep);
        let (width, height) = scaling.to;
        if self.kind == DeviceKind::Vaapi {
            let range = if limited { ":out_range=tv" } else { "" };
            chain.add(self.pooled(format!("scale_vaapi=w={width}:h={height}:format={format}{range}")));
        } else {
            self.scale_cuda(chain, scaling);
            if limited {
                chain.add("colorspace_cuda=range=tv");
            }
        }
        chain.add("setsar=1");
    }

    /// In halves until the last step is small enough. The first filter never passes on a decoder's own surfaces, which
    /// encoders would keep from it.
    fn scale_cuda(&self, chain: &mut Chain, scaling: &Scaling) {
        let format = device_format(scaling.deep);
        let owned = scaling.decoded && !self.video_is_deinterlaced() && self.ffmpeg.decoder_surfaces_are_handed_out();
        let mut pass = if owned { ":passthrough=0" } else { "" };
        let mut step = |(width, height): (u32, u32), algorithm: &str| {
            chain.add(format!("scale_cuda=w={width}:h={height}:interp_algo={algorithm}:format={format}{pass}"));
            pass = "";
        };
        let (mut from, to) = (scaling.from, scaling.to);
        let factor = |from: (u32, u32), times: u32| from.0 > to.0 * times || from.1 > to.1 * times;
        while factor(from, CUDA_STEP_MAX) {
            let half = |from: u32, to: u32| (from.div_ceil(2).next_multiple_of(2)).max(to);
            let next = (half(from.0, to.0), half(from.1, to.1));
            if next == from {
                break;
            }
            from = next;
            step(from, "bilinear");
        }
        let widens = from.0 >= to.0 * CUDA_BILINEAR_FROM || from.1 >= to.1 * CUDA_BILINEAR_FROM;
        step(to, if widens { "bilinear" } else { "bicubic" });
    }

    fn video_is_deinterlaced(&self) -> bool {
        graph::parity(&self.source.video).is_some()
    }

    /// With room for the frames that others hold, where pools do not grow.
    fn pooled(&self, filter: String) -> String {
        if self.ffmpeg.pools_are_fixed() { format!("{filter}:extra_hw_frames={}", pool::VAAPI_EXTRA) } else { filter }
    }
}

fn upload(chain: &mut Chain, deep: bool) {
    chain.format(device_format(deep));
    chain.add("hwupload");
}

fn download(chain: &mut Chain, deep: bool) {
    chain.add("hwdownload");
    chain.format(device_format(deep));
}
