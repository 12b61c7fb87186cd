//! Single objects against a store: stored, read, listed, deleted; keys as they are; who may.

use crate::support::{behind_proxy, bucket, pattern, settings};
use bytes::Bytes;
use reelmill_s3::{Checksums, Credentials, ObjectOptions, S3Error, Settings, Store};
use reelmill_testkit::Target;
use std::collections::BTreeMap;

/// Keys that something on the way might change: a client, a signature, a path, a query.
const ODD_KEYS: [&str; 17] = [
    "plain",
    "with.dots.v1.0/index.m3u8",
    "no-extension/and no folder",
    " leading and trailing ",
    "quotes'\"`",
    "ünï/çødé/日本語/🎬.mp4",
    "plus+and%20percent%2Fslash",
    "question?mark=1&x=y#hash",
    "brackets[0]{1}(2)<3>",
    "colon:semi;comma,at@dollar$",
    "back\\slash|pipe^caret~tilde",
    "...",
    "..hidden/.dots",
    "equals=/star*",
    "line\nbreak",
    "tab\there",
    "x/y/z/../../not-up",
];

#[tokio::test]
async fn an_object_comes_back_as_it_went() {
    let target = Target::start();
    let bucket = bucket(&target);
    let key = format!("{}object", target.prefix());
    let bytes = pattern(300_000);
    bucket.put(&key, Bytes::from(bytes.clone()), &ObjectOptions::default()).await.unwrap();

    let info = bucket.head(&key).await.unwrap().unwrap();
    assert_eq!(info.size, 300_000);
    let whole = bucket.get_range(&key, 0, info.size, Some(&info.etag)).await.unwrap();
    assert!(whole == bytes, "the object differs");
    let middle = bucket.get_range(&key, 100_000, 50_000, None).await.unwrap();
    assert!(middle == bytes[100_000..150_000], "the range differs");
    assert_eq!(bucket.get_range(&key, 10, 0, None).await.unwrap().len(), 0);
    assert_eq!(bucket.get_range(&key, 299_000, 2_000, None).await, Err(S3Error::Truncated));
    let beyond = bucket.get_range(&key, 300_000, 1, None).await;
    assert!(matches!(beyond, Err(S3Error::Rejected { status: 416, .. })), "{beyond:?}");

    bucket.delete(&[&key]).await.unwrap();
    assert_eq!(bucket.head(&key).await, Ok(None));
    assert_eq!(bucket.get_range(&key, 0, 1, None).await, Err(S3Error::NotFound));
    bucket.delete(&[&key]).await.unwrap();
}

#[tokio::test]
async fn an_object_that_was_replaced_is_not_mixed_with_the_one_before() {
    let target = Target::start();
    let bucket = bucket(&target);
    let key = format!("{}object", target.prefix());
    bucket.put(&key, Bytes::from_static(b"first"), &ObjectOptions::default()).await.unwrap();
    let etag = bucket.head(&key).await.unwrap().unwrap().etag;
    bucket.put(&key, Bytes::from_static(b"other"), &ObjectOptions::default()).await.unwrap();
    assert_eq!(bucket.get_range(&key, 0, 5, Some(&etag)).await, Err(S3Error::Changed));
    bucket.delete(&[&key]).await.unwrap();
}

#[tokio::test]
async fn what_an_object_is_stored_with_is_there_afterwards() {
    let target = Target::start();
    let bucket = bucket(&target);
    let key = format!("{}index.m3u8", target.prefix());
    let options = ObjectOptions {
        content_type: Some("application/vnd.apple.mpegurl".to_owned()),
        cache_control: Some("public, max-age=60".to_owned()),
        acl: None,
        metadata: BTreeMap::from([("job".to_owned(), "a b, \"c\"".to_owned()), ("rung".to_owned(), "720p".to_owned())]),
    };
    bucket.put(&key, Bytes::from_static(b"#EXTM3U"), &options).await.unwrap();
    let info = bucket.head(&key).await.unwrap().unwrap();
    assert_eq!(info.content_type, options.content_type);
    assert_eq!(info.cache_control, options.cache_control);
    assert_eq!(info.metadata, options.metadata);
    let wrong = ObjectOptions { acl: Some("mine".to_owned()), ..options };
    let refused = bucket.put(&key, Bytes::new(), &wrong).await;
    assert!(matches!(refused, Err(S3Error::Invalid(_))), "{refused:?}");
    bucket.delete(&[&key]).await.unwrap();
}

