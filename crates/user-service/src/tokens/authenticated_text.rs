//! The text form of refresh and MFA tokens: fields of a fixed length and their HMAC-SHA-256, in base64url.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

const MAC_BYTES: usize = 32;

/// The HMAC of a token that was parsed but not verified.
pub(super) type ClaimedMac = [u8; MAC_BYTES];

/// Returns the HMAC of these parts, one after the other.
pub(super) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

/// Returns the text form of a token with these fields.
pub(super) fn encode(fields: &[&[u8]], mac: Hmac<Sha256>) -> SecretString {
    let bytes = Zeroizing::new([fields.concat().as_slice(), &mac.finalize().into_bytes()[..]].concat());
    BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()
}

/// Parses the text form of a token whose fields have FIELDS bytes. Returns `None` for any other text.
pub(super) fn decode<const FIELDS: usize>(text: &SecretString) -> Option<([u8; FIELDS], ClaimedMac)> {
    let text = text.expose_secret();
    if text.len() != base64::encoded_len(FIELDS + MAC_BYTES, false)? {
        return None;
    }
    let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
    let (fields, mac) = bytes.split_first_chunk::<FIELDS>()?;
    Some((*fields, mac.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_decoded_to_its_fields() {
        let text = encode(&[b"ab", b"c"], mac(&[1; 32], &[b"abc"]));
        let (fields, claimed) = decode::<3>(&text).unwrap();
        assert_eq!(&fields, b"abc");
        assert!(mac(&[1; 32], &[b"a", b"bc"]).verify_slice(&claimed).is_ok());
        assert!(mac(&[2; 32], &[b"abc"]).verify_slice(&claimed).is_err());
    }

    #[test]
    fn any_other_text_is_not_a_token() {
        let length = encode(&[b"abc"], mac(&[1; 32], &[])).expose_secret().len();
        for text in ["", "token", "ä", &"A".repeat(length + 1), &"!".repeat(length)] {
            assert!(decode::<3>(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
