//! Reading blocks from something that counts what it is asked.

use super::*;
use crate::input::{CACHE_BYTES_MIN, Source};
use crate::model::Fault;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bytes that tell where they stand.
fn expected(offset: u64, length: usize) -> Vec<u8> {
    (offset..offset + length as u64).map(|at| (at % 251) as u8).collect()
}

/// Something remote that is asked, counts, and waits for leave to answer.
#[derive(Debug)]
struct Far {
    size: u64,
    asked: Mutex<Vec<u64>>,
    leave: Semaphore,
    failing: Mutex<BTreeSet<u64>>,
}

impl Far {
    fn new(size: u64, leave: usize) -> Arc<Self> {
        Arc::new(Self { size, asked: Mutex::default(), leave: Semaphore::new(leave), failing: Mutex::default() })
    }

    fn asked(&self) -> Vec<u64> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_unstable();
        asked
    }
}

impl RemoteRanges for Far {
    fn read(&self, offset: u64, length: usize) -> BoxFuture<'_, Result<Bytes, Problem>> {
        Box::pin(async move {
            let block = offset / BLOCK_BYTES as u64;
            self.asked.lock().unwrap().push(block);
            self.leave.acquire().await.unwrap().forget();
            if self.failing.lock().unwrap().remove(&block) {
                return Err(Problem::sink("source.unavailable", "not now"));
            }
            Ok(expected(offset, length.min((self.size - offset) as usize)).into())
        })
    }
}

const B: u64 = BLOCK_BYTES as u64;
const MANY: usize = 1000;

fn source(far: &Arc<Far>) -> (tempfile::TempDir, Arc<BlockCache>, Source) {
    let directory = tempfile::tempdir().unwrap();
    let cache = BlockCache::new(directory.path(), CACHE_BYTES_MIN).unwrap();
    let source = Source::remote("far", far.size, far.clone(), &cache).unwrap();
    (directory, cache, source)
}

#[tokio::test]
async fn any_range_is_what_it_should_be() {
    let far = Far::new(4 * B + 1234, MANY);
    let (_directory, _cache, source) = source(&far);
    for (offset, length) in
        [(0, 10), (B - 3, 6), (B / 2, 2 * BLOCK_BYTES), (4 * B, 5000), (4 * B + 1234, 1), (u64::MAX, 9)]
    {
        let there = far.size.saturating_sub(offset).min(length as u64) as usize;
        assert_eq!(source.read_range(offset, length).await.unwrap()[..], expected(offset, there)[..], "{offset}");
    }
    assert!(source.descriptor().unwrap().is_none() && source.is_remote());
}

#[tokio::test]
async fn readers_at_one_time_and_one_after_another_cause_one_fetch() {
    let far = Far::new(3 * B, 0);
    let (_directory, _cache, source) = source(&far);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { source.read_range(10, 2 * BLOCK_BYTES).await.unwrap() })
        })
        .collect();
    while far.asked().len() < 3 {
        tokio::task::yield_now().await;
    }
    far.leave.add_permits(MANY);
    for reader in readers {
        assert_eq!(reader.await.unwrap()[..], expected(10, 2 * BLOCK_BYTES)[..]);
    }
    source.read_range(0, 3 * BLOCK_BYTES).await.unwrap();
    assert_eq!(far.asked(), [0, 1, 2]);
    assert_eq!(source.bytes_read(), 3 * B);
}

#[tokio::test]
async fn reading_on_fetches_ahead_and_jumping_about_does_not() {
    let far = Far::new(100 * B, MANY);
    let (_directory, _cache, source) = source(&far);
    for block in [80, 20, 50] {
        source.read_range(block * B, 1000).await.unwrap();
    }
    assert_eq!(far.asked(), [20, 50, 80]);
    for at in 0..20 {
        source.read_range(at * 64 * 1024, 64 * 1024).await.unwrap();
    }
    while far.asked().len() < 3 + 1 + 8 {
        tokio::task::yield_now().await;
    }
    assert!(far.asked()[..5] == [0, 1, 2, 3, 4], "{:?}", far.asked());
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait_and_then_forgotten() {
    let far = Far::new(B, MANY);
    far.failing.lock().unwrap().insert(0);
    let (_directory, _cache, source) = source(&far);
    let problem = source.read_range(0, 1).await.unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Sink, "source.unavailable"));
    assert_eq!(source.read_range(0, 1).await.unwrap()[..], [0]);
}

#[tokio::test]
async fn a_source_larger_than_the_cache_is_read_right_twice() {
    let far = Far::new(3 * CACHE_BYTES_MIN, MANY);
    let (_directory, cache, source) = source(&far);
    for _ in 0..2 {
        for block in 0..far.size / B {
            let read = source.read_range(block * B + 7, 100).await.unwrap();
            assert_eq!(read[..], expected(block * B + 7, 100)[..]);
        }
    }
    assert!(cache.bytes() <= CACHE_BYTES_MIN);
}

#[tokio::test]
async fn nothing_is_fetched_for_a_source_that_nobody_has() {
    let far = Far::new(100 * B, 0);
    let (_directory, _cache, source) = source(&far);
    let reader = source.clone();
    let reading = tokio::spawn(async move { reader.read_range(0, 4 * BLOCK_BYTES).await });
    while far.asked().len() < 4 {
        tokio::task::yield_now().await;
    }
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    drop(source);
    let gone = async {
        // The fetching tasks are the only others that hold it.
        while Arc::strong_count(&far) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test]
async fn a_short_answer_is_no_answer() {
    let far = Far::new(B, MANY);
    let directory = tempfile::tempdir().unwrap();
    let cache = BlockCache::new(directory.path(), CACHE_BYTES_MIN).unwrap();
    let source = Source::remote("far", B + 1, far, &cache).unwrap();
    assert_eq!(source.read_range(B, 1).await.unwrap_err().code, "source.unavailable");
}
