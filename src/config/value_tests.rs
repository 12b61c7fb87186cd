//! What is understood, and what is refused with a sentence.

use super::*;

fn plain(kind: Kind, text: &str) -> Option<String> {
    kind.read(&Raw::Plain(text.into())).ok().map(|value| value.shown())
}

#[test]
fn sizes_and_times_are_shown_as_short_as_they_can_be() {
    let size = |text| plain(Kind::Bytes(0, 1 << 50), text);
    assert_eq!(size("8388608"), Some("8 MiB".into()));
    assert_eq!(
        (size("1536 MiB"), size("1GiB"), size("0 B")),
        (Some("1536 MiB".into()), Some("1 GiB".into()), Some("0 B".into()))
    );
    assert_eq!((size("8 MB"), size("-1"), size("99999999999999999999 TiB"), size("GiB")), (None, None, None, None));
    let time = |text| plain(Kind::Time(0, 1 << 40), text);
    assert_eq!(
        (time("90s"), time("60s"), time("1d"), time("0ms")),
        (Some("90s".into()), Some("1m".into()), Some("1d".into()), Some("0ms".into()))
    );
    assert_eq!((time("90"), time("1w"), time("s"), time("1.5s")), (None, None, None, None));
}

#[test]
fn money_is_whole_billionths() {
    let money = |text| plain(Kind::Money, text);
    assert_eq!(
        (money("0.000015"), money("12"), money("1.50")),
        (Some("0.000015".into()), Some("12".into()), Some("1.5".into()))
    );
    assert_eq!(Kind::Money.read(&Raw::Text("0.000000001".into())), Ok(Value::Money(1)));
    assert_eq!(Kind::Money.read(&Raw::Number(Some(3))), Ok(Value::Money(3_000_000_000)));
    for bad in ["", ".5", "1.", "-1", "1e3", "0.0000000001", "1000001", "1,5"] {
        assert_eq!(money(bad), None, "{bad}");
    }
}

#[test]
fn what_is_refused_is_told_with_what_is_allowed() {
    let wrong = |kind: Kind, text: &str| kind.read(&Raw::Plain(text.into())).unwrap_err();
    assert_eq!(wrong(Kind::Number(1, 20), "21"), "a whole number from 1 to 20");
    assert_eq!(wrong(Kind::Choice(&["text", "json"]), "xml"), "text or json");
    assert_eq!(wrong(Kind::Time(1000, 60_000), "2m"), "a time from 1s to 1m, with a unit (ms, s, m, h, d)");
    assert!(wrong(Kind::Bytes(1 << 30, 1 << 40), "1").starts_with("a size from 1 GiB to 1 TiB"));
    assert!(wrong(Kind::Filter, "reelmill=loud").contains("info"));
    assert!(wrong(Kind::Text, "a\nb").contains("one line"));
}

#[test]
fn files_have_types_and_the_environment_has_not() {
    assert!(Kind::Number(0, 9).read(&Raw::Text("4".into())).is_err());
    assert!(Kind::Flag.read(&Raw::Text("true".into())).is_err());
    assert!(Kind::Bytes(0, 9).read(&Raw::Number(Some(4))).is_ok());
    assert!(Kind::Number(0, 9).read(&Raw::Number(None)).is_err());
    assert!(Kind::Paths.read(&Raw::Text("/a".into())).is_err());
    assert_eq!(plain(Kind::Paths, "/a, /b,"), Some("/a, /b".into()));
    assert_eq!(plain(Kind::Flag, "yes"), None);
}

#[test]
fn hosts_and_stores_are_what_they_must_be() {
    for good in ["10.0.0.0/8", "10.1.2.3", "::1", "fd00::/8", "media.internal", "*.example.org", "localhost"] {
        assert!(is_host_or_block(good), "{good}");
    }
    for bad in ["", "10.0.0.0/33", "10.0.0/8", "https://host", "a b", "*", "*.", "host:80", "1.2.3", "host/8"] {
        assert!(!is_host_or_block(bad), "{bad}");
    }
    for (text, good) in [
        ("http://127.0.0.1:9000", true),
        ("https://store.example/", true),
        ("https://user:word@store.example", false),
        ("https://store.example/bucket", false),
        ("store.example", false),
        ("ftp://store.example", false),
    ] {
        assert_eq!(is_address_of_host(text), good, "{text}");
    }
}
