//! The key-encryption key from the configuration, and the signing keys that it protects in MongoDB.

mod algorithm_change;
mod hmac_sha256;
mod key_encryption_key;
mod key_pair;
mod public_jwk;
mod sealed_key;
mod session_salts;
mod signing_keys;

pub use algorithm_change::{AlgorithmChange, AlgorithmChangeError, change_algorithm};
pub use hmac_sha256::hmac_sha256;
pub use key_encryption_key::{InvalidEncryptionKey, KeyEncryptionKey, UnsealError};
pub use key_pair::{InvalidPrivateKey, KeyPair, PublicKey};
pub use public_jwk::PublicJwk;
pub use session_salts::{SessionSalt, SessionSalts};
pub use signing_keys::{PublishedKey, SigningKey, SigningKeys, SigningUnavailable};
