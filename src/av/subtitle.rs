//! Decoding subtitles: packets to events of styled text.

use super::dict::Dict;
use super::error::{AvError, check};
use super::log::ContextLabel;
use super::packet::Packet;
use super::params::Params;
use super::{names, timestamp, to_rational};
use crate::model::Ratio;
use ffmpeg_sys_next as ff;
use std::mem::MaybeUninit;

/// An open decoder of subtitles. Used on the thread that opened it.
pub struct SubtitleDecoder {
    context: *mut ff::AVCodecContext,
    _label: ContextLabel,
}

/// What a packet says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// Events of Advanced SubStation Alpha, as libavcodec writes them; none where the screen is cleared.
    pub events: Vec<String>,
    /// From when on they are shown, µs, where the decoder says.
    pub start_us: Option<i64>,
    /// How long they are shown by the decoder, ms from the packet's time; `None` where it does not say.
    pub end_ms: Option<u32>,
    /// Pictures that came instead of text.
    pub bitmaps: Vec<Bitmap>,
}

/// A part of the screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bitmap {
    /// Of its left edge, pixels of the canvas.
    pub x: u32,
    /// Of its upper edge.
    pub y: u32,
    /// Pixels, over zero.
    pub width: u32,
    /// Pixels, over zero.
    pub height: u32,
    /// Red, green, blue and alpha of each pixel, rows from the top.
    pub pixels: Vec<u8>,
}

/// Parts of a screen that are taken: PGS has two objects at a time, a page of DVB a region for each line.
const BITMAPS_MAX: usize = 64;
/// Longest side of one, pixels: that of the largest canvas, UHD.
const SIDE_MAX: i32 = 4096;

impl SubtitleDecoder {
    /// Opens the decoder that FFmpeg prefers for these parameters; teletext is asked to give text.
    ///
    /// # Errors
    /// `AVERROR_DECODER_NOT_FOUND` where this build has none.
    pub fn open(params: &Params, time_base: Ratio) -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let codec = unsafe { ff::avcodec_find_decoder(params.raw().codec_id) };
        if codec.is_null() {
            return Err(AvError::new("find a decoder", ff::AVERROR_DECODER_NOT_FOUND));
        }
        // SAFETY: the codec is static; null is checked.
        let context = unsafe { ff::avcodec_alloc_context3(codec) };
        if context.is_null() {
            return Err(AvError::no_memory("allocate the decoder"));
        }
        let decoder = Self { context, _label: ContextLabel::of_this_thread(context.cast()) };
        let teletext = params.raw().codec_id == ff::AVCodecID::AV_CODEC_ID_DVB_TELETEXT;
        let mut options =
            Dict::new(teletext.then_some([("txt_format", "ass"), ("txt_page", "subtitle")]).into_iter().flatten())?;
        // SAFETY: the context is ours and not yet open; codec and parameters are live.
        unsafe {
            check("set up the decoder", ff::avcodec_parameters_to_context(decoder.context, params.as_ptr()))?;
            (*decoder.context).pkt_timebase = to_rational(time_base);
            check("open the decoder", ff::avcodec_open2(decoder.context, codec, options.as_mut()))?;
        }
        Ok(decoder)
    }

    /// Width and height of what pictures are laid out on, once the decoder knows.
    pub fn canvas(&self) -> Option<(u32, u32)> {
        // SAFETY: the context is ours and live.
        let (width, height, codec) =
            unsafe { ((*self.context).width, (*self.context).height, (*self.context).codec_id) };
        let known = (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height);
        // ETSI EN 300 743 §5.1.3: without a display definition it is that of 625-line television.
        let usual = (codec == ff::AVCodecID::AV_CODEC_ID_DVB_SUBTITLE).then_some((720, 576));
        if known { Some((width as u32, height as u32)) } else { usual }
    }

    /// Decodes a packet; `None` where it says nothing by itself.
    pub fn decode(&mut self, packet: &Packet) -> Result<Option<Shown>, AvError> {
        let mut raw = MaybeUninit::<ff::AVSubtitle>::zeroed();
        let mut got = 0;
        // SAFETY: the context is open, the packet live; FFmpeg fills `raw` in, which is all zeroes before, and a state in
        // which it may be freed.
        let mut subtitle = unsafe {
            let code = ff::avcodec_decode_subtitle2(self.context, raw.as_mut_ptr(), &mut got, packet.as_ptr());
            check("decode a subtitle", code)?;
            raw.assume_init()
        };
        if got == 0 {
            return Ok(None);
        }
        let mut shown = Shown::default();
        let begins = i64::from(subtitle.start_display_time) * 1000;
        shown.start_us = timestamp(subtitle.pts).map(|us| us.saturating_add(begins));
        let lasts = subtitle.end_display_time;
        shown.end_ms = (lasts > 0 && lasts < u32::MAX).then_some(lasts);
        for index in 0..subtitle.num_rects as usize {
            // SAFETY: the array has `num_rects` live entries, whose text is null or ends with NUL.
            unsafe {
                let rect = &**subtitle.rects.add(index);
                if !rect.ass.is_null() {
                    shown.events.push(names::text(rect.ass));
                }
                if shown.bitmaps.len() < BITMAPS_MAX {
                    shown.bitmaps.extend(bitmap(rect));
                }
            }
        }
        // SAFETY: it was filled in by the decoder and is freed once.
        unsafe { ff::avsubtitle_free(&mut subtitle) };
        Ok(Some(shown))
    }
}

/// A picture as it is laid over others; `None` for what is none, or is empty or too large.
///
/// # Safety
/// The rectangle was filled in by a decoder: one that is a bitmap has `h` rows of `linesize[0]` bytes, of which `w` are
/// pixels, at `data[0]`, and `nb_colors` colours of four bytes at `data[1]`.
unsafe fn bitmap(rect: &ff::AVSubtitleRect) -> Option<Bitmap> {
    let sides = 1..=SIDE_MAX;
    let is_bitmap = rect.type_ == ff::AVSubtitleType::SUBTITLE_BITMAP;
    if !is_bitmap || !sides.contains(&rect.w) || !sides.contains(&rect.h) || rect.linesize[0] < rect.w {
        return None;
    }
    if rect.data[0].is_null() || rect.data[1].is_null() {
        return None;
    }
    let (width, height, stride) = (rect.w as usize, rect.h as usize, rect.linesize[0] as usize);
    let colors = usize::try_from(rect.nb_colors).unwrap_or(0).min(256);
    // SAFETY: by the caller's promise; colours are bytes here, so that nothing need be aligned.
    let (indices, palette) = unsafe {
        let indices = std::slice::from_raw_parts(rect.data[0], stride * (height - 1) + width);
        (indices, std::slice::from_raw_parts(rect.data[1], colors * 4))
    };
    let mut pixels = Vec::with_capacity(width * height * 4);
    for index in indices.chunks(stride).flat_map(|row| &row[..width]) {
        // `AV_PIX_FMT_PAL8`: alpha, red, green and blue in a word of the machine's order.
        let at = usize::from(*index) * 4;
        let color = palette.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes);
        let [alpha, red, green, blue] = color.to_be_bytes();
        pixels.extend([red, green, blue, alpha]);
    }
    let edge = |value: i32| u32::try_from(value).unwrap_or(0).min(SIDE_MAX as u32);
    Some(Bitmap { x: edge(rect.x), y: edge(rect.y), width: width as u32, height: height as u32, pixels })
}

impl Drop for SubtitleDecoder {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::avcodec_free_context(&mut self.context) };
    }
}
