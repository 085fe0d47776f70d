//! The key-encryption key from the configuration, and the signing keys that it protects in MongoDB.

mod key_encryption_key;
mod signing_keys;

pub use key_encryption_key::KeyEncryptionKey;
pub use signing_keys::{PublishedKey, SigningKeys, SigningUnavailable};
