//! FFmpeg's names for formats, layouts and colours, and C strings.

use ffmpeg_sys_next as ff;
use std::ffi::{CStr, CString, c_char};

/// A C string as Rust text; empty for a null pointer.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that lives through the call.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller vouches for the terminator.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Rust text as a C string; cut at an inner NUL, which no FFmpeg name or option can hold.
pub(super) fn c_string(value: &str) -> CString {
    let end = value.find('\0').unwrap_or(value.len());
    CString::new(&value[..end]).unwrap_or_default()
}

/// The pixel format with this name, as FFmpeg's number; `None` where it has none.
pub fn pixel_format(name: &str) -> Option<i32> {
    let name = c_string(name);
    // SAFETY: the name is NUL-terminated and lives through the call.
    let format = unsafe { ff::av_get_pix_fmt(name.as_ptr()) } as i32;
    (format >= 0).then_some(format)
}

/// The name of a pixel format number; `none` where it has none.
pub fn pixel_format_name(format: i32) -> String {
    descriptor(format).map_or_else(
        || "none".to_owned(),
        |d| {
            // SAFETY: descriptors are static, and so are their names.
            unsafe { text(d.name) }
        },
    )
}

/// Bits a sample of the first component; 8 where not known.
pub fn bit_depth(format: i32) -> u32 {
    descriptor(format).map_or(8, |d| u32::try_from(d.comp[0].depth).unwrap_or(8))
}

/// Whether samples are RGB (or a palette of RGB), not YUV.
pub fn is_rgb(format: i32) -> bool {
    const RGB_OR_PALETTE: u64 = (1 << 5) | (1 << 1);
    descriptor(format).is_some_and(|d| d.flags & RGB_OR_PALETTE != 0)
}

pub(super) fn descriptor(format: i32) -> Option<&'static ff::AVPixFmtDescriptor> {
    if format < 0 || format >= ff::AVPixelFormat::AV_PIX_FMT_NB as i32 {
        return None;
    }
    // SAFETY: the enum is numbered without holes below AV_PIX_FMT_NB, checked above; descriptors are static.
    unsafe {
        let format = std::mem::transmute::<i32, ff::AVPixelFormat>(format);
        ff::av_pix_fmt_desc_get(format).as_ref()
    }
}

/// Whether this FFmpeg has the filter.
pub fn is_filter(name: &str) -> bool {
    let name = c_string(name);
    // SAFETY: the name is NUL-terminated and lives through the call.
    unsafe { !ff::avfilter_get_by_name(name.as_ptr()).is_null() }
}

/// Whether this FFmpeg has the encoder.
pub fn is_encoder(name: &str) -> bool {
    let name = c_string(name);
    // SAFETY: the name is NUL-terminated and lives through the call.
    unsafe { !ff::avcodec_find_encoder_by_name(name.as_ptr()).is_null() }
}

/// The sample format with this name, as FFmpeg's number.
pub fn sample_format(name: &str) -> Option<i32> {
    let name = c_string(name);
    // SAFETY: the name is NUL-terminated and lives through the call.
    let format = unsafe { ff::av_get_sample_fmt(name.as_ptr()) } as i32;
    (format >= 0).then_some(format)
}

/// The name of a sample format number; empty where it has none.
pub fn sample_format_name(format: i32) -> String {
    if format < 0 || format >= ff::AVSampleFormat::AV_SAMPLE_FMT_NB as i32 {
        return String::new();
    }
    // SAFETY: the enum is numbered without holes below AV_SAMPLE_FMT_NB, checked above; names are static.
    unsafe { text(ff::av_get_sample_fmt_name(std::mem::transmute::<i32, ff::AVSampleFormat>(format))) }
}

/// The name of a channel layout, for example `5.1(side)`.
pub(super) fn layout_name(layout: &ff::AVChannelLayout) -> String {
    let mut buffer = [0; 128];
    // SAFETY: the layout is a live reference; the buffer's true length is passed and the function terminates it.
    unsafe {
        if ff::av_channel_layout_describe(layout, buffer.as_mut_ptr(), buffer.len()) < 0 {
            return String::new();
        }
        text(buffer.as_ptr())
    }
}

/// A colour tag by name; `None` for unspecified, reserved or unknown.
pub(super) fn tag(name: String) -> Option<String> {
    (!matches!(name.as_str(), "" | "unknown" | "unspecified" | "reserved")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_go_there_and_back() {
        for name in ["yuv420p", "yuv420p10le", "bgra", "pal8"] {
            let format = pixel_format(name).unwrap();
            assert_eq!(pixel_format_name(format), name);
        }
        assert_eq!(bit_depth(pixel_format("yuv422p10le").unwrap()), 10);
        assert!(is_rgb(pixel_format("bgra").unwrap()) && is_rgb(pixel_format("pal8").unwrap()));
        assert!(!is_rgb(pixel_format("yuv420p").unwrap()));
        assert_eq!(pixel_format("nothing"), None);
        assert_eq!(pixel_format_name(-1), "none");
        assert_eq!(sample_format_name(sample_format("fltp").unwrap()), "fltp");
    }

    #[test]
    fn an_inner_nul_ends_the_text() {
        assert_eq!(c_string("a\0b").as_bytes(), b"a");
    }
}
