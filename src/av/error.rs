//! FFmpeg's error codes as an error type.

use super::names;
use ffmpeg_sys_next as ff;
use std::fmt;

/// A failed call: which one, and FFmpeg's code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AvError {
    /// What was being done, in a few words.
    pub what: &'static str,
    /// FFmpeg's negative code.
    pub code: i32,
}

impl AvError {
    pub(super) const fn new(what: &'static str, code: i32) -> Self {
        Self { what, code }
    }

    pub(super) const fn no_memory(what: &'static str) -> Self {
        Self::new(what, ff::AVERROR(libc::ENOMEM))
    }

    /// The interrupt callback stopped the call: a deadline passed or a stop was asked.
    pub const fn is_interrupted(self) -> bool {
        self.code == ff::AVERROR_EXIT
    }

    /// FFmpeg's sentence for the code.
    pub fn text(self) -> String {
        let mut buffer = [0; 128];
        // SAFETY: the buffer outlives the call and its true length is passed; the function always terminates it.
        unsafe {
            ff::av_strerror(self.code, buffer.as_mut_ptr(), buffer.len());
            names::text(buffer.as_ptr())
        }
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.text())
    }
}

impl std::error::Error for AvError {}

/// The value of a call that returns a negative code on failure.
pub(super) const fn check(what: &'static str, code: i32) -> Result<i32, AvError> {
    if code < 0 { Err(AvError::new(what, code)) } else { Ok(code) }
}

/// What a codec, graph or input has for its caller: waiting and ending are values, not errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Polled {
    /// The item asked for was filled in.
    Ready,
    /// Nothing until more is sent.
    NeedInput,
    /// Nothing any more.
    End,
}

/// Sorts the result of a receive call.
pub(super) fn polled(what: &'static str, code: i32) -> Result<Polled, AvError> {
    if code == ff::AVERROR(libc::EAGAIN) {
        Ok(Polled::NeedInput)
    } else if code == ff::AVERROR_EOF {
        Ok(Polled::End)
    } else {
        check(what, code).map(|_| Polled::Ready)
    }
}
