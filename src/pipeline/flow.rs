//! Bounded channels between stages, with typed ends in both directions: a sender that is done says so with an end, a
//! receiver that wants no more lets go. A channel that closes without either means that the other side died.

use super::trouble::DeviceTrouble;
use crate::model::Problem;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What travels: items, then exactly one end.
pub enum Flow<T, E> {
    /// One more.
    Item(T),
    /// All of them were sent.
    End(E),
}

/// Why a stage stopped before its end.
#[derive(Debug)]
pub enum Stopped {
    /// This stage failed.
    Failed(Problem),
    /// The device failed at what this stage, or the one whose frames it gets, has placed on it.
    Device(Box<DeviceTrouble>),
    /// What this track alone is made with cannot be used, by the client's fault: others go on.
    Alone(Box<Problem>),
    /// A neighbour is gone, or everything was asked to stop: whoever went first has recorded why.
    Neighbour,
    /// Nobody wants what this stage makes any more, or any more of it. Not a failure.
    Unwanted,
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<DeviceTrouble> for Stopped {
    fn from(trouble: DeviceTrouble) -> Self {
        Self::Device(Box::new(trouble))
    }
}

/// What the two ends of a channel tell each other beside items.
#[derive(Default)]
struct Ends {
    /// The receiver wants no more.
    let_go: AtomicBool,
    /// Nothing more comes, since a device failed at it.
    cut_off: OnceLock<DeviceTrouble>,
}

/// The sending end; dropped without `end` it tells the receiver that this stage died.
pub struct Outflow<T, E> {
    sender: Sender<Flow<T, E>>,
    ends: Arc<Ends>,
}

/// The receiving end; dropped without `let_go` it tells the sender that this stage died.
pub struct Inflow<T, E> {
    receiver: Receiver<Flow<T, E>>,
    ends: Arc<Ends>,
}

/// A channel that holds at most `depth` items.
pub fn channel<T, E>(depth: usize) -> (Outflow<T, E>, Inflow<T, E>) {
    let (sender, receiver) = bounded(depth);
    let ends = Arc::new(Ends::default());
    (Outflow { sender, ends: Arc::clone(&ends) }, Inflow { receiver, ends })
}

impl<T, E> Outflow<T, E> {
    /// Sends an item, waiting for room. `Unwanted` when the receiver has let go.
    pub fn send(&self, item: T) -> Result<(), Stopped> {
        self.pass(Flow::Item(item))
    }

    /// Says that all items were sent.
    pub fn end(self, end: E) -> Result<(), Stopped> {
        self.pass(Flow::End(end))
    }

    fn pass(&self, what: Flow<T, E>) -> Result<(), Stopped> {
        self.sender.send(what).map_err(|_| if self.is_unwanted() { Stopped::Unwanted } else { Stopped::Neighbour })
    }

    fn is_unwanted(&self) -> bool {
        self.ends.let_go.load(Ordering::Acquire)
    }

    /// Says that nothing more comes, since a device failed at it.
    pub fn cut_off(self, trouble: &DeviceTrouble) {
        // Once only, since it takes the sender.
        let _ = self.ends.cut_off.set(trouble.clone());
    }
}

impl<T, E> Inflow<T, E> {
    /// The next item or the end; a sender that died is an error, and so is one that a device has failed.
    pub fn receive(&self) -> Result<Flow<T, E>, Stopped> {
        let gone = |_| self.ends.cut_off.get().map_or(Stopped::Neighbour, |trouble| trouble.clone().into());
        self.receiver.recv().map_err(gone)
    }

    /// Tells the sender that no more is wanted. What waits is dropped.
    pub fn let_go(self) {
        self.ends.let_go.store(true, Ordering::Release);
    }

    /// Lets the sender go when the receiving stage ended well, or is not wanted itself; after a failure the sender sees
    /// a dead neighbour.
    pub fn settle<R>(self, result: Result<R, Stopped>) -> Result<R, Stopped> {
        if matches!(result, Ok(_) | Err(Stopped::Unwanted)) {
            self.let_go();
        }
        result
    }
}

/// The channels from one stage to all its consumers. One that lets go is fed no more; the others do not notice.
pub struct Fan<T, E>(Vec<Outflow<T, E>>);

impl<T, E> Default for Fan<T, E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, E> Fan<T, E> {
    /// One more consumer.
    pub fn add(&mut self, out: Outflow<T, E>) {
        self.0.push(out);
    }

