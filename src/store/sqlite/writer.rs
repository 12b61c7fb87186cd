//! The one thread that writes.
//!
//! Receives: commands, each of which changes the database and has a caller who waits. Sends: answers, and news to the
//! hub. Owns: the writing connection, the sequence of revisions. Bound: [`WAITING_MAX`] commands wait, then callers do.
//! Group commit: all commands that wait go into one transaction, each in a savepoint of its own, so that one flush of the
//! disk answers them all and a command that is refused disturbs no other. After the commit subscribers are told, and then
//! callers are answered: whoever has an answer finds everything told. Ends: when the store is dropped, after the last
//! command was carried out; or by a panic, which drops all commands, whose callers see that, as do all later ones.

use super::failure::ENDED;
use crate::store::StoreError;
use crate::store::hub::{Hub, News};
use rusqlite::{CachedStatement, Connection};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait. Each holds a record or some rows of a ledger: a few MiB in all.
const WAITING_MAX: usize = 256;
/// Commands in one transaction: a flush that is shared by so many costs each next to nothing, and nobody waits for long.
const BATCH_MAX: usize = 128;

/// The handle: dropping it ends the thread, after all that was accepted.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while it is dropped.
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<JoinHandle<()>>,
}

/// What a command sees.
pub(super) struct Changing<'c> {
    db: &'c Connection,
    /// The last one given out.
    pub(super) revision: u64,
    /// Told once it is durable.
    pub(super) news: Vec<News>,
    /// The time of day, ms since 1970.
    pub(super) clock: fn() -> i64,
}

impl<'c> Changing<'c> {
    /// A statement of the writing connection.
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>, StoreError> {
        Ok(self.db.prepare_cached(sql)?)
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Those of starting one.
    pub(super) fn start(db: Connection, hub: Arc<Hub>, clock: fn() -> i64) -> Result<Self, StoreError> {
        let mut revision: i64 = db.query_row("SELECT revision FROM sequence", (), |row| row.get(0))?;
        let (commands, mut waiting) = mpsc::channel::<Box<dyn Command>>(WAITING_MAX);
        let write = move || {
            while let Some(first) = waiting.blocking_recv() {
                let mut batch = vec![first];
                while batch.len() < BATCH_MAX
                    && let Ok(next) = waiting.try_recv()
                {
                    batch.push(next);
                }
                let mut changing = Changing { db: &db, revision: revision as u64, news: Vec::new(), clock };
                let outcome = transact(&mut changing, &mut batch);
                match outcome {
                    Ok(()) => {
                        revision = changing.revision as i64;
                        hub.tell(changing.news);
                    }
                    Err(_) if !db.is_autocommit() => {
                        if let Err(error) = db.execute_batch("ROLLBACK") {
                            tracing::error!(%error, "a transaction that failed cannot be undone");
                        }
                    }
                    Err(_) => {}
                }
                batch.into_iter().for_each(|command| command.answer(outcome.as_ref().err()));
            }
        };
        let thread = thread::Builder::new().name("store-writer".into()).spawn(write);
        let thread = thread.map_err(|error: io::Error| StoreError::Broken(format!("no thread: {error}")))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Carries `work` out, with others or alone, and gives its result once that is durable. What it changed before it
    /// failed is undone. Work that was handed over is done even when nobody waits for the answer any more.
    ///
    /// # Errors
    /// Those of `work`, and of the disk.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Changing<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let ended = || StoreError::Broken(ENDED.into());
        let (answer, answered) = oneshot::channel();
        let call = Box::new(Call { work: Some(work), result: None, answer });
        let commands = self.commands.as_ref().ok_or_else(ended)?;
        commands.send(call).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        // After a panic there is nothing left to wait for, and it was told already.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Carries out a batch in one transaction.
fn transact(changing: &mut Changing<'_>, batch: &mut [Box<dyn Command>]) -> Result<(), StoreError> {
    let db = changing.db;
    let before = changing.revision;
    let run = |sql: &str| -> Result<(), StoreError> { Ok(db.prepare_cached(sql)?.execute(()).map(drop)?) };
    run("BEGIN IMMEDIATE")?;
    for command in batch {
        let (revision, told) = (changing.revision, changing.news.len());
        run("SAVEPOINT command")?;
        let refused = command.run(changing).err();
        if db.is_autocommit() {
            // SQLite has undone the whole transaction by itself, as it does when the disk is full.
            return Err(refused.unwrap_or_else(|| StoreError::Broken("the transaction was lost".into())));
        }
        if refused.is_some() {
            changing.revision = revision;
            changing.news.truncate(told);
            run("ROLLBACK TO command")?;
        }
        run("RELEASE command")?;
    }
    if changing.revision > before {
        let mut keep = db.prepare_cached("UPDATE sequence SET revision = ?1")?;
        keep.execute([changing.revision as i64])?;
    }
    run("COMMIT")
}

/// Work of any type, with its caller.
trait Command: Send {
    /// Does the work and keeps its result; an error says that what it changed is to be undone.
    fn run(&mut self, changing: &mut Changing<'_>) -> Result<(), StoreError>;
    /// Answers: with the result, or with what became of the whole transaction.
    fn answer(self: Box<Self>, failed: Option<&StoreError>);
}

struct Call<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Command for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Changing<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, changing: &mut Changing<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = work(changing);
        let refused = result.as_ref().err().cloned();
        self.result = Some(result);
        refused.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, failed: Option<&StoreError>) {
        // With the transaction a refusal is void too: what it was refused for may be what was lost.
        let failed = failed.cloned().map(Err);
        let result = failed.or(self.result).unwrap_or_else(|| Err(StoreError::Broken(ENDED.into())));
        // The caller may have gone meanwhile; what was done stays.
        let _gone = self.answer.send(result);
    }
}
