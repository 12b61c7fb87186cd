//! The few threads that read.
//!
//! Receives: questions. Sends: answers. Owns: a connection for each thread. Bound: [`READERS`] are answered at a time and
//! [`WAITING_MAX`] wait, then callers do. Each question sees one state of the database, the one after the last commit, and
//! the writer waits for none of them. Ends: when the store is dropped. A question that panics is the only one that fails.

use super::failure::ENDED;
use crate::store::StoreError;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// Threads: one may read a long ledger, and pages and records are still given out.
const READERS: usize = 3;
/// Questions that may wait; they are small.
const WAITING_MAX: usize = 256;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The handle: dropping it ends the threads.
#[derive(Debug)]
pub(super) struct Readers {
    /// `None` only while it is dropped.
    questions: Option<mpsc::Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads, each with a connection from `open`.
    ///
    /// # Errors
    /// Those of `open`, and of starting a thread.
    pub(super) fn start(open: impl Fn() -> Result<Connection, StoreError>) -> Result<Self, StoreError> {
        let (questions, waiting) = mpsc::channel::<Question>(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Self { questions: Some(questions), threads: Vec::new() };
        for _ in 0..READERS {
            let (db, waiting) = (open()?, Arc::clone(&waiting));
            let read = move || {
                // Whoever has the lock waits for the next question; the others wait for the lock.
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(question) = next() {
                    // Its caller sees that the answer was dropped; the panic itself was told by the hook.
                    let _panicked = catch_unwind(AssertUnwindSafe(|| question(&db)));
                }
            };
            let thread = thread::Builder::new().name("store-reader".into()).spawn(read);
            readers.threads.push(thread.map_err(|error| StoreError::Broken(format!("no thread: {error}")))?);
        }
        Ok(readers)
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// Those of `read`, and of the disk.
    pub(super) async fn call<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let ended = || StoreError::Broken(ENDED.into());
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |db| {
            if !answer.is_closed() {
                // The caller may go meanwhile; nothing depends on the answer.
                let _gone = answer.send(in_one_state(db, read));
            }
        });
        let questions = self.questions.as_ref().ok_or_else(ended)?;
        questions.send(question).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.questions = None;
        for thread in self.threads.drain(..) {
            // Panics of questions are caught in the thread.
            let _ended = thread.join();
        }
    }
}

/// Reads in one transaction, so that all statements of a question see the same state.
fn in_one_state<T>(db: &Connection, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    // Dropping it ends it; there is nothing to keep. A panic drops it too.
    let _state = db.unchecked_transaction()?;
    read(db)
}
