//! The text form of refresh and MFA tokens: fields of a fixed length and their HMAC-SHA-256, in base64url. The cookie of a
//! page session has the same form, with random bytes instead of the HMAC.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const MAC_BYTES: usize = 32;

/// The HMAC of a token.
pub(super) type TokenMac = [u8; MAC_BYTES];

/// Returns the text form of a token with these fields.
pub(super) fn encode(fields: &[&[u8]], mac: &TokenMac) -> SecretString {
    let bytes = Zeroizing::new([fields.concat().as_slice(), mac].concat());
    BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()
}

/// Parses the text form of a token whose fields have FIELDS bytes. Returns `None` for any other text.
pub(super) fn decode<const FIELDS: usize>(text: &SecretString) -> Option<([u8; FIELDS], TokenMac)> {
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
        let (fields, mac) = decode::<3>(&encode(&[b"ab", b"c"], &[7; 32])).unwrap();
        assert_eq!((&fields, mac), (b"abc", [7; 32]));
    }

    #[test]
    fn any_other_text_is_not_a_token() {
        let length = encode(&[b"abc"], &[7; 32]).expose_secret().len();
        for text in ["", "token", "ä", &"A".repeat(length + 1), &"!".repeat(length)] {
            assert!(decode::<3>(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
