//! Which addresses pass, one by one.

use super::*;

fn rules(allow: &[&str], only: &[&str]) -> AddressRules {
    let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    AddressRules { allow: parsed(allow), only: parsed(only) }
}

fn passes(rules: &AddressRules, host: &str, address: &str) -> bool {
    rules.check(host, address.parse().unwrap()).is_ok()
}

#[test]
fn only_global_unicast_passes_by_default() {
    let usual = AddressRules::default();
    for address in [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "11.0.0.1",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808::f7f7:f7f7",
    ] {
        assert!(passes(&usual, "h", address), "{address}");
    }
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "169.254.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "2001:2::1",
        "2001:db8::1",
        "2001:10::1",
        "2001:20::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "64:ff9b:1::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2002:a00:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:a00:1::f7f7:f7f7",
        "2001:0:808:808::f5ff:fffe",
        "2001:0:808:808::80ff:fffe",
    ] {
        assert!(!passes(&usual, "h", address), "{address}");
    }
}

#[test]
fn blocks_and_names_open_what_they_say() {
    let open = rules(&["10.1.0.0/16", "fd00::/8", "media.internal", "*.example.org", "192.168.7.7"], &[]);
    for (host, address, allowed) in [
        ("h", "10.1.255.1", true),
        ("h", "10.2.0.1", false),
        ("h", "::ffff:10.1.0.1", true),
        ("h", "64:ff9b::a02:1", false),
        ("h", "fd01::1", true),
        ("h", "fc01::1", false),
        ("h", "192.168.7.7", true),
        ("h", "192.168.7.8", false),
        ("media.internal", "192.168.1.1", true),
        ("MEDIA.internal.", "127.0.0.1", true),
        ("media.internal.evil.example", "192.168.1.1", false),
        ("xmedia.internal", "192.168.1.1", false),
        ("a.b.example.org", "192.168.1.1", true),
        ("example.org", "192.168.1.1", false),
        ("notexample.org", "192.168.1.1", false),
        (".example.org", "192.168.1.1", false),
        ("h", "8.8.8.8", true),
    ] {
        assert_eq!(passes(&open, host, address), allowed, "{host} at {address}");
    }
}

#[test]
fn no_name_opens_the_metadata_service() {
    let named = rules(&["media.internal"], &[]);
    assert!(!passes(&named, "media.internal", "169.254.169.254"));
    assert!(!passes(&named, "media.internal", "fe80::1"));
    assert!(passes(&rules(&["169.254.0.0/16"], &[]), "media.internal", "169.254.169.254"));
}

#[test]
fn a_list_closes_everything_else_and_opens_nothing() {
    let listed = rules(&["10.0.0.0/8"], &["*.example.org", "10.1.0.0/16", "192.168.0.0/16"]);
    for (host, address, allowed) in [
        ("a.example.org", "8.8.8.8", true),
        ("a.example.org", "10.9.0.1", true),
        ("elsewhere", "8.8.8.8", false),
        ("elsewhere", "10.1.0.1", true),
        ("elsewhere", "10.2.0.1", false),
        ("elsewhere", "192.168.0.1", false),
    ] {
        assert_eq!(passes(&listed, host, address), allowed, "{host} at {address}");
    }
    assert!(listed.check_name("elsewhere").is_ok(), "it may turn out to lie in a block");
    assert!(rules(&[], &["*.example.org"]).check_name("elsewhere").is_err());
    assert!(AddressRules::default().check_name("elsewhere").is_ok());
}

#[test]
fn rules_are_read_and_written_as_they_are() {
    for text in ["10.1.0.0/16", "0.0.0.0/0", "::/0", "fd00::/8", "media.internal", "*.example.org", "localhost"] {
        assert_eq!(text.parse::<Allowed>().unwrap().to_string(), text);
    }
    assert_eq!("10.0.0.1".parse::<Allowed>().unwrap().to_string(), "10.0.0.1/32");
    for text in
        ["", "*", "*.", "a..b", "10.0.0.0/33", "::/129", "10.0.0/8", "127.1", "a/8", "a b", "http://a", "a:80", "é"]
    {
        assert!(text.parse::<Allowed>().is_err(), "{text}");
    }
    let read: AddressRules = serde_json::from_str(r#"{"allow":["10.1.0.0/16","*.Example.org"]}"#).unwrap();
    assert_eq!(read, rules(&["10.1.0.0/16", "*.example.org"], &[]));
    assert!(serde_json::from_str::<AddressRules>(r#"{"allow":["10.1.0.0/99"]}"#).is_err());
    assert!(serde_json::from_str::<AddressRules>(r#"{"deny":[]}"#).is_err());
}

#[test]
fn a_refusal_says_what_and_why() {
    let refusal = AddressRules::default().check("h", "10.0.0.1".parse().unwrap()).unwrap_err();
    assert_eq!(refusal.to_string(), "h is at a private address, and none of these may be connected to");
}
