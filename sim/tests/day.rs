//! Half an hour of a hundred devices, with every fault, by several seeds: what must always hold, and figures that make sense.
//! `make sim` is the long form.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its log has failed")]

use reelmill_sim::faults::Faults;
use reelmill_sim::{Outcome, Scenario, World, log, report};
use std::io::Write;
use std::sync::{Arc, Mutex};

const DEVICES: usize = 100;
const HOURS: f64 = 0.5;
const OVERLOAD: f64 = 135.0;

fn scenario(seed: u64, load: f64, faults: Faults) -> Scenario {
    Scenario { seed, devices: DEVICES, hours: HOURS, load, swing: 0.2, faults }
}

fn run(seed: u64, load: f64, faults: Faults) -> Outcome {
    World::new(scenario(seed, load, faults), None).unwrap().run().unwrap()
}

#[test]
fn nothing_that_must_hold_is_violated_whatever_goes_wrong() {
    for seed in 1..=3 {
        let outcome = run(seed, OVERLOAD, Faults::ALL);
        let counts = &outcome.figures.counts;
        assert_eq!(outcome.violations, (vec![], 0), "seed {seed}");
        assert_eq!(counts.arrived, counts.done + counts.stopped + counts.refused + counts.lost, "seed {seed}");
        assert!(counts.failed > 10 && counts.finished > 500, "seed {seed}: {counts:?}");
        assert!(outcome.figures.wasted < 0.1 * outcome.figures.held, "seed {seed}");
    }
}

#[test]
fn each_fault_alone_ends_with_every_job_ended() {
    for fault in reelmill_sim::faults::FAULT_NAMES {
        let some = Scenario { hours: 0.2, ..scenario(7, 90.0, Faults::parse(fault).unwrap()) };
        let outcome = World::new(some, None).unwrap().run().unwrap();
        assert_eq!(outcome.violations, (vec![], 0), "{fault}");
    }
}

#[test]
fn a_full_fleet_reaches_most_of_the_bound_and_nobody_starves() {
    let outcome = World::new(Scenario { hours: 1.0, ..scenario(5, 250.0, Faults::NONE) }, None).unwrap().run().unwrap();
    // A hundred devices for an hour fill less evenly than ten thousand for a day.
    assert!((0.7..=1.0).contains(&outcome.utilisation), "{}", report::text(&outcome));
    let figures = &outcome.figures;
    assert!(figures.longest_wait_ms() <= figures.starved_after_ms(), "{}", report::text(&outcome));
    assert_eq!(figures.counts.failed, figures.counts.starts - figures.counts.finished);
}

#[test]
fn a_fleet_with_room_starts_jobs_at_once_and_does_what_is_offered() {
    let outcome = run(6, 50.0, Faults::NONE);
    assert!((0.3..0.75).contains(&outcome.utilisation), "{}", report::text(&outcome));
    let high = &outcome.figures.waits[0];
    assert!(high.iter().all(|wait| *wait < 120_000), "{}", report::text(&outcome));
}

#[test]
fn a_seed_gives_the_same_day_and_another_one_does_not() {
    let day = |seed| run(seed, 80.0, Faults::ALL).digest;
    assert_eq!(day(11), day(11));
    assert_ne!(day(11), day(12));
}

/// A file in memory that the test can still read when it has been given away.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_recorded_log_replays_to_the_same_actions_and_a_changed_one_does_not() {
    let shared = Shared::default();
    let scenario = Scenario { devices: 40, hours: 0.3, ..scenario(3, 110.0, Faults::ALL) };
    let outcome = World::new(scenario, Some(Box::new(shared.clone()))).unwrap().run().unwrap();
    let log = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    let replayed = log::replay(log.as_bytes()).unwrap();
    assert_eq!(replayed.events, outcome.figures.counts.events);
    assert!(replayed.actions > outcome.figures.counts.starts);
    // One job less: from then on the answers are others.
    let at = log.lines().position(|line| line.contains(" submit ")).unwrap();
    let without: String =
        log.lines().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| format!("{line}\n")).collect();
    assert!(log::replay(without.as_bytes()).unwrap_err().contains("another one now"));
}