#[tokio::test]
async fn an_acl_is_sent_as_one() {
    let target = Target::start();
    let Some((proxy, _, bucket)) = behind_proxy(&target) else { return };
    let key = format!("{}object", target.prefix());
    let options = ObjectOptions { acl: Some("bucket-owner-full-control".to_owned()), ..ObjectOptions::default() };
    bucket.put(&key, Bytes::from_static(b"x"), &options).await.unwrap();
    assert_eq!(proxy.requests()[0].header("x-amz-acl"), Some("bucket-owner-full-control"));
    bucket.delete(&[&key]).await.unwrap();
}

#[tokio::test]
async fn odd_keys_land_exactly_there() {
    let target = Target::start();
    let bucket = bucket(&target);
    let prefix = target.prefix();
    let keys: Vec<String> = ODD_KEYS.iter().map(|key| format!("{prefix}{key}")).collect();
    // A file system resolves what is a name in a bucket.
    let keys: Vec<&String> = keys.iter().filter(|key| target.embedded.is_none() || !key.contains("/../")).collect();
    for key in &keys {
        let put = bucket.put(key, Bytes::from(key.as_bytes().to_vec()), &ObjectOptions::default()).await;
        assert_eq!(put, Ok(()), "{key:?}");
    }
    for key in &keys {
        let info = bucket.head(key).await.unwrap().unwrap_or_else(|| panic!("{key:?} is not there"));
        let bytes = bucket.get_range(key, 0, info.size, Some(&info.etag)).await.unwrap();
        assert_eq!(bytes, key.as_bytes(), "{key:?}");
    }
    let listed = bucket.list(&prefix, 1000).await.unwrap();
    let mut listed: Vec<&String> = listed.iter().map(|object| &object.key).collect();
    let mut expected = keys.clone();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    bucket.delete(&keys).await.unwrap();
    assert!(!bucket.any_under(&prefix).await.unwrap());
}

#[tokio::test]
async fn keys_are_on_the_wire_as_they_were_given() {
    let target = Target::start();
    let Some((proxy, _, bucket)) = behind_proxy(&target) else { return };
    for key in ODD_KEYS.iter().copied().chain(["a//b", "//", "../up", "./here", "."]) {
        let before = proxy.requests().len();
        // Whether the store knows such a key does not matter here.
        let _answer = bucket.head(key).await;
        let request = proxy.requests().swap_remove(before);
        assert_eq!(request.path(), format!("/{}/{key}", target.bucket), "{}", request.target);
        assert!(!request.target.contains('?'), "{}", request.target);
    }
    let empty = bucket.head("").await;
    assert!(matches!(empty, Err(S3Error::Invalid(_))), "{empty:?}");
}

