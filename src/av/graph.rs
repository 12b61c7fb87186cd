//! Filter graphs with one input and one output.

use super::error::{AvError, Polled, check, polled};
use super::frame::{Frame, PictureFormat, SampleFormat};
use super::hw::{HwDevice, HwFrames};
use super::names::c_string;
use super::{to_ratio, to_rational};
use crate::model::Ratio;
use ffmpeg_sys_next as ff;
use std::ffi::CStr;
use std::ptr;

/// A configured graph. Used on the thread that made it.
pub struct Graph {
    graph: *mut ff::AVFilterGraph,
    source: *mut ff::AVFilterContext,
    sink: *mut ff::AVFilterContext,
}

impl Graph {
    /// A graph for pictures in the host's memory. `text` may be empty.
    pub fn video(text: &str, input: PictureFormat, time_base: Ratio) -> Result<Self, AvError> {
        let mut graph = Self::video_input(input, time_base, None)?;
        graph.configure(text, None)?;
        Ok(graph)
    }

    /// A graph for pictures like `first`, wherever that lies, whose filters may use `device`.
    pub fn video_on(device: &HwDevice, text: &str, first: &Frame, time_base: Ratio) -> Result<Self, AvError> {
        let mut graph = Self::video_input(first.picture_format(), time_base, HwFrames::of(first)?.as_ref())?;
        graph.configure(text, Some(device))?;
        Ok(graph)
    }

    fn video_input(input: PictureFormat, time_base: Ratio, pool: Option<&HwFrames>) -> Result<Self, AvError> {
        let mut graph = Self::empty()?;
        graph.source = graph.buffer(c"buffer", c"in")?;
        graph.sink = graph.buffer(c"buffersink", c"out")?;
        // SAFETY: both filters are allocated, not initialised; the parameters are freed after they were copied.
        unsafe {
            let params = ff::av_buffersrc_parameters_alloc();
            let Some(raw) = params.as_mut() else { return Err(AvError::no_memory("allocate a graph")) };
            raw.format = input.format;
            raw.width = i32::try_from(input.width).unwrap_or(0);
            raw.height = i32::try_from(input.height).unwrap_or(0);
            raw.time_base = to_rational(time_base);
            if input.sample_aspect.is_known() {
                raw.sample_aspect_ratio = to_rational(input.sample_aspect);
            }
            raw.hw_frames_ctx = pool.map_or(ptr::null_mut(), HwFrames::as_ptr);
            let code = ff::av_buffersrc_parameters_set(graph.source, params);
            ff::av_free(params.cast());
            check("describe a graph's input", code)?;
            check("initialise a graph's input", ff::avfilter_init_str(graph.source, ptr::null()))?;
        }
        Ok(graph)
    }

    /// A graph for sound, with times in samples. `text` may be empty.
    pub fn audio(text: &str, input: &SampleFormat) -> Result<Self, AvError> {
        let mut graph = Self::empty()?;
        graph.source = graph.buffer(c"abuffer", c"in")?;
        graph.sink = graph.buffer(c"abuffersink", c"out")?;
        let mut options = format!(
            "sample_rate={}:sample_fmt={}:time_base=1/{}:channels={}",
            input.rate,
            super::names::sample_format_name(input.format),
            input.rate.max(1),
            input.channels
        );
        // A decoder that knows no layout says "6 channels", which the filter's option does not parse.
        if !input.layout.is_empty() && !input.layout.ends_with("channels") {
            options.push_str(":channel_layout=");
            options.push_str(&input.layout);
        }
        graph.init_source(&options)?;
        graph.configure(if text.is_empty() { "anull" } else { text }, None)?;
        Ok(graph)
    }

