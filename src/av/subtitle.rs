//! Decoding subtitles: packets to events of styled text.

use super::dict::Dict;
use super::error::{AvError, check};
use super::log::ContextLabel;
use super::packet::Packet;
use super::params::Params;
use super::{names, to_rational};
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
    /// How long they are shown by the decoder, ms from the packet's time; `None` where it does not say.
    pub end_ms: Option<u32>,
    /// Pictures came instead of text.
    pub pictures: bool,
}

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
        let lasts = subtitle.end_display_time;
        shown.end_ms = (lasts > 0 && lasts < u32::MAX).then_some(lasts);
        for index in 0..subtitle.num_rects as usize {
            // SAFETY: the array has `num_rects` live entries, whose text is null or ends with NUL.
            unsafe {
                let rect = &**subtitle.rects.add(index);
                if !rect.ass.is_null() {
                    shown.events.push(names::text(rect.ass));
                }
                shown.pictures |= rect.type_ == ff::AVSubtitleType::SUBTITLE_BITMAP;
            }
        }
        // SAFETY: it was filled in by the decoder and is freed once.
        unsafe { ff::avsubtitle_free(&mut subtitle) };
        Ok(Some(shown))
    }
}

impl Drop for SubtitleDecoder {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::avcodec_free_context(&mut self.context) };
    }
}
