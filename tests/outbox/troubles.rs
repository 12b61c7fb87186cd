//! Receivers that are unwell, and a store that is.

use crate::bench::{Bench, message, settings};
use crate::receiver::{Answer, Receiver};
use crate::store::{Effects, now};
use reelmill::model::JobId;
use reelmill::outbox::OutboxSettings;
use reelmill::store::EffectState;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let receiver = Receiver::script(&[Answer::with(429, "Retry-After", "120")]).await;
    let bench = Bench::new(settings());
    let before = now();
    let id = bench.add(1, message(receiver.url("/")));
    let effect = bench.store.until(id, |effect| !effect.attempts.is_empty()).await;
    let EffectState::Due(at) = effect.state else { panic!("{effect:?}") };
    assert!((before + 120_000..=now() + 120_000).contains(&at), "{at}");
    assert_eq!(effect.attempts[0].status, Some(429));
}

#[tokio::test]
async fn silence_and_resets_are_waited_out() {
    let receiver =
        Receiver::script(&[Answer::Silence, Answer::Reset, Answer::Endless(503), Answer::Endless(200)]).await;
    let bench = Bench::new(OutboxSettings { timeout: Duration::from_millis(300), ..settings() });
    let effect = bench.store.until_done(bench.add(1, message(receiver.url("/")))).await;
    let codes: Vec<_> = effect.attempts.iter().map(|attempt| attempt.error.rsplit(' ').next().unwrap()).collect();
    assert_eq!(codes, ["[webhook.timed_out]", "[webhook.unreachable]", "[webhook.failed]", ""]);
    assert!((300..5_000).contains(&effect.attempts[0].elapsed_ms), "{effect:?}");
    let long = &effect.attempts[2].error;
    assert!(long.contains("xxx") && long.len() < 400, "{long}");
}

#[tokio::test]
async fn nobody_at_home_is_tried_again() {
    let gone = Receiver::script(&[Answer::status(200)]).await;
    let url = gone.url("/");
    drop(gone);
    let bench = Bench::new(settings());
    let id = bench.add(1, message(url));
    let effect = bench.store.until(id, |effect| effect.attempts.len() >= 2).await;
    assert!(effect.attempts.iter().all(|attempt| attempt.error.ends_with("[webhook.unreachable]")), "{effect:?}");
}

#[tokio::test]
async fn after_the_time_that_is_set_a_message_is_given_up() {
    let receiver = Receiver::script(&[Answer::status(503)]).await;
    let brief = OutboxSettings { give_up_after: Duration::from_millis(150), ..settings() };
    let bench = Bench::new(brief.clone());
    let id = bench.add(1, message(receiver.url("/")));
    let last = bench.store.until_dead(id).await;
    let attempts = bench.store.get(id).attempts.len();
    assert!(attempts >= 2 && last.error.ends_with(&format!("given up after {attempts} attempts")), "{last:?}");
    let created = bench.store.get(id).created_unix_ms;
    let ended = last.unix_ms + i64::from(last.elapsed_ms);
    // Both figures are cut to whole milliseconds.
    assert!((created + 148..created + 2_000).contains(&ended), "{last:?}");
    // What became too old while nothing ran is tried once all the same.
    let store = Arc::<Effects>::default();
    let old = store.add_at(JobId::from_number(1), message(receiver.url("/")), now() - 3_600_000);
    let late = Bench::over(store, brief);
    let last = late.store.until_dead(old).await;
    assert!(last.error.ends_with("given up after 1 attempt"), "{last:?}");
}

#[tokio::test]
async fn a_slow_receiver_delays_nobody_else() {
    let (slow, quick) = (Receiver::script(&[Answer::Silence]).await, Receiver::script(&[Answer::status(200)]).await);
    // More than the largest page, and all of it longer due than the others.
    let store = Arc::<Effects>::default();
    let earlier = now() - 10_000;
    for job in 0..1_500 {
        store.add_at(JobId::from_number(job), message(slow.url("/")), earlier);
    }
    let began = Instant::now();
    let bench = Bench::over(store, settings());
    let ids: Vec<_> = (2_000..2_020).map(|job| bench.add(job, message(quick.url("/")))).collect();
    for id in ids {
        bench.store.until_done(id).await;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "the slow one takes 15 s each");
    assert!(slow.seen().len() <= 4, "and it is not overrun");
    bench.stop().await;
}

#[tokio::test]
async fn an_attempt_that_cannot_be_recorded_is_not_repeated() {
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let store = Arc::<Effects>::default();
    store.settle_failures.store(1, Ordering::SeqCst);
    let bench = Bench::over(store, settings());
    let id = bench.add(1, message(receiver.url("/")));
    // Looks that find the effect still due.
    bench.store.until_done(bench.add(2, message(receiver.url("/")))).await;
    bench.store.until_done(id).await;
    assert_eq!(receiver.seen().len(), 2);
}
