//! The loop of the outbox: the one place that knows what is in flight. `mod.rs` says what it receives, sends and owns.

use super::Outbox;
use super::attempt::{Outcome, attempt};
use super::queue::{Queue, receiver};
use super::verdict::{Failed, ms, verdict};
use crate::model::Problem;
use crate::report::metrics::{EffectOutcome, Metrics};
use crate::report::traces::OpenSpan;
use crate::report::webhook::message_id;
use crate::store::{Effect, EffectAttempt, EffectState, StoreError, StoredEffect};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Shortest time between two looks into the store: a burst of changes costs one look.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Longest time between them: the clock of the machine may have been set.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// Wait after the store has failed; it doubles up to thirty times this.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// An effect that is settled, and when it is due again.
type Settled = (u64, Option<i64>);

pub(super) async fn run(outbox: Arc<Outbox>, wake: Arc<Notify>, mut shutdown: watch::Receiver<bool>) {
    tokio::select! {
        // An error means that whoever could ask for the end is gone.
        _ = shutdown.wait_for(|stop| *stop) => {}
        () = carry_out_all(outbox, wake) => {}
    }
}

/// Goes on for ever. When it is dropped, what is in flight is dropped with it.
async fn carry_out_all(outbox: Arc<Outbox>, wake: Arc<Notify>) {
    let mut queue = Queue::new();
    let mut flights = JoinSet::<Settled>::new();
    let mut soonest = Instant::now();
    let mut look_at = soonest;
    loop {
        if Instant::now() >= look_at.max(soonest) {
            soonest = Instant::now() + LOOK_EVERY;
            look_at = look(&outbox, &mut queue).await;
        }
        while let Some(effect) = queue.start() {
            flights.spawn(carry_out(Arc::clone(&outbox), effect));
        }
        if queue.starving() {
            hold_back(&outbox, queue.hold_back()).await;
            look_at = soonest;
        }
        tokio::select! {
            Some(settled) = flights.join_next(), if !flights.is_empty() => {
                // Attempts catch their panics, and nobody cancels them.
                if let Ok((id, due)) = settled {
                    queue.finished(id);
                    look_at = due.map_or(look_at, |due| look_at.min(instant(due)));
                }
            }
            () = wake.notified() => look_at = soonest,
            () = sleep_until(look_at.max(soonest)) => {}
        }
    }
}

/// Asks the store what is due, and says when to ask again.
async fn look(outbox: &Outbox, queue: &mut Queue) -> Instant {
    let (now, wanted) = (now_unix_ms(), queue.wanted());
    match outbox.store.due(now, wanted).await {
        Ok((page, next)) => {
            let more = page.len() >= wanted;
            queue.refill(page, more);
            // What is due by now and was not read is asked for when there is room for it.
            next.filter(|next| *next > now).map_or_else(|| Instant::now() + LOOK_AT_LEAST_EVERY, instant)
        }
        Err(error) => {
            tracing::warn!("the outbox cannot be read: {error}");
            Instant::now() + STORE_PAUSE
        }
    }
}

/// Makes an attempt and settles it.
async fn carry_out(outbox: Arc<Outbox>, effect: StoredEffect) -> Settled {
    let (unix_ms, began) = (now_unix_ms(), Instant::now());
    let mut step = trace(&outbox, &effect).await;
    let outcome = attempt(&outbox, &effect).await;
    if let Some(failed) = &outcome.failed {
        step.fail(&failed.problem);
    }
    drop(step);
    let elapsed_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
    let (state, error) = verdict(&effect, outcome.failed.as_ref(), &outbox.settings, now_unix_ms(), fastrand::u64(..));
    note(&effect, &outcome, state, elapsed_ms);
    count(&outbox.settings.metrics, &effect.effect, state, began.elapsed());
    let attempt = EffectAttempt { unix_ms, status: outcome.status, error, elapsed_ms };
    settle(&outbox, effect.id, attempt, state).await;
    let due = if let EffectState::Due(at) = state { Some(at) } else { None };
    (effect.id, due)
}