    /// Whether nobody wants anything any more. Those that have let go meanwhile are left out.
    pub fn is_unwanted(&mut self) -> bool {
        self.0.retain(|out| !out.is_unwanted());
        self.0.is_empty()
    }

    /// Sends what `item` makes to each consumer, one after the other, waiting for room.
    pub fn send(&mut self, item: impl Fn() -> Result<T, Stopped>) -> Result<(), Stopped> {
        let mut at = 0;
        while let Some(out) = self.0.get(at) {
            match out.send(item()?) {
                Ok(()) => at += 1,
                Err(Stopped::Unwanted) => drop(self.0.remove(at)),
                Err(stopped) => return Err(stopped),
            }
        }
        Ok(())
    }

    /// Says to all consumers that nothing more comes, since a device failed at it.
    pub fn cut_off(&mut self, trouble: &DeviceTrouble) {
        self.0.drain(..).for_each(|out| out.cut_off(trouble));
    }

    /// Says to all consumers that all items were sent.
    pub fn end(self, end: &E) -> Result<(), Stopped>
    where
        E: Clone,
    {
        let ends: Vec<_> = self.0.into_iter().map(|out| out.end(end.clone())).collect();
        ends.into_iter()
            .find(|end| {
                matches!(end, Err(Stopped::Neighbour | Stopped::Failed(_) | Stopped::Device(_) | Stopped::Alone(_)))
            })
            .unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_is_dropped_without_an_end_is_an_error_for_the_receiver() {
        let (out, inn) = channel::<u8, ()>(2);
        out.send(1).unwrap();
        drop(out);
        assert!(matches!(inn.receive(), Ok(Flow::Item(1))));
        assert!(matches!(inn.receive(), Err(Stopped::Neighbour)));
    }

    #[test]
    fn an_end_is_not_an_error() {
        let (out, inn) = channel::<u8, &str>(1);
        out.end("done").unwrap();
        assert!(matches!(inn.receive(), Ok(Flow::End("done"))));
    }

    #[test]
    fn a_receiver_that_lets_go_has_not_died() {
        let (out, inn) = channel::<u8, ()>(1);
        inn.let_go();
        assert!(matches!(out.send(1), Err(Stopped::Unwanted)));
        let (out, inn) = channel::<u8, ()>(1);
        assert!(matches!(inn.settle::<()>(Err(Stopped::Unwanted)), Err(Stopped::Unwanted)));
        assert!(matches!(out.send(1), Err(Stopped::Unwanted)));
        for died in [Stopped::Neighbour, Stopped::Failed(Problem::cancelled())] {
            let (out, inn) = channel::<u8, ()>(1);
            assert!(inn.settle::<()>(Err(died)).is_err());
            assert!(matches!(out.send(1), Err(Stopped::Neighbour)));
        }
    }

    #[test]
    fn a_receiver_that_is_cut_off_learns_why_after_what_was_sent() {
        let trouble = DeviceTrouble::truncated(crate::model::device::Operation::Filter, "", "720p", 2, 1);
        let mut fan = Fan::default();
        let (out, inn) = channel::<u8, ()>(2);
        fan.add(out);
        fan.send(|| Ok(1)).unwrap();
        fan.cut_off(&trouble);
        assert!(matches!(inn.receive(), Ok(Flow::Item(1))));
        assert!(matches!(inn.receive(), Err(Stopped::Device(told)) if *told == trouble));
    }

    #[test]
    fn a_fan_feeds_those_that_are_left_and_fails_with_one_that_died() {
        let mut fan = Fan::default();
        let (mut kept, mut inflows) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (out, inn) = channel::<u8, u8>(4);
            fan.add(out);
            inflows.push(inn);
        }
        inflows.remove(0).let_go();
        fan.send(|| Ok(7)).unwrap();
        kept.append(&mut inflows);
        assert!(kept.iter().all(|inn| matches!(inn.receive(), Ok(Flow::Item(7)))));
        kept.remove(0).let_go();
        assert!(!fan.is_unwanted());
        drop(kept);
        assert!(matches!(fan.send(|| Ok(8)), Err(Stopped::Neighbour)));
        assert!(matches!(fan.end(&9), Err(Stopped::Neighbour)));
    }

    #[test]
    fn a_fan_without_consumers_is_unwanted() {
        let mut fan = Fan::default();
        let (out, inn) = channel::<u8, ()>(1);
        fan.add(out);
        assert!(!fan.is_unwanted());
        inn.let_go();
        assert!(fan.is_unwanted());
        fan.end(&()).unwrap();
    }
}
