//! Signatures of Standard Webhooks 1.0.0, symmetric scheme: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// Before a secret in base64.
const PREFIX: &str = "whsec_";
/// Bytes of a key, by the standard: 192 to 512 bits.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Most keys at a time: the new one, the old one, and two that somebody forgot to take out.
const KEYS_MAX: usize = 4;
/// Padding is written and not asked for: people lose it when they copy.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys behind the name of one secret: one, or several while it is being replaced. Nothing shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeys(Vec<Vec<u8>>);

impl SigningKeys {
    /// Reads secrets as Standard Webhooks writes them: `whsec_` and 24 to 64 bytes in base64. As in the libraries of the
    /// standard the prefix may be missing; what follows is base64 all the same, never the key itself. Several, separated
    /// by white space, all sign: the old one stays until every receiver has the new one.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the secret; it shows nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let key = |word: &str| {
            let word = word.strip_prefix(PREFIX).unwrap_or(word);
            let key = BASE64.decode(word).map_err(|_| format!("is not `{PREFIX}` followed by base64"))?;
            if KEY_BYTES.contains(&key.len()) {
                return Ok(key);
            }
            let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
            Err(format!(
                "has {} bytes, and must have {least} to {most}: `openssl rand -base64 32` makes one",
                key.len()
            ))
        };
        let keys: Vec<_> = text.split_whitespace().map(key).collect::<Result<_, _>>()?;
        match keys.len() {
            0 => Err("is empty".to_owned()),
            1..=KEYS_MAX => Ok(Self(keys)),
            _ => Err(format!("has more than {KEYS_MAX} keys; take out those that nobody uses any more")),
        }
    }

    /// The value of `webhook-signature`: `v1,` and base64 for each key, separated by spaces. Neither `id` nor `timestamp`
    /// may hold a full stop.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let signature = |key: &Vec<u8>| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hidden", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signed(secret: &str) -> String {
        let keys = SigningKeys::parse(secret).unwrap();
        keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_vector_of_the_standards_libraries_comes_out() {
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(&format!("whsec_{KEY}")), expected);
        assert_eq!(signed(KEY), expected);
        let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert_eq!(signed(&format!(" {other}\n whsec_{KEY}\n")), format!("{} {expected}", signed(other)));
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        assert!(SigningKeys::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").is_ok(), "padding got lost");
        let long = format!("whsec_{}", "A".repeat(88));
        for (text, why) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("whsec_", "has 0 bytes"),
            ("whsec_AAAA", "has 3 bytes"),
            ("open-sesame", "is not `whsec_` followed by base64"),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "is not `whsec_` followed by base64"),
            (&long, "has 66 bytes"),
            (&[KEY; 5].join(" "), "has more than 4 keys"),
        ] {
            let error = SigningKeys::parse(text).unwrap_err();
            assert!(error.starts_with(why) && !error.contains("sesame") && !error.contains("MfKQ"), "{text}: {error}");
        }
        assert_eq!(format!("{:?}", SigningKeys::parse(KEY).unwrap()), "1 hidden");
    }
}
