//! Bounded channels between stages, with typed ends.

use crate::model::Problem;
use crossbeam_channel::{Receiver, Sender, bounded};

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
    /// A neighbour is gone, or everything was asked to stop: whoever went first has recorded why.
    Neighbour,
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// The sending end; dropped without `end` it tells the receiver that this stage died.
pub struct Outflow<T, E>(Sender<Flow<T, E>>);

/// The receiving end.
pub struct Inflow<T, E>(Receiver<Flow<T, E>>);

/// A channel that holds at most `depth` items.
pub fn channel<T, E>(depth: usize) -> (Outflow<T, E>, Inflow<T, E>) {
    let (sender, receiver) = bounded(depth);
    (Outflow(sender), Inflow(receiver))
}

impl<T, E> Outflow<T, E> {
    /// Sends an item, waiting for room.
    pub fn send(&self, item: T) -> Result<(), Stopped> {
        self.0.send(Flow::Item(item)).map_err(|_| Stopped::Neighbour)
    }

    /// Says that all items were sent.
    pub fn end(self, end: E) -> Result<(), Stopped> {
        self.0.send(Flow::End(end)).map_err(|_| Stopped::Neighbour)
    }
}

impl<T, E> Inflow<T, E> {
    /// The next item or the end; a sender that died is an error.
    pub fn receive(&self) -> Result<Flow<T, E>, Stopped> {
        self.0.recv().map_err(|_| Stopped::Neighbour)
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
}
