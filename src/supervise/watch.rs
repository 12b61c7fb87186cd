//! The task that watches one worker.
//!
//! Receives: messages from the worker, controls from its owner. Sends: reports, waiting for room, so that a slow owner
//! slows the worker down. Owns: the process, the socket. Ends: with exactly one `Exited`, when the process is gone.

use super::exit::{Exit, Reason, cleaned};
use super::frames::{FrameReader, write_all};
use super::process::Process;
use super::{Control, Launch, Report, order, serve, sources, stderr};
use crate::model::limits::STOP_GRACE_MS;
use crate::simulate::Attached;
use crate::sys::spawn::signal_group;
use crate::wire::v1::{self, from_worker::Message, to_worker};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long a process may take to leave after its last message, or after closing its socket.
const LEAVE: Duration = Duration::from_secs(5);
/// How long the socket is read on when the process is gone already, in case something else holds it open.
const DRAIN: Duration = Duration::from_millis(200);
/// A year: a deadline for those that have none.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a worker's task owns.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) process: Process,
    pub(super) socket: UnixStream,
    pub(super) launch: Launch,
    pub(super) controls: mpsc::UnboundedReceiver<Control>,
    /// The worker as simulated devices see it.
    pub(super) attached: Option<Attached>,
}

/// Watches a worker until it is gone.
pub(super) async fn run<T: Copy + Send + Sync + 'static>(watched: Watched, tag: T, reports: mpsc::Sender<(T, Report)>) {
    let Watched { mut process, socket, launch, controls, attached: simulated } = watched;
    let (from, to) = socket.into_split();
    let lines = process.take_stderr().map(|pipe| {
        let reports = reports.clone();
        tokio::spawn(stderr::read_lines(pipe, async move |line| {
            let _ = reports.send((tag, Report::Stderr(line))).await;
        }))
    });
    let reads = serve::Reads::default();
    let (to, requests, serving) = outgoing(&launch, to, reads.clone());
    let from = FrameReader::new(from);
    let mut watch = Watch { process, from, to, requests, controls, simulated, status: None, ended: false };
    let exit = watch
        .until_gone(&launch, |message| async { reports.send((tag, Report::Message(message))).await.map_err(|_| ()) });
    let exit = reads.explain(exit.await, launch.deadline, launch.source.name());
    let used = watch.process.used();
    // The process is gone: before anybody hears of it, what it held of devices is free again, as with real ones.
    drop(watch);
    // A worker that is gone wants nothing any more, however long its last read would still take.
    serving.abort();
    if let Some(lines) = lines {
        // Its last words come before its death; something else that holds the pipe open must not delay that.
        let abort = lines.abort_handle();
        if timeout(DRAIN, lines).await.is_err() {
            abort.abort();
        }
    }
    if let Some(used) = used {
        let _ = reports.send((tag, Report::Kernel(used))).await;
    }
    let _ = reports.send((tag, Report::Exited(exit))).await;
}

/// Starts the tasks that write to the worker, and sends the order.
fn outgoing(
    launch: &Launch,
    to: OwnedWriteHalf,
    reads: serve::Reads,
) -> (mpsc::Sender<v1::ToWorker>, mpsc::Sender<v1::ReadRequest>, AbortHandle) {
    let (sender, messages) = mpsc::channel(serve::READS_WAITING_MAX);
    let (requests, waiting) = mpsc::channel(serve::READS_WAITING_MAX);
    // The channel is empty, so there is room.
    let _ = sender.try_send(v1::ToWorker { message: Some(to_worker::Message::Order(order(launch))) });
    tokio::spawn(write_all(messages, to));
    let serving = tokio::spawn(serve::run(sources(launch).cloned().collect(), waiting, sender.clone(), reads));
    (sender, requests, serving.abort_handle())
}

struct Watch {
    process: Process,
    from: FrameReader<OwnedReadHalf>,
    to: mpsc::Sender<v1::ToWorker>,
    requests: mpsc::Sender<v1::ReadRequest>,
    controls: mpsc::UnboundedReceiver<Control>,
    simulated: Option<Attached>,
    /// How the process ended, once it has.
    status: Option<ExitStatus>,
    /// Whether it was ended by us.
    ended: bool,
}

impl Watch {
    async fn until_gone<F>(&mut self, launch: &Launch, forward: impl Fn(Message) -> F) -> Exit
    where
        F: Future<Output = Result<(), ()>>,
    {
        let reason = self.listen(launch, forward).await;
        match &reason {
            Reason::SaidFinished(_) | Reason::SaidFailed(_) | Reason::Closed => self.leave(LEAVE).await,
            // Its answer can no longer matter, and the time for one is used up.
            Reason::Deadline => self.kill().await,
            Reason::Silent | Reason::Protocol(_) | Reason::StopRequested => self.end().await,
        }
        // `leave`, `kill` and `end` return when the process is gone; failing to learn how is a crash, not a success.
        let unknown = std::os::unix::process::ExitStatusExt::from_raw(libc::SIGKILL);
        Exit::of(reason, self.status.unwrap_or(unknown), self.ended)
    }

