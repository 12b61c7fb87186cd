//! Codec parameters: what a stream is, independent of demuxer, decoder and encoder.

use super::error::{AvError, check};
use super::names;
use crate::model::facts::MasteringDisplay;
use ffmpeg_sys_next as ff;
use std::ptr;

/// Owned codec parameters.
pub struct Params {
    pointer: *mut ff::AVCodecParameters,
}

// SAFETY: owned by one value; plain data.
unsafe impl Send for Params {}

impl Params {
    pub(super) fn new() -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let pointer = unsafe { ff::avcodec_parameters_alloc() };
        if pointer.is_null() { Err(AvError::no_memory("allocate codec parameters")) } else { Ok(Self { pointer }) }
    }

    /// A copy of parameters that belong to somebody else.
    ///
    /// # Safety
    /// `source` points to live parameters.
    pub(super) unsafe fn copy_of(source: *const ff::AVCodecParameters) -> Result<Self, AvError> {
        let params = Self::new()?;
        // SAFETY: ours is live, the caller vouches for the other.
        check("copy codec parameters", unsafe { ff::avcodec_parameters_copy(params.pointer, source) })?;
        Ok(params)
    }

    /// Another copy.
    pub fn duplicate(&self) -> Result<Self, AvError> {
        // SAFETY: ours is live.
        unsafe { Self::copy_of(self.pointer) }
    }

    pub(super) const fn as_ptr(&self) -> *mut ff::AVCodecParameters {
        self.pointer
    }

    pub(super) const fn raw(&self) -> &ff::AVCodecParameters {
        // SAFETY: never null and ours.
        unsafe { &*self.pointer }
    }

    /// Sets the container's tag, for example `hvc1`.
    pub fn set_tag(&mut self, tag: [u8; 4]) {
        // SAFETY: never null and ours.
        unsafe { (*self.pointer).codec_tag = u32::from_le_bytes(tag) };
    }

    /// Sets the level that containers tell, in the codec's own numbers.
    pub fn set_level(&mut self, level: u8) {
        // SAFETY: never null and ours.
        unsafe { (*self.pointer).level = i32::from(level) };
    }

    /// The container's tag.
    pub const fn tag(&self) -> [u8; 4] {
        self.raw().codec_tag.to_le_bytes()
    }

    /// Samples that the encoder put before the first real one.
    pub fn initial_padding(&self) -> i64 {
        i64::from(self.raw().initial_padding)
    }

    /// FFmpeg's name of the codec.
    pub fn codec_name(&self) -> String {
        // SAFETY: takes any id and returns a static string.
        unsafe { names::text(ff::avcodec_get_name(self.raw().codec_id)) }
    }

    /// FFmpeg's name of the profile, where it has one.
    pub fn profile_name(&self) -> Option<String> {
        // SAFETY: takes any id and profile and returns a static string or null.
        let name = unsafe { names::text(ff::avcodec_profile_name(self.raw().codec_id, self.raw().profile)) };
        (!name.is_empty()).then_some(name)
    }

    /// Whether FFmpeg here has a decoder for the codec.
    pub fn has_decoder(&self) -> bool {
        // SAFETY: takes any id.
        unsafe { !ff::avcodec_find_decoder(self.raw().codec_id).is_null() }
    }

    /// The codec's own set-up bytes (parameter sets, `AudioSpecificConfig` …).
    pub fn extradata(&self) -> &[u8] {
        let raw = self.raw();
        if raw.extradata.is_null() || raw.extradata_size <= 0 {
            return &[];
        }
        // SAFETY: `extradata_size` readable bytes while the parameters live.
        unsafe { std::slice::from_raw_parts(raw.extradata, raw.extradata_size as usize) }
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::avcodec_parameters_free(&mut self.pointer) };
    }
}

/// `AVMasteringDisplayMetadata`, whose header the binding leaves out; FFmpeg only ever appends to it.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawMastering {
    primaries: [[ff::AVRational; 2]; 3],
    white: [ff::AVRational; 2],
    min_luminance: ff::AVRational,
    max_luminance: ff::AVRational,
    has_primaries: i32,
    has_luminance: i32,
}

/// SMPTE ST 2086 metadata from side data; `None` unless both halves are there.
pub(super) fn mastering_display(bytes: &[u8]) -> Option<MasteringDisplay> {
    if bytes.len() < size_of::<RawMastering>() {
        return None;
    }
    // SAFETY: long enough, every bit pattern is valid, and the read needs no alignment.
    let raw = unsafe { ptr::read_unaligned(bytes.as_ptr().cast::<RawMastering>()) };
    if raw.has_primaries == 0 || raw.has_luminance == 0 {
        return None;
    }
    let scaled = |value: ff::AVRational, unit: i64| {
        if value.den == 0 {
            return 0;
        }
        let scaled = crate::model::time::scale_round(i64::from(value.num), unit, i64::from(value.den));
        u32::try_from(scaled).unwrap_or(0)
    };
    let point = |pair: [ff::AVRational; 2]| (scaled(pair[0], 50_000), scaled(pair[1], 50_000));
    Some(MasteringDisplay {
        red: point(raw.primaries[0]),
        green: point(raw.primaries[1]),
        blue: point(raw.primaries[2]),
        white: point(raw.white),
        min_luminance: scaled(raw.min_luminance, 10_000),
        max_luminance: scaled(raw.max_luminance, 10_000),
    })
}

/// CTA-861.3 light levels from side data (`AVContentLightMetadata`: two unsigned integers).
pub(super) fn content_light(bytes: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((word(0)?, word(4)?))
}

/// A display matrix from side data (nine 32-bit integers).
pub(super) fn display_matrix(bytes: &[u8]) -> Option<[i32; 9]> {
    let mut matrix = [0; 9];
    for (at, value) in matrix.iter_mut().enumerate() {
        *value = i32::from_ne_bytes(bytes.get(at * 4..at * 4 + 4)?.try_into().ok()?);
    }
    Some(matrix)
}
