//! Option dictionaries.

use super::error::{AvError, check};
use super::names::{c_string, text};
use ffmpeg_sys_next as ff;
use std::ptr;

/// An owned `AVDictionary`.
pub(super) struct Dict {
    pointer: *mut ff::AVDictionary,
}

impl Dict {
    pub(super) fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, AvError> {
        let mut dict = Self { pointer: ptr::null_mut() };
        for (key, value) in pairs {
            let (key, value) = (c_string(key), c_string(value));
            // SAFETY: the strings live through the call, which copies them.
            let code = unsafe { ff::av_dict_set(&mut dict.pointer, key.as_ptr(), value.as_ptr(), 0) };
            check("set an option", code)?;
        }
        Ok(dict)
    }

    /// For FFmpeg functions that take options and leave those that nobody knew.
    pub(super) const fn as_mut(&mut self) -> *mut *mut ff::AVDictionary {
        &mut self.pointer
    }

    /// For FFmpeg functions that read options.
    pub(super) const fn as_ptr(&self) -> *mut ff::AVDictionary {
        self.pointer
    }

    /// The first key that is left: an option that nobody knew.
    pub(super) fn first_key(&self) -> Option<String> {
        // SAFETY: the dictionary is null or ours; an empty key with IGNORE_SUFFIX walks all entries.
        unsafe {
            let entry = ff::av_dict_get(self.pointer, c"".as_ptr(), ptr::null(), ff::AV_DICT_IGNORE_SUFFIX);
            entry.as_ref().map(|entry| text(entry.key))
        }
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        // SAFETY: the dictionary is null or ours, and freed once.
        unsafe { ff::av_dict_free(&mut self.pointer) };
    }
}

/// A value from a dictionary that belongs to somebody else.
///
/// # Safety
/// `dict` is null or a live dictionary.
pub(super) unsafe fn get(dict: *const ff::AVDictionary, key: &str) -> Option<String> {
    let key = c_string(key);
    // SAFETY: the caller vouches for the dictionary; entries live as long as it does.
    unsafe {
        let entry = ff::av_dict_get(dict, key.as_ptr(), ptr::null(), 0);
        entry.as_ref().map(|entry| text(entry.value))
    }
}
