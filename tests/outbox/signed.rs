//! Checks signatures a second time, by the texts of RFC 2104 and RFC 4648 and what Standard Webhooks says to do with them.

use crate::receiver::Seen;
use sha2::{Digest, Sha256};

/// Whether the request is signed with this key, by any of its signatures.
pub(crate) fn is_signed(seen: &Seen, key: &[u8]) -> bool {
    let (id, timestamp) = (&seen.headers["webhook-id"], &seen.headers["webhook-timestamp"]);
    let content = [id.as_bytes(), timestamp.as_bytes(), &seen.body].join(&b'.');
    let expected = format!("v1,{}", base64(&hmac_sha256(key, &content)));
    seen.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
}

/// RFC 2104 §2, for keys of at most a block.
fn hmac_sha256(key: &[u8], content: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::digest([&padded(0x36), content].concat());
    Sha256::digest([&padded(0x5c)[..], &inner].concat()).into()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        let letter = |at: usize| {
            let present = at <= group.len();
            if present { char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]) } else { '=' }
        };
        [letter(0), letter(1), letter(2), letter(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn the_second_implementation_agrees_with_a_published_vector() {
    // `base64` of the secret `MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
    let content = br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
    assert_eq!(base64(&hmac_sha256(&KEY, content)), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!([base64(b"f"), base64(b"fo"), base64(b"foo")], ["Zg==", "Zm8=", "Zm9v"]);
    assert_eq!(base64(&KEY), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
}

/// What `bench::SECRET` stands for.
pub(crate) const KEY: [u8; 24] = [
    0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48, 0xa3,
    0x62, 0xda, 0x2d, 0xa4, 0xb0,
];

/// What `bench::OTHER_SECRET` stands for.
pub(crate) fn other_key() -> Vec<u8> {
    (0..32).collect()
}
