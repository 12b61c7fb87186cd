//! Splitting packets that hold several coded frames.

use super::error::AvError;
use super::packet::Packet;
use super::params::Params;
use crate::model::Ratio;
use crate::model::time::rescale;
use ffmpeg_sys_next as ff;
use std::ptr;

/// Splits packets of codecs whose containers put many frames into one packet and whose decoders take one at a time.
pub struct Splitter {
    parser: *mut ff::AVCodecParserContext,
    context: *mut ff::AVCodecContext,
    rate: Ratio,
    time_base: Ratio,
}

/// Codecs for which that is so: AMR in 3GP has up to fifty frames a packet, and FFmpeg's decoders make sound of the first.
const MANY_IN_ONE: [&str; 2] = ["amr_nb", "amr_wb"];

impl Splitter {
    /// A splitter, where the codec needs one.
    pub fn for_codec(params: &Params, time_base: Ratio) -> Result<Option<Self>, AvError> {
        let name = params.codec_name();
        if !MANY_IN_ONE.contains(&name.as_str()) {
            return Ok(None);
        }
        let id = params.raw().codec_id;
        // SAFETY: both take any id; null is checked and what was made is freed by drop.
        let (parser, context) = unsafe { (ff::av_parser_init(id as i32), ff::avcodec_alloc_context3(ptr::null())) };
        let rate = Ratio::new(i64::from(params.raw().sample_rate.max(1)), 1);
        let splitter = Self { parser, context, rate, time_base };
        if parser.is_null() || context.is_null() {
            return Err(AvError::new("find a parser", ff::AVERROR_INVALIDDATA));
        }
        // SAFETY: the context is ours and not open; the parser reads these fields of it.
        unsafe {
            (*context).codec_id = id;
            (*context).codec_type = ff::AVMediaType::AVMEDIA_TYPE_AUDIO;
            (*context).sample_rate = params.raw().sample_rate;
        }
        Ok(Some(splitter))
    }

    /// The frames of a packet as packets of their own, each with its time.
    pub fn split(&mut self, packet: &Packet) -> Result<Vec<Packet>, AvError> {
        let mut rest = packet.data();
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (mut data, mut size) = (ptr::null_mut(), 0);
            let length = i32::try_from(rest.len()).unwrap_or(i32::MAX);
            // SAFETY: parser and context are ours; FFmpeg pads packets, so the parser may read a little past the end.
            let taken = unsafe {
                ff::av_parser_parse2(
                    self.parser,
                    self.context,
                    &mut data,
                    &mut size,
                    rest.as_ptr(),
                    length,
                    i64::MIN,
                    i64::MIN,
                    0,
                )
            };
            let taken = usize::try_from(taken).unwrap_or(0);
            if size > 0 && !data.is_null() {
                // SAFETY: the parser keeps `size` readable bytes at `data` until it is called again.
                frames.push(Packet::from_bytes(unsafe { std::slice::from_raw_parts(data, size as usize) })?);
            }
            if taken == 0 && size <= 0 {
                break;
            }
            rest = &rest[taken.min(rest.len())..];
        }
        self.give_times(packet, &mut frames);
        Ok(frames)
    }

    /// Frames share out the packet's own duration; where it has none, a frame is 20 ms, as it is in AMR.
    fn give_times(&self, packet: &Packet, frames: &mut [Packet]) {
        let count = frames.len() as i64;
        let twenty_ms = rescale(self.rate.num / 50, self.rate.inverse(), self.time_base);
        for (at, frame) in (0..).zip(frames) {
            let whole = if packet.duration() > 0 { packet.duration() } else { twenty_ms * count };
            let offset = whole * at / count.max(1);
            let moved = |time: Option<i64>| time.map(|time| time.saturating_add(offset));
            frame.set_times(moved(packet.pts()), moved(packet.dts()), whole / count.max(1));
        }
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        // SAFETY: each is null or ours, and freed once.
        unsafe {
            if !self.parser.is_null() {
                ff::av_parser_close(self.parser);
            }
            ff::avcodec_free_context(&mut self.context);
        }
    }
}
