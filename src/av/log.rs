//! FFmpeg's own log lines, caught and given to the owner of the context that they come from.
//!
//! FFmpeg has one callback for the whole process. A line's owner is the label registered for its context, else the
//! label of the thread that it was written on: codecs and graphs are made on the thread of the output that owns them.
//! Beside that, [`Recent`] keeps the last lines about one object, since they often tell more than an error's code.

use super::names;
use crate::model::limits::LOG_LINE_BYTES_MAX;
use ffmpeg_sys_next as ff;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

/// Most lines kept about one object: a call that fails writes a handful.
const RECENT_MAX: usize = 32;

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
static LISTENING: Once = Once::new();
static CONTEXTS: Mutex<Vec<Owner>> = Mutex::new(Vec::new());

/// Who owns a context.
struct Owner {
    context: usize,
    label: String,
    recent: Option<Recent>,
}

thread_local! {
    static LABEL: RefCell<String> = const { RefCell::new(String::new()) };
    static RECENT: RefCell<Option<Recent>> = const { RefCell::new(None) };
    static PARTIAL: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sends every line from now on to `sink`. Only the first call has an effect.
pub fn capture(sink: Sink) {
    if SINK.set(sink).is_ok() {
        listen();
    }
}

/// Takes FFmpeg's lines over; without a sink only those are kept that a [`Recent`] is there for.
pub fn listen() {
    LISTENING.call_once(|| {
        // SAFETY: the callback is a plain function that lives as long as the process.
        unsafe {
            ff::av_log_set_level(ff::AV_LOG_INFO);
            ff::av_log_set_callback(Some(on_line));
        }
    });
}

/// The last lines about one object, oldest first: those written during calls on it, and those that other threads write
/// about contexts that were made during such calls. Needs [`listen`] or [`capture`].
#[derive(Clone, Default, Debug)]
pub struct Recent(Arc<Mutex<VecDeque<String>>>);

impl Recent {
    /// Does a call on the object.
    pub fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        let _restored = Restored(RECENT.replace(Some(self.clone())));
        call()
    }

    /// Takes the lines out.
    pub fn take(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    fn keep(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == RECENT_MAX {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// Calls may be nested, and may panic: what was there before comes back on drop.
struct Restored(Option<Recent>);

impl Drop for Restored {
    fn drop(&mut self) {
        RECENT.set(self.0.take());
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
        let owner = Owner {
            context: context as usize,
            label: LABEL.with_borrow(Clone::clone),
            recent: RECENT.with_borrow(Clone::clone),
        };
        CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner).push(owner);
        Self(context as usize)
    }
}

impl Drop for ContextLabel {
    fn drop(&mut self) {
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = contexts.iter().position(|owner| owner.context == self.0) {
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
    if level > ff::AV_LOG_VERBOSE {
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
    let (label, recent) = {
        let contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = contexts.iter().find(|owner| owner.context == context);
        owner.map_or((None, None), |owner| (Some(owner.label.clone()), owner.recent.clone()))
    };
    // The owner of the context first: a call on a graph may write about the decoder whose frames it frees.
    if let Some(recent) = recent.or_else(|| RECENT.try_with(|recent| recent.borrow().clone()).ok().flatten()) {
        recent.keep(line);
    }
    let level = if level <= ff::AV_LOG_ERROR {
        Level::Error
    } else if level <= ff::AV_LOG_WARNING {
        Level::Warning
    } else if level <= ff::AV_LOG_INFO {
        Level::Info
    } else {
        // Devices say at this level why they cannot be opened; nobody else wants to know.
        return;
    };
    if let Some(sink) = SINK.get() {
        let label = label.unwrap_or_else(|| LABEL.try_with(|label| label.borrow().clone()).unwrap_or_default());
        sink(level, &label, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_a_context_stay_with_their_object_whoever_writes_them() {
        let (first, second) = (Recent::default(), Recent::default());
        let place = 0_u8;
        let context: *const c_void = (&raw const place).cast();
        let _label = first.during(|| ContextLabel::of_this_thread(context));
        let at = context as usize;
        second.during(|| deliver(at, ff::AV_LOG_ERROR, "of the first\n"));
        std::thread::spawn(move || deliver(at, ff::AV_LOG_VERBOSE, "elsewhere\n")).join().unwrap();
        second.during(|| deliver(0, ff::AV_LOG_WARNING, "of the second\n"));
        deliver(0, ff::AV_LOG_ERROR, "of nobody\n");
        assert_eq!(first.take(), ["of the first", "elsewhere"]);
        assert_eq!(second.take(), ["of the second"]);
        assert!(second.take().is_empty(), "lines are taken once");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let recent = Recent::default();
        for number in 0..100 {
            recent.during(|| deliver(0, ff::AV_LOG_ERROR, &format!("{number}\n")));
        }
        let lines = recent.take();
        assert_eq!((lines.len(), lines[0].as_str()), (RECENT_MAX, "68"));
    }
}
