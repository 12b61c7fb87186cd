//! Where the frames of each rung lie, and from which rung they are made.

use super::super::{graph, picture, tree};
use super::{device_format, fit, is_device};
use crate::model::VideoRendition;
use crate::model::device::{DeviceInfo, DeviceKind, Memory};
use crate::model::plan::{SourcePictures, VideoPlan};

use super::filters::FilterSet;

/// Where everything of a placed plan is, before it becomes text.
pub(super) struct Layout<'a> {
    /// The plan for the CPU.
    pub video: &'a VideoPlan,
    /// Its source.
    pub source: &'a SourcePictures,
    /// How the device is driven.
    pub kind: DeviceKind,
    /// What the FFmpeg at hand has.
    pub ffmpeg: FilterSet,
    /// The device decodes.
    pub decode: bool,
    /// For each rung whether the device encodes it.
    pub on_device: Vec<bool>,
    /// Where prepared frames lie.
    pub prepared: Memory,
    /// Where each rung's frames lie.
    pub memory: Vec<Memory>,
    /// Which rung each rung is made from.
    pub parents: Vec<Option<usize>>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(
        video: &'a VideoPlan,
        source: &'a SourcePictures,
        device: &DeviceInfo,
        ffmpeg: FilterSet,
        decode: bool,
        on_device: Vec<bool>,
    ) -> Self {
        let mut layout = Self {
            video,
            source,
            kind: device.kind,
            ffmpeg,
            decode,
            on_device,
            prepared: Memory::System,
            memory: Vec::new(),
            parents: Vec::new(),
        };
        let in_device = layout.goes_into_device_memory(device);
        layout.memory = layout.on_device.iter().map(|on| in_device(*on)).collect();
        if decode || layout.can_upload_at_once() {
            layout.prepared = Memory::Device;
        }
        layout.parents = (0..video.renditions.len()).map(|i| layout.parent(i)).collect();
        layout
    }

    /// Rungs that the device encodes lie in its memory, except that NVENC takes over frames of the host by itself where
    /// it is one rung that the CPU decodes, or where FFmpeg has no filters for CUDA.
    fn goes_into_device_memory(&self, device: &DeviceInfo) -> impl Fn(bool) -> Memory + use<> {
        let count = self.on_device.iter().filter(|on| **on).count();
        let hands_over =
            self.kind == DeviceKind::Cuda && !self.decode && (count == 1 || !fit::has_filters(device, self.ffmpeg));
        move |on| if on && !hands_over { Memory::Device } else { Memory::System }
    }

    /// Whether the CPU's frames are uploaded once for all: every rung is the device's, there are several, and none needs
    /// the CPU on its way. Odd pictures are scaled to even ones first: chroma of half a sample has no place in a surface.
    fn can_upload_at_once(&self) -> bool {
        let rungs = || (0..self.memory.len()).filter(|i| !self.rung(*i).copy);
        let all = rungs().all(|i| is_device(self.memory[i]) && !self.is_tone_mapped(i));
        all && rungs().count() > 1 && self.is_even()
    }

    /// Whether prepared pictures have even sides.
    pub(super) fn is_even(&self) -> bool {
        let (width, height) = self.prepared_size();
        width % 2 == 0 && height % 2 == 0
    }

    /// Width and height of prepared frames.
    pub(super) fn prepared_size(&self) -> (u32, u32) {
        graph::prepared_size(&self.source.video)
    }

    pub(super) fn rung(&self, i: usize) -> &'a VideoRendition {
        &self.video.renditions[i]
    }

    /// Width and height of a rung.
    pub(super) fn size(&self, i: usize) -> (u32, u32) {
        (self.rung(i).width, self.rung(i).height)
    }

    /// Whether a rung has 10 bits a sample.
    pub(super) fn is_deep(&self, i: usize) -> bool {
        fit::is_deep(self.rung(i))
    }

    /// Whether a rung, or the one that it is made from, is tone-mapped.
    pub(super) fn is_tone_mapped(&self, i: usize) -> bool {
        graph::tone_maps(&self.source.video, self.rung(i).hdr.as_ref())
    }

    /// The layout of the frames that go to a rung's encoder.
    pub(super) fn pixel_format(&self, i: usize) -> &'a str {
        match (self.memory[i], self.on_device[i], self.is_deep(i)) {
            (Memory::Device, _, deep) => device_format(deep),
            (Memory::System, true, true) => device_format(true),
            (Memory::System, _, _) => &self.rung(i).pixel_format,
        }
    }

    /// The rung that a rung is made from: by the rule of the tree, among those whose frames lie where its own path
    /// begins. With frames prepared on the device that is the device, for rungs of the CPU too: scaling there costs the
    /// CPU nothing, and what was downloaded once is taken as it is only where the size is the same. What is tone-mapped
    /// starts from any that is, rather than being tone-mapped again.
    fn parent(&self, i: usize) -> Option<usize> {
        let alike = |j: usize| {
            let (a, b) = (self.rung(i), self.rung(j));
            let joins = picture::joins((&a.picture, self.size(i)), (&b.picture, self.size(j)));
            joins && !a.copy && !b.copy && (&a.pixel_format, &a.color, &a.hdr) == (&b.pixel_format, &b.color, &b.hdr)
        };
        let choose = |suits: &dyn Fn(usize) -> bool| {
            let shown = tree::shown(&picture::framed(&self.source.video, &self.rung(i).picture).video);
            let size = |i| self.size(i);
            tree::parent(i, size, |j| alike(j) && suits(j), shown, self.is_tone_mapped(i))
        };
        let own = self.memory[i];
        if self.is_tone_mapped(i) {
            return choose(&|j| self.memory[j] == own).or_else(|| choose(&|_| true));
        }
        let same = || choose(&|j| self.memory[j] == own && self.size(j) == self.size(i));
        let start = if is_device(own) { own } else { self.prepared };
        same().or_else(|| choose(&|j| self.memory[j] == start))
    }
}