    fn empty() -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let graph = unsafe { ff::avfilter_graph_alloc() };
        if graph.is_null() {
            return Err(AvError::no_memory("allocate a graph"));
        }
        // SAFETY: ours and not yet configured. One thread a graph: rungs run side by side already.
        unsafe { (*graph).nb_threads = 1 };
        Ok(Self { graph, source: ptr::null_mut(), sink: ptr::null_mut() })
    }

    fn buffer(&self, filter: &CStr, name: &CStr) -> Result<*mut ff::AVFilterContext, AvError> {
        // SAFETY: the graph is ours; the result belongs to it and lives as long.
        let context = unsafe {
            let filter = ff::avfilter_get_by_name(filter.as_ptr());
            ff::avfilter_graph_alloc_filter(self.graph, filter, name.as_ptr())
        };
        if context.is_null() { Err(AvError::no_memory("allocate a graph")) } else { Ok(context) }
    }

    fn init_source(&self, options: &str) -> Result<(), AvError> {
        let options = c_string(options);
        // SAFETY: the filter is allocated and not initialised; the text lives through the call.
        check("describe a graph's input", unsafe { ff::avfilter_init_str(self.source, options.as_ptr()) })?;
        Ok(())
    }

    fn configure(&mut self, text: &str, device: Option<&HwDevice>) -> Result<(), AvError> {
        let text = c_string(if text.is_empty() { "null" } else { text });
        // SAFETY: source (initialised) and sink belong to the graph. The in-out lists are freed whatever happens.
        unsafe {
            check("initialise a graph's output", ff::avfilter_init_str(self.sink, ptr::null()))?;
            let mut inputs = in_out(c"out", self.sink)?;
            let mut outputs = in_out(c"in", self.source)?;
            let code =
                ff::avfilter_graph_parse_ptr(self.graph, text.as_ptr(), &mut inputs, &mut outputs, ptr::null_mut());
            ff::avfilter_inout_free(&mut inputs);
            ff::avfilter_inout_free(&mut outputs);
            check("parse a filter graph", code)?;
            if let Some(device) = device {
                self.lend(device)?;
            }
            check("configure a filter graph", ff::avfilter_graph_config(self.graph, ptr::null_mut()))?;
        }
        Ok(())
    }

    /// Gives every filter a reference to the device: `hwupload` and its like look for it when they are configured.
    fn lend(&self, device: &HwDevice) -> Result<(), AvError> {
        // SAFETY: the graph is ours and holds this many live filters, which were created and not yet configured; each
        // frees its reference.
        unsafe {
            for at in 0..(*self.graph).nb_filters as usize {
                let filter = *(*self.graph).filters.add(at);
                (*filter).hw_device_ctx = device.share()?;
            }
        }
        Ok(())
    }

    /// Gives the graph a frame, or with `None` tells it that no more comes. The frame itself is untouched.
    pub fn send(&mut self, frame: Option<&Frame>) -> Result<(), AvError> {
        const KEEP_REF: i32 = 8;
        let frame = frame.map_or(ptr::null_mut(), Frame::as_ptr);
        // SAFETY: the graph is configured; the frame is live or null, and kept by reference.
        check("filter", unsafe { ff::av_buffersrc_add_frame_flags(self.source, frame, KEEP_REF) })?;
        Ok(())
    }

    /// Takes the next frame out; its times are in [`Graph::time_base`].
    pub fn receive(&mut self, frame: &mut Frame) -> Result<Polled, AvError> {
        frame.clear();
        // SAFETY: the graph is configured and the frame empty.
        polled("filter", unsafe { ff::av_buffersink_get_frame(self.sink, frame.as_ptr()) })
    }

    /// Takes out a frame of exactly this many samples, fewer only at the end.
    pub fn receive_samples(&mut self, frame: &mut Frame, samples: u32) -> Result<Polled, AvError> {
        frame.clear();
        let samples = i32::try_from(samples).unwrap_or(i32::MAX);
        // SAFETY: as for receive.
        polled("filter", unsafe { ff::av_buffersink_get_samples(self.sink, frame.as_ptr(), samples) })
    }

    /// Seconds a tick of frames that come out.
    pub fn time_base(&self) -> Ratio {
        // SAFETY: the graph is configured.
        to_ratio(unsafe { ff::av_buffersink_get_time_base(self.sink) })
    }
}

/// A one-element in-out list that names an end of the graph.
///
/// # Safety
/// `filter` is a live filter context.
unsafe fn in_out(name: &CStr, filter: *mut ff::AVFilterContext) -> Result<*mut ff::AVFilterInOut, AvError> {
    // SAFETY: the element is ours until FFmpeg frees it; the name is copied by av_strdup as FFmpeg wants.
    unsafe {
        let element = ff::avfilter_inout_alloc();
        let Some(raw) = element.as_mut() else { return Err(AvError::no_memory("allocate a graph")) };
        raw.name = ff::av_strdup(name.as_ptr());
        raw.filter_ctx = filter;
        raw.pad_idx = 0;
        raw.next = ptr::null_mut();
        Ok(element)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: ours, freed once, with all its filters.
        unsafe { ff::avfilter_graph_free(&mut self.graph) };
    }
}
