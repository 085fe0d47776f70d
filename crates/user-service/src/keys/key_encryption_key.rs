//! The key-encryption key, the root secret of the service: it seals the private keys that are stored, and keys for
//! other purposes are derived from it (HKDF-SHA-256, RFC 5869).

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use service_kit::random_bytes;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const NONCE_BYTES: usize = 24;

/// A key of 32 bytes. It is wiped when dropped, and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyEncryptionKey([u8; 32]);

/// The error for a configured text that is not a key.
#[derive(Debug, thiserror::Error)]
#[error("keys.encryption_key must be 32 bytes in base64; `user-service keygen --out DIR` generates one")]
pub struct InvalidEncryptionKey;

/// The error for a sealed value that cannot be unsealed: the key or the label is another one, or the bytes were
/// altered.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret cannot be unsealed with the configured key-encryption key")]
pub struct UnsealError;

impl KeyEncryptionKey {
    /// Parses 32 bytes in standard Base64.
    ///
    /// # Errors
    /// Returns [`InvalidEncryptionKey`] for any other text. The error does not repeat the text.
    pub fn from_base64(text: &SecretString) -> Result<Self, InvalidEncryptionKey> {
        let bytes =
            Zeroizing::new(BASE64_STANDARD.decode(text.expose_secret().trim()).map_err(|_| InvalidEncryptionKey)?);
        Ok(Self(bytes.as_slice().try_into().map_err(|_| InvalidEncryptionKey)?))
    }

    /// Returns the key whose 32 bytes all have this value.
    #[cfg(test)]
    pub(crate) fn for_test(byte: u8) -> Self {
        Self([byte; 32])
    }

    /// Derives the key for `purpose`. The same purpose always gives the same key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(purpose.as_bytes(), key.as_mut())
            .expect("32 bytes are within HKDF's limit of 255 blocks");
        key
    }

    /// Encrypts and authenticates `plaintext` with XChaCha20-Poly1305. The result begins with the random nonce. `label`
    /// names the content, and unsealing requires the same label.
    #[must_use]
    pub fn seal(&self, label: &str, plaintext: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = random_bytes();
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: label.as_bytes() })
            .expect("sealing fails only beyond 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts the result of [`Self::seal`] with the same label.
    ///
    /// # Errors
    /// Returns [`UnsealError`] if the key, the label or the bytes differ.
    pub fn unseal(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(UnsealError)?;
        self.cipher()
            .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: label.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| UnsealError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive("seal/v1")[..].try_into().expect("the key has 32 bytes"))
    }
}

impl std::fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyEncryptionKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::from_base64(&BASE64_STANDARD.encode([byte; 32]).into()).unwrap()
    }

    #[test]
    fn a_sealed_value_is_unsealed_only_with_the_same_key_and_label() {
        let sealed = key(1).seal("signing-key/a", b"private");
        assert_eq!(&**key(1).unseal("signing-key/a", &sealed).unwrap(), b"private");
        assert!(key(1).unseal("signing-key/b", &sealed).is_err());
        assert!(key(2).unseal("signing-key/a", &sealed).is_err());
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert!(key(1).unseal("signing-key/a", &altered).is_err());
        assert!(key(1).unseal("signing-key/a", &sealed[..10]).is_err());
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        assert_eq!(key(1).derive("a"), key(1).derive("a"));
        assert_ne!(key(1).derive("a"), key(1).derive("b"));
        assert_ne!(key(1).derive("a"), key(2).derive("a"));
    }

    #[test]
    fn an_invalid_key_is_refused_and_not_repeated() {
        for text in ["", "hunter2", "c2hvcnQ="] {
            let error = KeyEncryptionKey::from_base64(&text.to_owned().into()).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", key(7)), "KeyEncryptionKey(…)");
    }
}
