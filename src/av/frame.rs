//! Decoded pictures and sound.

use super::error::{AvError, check};
use super::{NO_PTS, names, timestamp, to_ratio};
use crate::model::Ratio;
use crate::model::facts::{ColorTags, MasteringDisplay};
use ffmpeg_sys_next as ff;

/// An owned, reference-counted frame.
pub struct Frame {
    pointer: *mut ff::AVFrame,
}

// SAFETY: a frame is owned by one value, and its buffers' reference counts are atomic.
unsafe impl Send for Frame {}

/// What a video filter graph must know of the frames it gets; a change of any part needs a new graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureFormat {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// FFmpeg's pixel format number.
    pub format: i32,
    /// Width of a pixel over its height.
    pub sample_aspect: Ratio,
}

/// What an audio filter graph must know of the frames it gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleFormat {
    /// Samples a second.
    pub rate: u32,
    /// FFmpeg's sample format number.
    pub format: i32,
    /// Channels.
    pub channels: u32,
    /// FFmpeg's name of the layout.
    pub layout: String,
}

impl Frame {
    /// An empty frame.
    pub fn new() -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let pointer = unsafe { ff::av_frame_alloc() };
        if pointer.is_null() { Err(AvError::no_memory("allocate a frame")) } else { Ok(Self { pointer }) }
    }

    /// A black picture, for tests and fillers.
    pub fn picture(width: u32, height: u32, pixel_format: i32) -> Result<Self, AvError> {
        let mut frame = Self::new()?;
        let raw = frame.raw_mut();
        raw.width = i32::try_from(width).unwrap_or(0);
        raw.height = i32::try_from(height).unwrap_or(0);
        raw.format = pixel_format;
        // SAFETY: size and format are set, as av_frame_get_buffer needs.
        check("allocate a picture", unsafe { ff::av_frame_get_buffer(frame.pointer, 0) })?;
        frame.paint(0, 16);
        frame.paint(1, 128);
        frame.paint(2, 128);
        Ok(frame)
    }

    /// Silence, for tests and fillers: `samples` in each channel, in a planar float format.
    pub fn silence(rate: u32, channels: u32, samples: u32) -> Result<Self, AvError> {
        let mut frame = Self::new()?;
        let raw = frame.raw_mut();
        raw.sample_rate = i32::try_from(rate).unwrap_or(0);
        raw.nb_samples = i32::try_from(samples).unwrap_or(0);
        raw.format = ff::AVSampleFormat::AV_SAMPLE_FMT_FLTP as i32;
        // SAFETY: the layout is the frame's own, set before the buffers are allocated.
        unsafe {
            ff::av_channel_layout_default(&mut raw.ch_layout, i32::try_from(channels).unwrap_or(0));
            check("allocate sound", ff::av_frame_get_buffer(frame.pointer, 0))?;
        }
        for channel in 0..channels.min(8) as usize {
            // SAFETY: each of the channels has `samples` floats of four bytes.
            unsafe { std::ptr::write_bytes(frame.raw().data[channel], 0, samples as usize * 4) };
        }
        Ok(frame)
    }

    /// Fills one plane of an 8-bit 4:2:0 picture that nobody else refers to with one value.
    pub fn paint(&mut self, plane: usize, value: u8) {
        let raw = self.raw();
        let (Some(data), Some(stride)) = (raw.data.get(plane), raw.linesize.get(plane)) else { return };
        let rows = if plane == 0 { raw.height } else { (raw.height + 1) / 2 };
        if data.is_null() || *stride <= 0 || rows <= 0 || raw.format != ff::AVPixelFormat::AV_PIX_FMT_YUV420P as i32 {
            return;
        }
        // SAFETY: a plane of this format has at least `rows` rows of `stride` bytes.
        unsafe { std::ptr::write_bytes(*data, value, rows as usize * *stride as usize) };
    }

    /// The first value of a plane of an 8-bit 4:2:0 picture: what [`Frame::paint`] wrote, for tests.
    pub fn painted(&self, plane: usize) -> Option<u8> {
        let raw = self.raw();
        let data = raw.data.get(plane).copied().filter(|data| !data.is_null())?;
        let known = raw.format == ff::AVPixelFormat::AV_PIX_FMT_YUV420P as i32 && raw.width > 0 && raw.height > 0;
        // SAFETY: a plane of this format that is there has at least one row of at least one byte.
        known.then(|| unsafe { *data })
    }

    /// Another reference to the same pixels or samples.
    pub fn reference(&self) -> Result<Self, AvError> {
        let copy = Self::new()?;
        // SAFETY: both frames are live; the copy is empty.
        check("reference a frame", unsafe { ff::av_frame_ref(copy.pointer, self.pointer) })?;
        Ok(copy)
    }

    pub(super) const fn as_ptr(&self) -> *mut ff::AVFrame {
        self.pointer
    }

    pub(super) const fn raw(&self) -> &ff::AVFrame {
        // SAFETY: the pointer is never null and ours.
        unsafe { &*self.pointer }
    }

    const fn raw_mut(&mut self) -> &mut ff::AVFrame {
        // SAFETY: the pointer is never null and ours.
        unsafe { &mut *self.pointer }
    }

    pub(super) fn clear(&mut self) {
        // SAFETY: ours; unref leaves it empty and usable.
        unsafe { ff::av_frame_unref(self.pointer) };
    }

    /// Presentation time, ticks of whoever made the frame.
    pub const fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// Sets the quality that encoders with a fixed quantiser are to give it, in FFmpeg's lambda units.
    pub fn set_quality(&mut self, quality: i32) {
        self.raw_mut().quality = quality;
    }

    /// Sets the presentation time.
    pub fn set_pts(&mut self, pts: Option<i64>) {
        self.raw_mut().pts = pts.unwrap_or(NO_PTS);
    }

    /// The decoder's best guess of the presentation time, ticks of the packets.
    pub const fn best_effort_pts(&self) -> Option<i64> {
        timestamp(self.raw().best_effort_timestamp)
    }

    /// Asks the encoder for a key frame here, or leaves the choice to it.
    pub const fn set_forced_key(&mut self, forced: bool) {
        self.raw_mut().pict_type =
            if forced { ff::AVPictureType::AV_PICTURE_TYPE_I } else { ff::AVPictureType::AV_PICTURE_TYPE_NONE };
    }

    /// Takes off the closed captions (ATSC A/53) that came with the picture.
    pub fn drop_captions(&mut self) {
        // SAFETY: the frame is live and ours alone; other references to its picture have side data of their own.
        unsafe { ff::av_frame_remove_side_data(self.pointer, ff::AVFrameSideDataType::AV_FRAME_DATA_A53_CC) };
    }

    /// The closed captions that came with the picture (`cc_data` triplets).
    pub fn captions(&self) -> Option<&[u8]> {
        self.side_data(ff::AVFrameSideDataType::AV_FRAME_DATA_A53_CC)
    }

    /// Puts closed captions in the place of those that came with the picture.
    pub fn set_captions(&mut self, triplets: &[u8]) -> Result<(), AvError> {
        self.drop_captions();
        let kind = ff::AVFrameSideDataType::AV_FRAME_DATA_A53_CC;
        // SAFETY: the frame is live and ours; what is made has as many writable bytes, and belongs to the frame.
        unsafe {
            let data = ff::av_frame_new_side_data(self.pointer, kind, triplets.len()).as_mut();
            let data = data.filter(|data| !data.data.is_null()).ok_or(AvError::no_memory("keep closed captions"))?;
            std::ptr::copy_nonoverlapping(triplets.as_ptr(), data.data, triplets.len());
        }
        Ok(())
    }

    /// Size, pixel format and shape.
    pub fn picture_format(&self) -> PictureFormat {
        let raw = self.raw();
        PictureFormat {
            width: u32::try_from(raw.width).unwrap_or(0),
            height: u32::try_from(raw.height).unwrap_or(0),
            format: raw.format,
            sample_aspect: to_ratio(raw.sample_aspect_ratio),
        }
    }

    /// Rate, sample format and layout.
    pub fn sample_format(&self) -> SampleFormat {
        let raw = self.raw();
        SampleFormat {
            rate: u32::try_from(raw.sample_rate).unwrap_or(0),
            format: raw.format,
            channels: u32::try_from(raw.ch_layout.nb_channels).unwrap_or(0),
            layout: names::layout_name(&raw.ch_layout),
        }
    }

    /// What a filter has written about the frame under this key.
    pub fn tag(&self, key: &str) -> Option<String> {
        let key = names::c_string(key);
        // SAFETY: the dictionary is the live frame's, or null, which holds nothing; the key lives through the call.
        unsafe {
            let entry = ff::av_dict_get(self.raw().metadata, key.as_ptr(), std::ptr::null(), 0).as_ref()?;
            Some(names::text(entry.value))
        }
    }

    /// Samples in each channel.
    pub fn samples(&self) -> i64 {
        i64::from(self.raw().nb_samples)
    }

    /// Keeps only the first `most` samples.
    pub fn keep_samples(&mut self, most: i64) {
        let kept = i64::from(self.raw().nb_samples).min(most.max(0));
        self.raw_mut().nb_samples = i32::try_from(kept).unwrap_or(0);
    }

    /// The same samples in a planar float format, with silence behind them up to so many.
    pub fn filled_up(&self, samples: u32) -> Result<Self, AvError> {
        let own = self.sample_format();
        let mut frame = Self::silence(own.rate, own.channels, samples)?;
        for channel in 0..own.channels as usize {
            let from = self.channel(channel).unwrap_or_default();
            for (to, from) in frame.channel_mut(channel).unwrap_or_default().iter_mut().zip(from) {
                *to = *from;
            }
        }
        frame.set_pts(self.pts());
        Ok(frame)
    }

    /// Whether the picture was coded as two fields, and whether the top one is first.
    pub const fn interlaced(&self) -> Option<bool> {
        let raw = self.raw();
        if raw.interlaced_frame != 0 { Some(raw.top_field_first != 0) } else { None }
    }

    /// Whether the decoder could not make the frame whole.
    pub const fn is_corrupt(&self) -> bool {
        const CORRUPT: i32 = 1;
        let raw = self.raw();
        raw.flags & CORRUPT != 0 || raw.decode_error_flags != 0
    }

    /// Colour tags, by FFmpeg's names.
    pub fn color(&self) -> ColorTags {
        let raw = self.raw();
        // SAFETY: the name functions take any value of their enum and return static strings or null.
        unsafe {
            ColorTags {
                range: names::tag(names::text(ff::av_color_range_name(raw.color_range))),
                primaries: names::tag(names::text(ff::av_color_primaries_name(raw.color_primaries))),
                transfer: names::tag(names::text(ff::av_color_transfer_name(raw.color_trc))),
                matrix: names::tag(names::text(ff::av_color_space_name(raw.colorspace))),
            }
        }
    }

    /// SMPTE ST 2086 metadata carried by the frame.
    pub fn mastering_display(&self) -> Option<MasteringDisplay> {
        let kind = ff::AVFrameSideDataType::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA;
        self.side_data(kind).and_then(super::params::mastering_display)
    }

    /// CTA-861.3 content light levels carried by the frame: maximum, maximum frame average.
    pub fn content_light(&self) -> Option<(u32, u32)> {
        let kind = ff::AVFrameSideDataType::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL;
        self.side_data(kind).and_then(super::params::content_light)
    }

    /// The display matrix carried by the frame: row-major, 16.16 fixed point.
    pub fn display_matrix(&self) -> Option<[i32; 9]> {
        let kind = ff::AVFrameSideDataType::AV_FRAME_DATA_DISPLAYMATRIX;
        self.side_data(kind).and_then(super::params::display_matrix)
    }

    fn side_data(&self, kind: ff::AVFrameSideDataType) -> Option<&[u8]> {
        // SAFETY: the frame is live; side data lives as long as the frame that it belongs to.
        unsafe {
            let data = ff::av_frame_get_side_data(self.pointer, kind).as_ref()?;
            (!data.data.is_null()).then(|| std::slice::from_raw_parts(data.data, data.size))
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::av_frame_free(&mut self.pointer) };
    }
}
