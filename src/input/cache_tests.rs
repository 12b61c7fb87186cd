//! The cache with a real disk.

use super::*;

fn block(byte: u8) -> Bytes {
    vec![byte; BLOCK_BYTES].into()
}

#[test]
fn its_directory_is_made() {
    let directory = tempfile::tempdir().unwrap();
    BlockCache::new(&directory.path().join("state/cache"), CACHE_BYTES_MIN).unwrap();
    assert!(directory.path().join("state/cache").is_dir());
}

#[tokio::test]
async fn the_limit_is_kept_and_what_is_kept_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let cache = BlockCache::new(directory.path(), CACHE_BYTES_MIN + 5).unwrap();
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "nobody else can open it");
    let (one, two) = (cache.enter(), cache.enter());
    for at in 0..20_u8 {
        cache.keep((one, at.into()), block(at)).await;
        cache.keep((two, at.into()), block(100 + at)).await;
    }
    assert_eq!(cache.bytes(), CACHE_BYTES_MIN);
    assert!(!cache.has((one, 11)) && cache.has((one, 12)), "the oldest went");
    for at in 12..20_u8 {
        assert_eq!(cache.read((one, at.into()), 5..7).await.unwrap()[..], [at, at]);
        assert_eq!(cache.read((two, at.into()), 0..BLOCK_BYTES).await.unwrap(), block(100 + at));
    }
    assert_eq!(cache.read((one, 0), 0..1).await, None);
    cache.leave(one);
    assert!(!cache.has((one, 19)) && cache.has((two, 19)));
    cache.leave(two);
    assert_eq!(cache.bytes(), 0, "room is given back");
}

#[tokio::test]
async fn a_block_of_a_source_that_has_left_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let cache = BlockCache::new(directory.path(), CACHE_BYTES_MIN).unwrap();
    let source = cache.enter();
    cache.leave(source);
    cache.keep((source, 0), block(1)).await;
    assert!(!cache.has((source, 0)));
}

#[test]
fn a_cache_that_cannot_work_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for (path, bytes) in [(file, CACHE_BYTES_MIN), (directory.path().to_owned(), 1)] {
        assert_eq!(BlockCache::new(&path, bytes).unwrap_err().code, "source.cache");
    }
}