    /// Reads until there is a reason to stop reading.
    async fn listen<F>(&mut self, launch: &Launch, forward: impl Fn(Message) -> F) -> Reason
    where
        F: Future<Output = Result<(), ()>>,
    {
        let deadline = Instant::now() + launch.deadline.unwrap_or(NEVER);
        let mut heard = Instant::now();
        let mut drained = Instant::now() + NEVER;
        loop {
            tokio::select! {
                biased;
                control = self.controls.recv() => match control {
                    Some(Control::Released(bytes)) => {
                        self.tell(to_worker::Message::Released(v1::Released { bytes })).await;
                    }
                    Some(Control::DropTracks(tracks)) => {
                        self.tell(to_worker::Message::DropTracks(v1::DropTracks { tracks })).await;
                    }
                    Some(Control::Stop) | None => return Reason::StopRequested,
                },
                // Before the timers: after this process itself was stopped for a while, what has come counts first.
                message = self.from.next::<v1::FromWorker>() => {
                    match message {
                        Ok(Some(v1::FromWorker { message: Some(message) })) => {
                            if let Some(reason) = self.received(launch, message, &forward).await {
                                return reason;
                            }
                        }
                        Ok(Some(_)) => return Reason::Protocol("it sent an empty message".into()),
                        Ok(None) => return Reason::Closed,
                        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                            return Reason::Protocol(error.to_string());
                        }
                        // Cut off in the middle: it died while it spoke.
                        Err(_) => return Reason::Closed,
                    }
                    heard = Instant::now();
                }
                status = self.process.wait(), if self.status.is_none() => {
                    self.status = status.ok();
                    drained = Instant::now() + DRAIN;
                }
                () = sleep_until(drained) => return Reason::Closed,
                () = sleep_until(heard + launch.silence) => return Reason::Silent,
                () = sleep_until(deadline) => return Reason::Deadline,
            }
        }
    }

    async fn tell(&self, message: to_worker::Message) {
        // Fails only when nobody writes any more: the process is gone, and its exit on its way.
        let _ = self.to.send(v1::ToWorker { message: Some(message) }).await;
    }

    async fn received<F>(
        &mut self,
        launch: &Launch,
        message: Message,
        forward: &impl Fn(Message) -> F,
    ) -> Option<Reason>
    where
        F: Future<Output = Result<(), ()>>,
    {
        match message {
            Message::ReadRequest(request) => {
                if let Some(objection) = serve::objection(request, sources(launch).count()) {
                    return Some(Reason::Protocol(objection));
                }
                let full = self.requests.try_send(request).is_err();
                full.then(|| Reason::Protocol("it has too many reads open".into()))
            }
            Message::SimulatedCall(call) => {
                let answer = self.simulated.as_ref().ok_or_else(|| "it has no simulated device".to_owned());
                match answer.and_then(|attached| attached.answer(&call)) {
                    Ok(reply) => {
                        self.tell(to_worker::Message::SimulatedReply(reply)).await;
                        None
                    }
                    Err(objection) => Some(Reason::Protocol(objection)),
                }
            }
            Message::Finished(finished) => Some(Reason::SaidFinished(finished)),
            Message::Failed(failed) => Some(Reason::SaidFailed(failed)),
            Message::FactsJson(facts) => match forward(Message::FactsJson(facts)).await {
                Ok(()) => Some(Reason::SaidFinished(v1::Finished::default())),
                Err(()) => Some(Reason::StopRequested),
            },
            Message::Log(line) => {
                let text = cleaned(&line.text);
                forward(Message::Log(v1::LogLine { text, ..line })).await.err().map(|()| Reason::StopRequested)
            }
            other => forward(other).await.err().map(|()| Reason::StopRequested),
        }
    }

    /// Waits for the process to leave by itself, and ends it when it does not.
    async fn leave(&mut self, patience: Duration) {
        if !self.wait(patience).await {
            self.end().await;
        }
    }

    /// Asks, terminates, kills: each step has half of the grace.
    async fn end(&mut self) {
        self.ended |= self.status.is_none();
        let step = Duration::from_millis(STOP_GRACE_MS / 2);
        let cancel = v1::ToWorker { message: Some(to_worker::Message::Cancel(v1::Cancel {})) };
        // A worker that does not read has a full queue; it will understand the signal.
        let _ = self.to.try_send(cancel);
        if self.wait(step).await {
            return;
        }
        self.signal(libc::SIGTERM);
        if !self.wait(step).await {
            self.kill().await;
        }
    }

    async fn kill(&mut self) {
        self.ended |= self.status.is_none();
        self.signal(libc::SIGKILL);
        if self.status.is_none() {
            self.status = self.process.wait().await.ok();
        }
    }

    /// Signals the process and whatever it may have started.
    fn signal(&self, signal: i32) {
        // `id` is none once the process has been waited for: then the number may be somebody else's.
        if let Some(leader) = self.process.id() {
            signal_group(leader, signal);
        }
    }

    /// Waits for the process to be gone. What it says meanwhile is read and dropped, so that it is not stuck in a write.
    async fn wait(&mut self, patience: Duration) -> bool {
        let patience = sleep(patience);
        tokio::pin!(patience);
        let mut open = true;
        while self.status.is_none() {
            tokio::select! {
                status = self.process.wait() => self.status = status.ok(),
                message = self.from.next::<v1::FromWorker>(), if open => open = matches!(message, Ok(Some(_))),
                () = &mut patience => return false,
            }
        }
        true
    }
}
