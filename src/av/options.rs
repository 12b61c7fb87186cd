//! Whether an encoder knows options and takes their values, asked without opening it.

use super::error::{AvError, check};
use super::names::c_string;
use ffmpeg_sys_next as ff;

/// Sets the options on an encoder that is not opened. `None`: this FFmpeg has no such encoder.
///
/// # Errors
/// The first option that the encoder does not have (`AVERROR_OPTION_NOT_FOUND`) or whose value it does not take, by name.
pub fn encoder_takes(encoder: &str, options: &[(String, String)]) -> Option<Result<(), (String, AvError)>> {
    let name = c_string(encoder);
    // SAFETY: the name lives through the call; null results are checked; the context is freed below, whatever happens.
    let mut context = unsafe {
        let codec = ff::avcodec_find_encoder_by_name(name.as_ptr());
        if codec.is_null() {
            return None;
        }
        ff::avcodec_alloc_context3(codec)
    };
    if context.is_null() {
        return None;
    }
    let set = |(name, value): &(String, String)| {
        let (key, value) = (c_string(name), c_string(value));
        // SAFETY: the context is live and begins with its class, as av_opt_set wants; the strings live through the call.
        // The encoder's own options, which are its child object, come first, as they do when it is opened.
        let code = unsafe { ff::av_opt_set(context.cast(), key.as_ptr(), value.as_ptr(), ff::AV_OPT_SEARCH_CHILDREN) };
        check("set an option", code).map(|_| ()).map_err(|error| (name.clone(), error))
    };
    let result = options.iter().try_for_each(set);
    // SAFETY: ours, freed once.
    unsafe { ff::avcodec_free_context(&mut context) };
    Some(result)
}