/// The span of an attempt in the trace of the job, where that is traced. What is not said: the address, which may be secret.
async fn trace(outbox: &Outbox, effect: &StoredEffect) -> OpenSpan {
    let traces = &outbox.settings.traces;
    if !traces.is_on() {
        return OpenSpan::default();
    }
    // The record may be gone, or not be had; then the trace is that of its number.
    let stored = outbox.store.get(effect.job).await.ok().flatten();
    let parent = stored.map(|stored| stored.record.spec.trace_parent).unwrap_or_default();
    let (name, event) = match &effect.effect {
        Effect::Webhook { event, .. } => ("webhook", event.as_str()),
        Effect::Remove { .. } => ("remove", "remove"),
    };
    let mut step = traces.of_job(effect.job, &parent).open(name);
    step.set("reelmill.event", event);
    step.set("reelmill.attempt", effect.attempts.len() as u64 + 1);
    step
}

/// Settles until the store takes it: an effect that is not settled would be started again at once, and for ever.
async fn settle(outbox: &Outbox, id: u64, attempt: EffectAttempt, state: EffectState) {
    let mut pause = STORE_PAUSE;
    loop {
        match outbox.store.settle(id, attempt.clone(), state).await {
            Ok(()) | Err(StoreError::NotFound) => return,
            Err(error) => tracing::warn!(effect = id, "an attempt cannot be recorded: {error}"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(STORE_PAUSE * 30);
    }
}

/// Puts effects off that a receiver has above its share.
async fn hold_back(outbox: &Outbox, held: Vec<StoredEffect>) {
    if held.is_empty() {
        return;
    }
    tracing::warn!(count = held.len(), "messages are held back: their receivers are too slow for their number");
    let message = "not sent yet: too many messages wait for this receiver; it is tried again";
    let failed = Failed::for_now(Problem::sink("webhook.held_back", message));
    let put_off = held.iter().map(|effect| {
        let now = now_unix_ms();
        let (state, error) = verdict(effect, Some(&failed), &outbox.settings, now, fastrand::u64(..));
        let attempt = EffectAttempt { unix_ms: now, status: None, error, elapsed_ms: 0 };
        settle(outbox, effect.id, attempt, state)
    });
    join_all(put_off).await;
}

fn count(metrics: &Metrics, effect: &Effect, state: EffectState, took: Duration) {
    let outcome = match state {
        EffectState::Done => EffectOutcome::Done,
        EffectState::Due(_) => EffectOutcome::FailedForNow,
        EffectState::Dead => EffectOutcome::GivenUp,
    };
    metrics.effect(matches!(effect, Effect::Webhook { .. }), outcome, took);
}

/// One line a message for the log. The address stays out of it but for its host: paths of webhooks are often secrets.
fn note(effect: &StoredEffect, outcome: &Outcome, state: EffectState, elapsed_ms: u32) {
    let id = message_id(effect.job, effect.id);
    let status = outcome.status.unwrap_or_default();
    let code = outcome.failed.as_ref().map_or("", |failed| failed.problem.code.as_str());
    let (receiver, event) = match &effect.effect {
        Effect::Webhook { url, event, .. } => (receiver(url), event.as_str()),
        Effect::Remove { .. } => (String::new(), "remove"),
    };
    let (attempt, job) = (effect.attempts.len() + 1, effect.job);
    match state {
        EffectState::Done => tracing::debug!(%job, id, receiver, event, status, attempt, elapsed_ms, "carried out"),
        EffectState::Due(_) => {
            tracing::info!(%job, id, receiver, event, status, attempt, code, elapsed_ms, "failed for now");
        }
        EffectState::Dead => {
            tracing::warn!(%job, id, receiver, event, status, attempt, code, elapsed_ms, "failed for good");
        }
    }
}

fn now_unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, ms)
}

/// When a time of day comes, or when to look at the clock again.
fn instant(unix_ms: i64) -> Instant {
    let wait = u64::try_from(unix_ms.saturating_sub(now_unix_ms())).unwrap_or(0);
    Instant::now() + Duration::from_millis(wait).min(LOOK_AT_LEAST_EVERY)
}
