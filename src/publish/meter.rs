//! CPU time that the daemon spends on an output: around each poll of its futures, and around its steps that block. What
//! the HTTP client does in tasks of its own is not seen.

use crate::sys::clock;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

tokio::task_local! {
    /// The meter of the output that a future is polled for.
    static METER: Arc<Meter>;
}

thread_local! {
    /// What inner meters counted on this thread: outer ones leave it out.
    static COUNTED_US: Cell<u64> = const { Cell::new(0) };
}

/// What was spent, µs.
#[derive(Debug, Default)]
pub struct Meter {
    package_us: AtomicU64,
    publish_us: AtomicU64,
}

/// What it is spent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum For {
    /// Transport streams continued, manifests, progressive files, checks of what is to be published.
    Package,
    /// All else: storing, recording.
    Publish,
}

impl Meter {
    /// CPU time so far, µs: packaging, publishing.
    pub fn read(&self) -> (u64, u64) {
        (self.package_us.load(Ordering::Relaxed), self.publish_us.load(Ordering::Relaxed))
    }

    fn add(&self, what: For, us: u64) {
        let counter = match what {
            For::Package => &self.package_us,
            For::Publish => &self.publish_us,
        };
        counter.fetch_add(us, Ordering::Relaxed);
    }

    /// Runs `work`, and counts it but for what inner meters count.
    fn around<T>(&self, what: For, work: impl FnOnce() -> T) -> T {
        let Some(began) = clock::thread_cpu_time() else { return work() };
        let before = COUNTED_US.get();
        let result = work();
        let took = clock::thread_cpu_time().unwrap_or(began).saturating_sub(began);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let inner = COUNTED_US.get().saturating_sub(before);
        self.add(what, took_us.saturating_sub(inner));
        COUNTED_US.set(before.saturating_add(took_us.max(inner)));
        result
    }
}

/// A future whose polls are counted.
pub(super) struct Metered<F> {
    inner: Pin<Box<F>>,
    meter: Option<Arc<Meter>>,
    what: For,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { inner, meter, what } = &mut *self;
        match meter {
            Some(meter) => meter.around(*what, || inner.as_mut().poll(context)),
            None => inner.as_mut().poll(context),
        }
    }
}

/// All that is done for an output, counted as publishing unless it says otherwise.
pub(super) fn all<F: Future>(meter: Arc<Meter>, work: F) -> impl Future<Output = F::Output> {
    let inner = Box::pin(METER.scope(Arc::clone(&meter), work));
    Metered { inner, meter: Some(meter), what: For::Publish }
}

/// Packaging, counted for the output that this is polled for.
pub(super) fn packaging<F: Future>(work: F) -> Metered<F> {
    Metered { inner: Box::pin(work), meter: METER.try_with(Arc::clone).ok(), what: For::Package }
}

/// A step for a thread that may block, counted for the output that this is called for.
pub(super) fn blocking<T>(what: For, work: impl FnOnce() -> T + Send) -> impl FnOnce() -> T + Send {
    let meter = METER.try_with(Arc::clone).ok();
    move || match meter {
        Some(meter) => meter.around(what, work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn burn(for_us: u64) {
        let began = clock::thread_cpu_time().unwrap();
        while clock::thread_cpu_time().unwrap() - began < Duration::from_micros(for_us) {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn each_microsecond_is_counted_once() {
        let meter = Arc::new(Meter::default());
        let began = clock::thread_cpu_time().unwrap();
        let work = async {
            burn(4000);
            packaging(async {
                burn(8000);
                tokio::task::yield_now().await;
                burn(8000);
            })
            .await;
            let step = blocking(For::Package, || burn(5000));
            tokio::task::spawn_blocking(step).await.unwrap();
        };
        all(Arc::clone(&meter), work).await;
        let (package, publish) = meter.read();
        assert!(package >= 20_900, "{package}");
        assert!(publish >= 3900, "{publish}");
        // On this thread no more was counted than was spent; the rest is the blocking step.
        let here = (clock::thread_cpu_time().unwrap() - began).as_micros() as u64;
        assert!(package + publish <= here + 5000 + 20_000, "{package} {publish} {here}");
    }

    #[tokio::test]
    async fn without_a_meter_nothing_is_counted_and_all_is_done() {
        assert_eq!(packaging(async { 5 }).await, 5);
        assert_eq!(blocking(For::Publish, || 6)(), 6);
    }
}
