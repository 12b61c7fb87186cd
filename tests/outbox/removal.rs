//! Orders to remove what outputs left behind.

use crate::bench::{Bench, settings};
use reelmill::model::{JobId, Problem};
use reelmill::store::Effect;

fn removal() -> Effect {
    let destination = "s3://bucket/film".parse().unwrap();
    Effect::Remove { output: 2, destination, paths: vec!["cmaf/master.m3u8".to_owned()] }
}

#[tokio::test]
async fn a_removal_is_tried_until_it_is_done() {
    let bench = Bench::new(settings());
    let busy = Err(Problem::sink("output.unwritable", "the store is busy"));
    *bench.removals.answers.lock().unwrap() = vec![busy.clone(), busy, Ok(())];
    let effect = bench.store.until_done(bench.add(7, removal())).await;
    let errors: Vec<_> = effect.attempts.iter().map(|attempt| attempt.error.as_str()).collect();
    assert_eq!(errors, ["the store is busy [output.unwritable]", "the store is busy [output.unwritable]", ""]);
    let order = (JobId::from_number(7), 2, "s3://bucket/film".to_owned(), vec!["cmaf/master.m3u8".to_owned()]);
    assert_eq!(*bench.removals.asked.lock().unwrap(), vec![order; 3]);
}

#[tokio::test]
async fn a_removal_that_cannot_be_done_is_given_up_with_its_reason() {
    let bench = Bench::new(settings());
    *bench.removals.answers.lock().unwrap() = vec![Err(Problem::input("request.locator", "there is no such bucket"))];
    let last = bench.store.until_dead(bench.add(7, removal())).await;
    assert_eq!(last.error, "there is no such bucket [request.locator]");
    assert_eq!(bench.removals.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_panic_ends_one_effect_and_not_the_outbox() {
    let bench = Bench::new(settings());
    let destination = "s3://broken/film".parse().unwrap();
    let broken = bench.add(7, Effect::Remove { output: 0, destination, paths: Vec::new() });
    assert!(bench.store.until_dead(broken).await.error.ends_with("[internal.panic]"));
    bench.store.until_done(bench.add(7, removal())).await;
    assert_eq!(bench.removals.asked.lock().unwrap().len(), 2);
}
