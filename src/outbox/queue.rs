//! What is in flight, and which effect comes next: bounds for all and for each receiver. No IO, no clock.
//!
//! The store is asked for a page of what is due, the longest due first. Effects of a receiver that has its share in
//! flight stay in the page, and could fill it. Then a larger page is asked for; and when the largest one is full of
//! effects that cannot start, those that a receiver has above its share are held back: due again later, as if they had
//! failed. So no backlog of one receiver keeps the effects of another out of sight, and memory stays bounded.

use crate::model::JobId;
use crate::store::{Effect, StoredEffect};
use std::collections::{BTreeMap, VecDeque};
use url::Url;

/// Attempts in flight: sixteen receivers that do not answer have to come together before anybody waits for them.
pub(super) const IN_FLIGHT_MAX: usize = 64;
/// Attempts in flight to one receiver: more would help a healthy one little, and hurt one that is not.
pub(super) const PER_RECEIVER_MAX: usize = 4;
/// Effects that are asked for at once: two rounds of all that may be in flight.
const PAGE: usize = 2 * IN_FLIGHT_MAX;
/// As many at most: some megabytes of bodies.
const PAGE_MAX: usize = 1024;
/// Effects of one receiver that stay in the largest page: four rounds of its share.
const KEPT_PER_RECEIVER: usize = 4 * PER_RECEIVER_MAX;

// Every receiver whose effects wait has something in flight, else they would not wait. So when there is room, fewer than
// IN_FLIGHT_MAX receivers share a full page, and one of them has more in it than may stay.
const _: () =
    assert!(IN_FLIGHT_MAX * KEPT_PER_RECEIVER <= PAGE_MAX, "a full page must always leave something to hold back");

/// What is known of the effects that are due.
#[derive(Debug)]
pub(super) struct Queue {
    in_flight: BTreeMap<u64, Way>,
    waiting: VecDeque<(Way, StoredEffect)>,
    page: usize,
    /// There may be more due than was read.
    more: bool,
}

/// What effects must share.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Way {
    receiver: String,
    /// Messages of a job to one of its webhooks go one after another.
    thread: Option<(JobId, usize)>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { in_flight: BTreeMap::new(), waiting: VecDeque::new(), page: PAGE, more: false }
    }

    /// How many effects to ask for: those in flight are due as long as they are not settled.
    pub(super) fn wanted(&self) -> usize {
        self.in_flight.len() + self.page
    }

    /// Takes a page of what is due; `more` when it is as long as was asked for.
    pub(super) fn refill(&mut self, page: Vec<StoredEffect>, more: bool) {
        let new = page.into_iter().filter(|effect| !self.in_flight.contains_key(&effect.id));
        self.waiting = new.map(|effect| (Way::of(&effect), effect)).collect();
        self.more = more;
        if !more {
            self.page = PAGE;
        }
    }

    /// The next effect to start, which is in flight from now on.
    pub(super) fn start(&mut self) -> Option<StoredEffect> {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let may = |way: &Way| {
            let others = || self.in_flight.values();
            others().filter(|other| other.receiver == way.receiver).count() < PER_RECEIVER_MAX
                && (way.thread.is_none() || others().all(|other| other.thread != way.thread))
        };
        let at = self.waiting.iter().position(|(way, _)| may(way))?;
        let (way, effect) = self.waiting.remove(at)?;
        self.in_flight.insert(effect.id, way);
        Some(effect)
    }

    /// An effect is settled.
    pub(super) fn finished(&mut self, id: u64) {
        self.in_flight.remove(&id);
    }

    /// To be asked when nothing more starts: whether the store must be asked again, because more could be in flight and
    /// what could start was not read. Widens the page where that is the reason.
    pub(super) fn starving(&mut self) -> bool {
        let starving = self.more && self.in_flight.len() < IN_FLIGHT_MAX;
        if starving && !self.waiting.is_empty() {
            self.page = (self.page * 2).min(PAGE_MAX);
        }
        starving
    }

    /// Takes out what a receiver has above its share, when the largest page is full of what cannot start.
    pub(super) fn hold_back(&mut self) -> Vec<StoredEffect> {
        let mut held = Vec::new();
        if self.waiting.len() < PAGE_MAX {
            return held;
        }
        let mut counts = BTreeMap::<String, usize>::new();
        for (way, effect) in std::mem::take(&mut self.waiting) {
            let count = counts.entry(way.receiver.clone()).or_default();
            *count += 1;
            if *count > KEPT_PER_RECEIVER {
                held.push(effect);
            } else {
                self.waiting.push_back((way, effect));
            }
        }
        held
    }
}

impl Way {
    fn of(effect: &StoredEffect) -> Self {
        match &effect.effect {
            Effect::Webhook { webhook, url, .. } => {
                Self { receiver: receiver(url), thread: Some((effect.job, *webhook)) }
            }
            Effect::Remove { destination, .. } => {
                let place = match destination {
                    crate::model::Locator::S3 { bucket, .. } => bucket.as_str(),
                    _ => "",
                };
                Self { receiver: format!("remove {place}"), thread: None }
            }
        }
    }
}

