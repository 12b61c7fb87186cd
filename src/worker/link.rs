//! The worker's end of the control socket: one writer at a time, one thread that reads.

use crate::model::Problem;
use crate::model::limits::SPOOL_BYTES_MAX;
use crate::model::simulated::{Call, Reply};
use crate::pipeline::Control;
use crate::pipeline::simulated::Calls;
use crate::wire::{self, v1};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Most log lines that a worker passes on; a broken source can make FFmpeg write millions.
const LOG_LINES_MAX: u32 = 500;

/// The open socket.
pub(super) struct Link {
    writer: Mutex<UnixStream>,
    replies: Receiver<v1::ReadReply>,
    control: Arc<Control>,
    spooled: Mutex<u64>,
    spool_bytes_max: u64,
    room: Condvar,
    lines: Mutex<u32>,
    device_call_ms_max: u32,
    /// Calls to a simulated device that wait for their replies: one a thread of the pipeline at most.
    calls: Mutex<Waiting>,
    /// Bytes that came of each of the order's sources.
    read: Box<[AtomicU64]>,
}

#[derive(Default)]
struct Waiting {
    last: u64,
    replies: BTreeMap<u64, Sender<Reply>>,
    closed: bool,
}

impl Link {
    /// Takes the order, then starts the thread that reads what follows.
    pub(super) fn open(socket: UnixStream, control: Arc<Control>) -> io::Result<(Arc<Self>, v1::Order)> {
        let mut reader = socket.try_clone()?;
        let first: Option<v1::ToWorker> = wire::read_blocking(&mut reader)?;
        let Some(v1::to_worker::Message::Order(order)) = first.and_then(|message| message.message) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the first message is not an order"));
        };
        let (to_source, replies) = unbounded();
        let link = Arc::new(Self {
            writer: Mutex::new(socket),
            replies,
            control,
            spooled: Mutex::new(0),
            spool_bytes_max: match order.spool_bytes_max {
                0 => SPOOL_BYTES_MAX,
                asked => asked.min(SPOOL_BYTES_MAX),
            },
            room: Condvar::new(),
            lines: Mutex::new(0),
            device_call_ms_max: order.device_call_ms_max,
            calls: Mutex::default(),
            read: order.source.iter().chain(&order.more_sources).map(|_| AtomicU64::new(0)).collect(),
        });
        let listener = Arc::clone(&link);
        thread::Builder::new().name("link".to_owned()).spawn(move || listener.listen(reader, &to_source))?;
        Ok((link, order))
    }

    fn listen(&self, mut reader: UnixStream, to_source: &Sender<v1::ReadReply>) {
        use v1::to_worker::Message;
        while let Ok(Some(message)) = wire::read_blocking::<v1::ToWorker>(&mut reader) {
            match message.message {
                Some(Message::ReadReply(reply)) => {
                    self.count_read(reply.source, reply.data.len());
                    // The channel's other end lives as long as the link.
                    drop(to_source.send(reply));
                }
                Some(Message::Released(released)) => self.release(released.bytes),
                Some(Message::DropTracks(dropped)) => {
                    self.control.drop_tracks(dropped.tracks);
                    self.room.notify_all();
                }
                Some(Message::SimulatedReply(reply)) => self.simulated_reply(&reply),
                Some(Message::Cancel(_)) => break,
                Some(Message::Order(_)) | None => {}
            }
        }
        // Asked to stop, or the daemon is gone: either way nobody wants the rest.
        self.control.cancel();
        self.room.notify_all();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.closed = true;
        calls.replies.clear();
    }

    fn simulated_reply(&self, message: &v1::SimulatedReply) {
        let caller = self.calls.lock().unwrap_or_else(PoisonError::into_inner).replies.remove(&message.id);
        if let (Some(caller), Ok(reply)) = (caller, serde_json::from_slice(&message.reply_json)) {
            // A caller that is gone needs no reply.
            let _ = caller.send(reply);
        }
    }

    /// How long a call to a device may take before the heartbeat stops; `None`: as long as it likes.
    pub(super) fn device_call_max(&self) -> Option<Duration> {
        (self.device_call_ms_max > 0).then(|| Duration::from_millis(u64::from(self.device_call_ms_max)))
    }

    /// Sends a message. A daemon that is gone stops the span; nobody is left to tell.
    pub(super) fn send(&self, message: v1::from_worker::Message) {
        let message = v1::FromWorker { message: Some(message) };
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if wire::write_blocking(&mut *writer, &message).is_err() {
            self.control.cancel();
        }
    }

    /// Asks for a range of a source, by its place in the order.
    pub(super) fn ask(&self, source: u32, offset: u64, length: u32) {
        self.send(v1::from_worker::Message::ReadRequest(v1::ReadRequest { offset, length, source }));
    }

    /// Counts bytes that came of a source, by whatever way.
    pub(super) fn count_read(&self, source: u32, bytes: usize) {
        if let Some(read) = self.read.get(source as usize) {
            read.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Bytes that have come of each of the order's sources.
    pub(super) fn read_bytes(&self) -> Vec<u64> {
        self.read.iter().map(|read| read.load(Ordering::Relaxed)).collect()
    }

    /// Waits for the range of a source that begins at `offset`, which was asked for. Those that were asked for before and are not
    /// wanted any more are dropped.
    pub(super) fn answer(&self, source: u32, offset: u64) -> io::Result<v1::ReadReply> {
        loop {
            match self.replies.recv_timeout(Duration::from_millis(100)) {
                Ok(reply) if reply.source == source && reply.offset == offset => return Ok(reply),
                Ok(_) => {}
                Err(_) if self.control.stopped() => return Err(io::Error::other("stopped")),
                Err(_) => {}
            }
        }
    }

    /// Passes a log line on.
    pub(super) fn log(&self, level: &str, track: &str, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if *lines >= LOG_LINES_MAX {
            return;
        }
        *lines += 1;
        drop(lines);
        self.send(v1::from_worker::Message::Log(v1::LogLine {
            level: level.to_owned(),
            track: track.to_owned(),
            text: text.to_owned(),
        }));
    }

    /// Counts bytes of a track into the spool and waits while it is over its limit. False when the track was dropped
    /// while it waited: then nothing was counted.
    pub(super) fn take_room(&self, track: &str, bytes: u64) -> Result<bool, Problem> {
        let mut spooled = self.spooled.lock().unwrap_or_else(PoisonError::into_inner);
        *spooled += bytes;
        while *spooled > self.spool_bytes_max && *spooled > bytes {
            if self.control.stopped() {
                return Err(Problem::cancelled());
            }
            if self.control.is_dropped(track) {
                *spooled -= bytes;
                return Ok(false);
            }
            spooled =
                self.room.wait_timeout(spooled, Duration::from_millis(200)).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(true)
    }

    fn release(&self, bytes: u64) {
        let mut spooled = self.spooled.lock().unwrap_or_else(PoisonError::into_inner);
        *spooled = spooled.saturating_sub(bytes);
        self.room.notify_all();
    }

    /// Says how it ended; the exit status says it again for whoever reads that.
    pub(super) fn close(&self, result: Result<(), Problem>, control: &Control) -> ExitCode {
        use v1::from_worker::Message;
        match result {
            Ok(()) => {
                self.send(Message::Finished(super::finished(control)));
                ExitCode::SUCCESS
            }
            Err(problem) => {
                let (device_fault, ability) =
                    control.device_fault().map_or_else(Default::default, |(fault, at)| (fault.name().to_owned(), at));
                self.send(Message::Failed(v1::Failed {
                    fault: problem.fault.name().to_owned(),
                    code: problem.code.clone(),
                    message: problem.message,
                    device_fault,
                    ability,
                }));
                ExitCode::from(problem.fault.exit_code())
            }
        }
    }
}

impl Calls for Link {
    fn call(&self, call: Call) -> Option<Reply> {
        let call_json = serde_json::to_vec(&call).ok()?;
        let (sender, reply) = bounded(1);
        let id = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if calls.closed {
                return None;
            }
            calls.last += 1;
            let id = calls.last;
            calls.replies.insert(id, sender);
            id
        };
        self.send(v1::from_worker::Message::SimulatedCall(v1::SimulatedCall { id, call_json }));
        // Ends without a reply when the listener closes all that wait.
        reply.recv().ok()
    }
}