#[tokio::test]
async fn many_objects_are_listed_in_pages_and_deleted_in_batches() {
    let target = Target::start();
    let bucket = bucket(&target);
    let prefix = target.prefix();
    assert!(!bucket.any_under(&prefix).await.unwrap());
    let keys: Vec<String> = (0..1050).map(|number| format!("{prefix}{number:05}.m4s")).collect();
    for batch in keys.chunks(50) {
        let puts = batch.iter().map(|key| {
            let (bucket, key) = (bucket.clone(), key.clone());
            tokio::spawn(async move { bucket.put(&key, Bytes::from_static(b"x"), &ObjectOptions::default()).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.unwrap().unwrap();
        }
    }
    assert!(bucket.any_under(&prefix).await.unwrap());
    assert!(bucket.any_under(&format!("{prefix}00007")).await.unwrap());
    assert_eq!(bucket.list(&prefix, 3).await.unwrap().len(), 3);
    let all = bucket.list(&prefix, 5000).await.unwrap();
    assert_eq!(all.iter().map(|object| &object.key).collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    bucket.delete(&keys).await.unwrap();
    assert!(!bucket.any_under(&prefix).await.unwrap());
}

#[tokio::test]
async fn a_store_without_batches_deletes_singly() {
    let target = Target::start();
    let Some((proxy, _, bucket)) = behind_proxy(&target) else { return };
    let prefix = target.prefix();
    let keys = [format!("{prefix}a"), format!("{prefix}b"), format!("{prefix}never-there")];
    for key in &keys[..2] {
        bucket.put(key, Bytes::from_static(b"x"), &ObjectOptions::default()).await.unwrap();
    }
    let fault = reelmill_testkit::Fault::Answer { status: 501, code: "NotImplemented", retry_after: None };
    proxy.fail(reelmill_testkit::Rule::new(fault).method("POST").always());
    bucket.delete(&keys.each_ref().map(String::as_str)).await.unwrap();
    assert_eq!(proxy.count("DELETE", &prefix), 3);
    assert!(!bucket.any_under(&prefix).await.unwrap());
}

#[tokio::test]
async fn buckets_are_checked_and_made() {
    let target = Target::start();
    let store = Store::connect(settings(&target, target.endpoint.clone()));
    assert_eq!(store.bucket(&target.bucket).check().await, Ok(()));
    let missing = store.bucket("reelmill-test-no-such-bucket");
    // Some stores do not tell a stranger's bucket from none.
    let checked = missing.check().await;
    assert!(matches!(checked, Err(S3Error::NoSuchBucket | S3Error::Forbidden(_))), "{checked:?}");
    if target.embedded.is_some() {
        assert_eq!(checked, Err(S3Error::NoSuchBucket));
        missing.create().await.unwrap();
        assert_eq!(missing.check().await, Ok(()));
    } else {
        // The embedded store makes the bucket instead.
        let put = missing.put("key", Bytes::from_static(b"x"), &ObjectOptions::default()).await;
        assert!(matches!(put, Err(S3Error::NoSuchBucket | S3Error::Forbidden(_))), "{put:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_forbidden_and_does_not_show() {
    let target = Target::start();
    let mut settings = settings(&target, target.endpoint.clone());
    settings.credentials = Credentials::Static {
        access_key_id: target.access_key_id.clone(),
        secret_access_key: "wrong-secret".to_owned(),
        session_token: None,
    };
    let store = Store::connect(settings);
    let bucket = store.bucket(&target.bucket);
    let put = bucket.put("key", Bytes::from_static(b"x"), &ObjectOptions::default()).await;
    let error = put.unwrap_err();
    assert!(matches!(error, S3Error::Forbidden(_)), "{error:?}");
    assert!(matches!(bucket.check().await, Err(S3Error::Forbidden(_))));
    let shown = format!("{store:?} {bucket:?} {error:?} {error}");
    assert!(!shown.contains("wrong-secret"), "{shown}");
}

#[tokio::test]
async fn anonymous_requests_are_not_signed() {
    let target = Target::start();
    let Some((proxy, _, _)) = behind_proxy(&target) else { return };
    let store = Store::connect(Settings::new(Some(proxy.endpoint()), Credentials::Anonymous));
    let checked = store.bucket(&target.bucket).check().await;
    assert!(matches!(checked, Err(S3Error::Forbidden(_))), "{checked:?}");
    assert_eq!(proxy.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn checksums_are_a_setting() {
    let target = Target::start();
    let Some((proxy, _, bucket)) = behind_proxy(&target) else { return };
    let key = format!("{}object", target.prefix());
    let has_checksum = |request: &reelmill_testkit::Request| {
        request.headers.iter().any(|(name, _)| name.starts_with("x-amz-checksum-") || name == "x-amz-trailer")
    };
    bucket.put(&key, Bytes::from_static(b"x"), &ObjectOptions::default()).await.unwrap();
    assert!(!has_checksum(&proxy.requests()[0]));
    if target.embedded.is_some() {
        let mut settings = settings(&target, proxy.endpoint());
        settings.checksums = Some(Checksums::WhenSupported);
        let bucket = Store::connect(settings).bucket(&target.bucket);
        bucket.put(&key, Bytes::from_static(b"x"), &ObjectOptions::default()).await.unwrap();
        assert!(has_checksum(&proxy.requests()[1]));
    }
    bucket.delete(&[&key]).await.unwrap();
}