/// Host and port of a URL; what cannot be read has one name for all, and fails at once.
pub(super) fn receiver(url: &str) -> String {
    let url = Url::parse(url).ok();
    let place = url.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    place.map_or_else(String::new, |(host, port)| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Locator;
    use crate::store::EffectState;

    fn message(id: u64, job: u128, url: &str) -> StoredEffect {
        let effect = Effect::Webhook {
            webhook: 0,
            url: url.to_owned(),
            secret_name: String::new(),
            event: String::new(),
            body: String::new(),
        };
        let job = JobId::from_number(job);
        StoredEffect { id, job, created_unix_ms: 0, effect, state: EffectState::Due(0), attempts: Vec::new() }
    }

    fn started(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.start()).map(|effect| effect.id).collect()
    }

    #[test]
    fn a_receiver_gets_its_share_and_the_others_theirs() {
        let mut queue = Queue::new();
        let slow = (1..=9).map(|id| message(id, id.into(), "https://slow.example/a"));
        let other = (10..=11).map(|id| message(id, id.into(), "https://slow.example:444/a"));
        queue.refill(slow.chain(other).collect(), false);
        assert_eq!(started(&mut queue), [1, 2, 3, 4, 10, 11]);
        queue.finished(2);
        assert_eq!(started(&mut queue), [5]);
        assert!(!queue.starving(), "all that is due was read");
    }

    #[test]
    fn what_is_in_flight_is_not_started_again_while_the_store_still_says_due() {
        let mut queue = Queue::new();
        let page = || vec![message(1, 1, "https://a/"), message(2, 2, "https://b/")];
        queue.refill(page(), false);
        assert_eq!(started(&mut queue), [1, 2]);
        queue.refill(page(), false);
        assert_eq!(started(&mut queue), [] as [u64; 0]);
        queue.finished(1);
        queue.refill(page(), false);
        assert_eq!(started(&mut queue), [1]);
    }

    #[test]
    fn messages_of_a_job_to_one_webhook_go_one_after_another() {
        let mut queue = Queue::new();
        queue
            .refill(vec![message(1, 7, "https://a/"), message(2, 7, "https://a/"), message(3, 8, "https://a/")], false);
        assert_eq!(started(&mut queue), [1, 3]);
        queue.finished(1);
        assert_eq!(started(&mut queue), [2]);
    }

    #[test]
    fn removals_have_a_share_of_their_own_for_each_bucket() {
        let removal = |id: u64, place: &str| {
            let destination: Locator = place.parse().unwrap();
            let effect = Effect::Remove { output: 0, destination, paths: Vec::new() };
            StoredEffect { effect, ..message(id, 1, "") }
        };
        let mut queue = Queue::new();
        let a = (1..=5).map(|id| removal(id, "s3://first/x"));
        queue.refill(a.chain([removal(6, "s3://other/x"), removal(7, "/out")]).collect(), false);
        assert_eq!(started(&mut queue), [1, 2, 3, 4, 6, 7]);
    }

    /// A store with a backlog, as far as the queue can tell.
    fn look(queue: &mut Queue, due: &[StoredEffect]) -> usize {
        let page: Vec<_> = due.iter().take(queue.wanted()).cloned().collect();
        let more = page.len() >= queue.wanted();
        queue.refill(page, more);
        queue.waiting.len()
    }

    #[test]
    fn a_backlog_of_one_receiver_does_not_hide_the_others() {
        let mut due: Vec<_> = (0..5_000).map(|id| message(id, id.into(), "https://slow.example/")).collect();
        due.push(message(9_999, 9_999, "https://quick.example/"));
        let mut queue = Queue::new();
        let mut looks = 0;
        let found = loop {
            looks += 1;
            assert!(look(&mut queue, &due) <= PAGE_MAX + IN_FLIGHT_MAX && looks < 50, "{looks}");
            let new = started(&mut queue);
            if new.contains(&9_999) {
                break new;
            }
            assert!(queue.starving());
            let held = queue.hold_back();
            due.retain(|effect| held.iter().all(|held| held.id != effect.id));
        };
        assert!(!found.is_empty() && looks < 12, "{looks}");
        assert!(due.iter().filter(|effect| effect.id < 5_000).count() >= KEPT_PER_RECEIVER);
    }

    #[test]
    fn a_busy_outbox_does_not_ask_for_more() {
        let mut queue = Queue::new();
        let due: Vec<_> = (0..500).map(|id| message(id, id.into(), &format!("https://h{id}/"))).collect();
        look(&mut queue, &due);
        assert_eq!(started(&mut queue).len(), IN_FLIGHT_MAX);
        assert!(!queue.starving() && queue.hold_back().is_empty());
    }
}
