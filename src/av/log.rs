//! FFmpeg's own log lines, caught and given to the owner of the context that they come from.
//!
//! FFmpeg has one callback for the whole process. A line's owner is the label registered for its context, else the
//! label of the thread that it was written on: codecs and graphs are made on the thread of the output that owns them.

use super::names;
use crate::model::limits::LOG_LINE_BYTES_MAX;
use ffmpeg_sys_next as ff;
use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How bad a line is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Something was lost.
    Error,
    /// Something is odd.
    Warning,
    /// Anything else worth keeping.
    Info,
}

impl Level {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Where lines go: level, owner's label (may be empty), text without a line end.
pub type Sink = Box<dyn Fn(Level, &str, &str) + Send + Sync>;

static SINK: OnceLock<Sink> = OnceLock::new();
static CONTEXTS: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());

thread_local! {
    static LABEL: RefCell<String> = const { RefCell::new(String::new()) };
    static PARTIAL: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sends every line from now on to `sink`. Only the first call has an effect.
pub fn capture(sink: Sink) {
    if SINK.set(sink).is_ok() {
        // SAFETY: the callback is a plain function that lives as long as the process.
        unsafe {
            ff::av_log_set_level(ff::AV_LOG_INFO);
            ff::av_log_set_callback(Some(on_line));
        }
    }
}

/// Writes a line to the sink as if FFmpeg had, on behalf of this thread's owner: for devices that are simulated.
pub fn write(level: Level, text: &str) {
    let level = match level {
        Level::Error => ff::AV_LOG_ERROR,
        Level::Warning => ff::AV_LOG_WARNING,
        Level::Info => ff::AV_LOG_INFO,
    };
    deliver(0, level, &format!("{text}\n"));
}

/// Names the owner of all that is made on this thread from now on.
pub fn label_thread(label: &str) {
    LABEL.with_borrow_mut(|current| label.clone_into(current));
}

/// Names the owner of one context, for lines that other threads write about it. Ended by dropping the result.
pub(super) struct ContextLabel(usize);

impl ContextLabel {
    pub(super) fn of_this_thread(context: *const c_void) -> Self {
        let label = LABEL.with_borrow(Clone::clone);
        CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner).push((context as usize, label));
        Self(context as usize)
    }
}

impl Drop for ContextLabel {
    fn drop(&mut self) {
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = contexts.iter().position(|(context, _)| *context == self.0) {
            contexts.swap_remove(position);
        }
    }
}

unsafe extern "C" fn on_line(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut ff::__va_list_tag,
) {
    if level > ff::AV_LOG_INFO {
        return;
    }
    let mut line = [0; LOG_LINE_BYTES_MAX];
    let mut prefix = 0;
    // SAFETY: the arguments are passed through from FFmpeg as they came; the buffer's true length is passed.
    let text = unsafe {
        ff::av_log_format_line2(
            context,
            level,
            format,
            arguments,
            line.as_mut_ptr(),
            LOG_LINE_BYTES_MAX as c_int,
            &mut prefix,
        );
        names::text(line.as_ptr())
    };
    // Unwinding into C is undefined; a sink that panics loses its line, nothing more.
    let _ = catch_unwind(AssertUnwindSafe(|| deliver(context as usize, level, &text)));
}

fn deliver(context: usize, level: c_int, text: &str) {
    let Some(sink) = SINK.get() else { return };
    // FFmpeg writes some lines in pieces: keep the piece until its line ends.
    let Ok(Some(line)) = PARTIAL.try_with(|partial| {
        let mut partial = partial.borrow_mut();
        partial.push_str(text);
        let whole = partial.ends_with('\n') || partial.len() >= LOG_LINE_BYTES_MAX;
        whole.then(|| std::mem::take(&mut *partial))
    }) else {
        return;
    };
    let line = line.trim_end();
    if line.is_empty() {
        return;
    }
    let level = if level <= ff::AV_LOG_ERROR {
        Level::Error
    } else if level <= ff::AV_LOG_WARNING {
        Level::Warning
    } else {
        Level::Info
    };
    let registered = {
        let contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.iter().find(|(known, _)| *known == context).map(|(_, label)| label.clone())
    };
    let label = registered.unwrap_or_else(|| LABEL.try_with(|label| label.borrow().clone()).unwrap_or_default());
    sink(level, &label, line);
}
