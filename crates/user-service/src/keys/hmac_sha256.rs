//! HMAC-SHA-256 (RFC 2104) with a key that [`KeyEncryptionKey::derive`](super::KeyEncryptionKey::derive) returned.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Returns the HMAC of the parts in this order. The boundaries between the parts are not part of the input, so all parts
/// but one need a fixed length, a separator, or their length as another part.
#[must_use]
pub fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
